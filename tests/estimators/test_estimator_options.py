"""Directions, pooling, convolution, normalisation, dropout and initial weights, through the estimators."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrnn import Conv, RNNClassifier, RNNRegressor
from skrnn.cells import CELLS, GRU, LSTM, MGU, Elman, IndRNN, Jordan
from skrnn.initializers import Chrono, Identity, Orthogonal, Uniform

# Ends after a few epochs without a warning.
SHORT = {"hidden_layer_sizes": 6, "tol": 10.0, "n_iter_no_change": 2, "batch_size": 16, "random_state": 0}
RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in RNG.integers(1, 9, size=60)]
Y = np.array([x[:, 0].sum() for x in X])
LABELS = np.digitize(Y, [-1, 1])

OPTIONS = {
    "bidirectional": {"bidirectional": True},
    "mean": {"pooling": "mean"},
    "max": {"pooling": "max", "bidirectional": True},
    "attention": {"pooling": "attention"},
    "convolution": {"convolution": Conv(3, 4, 2)},
    "layer_norm": {"layer_norm": True},
    "residual": {"residual": True, "hidden_layer_sizes": (5, 5)},
    "dropout": {"dropout": 0.3, "input_dropout": 0.2, "recurrent_dropout": 0.2, "zoneout": 0.1},
    "everything": {
        "bidirectional": True,
        "pooling": "attention",
        "convolution": Conv(4, 3),
        "layer_norm": True,
        "residual": True,
        "hidden_layer_sizes": (4, 4),
        "dropout": 0.2,
        "recurrent_dropout": 0.1,
        "zoneout": 0.1,
        "input_init": "he_uniform",
        "recurrent_init": Orthogonal(0.9),
        "bias_init": "chrono",
    },
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


# ------------------------------------------------------------------------------------------------ what users do
@each_option
@pytest.mark.parametrize("cell", ["lstm", GRU(reset="before")], ids=str)
def test_fits_predicts_and_can_be_copied(options, cell):
    clf = RNNClassifier(**{**SHORT, "cell": cell, **options}).fit(X, LABELS)
    probabilities = clf.predict_proba(X)
    assert probabilities.shape == (60, 3)
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    again = clone(clf).fit(X, LABELS)
    assert_array_equal(again.predict_proba(X), probabilities)
    assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), probabilities)


@each_option
def test_same_bits_for_any_number_of_threads_and_any_company(options):
    parameters = {**SHORT, "batch_size": 60, **options}
    one, three = (RNNRegressor(**parameters, n_jobs=n).fit(X, Y) for n in (1, 3))
    for name, weight in one.weights_.items():
        assert_array_equal(weight, three.weights_[name], err_msg=name)
    assert_array_equal(one.predict(X)[7:9], three.predict(X[7:9]))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_cell_learns(cell, solver):
    """A sum over time, which a Jordan network sees in its own outputs."""
    cell = Jordan(output_activation="identity") if cell == "jordan" else cell
    settings = {"max_iter": 150, "tol": 1e-3, "alpha": 0.0, "random_state": 0, "dtype": "float64"}
    reg = RNNRegressor(16, cell, solver=solver, learning_rate_init=0.01, batch_size=10, **settings).fit(X, Y)
    # The one output of a Jordan network is all that it remembers, and Adam is slow to find out how.
    assert reg.score(X, Y) > (0.4 if solver == "adam" and not isinstance(cell, str) else 0.9)


def test_a_grid_reaches_all_options():
    grid = {
        "cell": [LSTM(), GRU(reset="before")],
        "pooling": ["mean", "attention"],
        "convolution": [None, Conv(2)],
    }
    search = GridSearchCV(RNNClassifier(**SHORT), grid, cv=2, error_score="raise").fit(X, LABELS)
    assert len(search.cv_results_["params"]) == 8
    nested = RNNClassifier(**SHORT, cell=LSTM(), convolution=Conv())
    nested.set_params(cell__peepholes=True, convolution__stride=3).fit(X, LABELS)
    assert nested.weights_["layers.0.forward.P"].shape == (3, 6)


def test_what_was_fitted_does_not_follow_later_parameters():
    cell, conv = LSTM(), Conv(3, 2, 2)
    reg = RNNRegressor(**SHORT, cell=cell, convolution=conv, pooling="mean").fit(X, Y)
    before = reg.predict(X)
    reg.set_params(pooling="max", bidirectional=True, cell__peepholes=True, convolution__stride=1)
    assert_array_equal(reg.predict(X), before)
    assert reg.structure_.pooling == "mean"


# ----------------------------------------------------------------------------------------------- what one can see
def test_attention_weights():
    clf = RNNClassifier(**SHORT, pooling="attention").fit(X, LABELS)
    weights = clf.attention_weights(X)
    assert [len(w) for w in weights] == [len(x) for x in X]
    assert all((w >= 0).all() and abs(w.sum() - 1) < 1e-5 for w in weights)
    states, w = clf.hidden_states(X), clf.weights_
    scores = np.tanh(states[3] @ w["pooling.W"] + w["pooling.b"]) @ w["pooling.v"]
    assert_allclose(weights[3], np.exp(scores) / np.exp(scores).sum(), rtol=1e-4)


def test_attention_weights_without_attention():
    with pytest.raises(ValueError, match="pooling=\"attention\"; this one was trained with pooling='max'"):
        RNNClassifier(**SHORT).fit(X, LABELS).attention_weights(X)


def test_hidden_states_have_the_steps_and_units_that_are_left():
    reg = RNNRegressor(**SHORT, convolution=Conv(3, 2, 2), bidirectional=True).fit(X, Y)
    states = reg.hidden_states(X)
    assert [s.shape for s in states] == [(-(-len(x) // 2), 12) for x in X]


@pytest.mark.parametrize("cell", ["gru", "elman"])
def test_a_bidirectional_network_sees_the_future(cell):
    """Changing the last step changes the output of the first one, in the half of the backward direction only."""
    reg = RNNRegressor(**SHORT, cell=cell, bidirectional=True).fit(X, Y)
    changed = [x.copy() for x in X if len(x) > 2]
    for x in changed:
        x[-1] += 1
    for before, after in zip(reg.hidden_states([x for x in X if len(x) > 2]), reg.hidden_states(changed), strict=True):
        assert_array_equal(before[0, :6], after[0, :6])
        assert (before[0, 6:] != after[0, 6:]).all()


def test_gradient_norms():
    clf = RNNClassifier(**{**SHORT, "hidden_layer_sizes": (6, 5)}, bidirectional=True).fit(X, LABELS)
    norms = clf.gradient_norms(X, LABELS)
    assert [n.shape for n in norms] == [(len(x), 2) for x in X]
    assert all((n > 0).all() for n in norms)
    assert clf.gradient_norm_curve_.shape == (clf.t_,)
    assert (clf.gradient_norm_curve_ > 0).all()
    with pytest.raises(ValueError, match=r"classes that fit has not seen: \[7\]; known are \[0, 1, 2\]"):
        clf.gradient_norms(X, np.full(60, 7))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        clf.gradient_norms(X, LABELS[:-1])


def test_gradient_norms_of_a_regression():
    reg = RNNRegressor(**SHORT).fit(X, np.column_stack([Y, Y**2]))
    assert len(reg.gradient_norms(X, np.column_stack([Y, Y**2]))) == 60
    with pytest.raises(ValueError, match="y has 1 output for each sequence, but fit saw 2"):
        reg.gradient_norms(X, Y)


def test_gradient_norms_of_labels():
    indicators = np.column_stack([LABELS == 0, LABELS == 1]).astype(int)
    assert len(RNNClassifier(**SHORT).fit(X, indicators).gradient_norms(X, indicators)) == 60


def test_the_gradient_of_a_sequence_does_not_depend_on_the_others():
    reg = RNNRegressor(**SHORT).fit(X, Y)
    assert_array_equal(reg.gradient_norms(X[3:4], Y[3:4])[0], reg.gradient_norms(X, Y)[3])


# -------------------------------------------------------------------------------------------------------- numbers
def test_weights_have_the_documented_names_and_shapes():
    reg = RNNRegressor(
        **{**SHORT, "hidden_layer_sizes": (4, 4)},
        cell="lstm",
        convolution=Conv(3, 5),
        bidirectional=True,
        pooling="attention",
        layer_norm=True,
    ).fit(X, Y)
    shapes = {name: w.shape for name, w in reg.weights_.items()}
    expected = {"convolution.W": (10, 3), "convolution.b": (3,)}
    for layer, n_inputs in ((0, 3), (1, 8)):
        for direction in ("forward", "backward"):
            prefix = f"layers.{layer}.{direction}"
            expected |= {f"{prefix}.W_x": (n_inputs, 16), f"{prefix}.W_h": (4, 16), f"{prefix}.b": (16,)}
        expected |= {f"layers.{layer}.norm.gain": (8,), f"layers.{layer}.norm.shift": (8,)}
    expected |= {"pooling.W": (8, 8), "pooling.b": (8,), "pooling.v": (8,), "readout.W": (8, 1), "readout.b": (1,)}
    assert shapes == expected


def test_a_jordan_network_ends_in_its_outputs():
    clf = RNNClassifier(**SHORT, cell="jordan").fit(X, LABELS)
    shapes = {name: w.shape for name, w in clf.weights_.items()}
    prefix = "layers.0.forward."
    assert shapes == {
        prefix + "W_x": (2, 6),
        prefix + "W_h": (3, 6),
        prefix + "b": (6,),
        prefix + "W_y": (6, 3),
        prefix + "b_y": (3,),
    }
    w = {name.removeprefix(prefix): weight for name, weight in clf.weights_.items()}
    y = np.zeros(3)
    for x in (X[5] - clf.input_mean_) / clf.input_scale_:
        o = np.tanh(x @ w["W_x"] + y @ w["W_h"] + w["b"]) @ w["W_y"] + w["b_y"]
        y = 1 / (1 + np.exp(-o))
    assert_allclose(np.exp(o) / np.exp(o).sum(), clf.predict_proba(X[5:6])[0], rtol=1e-4)


def test_weights_of_another_shape_are_refused():
    reg = RNNRegressor(**SHORT).fit(X, Y)
    reg.weights_["readout.W"] = np.zeros((5, 1))
    with pytest.raises(ValueError, match=r"weights_\['readout.W'\] has shape \(5, 1\), but the network .* \(6, 1\)"):
        reg.predict(X)
    del reg.weights_["readout.W"]
    with pytest.raises(ValueError, match=r"weights_\['readout.W'\] has shape None"):
        reg.predict(X)


def test_initial_weights():
    """Updates so small that the weights stay what they were."""
    still = {**SHORT, "learning_rate_init": 1e-12, "dtype": "float64", "hidden_layer_sizes": 40}
    irnn = RNNRegressor(**still, cell=Elman("relu"), recurrent_init=Identity(0.5)).fit(X, Y)
    assert_allclose(irnn.weights_["layers.0.forward.W_h"], np.eye(40) / 2, atol=1e-9)
    uniform = RNNRegressor(**still, input_init=Uniform(0.1)).fit(X, Y).weights_["layers.0.forward.W_x"]
    assert 0.09 < abs(uniform).max() <= 0.1 + 1e-9
    biases = (
        RNNRegressor(**still, cell="lstm", bias_init=Chrono(50)).fit(X, Y).weights_["layers.0.forward.b"].reshape(4, 40)
    )
    assert_allclose(biases[0], -biases[1], atol=1e-9)
    assert (biases[1] >= 0).all()
    assert (biases[1] <= np.log(49)).all()
    assert biases[1].max() > 3
    assert_allclose(biases[2:], 0, atol=1e-9)
    forget = RNNRegressor(**still, cell=LSTM(forget_bias=-2.0)).fit(X, Y).weights_["layers.0.forward.b"]
    assert_allclose(forget.reshape(4, 40)[1], -2)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_recurrent_weights_of_an_indrnn_stay_bounded(solver):
    reg = RNNRegressor(
        6, "indrnn", solver=solver, learning_rate_init=1.0, tol=0.0, n_iter_no_change=8, max_iter=30, random_state=0
    )
    reg.fit(X, Y)
    bound = 2 ** (1 / max(map(len, X)))
    largest = abs(reg.weights_["layers.0.forward.w_h"]).max()
    assert largest <= np.float32(bound)
    assert largest > 0.5


def test_initial_recurrent_weights_of_an_indrnn():
    still = {**SHORT, "learning_rate_init": 1e-12, "dtype": "float64", "hidden_layer_sizes": (200, 200)}
    longest = max(map(len, X))
    bound = 2 ** (1 / longest)
    for pooling, low in (("last", 1 / bound), ("mean", 0)):
        weights = RNNRegressor(**still, cell="indrnn", pooling=pooling).fit(X, Y).weights_
        below, top = (weights[f"layers.{k}.forward.w_h"] for k in (0, 1))
        assert 0 <= below.min() < 0.1 < 1 < below.max() <= bound
        assert low <= top.min() < low + 0.1
        assert 1 < top.max() <= bound


# ------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"zoneout": 0.1, "cell": "elman"}, r"zoneout=0.1 .* Elman computes its h anew .* a cell like \"lstm\""),
        ({"zoneout": 0.1, "cell": IndRNN()}, "IndRNN computes its h anew"),
        ({"zoneout": 0.1, "cell": "linoss"}, "LinOSS computes its h anew"),
        *(
            ({"recurrent_dropout": 0.1, "cell": cell}, f"{name} has no product with the state: use dropout")
            for cell, name in (("indrnn", "IndRNN"), ("linoss", "LinOSS"), ("mingru", "MinGRU"))
        ),
        ({"residual": True, "hidden_layer_sizes": (4, 5)}, r"same number of units; got hidden_layer_sizes=\(4, 5\)"),
        ({"layer_norm": True, "cell": "jordan"}, "layer_norm=True would change the outputs of the last Jordan layer"),
        ({"dropout": 0.1, "solver": "lbfgs"}, "solver='lbfgs' needs a loss that does not change"),
        ({"bias_init": "chrono", "cell": "elman"}, "bias_init='chrono' sets biases of gates .* Elman\\(\\) has none"),
        ({"pooling": "median"}, "'pooling' parameter of RNNRegressor must be"),
        ({"dropout": 1.0}, "'dropout' parameter"),
        ({"convolution": 5}, "'convolution' parameter"),
        ({"convolution": Conv(stride=0)}, "'stride' parameter of Conv"),
        ({"cell": MGU(forget_gate="none")}, "'forget_gate' parameter of MGU"),
        ({"cell": GRU(reset=True)}, "'reset' parameter of GRU"),
        ({"recurrent_init": "random"}, "'recurrent_init' parameter"),
        ({"recurrent_init": Orthogonal(gain=-1)}, "'gain' parameter of Orthogonal"),
        ({"bias_init": "zeros"}, "'bias_init' parameter"),
    ],
)
def test_what_contradicts_itself_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        RNNRegressor(**{**SHORT, **parameters}).fit(X, Y)
