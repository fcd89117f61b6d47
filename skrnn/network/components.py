"""The parts that parameters may name, and an instance of one as plain values.

What stands in a file is looked up in these tables; no file can name anything else.
"""

from .. import cells
from ..augmentation import Augmentation
from ..convolution import Conv
from ..initializers import BIAS_INITIALIZERS, INITIALIZERS
from ..losses import DISTRIBUTION_LOSSES, REGRESSION_LOSSES
from ..optimizers import OPTIMIZERS
from ..schedules import SCHEDULES

TABLES = {
    "augmentation": {"augmentation": Augmentation},
    "convolution": {"conv": Conv},
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": REGRESSION_LOSSES | DISTRIBUTION_LOSSES,
    "initializer": INITIALIZERS,
    "bias": BIAS_INITIALIZERS,
}


def to_plain(component, *, registered=False):
    """Kind, name and parameters of a component as a dict; the component itself if it is none of the package's.

    registered : whether cells of `register_cell`, too, are given by their names.
    """
    for kind, table in TABLES.items():
        for name, known in table.items():
            if type(component) is known:
                return _plain(kind, name, component)
    name = cells.name_of(component, registered=registered)
    return component if name is None else _plain("cell", name, component)


def _plain(kind, name, component):
    return {"kind": kind, "name": name, "parameters": component.get_params(deep=False)}


def from_plain(plain):
    """The component that `to_plain` described; what is no dict stays as it is, ValueError for what is unknown."""
    if not isinstance(plain, dict):
        return plain
    if set(plain) != {"kind", "name", "parameters"} or not isinstance(plain["parameters"], dict):
        raise ValueError(f"{plain!r} describes no component")
    kind, name, parameters = plain["kind"], plain["name"], plain["parameters"]
    if kind == "cell":
        known = cells.cell_class(name)
    else:
        table = TABLES.get(kind, {}) if isinstance(kind, str) else {}
        known = table.get(name) if isinstance(name, str) else None
    if known is None:
        advice = "; a cell of your own must be made known by register_cell first" if kind == "cell" else ""
        raise ValueError(f"there is no {kind} of the name {name!r}{advice}")
    if unknown := set(parameters) - set(known._get_param_names()):
        raise ValueError(f"{known.__name__} has no parameters {sorted(map(str, unknown))}")
    return known(**parameters)
