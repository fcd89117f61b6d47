"""Checks that a cell follows the contract of `BaseCell`, and that its derivatives are correct.

The checks proceed from names and return values over a single step to whole networks, so that the first check that fails
is the one closest to the mistake.
"""

from ._contract import check_biases, check_columns, check_names, check_parameters, make_instance
from ._networks import (
    check_compiled,
    check_determinism,
    check_gradient,
    check_initial_weights,
    check_large_inputs,
    check_padding,
    check_single_precision,
)
from ._step import check_derivatives, check_functions

__all__ = ["check_cell"]

CHECKS = (
    check_parameters,
    check_names,
    check_columns,
    check_biases,
    check_functions,
    check_derivatives,
    check_initial_weights,
    check_compiled,
    check_gradient,
    check_single_precision,
    check_padding,
    check_determinism,
    check_large_inputs,
)


def check_cell(cell):
    """Check that a cell follows the contract of `BaseCell`, and that its derivatives are correct.

    The checks are, in this order: parameters, names and columns; arguments and return values of the functions; the
    derivatives of one step; compiled functions compared with NumPy, for sizes of 1 and sizes that are not multiples of
    a vector register; the gradient of networks of two layers, in one direction and both; float32 compared with float64;
    sequences alone and among longer ones; one thread and two; large inputs.

    Parameters
    ----------
    cell : BaseCell or type
        An instance, or a class whose parameters all have defaults.

    Raises
    ------
    AssertionError
        At the first failure. The message describes the failure and its place.

    Examples
    --------
    >>> from skrnn.cells import GRU
    >>> from skrnn.checks import check_cell
    >>> check_cell(GRU(reset="before"))
    """
    cell = make_instance(cell)
    for check in CHECKS:
        try:
            check(cell)
        except AssertionError as error:
            raise AssertionError(f"{type(cell).__name__}: {error}") from error.__cause__
        except Exception as error:
            raise AssertionError(f'{type(cell).__name__}: the check "{check.__doc__}" fails: {error!r}') from error
