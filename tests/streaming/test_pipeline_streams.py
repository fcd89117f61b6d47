"""Streams of pipelines predict what the pipeline predicts for the sequences so far."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

from skrnn import EarlyClassifier, RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.preprocessing import PerStep, SlidingWindow
from skrnn.streaming import PipelineStream, Stream, stream

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 6, 3)), np.arange(12) % 3
SMALL = {"hidden_layer_sizes": 5, "bidirectional": False, "max_iter": 1, "random_state": 0}
SCALES = PerStep(StandardScaler()), PerStep(PCA(2))


@pytest.mark.parametrize(
    ("pipeline", "methods"),
    [
        (make_pipeline(*SCALES, RNNClassifier(**SMALL)), ("predict", "predict_proba")),
        (make_pipeline("passthrough", SCALES[0], RNNRegressor(**SMALL)), ("predict",)),
        (make_pipeline(*SCALES, SequenceTransformer(**SMALL)), ("transform",)),
        (
            make_pipeline(
                SequenceTransformer(**SMALL), MinMaxScaler(), RandomForestClassifier(5, random_state=0, n_jobs=1)
            ),
            ("predict", "predict_proba"),
        ),
        (make_pipeline(*SCALES, SequenceTransformer(**SMALL), LinearRegression()), ("predict",)),
    ],
    ids=["classifier", "regressor", "transformer", "forest", "line"],
)
def test_pipelines(pipeline, methods):
    pipeline.fit(X, Y)
    for method in methods:
        step = "step_proba" if method == "predict_proba" else "step"
        together, alone, some = stream(pipeline, 12), stream(pipeline), stream(pipeline, 20)
        assert isinstance(together, PipelineStream)
        for t in range(X.shape[1]):
            expected = getattr(pipeline, method)(X[:, : t + 1])
            # products of scikit-learn's have other last bits in other batches
            assert_allclose(getattr(together, step)(X[:, t]), expected, rtol=1e-5, atol=1e-5)
            assert_allclose(getattr(alone, step)(X[3, t]), expected[3], rtol=1e-5, atol=1e-5)
            assert_allclose(getattr(some, step)(X[3, t], 17), expected[3], rtol=1e-5, atol=1e-5)
        assert_array_equal(together.n_steps, X.shape[1])


@pytest.mark.parametrize("kind", [RNNClassifier, SequenceTransformer])
def test_time_stamps_go_through(kind):
    times = 1.7e9 + np.cumsum(RNG.exponential(size=(12, 6, 1)), axis=1)
    with_times = np.concatenate([X, times], axis=2)
    behind = [LinearRegression()] if kind is SequenceTransformer else []
    network = kind(**SMALL, time_channel=3, missing="decay")
    pipeline = make_pipeline(PerStep(MinMaxScaler((0, 3600))), network, *behind).fit(with_times, Y)
    live = stream(pipeline, 12)
    for t in range(X.shape[1]):
        expected = pipeline.predict(with_times[:, : t + 1])
        assert_allclose(live.step(with_times[:, t]), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="time stamp"):
        live.step(with_times[:, 0])


def test_names_of_channels_go_through():
    frames = [pd.DataFrame(x, columns=["a", "b", "c"]) for x in X]
    pipeline = make_pipeline(SCALES[0], RNNClassifier(**SMALL)).fit(SequenceArray.from_list(frames), Y)
    live = stream(pipeline, 12)
    found = live.step_proba(pd.DataFrame(X[:, 0], columns=["a", "b", "c"]))
    expected = pipeline.predict_proba(SequenceArray.from_list([frame[:1] for frame in frames]))
    assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "transformer", [OneHotEncoder(handle_unknown="ignore"), FunctionTransformer(np.square)], ids=str
)
def test_steps_go_through_transformers_as_whole_sequences_do(transformer):
    """Also where these put out sparse matrices, or would reckon with small integers."""
    codes = RNG.integers(0, 4, (12, 6, 2)) * 30
    pipeline = make_pipeline(PerStep(transformer), RNNClassifier(**SMALL)).fit(codes, Y)
    live, expected = stream(pipeline, 12), pipeline.predict_proba(codes[:, :1])
    assert_allclose(live.step_proba(codes[:, 0].astype(np.int8)), expected, rtol=1e-5)
    assert_allclose(stream(pipeline).step_proba(codes[0, 0]), expected[0], rtol=1e-5)


def test_a_fit_to_come_changes_nothing():
    pipeline = make_pipeline(PerStep(StandardScaler()), RNNClassifier(**SMALL)).fit(X, Y)
    live, expected = stream(pipeline, 12), pipeline.predict_proba(X[:, :1])
    pipeline.fit(5 * X + 3, Y)
    assert_allclose(live.step_proba(X[:, 0]), expected, rtol=1e-5)


def test_frames_between_the_steps():
    pipeline = make_pipeline(SequenceTransformer(**SMALL), StandardScaler(), LinearRegression())
    pipeline.set_output(transform="pandas").fit(X, Y)
    assert_allclose(stream(pipeline, 12).step(X[:, 0]), pipeline.predict(X[:, :1]), rtol=1e-5, atol=1e-5)


def test_early_decisions():
    early = EarlyClassifier(RNNClassifier(**SMALL), prefixes=False, cv=2)
    pipeline = make_pipeline(PerStep(StandardScaler()), early).fit(np.tile(X, (3, 1, 1)), np.tile(Y, 3))
    live = stream(pipeline, 3)
    live.step(X[:2, 0], [0, 2])
    assert_array_equal(live.n_steps, [1, 0, 1])
    state = live.state
    live.step(X[:3, 1])
    decided = live.end()
    assert None not in decided
    live.state = state
    live.step(X[:3, 1])
    assert_array_equal(live.end(), decided)


def test_a_warning_that_is_an_error_comes_behind_an_early_decision():
    early = EarlyClassifier(RNNClassifier(**SMALL), prefixes=False, cv=2).fit(np.tile(X, (3, 1, 1)), np.tile(Y, 3))
    early.estimator_.weights_["readout.b"][:] = np.inf
    one, other = early.stream(3), early.stream(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="not finite"):
            one.step(X[:3, 0])
    with pytest.warns(RuntimeWarning, match="not finite"):
        other.step(X[:3, 0])
    assert np.isnan(other.proba).all()
    for name, array in one.state.items():
        assert_array_equal(array, other.state[name], err_msg=name)
    one.reset([0, 2])
    assert_allclose(one.proba[[0, 2]], 1 / 3)
    assert np.isnan(one.proba[1]).all()


def test_states():
    pipeline = make_pipeline(SCALES[0], RNNClassifier(**SMALL)).fit(X, Y)
    one, other = stream(pipeline), stream(pipeline)
    one.step(X[0, 0])
    other.state = one.state
    assert_array_equal(one.step_proba(X[0, 1]), other.step_proba(X[0, 1]))
    other.reset()
    assert other.n_steps == 0


def test_an_estimator_alone():
    assert type(stream(RNNClassifier(**SMALL).fit(X, Y), 2)) is Stream


def test_what_is_refused():
    with pytest.raises(ValueError, match="LinearRegression has no streams"):
        stream(LinearRegression())
    with pytest.raises(ValueError, match=r"GridSearchCV has no streams: pass .*, like best_estimator_"):
        stream(GridSearchCV(RNNClassifier(**SMALL), {}))
    with pytest.raises(ValueError, match="fitted estimator, but this is the class RNNClassifier"):
        stream(RNNClassifier)
    with pytest.raises(ValueError, match="The pipeline has no step with streams"):
        stream(make_pipeline(SCALES[0]))
    with pytest.raises(ValueError, match="Step 'slidingwindow' of the pipeline, SlidingWindow, has no streams"):
        stream(make_pipeline(SlidingWindow(3), RNNClassifier(**SMALL)))
    line = make_pipeline(SequenceTransformer(**SMALL), LinearRegression()).fit(X, Y)
    with pytest.raises(AttributeError, match="step_proba is for classifiers, but LinearRegression is none"):
        stream(line).step_proba(X[0, 0])
    with pytest.raises(ValueError, match="bidirectional=False"):
        stream(make_pipeline(SCALES[0], RNNClassifier(5, max_iter=1)).fit(X, Y))
