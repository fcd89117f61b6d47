"""Callbacks see all networks of an estimator after the same number of epochs."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.callback import ScoringMonitor
from sklearn.metrics import log_loss

import skrnn
from skrnn import RNNClassifier
from skrnn.callbacks import Checkpoint, EarlyStopping, LearningRateFinder
from skrnn.callbacks import _checkpoint as module
from skrnn.persistence._zip import read_archive, write_archive
from skrnn.training.state import Monitor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 6, 2))
Y = X[:, :, 0].mean(axis=1) > 0
OPTIONS = {"hidden_layer_sizes": 5, "n_networks": 3, "max_iter": 7, "early_stopping": True, "n_iter_no_change": 2}
OPTIONS |= {"dropout": 0.3, "random_state": 0}


class KilledError(Exception):
    """The program dies."""


def own(path=None):
    """Callbacks of which the second saves the state of the first."""
    stopping = EarlyStopping(X[:20], Y[:20], n_iter_no_change=5)
    return [stopping] if path is None else [stopping, Checkpoint(path, resume=True)]


@pytest.mark.parametrize("n_epochs", [1, 4])
def test_a_killed_fit_is_resumed_bit_for_bit(n_epochs, tmp_path, monkeypatch):
    end_epoch = Monitor.end_epoch

    def stopping(self, loss, theta):
        end_epoch(self, loss, theta)
        return self.state.n_epochs == 2 + self.state.seed % 6

    monkeypatch.setattr(Monitor, "end_epoch", stopping)
    expected, path = RNNClassifier(**OPTIONS).set_callbacks(*own()).fit(X, Y), tmp_path / "run.skrnn"
    assert len(set(expected.n_iter_)) > 1  # networks that have stopped do not go on
    saves, write = [], module.write_estimator

    def write_and_die(*what):
        write(*what)
        saves.append(what)
        if len(saves) == n_epochs:
            raise KilledError

    model = RNNClassifier(**OPTIONS).set_callbacks(*own(path))
    monkeypatch.setattr(module, "write_estimator", write_and_die)
    with pytest.raises(KilledError):
        model.fit(X, Y)
    assert max(skrnn.load(path).n_iter_) == n_epochs
    for _ in range(2):  # a fit that is complete is not trained any further
        model.set_params(n_jobs=2).fit(X, Y)
        assert model.loss_curve_ == expected.loss_curve_
        assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def members(state):
    return state["members"]


BROKEN = {
    "one less": (lambda state: members(state).pop(), "members is not a list of 3"),
    "no list": (lambda state: state.update(members=members(state)[0]), "members is not a list of 3"),
    "no notes": (lambda state: state.pop("notes"), "has a seed, members and notes"),
    "notes of another kind": (lambda state: state.update(notes=[]), "notes is"),
    "another seed": (lambda state: state.update(seed=5), "seed is not that of the first"),
    "slots": (lambda state: members(state)[1].update(slots=members(state)[1]["slots"][:1]), "slots has 1 arrays"),
    "theta": (lambda state: members(state)[2].update(theta=np.zeros(3)), "theta is"),
    "weights": (lambda state: state["notes"]["0 EarlyStopping"]["best_weights"].pop(), "best_weights"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_checkpoint_that_is_none_of_this_fit_is_refused(name, tmp_path):
    path, (change, message) = tmp_path / "run.skrnn", BROKEN[name]
    model = RNNClassifier(**OPTIONS | {"max_iter": 2}).set_callbacks(*own(path)).fit(X, Y)
    content = copy.deepcopy(read_archive(path)[0])
    change(content["training"]["state"])
    write_archive(path, content)
    with pytest.raises(ValueError, match=rf"run\.skrnn cannot be resumed: .*{message}"):
        model.fit(X, Y)


def test_a_checkpoint_of_another_number_of_networks_is_refused(tmp_path):
    path = tmp_path / "run.skrnn"
    model = RNNClassifier(**OPTIONS).set_callbacks(*own(path)).fit(X, Y)
    with pytest.raises(ValueError, match="another fit: n_networks differ"):
        model.set_params(n_networks=2).fit(X, Y)


def test_early_stopping_scores_the_mean_and_keeps_the_best_networks():
    stopping = EarlyStopping(X[:20], Y[:20], n_iter_no_change=2, scoring="neg_log_loss")
    options = OPTIONS | {"early_stopping": False, "max_iter": 30, "learning_rate_init": 0.1}
    model = RNNClassifier(**options).set_callbacks(stopping).fit(X[20:], Y[20:])
    n_epochs = len(stopping.scores_)
    assert model.n_iter_ == [n_epochs] * 3
    assert n_epochs < 30
    assert stopping.best_score_ == max(stopping.scores_) == -log_loss(Y[:20], model.predict_proba(X[:20]))


def test_all_are_trained_with_the_rate_that_is_found():
    finder, monitor = LearningRateFinder(), ScoringMonitor(scoring="accuracy")
    model = RNNClassifier(**OPTIONS).set_callbacks(finder, monitor).fit(X, Y)
    assert model.learning_rate_init_ == finder.learning_rate_ != 0.01
    given = RNNClassifier(**OPTIONS, learning_rate_init=finder.learning_rate_).fit(X, Y)
    assert_array_equal(model.predict_proba(X), given.predict_proba(X))
