"""The axioms of attributions, on networks whose weights are random."""

import numpy as np
import pytest
from networks import CELLS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skrnn import (
    Conv,
    CTCClassifier,
    RNNClassifier,
    RNNRegressor,
    Seq2SeqClassifier,
    SequenceArray,
    SequenceGenerator,
    SequenceTransformer,
)
from skrnn.inspection import attribute

LENGTHS = [7, 4, 9, 1, 4]
QUICK = {"max_iter": 1, "tol": 10.0, "n_iter_no_change": 1, "early_stopping": False, "random_state": 0}


def fitted(X, y, cell="gru", estimator=RNNClassifier, scale=0.7, **options):
    """An estimator of float64 whose weights are random, and not small."""
    options = {"hidden_layer_sizes": (5, 5), "dtype": "float64", "bidirectional": False, "pooling": "last"} | options
    clf = estimator(cell=cell, **QUICK, **options).fit(X, y)
    rng = np.random.default_rng(1)
    for weight in clf.weights_.values():
        size = scale / np.sqrt(weight.shape[0] if weight.ndim == 2 else 1)
        weight[...] = size * rng.normal(size=weight.shape)
    return clf


def sequences(rng, C=3, lengths=LENGTHS):
    return [2 + 3 * rng.normal(size=(T, C)) for T in lengths]


def margin(clf, X):
    """The raw prediction of the second of two classes."""
    p = clf.predict_log_proba(X)
    return p[:, 1] - p[:, 0]


def differences(f, x, places=None, h=1e-5):
    """Central differences of f(x) by the entries of x, where these are numbers."""
    out = np.zeros(x.shape)
    for place in zip(*np.nonzero(~np.isnan(x)), strict=True) if places is None else places:
        more, less = x.copy(), x.copy()
        more[place] += h
        less[place] -= h
        out[place] = (f(more) - f(less)) / (2 * h)
    return out


OPTIONS = {
    "plain": {},
    "both directions": {"bidirectional": True, "pooling": "mean"},
    "both directions, max": {"bidirectional": True, "pooling": "max"},
    "max, convolution": {"pooling": "max", "convolution": Conv(6, width=4, stride=2, activation="tanh")},
    "attention, residual": {"pooling": "attention", "residual": True},
    "mean, layer_norm": {"pooling": "mean", "layer_norm": True},
    "convolution": {"convolution": Conv(6, width=4, stride=2, activation="tanh")},
    "convolution, mask": {"convolution": Conv(6, width=3, activation="tanh"), "missing": "mask"},
    "mask": {"missing": "mask"},
    "decay": {"missing": "decay"},
    "without scales": {"standardize": False},
    "dropout": {"dropout": 0.5, "input_dropout": 0.5, "recurrent_dropout": 0.5, "zoneout": 0.2, "cell": "lstm"},
}


def data_for(options):
    rng = np.random.default_rng(0)
    X, y = sequences(rng), [0, 1, 0, 1, 1]
    if "missing" in options:
        for x in X:
            x[rng.random(x.shape) < 0.4] = np.nan
    return X, y


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradient_equals_central_differences(options):
    X, y = data_for(options)
    clf = fitted(X, y, **options)
    found = attribute(clf, X, target=1, method="gradient").attributions
    for x, gradient in zip(X, found, strict=True):
        expected = differences(lambda x: margin(clf, [x])[0], x)
        assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)
        assert np.abs(expected).max() > 1e-4


