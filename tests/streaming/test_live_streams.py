"""Streams: bit by bit the predictions for the sequences so far, whatever the network and whatever comes beside."""

import copy
import io
import json
import pickle
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

import skrnn
from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.convolution import Conv
from skrnn.streaming import Stream
from skrnn.streaming._encoding import StepEncoder

N, T, C = 5, 9, 3
FORWARD = {"bidirectional": False, "max_iter": 1, "random_state": 0}


def draw(seed=0, n=N, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, T, C)).astype(dtype), np.arange(n) % 3


def assert_streams(estimator, X, method, step="step_proba"):
    """Each step of all sequences side by side, and of the last one alone."""
    together, alone = estimator.stream(len(X)), estimator.stream()
    for t in range(T):
        now = [x[t] for x in X]
        expected = getattr(estimator, method)([x[: t + 1] for x in X])
        if method != "transform" and estimator.per_step_:
            expected = [rows[-1] for rows in expected]
        found = getattr(together, step)(np.array(now) if np.ndim(now[0]) else [[token] for token in now])
        assert_array_equal(found, expected)
        assert_array_equal(getattr(alone, step)(now[-1]), expected[-1])
    assert_array_equal(together.n_steps, T)


OPTIONS = [
    {"pooling": "last"},
    {"pooling": "mean", "cell": "lstm"},
    {"pooling": "max", "cell": "mgu", "zoneout": 0.2},
    {"pooling": "attention", "recurrent_dropout": 0.2},
    {"pooling": "attention", "hidden_layer_sizes": (6, 6), "residual": True, "layer_norm": True},
    {"pooling": "last", "hidden_layer_sizes": (4, 7), "layer_norm": True, "dtype": "float64"},
    {"pooling": "mean", "cell": "indrnn", "dtype": "float64"},
    {"pooling": "last", "cell": "elman", "hidden_layer_sizes": (33,)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_classes(options):
    X, y = draw()
    clf = RNNClassifier(**{"hidden_layer_sizes": 6} | FORWARD | options).fit(X, y)
    assert_streams(clf, X, "predict_proba")
    assert_streams(clf, X.astype(float), "predict", "step")
    assert_streams(RNNClassifier(6, **FORWARD).fit(X, y % 2 == 0), X, "predict_proba")


@pytest.mark.small
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_poolings(pooling):
    X, y = draw(1, n=3)
    assert_streams(RNNClassifier(3, pooling=pooling, **FORWARD).fit(X, y), X, "predict_proba")


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_convolutions(width, stride, pooling):
    X, y = draw(2)
    clf = RNNClassifier(4, convolution=Conv(4, width, stride), pooling=pooling, **FORWARD).fit(X, y)
    assert_streams(clf, X, "predict_proba")


def test_a_window_longer_than_all_that_came():
    X, y = draw(3)
    assert_streams(RNNClassifier(4, convolution=Conv(4, 2 * T + 1), **FORWARD).fit(X, y), X, "predict_proba")


def test_numbers():
    X, y = draw(4)
    rng = np.random.default_rng(0)
    for target in (rng.normal(size=N), rng.normal(size=(N, 2)), rng.normal(size=(N, 2, 3))):
        assert_streams(RNNRegressor(6, targets="sequence", **FORWARD).fit(X, target), X, "predict", "step")
    for loss in ("poisson", "huber", "quantile"):
        assert_streams(RNNRegressor(6, loss=loss, **FORWARD).fit(X, y), X, "predict", "step")
    jordan = RNNRegressor(6, cell="jordan", dropout=0.0, pooling="last", **FORWARD)
    assert_streams(jordan.fit(X, rng.normal(size=(N, 2))), X, "predict", "step")


def test_targets_of_steps():
    X, _ = draw(5)
    rng = np.random.default_rng(0)
    for convolution in (None, Conv(4, 4)):
        what = {"convolution": convolution, "max_iter": 1, "random_state": 0}
        reg = RNNRegressor(6, **what).fit(X, [rng.normal(size=T) for _ in X])
        assert_streams(reg, X, "predict", "step")
        clf = RNNClassifier(6, **what).fit(X, [rng.integers(0, 2, T) for _ in X])
        assert_streams(clf, X, "predict_proba")


def test_labels():
    X, _ = draw(6)
    Y = np.random.default_rng(0).integers(0, 2, (N, 3))
    clf = RNNClassifier(6, **FORWARD).fit(X, Y)
    assert_streams(clf, X, "predict_proba")
    assert_streams(clf, X, "predict", "step")


def test_features():
    X, _ = draw(7)
    for pooling in ("last", "mean", ("max", "last", "mean")):
        features = SequenceTransformer(6, objective="forecast", pooling=pooling, **FORWARD).fit(X)
        assert_streams(features, X, "transform", "step")
    reservoir = SequenceTransformer(6, objective="reservoir", pooling="mean", bidirectional=False, random_state=0)
    assert_streams(reservoir.fit(X), X, "transform", "step")


# -------------------------------------------------------------------------------------------------------- encodings
@pytest.mark.parametrize("missing", ["mask", "decay"])
@pytest.mark.parametrize("time_channel", [None, 1])
def test_missing_values(missing, time_channel):
    X, y = draw(8, dtype=np.float64)
    rng = np.random.default_rng(0)
    X[rng.random(X.shape) < 0.4] = np.nan
    X[0, :3, 0], X[1, :, 0] = np.nan, np.nan  # seen late, and never
    if time_channel is not None:
        X[:, :, time_channel] = rng.random((N, T)).cumsum(axis=1)
    clf = RNNClassifier(6, missing=missing, time_channel=time_channel, **FORWARD).fit(X, y)
    assert_streams(clf, X, "predict_proba")


def test_codes_and_times():
    X, y = draw(9, dtype=np.float64)
    rng = np.random.default_rng(0)
    X[:, :, 0], X[:, :, 2] = rng.integers(0, 4, (N, T)), rng.random((N, T)).cumsum(axis=1)
    clf = RNNClassifier(6, categorical_features=[0], time_channel=2, **FORWARD).fit(X, y)
    X[0, 3, 0] = 17  # unknown
    assert_streams(clf, X, "predict_proba")


def test_tokens():
    words = [[f"w{k}" for k in row] for row in np.random.default_rng(0).integers(0, 6, (N, T))]
    clf = RNNClassifier(6, **FORWARD).fit(words, np.arange(N) % 3)
    words[0][2] = "never seen"
    assert_streams(clf, words, "predict_proba")
    assert clf.stream().step("w1") == clf.predict([["w1"]])[0]


# ----------------------------------------------------------------------------------------------------------- streams
@cache
def fitted():
    return RNNClassifier(4, convolution=Conv(4, 3), pooling="attention", **FORWARD).fit(*draw(10))


EVENTS = ["step", "reset", "save", "some", "one"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(EVENTS)), min_size=1, max_size=30))
def test_each_stream_is_its_own(events):
    """Whatever happens to the streams beside, each predicts from what came since it began."""
    clf = fitted()
    stream, histories, rng = clf.stream(4), [[] for _ in range(4)], np.random.default_rng(0)
    for number, event in events:
        if event == "reset":
            stream.reset(number)
            histories[number] = []
        elif event == "save":
            file = io.BytesIO()
            np.savez(file, **stream.state)
            file.seek(0)
            stream = clf.stream(4)
            stream.state = np.load(file)
        which = {"some": rng.permutation(4)[: 1 + number], "one": number}.get(event)
        x = rng.normal(size=(4, C) if which is None else (*np.shape(which), C))
        found = np.atleast_2d(stream.step_proba(x, which))
        which = np.arange(4) if which is None else np.atleast_1d(which)
        for k, row in zip(which, np.atleast_2d(x), strict=True):
            histories[k].append(row)
        assert_array_equal(found, clf.predict_proba([np.array(histories[k]) for k in which]))
    assert_array_equal(stream.n_steps, [len(history) for history in histories])


