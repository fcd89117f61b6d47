"""Declarations in the class of a cell: parameters, names, columns."""

import pickle
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from ..cells import BIAS, BOTH, INPUT, STATE, STATE_WITHOUT_BIAS, BaseCell, get_cell
from ..cells._base import Sizes

ONES = Sizes(1, 1, 1)
NAMES_OF_MATRICES = {"W_x", "W_h", "b", "b_h", "W_y", "b_y"}


def require(condition, message):
    """Raise an AssertionError, also where Python leaves out ``assert``."""
    if not condition:
        raise AssertionError(message)


@contextmanager
def about(what):
    """Turn any error into an AssertionError that says what was tried."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{what}: {error}") from error


def make_instance(cell):
    """An instance of the cell, if it is a class."""
    if isinstance(cell, type) and issubclass(cell, BaseCell):
        with about(f"{cell.__name__}: cannot be made without parameters"):
            return cell()
    require(isinstance(cell, BaseCell), f"A cell is a subclass of BaseCell or an instance of one, not {cell!r}.")
    return cell


def check_parameters(cell):
    """Parameters are valid, stored unchanged, and the only attributes of a cell."""
    params = cell.get_params()
    with about("parameters are invalid, or not stored unchanged by the constructor"):
        copy = get_cell(cell)
    require(copy.set_params(**params).get_params() == params, "set_params changes the parameters")
    extra = sorted(vars(cell).keys() - params.keys())
    require(not extra, f"a cell holds its parameters only, but it has {extra} too: make them class attributes")
    with about("cannot be pickled; is its class defined at the top level of a module?"):
        copy = pickle.loads(pickle.dumps(cell))
    require(copy.get_params() == params, f"has other parameters after pickling: {copy!r}")


def check_names(cell):
    """Gates, states and vectors have names."""
    for names, what in ((cell.gates, "gates"), (cell.states, "states"), (tuple(cell.vectors), "vectors")):
        require(isinstance(names, tuple), f"`{what}` must be a tuple, not {names!r}; of one: ('z',)")
        require(all(isinstance(name, str) for name in names), f"`{what}` must be strings, not {names!r}")
        require(len(set(names)) == len(names), f"a name occurs twice in `{what}`, {names!r}")
    require("h" not in cell.states, "`states` are those besides h, which every cell has")
    require(cell.states or not cell.is_output, "is_output outputs the first of `states`, but there is none")
    for name, number in cell.vectors.items():
        require(name not in NAMES_OF_MATRICES and "." not in name, f"a weight of `vectors` cannot be named {name!r}")
        require(isinstance(number, int) and number > 0, f"`vectors` must map names to numbers per unit, not {number!r}")


def check_columns(cell):
    """The sources of columns are unambiguous, feed neighbouring columns, and match the inner stage."""
    gates, known = [gate for gate, _ in cell.columns], {BOTH, INPUT, STATE, STATE_WITHOUT_BIAS, BIAS}
    for gate, feeds in cell.columns:
        require(feeds in known, f"column {gate!r} is fed by {feeds!r}, which is none of {sorted(known)}")
    n_inner, is_last = len(cell.inner), cell.fed_by_inner == gates[-1]
    require(tuple(gates[:n_inner]) == tuple(cell.inner), "the gates of `inner` must come first in `columns`")
    require(is_last or not n_inner, f"`fed_by_inner` must be the last of `columns`, {gates[-1]!r}")
    require(n_inner or cell.fed_by_inner is None, "`fed_by_inner` is set, but `inner` names no gates")
    require(0 <= cell.n_shared <= n_inner, f"n_shared is {cell.n_shared}, but `inner` names {n_inner} gates")
    odd = sorted(set(gates) ^ set(cell.gates))
    require(not odd, f"`gates` and `columns` must name the same gates, but {odd} are in only one of them")
    pieces = [(piece.name, piece.gate) for piece in cell.pieces(ONES)]
    twice = sorted({f"{name} of {gate!r}" for name, gate in pieces if pieces.count((name, gate)) > 1})
    require(not twice, f"`columns` asks twice for {', '.join(twice)}: let one column have INPUT and one STATE, or BOTH")
    for source, feeding in (("state", {BOTH, STATE, STATE_WITHOUT_BIAS}), ("input", {BOTH, INPUT})):
        fed = [k for k, (_, feeds) in enumerate(cell.columns) if feeds in feeding]
        are_neighbours = all(b - a == 1 for a, b in pairwise(fed))
        where = ", ".join(f"{k} ({gates[k]!r})" for k in fed)
        require(are_neighbours, f"`columns` fed by the {source} must be neighbours, but are {where}: change the order")
    require("W_x" in cell.shapes(ONES), "no column reads the input")


def check_biases(cell):
    """Initial biases belong to gates that have a bias."""
    biased = {piece.gate for piece in cell.pieces(ONES, "b")}
    for gate, value in cell.initial_bias.items():
        require(gate in biased, f"`initial_bias` names {gate!r}, which is not a gate with a bias")
        require(np.isfinite(value), f"`initial_bias` of {gate!r} cannot be {value!r}")
    for gate, sign in cell.remembers.items():
        require(gate in biased, f"`remembers` names {gate!r}, which is not a gate with a bias")
        require(sign in (1, -1), f"`remembers` of {gate!r} must be 1 or -1, not {sign!r}")
