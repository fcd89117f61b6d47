"""What C programs read: numbers of any size, missing values, times, codes and tokens."""

import ctypes

import numpy as np
import pytest
from c_programs import Library, needs_compiler, run_test

from skrnn import RNNClassifier, RNNRegressor
from skrnn.convolution import Conv
from skrnn.export import to_c

pytestmark = [needs_compiler, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]
SIZES = {"hidden_layer_sizes": 3, "max_iter": 3, "random_state": 0, "learning_rate_init": 0.1, "pooling": "last"}


def sequences(seed=0, n=30, share_missing=0.0):
    """Two channels of numbers, one of codes, one of times."""
    rng, made = np.random.default_rng(seed), []
    for length in rng.integers(1, 12, n):
        numbers = rng.normal([0, 3], [1, 2], (length, 2))
        numbers[rng.random((length, 2)) < share_missing] = np.nan
        codes, times = rng.choice([0.0, 2.0, 7.0, 8.0], length), np.cumsum(rng.exponential(size=length) + 0.01)
        made.append(np.column_stack([numbers, codes, times]).astype(np.float32))
    return made


def fitted(X, **options):
    y = np.random.default_rng(1).normal(size=len(X))
    return RNNRegressor(**SIZES, **options).fit(X, y)


def assert_alike(reg, X, program, rtol=3e-5):
    library = Library(program, "net", 1, reg.structure_.dtype)
    expected = reg.predict(X)
    assert np.ptp(expected) > 0.01
    for x, wanted in zip(X, expected, strict=True):
        index, found = library.whole(x)
        assert index == 0
        np.testing.assert_allclose(found[0, 0], wanted, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("missing", ["error", "mask", "decay"])
@pytest.mark.parametrize("time_channel", [None, 3, 0])
@pytest.mark.parametrize("categories", [None, [2]])
def test_missing_values_times_and_codes(missing, time_channel, categories, tmp_path):
    X = sequences(share_missing=0 if missing == "error" else 0.5)
    if time_channel == 0:
        X = [x[:, [3, 0, 2, 1]] for x in X]
    reg = fitted(X, missing=missing, time_channel=time_channel, categorical_features=categories)
    for check in (None, X):
        program = to_c(reg, tmp_path / "net.c", check=check)
        run_test(program)
    assert_alike(reg, X, program)


def test_missing_values_before_a_convolution(tmp_path):
    X = sequences(share_missing=0.5)
    reg = fitted(X, missing="mask", time_channel=3, convolution=Conv(3, width=3, stride=2))
    program = to_c(reg, tmp_path / "net.c")
    run_test(program)
    assert_alike(reg, X, program)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("conv", [None, Conv(3, width=3), Conv(3, width=2, stride=2)])
def test_changes(dtype, conv, tmp_path):
    """Of smooth series far from 0, whose changes are a few units in the last places of values."""
    rng = np.random.default_rng(0)
    lengths = [1, *rng.integers(2, 12, 29)]
    X = [(50 + [1e-3, 0.1] * rng.normal(size=(n, 2)).cumsum(axis=0)).astype(np.float32) for n in lengths]
    reg = fitted(X, differences=True, dtype=dtype, convolution=conv)
    for check, quantize in ((None, False), (X, True), (X, False)):
        program = to_c(reg, tmp_path / "net.c", check=check, quantize=quantize)
        run_test(program)
    assert_alike(reg, X, program)


def test_changes_that_are_not_finite_are_refused(tmp_path):
    reg = fitted(sequences(), differences=True, standardize=False)
    library = Library(to_c(reg, tmp_path / "net.c"), "net", 1)
    library.begin()
    assert library.take([3e38, 0, 0, 0])[0] == 0
    before = library.state.raw
    assert library.take([-3e38, 0, 0, 0])[0] == -1
    assert library.state.raw == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_far_from_0(dtype, tmp_path):
    """In years, for example: the mean is subtracted without rounding more than the numbers are."""
    rng = np.random.default_rng(0)
    X = [(2000 + rng.normal(size=(6, 2))).astype(np.float32) for _ in range(30)]
    reg = fitted(X, dtype=dtype)
    program = to_c(reg, tmp_path / "net.c", check=X)
    run_test(program)
    assert_alike(reg, X, program)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_tokens(n_channels, tmp_path):
    rng = np.random.default_rng(0)
    known = np.array(['"quoted"', "back\\slash", "ünïcode", "??=", "a", "ab", "b\n", "日本"])
    X = [known[rng.integers(0, len(known), (length, n_channels))] for length in rng.integers(1, 9, 40)]
    reg = fitted(X, min_count=2)
    program = to_c(reg, tmp_path / "net.c")
    run_test(program)
    library = Library(program, "net", 1)
    X += [np.full((2, n_channels), "never seen")]
    for x, wanted in zip(X, reg.predict(X), strict=True):
        codes = [[library.code(c, ctypes.c_char_p(token.encode())) for c, token in enumerate(row)] for row in x]
        np.testing.assert_allclose(library.whole(np.array(codes))[1][0, 0], wanted, rtol=1e-5, atol=1e-6)
    assert library.code(0, b"never seen") == library.code(9, b"a") == 0
    library.begin()
    assert library.take(np.full(n_channels, len(known) + 1))[0] == -1
    assert library.take(np.full(n_channels, -1))[0] == -1


@pytest.mark.parametrize(
    ("options", "bad"),
    [
        ({}, [[np.nan, 0, 0, 1], [0, np.inf, 0, 1]]),
        ({"differences": True}, [[np.nan, 0, 0, 1], [0, np.inf, 0, 1]]),
        ({"missing": "mask"}, [[np.inf, 0, 0, 1]]),
        ({"missing": "decay", "time_channel": 3}, [[0, 0, 0, np.nan], [0, 0, 0, 4], [0, 0, 0, 3.5]]),
        ({"time_channel": 3}, [[0, 0, 0, np.inf], [0, 0, 0, 4]]),
        ({"categorical_features": [2]}, [[0, 0, -1, 1], [0, 0, 0.5, 1], [0, 0, np.nan, 1]]),
        ({"categorical_features": [2], "missing": "decay"}, [[0, 0, np.inf, 1], [np.nan, 0, 0.5, 1]]),
    ],
)
def test_a_step_that_cannot_be_read_changes_nothing(options, bad, tmp_path):
    X = sequences()
    library = Library(to_c(fitted(X, **options), tmp_path / "net.c"), "net", 1)
    steps = np.array([[0, 1, 2, 3.9], [1, 0, 2, 4], [1, 2, 7, 5.5]])
    library.begin()
    clean = [library.take(step)[1] for step in steps]
    library.begin()
    for k, step in enumerate(steps):
        if k == 2:
            before = library.state.raw
            for x in bad:
                assert library.take(x)[0] == -1
            assert library.state.raw == before
            assert library.whole([steps[0], bad[0]])[0] == -1
        np.testing.assert_array_equal(library.take(step)[1], clean[k])
    assert library.whole(np.zeros((0, 4)))[0] == -1


def test_codes_that_floats_cannot_tell_apart_are_refused(tmp_path):
    X = [np.array([[2.0**24], [2.0**24 + 1], [3]])] * 10
    reg = fitted(X, categorical_features=[0])
    with pytest.raises(ValueError, match="Channel 0 has codes that float cannot tell apart"):
        to_c(reg, tmp_path / "net.c")
    assert not list(tmp_path.iterdir())


def test_labels_are_those_of_the_estimator(tmp_path):
    X = sequences()
    for k, classes in enumerate((["no", 'yes, "so"', "ÿ"], [-3, 0, 70000], [1.0, 2.0, 3.0], [False, True])):
        y = np.array(classes)[np.arange(len(X)) % len(classes)]
        clf = RNNClassifier(**SIZES, bidirectional=False).fit(X, y)
        library = Library(to_c(clf, tmp_path / f"net{k}.c"), f"net{k}", len(classes))
        label = library.label
        label.restype = {"U": ctypes.c_char_p, "f": ctypes.c_double}.get(y.dtype.kind, ctypes.c_int32)
        found = [label(i) for i in range(len(classes))]
        assert [each.decode() if isinstance(each, bytes) else each for each in found] == clf.classes_.tolist()