def test_reset():
    X, y = draw(11)
    clf = RNNClassifier(6, pooling="max", **FORWARD).fit(X, y)
    stream = clf.stream(N)
    for index in (None, 0, -1, [1, 2], np.array([True, False, True, False, False])):
        stream.step(X[:, 0])
        stream.reset(index)
        begins = stream.n_steps == 0
        assert begins[np.arange(N) if index is None else index].all()
        expected = [x[:1] if new else np.concatenate([x[:1]] * 2) for x, new in zip(X, begins, strict=True)]
        assert_array_equal(stream.step_proba(X[:, 0]), clf.predict_proba(expected))
        stream.reset()


def test_a_step_that_is_refused_leaves_no_trace():
    X, y = draw(12, dtype=np.float64)
    for missing in ("error", "decay"):
        clf = RNNClassifier(6, missing=missing, time_channel=0, **FORWARD)
        X[:, :, 0] = np.arange(T)
        stream = clf.fit(X, y).stream(N)
        stream.step(X[:, 0])
        before = stream.state
        late = X[:, 1].copy()
        late[2, 0] = -1.0
        with pytest.raises(ValueError, match=r"channel 0 must be finite and rise .* stream 2 has -1.0 after 0.0"):
            stream.step(late)
        assert all(np.array_equal(before[name], array) for name, array in stream.state.items())


