"""Fitted estimators of this package."""

import copy

from ._layers import RecurrentLayers


def from_estimator(estimator):
    """Take the recurrent layers out of a fitted estimator.

    What comes before them (standardisation, convolution) and after them (pooling, readout) is not part of the result:
    the layers read what the estimator feeds them, by default standardised values.

    Parameters
    ----------
    estimator : RNNClassifier or RNNRegressor
        A fitted estimator, without layer normalisation, residual connections and zoneout, which no other format has.

    Returns
    -------
    RecurrentLayers
        Copies of the weights.
    """
    _check(estimator)
    weights = {name: w for name, w in estimator.weights_.items() if name.startswith("layers.")}
    return RecurrentLayers(estimator.structure_.cell, weights)


def to_estimator(layers, estimator):
    """Put recurrent layers into a fitted estimator, in place of its own.

    Everything else stays, also its readout, which was trained for other layers.

    Parameters
    ----------
    layers : RecurrentLayers
        Layers of the cell, the sizes and the directions of the estimator.
    estimator : RNNClassifier or RNNRegressor
        A fitted estimator; it is not changed.

    Returns
    -------
    RNNClassifier or RNNRegressor
        A copy with these layers.
    """
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
                "estimator; fit it with hidden_layer_sizes, bidirectional and inputs as in the layers."
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
        raise ValueError(f"{estimator!r} is no fitted RNNClassifier or RNNRegressor; call fit first.")
    for option in ("layer_norm", "residual", "zoneout"):
        if value := getattr(estimator.structure_, option):
            raise ValueError(f"{option}={value} is not part of layers in other formats; fit without it.")
    if estimator.structure_.puts_out_predictions:
        raise ValueError(
            f"The last layer of {estimator.structure_.cell!r} puts out the predictions, so it cannot stand alone; fit "
            "with bidirectional=True or another cell."
        )
