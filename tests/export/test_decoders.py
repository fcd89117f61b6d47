"""Networks that put out sequences, in ONNX Runtime."""

import numpy as np
import pytest
from exported import fitted, padded, sequences

from skrnn import CTCClassifier, Seq2SeqClassifier, Seq2SeqRegressor
from skrnn.convolution import Conv
from skrnn.export import to_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

OPTIONS = {
    "default": {},
    "without attention": {"attention": None, "cell": "lstm"},
    "dot": {"attention": "dot"},
    "two layers": {"hidden_layer_sizes": (5, 4), "cell": "lstm"},
    "bidirectional": {"bidirectional": True, "cell": "lstm"},
    "layer_norm": {"hidden_layer_sizes": (4, 4), "layer_norm": True, "residual": True, "zoneout": 0.1},
    "convolution": {"convolution": Conv(4, 3, 2)},
    "tokens": {"min_count": 9},
    "float64": {"dtype": "float64"},
}


def labels(rng, X):
    return [[str(each) for each in rng.choice(["x", "y", "z"], rng.integers(1, 6))] for _ in X]


def make(kind, option):
    rng = np.random.default_rng(0)
    X = sequences(rng, "tokens" if option == "tokens" else "numbers")
    y = labels(rng, X) if kind is Seq2SeqClassifier else rng.normal(50, 10, size=(len(X), 4, 2))
    estimator = fitted(kind(**{"hidden_layer_sizes": (5,), **OPTIONS[option]}), X, list(y))
    for w in estimator.weights_.values():
        w *= 2  # so that outputs differ
    return estimator, X


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", [Seq2SeqClassifier, Seq2SeqRegressor])
def test_each_cell_of_the_table(kind, option):
    estimator, X = make(kind, option)
    onnx.checker.check_model(to_onnx(estimator, check=X), full_check=True)


def test_outputs():
    clf, X = make(Seq2SeqClassifier, "two layers")
    values, lengths = padded(X)
    found, n = run(to_onnx(clf), X=values, lengths=lengths)
    expected = clf.predict(X)
    assert len(set(n.tolist())) > 2
    assert [row[:k].tolist() for row, k in zip(found, n, strict=True)] == [row.tolist() for row in expected]
    values[0, 0, 0], lengths[1] = np.nan, 0
    _, odd = run(to_onnx(clf), X=values, lengths=lengths)
    assert odd.tolist() == [-1, -1, *n[2:]]


def test_numbers_that_are_refused_are_nan():
    reg, X = make(Seq2SeqRegressor, "default")
    values, lengths = padded(X)
    values[0, 0, 0] = np.nan
    (found,) = run(to_onnx(reg), X=values, lengths=lengths)
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [True] + [False] * (len(X) - 1)


def test_what_has_no_form_is_refused():
    clf, X = make(Seq2SeqClassifier, "default")
    with pytest.raises(ValueError, match=r"beam_width=3.*set_params\(beam_width=1\)"):
        to_onnx(clf.set_params(beam_width=3))
    clf.set_params(beam_width=1)
    with pytest.raises(ValueError, match="step=False"):
        to_onnx(clf, step=True)
    reg = fitted(Seq2SeqRegressor(4), X, [np.zeros((1 + k % 2, 1)) for k in range(len(X))])
    with pytest.raises(ValueError, match="had different lengths"):
        to_onnx(reg)


CTC = {name: OPTIONS[name] for name in ("default", "bidirectional", "layer_norm", "tokens", "float64")}
CTC["convolution"] = {"convolution": Conv(4, 3, 1)}


@pytest.mark.parametrize("option", CTC)
def test_best_paths(option):
    rng = np.random.default_rng(0)
    X = sequences(rng, "tokens" if option == "tokens" else "numbers", longest=16)
    y = [[str(each) for each in rng.choice(["x", "y", "z"], 1)] for _ in X]
    ctc = fitted(CTCClassifier(**{"hidden_layer_sizes": (5,), **CTC[option]}), X, y)
    for w in ctc.weights_.values():
        w *= 3
    ctc.weights_["readout.b"] *= 0
    model = to_onnx(ctc, check=X)
    onnx.checker.check_model(model, full_check=True)
    assert len({len(labels) for labels in ctc.predict(X)}) > 1
    with pytest.raises(ValueError, match=r"beam_width=2.*set_params\(beam_width=1\)"):
        to_onnx(ctc.set_params(beam_width=2))
    with pytest.raises(ValueError, match="step=False"):
        to_onnx(ctc.set_params(beam_width=1), step=True)


def test_best_paths_of_what_is_refused():
    rng = np.random.default_rng(0)
    X = sequences(rng)
    ctc = fitted(CTCClassifier(4), X, [["x"]] * len(X))
    values, lengths = padded(X)
    _, before = run(to_onnx(ctc), X=values, lengths=lengths)
    values[0, 0, 0] = np.nan
    _, n = run(to_onnx(ctc), X=values, lengths=lengths)
    assert n.tolist() == [-1, *before[1:]]


def test_check_finds_another_model(monkeypatch):
    from skrnn.export import _decoders

    clf, X = make(Seq2SeqClassifier, "two layers")
    monkeypatch.setattr(_decoders, "_longest", lambda estimator, task: 2)
    with pytest.raises(ValueError, match="lengths"):
        to_onnx(clf, check=X)
