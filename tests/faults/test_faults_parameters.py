"""Faults of parameters: refused by fit and not by the constructor, with the name; nothing fitted is lost."""

import numpy as np
import pytest
from faults import ESTIMATORS, QUICK, assert_refused, changed, cube, each_estimator, each_weighted, output, targets
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.cells import GRU, LSTM
from skrnn.optimizers import SGD

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")

NAN, INF = float("nan"), float("inf")
WRONG = {
    "hidden_layer_sizes": [0, -1, 1.5, "a", True, None, (), (4, 0), (4, 1.5), [[4]], (3, "a")],
    "cell": ["transformer", "LSTM", None, 5, LSTM, GRU(reset="never")],
    "batch_size": [0, -1, 1.5, "all"],
    "max_iter": [0, -1, 1.5, INF],
    "learning_rate_init": [0, -1, NAN, INF, "a", None],
    "clip_norm": [0, -1, NAN, INF, "a"],
    "alpha": [-1, NAN, INF],
    "tol": [-1, NAN, "a"],
    "n_iter_no_change": [0, 1.5],
    "validation_fraction": [0.0, 1.0, -0.1, NAN],
    "dropout": [1.0, -0.1, NAN, "a", None],
    "input_dropout": [1.0, -0.1],
    "recurrent_dropout": [1.0, -0.1],
    "zoneout": [1.0, -0.1],
    "solver": ["newton", None, SGD],
    "input_init": ["random", None],
    "bias_init": ["random", None],
    "pooling": ["median", None],
    "convolution": ["x", 5],
    "augmentation": ["x", 5, True],
    "embedding_dim": [0, "large"],
    "min_count": [0, "some"],
    "subwords": ["yes", None, 2],
    "differences": ["yes", None, 2],
    "missing": ["drop", None],
    "time_channel": [2, -3, "time", 1.5],
    "categorical_features": [2, "a", [0.5], [True], [0, 0]],
    "random_state": [-1, 1.5, "a", 2**32, np.random.default_rng(0)],
    "n_jobs": [0, 1.5, "all"],
    "dtype": ["float16", np.float32, None],
    "shuffle": [0, None],
    "standardize": ["yes"],
    "verbose": [-1, "a"],
}


@pytest.mark.parametrize("parameter", ["cell", "solver", "pooling", "convolution", "augmentation", "dtype", "missing"])
def test_a_boolean_is_no_number_where_none_is_wanted(parameter):
    """What is wanted is said; "a number, not a boolean" is for parameters that are numbers."""
    wanted = r"must be (?!a number).*(a str among|an instance of).* Got True instead"
    X = cube()
    with pytest.raises(InvalidParameterError, match=wanted):
        RNNClassifier(**QUICK).set_params(**{parameter: True}).fit(X, targets(X))


@pytest.mark.parametrize("parameter", WRONG)
@each_estimator
def test_a_wrong_value_is_refused_by_fit(name, parameter):
    """Sizes of 0, -1, 1.5, "a", True; rates of NaN and infinity; unknown names; classes for instances."""
    X = cube()
    if parameter not in ESTIMATORS[name].get_params():  # a generator has one way to read its own steps
        with pytest.raises(TypeError, match=parameter):
            type(ESTIMATORS[name])(**QUICK | {parameter: WRONG[parameter][0]})
        return
    for value in WRONG[parameter]:
        estimator = type(ESTIMATORS[name])(**QUICK | {parameter: value})
        message = f"{parameter}|'reset' parameter of GRU" if parameter == "cell" else parameter
        assert_refused(estimator, lambda e: e.fit(X, targets(X)), message)


def test_the_kind_of_error_is_that_of_scikit_learn():
    for parameter in ("hidden_layer_sizes", "dropout", "learning_rate_init", "cell", "random_state"):
        estimator = RNNClassifier(**QUICK | {parameter: WRONG[parameter][0]})
        assert_refused(estimator, lambda e: e.fit(cube(), targets(cube())), parameter, InvalidParameterError)


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": np.int64(3)},
        {"hidden_layer_sizes": np.array([3])},
        {"hidden_layer_sizes": [3]},
        {"batch_size": 8},
        {"batch_size": np.int32(1000)},
        {"max_iter": np.uint8(2)},
        {"learning_rate_init": np.float32(1e-3)},
        {"shuffle": np.True_},
    ],
    ids=str,
)
@each_estimator
def test_numbers_of_numpy_and_batches_larger_than_the_data(name, parameters):
    """They mean what the same numbers of Python mean; a batch holds at most all sequences."""
    X, settings = cube(), QUICK | {"learning_rate_init": 1e-3, "hidden_layer_sizes": 3, "batch_size": 8}
    expected = output(type(ESTIMATORS[name])(**settings).fit(X, targets(X)), X)
    model = type(ESTIMATORS[name])(**settings | parameters).fit(X, targets(X))
    np.testing.assert_allclose(output(model, X), expected, rtol=1e-6)


