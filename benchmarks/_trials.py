"""Trials of default parameters: the training parts of real data, cut into folds, and the scores of what is held out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import _sets
import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, train_test_split

from skrnn import RNNClassifier, RNNRegressor
from skrnn.metrics import step_accuracy_score

N_FOLDS = 3
MOST, FEW = 2000, 200  # sequences of a trial at most; up to how many each fold is held out once
OF_CLASS = 6  # sequences of each class in a trial of few


@dataclass(frozen=True)
class Trial:
    """Training data of a kind.

    read : gives X and y, and groups or None; estimator : its class; required : parameters that the data need; in_time :
    whether the sequences follow each other in time, so that the end is held out.
    """

    kind: str
    read: Callable
    estimator: type = RNNClassifier
    required: dict = field(default_factory=dict)
    in_time: bool = False

    def folds(self, seed):
        """Pairs of X, y to train on, and X, y to score, of the folds that are drawn with a seed."""
        X, y, groups = self.read()
        rng = np.random.default_rng(seed)
        if self.in_time:
            parts = [(np.arange(len(X) * 2 // 3), np.arange(len(X) * 2 // 3, len(X)))]
        else:
            parts = self._parts(X, y, groups, seed)
        parts = parts if len(X) <= FEW else parts[:1]
        for trained, scored in parts:
            if len(trained) > MOST:
                trained = trained[rng.permutation(len(trained))[:MOST]]
            scored = scored[rng.permutation(len(scored))[:MOST]]
            yield *_taken(X, y, trained), *_taken(X, y, scored)

    def few(self, seed):
        """The same with one fold: a few of the sequences to train on, at most half of them, and the others to score."""
        X, y, _ = self.read()
        y = np.asarray(y)
        classes, counts = np.unique(y, return_counts=True)
        rows = np.flatnonzero(np.isin(y, classes[counts > 1]))  # classes of one sequence cannot be scored
        if len(rows) > MOST:
            rows = rows[np.random.default_rng(seed).permutation(len(rows))[:MOST]]
        n = min(OF_CLASS * len(classes), len(rows) // 2)
        trained, scored = train_test_split(rows, train_size=n, stratify=y[rows], random_state=seed)
        yield *_taken(X, y, trained), *_taken(X, y, scored)

    def _parts(self, X, y, groups, seed):
        if groups is not None:
            return list(GroupKFold(N_FOLDS, shuffle=True, random_state=seed).split(X, groups=groups))
        if self.is_classification and np.ndim(y[0]) == 0:
            return list(StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(np.zeros(len(y)), y))
        return list(KFold(N_FOLDS, shuffle=True, random_state=seed).split(np.zeros(len(y))))

    @property
    def is_classification(self):
        return self.estimator is RNNClassifier

    def is_smooth(self):
        """Whether networks read differences by default."""
        X, y, _ = self.read()
        fitted = self.estimator(2, max_iter=1, random_state=0, **self.required).fit(X[:MOST], y[:MOST])
        return fitted.inputs_.differences

    def score(self, model, X, y):
        """Accuracy or R², in percent."""
        predicted = model.predict(X)
        if not self.is_classification:
            flat = [np.concatenate(list(one)) if self.per_step(y) else one for one in (y, predicted)]
            return 100 * r2_score(*flat)
        return 100 * (step_accuracy_score if self.per_step(y) else accuracy_score)(y, predicted)

    def per_step(self, y):
        """Whether each step has a target."""
        return isinstance(y, list)


def _taken(X, y, rows):
    return [X[k] for k in rows], [y[k] for k in rows] if isinstance(y, list) else np.asarray(y)[rows]


def _plain(read):
    """Training data of a set with neither groups nor an order."""
    X, y, *_ = read()
    return X, y, None


def _engines():
    """Sensors of engines, and what life remains at each step, at most 125 cycles."""
    X, y = _sets.loaders().cmapss("train", _sets.CAP)
    return X, list(y), None


def _windows_of_engines():
    X, y = _sets.loaders().cmapss("train", _sets.CAP)
    ends = [range(_sets.WINDOW, len(x) + 1, 3) for x in X]
    windows = [x[end - _sets.WINDOW : end] for x, of_x in zip(X, ends, strict=True) for end in of_x]
    lives = [life[end - 1] for life, of_x in zip(y, ends, strict=True) for end in of_x]
    return windows, np.array(lives), np.repeat(np.arange(len(X)), [len(of_x) for of_x in ends])


def _pixels_of_images():
    """Images at half the resolution, row after row: 196 steps."""
    X, y, *_ = _sets.rows_of_images()
    return X.reshape(len(X), 14, 2, 14, 2).mean((2, 4)).reshape(len(X), -1, 1) / 255, y, None


def _windows_of_telemetry():
    """Windows of 128 steps, standardised, of 24 series of NAB, SMAP and MSL, and which series each is of.

    The values are of all parts of these series, which are divided for outliers; marks of outliers are not read.
    """
    load = _sets.loaders()
    series = [load.nab(name)[0] for name in load.nab()]
    series += [np.concatenate([part[:, 0] for part in load.smap_msl(name)[:2]]) for name in load.SMAP_MSL]
    windows = [np.asarray(values, float)[: len(values) // 128 * 128].reshape(-1, 128) for values in series]
    X, y = np.concatenate(windows), np.repeat(np.arange(len(series)), [len(of_one) for of_one in windows])
    X, y = X[np.ptp(X, axis=1) > 0], y[np.ptp(X, axis=1) > 0]
    X = (X - X.mean(1, keepdims=True)) / X.std(1, keepdims=True)
    return X[:, :, np.newaxis].astype(np.float32), y, None


ARCHIVE = (
    *("ArrowHead", "BasicMotions", "ECG5000", "Epilepsy", "GunPoint", "Handwriting", "ItalyPowerDemand"),
    *("JapaneseVowels", "Libras", "PenDigits", "SwedishLeaf", "SyntheticControl", "UWaveGestureLibrary"),
)
TRIALS = {
    **{name: Trial("series", partial(_plain, partial(_sets.archive, name))) for name in ARCHIVE},
    "MelbournePedestrian": Trial(
        "series", partial(_plain, partial(_sets.archive, "MelbournePedestrian")), required={"missing": "mask"}
    ),
    "spoken digits": Trial("series", partial(_plain, _sets.spoken_digits)),
    "IndoorMovement": Trial("series", partial(_plain, _sets.indoor_movement)),
    "MNIST by rows": Trial("series", partial(_plain, _sets.rows_of_images)),
    "MNIST by pixels": Trial("many long series", _pixels_of_images),
    "telemetry": Trial("many long series", _windows_of_telemetry),
    "names": Trial("tokens", partial(_plain, _sets.names)),
    "TREC": Trial("tokens", partial(_plain, _sets.trec)),
    "SST-2": Trial("tokens", partial(_plain, _sets.sst2)),
    "ATIS": Trial("tags", partial(_plain, _sets.atis), required={"bidirectional": True}),
    "UD": Trial("tags", partial(_plain, _sets.ud_en_lines), required={"bidirectional": True}),
    "engines by steps": Trial("numbers by steps", _engines, RNNRegressor),
    "engines": Trial("numbers", _windows_of_engines, RNNRegressor),
    "ETTh1": Trial("numbers", partial(_plain, _sets.oil_temperature), RNNRegressor, in_time=True),
    **{
        name: Trial("numbers", partial(_plain, partial(_sets.small_series, name, n_steps)), RNNRegressor, in_time=True)
        for name, n_steps in (
            *(("sunspots_monthly", 24), ("min_temperatures", 24), ("heart_rate", 12)),
            *(("taylor_load", 24), ("gas_furnace", 12)),
        )
    },
    **{
        f"{name}, {ahead} ahead": Trial(
            "numbers", partial(_plain, partial(_sets.small_series, name, n_steps, ahead)), RNNRegressor, in_time=True
        )
        for name, n_steps, ahead in (
            *(("sunspots_monthly", 24, 12), ("min_temperatures", 24, 7), ("heart_rate", 12, 6)),
            *(("taylor_load", 24, 24), ("gas_furnace", 12, 4)),
        )
    },
    **{
        f"{name}, {ahead} ahead of each step": Trial(
            "numbers by steps",
            partial(_plain, partial(_sets.pieces_of_small_series, name, n_steps, ahead)),
            RNNRegressor,
            in_time=True,
        )
        for name, n_steps, more in (
            *(("sunspots_monthly", 100, 12), ("min_temperatures", 100, 7)),
            *(("heart_rate", 60, 6), ("taylor_load", 96, 24)),
        )
        for ahead in (1, more)
    },
}
SERIES = {name for name, trial in TRIALS.items() if trial.kind == "series" and not trial.required}
NUMBERS = {name for name, trial in TRIALS.items() if trial.kind == "numbers"}
