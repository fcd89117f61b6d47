"""True and predicted targets of the same steps, packed."""

from ..sequences._ragged import check_same_lengths, ragged_values
from ..sequences._steps import is_text


def flatten_pair(y_true, y_pred):
    """Return all true and all predicted targets, and the offsets of the sequences, which both must share."""
    true, offsets = ragged_values(y_true, "y_true")
    pred, found = ragged_values(y_pred, "y_pred")
    check_same_lengths(found, offsets, "y_pred", "y_true")
    if is_text(true) != is_text(pred):
        kinds = ["strings" if is_text(values) else "numbers" for values in (true, pred)]
        raise ValueError(f"y_true holds {kinds[0]}, but y_pred holds {kinds[1]}.")
    if true.shape != pred.shape:
        widths = [1 if values.ndim == 1 else values.shape[1] for values in (true, pred)]
        raise ValueError(f"y_true has {widths[0]} targets per step, but y_pred has {widths[1]}.")
    return true, pred, offsets
