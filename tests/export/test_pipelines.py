"""Pipelines with recurrent networks, exported by ``to_onnx`` and by skl2onnx."""

import numpy as np
import pytest
from exported import classes, numbers, padded, sequences
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDOneClassSVM
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM

from skrnn import RNNClassifier, RNNRegressor, SequenceOutlierDetector, SequenceTransformer
from skrnn.export import _check, to_onnx
from skrnn.preprocessing import PerStep, SlidingWindow, TokenEncoder

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
data_types = pytest.importorskip("skl2onnx.common.data_types")
CLASSIFIER = RNNClassifier(5, bidirectional=False, max_iter=1, random_state=0)
FEATURES = SequenceTransformer(5, max_iter=1, random_state=0)


@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ([PerStep(StandardScaler())], "numbers"),
        ([PerStep(make_pipeline(SimpleImputer(), PCA(2)))], "missing"),
        ([PerStep(StandardScaler()), PerStep(PCA(2, whiten=True))], "numbers"),
        ([PerStep(OneHotEncoder(handle_unknown="ignore"))], "tokens"),
        ([TokenEncoder(min_count=5)], "tokens"),
    ],
)
def test_what_stands_before_the_network(before, kind, step):
    rng = np.random.default_rng(0)
    X = sequences(rng, kind)
    to_onnx(make_pipeline(*before, CLASSIFIER).fit(X, classes(rng, X)), check=X, step=step)


@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize(
    "behind",
    [
        [RandomForestClassifier(10, random_state=0)],
        [ExtraTreesClassifier(10, random_state=0)],
        [StandardScaler(), LogisticRegression()],
        [LinearSVC()],
        [StandardScaler(), LinearSVC()],
        pytest.param([SVC()], marks=pytest.mark.filterwarnings("ignore::FutureWarning")),  # of skl2onnx
        [StandardScaler()],
    ],
    ids=str,
)
def test_classifiers_behind_features(behind, step):
    rng = np.random.default_rng(0)
    X = sequences(rng)
    y = classes(rng, X)
    for of in (y, y == "low"):
        model = to_onnx(make_pipeline(FEATURES, *behind).fit(X, of), check=X, step=step)
        onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    ("last", "second"),
    [
        (KMeans(3, n_init=1, random_state=0), "scores"),
        (IsolationForest(n_estimators=10, random_state=0), "scores"),
        (LocalOutlierFactor(5, novelty=True), "scores"),
        (OneClassSVM(), "scores"),
        (SGDOneClassSVM(random_state=0), "scores"),
        (GaussianMixture(2, random_state=0), "probabilities"),
    ],
    ids=str,
)
def test_all_outputs_of_clusterers_and_detectors_are_checked(last, second, monkeypatch):
    X = sequences(np.random.default_rng(0))
    pipeline = make_pipeline(FEATURES, last).fit(X)
    model = to_onnx(pipeline, check=X)
    assert [each.name for each in model.graph.output] == ["labels", second]
    for output in ("labels", second):
        with monkeypatch.context() as patch:
            for method in _check.METHODS[output]:
                if hasattr(pipeline, method):
                    _shift(patch, type(last), method)
            with pytest.raises(ValueError, match="The model differs from this Pipeline"):
                to_onnx(pipeline, check=X)


def _shift(patch, owner, method):
    """Let a method of a class add 1 to what it gives."""
    before = getattr(owner, method)
    patch.setattr(owner, method, lambda self, X: before(self, X) + 1)


def test_outputs_that_nothing_gives_are_not_claimed_to_be_checked(monkeypatch):
    X = sequences(np.random.default_rng(0))
    pipeline = make_pipeline(FEATURES, KMeans(2, n_init=1)).fit(X)
    monkeypatch.setitem(_check.METHODS, "scores", ("score_samples",))
    with pytest.raises(ValueError, match=r"check cannot compare the output 'scores'.*leave check out"):
        to_onnx(pipeline, check=X)
    to_onnx(pipeline)


@pytest.mark.parametrize("regressor", [RandomForestRegressor(10, random_state=0), LinearRegression(), SVR()], ids=str)
def test_regressors_behind_features(regressor):
    rng = np.random.default_rng(0)
    X = sequences(rng)
    y = numbers(rng, X)
    for target in (y[:, 0], y)[: 1 if isinstance(regressor, SVR) else 2]:
        pipeline = make_pipeline(FEATURES, StandardScaler(), regressor).fit(X, target)
        to_onnx(pipeline, check=X)