VALIDATION = [
    # y, validation_fraction
    ([0] * 7 + [1], 0.3),  # a class that only one of both parts can have
    ([0, 1] * 4, 0.05),  # one sequence for two classes
    ([0, 1] * 4, 0.95),  # nothing is left to train on
]


@pytest.mark.parametrize(("y", "fraction"), VALIDATION)
@each_weighted  # all of which stop early
def test_a_validation_part_without_rows_or_classes(name, y, fraction):
    if name != "classifier" and fraction == 0.3:
        y = y[:2]
    X = cube()[: len(y)]
    estimator = clone(ESTIMATORS[name]).set_params(early_stopping=True, validation_fraction=fraction)
    assert_refused(estimator, lambda e: e.fit(X, y), None)


@pytest.mark.parametrize(("y", "fraction"), VALIDATION)
def test_a_validation_part_that_cannot_be_drawn_names_the_parameter(y, fraction):
    estimator = RNNClassifier(early_stopping=True, validation_fraction=fraction, **QUICK)
    assert_refused(estimator, lambda e: e.fit(cube(), y), "validation_fraction|early_stopping")


@pytest.mark.parametrize(
    ("X_val", "y_val", "message"),
    [
        (cube(3)[:, :, :1], [0, 1, 0], "X has 1 channels per step, but .* was fitted on 2"),
        (changed(cube(3), (1, 2, 0), np.nan), [0, 1, 0], "NaN: sequence 1, step 2, channel 0"),
        (cube(3), [0, 1], r"inconsistent numbers of samples: \[3, 2\]"),
        (cube(3), [0, np.nan, 1], "y contains NaN: sequence 1"),
        (cube(3), None, "X_val and y_val go together"),
        (cube(3)[:0], [], "0 sample"),
    ],
)
@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_what_is_passed_to_be_held_out(name, X_val, y_val, message):
    estimator = clone(ESTIMATORS[name]).set_params(early_stopping=True)
    X = cube()
    assert_refused(estimator, lambda e: e.fit(X, targets(X), X_val=X_val, y_val=y_val), message)


OTHERS = {
    "hidden_layer_sizes": (7, 2),
    "cell": "gru",
    "bidirectional": True,
    "missing": "mask",
    "time_channel": 0,
    "categorical_features": [1],
    "layer_norm": True,
    "residual": True,
    "dropout": 0.5,
    "input_dropout": 0.5,
    "solver": "sgd",
    "standardize": False,
    "dtype": "float64",
    "random_state": 7,
    "n_jobs": 2,
    "batch_size": 1,
    "early_stopping": True,
}


@each_estimator
def test_parameters_set_between_fit_and_predict(name):
    """All that describe the network or its training: predictions are those of what was fitted, bit for bit."""
    X = cube()
    model = clone(ESTIMATORS[name]).fit(X, targets(X))
    expected, states = output(model, X), model.hidden_states(X)
    for parameter, value in OTHERS.items():
        if parameter in model.get_params():
            assert_array_equal(output(model.set_params(**{parameter: value}), X), expected)
    assert_array_equal(model.hidden_states(X), states)
    assert_refused(model, lambda e: output(e, cube(n_channels=3)), "X has 3 channels per step, but .* was fitted on 2")


@pytest.mark.parametrize("method", ["fit", "hidden_states", "predict", "partial_fit", "transform", "gradient_norms"])
@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor, SequenceTransformer])
def test_an_argument_that_does_not_exist_names_the_public_class(estimator, method):
    if hasattr(estimator(), method):
        with pytest.raises(TypeError, match=rf"^{estimator.__name__}\.{method}\(\) got an unexpected .* 'epochs'"):
            getattr(estimator(), method)(cube(), epochs=3)


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor, SequenceTransformer])
def test_a_parameter_that_does_not_exist(estimator):
    with pytest.raises(TypeError, match="n_layers"):
        estimator(n_layers=0)
    with pytest.raises(ValueError, match="Invalid parameter 'n_layers'"):
        estimator().set_params(n_layers=0)
