"""A fitted forecaster as plain values, for pickles and files."""

from dataclasses import asdict, fields

import numpy as np

from ..losses import NegativeBinomial
from ._counts import CountModel
from ._design import Design
from ._errors import Errors
from ._fitted import Fitted
from ._heads import head_of
from ._index import index_from_plain, index_to_plain
from ._linear import Line
from ._model import Model
from ._series import Panel


def to_plain(state):
    """The attributes of a forecaster with those that are objects of this room as plain values."""
    if "_fitted" not in state:
        return state
    panel, fitted = state["_panel"], state["_fitted"]
    plain = {
        "_model": None if fitted.model.line is None else asdict(fitted.model.line),  # other parts are attributes
        "_steps": None if fitted.steps is None else fitted.steps.relative,
        "_design": asdict(fitted.design),
        "_panel": asdict(panel) | {"indexes": [index_to_plain(index) for index in panel.indexes]},
        "errors_": state["errors_"].relative,
    }
    return {name: value for name, value in state.items() if name != "_fitted"} | plain


def from_plain(plain):
    """The attributes that `to_plain` made plain; ValueError if they contradict themselves."""
    if "_model" not in plain:
        return plain
    try:
        design, panel = Design(**plain["_design"]), plain["_panel"]
        panel = Panel(**panel | {"indexes": [index_from_plain(index) for index in panel["indexes"]]})
        errors, steps = _errors(plain["errors_"]), plain.get("_steps")  # older files have none
        steps = None if steps is None else _errors(steps)
        fitted = Fitted(_model(plain), design, errors, steps)
        rest = {name: value for name, value in plain.items() if name not in ("_model", "_design", "_steps")}
        state = rest | {"_fitted": fitted, "_panel": panel, "errors_": errors}
        _check(fitted, panel, state["_values"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"these are no attributes of a forecaster: {error}") from error
    return state


def _errors(relative):
    return Errors(np.asarray(relative, dtype=np.float64))


def _model(plain):
    network = plain["network_"]
    if isinstance(network.loss_function_, NegativeBinomial):
        return CountModel(network)
    return Model(Line(**plain["_model"]), network, tuple(plain["shares_"]), head_of(network.loss_function_))


def _check(fitted, panel, covariates):
    """Refuse parts that do not belong together."""
    design, line, network = fitted.design, fitted.model.line, fitted.model.network
    counts = [getattr(design, each.name) for each in fields(design) if each.type is int]
    ahead = fitted.errors.relative
    consistent = (
        all(isinstance(count, int) and count > 0 for count in counts),
        ahead.ndim == 2 and len(ahead) > 0 and design.horizon in (1, ahead.shape[1]),
        len(panel.values) == len(panel.indexes) == len(panel.names) == len(covariates) > 0,
        all(values.ndim == 1 and len(values) >= design.n_read for values in panel.values),
        all(rows.shape == (n, len(design.is_known)) for rows, n in zip(covariates, panel.lengths, strict=False)),
        (fitted.steps is not None) == (fitted.model.has_head and ahead.shape[1] > design.horizon),
        fitted.steps is None or (fitted.steps.relative.ndim == 2 and fitted.steps.relative.size > 0),
        network.n_outputs_ == (2 if fitted.model.is_of_counts else 1) * design.horizon,
        line is None
        or (
            line.coef.shape == (len(line.mean), design.horizon)
            and line.mean.shape == line.scale.shape == line.low.shape == line.high.shape
            and line.intercept.shape == (design.horizon,)
        ),
    )
    if not all(consistent):
        raise ValueError(f"the attributes of a forecaster do not belong together, see number {consistent.index(False)}")