@pytest.mark.parametrize("name", CELLS)
def test_gradient_of_every_cell_equals_central_differences(name):
    X, y = data_for({})
    clf = fitted(X, y, CELLS[name], scale=0.4)
    found = attribute(clf, X[:2], target=1, method="gradient").attributions
    for x, gradient in zip(X[:2], found, strict=True):
        assert_allclose(gradient, differences(lambda x: margin(clf, [x])[0], x), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_shares_add_up_to_what_they_explain(options):
    X, y = data_for(options)
    clf = fitted(X, y, **options)
    result = attribute(clf, X, target=1)
    sums = [shares.sum() for shares in result.attributions]
    mean = clf.inputs_.mean
    start = margin(clf, [np.where(np.isnan(x), np.nan, mean) for x in X])
    change = margin(clf, X) - start
    assert_allclose(result.difference, change, rtol=1e-9, atol=1e-12)
    assert_allclose(result.error, sums - change, atol=1e-12)
    assert np.abs(result.error).max() < 1e-4 * np.abs(change).max()


def brute_occlusion(clf, x, mean):
    out = np.zeros(x.shape)
    for place in zip(*np.nonzero(~np.isnan(x)), strict=True):
        other = x.copy()
        other[place] = mean[place[1]]
        out[place] = margin(clf, [x])[0] - margin(clf, [other])[0]
    return out


@pytest.mark.parametrize("name", ["plain", "decay", "convolution, mask"])
def test_occlusion_replaces_one_value_at_a_time(name):
    X, y = data_for(OPTIONS[name])
    clf = fitted(X, y, **OPTIONS[name])
    found = attribute(clf, X[:2], target=1, method="occlusion").attributions
    for x, shares in zip(X, found, strict=False):
        assert_allclose(shares, brute_occlusion(clf, x, clf.inputs_.mean), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_a_channel_of_weight_zero_gets_exactly_zero(pooling):
    X, y = data_for({})
    clf = fitted(X, y, pooling=pooling)
    clf.weights_["layers.0.forward.W_x"][1] = 0
    for method in ("integrated_gradients", "gradient", "occlusion"):
        values = attribute(clf, X, method=method).attributions.values
        assert_array_equal(values[:, 1], 0)
        assert np.abs(values[:, [0, 2]]).max() > 0


def test_random_weights_change_the_map():
    X, y = data_for({})
    clf = fitted(X, y)
    before = attribute(clf, X, target=1).attributions.values
    rng = np.random.default_rng(5)
    for weight in clf.weights_.values():
        weight[...] = 0.3 * rng.normal(size=weight.shape)
    after = attribute(clf, X, target=1).attributions.values
    assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.9


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "pooling": "max"}, {"pooling": "attention"}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neighbours_threads_and_memory_do_not_change_a_bit(options, dtype):
    rng = np.random.default_rng(0)
    X = sequences(rng, lengths=rng.integers(1, 30, size=40))
    clf = fitted(X, np.arange(40) % 2, dtype=dtype, **options)
    together = attribute(clf, X)
    clf.set_params(n_jobs=2)
    for method in ("integrated_gradients", "gradient"):
        clf.set_params(n_jobs=1)
        one = attribute(clf, X, method=method)
        clf.set_params(n_jobs=2)
        two = attribute(clf, X, method=method)
        assert_array_equal(one.attributions.values, two.attributions.values)
        assert_array_equal(one.error, two.error)
    for i in (0, 7, 39):
        assert_array_equal(attribute(clf, [X[i]]).attributions[0], together.attributions[i])


def test_passes_that_are_cut_give_the_same_bits(monkeypatch):
    X, y = data_for({})
    for pooling in ("last", "max"):
        clf = fitted(X, y, pooling=pooling)
        whole = attribute(clf, X).attributions
        monkeypatch.setattr("skrnn.inspection._attribution.LARGEST_PASS", 600)  # some nodes of a sequence
        assert attribute(clf, X).attributions == whole
        assert attribute(clf, X[:1], method="occlusion").attributions.values.any()
        monkeypatch.undo()


def test_sequences_in_segments_get_the_same_gradient():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(3000, 2)), rng.normal(size=(2000, 2))]
    clf = fitted(X, [0, 1], max_memory=0.1)
    whole = attribute(clf, X, n_nodes=3).attributions
    clf.set_params(max_memory=0.004)
    assert attribute(clf, X, n_nodes=3).attributions == whole


def test_labels_and_targets():
    X, _ = data_for({})
    three = fitted(X, ["a", "b", "c", "a", "b"])
    log_p = three.predict_log_proba(X)
    mean = [np.broadcast_to(three.inputs_.mean, x.shape) for x in X]
    b, c = attribute(three, X, target="b"), attribute(three, X, target="c")
    before = three.predict_log_proba(mean)
    change = (log_p[:, 1] - log_p[:, 2]) - (before[:, 1] - before[:, 2])
    assert_allclose(b.difference - c.difference, change, atol=1e-12)
    chosen = attribute(three, X)
    for i, label in enumerate(three.predict(X)):
        assert_array_equal(chosen.attributions[i], attribute(three, X[i : i + 1], target=label).attributions[0])

    two = fitted(X, [False, True, False, True, True])
    assert_array_equal(
        attribute(two, X, target=False).attributions.values, -attribute(two, X, target=True).attributions.values
    )


