"""What default parameters reach on real data; sets outside scikit-learn are read where they lie beside the project."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skrnn import RNNClassifier

LOADERS = Path(__file__).resolve().parents[2] / "shared" / "data" / "load.py"
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def median_accuracy(train, test, seeds=5):
    return np.median([RNNClassifier(random_state=seed).fit(*train).score(*test) for seed in range(seeds)])


def test_digits_read_row_by_row():
    digits = load_digits()
    parts = train_test_split(digits.images, digits.target, random_state=0, stratify=digits.target)
    assert median_accuracy((parts[0], parts[2]), (parts[1], parts[3]), seeds=3) >= 0.96


@pytest.mark.skipif(not LOADERS.exists(), reason="the data sets are not beside the project")
def test_japanese_vowels():
    spec = importlib.util.spec_from_file_location("load", LOADERS)
    load = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(load)
    assert median_accuracy(load.tsc("JapaneseVowels", "train"), load.tsc("JapaneseVowels", "test")) >= 0.97