def test_what_only_stands_for_another_estimator():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    y = classes(rng, X)
    frozen = FrozenEstimator(RNNClassifier(4, max_iter=1).fit(X, y).as_transformer())
    to_onnx(make_pipeline(frozen, LogisticRegression()).fit(X, y), check=X)
    search = GridSearchCV(make_pipeline(PerStep(StandardScaler()), CLASSIFIER), {"rnnclassifier__alpha": [0, 1]}, cv=2)
    to_onnx(search.fit(X, y), check=X)


def test_what_has_no_form_is_refused_by_name():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    y = classes(rng, X)
    pipeline = make_pipeline(FunctionTransformer(), CLASSIFIER).fit(np.float32([x[:1] for x in X]), y)
    with pytest.raises(ValueError, match=r"FunctionTransformer stands before the network.*PerStep"):
        to_onnx(pipeline)
    with pytest.raises(ValueError, match="SequenceOutlierDetector cannot be exported to ONNX, since"):
        to_onnx(make_pipeline(PerStep(StandardScaler()), SequenceOutlierDetector()))
    with pytest.raises(ValueError, match="SlidingWindow cannot be exported to ONNX, since"):
        to_onnx(
            make_pipeline(SlidingWindow(3), RNNRegressor(4, max_iter=1)).fit(rng.normal(size=(20, 2)), np.arange(20.0))
        )

    class Odd(StandardScaler):
        pass

    with pytest.raises(ValueError, match=r"skl2onnx .* cannot convert Odd"):
        to_onnx(make_pipeline(FEATURES, Odd()).fit(X))


# ------------------------------------------------------------------------------------------------------ skl2onnx
def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def initial_types(with_lengths):
    types = [("X", data_types.FloatTensorType([None, None, 3]))]
    return types + [("lengths", data_types.Int64TensorType([None]))] * with_lengths


@pytest.mark.parametrize(
    "pipeline",
    [
        CLASSIFIER,
        make_pipeline(PerStep(StandardScaler()), CLASSIFIER),
        make_pipeline(PerStep(StandardScaler()), FEATURES, RandomForestClassifier(10, random_state=0)),
        make_pipeline(FEATURES, LogisticRegression()),
    ],
    ids=str,
)
def test_skl2onnx_converts_pipelines(pipeline):
    rng = np.random.default_rng(0)
    X = sequences(rng)
    pipeline = pipeline.fit(X, classes(rng, X))
    last = pipeline if pipeline is CLASSIFIER else pipeline[-1]
    model = skl2onnx.to_onnx(pipeline, initial_types=initial_types(True), options={id(last): {"zipmap": False}})
    values, lengths = padded(X, fill=0)
    labels, probabilities = run(model, {"X": values, "lengths": lengths})
    assert labels.tolist() == pipeline.predict(X).tolist()
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), rtol=0, atol=1e-6)


def test_skl2onnx_without_lengths_takes_all_steps():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 5, 3)).astype(np.float32)
    y = rng.normal(size=20)
    pipeline = make_pipeline(PerStep(StandardScaler()), RNNRegressor(4, max_iter=1, random_state=0)).fit(X, y)
    for model in (skl2onnx.to_onnx(pipeline, X), skl2onnx.to_onnx(pipeline, initial_types=initial_types(False))):
        (predictions,) = run(model, {"X": X})
        np.testing.assert_allclose(predictions, pipeline.predict(X), rtol=0, atol=1e-5)


def test_skl2onnx_converts_several_networks_and_tokens():
    rng = np.random.default_rng(0)
    X = sequences(rng, "tokens")
    y = classes(rng, X)
    pipeline = make_pipeline(TokenEncoder(), RNNClassifier(4, max_iter=1, targets="sequence")).fit(X, y)
    types = [("X", data_types.StringTensorType([None, None])), ("lengths", data_types.Int64TensorType([None]))]
    lengths = np.array([len(x) for x in X])
    tokens = np.array([[*x, *[""] * (lengths.max() - len(x))] for x in X], dtype=object)
    labels, probabilities = run(skl2onnx.to_onnx(pipeline, initial_types=types), {"X": tokens, "lengths": lengths})
    assert labels.tolist() == pipeline.predict(X).tolist()
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), rtol=0, atol=1e-6)


def test_skl2onnx_refuses_a_third_input():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    clf = RNNClassifier(4, max_iter=1).fit(X, classes(rng, X))
    with pytest.raises(ValueError, match="reads X and lengths, in this order"):
        skl2onnx.to_onnx(clf, initial_types=[*initial_types(True), ("more", data_types.Int64TensorType([None]))])
