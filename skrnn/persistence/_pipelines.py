"""Pipelines in files: steps of this package and of scikit-learn, by name, with plain values as their state.

A step is written as the name of its class and its state, as pickles have it. Names are looked up in a fixed table, and
the values are numbers, texts, arrays, dtypes, and lists, tuples and dicts of them: nothing in a file is run. What a
scikit-learn step makes of its values is its own affair.
"""

import functools

import numpy as np

from ..preprocessing import PerStep, SlidingWindow, TokenEncoder

NOT_SAVED = {"_metadata_request", "_skl_callbacks"}
STEPS = {}  # classes of this package by name: see `saved_by_state`


def saved_by_state(cls):
    """Enter a class whose state, as pickles have it, is plain values and estimators, and is checked when it is set."""
    STEPS[cls.__name__] = cls
    return cls


@functools.cache
def known_steps():
    """Classes of steps by name."""
    from sklearn import decomposition, feature_selection, impute, linear_model, pipeline, preprocessing  # noqa: PLC0415

    names = {
        pipeline: ("FeatureUnion", "Pipeline"),
        preprocessing: (
            *("Binarizer", "KBinsDiscretizer", "LabelBinarizer", "LabelEncoder", "MaxAbsScaler", "MinMaxScaler"),
            *("Normalizer", "OneHotEncoder", "OrdinalEncoder", "PolynomialFeatures", "PowerTransformer"),
            *("QuantileTransformer", "RobustScaler", "StandardScaler"),
        ),
        impute: ("MissingIndicator", "SimpleImputer"),
        decomposition: ("PCA", "TruncatedSVD"),
        feature_selection: ("VarianceThreshold",),
        linear_model: ("LinearRegression", "LogisticRegression", "Ridge", "RidgeClassifier"),
    }
    table = STEPS | {cls.__name__: cls for cls in (PerStep, SlidingWindow, TokenEncoder)}
    return table | {name: getattr(module, name) for module, listed in names.items() for name in listed}


def step_to_plain(step, to_plain):
    """The class and state of a step as plain values; ``to_plain(estimator)`` gives those of the estimators in it."""
    state = {name: value for name, value in step.__getstate__().items() if name not in NOT_SAVED}
    return {"step": type(step).__name__, "state": {name: _wrap(value, to_plain) for name, value in state.items()}}


def step_from_plain(plain, from_plain):
    """The step of `step_to_plain`; ValueError if there is none like it."""
    cls, state = known_steps().get(plain["step"]) if isinstance(plain["step"], str) else None, plain["state"]
    if cls is None:
        raise ValueError(f"there is no step {plain['step']!r}")
    if not isinstance(state, dict) or not all(isinstance(name, str) and name.isidentifier() for name in state):
        raise ValueError(f"the state of {cls.__name__} is no dict with names")
    for name in state:
        if name.startswith("__") or callable(getattr(cls, name, None)):
            raise ValueError(f"{name!r} is no attribute of a {cls.__name__}")
    step = cls.__new__(cls)
    step.__setstate__({name: _unwrap(value, from_plain) for name, value in state.items()})
    if missing := set(cls._get_param_names()) - set(vars(step)):
        raise ValueError(f"the parameters {sorted(missing)} of {cls.__name__} are missing")
    if hasattr(cls, "_parameter_constraints"):
        step._validate_params()
    return step


def _wrap(value, to_plain):
    """A value of a state: what is no plain value in a dict that says what it is."""
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if isinstance(value, type) and issubclass(value, np.generic):
        return {"type": np.dtype(value).str}
    if hasattr(value, "get_params") and not isinstance(value, type):
        return {"estimator": to_plain(value)}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_wrap(item, to_plain) for item in value]}
    return {"value": value}


def _unwrap(plain, from_plain):
    if not isinstance(plain, dict) or len(plain) != 1:
        raise ValueError(f"{plain!r:.100} is no value of a step")
    ((kind, value),) = plain.items()
    if kind == "value":
        return value
    if kind == "estimator":
        return from_plain(value)
    if kind in ("list", "tuple") and isinstance(value, list):
        return {"list": list, "tuple": tuple}[kind](_unwrap(item, from_plain) for item in value)
    if kind in ("dtype", "type") and isinstance(value, str):
        dtype = np.dtype(value)
        return dtype if kind == "dtype" else dtype.type
    raise ValueError(f"there is no kind of value {kind!r} of a step")
