"""Numbers, booleans and texts of NumPy are parameters like Python's: the same bits; what is none is refused by name."""

import inspect
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from faults import assert_refused, cube, output, targets
from numpy.testing import assert_array_equal
from one_each import OneLabel, OneNumber, OneUnaligned
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from skrnn import EarlyClassifier, RNNClassifier, RNNRegressor, SequenceGenerator, SequenceTransformer
from skrnn._core.parameters import Parameter, plain
from skrnn.callbacks import Checkpoint, EarlyStopping, LearningRateFinder
from skrnn.cells import CELLS, GRU, cell_class
from skrnn.convolution import Conv
from skrnn.initializers import BIAS_INITIALIZERS, INITIALIZERS, Chrono, GlorotNormal, GlorotUniform, Identity, Uniform
from skrnn.losses import REGRESSION_LOSSES, BaseLoss, Huber, Quantile
from skrnn.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, AdamW, RMSprop
from skrnn.preprocessing import PerStep, SlidingWindow, TokenEncoder
from skrnn.schedules import SCHEDULES, Cosine, OneCycle, Plateau, WarmUp

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = cube(12)
CHANNELS = np.abs(X).round()
INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
FLOATS = (np.float16, np.float32, np.float64, np.longdouble)
QUICK = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 2, "random_state": 0}
# A value of each parameter that a number, a boolean or a text can be, and what else it needs.
VALUES = {
    "hidden_layer_sizes": 3,
    "cell": "gru",
    "bidirectional": True,
    "pooling": "last",
    "categorical_features": 1,
    "embedding_dim": 5,
    "min_count": 2,
    "subwords": False,
    "differences": True,
    "missing": "mask",
    "time_channel": -1,
    "convolution": None,
    "layer_norm": True,
    "residual": True,
    "dropout": 0.5,
    "input_dropout": 0.5,
    "recurrent_dropout": 0.25,
    "zoneout": 0.25,
    "input_init": "uniform",
    "recurrent_init": "identity",
    "bias_init": "chrono",
    "solver": "sgd",
    "alpha": 0.5,
    "batch_size": 10,
    "learning_rate": "one_cycle",
    "learning_rate_init": 0.0625,
    "max_iter": 3,
    "clip_norm": 0.125,
    "shuffle": False,
    "tol": 0.5,
    "n_iter_no_change": 1,
    "early_stopping": True,
    "validation_fraction": 0.25,
    "validation_split": "last",
    "standardize": False,
    "targets": "sequence",
    "truncation": 2,
    "max_memory": 2,
    "random_state": 5,
    "n_jobs": 2,
    "dtype": "float64",
    "verbose": False,
}
NEEDS = {
    "embedding_dim": {"categorical_features": [1]},
    "residual": {"hidden_layer_sizes": (4, 4)},
    "dropout": {"hidden_layer_sizes": (4, 4)},
    "zoneout": {"cell": "gru"},
    "bias_init": {"cell": "gru"},
    "tol": {"n_iter_no_change": 1},
    "n_iter_no_change": {"tol": 0.5},
    "validation_fraction": {"early_stopping": True},
    "validation_split": {"early_stopping": True},
    "truncation": {"bidirectional": False},
    "quantile": {"loss": "quantile"},
    "n_points": {"objective": "reconstruct"},
    "spectral_radius": {"objective": "reservoir"},
    "input_scale": {"objective": "reservoir"},
    "connectivity": {"objective": "reservoir"},
    "input_bias": {"objective": "reservoir"},
    "leak_rate": {"objective": "reservoir"},
    "washout": {"objective": "reservoir"},
}
OF_DECODERS = {"attention": "dot", "teacher_forcing": 0.5, "warm_start": True}
OWN = {
    RNNClassifier: {"augmentation": "auto", "class_weight": "balanced", "n_networks": 2, "warm_start": True},
    RNNRegressor: {
        "augmentation": None,
        "loss": "huber",
        "quantile": 0.25,
        "standardize_target": False,
        "n_networks": 2,
        "warm_start": True,
    },
    SequenceTransformer: {
        "objective": "reconstruct",
        "n_points": 5,
        "spectral_radius": 0.5,
        "input_scale": 2,
        "connectivity": 0.5,
        "input_bias": 2,
        "leak_rate": 0.5,
        "washout": 2,
        "standardize_target": False,
    },
    OneLabel: OF_DECODERS
    | {
        "beam_width": 2,
        "length_penalty": 0.5,
        "max_output_length": 2,
        "label_smoothing": 0.25,
        "validation_scoring": "likelihood",
    },
    OneNumber: OF_DECODERS | {"loss": "huber", "standardize_target": False},
    OneUnaligned: {"beam_width": 2, "infeasible": "drop", "warm_start": True},
    SequenceGenerator: {"notes": "independent", "n_components": 2, "warm_start": True},
}
PARAMETERS = {
    cls: {name: value for name, value in (VALUES | own).items() if name in inspect.signature(cls).parameters}
    for cls, own in OWN.items()
}
EACH = [(cls, name, value) for cls, own in PARAMETERS.items() for name, value in own.items() if value is not None]
COMPONENTS = {  # by the parameter that takes them
    "cell": [
        (cell_class("lstm"), {"peepholes": True, "forget_bias": 0.5}),
        (cell_class("elman"), {"activation": "relu"}),
        (cell_class("gru"), {"reset": "before"}),
        (cell_class("indrnn"), {"activation": "tanh"}),
        (cell_class("jordan"), {"activation": "relu", "output_activation": "tanh"}),
        (cell_class("linoss"), {"activation": "relu"}),
        (cell_class("mgu"), {"forget_gate": "no_input"}),
    ],
    "convolution": [(Conv, {"n_channels": 3, "width": 2, "stride": 2, "activation": "tanh"})],
    "solver": [
        (Adam, {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.5}),
        (AdamW, {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 0.5, "weight_decay": 0.5}),
        (RMSprop, {"rho": 0.5, "epsilon": 0.5}),
        (SGD, {"momentum": 0.5, "nesterov": False}),
        (LBFGS, {"memory": 2}),
    ],
    "learning_rate": [
        (Cosine, {"warmup": 0.5, "final": 0.25}),
        (OneCycle, {"warmup": 0.5, "initial": 0.25, "final": 0.125}),
        (WarmUp, {"warmup": 0.75}),
        (Plateau, {"reduction": 0.25, "patience": 1, "tol": 0.5}),
    ],
    "loss": [(Huber, {"delta": 0.5}), (Quantile, {"quantile": 0.25})],
    "recurrent_init": [
        (GlorotUniform, {"gain": 0.5}),
        (GlorotNormal, {"gain": 0.5}),
        (Identity, {"scale": 0.5}),
        (Uniform, {"limit": 0.5}),
        (INITIALIZERS["orthogonal"], {"gain": 0.5}),
    ],
    "bias_init": [(Chrono, {"max_steps": 5})],
}


