"""The real data of ``accuracy.py``: each function returns X, y, X_test, y_test."""

import functools
import importlib.util
import os
from pathlib import Path

import numpy as np
from _harness import ROOT
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

DATA = Path(os.environ.get("SKRNN_DATA", ROOT.parent / "shared" / "data"))
CAP, WINDOW = 125, 30  # of C-MAPSS: cycles of remaining life at most, cycles in a window
GRID_HOURS = 4


@functools.cache
def loaders():
    spec = importlib.util.spec_from_file_location("load", DATA / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digits():
    data = load_digits()
    X, X_test, y, y_test = train_test_split(data.images, data.target, random_state=0, stratify=data.target)
    return X, y, X_test, y_test


# ------------------------------------------------------------------------------------------------- classification
def archive(name):
    load = loaders()
    return *load.tsc(name, "train"), *load.tsc(name, "test")


def spoken_digits():
    load = loaders()
    return *load.fsdd("train")[:2], *load.fsdd("test")[:2]


def indoor_movement():
    load = loaders()
    return *load.indoor_movement("train"), *load.indoor_movement("test")


def rows_of_images():
    load = loaders()
    (X, y), (X_test, y_test) = load.mnist10k("train"), load.mnist10k("test")
    return X.astype(np.float32), y, X_test.astype(np.float32), y_test


def names():
    load = loaders()
    (X, y), (X_test, y_test) = load.names("train"), load.names("test")
    return [list(name) for name in X], y, [list(name) for name in X_test], y_test


def trec():
    load = loaders()
    return *load.trec("train"), *load.trec("test")


def sst2():
    load = loaders()
    return *load.sst2("train"), *load.sst2("test")


def physionet2012():
    load = loaders()
    parts = []
    for which in ("a", "b"):
        X, static, y, _, _ = load.physionet2012(which, GRID_HOURS)
        parts += [np.concatenate([X, np.repeat(static[:, np.newaxis], X.shape[1], axis=1)], axis=2), y]
    return parts


# ------------------------------------------------------------------------------------------- a target for each step
def atis():
    load = loaders()
    return *load.atis("train")[:2], *load.atis("test")[:2]


def ud_en_lines():
    load = loaders()
    return *load.ud_en_lines("train"), *load.ud_en_lines("test")


def chorales():
    """Notes of a frame, and of the next."""
    load = loaders()
    parts = []
    for split in ("train", "test"):
        pieces = [piece.astype(np.float32) for piece in load.music("JSB_Chorales", split)]
        parts += [[piece[:-1] for piece in pieces], [piece[1:] for piece in pieces]]
    return parts


# ----------------------------------------------------------------------------------------------------- regression
def cmapss():
    load = loaders()
    X, y = load.cmapss("train", CAP)
    X_test, y_test = load.cmapss("test", CAP)
    windows = np.array([x[end - WINDOW : end] for x in X for end in range(WINDOW, len(x) + 1)])
    lives = np.concatenate([life[WINDOW - 1 :] for life in y])
    return windows, lives, [x[-WINDOW:] for x in X_test], np.array([life[-1] for life in y_test])


def windows(values, targets, n_steps, ahead, borders, relative=False):
    """Windows of `n_steps`, and the targets of the next `ahead` steps (or of step number -`ahead` after the window).

    borders : where the training part ends, and where targets of the test part begin and end. relative : whether windows
    and targets are differences from the last step of the window.
    """
    parts = []
    n_ahead = abs(ahead)
    for first, last in ((n_steps, borders[0]), borders[1:]):
        ends = np.arange(first, last - n_ahead + 1)
        X = values[ends[:, np.newaxis] + np.arange(-n_steps, 0)]
        y = targets[ends[:, np.newaxis] + (np.arange(ahead) if ahead > 0 else [n_ahead - 1])]
        if relative:
            base = targets[ends - 1]
            X, y = X - X[:, -1:], y - base[:, np.newaxis]
        y = y[:, 0] if y.shape[1] == 1 else y
        known = np.isfinite(y.reshape(len(y), -1)).all(axis=1)
        parts += [X[known].astype(np.float32), y[known]]
    return parts


def oil_temperature():
    """The next 24 hours of z-scores, from 96."""
    values, _, borders = loaders().etth1()
    begin, end = borders["train"]
    oil = values[:, -1]
    oil = ((oil - oil[begin:end].mean()) / oil[begin:end].std())[:, np.newaxis]
    return windows(oil, oil[:, 0], 96, 24, (end, *borders["test"]), relative=True)


def exchange_rates():
    """Eight rates three days ahead, from 168 days."""
    values = loaders().exchange_rate()
    border, end = int(len(values) * 0.8), len(values)
    return windows(values, values, 168, -3, (int(len(values) * 0.6), border, end), relative=True)


def small_series(name, n_steps, ahead=1):
    """So many steps ahead; the last fifth is for the test."""
    values, border = _small_series(name)
    return windows(values, values[:, -1], n_steps, ahead, (border, border, len(values)), relative=True)


def pieces_of_small_series(name, n_steps, ahead):
    """The training part in pieces; the target of each step is how much the value changes in so many steps."""
    values, border = _small_series(name)
    begins = range(0, border - n_steps - ahead + 1, n_steps)
    later = [values[begin + ahead : begin + ahead + n_steps, -1] for begin in begins]
    X = [values[begin : begin + n_steps] for begin in begins]
    return [x.astype(np.float32) for x in X], [y - x[:, -1] for x, y in zip(X, later, strict=True)]


def _small_series(name):
    """Values, one column or more, and where the training part ends."""
    values = np.asarray(loaders().small_series(name)[0], dtype=float)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    return values, int(len(values) * 0.8)
