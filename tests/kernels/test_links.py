"""Links against SciPy, in all widths, for all sizes of raw predictions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

from skrnn.kernels import links
from skrnn.losses import BinomialLogLoss, MultinomialLogLoss

pytestmark = pytest.mark.small
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-14}


def draw(K, dtype, scale=3.0):
    return (scale * np.random.default_rng(K).normal(size=(7, K))).astype(dtype)


@each_dtype
@pytest.mark.parametrize("K", [1, 2, 3, 7, 8, 9, 17, 33])
def test_probabilities(K, dtype):
    for scale in (0.01, 3.0, 50.0):
        raw = draw(K, dtype, scale)
        wide, tiny = raw.astype(float), 2 * np.finfo(dtype).tiny
        found = BinomialLogLoss().predict(raw)
        rtol = (1 + scale) * TOLERANCE[dtype]  # differences of large numbers are rounded
        assert found.dtype == dtype
        assert_allclose(found, expit(wide), rtol=TOLERANCE[dtype], atol=tiny)
        assert_allclose(MultinomialLogLoss().predict(raw), softmax(wide, axis=1), rtol=rtol, atol=tiny)


@each_dtype
def test_both_of_two_classes(dtype):
    raw = draw(1, dtype, 20.0)
    found = BinomialLogLoss().predict_both(raw)
    assert_array_equal(found[:, 1:], BinomialLogLoss().predict(raw))
    assert_array_equal(found[:, :1], BinomialLogLoss().predict(-raw))


@each_dtype
def test_rows_do_not_depend_on_each_other(dtype):
    raw = draw(19, dtype)
    for loss in (BinomialLogLoss(), MultinomialLogLoss()):
        together = loss.predict(raw)
        for n in range(len(raw)):
            assert_array_equal(loss.predict(raw[n : n + 1])[0], together[n])


@each_dtype
@np.errstate(all="ignore")  # without the compiler it is NumPy that overflows
def test_extremes(dtype):
    most = np.finfo(dtype).max
    raw = np.array([[most, -most, 0.0], [np.nan, 0.0, 0.0], [0.0, 0.0, np.nan], [np.inf, 0.0, 0.0]], dtype)
    assert_allclose(BinomialLogLoss().predict(raw[:1]), [[1, 0, 0.5]], atol=2 * np.finfo(dtype).tiny)
    found = MultinomialLogLoss().predict(raw)
    assert_allclose(found[0], [1, 0, 0], atol=2 * np.finfo(dtype).tiny)
    assert np.isnan(found[1]).all()
    assert np.isnan(found[2]).all()
    assert np.isnan(found[3]).any()  # infinity less infinity


def test_other_forms():
    raw = draw(3, np.float64)
    right = MultinomialLogLoss().predict(raw)
    for given in (raw.tolist(), np.asfortranarray(raw), raw[:, ::-1][:, ::-1], raw.astype(">f8")):
        assert_array_equal(MultinomialLogLoss().predict(given), right)
    assert MultinomialLogLoss().predict(np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert_allclose(MultinomialLogLoss().predict(np.array([[1, 2]])), softmax([[1.0, 2.0]], axis=1))


@each_dtype
def test_rescale(dtype):
    raw, rng = draw(5, dtype), np.random.default_rng(0)
    scale, mean, out = rng.random(5), rng.normal(size=5), np.empty((7, 5))
    links.rescale(raw, scale, mean, out)
    assert_array_equal(out, raw * scale + mean)


@each_dtype
@pytest.mark.parametrize("K", [1, 2, 5])
def test_numbers_of_classes(K, dtype):
    """Also of equal ones, and of those that are not finite."""
    raw = np.random.default_rng(K).integers(-2, 3, (60, K)).astype(dtype)
    raw[np.random.default_rng(0).random(raw.shape) < 0.2] = np.nan
    raw[0], raw[1] = -np.inf, np.inf
    found = np.full((60, 1), -1)
    links.decide(raw, found)
    assert_array_equal(found[:, 0], raw.argmax(axis=1) if K > 1 else raw[:, 0] > 0)