ALL = [(place, cls, values) for place, listed in COMPONENTS.items() for cls, values in listed]
PREPROCESSING = (PerStep, SlidingWindow, TokenEncoder)


def variants(value):
    """The value in all types of NumPy that hold it, and in an array without axes."""
    kinds = {bool: (np.bool_,), str: (np.str_,), int: INTEGERS, float: FLOATS}[type(value)]
    kinds = [kind for kind in kinds if not (value == -1 and np.issubdtype(kind, np.unsignedinteger))]
    return [*(kind(value) for kind in kinds), np.array(value)]


def fitted(estimator):
    """What an estimator makes of sequences, and its weights."""
    data = CHANNELS if estimator.categorical_features is not None else X
    data = np.abs(data).cumsum(axis=1) if estimator.time_channel is not None else data
    estimator.fit(data, targets(X))
    weights = estimator.weights_ if isinstance(estimator.weights_, list) else [estimator.weights_]
    return [output(estimator, data), *(array for one in weights for array in one.values())]


def assert_same(ones, others, variant):
    for one, other in zip(ones, others, strict=True):
        assert_array_equal(one, other, err_msg=repr(variant))


def test_no_parameter_is_left_out():
    for cls, own in OWN.items():
        assert set(PARAMETERS[cls]) == set(inspect.signature(cls).parameters)
        assert set(own) <= set(PARAMETERS[cls])
        left_out = set(VALUES) - set(PARAMETERS[cls])
        assert all(hasattr(cls, name) for name in left_out - {"targets"})  # each has one value there
    known = {cls: set(values) for _, cls, values in ALL}
    tables = OPTIMIZERS, SCHEDULES, INITIALIZERS, BIAS_INITIALIZERS, REGRESSION_LOSSES
    for cls in (Conv, *map(cell_class, CELLS), *(cls for table in tables for cls in table.values())):
        assert set(cls._get_param_names()) == known.get(cls, set())