def test_the_weights_are_those_of_its_making():
    X, y = draw(13)
    clf = RNNClassifier(6, **FORWARD).fit(X, y)
    expected, stream = clf.predict_proba(X[:, :1]), clf.stream(N)
    clf.set_params(random_state=1).fit(X, y)
    assert_array_equal(stream.step_proba(X[:, 0]), expected)


def test_results_are_not_written_to_again():
    X, y = draw(14)
    for estimator in (RNNClassifier(6, **FORWARD), RNNRegressor(6, **FORWARD), SequenceTransformer(6, **FORWARD)):
        stream = estimator.fit(X, y).stream(N)
        first = stream.step(X[:, 0])
        kept = first.copy()
        stream.step(X[:, 1])
        assert_array_equal(first, kept)


def test_forms_of_a_step():
    X, y = draw(15, dtype=np.float64)
    frames = [pd.DataFrame(x, columns=["a", "b", "c"]) for x in X]
    clf = RNNClassifier(6, **FORWARD).fit(SequenceArray.from_list(frames), y)
    expected = clf.predict_proba(SequenceArray.from_list([frame[:1] for frame in frames]))
    step = pd.DataFrame(X[:, 0], columns=["a", "b", "c"])
    for x in (X[:, 0], X[:, 0].tolist(), step, np.asfortranarray(X[:, 0]), X[:, 0].astype(object)):
        assert_array_equal(clf.stream(N).step_proba(x), expected)
    assert_array_equal(clf.stream().step_proba(X[0, 0].tolist()), expected[0])
    assert_array_equal(clf.stream().step_proba(X[:1, 0]), expected[:1])
    assert_array_equal(clf.stream().step_proba(step.iloc[0]), expected[0])
    with pytest.raises(ValueError, match=r"x has the columns \['c', 'b', 'a'\]"):
        clf.stream().step(step.iloc[0][["c", "b", "a"]])
    with pytest.raises(ValueError, match=r"x has the columns \['c', 'b', 'a'\], but fit saw \['a', 'b', 'c'\]"):
        clf.stream(N).step(step[["c", "b", "a"]])


# --------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(4), r"x has shape \(4,\), but a step of this stream is of shape \(1, 3\), or \(3,\)"),
        (np.zeros((2, 3)), r"x has shape \(2, 3\)"),
        (1.0, r"x has shape \(\)"),
        (np.array([0, np.nan, 0]), 'x of stream 0, channel 1, is missing .NaN.: fit with missing="mask"'),
        (np.array([0, 0, np.inf]), "x of stream 0, channel 2, is not finite"),
        (np.array([0, 1e300, 0]), "x of stream 0, channel 1, is not finite, or too large for float32"),
        (["a", "b", "c"], r"x holds tokens \(str\), but fit saw numbers"),
        (["1", "2", "3"], r"x holds tokens \(str\), but fit saw numbers"),
        ([1j, 0, 0], "x "),
        (np.zeros(3, "M8[s]"), "x "),
        (np.ma.array([0.0, 1, 2], mask=[1, 0, 0]), "mask"),
        ({"a": 1}, "x "),
        ([10**400, 1, 1], "x "),
        (None, "x "),
    ],
)
def test_steps_that_are_refused(x, message):
    X, y = draw(16)
    stream = RNNClassifier(6, **FORWARD).fit(X, y).stream()
    with pytest.raises(ValueError, match=message):
        stream.step(x)
    assert stream.n_steps == 0


