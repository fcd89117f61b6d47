"""The tasks of ``accuracy.py``: data, model, measures, goals, and what others reach."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _harness import ROOT
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.metrics import span_f1_score
from skrnn.preprocessing import PerStep

DATA = Path(os.environ.get("SKRNN_DATA", ROOT.parent / "shared" / "data"))
CAP, WINDOW = 125, 30
GRID_HOURS = 4


@dataclass(frozen=True)
class Measure:
    """A figure of a fitted model on the test part, its goal if it has one, and the figures of others."""

    name: str
    function: Callable  # of model, X and y
    floor: str = "-"
    published: str = "-"
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Task:
    """What is learned from which data by which model; `seconds` is the goal for the time of a fit."""

    read: Callable  # returns X, y, X_test, y_test
    model: Callable  # of a seed
    measures: tuple[Measure, ...]
    seconds: float | None = None

    @property
    def present(self):
        """Whether its data are there."""
        return self.read is digits or (DATA / "load.py").exists()


# ---------------------------------------------------------------------------------------------------------- data
def loaders():
    spec = importlib.util.spec_from_file_location("load", DATA / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digits():
    data = load_digits()
    X, X_test, y, y_test = train_test_split(data.images, data.target, random_state=0, stratify=data.target)
    return X, y, X_test, y_test


def japanese_vowels():
    load = loaders()
    return *load.tsc("JapaneseVowels", "train"), *load.tsc("JapaneseVowels", "test")


def cmapss():
    load = loaders()
    X, y = load.cmapss("train", CAP)
    X_test, y_test = load.cmapss("test", CAP)
    windows = np.array([x[end - WINDOW : end] for x in X for end in range(WINDOW, len(x) + 1)])
    lives = np.concatenate([life[WINDOW - 1 :] for life in y])
    return windows, lives, [x[-WINDOW:] for x in X_test], np.array([life[-1] for life in y_test])


def atis():
    load = loaders()
    return *load.atis("train")[:2], *load.atis("test")[:2]


def ud_en_lines():
    load = loaders()
    return *load.ud_en_lines("train"), *load.ud_en_lines("test")


def names():
    load = loaders()
    (X, y), (X_test, y_test) = load.names("train"), load.names("test")
    return [list(name) for name in X], y, [list(name) for name in X_test], y_test


def trec():
    load = loaders()
    return *load.trec("train"), *load.trec("test")


def physionet2012():
    load = loaders()
    parts = []
    for which in ("a", "b"):
        X, static, y, _, _ = load.physionet2012(which, GRID_HOURS)
        parts += [np.concatenate([X, np.repeat(static[:, np.newaxis], X.shape[1], axis=1)], axis=2), y]
    return parts


# -------------------------------------------------------------------------------------------------------- models
def slot_tagger(seed):
    return RNNClassifier(random_state=seed)


def tagger(seed):
    return RNNClassifier(bidirectional=True, dropout=0.5, input_dropout=0.3, max_iter=15, random_state=seed)


def name_reader(seed):
    return RNNClassifier(
        128, "gru", bidirectional=True, dropout=0.5, input_dropout=0.2, alpha=1e-4, max_iter=20, random_state=seed
    )


def question_reader(seed):
    return RNNClassifier(
        cell="gru", pooling="attention", min_count=2, dropout=0.5, input_dropout=0.3, max_iter=15, random_state=seed
    )


def on_quantiles(seed, classifier):
    """Quantiles, because laboratory values have long tails."""
    quantiles = QuantileTransformer(output_distribution="normal", random_state=seed)
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -3, "a_max": 3})
    return make_pipeline(PerStep(make_pipeline(quantiles, clip)), classifier)


def gru_d(seed):
    return RNNClassifier(
        cell="gru",
        missing="decay",
        dropout=0.5,
        input_dropout=0.3,
        alpha=1e-4,
        learning_rate_init=1e-3,
        max_iter=10,
        random_state=seed,
    )


def ward(seed):
    return on_quantiles(seed, gru_d(seed))


def ward_of_five(seed):
    networks = [(f"network_{k}", gru_d(5 * seed + k)) for k in range(5)]
    return on_quantiles(seed, VotingClassifier(networks, voting="soft"))


def reservoir(seed):
    features = SequenceTransformer(objective="reservoir", random_state=seed)
    return make_pipeline(features, StandardScaler(), LogisticRegression(max_iter=1000))


# ------------------------------------------------------------------------------------------------------ measures
def accuracy(model, X, y):
    return 100 * model.score(X, y)


def rmse(model, X, y):
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


def span_f1(model, X, y):
    return 100 * span_f1_score(y, model.predict(X))


def auroc(model, X, y):
    return roc_auc_score(y, model.predict_proba(X)[:, 1])


def auprc(model, X, y):
    return average_precision_score(y, model.predict_proba(X)[:, 1])


OF_DEATHS = (
    Measure("AUROC", auroc, "logistic reg. 0.848", "GRU-D 0.818", at_least=0.84),
    Measure("AUPRC", auprc, "logistic reg. 0.511"),
)
TASKS = {
    "digits": Task(
        digits,
        lambda seed: RNNClassifier(random_state=seed),
        (Measure("accuracy, %", accuracy, at_least=96.0),),
    ),
    "JapaneseVowels": Task(
        japanese_vowels,
        lambda seed: RNNClassifier(random_state=seed),
        (Measure("accuracy, %", accuracy, "SVC 97.8", "echo state network 96.5", at_least=97.0),),
        seconds=10,
    ),
    "JapaneseVowels, reservoir": Task(
        japanese_vowels,
        reservoir,
        (Measure("accuracy, %", accuracy, "SVC 97.8", "echo state network 96.5", at_least=96.0),),
        seconds=1,
    ),
    "C-MAPSS FD001": Task(
        cmapss,
        lambda seed: RNNRegressor(random_state=seed),
        (Measure("RMSE, cycles", rmse, "ridge 16.41", "one-layer LSTM 14.93", at_most=16.41),),
    ),
    "ATIS slots": Task(
        atis,
        slot_tagger,
        (Measure("span F1, %", span_f1, "-", "LSTM 95.66, BiRNN 95.87", at_least=93.0),),
    ),
    "UD English-LinES": Task(
        ud_en_lines,
        tagger,
        (Measure("accuracy, %", accuracy, "commonest tag 88.1", "UDPipe 94.7", at_least=92.0),),
    ),
    "names": Task(
        names,
        name_reader,
        (Measure("accuracy, %", accuracy, "n-gram SVC 86.3", at_least=83.3),),
    ),
    "TREC questions": Task(
        trec,
        question_reader,
        (Measure("accuracy, %", accuracy, "tf-idf SVC 89.0", "CNN 91.2", at_least=85.0),),
    ),
    "PhysioNet 2012": Task(physionet2012, ward, OF_DEATHS),
    "PhysioNet 2012, mean of 5": Task(physionet2012, ward_of_five, OF_DEATHS),
}