@pytest.mark.parametrize(
    "cls",
    [*OWN, *(each[1] for each in ALL), Checkpoint, EarlyStopping, LearningRateFinder, *PREPROCESSING],
    ids=lambda c: c.__name__,
)
def test_every_parameter_is_read_as_pythons(cls):
    for name in inspect.signature(cls).parameters:
        assert isinstance(inspect.getattr_static(cls, name), Parameter)


@pytest.mark.parametrize(("cls", "name", "value"), EACH)
def test_a_parameter_of_numpy_gives_the_bits_of_pythons(cls, name, value):
    needed = NEEDS.get(name, {}).items()
    settings = QUICK | {other: value for other, value in needed if other in PARAMETERS[cls]}
    if cls is SequenceTransformer and name == "bidirectional":
        settings |= {"objective": "reconstruct"}
    for variant in variants(value):
        estimator = cls(**settings | {name: variant})
        assert estimator.get_params()[name] is variant
        assert clone(estimator).get_params()[name] == variant
        assert (type(getattr(estimator, name)), getattr(estimator, name)) == (type(value), value)
    expected = fitted(cls(**settings | {name: value}))
    variant = variants(value)[0]
    assert_same(fitted(cls(**settings | {name: variant})), expected, variant)


@pytest.mark.parametrize(("place", "cls", "values"), ALL)
def test_a_parameter_of_a_component_gives_the_bits_of_pythons(place, cls, values):
    estimator = RNNRegressor(**QUICK | ({"cell": "lstm"} if place == "bias_init" else {}))
    expected = fitted(clone(estimator).set_params(**{place: cls(**values)}))
    for name, value in values.items():
        for variant in variants(value):
            component = cls(**values | {name: variant})
            assert (type(getattr(component, name)), getattr(component, name)) == (type(value), value)
        component = cls(**values | {name: variants(value)[0]})
        assert_same(fitted(clone(estimator).set_params(**{place: component})), expected, component)


def test_a_loss_and_a_cell_of_ones_own_read_pythons_numbers_too():
    class Cubic(BaseLoss):
        _parameter_constraints = {}

        def __init__(self, power=3.0):
            self.power = power

    loss = Cubic(np.float16(3))
    assert type(loss.power) is float
    assert type(loss.get_params()["power"]) is np.float16


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Fraction(1, 4), 0.25),
        (Fraction(10**400), np.inf),
        (np.array(3), 3),
        (np.str_("a"), "a"),
        (np.array([3]), None),
        (None, None),
        (pd.NA, None),
        (np.timedelta64(1, "h"), None),
    ],
)
def test_what_becomes_pythons(given, expected):
    if expected is None:
        assert plain(given) is given
    else:
        assert (type(plain(given)), plain(given)) == (type(expected), expected)


@pytest.mark.parametrize(("cls", "name", "good"), EACH)
def test_what_no_parameter_can_be_is_refused_by_name(cls, name, good):
    """Also by `partial_fit`, and before anything looks at it: NA is neither true nor false."""
    for value in (pd.NA, pd.NaT, 2**63, -(2**63), Fraction(10**400), np.timedelta64(3), np.array(None), {}):
        if name == "class_weight" and value == {}:
            continue
        estimator = cls(**QUICK | {name: value})
        for method in ("fit", "partial_fit") if value is pd.NA else ("fit",):
            if hasattr(estimator, method):
                assert_refused(estimator, lambda e, m=method: getattr(e, m)(X, targets(X)), name, InvalidParameterError)


@pytest.mark.parametrize(("cls", "name", "good"), [each for each in EACH if type(each[2]) in (int, float)])
def test_a_boolean_is_no_number(cls, name, good):
    for value in (True, np.False_):
        assert_refused(cls(**QUICK | {name: value}), lambda e: e.fit(X, targets(X)), name, InvalidParameterError)