def test_numbers_are_explained_in_their_unit():
    X, _ = data_for({})
    y = 100 + 50 * np.arange(10.0).reshape(5, 2)
    reg = fitted(X, y, estimator=RNNRegressor)
    result, start = attribute(reg, X, target=1), [np.broadcast_to(reg.inputs_.mean, x.shape) for x in X]
    assert_allclose(result.difference, (reg.predict(X) - reg.predict(start))[:, 1], rtol=1e-9)
    with pytest.raises(ValueError, match="one of 2 outputs, from 0 to 1"):
        attribute(reg, X)


def test_targets_of_steps_are_summed():
    X, _ = data_for({})
    reg = fitted(X, [x[:, 0] for x in X], estimator=RNNRegressor, bidirectional=True)
    found = attribute(reg, X, method="gradient").attributions
    for x, gradient in zip(X, found, strict=True):
        assert_allclose(gradient, differences(lambda x: reg.predict([x])[0].sum(), x), rtol=1e-5, atol=1e-7)
    clf = fitted(X, [np.arange(len(x)) % 3 for x in X])
    result = attribute(clf, X, target=1)
    assert np.abs(result.error).max() < 1e-6
    summed = [np.log(p)[:, 1].sum() - np.log(p)[:, 0].sum() for p in clf.predict_proba(X)]
    start = clf.predict_proba([np.broadcast_to(clf.inputs_.mean, x.shape) for x in X])
    before = [np.log(p)[:, 1].sum() - np.log(p)[:, 0].sum() for p in start]
    change = attribute(clf, X, target=1).difference - attribute(clf, X, target=0).difference
    assert_allclose(change, np.subtract(summed, before), atol=1e-9)


@pytest.mark.parametrize("missing", ["error", "decay"])
def test_tokens_get_one_number_each(missing):
    X = [["a", "b", "a"], ["b"], ["c", "b"], ["a", "c", "c", "b"], ["b", "a"]]
    clf = fitted(X, [0, 1, 0, 1, 1], missing=missing)
    result = attribute(clf, X, target=1)
    assert result.attributions.values.shape == (12, 1)
    assert_array_equal(result.attributions.lengths, [len(x) for x in X])
    assert np.abs(result.error).max() < 1e-9
    table = clf.weights_["embedding.0"]
    kept, b = table.copy(), clf.inputs_.categories[0]["b"]
    gradient = attribute(clf, [X[0]], target=1, method="gradient").attributions[0][:, 0]
    values = []
    for factor in (1 + 1e-5, 1 - 1e-5):  # of the token that occurs once
        table[b] = kept[b] * factor
        values.append(margin(clf, [X[0]])[0])
    table[...] = kept
    assert_allclose(gradient[1], (values[0] - values[1]) / 2e-5, rtol=1e-6)
    occluded = attribute(clf, [X[0]], target=1, method="occlusion").attributions[0][1, 0]
    with_it = margin(clf, [X[0]])[0]
    table[b] = 0
    assert_allclose(occluded, with_it - margin(clf, [X[0]])[0], rtol=1e-9)


def test_categories_beside_numbers_that_may_be_missing():
    rng = np.random.default_rng(0)
    X = [np.column_stack([rng.integers(0, 3, len(x)), x, rng.integers(5, 7, len(x))]) for x in sequences(rng)]
    for x in X:
        x[1::2, 1] = np.nan
    clf = fitted(X, [0, 1, 0, 1, 1], missing="decay", categorical_features=[0, 4])
    result = attribute(clf, X, target=1)
    assert np.abs(result.error).max() < 1e-9
    gradient = attribute(clf, X, target=1, method="gradient").attributions
    places = [(t, c) for t in range(len(X[0])) for c in (1, 2, 3) if not np.isnan(X[0][t, c])]
    expected = differences(lambda x: margin(clf, [x])[0], X[0], places)
    assert_allclose(gradient[0][:, 1:4], expected[:, 1:4], rtol=1e-5, atol=1e-8)


