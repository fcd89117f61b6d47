"""Recurrent cells, one per file: equations, paper, kernels. `CELLS` maps names to cells.

The files are imported when a cell is used, because they bring the compiler with them.
"""

from importlib import import_module

from sklearn.base import clone
from sklearn.utils._param_validation import StrOptions

from ._base import BIAS, BOTH, INPUT, STATE, STATE_WITHOUT_BIAS, BaseCell

# Name, which is the module too, -> class.
CELLS = {"elman": "Elman", "gru": "GRU", "indrnn": "IndRNN", "jordan": "Jordan", "linoss": "LinOSS", "lstm": "LSTM"}
CELLS |= {"mgu": "MGU", "mingru": "MinGRU"}

_registered = {}
CELL_NAMES = StrOptions(set(CELLS))  # the estimators' constraint on names; its set grows with `register_cell`

__all__ = [
    "BIAS",
    "BOTH",
    "CELLS",
    "CELL_NAMES",
    "GRU",
    "INPUT",
    "LSTM",
    "MGU",
    "STATE",
    "STATE_WITHOUT_BIAS",
    "BaseCell",
    "Elman",
    "IndRNN",
    "Jordan",
    "LinOSS",
    "MinGRU",
    "get_cell",
    "kernel",
    "register_cell",
]


def __getattr__(name):
    if name == "kernel":
        return import_module("..kernels._jit", __name__).kernel
    for module, cell in CELLS.items():
        if cell == name:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register_cell(name, cell):
    """Register a cell under a name, for the parameter `cell` of the estimators.

    Parameters
    ----------
    name : str
        Name of the cell. It must not be a name of skrnn.
    cell : type
        Subclass of `BaseCell` whose parameters all have defaults.

    Raises
    ------
    ValueError
        If the name belongs to another cell, or `cell` is not such a class. The same class may be registered again, also
        after a change, for example in a notebook.

    Examples
    --------
    >>> from skrnn.cells import GRU, register_cell
    >>> class MyGRU(GRU):
    ...     pass
    >>> register_cell("my_gru", MyGRU)
    """
    if not (isinstance(name, str) and name):
        raise ValueError(f"The name of a cell must be a string that is not empty, not {name!r}.")
    if not (isinstance(cell, type) and issubclass(cell, BaseCell)):
        raise ValueError(f"cell must be a subclass of BaseCell, not {cell!r}.")
    try:
        cell()
    except TypeError as error:
        raise ValueError(f"All parameters of {cell.__name__} need a default, to be used by name: {error}") from error
    taken = _registered.get(name, cell)
    if name in CELLS or (taken.__module__, taken.__qualname__) != (cell.__module__, cell.__qualname__):
        raise ValueError(f"There is a cell with the name {name!r} already: choose another.")
    _registered[name] = cell
    CELL_NAMES.options.add(name)


def get_cell(cell):
    """Get a cell by name, with default parameters, or a copy of an instance.

    Parameters
    ----------
    cell : str or BaseCell
        Name of a cell, or an instance.

    Returns
    -------
    BaseCell
        A new instance.

    Examples
    --------
    >>> from skrnn.cells import get_cell
    >>> get_cell("gru")
    GRU()
    """
    if isinstance(cell, BaseCell):
        cell._validate_params()
        return clone(cell)
    return cell_class(cell)()


def cell_class(name):
    """The class of the cell of that name, None if there is none."""
    if not isinstance(name, str):
        return None
    return __getattr__(CELLS[name]) if name in CELLS else _registered.get(name)


def name_of(cell, *, registered=True):
    """The name by which the class of a cell is known, None if it has none.

    registered : whether names that were given by `register_cell` count.
    """
    if not isinstance(cell, BaseCell):
        return None
    known = {name: __getattr__(CELLS[name]) for name in CELLS if CELLS[name] == type(cell).__name__}
    known |= _registered if registered else {}
    return next((name for name, one in known.items() if type(cell) is one), None)
