"""Fitted estimators of this package."""

import copy

from .._core.members import refuse_several
from ._layers import RecurrentLayers, check_layers


def from_estimator(estimator):
    """Get the recurrent layers of a fitted estimator.

    The result contains neither the layers before them (standardisation, convolution) nor those after them (pooling,
    readout). The inputs of the layers are those in the estimator: by default the standardised values of all channels,
    and where its ``inputs_.differences`` is True, behind these their changes since the step before, divided by its
    ``inputs_.difference_scale``.

    Parameters
    ----------
    estimator : RNNClassifier or RNNRegressor
        A fitted estimator, without layer normalisation, residual connections and zoneout, which other formats do not
        support.

    Returns
    -------
    RecurrentLayers
        Copies of the weights.
    """
    _check(estimator)
    weights = {name: w for name, w in estimator.weights_.items() if name.startswith("layers.")}
    return RecurrentLayers(estimator.structure_.cell, weights)


def to_estimator(layers, estimator):
    """Replace the recurrent layers of a fitted estimator.

    Everything else stays unchanged, including the readout, which was trained with the original layers.

    Parameters
    ----------
    layers : RecurrentLayers
        Layers with the same cell, sizes and directions as the estimator.
    estimator : RNNClassifier or RNNRegressor
        A fitted estimator; it is not changed.

    Returns
    -------
    RNNClassifier or RNNRegressor
        A copy with these layers.
    """
    check_layers(layers)
    _check(estimator)
    cell = estimator.structure_.cell
    if _equations(cell) != _equations(layers.cell):
        raise ValueError(
            f"The layers are {layers.cell!r}, those of the estimator {cell!r}; fit it with cell={layers.cell!r}."
        )
    own = {name: w.shape for name, w in estimator.weights_.items() if name.startswith("layers.")}
    given = {name: w.shape for name, w in layers.weights.items()}
    for name in own.keys() | given.keys():
        if own.get(name) != given.get(name):
            raise ValueError(
                f"Weight {name!r} has shape {given.get(name, 'none')} in the layers, {own.get(name, 'none')} in the "
                "estimator; fit it with hidden_layer_sizes, bidirectional, convolution, differences and inputs as in "
                "the layers."
            )
    result = copy.copy(estimator)
    result.weights_ = {
        name: (layers.weights[name] if name in own else w).astype(w.dtype) for name, w in estimator.weights_.items()
    }
    return result


def _equations(cell):
    """What the arithmetic of a cell depends on; the bias that an LSTM starts from is not part of it."""
    return type(cell), {name: value for name, value in cell.get_params().items() if name != "forget_bias"}


def _check(estimator):
    if not hasattr(estimator, "structure_"):
        raise ValueError(f"{estimator!r} is not a fitted RNNClassifier or RNNRegressor; call fit first.")
    refuse_several(estimator, "The exchange of weights")
    for option in ("layer_norm", "residual", "zoneout"):
        if value := getattr(estimator.structure_, option):
            raise ValueError(f"{option}={value} is not supported by other formats; fit without it.")
    if estimator.structure_.puts_out_predictions:
        raise ValueError(
            f"The last layer of {estimator.structure_.cell!r} outputs the predictions, so it cannot be converted; fit "
            "with bidirectional=True or another cell."
        )