def test_the_time_channel_counts_as_time_since_the_step_before():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    for x in X:
        x[:, 2] = np.cumsum(rng.exponential(size=len(x)) + 0.1)
    clf = fitted(X, [0, 1, 0, 1, 1], time_channel=2)
    gradient = attribute(clf, X, target=1, method="gradient").attributions[0][:, 2]
    assert gradient[0] == 0
    for t in range(1, len(X[0])):  # all later steps come later
        later = X[0].copy()
        h = 1e-6
        later[t:, 2] += h
        earlier = X[0].copy()
        earlier[t:, 2] -= h
        change = margin(clf, [later, earlier])
        assert_allclose(gradient[t], (change[0] - change[1]) / (2 * h), rtol=1e-4, atol=1e-8)
    assert np.abs(attribute(clf, X).error).max() < 1e-6


def test_a_baseline_of_numbers():
    X, y = data_for({})
    clf, start = fitted(X, y), np.array([1.0, -2.0, 3.0])
    result = attribute(clf, X, target=1, baseline=start)
    change = margin(clf, X) - margin(clf, [np.broadcast_to(start, x.shape) for x in X])
    assert_allclose(result.difference, change, atol=1e-12)
    assert np.abs(result.error).max() < 1e-6


def test_the_result_is_like_x():
    pd = pytest.importorskip("pandas")
    X = [pd.DataFrame(x, columns=["u", "v", "w"]) for x in sequences(np.random.default_rng(0))]
    result = attribute(fitted(X, [0, 1, 0, 1, 1]), X).attributions
    assert isinstance(result, SequenceArray)
    assert result.channel_names == ("u", "v", "w")
    assert_array_equal(result.lengths, LENGTHS)


def adding_problem(rng, n, T):
    """Two of T numbers are marked; the target is their sum."""
    X = np.stack([rng.uniform(-1, 1, (n, T)), np.zeros((n, T))], axis=2)
    marked = np.argsort(rng.random((n, T)), axis=1)[:, :2]
    np.put_along_axis(X[:, :, 1], marked, 1, axis=1)
    return X, np.take_along_axis(X[:, :, 0], marked, axis=1).sum(axis=1)


def test_the_marked_steps_of_the_adding_problem_have_the_shares():
    X, y = adding_problem(np.random.default_rng(0), 1500, 12)
    options = {"bidirectional": False, "pooling": "last", "max_iter": 60, "tol": 0.0, "random_state": 0}
    reg = RNNRegressor(16, early_stopping=False, **options).fit(X, y)
    assert reg.score(X, y) > 0.95
    result = attribute(reg, X[:50])
    values = result.attributions.values.reshape(50, 12, 2)[:, :, 0]
    is_marked = X[:50, :, 1] > 0
    of_marked, of_others = np.abs(values[is_marked]).mean(), np.abs(values[~is_marked]).mean()
    assert of_marked > 5 * of_others
    assert np.abs(result.error).max() < 1e-3


def test_what_cannot_be_explained_is_refused_by_name():
    X, y = data_for({})
    clf = fitted(X, y)
    with pytest.raises(ValueError, match=r"target=2 is none of the classes \[0, 1\]"):
        attribute(clf, X, target=2)
    with pytest.raises(ValueError, match="n_nodes must be a whole number of at least 1; got True"):
        attribute(clf, X, n_nodes=True)
    for baseline in ("zero", [0, 0, np.nan], [0, 0, 1e39]):  # the last is not finite in float32
        with pytest.raises(ValueError, match='baseline must be "mean" or a finite number for each of 3 channels'):
            attribute(clf, X, baseline=baseline)
    with pytest.raises(ValueError, match="channels \\[0\\] hold tokens or categories"):
        attribute(fitted([["a"], ["b"]], [0, 1]), [["a"]], baseline=[0.0])
    with pytest.raises(ValueError, match="sequence 1, step 2"):
        attribute(clf, [X[0], np.vstack([X[1][:2], [[1, np.inf, 0]]])])
    for estimator in (Seq2SeqClassifier(), SequenceGenerator(), CTCClassifier(), SequenceTransformer()):
        with pytest.raises(ValueError, match=f"not of {type(estimator).__name__}"):
            attribute(estimator, X)
    with pytest.raises(ValueError, match="pass the last step"):
        attribute(make_pipeline(clf), X)
    with pytest.raises(NotFittedError):
        attribute(RNNClassifier(), X)
    labels = fitted(X, np.array([[0, 1], [1, 0], [1, 1], [0, 0], [1, 0]]))
    with pytest.raises(ValueError, match="one of 2 labels"):
        attribute(labels, X)
    assert np.abs(attribute(labels, X, target=1).error).max() < 1e-6
