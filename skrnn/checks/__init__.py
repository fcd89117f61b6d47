"""Whether a cell keeps the contract of `BaseCell`, and whether its derivatives are right.

From what is written (names, numbers of things returned) over a single step to whole networks: the first check that
fails is the one nearest to the mistake.
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
    """Check that a cell keeps the contract of `BaseCell`, and that its derivatives are right.

    In this order: parameters, names and columns; what the functions take and return; the derivatives of one step;
    compiled against plain NumPy, for sizes that are 1 or no multiple of a vector register; the gradient of networks
    of two layers, in one direction and both; float32 against float64; sequences alone and among longer ones; one
    thread and two; large inputs.

    Parameters
    ----------
    cell : BaseCell or type
        Instance, or a class whose parameters all have defaults.

    Raises
    ------
    AssertionError
        At the first thing that is wrong; the message says what, and where to look.

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
