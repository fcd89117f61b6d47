"""The tail of training: where early stopping has waited long enough, the rest of the schedule from the best epoch."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrnn import RNNClassifier
from skrnn.callbacks import Checkpoint
from skrnn.schedules import BaseSchedule, Cosine
from skrnn.training.state import TrainingState

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4, 1))
Y = np.where(RNG.random(80) < 0.4, RNG.integers(0, 2, 80), X[:, -1, 0] > 0)  # labels that are worth stopping for
STOPS = {"hidden_layer_sizes": 8, "early_stopping": True, "n_iter_no_change": 4, "max_iter": 80, "random_state": 1}
STOPS |= {"validation_fraction": 0.3, "learning_rate_init": 0.03}


class Recorded(Cosine):
    """A cosine that keeps the progress that it is asked for."""

    def __init__(self, warmup=0.05, final=0.0):
        super().__init__(warmup, final)

    asked = []

    def factor(self, progress, watched):
        self.asked.append(progress)
        return super().factor(progress, watched)


def first_idle(scores, patience):
    """Epochs until the best score has not been passed for so many, and the best of them."""
    for n in range(1, len(scores) + 1):
        best = int(np.argmax(scores[:n])) + 1
        if n - best >= patience:
            return n, best
    raise AssertionError("it never was idle")


def test_it_takes_half_as_many_epochs_as_the_best():
    clf = RNNClassifier(**STOPS).fit(X, Y)
    begin, best = first_idle(clf.validation_scores_, 4)
    assert begin < 60
    assert clf.n_iter_ == begin + -(-best // 2)


class OneThenZero(BaseSchedule):
    """The full rate before so many epochs, and none from then on."""

    needs_end = anneals = True
    n_full = np.inf

    def factor(self, progress, watched):
        return 1.0 if len(watched) < self.n_full else 0.0


def test_it_starts_from_the_best_weights(monkeypatch):
    """Where the rate is 0 in the tail, all of its epochs have the best score."""
    free = RNNClassifier(**STOPS, learning_rate=OneThenZero()).fit(X, Y)
    begin, best = first_idle(free.validation_scores_, 4)
    monkeypatch.setattr(OneThenZero, "n_full", begin)
    clf = RNNClassifier(**STOPS, learning_rate=OneThenZero()).fit(X, Y)
    assert clf.validation_scores_[:begin] == free.validation_scores_[:begin]
    assert clf.validation_scores_[begin:] == [clf.validation_scores_[best - 1]] * -(-best // 2)


def test_the_schedule_runs_to_its_end_from_where_the_best_was():
    Recorded.asked.clear()
    clf = RNNClassifier(**STOPS, learning_rate=Recorded()).fit(X, Y)
    begin, best = first_idle(clf.validation_scores_, 4)
    n_batches = len(Recorded.asked) // clf.n_iter_
    tail = Recorded.asked[begin * n_batches :]
    assert all(np.diff(tail) > 0)
    assert best / 80 < tail[0] < 1 - 1e-3
    step = tail[1] - tail[0]
    assert 1 - step < tail[-1] < 1


@pytest.mark.parametrize("schedule", ["constant", "plateau", Cosine(final=0.5)])
def test_schedules_that_do_not_fall_to_0_have_none(schedule):
    clf = RNNClassifier(**STOPS, learning_rate=schedule).fit(X, Y)
    begin, _ = first_idle(clf.validation_scores_, 4)
    assert clf.n_iter_ == begin


def test_without_held_out_sequences_there_is_none():
    clf = RNNClassifier(**STOPS | {"early_stopping": False}, tol=10.0).fit(X, Y)
    assert clf.n_iter_ == 5  # the first epoch is the best, and four are idle


def test_it_ends_with_max_iter():
    whole = RNNClassifier(**STOPS).fit(X, Y)
    begin, _ = first_idle(whole.validation_scores_, 4)
    short = RNNClassifier(**STOPS | {"max_iter": begin}, learning_rate=Recorded()).fit(X, Y)
    assert short.n_iter_ <= begin


def test_a_checkpoint_in_the_tail_goes_on_to_the_same_bits(tmp_path):
    whole = RNNClassifier(**STOPS).fit(X, Y)
    begin, best = first_idle(whole.validation_scores_, 4)
    assert best > 2

    class KilledError(Exception):
        pass

    class Kill(Checkpoint):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            stop = super().on_fit_task_end(estimator, context, fitted_estimator=fitted_estimator)
            if fitted_estimator is not None and len(fitted_estimator.loss_curve_) == begin + 1:
                raise KilledError
            return stop

    path = tmp_path / "run.npz"
    with pytest.raises(KilledError):
        RNNClassifier(**STOPS).set_callbacks(Kill(path)).fit(X, Y)
    resumed = RNNClassifier(**STOPS).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y)
    assert resumed.n_iter_ == whole.n_iter_
    for name, weight in whole.weights_.items():
        assert_array_equal(weight, resumed.weights_[name])


def test_progress_without_a_tail_is_the_share_of_epochs():
    state = TrainingState(np.zeros(1), loss_curve=[0.0] * 5, first_epoch=2)
    assert state.progress(0.5, 10) == (3 + 0.5) / 10
    assert state.last_epoch(10) == 10


def test_progress_in_the_tail():
    scores = [0.0, 0.1, 0.5, 0.9, 0.8, 0.7, 0.95]
    state = TrainingState(np.zeros(1), loss_curve=[0.0] * 7, validation_scores=scores, validates=True, tail_begin=6)
    # The best of the first six is the fourth; two epochs run from 0.2 to 1, and one of them is over.
    assert (state.tail(20), state.last_epoch(20)) == ((4, 2), 8)
    assert state.progress(0.0, 20) == pytest.approx(0.6)
    assert state.progress(1.0, 20) == pytest.approx(1.0)
