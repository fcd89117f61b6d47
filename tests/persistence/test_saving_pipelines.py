"""Pipelines of known steps in files, by `skrnn.save` and by skops, without naming private classes."""

import copy

import numpy as np
import pytest
from faults import cube, ragged
from numpy.testing import assert_array_equal
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, QuantileTransformer, RobustScaler, StandardScaler

import skrnn
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.cells import GRU
from skrnn.convolution import Conv
from skrnn.optimizers import SGD
from skrnn.persistence import TRUSTED_TYPES
from skrnn.persistence._zip import read_archive, write_archive
from skrnn.preprocessing import PerStep, SlidingWindow, TokenEncoder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = cube(20), np.array(["no", "yes"])[np.arange(20) % 2]
RAGGED = ragged(20)
TOKENS = [["a", "b", "a"], ["b", "b"]] * 10
SHORT = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}
scale = PerStep(make_pipeline(SimpleImputer(), StandardScaler()))
PIPELINES = {
    "scaler": (make_pipeline(PerStep(StandardScaler()), RNNClassifier(**SHORT)), X),
    "ragged": (make_pipeline(scale, RNNClassifier(**SHORT, cell=GRU(), solver=SGD(0.5))), RAGGED),
    "nested": (make_pipeline(PerStep(make_union(PCA(1), RobustScaler())), RNNClassifier(**SHORT)), X),
    "encoder": (make_pipeline(PerStep(OneHotEncoder(sparse_output=False)), RNNClassifier(**SHORT)), X.round()),
    "features": (make_pipeline(SequenceTransformer(**SHORT), StandardScaler(), LogisticRegression()), X),
    "selected": (make_pipeline(SequenceTransformer(**SHORT), VarianceThreshold(), LogisticRegression()), X),
    "tokens": (make_pipeline(TokenEncoder(), RNNClassifier(**SHORT)), TOKENS),
    "passthrough": (make_pipeline("passthrough", RNNClassifier(**SHORT, convolution=Conv(2))), X),
}


@pytest.fixture(params=PIPELINES)
def fitted(request):
    pipeline, X = PIPELINES[request.param]
    return pipeline.fit(X, Y), X


def test_pipelines_come_back_from_files(fitted, tmp_path):
    pipeline, X = fitted
    skrnn.save(pipeline, tmp_path / "model.skrnn")
    loaded = skrnn.load(tmp_path / "model.skrnn")
    assert repr(loaded) == repr(pipeline)
    assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
    loaded.fit(X, Y)


def test_skops_needs_no_private_names(fitted, tmp_path):
    io = pytest.importorskip("skops.io")
    pipeline, X = fitted
    io.dump(pipeline, tmp_path / "model.skops")
    loaded = io.load(tmp_path / "model.skops", trusted=TRUSTED_TYPES)
    assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))


def test_single_steps_and_pipelines_that_are_not_fitted(tmp_path):
    fitted = PerStep(StandardScaler()).fit(X), Ridge().fit(X[:, 0], Y == "no")
    for step in (scale, SlidingWindow(3), make_pipeline(scale, RNNRegressor()), *fitted):
        skrnn.save(step, tmp_path / "step.skrnn")
        assert repr(skrnn.load(tmp_path / "step.skrnn")) == repr(step)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (FunctionTransformer(np.log), "not FunctionTransformer: use skops"),
        (GridSearchCV(RNNClassifier(), {}), "not GridSearchCV: use skops"),
        (GridSearchCV(RNNClassifier(**SHORT), {}, cv=2).fit(X, Y), "not GridSearchCV: save its best_estimator_"),
        (SelectKBest(), "not SelectKBest: use skops"),
        (make_pipeline(QuantileTransformer(random_state=np.random.RandomState(0))), "random_state.*cannot be saved"),
    ],
)
def test_other_steps_are_refused_by_name(step, message, tmp_path):
    for pipeline in (step, make_pipeline(PerStep(StandardScaler()), step)):
        with pytest.raises(TypeError, match=message):
            skrnn.save(pipeline, tmp_path / "model.skrnn")
    assert not list(tmp_path.iterdir())


def test_a_file_names_nothing_but_known_steps(tmp_path):
    path = tmp_path / "model.skrnn"
    skrnn.save(make_pipeline(PerStep(StandardScaler()), RNNClassifier(**SHORT)).fit(X, Y), path)
    content = read_archive(path)[0]
    for where, value, message in (
        (("step",), "os.system", "there is no step 'os.system'"),
        (("step",), ["Pipeline"], "there is no step"),
        (("state",), 5, "state of Pipeline is no dict"),
        (("state", "steps"), {"pickle": b"".hex()}, "no kind of value 'pickle'"),
        (("state", "steps"), {"value": 5}, "cannot be loaded"),
        (("state", "__class__"), {"value": 5}, "no attribute of"),
        (("state", "fit"), {"value": 5}, "no attribute of"),
    ):
        edited = copy.deepcopy(content)
        place = edited["estimator"]
        for part in where[:-1]:
            place = place[part]
        place[where[-1]] = value
        write_archive(path, edited)
        with pytest.raises(ValueError, match=message):
            skrnn.load(path)
