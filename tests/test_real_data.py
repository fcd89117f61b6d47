"""What default parameters reach on real data; sets outside scikit-learn are read where they lie beside the project."""

import importlib.util
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from skrnn import Conv, RNNClassifier, SequenceArray, SequenceOutlierDetector, SequenceTransformer
from skrnn.cells import GRU, LSTM, MGU
from skrnn.metrics import get_scorer, span_f1_score
from skrnn.preprocessing import PerStep

LOADERS = Path(__file__).resolve().parents[2] / "shared" / "data" / "load.py"
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:Maximum number of iterations")]


def median_accuracy(train, test, seeds=5):
    return np.median([RNNClassifier(random_state=seed).fit(*train).score(*test) for seed in range(seeds)])


def test_digits_read_row_by_row():
    digits = load_digits()
    parts = train_test_split(digits.images, digits.target, random_state=0, stratify=digits.target)
    assert median_accuracy((parts[0], parts[2]), (parts[1], parts[3]), seeds=3) >= 0.96


@pytest.fixture(scope="module")
def load():
    if not LOADERS.exists():
        pytest.skip("the data sets are not beside the project")
    spec = importlib.util.spec_from_file_location("load", LOADERS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def japanese_vowels(load):
    return load.tsc("JapaneseVowels", "train"), load.tsc("JapaneseVowels", "test")


def test_japanese_vowels(japanese_vowels):
    assert median_accuracy(*japanese_vowels) >= 0.97


@pytest.mark.parametrize(
    "parameters",
    [
        *({"cell": name} for name in ("elman", "jordan", "gru", "mgu")),
        *({"cell": cell} for cell in (LSTM(peepholes=True), GRU(reset="before"), MGU(forget_gate="no_input"))),
        {"cell": "indrnn", "hidden_layer_sizes": (64, 64)},
        {"bidirectional": True, "pooling": "attention"},
        {"bidirectional": True, "pooling": "max", "dropout": 0.2, "recurrent_dropout": 0.1, "zoneout": 0.05},
        {"hidden_layer_sizes": (32, 32, 32), "layer_norm": True, "residual": True},
        {"convolution": Conv(n_channels=32, width=5, stride=2)},
        {"bias_init": "chrono"},
    ],
    ids=str,
)
def test_every_cell_and_option_learns(parameters, japanese_vowels):
    """Nine speakers by 7 to 29 steps of speech."""
    train, test = japanese_vowels
    assert RNNClassifier(random_state=0, **parameters).fit(*train).score(*test) >= 0.92


def test_features_of_a_reservoir_in_a_fraction_of_a_training(japanese_vowels):
    """Random weights and a linear model, with default parameters; the first run compiles."""
    train, test = japanese_vowels
    scores, seconds = [], []
    for seed in range(3):
        start = process_time()
        reservoir = SequenceTransformer(objective="reservoir", random_state=seed)
        pipeline = make_pipeline(reservoir, StandardScaler(), LogisticRegression(max_iter=1000)).fit(*train)
        scores.append(pipeline.score(*test))
        seconds.append(process_time() - start)
    assert min(scores) >= 0.96
    start = process_time()
    RNNClassifier(random_state=0).fit(*train)
    assert min(seconds) < (process_time() - start) / 2


@pytest.mark.parametrize("objective", ["forecast", "reconstruct", "supervised"])
def test_learned_features(objective, japanese_vowels):
    train, test = japanese_vowels
    transformer = SequenceTransformer(objective=objective, random_state=0)
    pipeline = make_pipeline(transformer, StandardScaler(), LogisticRegression(max_iter=1000))
    assert pipeline.fit(*train).score(*test) >= 0.95


def test_slots_of_flight_requests(load):
    """1500 of 4978 sentences, and two batch sizes to choose from."""
    (X, tags, _), (X_test, tags_test, _) = load.atis("train"), load.atis("test")
    clf = RNNClassifier(bidirectional=True, max_iter=6, random_state=0)
    search = GridSearchCV(clf, {"batch_size": [16, 64]}, scoring=get_scorer("span_f1"), cv=2)
    search.fit(X[:1500], SequenceArray.from_list(tags[:1500]))
    assert search.best_params_ == {"batch_size": 16}  # four times the updates
    predicted = search.predict(X_test)
    assert [len(row) for row in predicted] == [len(row) for row in tags_test]
    assert span_f1_score(tags_test, predicted) > 0.8


def test_parts_of_speech_of_sentences(load):
    """500 of 3457 sentences; the commonest part of speech is that of 15 % of the words."""
    X, tags = load.ud_en_lines("train")
    clf = RNNClassifier(32, bidirectional=True, max_iter=5, random_state=0).fit(X[:500], tags[:500])
    assert clf.score(X[500:700], tags[500:700]) > 0.65


def test_languages_of_names(load):
    """Three languages of eighteen, character by character."""
    X, y = load.names("train")
    kept = np.flatnonzero(np.isin(y, ["English", "Russian", "Japanese"]))[::8]
    names = [list(X[i]) for i in kept]
    half = np.arange(len(kept)) % 2 == 0
    clf = RNNClassifier(32, "gru", max_iter=10, random_state=0)
    clf.fit([name for name, train in zip(names, half, strict=True) if train], y[kept[half]])
    assert clf.score([name for name, train in zip(names, half, strict=True) if not train], y[kept[~half]]) > 0.82


@pytest.mark.parametrize("missing", ["mask", "decay"])
def test_deaths_in_intensive_care(missing, load):
    """1500 records, most of whose values are missing, through a pipeline and cross-validation."""
    X, _, y, _, _ = load.physionet2012("a", 6)
    classifier = RNNClassifier(16, "gru", missing=missing, dropout=0.5, max_iter=8, random_state=0)
    model = make_pipeline(PerStep(QuantileTransformer(output_distribution="normal", random_state=0)), classifier)
    assert cross_val_score(model, X[:1500], y[:1500], scoring="roc_auc", cv=3).mean() > 0.72


def test_steps_of_real_streams_that_are_marked(load):
    """The first four series of NAB, by which the design was chosen."""
    reached = []
    for name in load.nab()[:4]:
        values, marked, _ = load.nab(name)
        n = min(int(0.15 * len(values)), 750)
        detector = SequenceOutlierDetector(random_state=0).fit([values[:n, np.newaxis]])
        (scores,) = detector.step_scores([values[:, np.newaxis]])
        reached.append(roc_auc_score(marked[n:], -scores[n:]))
    assert np.mean(reached) >= 0.68