def test_tokens_that_are_refused():
    words = [[f"w{k}" for k in row] for row in np.random.default_rng(0).integers(0, 6, (N, T))]
    stream = RNNClassifier(6, **FORWARD).fit(words, np.arange(N) % 3).stream()
    for x in (1, None, b"w1", np.nan, [1.5]):
        with pytest.raises(ValueError, match="x "):
            stream.step(x)
    assert stream.n_steps == 0


def test_errors_name_the_stream():
    X, y = draw(22)
    stream = RNNClassifier(6, **FORWARD).fit(X, y).stream(9)
    with pytest.raises(ValueError, match="x of stream 7, channel 0, is missing"):
        stream.step([[0, 0, 0], [np.nan, 0, 0]], np.array([5, 7], np.uint8))
    stream.step(X[:2, 0], np.array([5, 7], np.int8))
    assert_array_equal(stream.n_steps, [0, 0, 0, 0, 0, 1, 0, 1, 0])


def test_networks_that_cannot_stream():
    X, y = draw(17)
    with pytest.raises(ValueError, match=r"RNNClassifier reads sequences backward, too, .* bidirectional=False"):
        RNNClassifier(6, max_iter=1).fit(X, y).stream()
    with pytest.raises(NotFittedError):
        RNNClassifier(6).stream()
    with pytest.raises(ValueError, match="n_streams must be a whole number of at least 1; got 0"):
        RNNClassifier(6, **FORWARD).fit(X, y).stream(0)
    with pytest.raises(AttributeError, match="step_proba is for classifiers"):
        RNNRegressor(6, **FORWARD).fit(X, y).stream().step_proba(X[0, 0])


def test_states_that_are_refused():
    X, y = draw(18)
    clf = RNNClassifier(6, **FORWARD).fit(X, y)
    stream = clf.stream(2)
    others = {
        r"other weights": RNNClassifier(6, **FORWARD | {"random_state": 1}).fit(X, y).stream(2).state,
        r"forward.h is of shape \(2, 7\)": RNNClassifier(7, **FORWARD).fit(X, y).stream(2).state,
        r"\['pooling.total'\] are in only one": RNNClassifier(6, pooling="mean", **FORWARD).fit(X, y).stream(2).state
        | {"pooling.top": stream.state["pooling.top"]},
        r"of 3 streams, but this has 2": clf.stream(3).state,
        r"fewer than 0 steps": stream.state | {"steps": np.array([0, -1])},
        r"a dict of arrays, got int": 1,
    }
    for message, state in others.items():
        with pytest.raises(ValueError, match=message):
            stream.state = state


def test_states_go_through_json():
    X, y = draw(18)
    clf = RNNClassifier(6, missing="mask", **FORWARD).fit(X, y)
    stream, other = clf.stream(2), clf.stream(2)
    stream.step(np.where(np.arange(C) == 1, np.nan, X[:2, 0]))
    text = json.dumps({name: array.tolist() for name, array in stream.state.items()})
    other.state = json.loads(text)
    assert_array_equal(other.step_proba(X[:2, 1]), stream.step_proba(X[:2, 1]))
    with pytest.raises(ValueError, match=r"forward\.h is of shape"):  # a number that a float32 does not hold
        other.state = stream.state | {"layers.0.forward.h": stream.state["layers.0.forward.h"] + np.float64(1e-12)}


