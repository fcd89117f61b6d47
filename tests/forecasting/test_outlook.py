"""Distributions of values to come: values and scores, against SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skrnn.forecasting._counts import usual
from skrnn.forecasting._design import Design
from skrnn.forecasting._outlook import (
    MOST_OF_TAILS,
    MOST_SCORE,
    Around,
    Bell,
    Between,
    Counts,
    HeavyTails,
    WholeNumbers,
    outlook_of_paths,
)
from skrnn.forecasting._samples import Samples

rng = np.random.default_rng(0)
SHAPE = 5, 3
CENTRE, UNIT = rng.normal(10, 3, SHAPE), rng.uniform(0.5, 2, SHAPE)
LEVELS = np.array([0.1, 0.5, 0.75, 0.9])


def between(distances=None):
    if distances is None:
        distances = np.cumsum(rng.uniform(0.1, 2, (4, *SHAPE)), axis=0)
    return Between.of(CENTRE, LEVELS, distances - distances[1], 1e-3 * np.ones((5, 1)))


OUTLOOKS = {
    "around": Around(CENTRE, UNIT),
    "bell": Bell(CENTRE, UNIT),
    "heavy": HeavyTails(CENTRE, UNIT, rng.uniform(2.1, 30, SHAPE)),
    "between": between(),
    "paths": outlook_of_paths(CENTRE[:, np.newaxis] + rng.normal(size=(5, 200, 3)), 1e-3 * np.ones((5, 1))),
}


@pytest.mark.parametrize("name", OUTLOOKS)
def test_scores_are_the_inverse_of_values(name):
    outlook = OUTLOOKS[name]
    for score in (-3.5, -1.0, 0.0, 0.3, 2.0, 3.9):
        values = outlook.at(np.full((1, 1, 3), score))
        assert values.shape == (5, 1, 3)
        assert_allclose(outlook.scores(values[:, 0]), score, atol=1e-9)
    rising = outlook.at(np.linspace(-6, 6, 50)[np.newaxis, :, np.newaxis])
    assert (np.diff(rising, axis=1) > 0).all()
    assert_allclose(outlook.at(np.zeros((1, 1, 1)))[:, 0], outlook.centre)
    own = outlook.at(rng.normal(size=(5, 7, 3)))  # scores of each series
    assert own.shape == (5, 7, 3)


def test_what_is_far_off_is_cut():
    for name, most in (("bell", MOST_SCORE), ("between", MOST_SCORE), ("heavy", MOST_OF_TAILS)):
        assert_array_equal(OUTLOOKS[name].scores(CENTRE + 1e6), most)
        assert_array_equal(OUTLOOKS[name].scores(CENTRE - 1e300), -most)


def test_heavy_tails_are_those_of_student():
    outlook, levels = OUTLOOKS["heavy"], np.array([0.001, 0.05, 0.5, 0.95, 0.999])
    expected = stats.t.ppf(levels[:, np.newaxis, np.newaxis], outlook.freedom, CENTRE, UNIT)
    assert_allclose(outlook.at(stats.norm.ppf(levels)[np.newaxis, :, np.newaxis]), np.moveaxis(expected, 0, 1))


def test_between_goes_through_its_quantiles():
    distances = np.cumsum(rng.uniform(0.1, 2, (4, *SHAPE)), axis=0)
    found = between(distances).at(stats.norm.ppf(LEVELS)[np.newaxis, :, np.newaxis])
    assert_allclose(np.moveaxis(found, 1, 0), CENTRE + distances - distances[1], rtol=1e-12)
    far = between(distances).at(np.array([2.0, 3.0])[np.newaxis, :, np.newaxis])  # as from the median to the last
    assert_allclose(far[:, 1] - far[:, 0], (distances[3] - distances[1]) / stats.norm.ppf(0.9))


def test_quantiles_that_are_equal_can_be_told_apart():
    flat = between(np.zeros((4, *SHAPE)))
    rising = flat.at(np.linspace(-3, 3, 9)[np.newaxis, :, np.newaxis])
    assert_allclose(np.diff(rising, axis=1), 1e-3 * 6 / 8)
    assert_array_equal(flat.scores(CENTRE), 0)


def test_counts_are_those_of_scipy():
    mean, dispersion = rng.uniform(0.05, 20, SHAPE), rng.uniform(0.01, 2, SHAPE)
    outlook, r = Counts(mean, dispersion), 1 / dispersion
    levels = np.array([0.05, 0.5, 0.95])
    expected = stats.nbinom.ppf(levels[:, np.newaxis, np.newaxis], r, r / (r + mean))
    found = outlook.at(stats.norm.ppf(levels)[np.newaxis, :, np.newaxis])
    assert_array_equal(np.moveaxis(found, 1, 0), expected)
    n = 20_000
    many = Counts(np.full((n, 1), 2.0), np.full((n, 1), 0.7))
    drawn = stats.nbinom.rvs(1 / 0.7, (1 / 0.7) / (1 / 0.7 + 2), size=(n, 1), random_state=0)
    scores = many.scores(drawn.astype(float))[:, 0]
    assert stats.kstest(scores, "norm").pvalue > 0.01
    kept = np.abs(scores) < MOST_OF_TAILS
    assert_array_equal(many.at(scores[:, np.newaxis, np.newaxis])[kept, 0], drawn[kept])


def test_whole_numbers():
    outlook = WholeNumbers(Between.of(np.zeros((2, 1)), LEVELS, np.zeros((4, 2, 1)), np.ones((2, 1))))
    found = outlook.at(np.array([-3.0, 0.2, 1.7])[np.newaxis, :, np.newaxis])
    assert_array_equal(found[:, :, 0], [[0, 0, 2]] * 2)


def test_what_is_usual_among_counts():
    read = np.tile([0.0, 0, 6, 0], 6)[np.newaxis]
    design = Design(6, 8, 4, (4,), 4, np.zeros(0, bool), (), False)
    scale = np.array([[1.5]])
    empty = np.zeros((1, 0, 0))
    samples = Samples(read, np.zeros((1, 8), bool), empty, empty, np.array([[4]]), scale, scale)
    level = (2 * 6 + 1.5) / 9
    at = [level / 7, level / 7, (6 * 6 + level) / 7, level / 7]
    assert_allclose(usual(samples, design), [[*at, *at[:2]]])
    without = Samples(read, np.zeros((1, 8), bool), empty, empty, np.array([[1]]), scale, scale)
    assert_allclose(usual(without, design), level)