@pytest.mark.parametrize(("cls", "values"), [each[1:] for each in ALL])
def test_components_refuse_booleans_and_integers_beyond_64_bits(cls, values):
    for name, value in values.items():
        for wrong in (True, 2**63) if type(value) in (int, float) else (2**63, pd.NA):
            with pytest.raises(InvalidParameterError, match=name):
                cls(**{name: wrong})._validate_params()


OVERFLOWS = [
    (RNNRegressor, {"recurrent_init": Uniform(1e308)}, "Uniform initial weights up to 1e.308 overflow"),
    (RNNRegressor, {"input_init": GlorotUniform(1e308)}, "Uniform initial weights up to .* overflow"),
    (RNNRegressor, {"recurrent_init": Uniform(1e39)}, "W_h' are not finite in float32: .*recurrent_init"),
    (RNNRegressor, {"input_init": Identity(1e39)}, "W_x' are not finite in float32: .*input_init"),
    (RNNRegressor, {"cell": cell_class("lstm")(forget_bias=1e39)}, "b' are not finite in float32"),
    (RNNRegressor, {"solver": LBFGS(10**9)}, "'memory' parameter of LBFGS"),
    (SequenceTransformer, {"objective": "reservoir", "spectral_radius": 1e39}, "spectral_radius=1e.39"),
    (SequenceTransformer, {"objective": "reservoir", "input_scale": 1e300}, "input_scale=1e.300"),
]


@pytest.mark.parametrize(("cls", "params", "message"), OVERFLOWS)
def test_what_overflows_is_refused_by_name(cls, params, message):
    assert_refused(cls(**QUICK | params), lambda e: e.fit(X, targets(X)), message)


def test_a_trial_of_too_many_updates_is_refused_by_name():
    reg = RNNRegressor(**QUICK).set_callbacks(LearningRateFinder(n_updates=2**40))
    with pytest.raises(InvalidParameterError, match="'n_updates' parameter of LearningRateFinder"):
        reg.fit(X, targets(X))


LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    "params",
    [
        {"batch_size": LARGEST},
        {"truncation": LARGEST},
        {"n_iter_no_change": LARGEST},
        {"min_count": LARGEST},
        {"n_jobs": LARGEST},
        {"n_jobs": -LARGEST},
        {"max_iter": LARGEST, "tol": 1e300, "n_iter_no_change": 1},
        {"learning_rate": Plateau(patience=LARGEST)},
        {"bias_init": Chrono(LARGEST), "cell": "lstm"},
        {"loss": Huber(1e308)},
        {"clip_norm": 1e308},
    ],
)
def test_the_largest_values_work(params):
    assert np.isfinite(output(RNNRegressor(**QUICK | params).fit(X, targets(X)), X)).all()


def test_a_distance_that_clips_nothing_is_the_squared_error():
    wide = RNNRegressor(**QUICK, loss=Huber(1e308), standardize_target=False, dtype="float64").fit(X, targets(X))
    squared = RNNRegressor(**QUICK, standardize_target=False, dtype="float64").fit(X, targets(X))
    np.testing.assert_allclose(output(wide, X), output(squared, X), rtol=1e-12)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"cell__reset": "before"}, r"cell__reset is a parameter of an instance, but cell='gru' is none: give cell as"),
        ({"cell": "lstm", "cell__peepholes": True}, "but cell='lstm' is none"),
        ({"convolution__width": 3}, "but convolution='auto' is none"),
        ({"augmentation": None, "augmentation__crop": 0.5}, "but augmentation=None is none"),
        ({"foo__bar": 3}, "Invalid parameter 'foo'"),
        ({"cell": GRU(), "cell__foo": 3}, "Invalid parameter 'foo'"),
    ],
)
def test_parameters_of_a_component_need_an_instance(params, message):
    clf = RNNClassifier()
    for owner, prefix in ((clf, ""), (make_pipeline(clf), "rnnclassifier__"), (EarlyClassifier(clf), "estimator__")):
        with pytest.raises(ValueError, match=message):
            owner.set_params(**{prefix + name: value for name, value in params.items()})
    assert clf.set_params(cell=GRU(), cell__reset="before").cell.reset == "before"
