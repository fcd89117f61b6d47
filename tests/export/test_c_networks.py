"""Networks of all kinds in C: what they give is what the estimators give."""

import copy
import itertools

import numpy as np
import pytest
from c_programs import Library, needs_compiler, run_test, with_network
from networks import CELLS

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.cells import Elman, kernel
from skrnn.cells._base import BOTH, INPUT
from skrnn.convolution import Conv
from skrnn.export import to_c
from skrnn.kernels.activations import exp, sigmoid, tanh
from skrnn.kernels.lanes import (
    copy_sign,
    fast_divide,
    if_positive,
    maximum,
    minimum,
    square_root,
    where_positive,
)

pytestmark = [needs_compiler, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]
SIZES = {"hidden_layer_sizes": 3, "max_iter": 1, "bidirectional": False, "random_state": 0}


def sequences(rng, n=8, n_channels=3, longest=12):
    return [rng.normal(5, 2, (length, n_channels)).astype(np.float32) for length in rng.integers(1, longest + 1, n)]


@pytest.fixture(scope="module")
def classifiers():
    """Fitted classifiers of two and of three classes, whose networks are to be replaced."""
    rng = np.random.default_rng(0)
    X = sequences(rng)
    return {n: RNNClassifier(**SIZES, pooling="last").fit(X, np.arange(len(X)) % n) for n in (2, 3)}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_cells(name, n_classes, classifiers, tmp_path):
    """In two layers, with all that may stand around them in turns."""
    k = 2 * list(CELLS).index(name) + n_classes
    rng, cell = np.random.default_rng(k), CELLS[name]
    poolings = itertools.cycle(["last", "mean", "max", "attention"])
    changes = {"pooling": next(itertools.islice(poolings, k, None)), "cell": cell, "hidden_layer_sizes": (5, 4)}
    changes["zoneout"] = 0.25 if k % 3 == 0 and cell.carries_state else 0.0
    if not cell.is_output:
        changes["layer_norm"] = k % 4 < 2
        changes["residual"] = k % 5 < 3
        changes["hidden_layer_sizes"] = (5, 5)
    clf = with_network(copy.copy(classifiers[n_classes]), rng, **changes)
    X = sequences(rng)
    program = to_c(clf, tmp_path / "net.c", check=X)
    run_test(program)
    library = Library(program, "net", n_classes)
    for x, expected in zip(X, clf.predict_proba(X), strict=True):
        index, proba = library.whole(x)
        np.testing.assert_allclose(proba[0], expected, rtol=2e-5, atol=2e-6)
        assert clf.classes_[index] == clf.classes_[proba[0].argmax()] == library.label(index)


@kernel
def forward_of_all_operations(a, s, h, p):
    (c, d), one = s, minimum(abs(a[1]), 1)
    parts = square_root(one), copy_sign(one, h), where_positive(a[2], c), if_positive(a[2], c, -0.25 * d)
    c = sigmoid(a[0] - (c - p[0] * d)) * parts[0] - parts[1] * -h
    d = fast_divide(parts[2] - parts[3], 1 + one) / (2.0 - one) - 0.5
    return (c, d, h), (c, d), tanh(maximum(a[2] + p[1] * h, c)) * exp(-one) - (d - c)


class Odd(Elman):
    """All that a cell of a user may call, states and gates of any name."""

    gates, columns = ("for", "j", "ä"), (("for", BOTH), ("j", BOTH), ("ä", INPUT))
    states, vectors, saves_h = ("s", "a b"), {"peep": 2}, False
    forward = forward_of_all_operations


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_cell_of_a_user(dtype, classifiers, tmp_path):
    clf = with_network(copy.copy(classifiers[3]), np.random.default_rng(0), cell=Odd(), pooling="max", dtype=dtype)
    program = to_c(clf, tmp_path / "net.c", check=sequences(np.random.default_rng(1)))
    run_test(program)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("width", "stride"), [(1, 1), (2, 1), (3, 2), (5, 3), (4, 7), (1, 3)])
def test_convolutions(width, stride, dtype, classifiers, tmp_path):
    rng, pooling = np.random.default_rng(width), ["last", "mean", "max", "attention"][(width + stride) % 4]
    conv = Conv(4, width=width, stride=stride, activation=["relu", "tanh", "identity"][width % 3])
    changes = {"convolution": conv, "hidden_layer_sizes": (3,), "pooling": pooling, "dtype": dtype}
    clf, X = with_network(copy.copy(classifiers[3]), rng, **changes), sequences(rng, 12)
    run_test(to_c(clf, tmp_path / "net.c", check=X))


@pytest.mark.parametrize("conv", [None, Conv(4, width=5)])
def test_targets_of_steps(conv, classifiers, tmp_path):
    rng = np.random.default_rng(0)
    clf = copy.copy(classifiers[3])
    clf.per_step_ = True
    with_network(clf, rng, pooling="steps", hidden_layer_sizes=(4,), convolution=conv)
    X = sequences(rng)
    program = to_c(clf, tmp_path / "net.c", check=X)
    run_test(program)
    library = Library(program, "net", 3)
    for x, expected in zip(X, clf.predict_proba(X), strict=True):
        np.testing.assert_allclose(library.whole(x, len(x))[1], expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("pooling", ["last", ("mean", "last"), ("last", "mean", "max")])
def test_features(pooling, tmp_path):
    rng = np.random.default_rng(0)
    X = sequences(rng)
    options = {"layer_norm": True} if pooling == "last" else {}
    transformer = SequenceTransformer((6, 5), objective="reservoir", pooling=pooling, random_state=0, **options).fit(X)
    program = to_c(transformer, tmp_path / "features.c")
    run_test(program)
    library = Library(program, "features", 5 * len(np.atleast_1d(pooling)))
    for x, expected in zip(X, transformer.transform(X), strict=True):
        np.testing.assert_allclose(library.whole(x)[1][0], expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, ()),
        ({"loss": "poisson"}, ()),
        ({"loss": "huber", "targets": "sequence"}, (2, 3)),
        ({"standardize_target": False}, (2,)),
    ],
)
def test_numbers(options, shape, tmp_path):
    rng = np.random.default_rng(0)
    X = sequences(rng, 20)
    y = rng.integers(1000, 1020, (20, *shape)).astype(float)
    reg = RNNRegressor(**SIZES, **options).fit(X, y)
    program = to_c(reg, tmp_path / "net.c")
    run_test(program)
    library, predicted = Library(program, "net", max(1, int(np.prod(shape)))), reg.predict(X)
    for x, expected in zip(X, predicted, strict=True):
        index, found = library.whole(x)
        assert index == 0
        np.testing.assert_allclose(found[0], np.ravel(expected), rtol=1e-5)


def test_labels(tmp_path):
    rng = np.random.default_rng(0)
    X = sequences(rng, 20)
    clf = RNNClassifier(**SIZES, pooling="mean").fit(X, rng.integers(0, 2, (20, 3)))
    program = to_c(clf, tmp_path / "net.c")
    run_test(program)
    found = np.stack([Library(program, "net", 3).whole(x)[1][0] for x in X])
    np.testing.assert_allclose(found, clf.predict_proba(X), rtol=1e-5)
