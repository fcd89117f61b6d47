"""The tail of training: where early stopping has waited long enough, the rest of the schedule from the best epoch."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrnn import RNNClassifier
from skrnn.callbacks import Checkpoint
from skrnn.estimators._prediction import network_and_theta
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
    n_batches = clf.t_ // clf.n_iter_
    tail = Recorded.asked[begin * n_batches :: 2]  # there each batch asks for the factor of the best epoch, too
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
    begin, best = first_idle(whole.validation_scores_, 4)
    assert best > 2
    Recorded.asked.clear()
    limit = STOPS | {"max_iter": begin + 1}
    short = RNNClassifier(**limit, learning_rate=Recorded()).fit(X, Y)
    begin, best = first_idle(short.validation_scores_, 4)
    if begin < limit["max_iter"]:  # the rates fall sooner, so that scores differ
        assert short.n_iter_ == min(begin + -(-best // 2), limit["max_iter"])
    assert short.n_iter_ <= limit["max_iter"]
    state = TrainingState(np.zeros(1), loss_curve=[0.0] * 9, tail_begin=9, tail_from=6)
    assert (state.last_epoch(20), state.last_epoch(10)) == (12, 10)
    assert state.factor(Line(), 0.999, 10, []) < 0.001  # it runs to its end in the epoch that is left


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


class Line(BaseSchedule):
    """From 1 to 0 in a straight line."""

    needs_end = anneals = True

    def factor(self, progress, watched):
        return 1 - progress


class Tent(Line):
    """Up to 1 in the middle, and down."""

    def factor(self, progress, watched):
        return 1 - abs(2 * progress - 1)


def test_without_a_tail_the_schedule_follows_the_epochs():
    state = TrainingState(np.zeros(1), loss_curve=[0.0] * 5, first_epoch=2)
    assert state.factor(Line(), 0.5, 10, []) == 1 - (3 + 0.5) / 10
    assert state.last_epoch(10) == 10


def test_in_the_tail_it_runs_through_what_the_best_has_left():
    scores = [np.nan, 0.1, 0.5, 0.9, 0.8, 0.9, 0.95]
    state = TrainingState(np.zeros(1), safe_theta=np.ones(1), best_theta=np.full(1, 2.0), validates=True)
    state.loss_curve, state.validation_scores = [0.0] * 6, scores[:6]
    state.begin_tail()
    assert (state.tail_from, state.tail_begin, state.last_epoch(20)) == (4, 6, 8)
    assert state.theta == state.safe_theta == 2
    state.loss_curve, state.validation_scores = [0.0] * 7, scores  # a better epoch in the tail changes nothing
    assert state.factor(Line(), 0.0, 20, []) == pytest.approx(1 - 0.6)
    assert state.factor(Line(), 1.0, 20, []) == pytest.approx(0)


def test_a_rate_does_not_rise_in_the_tail():
    state = TrainingState(np.zeros(1), loss_curve=[0.0] * 6, tail_begin=6, tail_from=2)
    assert [state.factor(Tent(), share, 20, []) for share in (0.0, 0.5, 0.9)] == pytest.approx([0.2, 0.2, 0.18])


@pytest.mark.parametrize("change", [{"tail_begin": 99}, {"tail_begin": 3}, {"tail_from": 2}, {"best_theta": None}])
def test_states_whose_tail_does_not_fit_are_refused(change):
    clf = RNNClassifier(**STOPS | {"max_iter": 2}).fit(X, Y)
    network, theta = network_and_theta(clf)
    state = TrainingState(theta.copy(), loss_curve=[0.0] * 6, validation_scores=[0.0] * 6, validates=True)
    state.best_theta, state.tail_begin, state.tail_from = theta.copy(), 5, 2
    plain = state.to_plain()
    assert TrainingState.from_plain(plain, network).tail_from == 2
    plain |= {"tail_begin": 0, "tail_from": 0} if change != {"best_theta": None} else {}
    with pytest.raises(ValueError, match="tail"):
        TrainingState.from_plain(plain | change, network)


def test_states_of_earlier_versions_have_no_tail():
    network, theta = network_and_theta(RNNClassifier(**STOPS | {"max_iter": 2}).fit(X, Y))
    plain = TrainingState(theta.copy()).to_plain()
    del plain["tail_begin"], plain["tail_from"]
    assert TrainingState.from_plain(plain, network).last_epoch(7) == 7


def test_warm_starts_and_tables_have_tails_of_their_own():
    words = [[f"w{k}" for k in row] for row in RNG.integers(0, 2500, size=(80, 5))]
    options = STOPS | {"max_iter": 40, "warm_start": True, "batch_size": 8}
    clf = RNNClassifier(**options).fit(words, Y)
    first = len(clf.validation_scores_)
    begin, best = first_idle(clf.validation_scores_, 4)
    assert first == begin + -(-best // 2)
    clf.fit(words, Y)
    begin, best = first_idle(clf.validation_scores_[first:], 4)
    assert len(clf.validation_scores_) - first == begin + -(-best // 2)


def test_verbose_tells_of_it(capsys):
    clf = RNNClassifier(**STOPS, verbose=2).fit(X, Y)
    _, best = first_idle(clf.validation_scores_, 4)
    assert f"No improvement since epoch {best}: {-(-best // 2)} epochs more from there" in capsys.readouterr().out
