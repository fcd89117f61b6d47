"""Names of targets, which keep their order from call to call."""

from ...sequences import SequenceArray
from ...sequences._containers import items_of
from ...sequences._convert import named_columns
from ...sequences._steps import column_names, is_sequence


def check_target_names(fitted, y, owner, name="y"):
    """Refuse a y whose targets have other names than those that an estimator was `fitted` on; either may be None."""
    names = target_names(y)
    if names is not None and fitted is not None and names != list(fitted):
        raise ValueError(
            f"{name} has the targets {names}, but {owner} was fitted on {list(fitted)}: they must "
            f"be the same in the same order, as by y[{list(fitted)}]."
        )


def target_names(y):
    """The names of the targets, if all are str: columns of a frame, or channels where steps have targets; else None."""
    y = items_of(y, "y")
    if isinstance(y, SequenceArray):
        names = y.channel_names
    else:
        names, first = column_names(y), _first_cell(y)
        if names is None or (len(names) == 1 and is_sequence(first)):
            names = column_names(first)
    return list(names) if names and all(isinstance(one, str) for one in names) else None


def _first_cell(y):
    """The first sequence of targets, as it was given; None if there is none."""
    if hasattr(y, "columns"):
        y = next((column for _, column in named_columns(y)), None)
    is_container = isinstance(y, (list, tuple)) or getattr(getattr(y, "dtype", None), "kind", "O") == "O"
    return next(iter(y), None) if is_container and hasattr(y, "__len__") and len(y) else None
