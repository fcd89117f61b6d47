"""Parameters of estimators and components: stored as given, read as values of Python.

``ParameterGrid`` over an array gives ``np.True_``, which is not True, and ``np.int32(2)``, whose products overflow.
Therefore reading a parameter returns a number, boolean or str of Python, whatever type it was given as: code cannot
forget the conversion. `get_params` returns the given value, as clones require.
"""

import inspect
from functools import cache, lru_cache
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    make_constraint,
    validate_parameter_constraints,
)

PYTHONS = frozenset({bool, int, float, str, type(None)})
RANDOM = "random_state"  # scikit-learn's constraint of this name counts True as the seed 1
LARGEST = 2**63 - 1  # of integers: kernels and arrays count with 64 bits


def plain(value):
    """A number, boolean or text of any type, also in an array without axes, as Python's own; all else as it is."""
    if type(value) in PYTHONS or isinstance(value, np.timedelta64):  # which NumPy counts among the integers
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "biufU":
        value = value[()]
    for kind, python in ((str, str.__str__), ((bool, np.bool_), bool), (Integral, int), (Real, _float)):
        if isinstance(value, kind):
            return python(value)
    return value


def _float(value):
    try:
        return float(value)
    except OverflowError:  # of a fraction
        return np.inf if value > 0 else -np.inf


def described(value):
    """What a parameter means, in plain values that are equal for parameters that mean the same."""
    value = plain(value)
    if type(value) in PYTHONS:
        return value
    if isinstance(value, dict):
        return {plain(key): described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if hasattr(value, "__array__"):
        return described(np.asarray(value).tolist())
    if hasattr(value, "get_params") and not isinstance(value, type):
        return [type(value).__qualname__, described(value.get_params(deep=False))]
    return repr(value)


class Parameter:
    """Attribute of a class for the parameter `name`: stored as it is given, read as Python's own."""

    def __init__(self, name):
        self.name = name

    def __get__(self, instance, owner=None):
        try:
            value = vars(instance)[self.name]
        except (KeyError, TypeError):
            owner = owner or type(instance)
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}") from None
        return value if type(value) in PYTHONS else plain(value)

    def __set__(self, instance, value):
        vars(instance)[self.name] = value

    def __delete__(self, instance):
        del vars(instance)[self.name]


def keep(arguments):
    """Store the arguments of a constructor, whose only line is ``keep(locals())``, as attributes of the object."""
    instance = arguments["self"]
    for name, value in arguments.items():
        if name not in ("self", "__class__"):  # locals have the class where a function calls super()
            setattr(instance, name, value)


class PlainParameters:
    """Base of classes whose parameters, the arguments of ``__init__``, are read as Python's own values."""

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name, parameter in inspect.signature(cls.__init__).parameters.items():
            is_named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            # a value that a base fixes for classes without such a parameter is no descriptor
            if is_named and name != "self" and not hasattr(inspect.getattr_static(cls, name, None), "__get__"):
                setattr(cls, name, Parameter(name))


@cache
def _names_of(read, constructor):
    """The names that `read` finds in a constructor, once: a signature takes longer to read than all values."""
    return tuple(read())


class PlainEstimator(PlainParameters, BaseEstimator):
    """Base of estimators and components, whose parameters are checked by their plain values, too."""

    @classmethod
    def _get_param_names(cls):
        return list(_names_of(super()._get_param_names, cls.__init__))  # a list of its own, which subclasses may change

    def get_params(self, deep=True):
        """Get the parameters as given.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include parameters of components, with names like ``cell__reset``.

        Returns
        -------
        dict of str to object
            Values by name.
        """
        params = super().get_params(deep=deep)
        return params | {name: value for name, value in vars(self).items() if name in params}

    def set_params(self, **params):
        """Set parameters, also of components, with names like ``cell__reset``.

        Parameters
        ----------
        **params : object
            Values by name.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If there is no parameter of a name, or a component is given by its name, in place of an instance.
        """
        for name in params:
            owner, is_nested, _ = name.partition("__")
            if is_nested and owner in self._get_param_names():
                component = params.get(owner, getattr(self, owner, None))
                if not hasattr(component, "set_params"):
                    raise ValueError(
                        f"{name} is a parameter of an instance, but {owner}={component!r} is none: give {owner} as an "
                        "instance, whose parameters can then be set."
                    )
        return super().set_params(**params)

    def _validate_params(self):
        check_parameters(type(self), self.get_params(deep=False))


def check_parameters(owner, given):
    """Refuse parameters that the constraints of a class do not allow, by an error that names it and them."""
    constraints = owner._parameter_constraints
    values = {name: plain(value) for name, value in given.items()}
    for name, value in values.items():
        wanted = None
        if isinstance(value, bool) and _counts_booleans(constraints.get(name, "no_validation")):
            wanted = "a number, not a boolean"
        elif isinstance(value, np.timedelta64) and constraints.get(name) != "no_validation":
            wanted = "a plain value, not a timedelta"
        elif type(value) is int and abs(value) > LARGEST:
            wanted = "an integer below 2**63"
        if wanted:
            raise InvalidParameterError(f"The {name!r} parameter of {owner.__name__} must be {wanted}. Got {value}.")
    validate_parameter_constraints(constraints, values, caller_name=owner.__name__)


def usable(estimator, name):
    """The value of a parameter that may have been set since the fit; refused if it is not allowed."""
    value = getattr(estimator, name)
    try:
        _check(type(estimator), name, type(value), value)
    except TypeError:  # it cannot be hashed
        check_parameters(type(estimator), {name: value})
    return value


@lru_cache(maxsize=128)  # a prediction of one sequence takes little longer than a check
def _check(owner, name, kind, value):
    check_parameters(owner, {name: value})


def _counts_booleans(constraints):
    """Whether a number is wanted, and nothing that a boolean may be: scikit-learn would take it for 0 or 1."""
    if isinstance(constraints, str):  # "no_validation"
        return False
    others = [c for c in constraints if not _is_of_numbers(c)]
    return len(others) < len(constraints) and not any(make_constraint(c).is_satisfied_by(True) for c in others)


def _is_of_numbers(constraint):
    is_random = isinstance(constraint, str) and constraint == RANDOM
    return is_random or isinstance(constraint, Interval) or constraint is Integral or constraint is Real
