"""Sequences with their channels before their steps, the forms of aeon and sktime."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from ragged import assert_same
from sklearn.preprocessing import StandardScaler

from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.preprocessing import PerStep
from skrnn.sequences import as_sequence_array

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2, 5))
STEPS_FIRST = [x.T for x in X]


@pytest.mark.parametrize(
    "convert",
    [np.array, list, tuple, np.ndarray.tolist, lambda X: np.asfortranarray(X), lambda X: [x.tolist() for x in X]],
)
def test_arrays_and_lists(convert):
    assert_same(SequenceArray.from_channels_first(convert(X)), STEPS_FIRST)
    assert SequenceArray.from_channels_first(X.astype(np.float32)).values.dtype == np.float32


def test_sequences_of_unequal_length():
    cells = np.empty(3, dtype=object)
    cells[:] = [X[i][:, : 2 + i] for i in range(3)]
    for given in (list(cells), cells):
        assert_same(SequenceArray.from_channels_first(given), [X[i].T[: 2 + i] for i in range(3)])


def test_padding_and_lengths():
    padded = X.copy()
    padded[1, :, 3:] = np.nan
    padded[2, 0, 4] = np.nan  # a missing value
    assert SequenceArray.from_channels_first(padded).lengths.tolist() == [5, 3, 5, 5, 5, 5]
    for given in (X, list(X)):
        packed = SequenceArray.from_channels_first(given, lengths=[1, 2, 3, 4, 5, 0])
        assert_same(packed, [x[:n] for x, n in zip(STEPS_FIRST, [1, 2, 3, 4, 5, 0], strict=True)])


def test_other_forms_of_sktime():
    nested = pd.DataFrame({c: [pd.Series(x[c]) for x in X] for c in range(2)})
    frames = [pd.DataFrame(x) for x in STEPS_FIRST]
    for given in (nested, frames):
        assert_same(as_sequence_array(given), STEPS_FIRST)
    levels = pd.MultiIndex.from_product([range(6), range(5)], names=["instances", "timepoints"])
    frame = pd.DataFrame(np.concatenate(STEPS_FIRST), index=levels)
    packed, ids = SequenceArray.from_long(frame, instance="instances", time="timepoints")
    assert_same(packed, STEPS_FIRST)
    assert_array_equal(ids, range(6))


@pytest.mark.parametrize(
    ("given", "arguments", "message"),
    [
        (X[0], {}, r"X has shape \(2, 5\), expected \(n_sequences, n_channels, n_steps\)"),
        (X[np.newaxis], {}, r"X has shape \(1, 6, 2, 5\), expected"),
        ([X[0], X[0, 0]], {}, r"sequence 1 has shape \(5,\), expected \(n_channels, n_steps\)"),
        ([X[0], X[0][:1]], {}, "sequence 1 has 1 channel, sequence 0 has 2"),
        ([], {}, "0 sample"),
        (X, {"lengths": [6] * 6}, r"lengths\[0\] is 6, which is not between 0 and 5"),
        (X.astype(str), {}, "X must hold real numbers"),
    ],
)
def test_what_is_refused(given, arguments, message):
    with pytest.raises(ValueError, match=message):
        SequenceArray.from_channels_first(given, **arguments)


@pytest.mark.parametrize(
    "estimator",
    [
        RNNClassifier(2, max_iter=1),
        RNNRegressor(2, max_iter=1),
        SequenceTransformer(2, max_iter=1),
        PerStep(StandardScaler()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_converter_is_named_where_channels_differ(estimator):
    fitted = estimator.fit(SequenceArray.from_channels_first(X), [0, 1] * 3)
    run = getattr(fitted, "predict", None) or fitted.transform
    for given in (X, list(X)):
        with pytest.raises(
            ValueError, match=r"The axes of X must be .*n_steps, n_channels\).*from_channels_first\(X\)"
        ):
            run(given)
    with pytest.raises(ValueError, match=r"sequence 1 has 4 channels, sequence 0 has 5.*from_channels_first\(X\)"):
        run([X[0], X[1][:, :4]])
    with pytest.raises(ValueError) as raised:
        run(X[:, :, :3].swapaxes(1, 2).repeat(2, axis=2))
    assert "channels_first" not in str(raised.value)
