"""Recurrent cells, one per file: equations, paper, kernels. `CELLS` gives them by name.

The files are imported when a cell is used, because they bring the compiler with them.
"""

from importlib import import_module

from ._base import BaseCell

CELLS = {"elman": "Elman", "gru": "GRU", "lstm": "LSTM"}  # name and module -> class

__all__ = ["CELLS", "GRU", "LSTM", "BaseCell", "Elman"]


def __getattr__(name):
    for module, cell in CELLS.items():
        if cell == name:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get_cell(cell):
    """The cell of that name, with its default parameters; an instance is returned as it is."""
    if not isinstance(cell, BaseCell):
        return __getattr__(CELLS[cell])()
    cell._validate_params()
    return cell
