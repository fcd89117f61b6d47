"""Accuracy of default parameters on real data: median of five seeds, beside floors and published results.

JapaneseVowels and C-MAPSS FD001 are read with the loaders given by ``--data`` (a folder with ``load.py``); the digits
come with scikit-learn. Run: ``python benchmarks/accuracy.py --data DIR [--write]``.
"""

import importlib.util
import time
import warnings
from pathlib import Path

import numpy as np
from _harness import Report, parser
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skrnn import RNNClassifier, RNNRegressor

SEEDS = range(5)
CAP, WINDOW = 125, 30  # of the remaining life in cycles; cycles that the regressor sees
