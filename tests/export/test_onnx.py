"""``to_onnx``: models in ONNX Runtime, beside the estimators that they were made of."""

from pathlib import Path

import numpy as np
import pytest
from exported import OPTIONS, classes, fitted, numbers, padded, sequences
from networks import CELLS
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.convolution import Conv
from skrnn.export import to_onnx
from skrnn.losses import NegativeBinomial, Normal, Poisson, Quantiles, SquaredError, StudentT
from skrnn.preprocessing import PerStep, TokenEncoder

DOCS = Path(__file__).resolve().parents[2] / "docs"
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(model, **inputs):
    """Outputs of a model by name."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def make(kind, option, seed=0):
    """A fitted estimator of a kind with an option of the table, and its sequences."""
    parameters, of_X = OPTIONS[option]
    rng, per_step = np.random.default_rng(seed), parameters.get("targets") == "step"
    X, parameters = sequences(rng, of_X), {"hidden_layer_sizes": (5,), "bidirectional": False, **parameters}
    if kind is SequenceTransformer:
        return fitted(kind(**parameters, objective="supervised"), X, classes(rng, X, per_step)), X
    return fitted(kind(**parameters), X, (classes if kind is RNNClassifier else numbers)(rng, X, per_step)), X


WITHOUT = {(SequenceTransformer, "pooling attention")}  # combinations that there are not
KINDS = [RNNClassifier, RNNRegressor, SequenceTransformer]
TABLE = [(kind, option) for kind in KINDS for option in OPTIONS if (kind, option) not in WITHOUT]
READ_BACKWARD = {"cell jordan", "bidirectional", "pooling last"}


@pytest.mark.parametrize(("kind", "option"), TABLE, ids=lambda each: getattr(each, "__name__", each))
def test_each_cell_of_the_table(kind, option):
    estimator, X = make(kind, option)
    model = to_onnx(estimator, check=X)
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    ("kind", "option"),
    [(kind, option) for kind, option in TABLE if option not in READ_BACKWARD],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_each_cell_of_the_table_of_steps(kind, option):
    estimator, X = make(kind, option)
    onnx.checker.check_model(to_onnx(estimator, step=True, check=X), full_check=True)


@pytest.mark.parametrize("cell", CELLS)
def test_all_cells_stacked(cell):
    rng = np.random.default_rng(1)
    X = sequences(rng)
    clf = fitted(RNNClassifier((4, 3), CELLS[cell], pooling="last", bidirectional=False, dropout=0), X, classes(rng, X))
    to_onnx(clf, check=X)
    to_onnx(clf, check=X, step=True)


def test_outputs_depend_neither_on_padding_nor_on_neighbours():
    clf, X = make(RNNClassifier, "bidirectional")
    model, expected = to_onnx(clf), clf.predict_proba(X)
    values, lengths = padded(X)
    found = run(model, X=values, lengths=lengths)
    np.testing.assert_allclose(found["probabilities"], expected, rtol=0, atol=1e-6)
    assert found["labels"].tolist() == clf.predict(X).tolist()
    wider = np.concatenate([values, np.full_like(values, 1e30)], axis=1)
    np.testing.assert_array_equal(run(model, X=wider, lengths=lengths)["probabilities"], found["probabilities"])
    alone = [run(model, X=values[[i], :T], lengths=[T])["probabilities"][0] for i, T in enumerate(lengths)]
    np.testing.assert_allclose(alone, expected, rtol=0, atol=1e-6)


def test_a_cell_of_a_user(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    from ugrnn import UGRNN

    rng = np.random.default_rng(0)
    X = sequences(rng)
    clf = fitted(RNNClassifier(4, UGRNN(), zoneout=0.2, bidirectional=False), X, classes(rng, X))
    to_onnx(clf, check=X)
    to_onnx(clf, check=X, step=True)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([3, -1, 2**40], np.int64),
        ([True, False], np.bool_),
        (["é", "", "z"], object),
        (np.array(["x", "y"], dtype=object), object),
        ([0.5, 1.5, -2.0], np.float64),
    ],
)
def test_labels_of_any_type(labels, kind):
    rng = np.random.default_rng(0)
    X, labels = sequences(rng), np.array(labels)
    y = labels[np.arange(len(X)) % len(labels)]
    if kind == np.float64:
        y, names = np.arange(len(X)) % 3, labels
    clf = fitted(RNNClassifier(4), X, y)
    if kind == np.float64:
        clf.classes_ = np.sort(names)
    values, lengths = padded(X)
    found = run(to_onnx(clf), X=values, lengths=lengths)["labels"]
    assert found.dtype == kind
    assert found.tolist() == clf.predict(X).tolist()


def test_labels_without_a_form_are_refused():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    clf = fitted(RNNClassifier(4), X, classes(rng, X))
    for odd in (
        np.array(["2026-01-01"] * 3, "M8[D]"),
        np.array(["a", 1, 2.0], dtype=object),
        np.array([b"a"] * 3, "O"),
    ):
        clf.classes_ = odd
        with pytest.raises(ValueError, match=r"RNNClassifier cannot be exported with the class label .* Encode y"):
            to_onnx(clf)


def test_texts_without_a_form_are_refused():
    half = "x\ud800"
    X = [[half, "y"], ["y", "y"]] * 5
    clf = RNNClassifier(4, max_iter=1, min_count=1).fit(X, [0, 1] * 5)
    with pytest.raises(ValueError, match=r"Channel 0 with the token 'x.ud800' cannot be exported: .* Fit without it"):
        to_onnx(clf)
    pipeline = make_pipeline(TokenEncoder(), RNNClassifier(4, max_iter=1)).fit(X, [0, 1] * 5)
    with pytest.raises(ValueError, match="TokenEncoder with the token"):
        to_onnx(pipeline)
    clf = RNNClassifier(4, max_iter=1).fit(np.zeros((10, 3, 1)), np.array([half, "a\0b"] * 5, dtype=object))
    with pytest.raises(ValueError, match="RNNClassifier with the class label"):
        to_onnx(clf)
    clf.classes_ = np.array(["a\0b", "c"], dtype=object)
    to_onnx(clf, check=np.zeros((2, 3, 1)))


def test_several_labels_for_each_sequence():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    clf = fitted(RNNClassifier(4), X, rng.integers(0, 2, (len(X), 3)))
    to_onnx(clf, check=X)
    assert run(to_onnx(clf), **dict(zip(("X", "lengths"), padded(X), strict=True)))["labels"].dtype == np.int64


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson", "quantile"])
def test_links_of_losses(loss):
    rng = np.random.default_rng(0)
    X = sequences(rng)
    for y in (rng.uniform(1, 9, len(X)), rng.uniform(1, 9, (len(X), 1)), rng.uniform(1, 9, (len(X), 2, 2))):
        reg = fitted(RNNRegressor(4, loss=loss, targets="sequence"), X, y)
        to_onnx(reg, check=X)
        values, lengths = padded(X)
        assert run(to_onnx(reg), X=values, lengths=lengths)["predictions"].shape == reg.predict(X).shape


def test_predictions_of_poisson_are_finite():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    reg = fitted(RNNRegressor(4, loss=Poisson()), X, rng.uniform(1, 9, len(X)))
    reg.weights_["readout.b"][...] = 1000
    to_onnx(reg, check=X)


class OwnLink(SquaredError):  # noqa: N818 (no exception)
    """A loss with a link of its own."""

    def predict(self, raw):
        return raw * raw


def test_links_without_a_form_are_refused():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    reg = fitted(RNNRegressor(4, loss=OwnLink()), X, rng.uniform(1, 9, len(X)))
    with pytest.raises(ValueError, match=r"RNNRegressor cannot be exported, since its loss OwnLink\(\)"):
        to_onnx(reg)


@pytest.mark.parametrize("option", ["default", "bidirectional", "pooling last", "convolution", "differences"])
def test_what_predict_refuses_is_nan(option):
    clf, X = make(RNNClassifier, option)
    values, lengths = padded(X)
    values[0, 0, 0] = np.nan
    values[1, lengths[1] - 1, 2] = np.inf
    lengths = lengths.copy()
    lengths[2:5] = 0, -1, values.shape[1] + 1
    probabilities = run(to_onnx(clf), X=values, lengths=lengths)["probabilities"]
    assert np.isnan(probabilities[:5]).all()
    np.testing.assert_allclose(probabilities[5:], clf.predict_proba(X[5:]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("odd", [-1.0, 1.5, np.nan, np.inf, -np.inf])
def test_values_that_are_no_codes_are_nan(odd):
    clf, X = make(RNNClassifier, "categorical_features")
    X[0][0, 0] = 77
    values, lengths = padded(X)
    np.testing.assert_allclose(
        run(to_onnx(clf), X=values, lengths=lengths)["probabilities"], clf.predict_proba(X), rtol=0, atol=1e-6
    )
    values[0, 0, 0] = odd
    assert np.isnan(run(to_onnx(clf), X=values, lengths=lengths)["probabilities"][0]).all()


def test_times_that_do_not_rise_are_nan():
    clf, X = make(RNNClassifier, "time_channel")
    values, lengths = padded(X, dtype=np.float64)
    i = int(lengths.argmax())
    values[i, 2, -1] = values[i, 1, -1]
    found = run(to_onnx(clf), X=values, lengths=lengths)["probabilities"]
    assert np.isnan(found).all(axis=1).tolist() == (np.arange(len(X)) == i).tolist()


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_single_step_without_a_time_is_nan(odd):
    clf, X = make(RNNClassifier, "time_channel")
    values = X[0][np.newaxis, :1].astype(np.float64)
    values[0, 0, -1] = odd
    assert np.isnan(run(to_onnx(clf), X=values, lengths=np.array([1]))["probabilities"]).all()


@pytest.mark.parametrize("loss", [Normal(), StudentT(), Quantiles((0.1, 0.5, 0.9)), Quantiles((0.2, 0.8))], ids=str)
def test_predictions_of_distributions(loss):
    rng = np.random.default_rng(0)
    X = sequences(rng)
    for y in (rng.normal(size=len(X)), rng.normal(size=(len(X), 2))):
        reg = fitted(RNNRegressor(4, loss=loss, targets="sequence", bidirectional=False), X, y)
        to_onnx(reg, check=X)
        to_onnx(reg, check=X, step=True)
    counts = fitted(RNNRegressor(4, loss=NegativeBinomial()), X, rng.integers(0, 5, len(X)))
    with pytest.raises(ValueError, match=r"its loss NegativeBinomial.* turns raw predictions"):
        to_onnx(counts)


class Doubled(Poisson):
    """Has a link of its own, too."""

    def predict(self, raw):
        return 2 * super().predict(raw)


def test_links_of_subclasses_are_not_taken_for_those_of_their_base():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    with pytest.raises(ValueError, match="a function of its own"):
        to_onnx(fitted(RNNRegressor(4, loss=Doubled()), X, rng.uniform(1, 9, len(X))))


def test_unknown_tokens():
    clf, X = make(RNNClassifier, "tokens")
    to_onnx(clf, check=[["never seen"], ["a", "never seen", "b"], *X])
    to_onnx(clf, check=[["never seen"], ["a", "never seen", "b"], *X], step=True)


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
def test_steps_behind_a_convolution(width, stride):
    rng = np.random.default_rng(0)
    X = sequences(rng, longest=12)
    conv = Conv(4, width, stride, "tanh")
    clf = fitted(RNNClassifier(4, pooling="mean", bidirectional=False, convolution=conv), X, classes(rng, X))
    to_onnx(clf, step=True, check=X)


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("n_networks", [1, 2])
def test_targets_of_steps_behind_a_convolution(width, n_networks):
    """A single step puts out what is known then, as a stream does; whole sequences what is known at their end."""
    rng = np.random.default_rng(0)
    X, options = sequences(rng), {"max_iter": 2, "random_state": 0, "bidirectional": False}
    options |= {"convolution": Conv(4, width), "n_networks": n_networks}
    for cls, y in (
        (RNNRegressor, [x[:, 0].cumsum() for x in X]),
        (RNNClassifier, [np.array(["no", "yes"])[(x[:, 0] > 0).astype(int)] for x in X]),
    ):
        model = cls(4, **options).fit(X, y)
        to_onnx(model, check=X)
        to_onnx(model, step=True, check=X)
    scaled = make_pipeline(PerStep(StandardScaler()), RNNRegressor(4, **options))
    to_onnx(scaled.fit(X, [x[:, 0] for x in X]), step=True, check=X)


@pytest.mark.parametrize("option", ["pooling attention", "convolution", "cell lstm", "time_channel", "differences"])
def test_states_are_those_of_a_stream(option):
    clf, X = make(RNNClassifier, option)
    model, X = to_onnx(clf, step=True), np.array([x[:4] for x in X if len(x) >= 4])
    X = X if option == "time_channel" else X.astype(np.float32)
    stream = clf.stream(len(X))
    states = {name: array for name, array in stream.state.items() if name != "network"}
    assert [each.name for each in model.graph.input] == ["X", *states]
    for t in range(4):
        found = run(model, X=X[:, t], **states)
        expected = stream.step_proba(X[:, t].astype(float))
        np.testing.assert_allclose(found["probabilities"], expected, rtol=0, atol=1e-6)
        states = {name: found[f"{name}.next"] for name in states}
    for name, array in states.items():
        np.testing.assert_allclose(array, stream.state[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("opset", [14, 15, 18, 20, 21])
def test_opsets(opset):
    for option in ("layer_norm", "pooling max", 'missing "decay"', "tokens"):
        clf, X = make(RNNClassifier, option)
        model = to_onnx(clf, check=X, opset=opset)
        assert {each.domain: each.version for each in model.opset_import}[""] == opset


@pytest.mark.parametrize("opset", [13, 7, 10_000, 17.0, "17", True])
def test_opsets_that_do_not_do(opset):
    clf, _ = make(RNNClassifier, "default")
    with pytest.raises(ValueError, match=f"opset.*{opset}"):
        to_onnx(clf, opset=opset)


def test_dtype_of_inputs():
    clf, X = make(RNNClassifier, "default")
    far = [x + 1e6 for x in X]
    clf.inputs_.mean[:] += 1e6
    with pytest.raises(ValueError, match=r'largest difference of probabilities is .* dtype="float64"'):
        to_onnx(clf, check=far)
    to_onnx(clf, check=far, dtype="float64")
    with pytest.raises(ValueError, match="dtype must be"):
        to_onnx(clf, dtype="float16")
    clf, _ = make(RNNClassifier, "time_channel")
    with pytest.raises(ValueError, match="would be rounded"):
        to_onnx(clf, dtype="float32")


def test_check_finds_another_model(monkeypatch):
    clf, X = make(RNNClassifier, "default")
    from skrnn.export import _stack

    monkeypatch.setattr(_stack, "EPSILON", 0.5)
    to_onnx(clf, check=X)  # without layer_norm it does not matter
    clf, X = make(RNNClassifier, "layer_norm")
    with pytest.raises(ValueError, match=r"labels|largest difference"):
        to_onnx(clf, check=X)


def test_sequences_to_check_are_those_of_fit(tmp_path):
    clf, X = make(RNNClassifier, "default")
    missing = [np.where(x > 2, np.nan, x) for x in X]
    for wrong, message in (
        ([x[:, :2] for x in X], "X has 2 channels per step"),
        ([["a", "b"]], "X has 1 channels per step"),
        (True, "X is of type bool"),
        (missing, "contains NaN"),
    ):
        with pytest.raises(ValueError, match=f"check: .*{message}"):
            to_onnx(clf, tmp_path / "model.onnx", check=wrong)
    assert not list(tmp_path.iterdir())


def test_files_are_whole_or_not_there(tmp_path, monkeypatch):
    clf, X = make(RNNClassifier, "default")
    path = tmp_path / "model.onnx"
    model = to_onnx(clf, path, check=X)
    assert path.read_bytes() == model.SerializeToString()
    before = path.read_bytes()
    from skrnn.export import _check

    monkeypatch.setitem(_check.TOLERANCE, "float32", -1.0)
    with pytest.raises(ValueError, match="differs"):
        to_onnx(clf, path, check=X)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    for wrong in (tmp_path, tmp_path / "none" / "model.onnx"):
        with pytest.raises(OSError, match="Cannot save"):
            to_onnx(clf, wrong)


def test_what_cannot_be_exported_is_refused_by_name():
    from sklearn.exceptions import NotFittedError
    from sklearn.linear_model import LogisticRegression

    from skrnn import SequenceGenerator, SequenceOutlierDetector

    with pytest.raises(NotFittedError):
        to_onnx(RNNClassifier())
    for estimator in (SequenceOutlierDetector(), SequenceGenerator()):
        with pytest.raises(ValueError, match=f"{type(estimator).__name__} cannot be exported to ONNX, since"):
            to_onnx(estimator)
    with pytest.raises(ValueError, match="LogisticRegression cannot be exported"):
        to_onnx(LogisticRegression())
    with pytest.raises(ValueError, match="The class RNNClassifier cannot be exported to ONNX: to_onnx takes a fitted"):
        to_onnx(RNNClassifier)
    with pytest.raises(ValueError, match="step must be"):
        to_onnx(RNNClassifier(), step="yes")
    clf, _ = make(RNNClassifier, "bidirectional")
    with pytest.raises(ValueError, match="bidirectional=False"):
        to_onnx(clf, step=True)
