"""Displays: what they store, what they draw, and what they say where they cannot."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from test_attribution import data_for, fitted

from skrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNRegressor,
    Seq2SeqClassifier,
    Seq2SeqRegressor,
    SequenceArray,
    SequenceTransformer,
)
from skrnn.inspection import (
    AttentionDisplay,
    AttributionDisplay,
    EarlyDecisionDisplay,
    ForecastDisplay,
    GateDisplay,
    GradientReachDisplay,
    LossCurveDisplay,
    StepScoreDisplay,
    attribute,
)

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _no_window(monkeypatch):
    plt.switch_backend("agg")
    yield
    plt.close("all")


def drawn(display):
    """Draw all of a figure, so that what cannot be drawn raises."""
    display.figure_.canvas.draw()
    return display


def test_each_display_draws_into_axes_that_are_given():
    X, y = data_for({})
    clf = fitted(X, y, pooling="attention")
    for display in (
        lambda ax: LossCurveDisplay.from_estimator(clf, ax=ax),
        lambda ax: AttributionDisplay.from_estimator(clf, X[0], ax=ax),
        lambda ax: GateDisplay.from_estimator(clf, X[0], ax=ax),
        lambda ax: GradientReachDisplay.from_estimator(clf, X, y, ax=ax),
        lambda ax: AttentionDisplay.from_estimator(clf, X[0], ax=ax),
        lambda ax: ForecastDisplay.from_predictions([1, 2], [3], ax=ax),
        lambda ax: StepScoreDisplay.from_predictions([1, 2], [3, 4], ax=ax),
        lambda ax: EarlyDecisionDisplay.from_predictions([[[1, 0], [0, 1]]], [1, 1], [0, 1], ax=ax),
    ):
        figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
        shown = drawn(display(axes[0, 1]))
        assert shown.ax_ is axes[0, 1]
        assert shown.figure_ is figure
        own = drawn(display(None))
        assert own.figure_ is not figure
        assert own.plot() is own
        plt.close("all")


def test_each_display_draws_what_is_there():
    """`from_predictions` takes what the display holds, so it draws what `from_estimator` draws."""
    X, y = data_for({})
    clf = fitted(X, y, pooling="attention")
    for kind, given, held in (
        (LossCurveDisplay, (clf,), ("loss", "validation_score")),
        (AttributionDisplay, (clf, X[0]), ("attributions",)),
        (GateDisplay, (clf, X[0]), ("values",)),
        (GradientReachDisplay, (clf, X, y), ("norms",)),
        (AttentionDisplay, (clf, X[0]), ("weights",)),
    ):
        computed, (_, ax) = kind.from_estimator(*given), plt.subplots()
        numbers = [getattr(computed, name) for name in held]
        shown = drawn(kind.from_predictions(*numbers, ax=ax))
        assert shown.ax_ is ax
        assert all(getattr(shown, name) is value for name, value in zip(held, numbers, strict=True))
        plt.close("all")
    named = AttentionDisplay.from_predictions([[0.9, 0.1]], steps=["la", "vie"], outputs=["life"])
    assert [text.get_text() for text in named.ax_.get_xticklabels()] == ["la", "vie"]


@pytest.mark.parametrize("n_steps", [1, 10, 3000])
@pytest.mark.parametrize("n_channels", [1, 2, 50])
def test_attributions_are_those_of_the_sequence(n_steps, n_channels):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4, n_steps, n_channels))
    reg = fitted(X, np.arange(4.0), estimator=RNNRegressor, hidden_layer_sizes=3)
    display = drawn(AttributionDisplay.from_estimator(reg, X[1], n_nodes=3))
    assert_array_equal(display.attributions, attribute(reg, X[1:2], n_nodes=3).attributions[0])
    for one in (X[1:2], SequenceArray.from_padded(X[1:2])):
        assert_array_equal(AttributionDisplay.from_estimator(reg, one, n_nodes=3).attributions, display.attributions)
    with pytest.raises(ValueError, match="one sequence, but X has 2"):
        AttributionDisplay.from_estimator(reg, X[:2])


def test_a_single_large_step_among_many_is_seen():
    values = np.zeros((9999, 2))
    values[4321, 1] = -3
    image = drawn(AttributionDisplay(values).plot()).ax_.images[0]
    assert image.get_array().min() == -3
    assert image.get_clim() == (-3, 3)
    assert image.get_extent()[:2] == [-0.5, 9998.5]


def test_tokens_are_named():
    X = [["a", "b", "a"], ["b"]] * 4
    display = drawn(AttributionDisplay.from_estimator(fitted(X, [0, 1] * 4), X[0]))
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["a", "b", "a"]
    bars = [bar.get_height() for bar in display.ax_.patches]
    assert_array_equal(bars, np.asarray(display.attributions)[:, 0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_gates_are_those_of_the_equations():
    X, y = data_for({})
    clf = fitted(X, y, cell="lstm", hidden_layer_sizes=4, standardize=False)
    values = GateDisplay.from_estimator(clf, X[0]).values
    assert list(values) == ["i", "f", "g", "o", "c", "h"]
    W_x, W_h, b = (clf.weights_[f"layers.0.forward.{name}"] for name in ("W_x", "W_h", "b"))
    h_before = np.vstack([np.zeros(4), values["h"][:-1]])
    c_before = np.vstack([np.zeros(4), values["c"][:-1]])
    i, f, g, o = np.split(X[0] @ W_x + h_before @ W_h + b, 4, axis=1)
    expected = {"i": sigmoid(i), "f": sigmoid(f), "g": np.tanh(g), "o": sigmoid(o)}
    for name, gate in expected.items():
        assert_allclose(values[name], gate, rtol=1e-9, atol=1e-12)
    assert_allclose(values["c"], values["f"] * c_before + values["i"] * values["g"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"zoneout": 0.3, "recurrent_dropout": 0.2}])
def test_states_are_the_hidden_states_in_both_directions(options):
    X, y = data_for({})
    clf = fitted(X, y, bidirectional=True, **options)
    states = clf.hidden_states(X[:1])[0]
    for direction, columns in (("forward", slice(0, 5)), ("backward", slice(5, 10))):
        values = GateDisplay.from_estimator(clf, X[0], direction=direction).values
        assert_allclose(values["h"], states[:, columns], rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="the network has 2 layers, from 0 to 1"):
        GateDisplay.from_estimator(clf, X[0], layer=2)
    with pytest.raises(ValueError, match=r"directions of the network, \('forward',\)"):
        GateDisplay.from_estimator(fitted(X, y), X[0], direction="backward")


@pytest.mark.parametrize("cell", ["elman", "indrnn", "mgu", "jordan"])
def test_every_cell_shows_its_states(cell):
    X, y = data_for({})
    display = drawn(GateDisplay.from_estimator(fitted(X, y, cell), X[2], layer=0))
    assert all(len(values) == len(X[2]) for values in display.values.values())
    assert "h" in display.values


def test_attention_of_a_fitted_decoder_names_its_labels():
    X, y = [list("ab"), list("bba"), list("aab")] * 6, [list("xy"), list("yyx"), list("xxy")] * 6
    seq2seq = Seq2SeqClassifier(4, max_iter=5, random_state=0).fit(X, y)
    display = drawn(AttentionDisplay.from_estimator(seq2seq, X[1]))
    assert display.outputs == seq2seq.predict(X[1:2])[0].tolist()
    assert display.weights.shape == (len(display.outputs), 3)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == display.outputs


def test_attention_of_a_decoder_of_numbers():
    X = np.random.default_rng(0).normal(size=(18, 4, 1))
    seq2seq = Seq2SeqRegressor(4, max_iter=2, random_state=0).fit(X, X[:, :3, 0])
    assert drawn(AttentionDisplay.from_estimator(seq2seq, X[1])).weights.shape == (3, 4)


def test_attention_of_a_decoder_is_a_map():
    display = drawn(AttentionDisplay([[0.5, 0.5], [1.0, 0.0], [0.2, 0.8]], outputs=["x", "y", "end"]).plot())
    assert display.ax_.images[0].get_array().shape == (3, 2)
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["x", "y", "end"]
    with pytest.raises(ValueError, match="SequenceTransformer has no attention_weights"):
        AttentionDisplay.from_estimator(SequenceTransformer(), [[0.0]])


def test_reach_is_aligned_at_the_last_step():
    norms = [np.array([[1.0], [2.0], [3.0]]), np.array([[3.0]])]
    line = drawn(GradientReachDisplay(norms).plot()).ax_.lines[0]
    assert_array_equal(line.get_xdata(), [-2, -1, 0])
    assert_array_equal(line.get_ydata(), [1, 2, 3])


def test_curves_of_a_fit():
    X = np.random.default_rng(0).normal(size=(40, 5, 2))
    clf = RNNClassifier(3, max_iter=3, tol=10.0, early_stopping=True, random_state=0).fit(X, np.arange(40) % 2)
    display = drawn(LossCurveDisplay.from_estimator(clf))
    assert_array_equal(display.ax_.lines[0].get_ydata(), clf.loss_curve_)
    assert_array_equal(display.score_ax_.lines[0].get_ydata(), clf.validation_scores_)
    assert LossCurveDisplay(clf.loss_curve_).plot().score_ax_ is None


def test_x_of_one_sequence_of_one_channel():
    """As a row of a table, or a list with one list of tokens."""
    X, T, y = (
        np.random.default_rng(0).normal(size=(20, 7)),
        [list("abcab"[: 2 + k % 4]) for k in range(20)],
        [0, 1] * 10,
    )
    for rows in (X, T):
        clf = RNNClassifier(3, max_iter=2, random_state=0).fit(rows, y)
        one, other = (AttributionDisplay.from_estimator(clf, x) for x in (rows[3:4], rows[3]))
        assert_array_equal(one.attributions, other.attributions)
        assert len(GateDisplay.from_estimator(clf, rows[3:4]).values["h"]) == len(rows[3])


def test_what_displays_refuse():
    X = np.random.default_rng(0).normal(size=(20, 5, 2))
    clf = RNNClassifier(3, max_iter=2, random_state=0).fit(X, [0, 1] * 10)
    pipeline, forecaster = make_pipeline(clf), RNNForecaster(1, hidden_layer_sizes=2, max_iter=1).fit(np.arange(60) % 7)
    search = GridSearchCV(clf, {"hidden_layer_sizes": [2]}, cv=2).fit(X, [0, 1] * 10)
    row = "which this display needs."
    refused = {
        f"Pipeline has no structure_, {row} Of a Pipeline, pass the last": lambda: GateDisplay.from_estimator(
            pipeline, X
        ),
        f"RNNForecaster has no structure_, {row} Pass its network_": lambda: GateDisplay.from_estimator(forecaster, X),
        f"GridSearchCV has no loss_curve_, {row} .* best_estimator_": lambda: LossCurveDisplay.from_estimator(search),
        f"RNNForecaster has no loss_curve_, {row} Pass its": lambda: LossCurveDisplay.from_estimator(forecaster),
        f"RNNClassifier has no predict_interval, {row}": lambda: ForecastDisplay.from_estimator(clf),
        f"RNNClassifier has no step_scores, {row}": lambda: StepScoreDisplay.from_estimator(clf, X),
        f"RNNForecaster has no gradient_norms, {row}": lambda: GradientReachDisplay.from_estimator(forecaster, X, None),
        "layer='a', but the network has 1 layers": lambda: GateDisplay.from_estimator(clf, X[0], layer="a"),
        "layer=0.0, but the network has 1 layers": lambda: GateDisplay.from_estimator(clf, X[0], layer=0.0),
        "loss is empty": lambda: LossCurveDisplay([]),
        "norms is empty": lambda: GradientReachDisplay([]),
        "y_past and forecast need one step": lambda: ForecastDisplay.from_predictions([], [1]),
        r"scores has the shape \(5, 2\)": lambda: StepScoreDisplay.from_predictions(np.zeros((5, 2))),
    }
    for message, call in refused.items():
        with pytest.raises(ValueError, match=message):
            call()
    for display in (GateDisplay({"h": np.zeros((3, 2))}), StepScoreDisplay([1, 2], [1, 2])):
        with pytest.raises(ValueError, match="which must be one of a grid"):
            display.plot(ax=plt.figure().add_axes([0, 0, 1, 1]))


def test_steps_that_a_convolution_leaves_are_said_to_be_so():
    X, y = np.random.default_rng(0).normal(size=(10, 100, 1)), np.arange(10) % 2
    clf = RNNClassifier(2, pooling="attention", max_iter=2, tol=1, random_state=0).fit(X, y)  # "auto" has put it there
    of_all = "step of the convolution (one for 4 of X)"
    assert AttentionDisplay.from_estimator(clf, X[0]).ax_.get_xlabel() == of_all
    assert GateDisplay.from_estimator(clf, X[0]).axes_[-1].get_xlabel() == of_all
    reach = GradientReachDisplay.from_estimator(clf, X, y)
    assert reach.ax_.get_xlabel() == of_all + ", from the end of the sequence"
    clf = RNNClassifier(2, pooling="attention", convolution=None, max_iter=2, tol=1, random_state=0).fit(X, y)
    assert AttentionDisplay.from_estimator(clf, X[0]).ax_.get_xlabel() == "step"


def test_matplotlib_is_loaded_when_something_is_plotted():
    code = """
import sys
import skrnn.inspection
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = None
try:
    skrnn.inspection.LossCurveDisplay([1.0, 0.5]).plot()
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == 'LossCurveDisplay.plot needs matplotlib: pip install "skrnn[plot]".\n'
