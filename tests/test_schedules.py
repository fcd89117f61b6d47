"""Learning rates in the course of training, by formulas written out, and where they reach the updates."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrnn import RNNClassifier, RNNRegressor
from skrnn.optimizers import SGD
from skrnn.schedules import SCHEDULES, BaseSchedule, Constant, Cosine, OneCycle, Plateau, WarmUp, get_schedule

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 5, 2)), RNG.normal(size=24)
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "tol": 0.0, "n_iter_no_change": 99, "random_state": 0}


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        (Constant(), 0.99, 1.0),
        (WarmUp(warmup=0.2), 0.05, 0.25),
        (WarmUp(warmup=0.2), 0.5, 1.0),
        (WarmUp(warmup=0), 0.0, 1.0),
        (Cosine(warmup=0.0), 0.25, (1 + math.cos(math.pi / 4)) / 2),
        (Cosine(warmup=0.5, final=0.2), 0.25, 0.5),
        (Cosine(warmup=0.5, final=0.2), 0.75, 0.6),
        (OneCycle(warmup=0.4, initial=0.1), 0.0, 0.1),
        (OneCycle(warmup=0.4, initial=0.1), 0.2, 0.55),
        (OneCycle(warmup=0.4, initial=0.1), 0.4, 1.0),
        (OneCycle(warmup=0.4, final=0.5), 0.7, 0.75),
        (OneCycle(warmup=0.0), 0.0, 1.0),
    ],
)
def test_factors(schedule, progress, expected):
    assert schedule.factor(progress, []) == pytest.approx(expected)


@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0, 1, exclude_max=True), st.lists(st.floats(-10, 10), max_size=30))
def test_factors_are_shares(name, progress, watched):
    assert 0 <= get_schedule(name).factor(progress, watched) <= 1


@pytest.mark.parametrize("name", ["cosine", "one_cycle"])
def test_what_anneals_ends_near_zero(name):
    schedule = get_schedule(name)
    assert schedule.anneals
    assert schedule.factor(0.999, []) < 1e-4


def test_plateau_cuts_after_each_wait():
    plateau = Plateau(reduction=0.1, patience=3, tol=0.01)
    watched = [-1.0, -0.5, -0.5, -0.495, -0.5, -0.4, -0.4, -0.4, -0.4, -0.4, -0.4, -0.4]
    factors = [plateau.factor(0.5, watched[:n]) for n in range(len(watched) + 1)]
    assert factors == pytest.approx([1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001])


class Recorded(BaseSchedule):
    """Remembers what it was asked."""

    asked = []

    def factor(self, progress, watched):
        self.asked.append((progress, list(watched)))
        return 1.0 if len(self.asked) <= 4 else 0.0


def test_updates_follow_the_schedule():
    """24 sequences in batches of 10 are three updates in an epoch; those with a factor of 0 change nothing."""
    Recorded.asked.clear()
    settings = {**SHORT, "solver": SGD(momentum=0.0), "batch_size": 10, "learning_rate_init": 0.1}
    with pytest.warns(ConvergenceWarning):
        reg = RNNRegressor(learning_rate=Recorded(), max_iter=4, **settings).fit(X, Y)
    progress = [p for p, _ in Recorded.asked]
    assert progress == pytest.approx([(epoch + share / 24) / 4 for epoch in range(4) for share in (5, 15, 22)])
    assert Recorded.asked[-1][1] == [-loss for loss in reg.loss_curve_[:3]]
    assert reg.gradient_norm_curve_[4] != pytest.approx(reg.gradient_norm_curve_[3])
    with pytest.warns(ConvergenceWarning):
        longer = RNNRegressor(learning_rate=Recorded(), max_iter=9, **settings).fit(X, Y)
    assert all(np.array_equal(w, longer.weights_[name]) is False for name, w in reg.weights_.items() if ".W" in name)


def test_what_anneals_does_not_warn_at_its_end():
    for name in ("cosine", "one_cycle"):
        reg = RNNRegressor(learning_rate=name, max_iter=3, **SHORT).fit(X, Y)
        assert reg.n_iter_ == 3
    for schedule in ("constant", "warmup", Cosine(final=0.5)):
        with pytest.warns(ConvergenceWarning, match="Maximum number"):
            RNNRegressor(learning_rate=schedule, max_iter=3, **SHORT).fit(X, Y)


@pytest.mark.parametrize("bad", ["cos", 0.5, Cosine, None])
def test_bad_schedules(bad):
    with pytest.raises(ValueError, match="learning_rate"):
        RNNClassifier(learning_rate=bad, **SHORT).fit(X, Y > 0)


def test_bad_parameters_of_a_schedule_are_refused_at_fit():
    reg = clone(RNNRegressor(learning_rate=Cosine(), **SHORT)).set_params(learning_rate__warmup=2.0)
    with pytest.raises(ValueError, match="'warmup' parameter of Cosine"):
        reg.fit(X, Y)