def test_indices_that_are_refused():
    X, y = draw(19)
    stream = RNNClassifier(6, **FORWARD).fit(X, y).stream(2)
    for index in (2, -3, 0.5, "a", [True], [[0, 5]]):
        with pytest.raises(ValueError, match="index must be numbers of streams, from 0 to 1, or a mask of 2 booleans"):
            stream.reset(index)


def test_steps_of_some_streams_that_are_refused():
    X, y = draw(19)
    stream = RNNClassifier(6, **FORWARD).fit(X, y).stream(3)
    for index, message in (
        ([], "index must name one stream or several, each once"),
        ([1, 1], "each once"),
        ([1, -2], "each once"),
        (3, "index must be numbers of streams, from 0 to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.step(np.zeros((np.size(index), C)), index)
    with pytest.raises(ValueError, match=r"x has shape \(2, 3\), but a step of this stream is of shape \(1, 3\)"):
        stream.step(np.zeros((2, C)), [1])
    with pytest.raises(ValueError, match=r"shape \(1, 3\), or \(3,\)"):
        stream.step(np.zeros((2, C)), 1)
    assert_array_equal(stream.n_steps, 0)
    stream.step(X[:2, 0], np.array([True, False, True]))
    assert_array_equal(stream.n_steps, [1, 0, 1])


def test_streams_are_neither_pickled_nor_copied():
    X, y = draw(20)
    stream = RNNClassifier(6, **FORWARD).fit(X, y).stream()
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="save its state"):
            copied(stream)


def test_predictions_that_are_not_finite_are_said():
    X, y = draw(21)
    reg = RNNRegressor(6, cell="elman", pooling="last", **FORWARD).fit(X, y)
    reg.weights_["readout.b"][:] = np.inf
    with pytest.warns(RuntimeWarning, match="predictions of some streams are not finite"):
        reg.stream().step(X[0, 0])


def test_a_warning_that_is_an_error_comes_behind_the_step():
    X, y = draw(21)
    reg = RNNRegressor(6, cell="elman", pooling="last", **FORWARD).fit(X, y)
    reg.weights_["readout.b"][:] = np.inf
    stream = reg.stream(N)
    for index in (None, [0, 2], 1):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(RuntimeWarning, match="not finite"):
                stream.step(X[:, 0] if index is None else X[index, 0], index)
    assert_array_equal(stream.n_steps, [2, 2, 2, 1, 1])


@pytest.mark.parametrize("n_streams", [1, 3])
def test_the_form_of_x_says_whether_there_is_an_axis_of_streams(n_streams):
    X, y = draw(23)
    clf = RNNClassifier(6, **FORWARD).fit(X, y)
    stream, expected = clf.stream(n_streams), clf.predict_proba(X[:1, :1])
    for x in (X[0, 0], X[0, 0].tolist()):
        assert_array_equal(stream.step_proba(x, n_streams - 1), expected[0])
        stream.reset()
        assert_array_equal(stream.step_proba([x], n_streams - 1), expected)
        stream.reset()
        assert_array_equal(stream.step_proba([x], [n_streams - 1]), expected)
        stream.reset()
    with pytest.raises(ValueError, match=r"x has shape \(3,\), but a step of this stream is of shape \(1, 3\)\."):
        stream.step(X[0, 0], [n_streams - 1])


def test_numbers_that_are_finite_take_the_short_way(monkeypatch):
    """Which says nothing of values that are not: these take the other, whose errors name them."""
    X, y = draw(24)
    stream, alone = (RNNClassifier(6, **FORWARD).fit(X, y).stream(n) for n in (N, 1))
    monkeypatch.delattr(StepEncoder, "encode")
    for dtype in (np.float32, np.float64, ">f4"):
        stream.step(X[:, 0].astype(dtype))
        stream.step_proba(X[::-1, 0].astype(dtype))
        stream.step(X[:3, 0].astype(dtype), [0, 1, 2])
        alone.step(X[0, 0].astype(dtype))
        alone.step(X[:1, 0].astype(dtype).tolist())
    with pytest.raises(AttributeError, match="encode"):
        alone.step(np.array([0, np.nan, 0]))


def test_the_name():
    assert skrnn.streaming.Stream is Stream
