"""``fit`` on a cluster."""

from sklearn.base import clone

from ..estimators._fitted import OF_X
from ..estimators._trained import BaseTrained
from ..sequences._validate import validate_sequences


def fit(
    estimator,
    X,
    y,
    sample_weight=None,
    *,
    X_val=None,
    y_val=None,
    sample_weight_val=None,
    groups=None,
    columns=None,
    client=None,
):
    """Fit an estimator on the workers of a Dask cluster."""
    _check_estimator(estimator)
    _import_distributed()
    from ._check import usable_client  # noqa: PLC0415 (Dask is an extra)
    from ._fleet import Fleet  # noqa: PLC0415
    from ._parts import joined, parts_of  # noqa: PLC0415
    from ._sequences import far_sequences  # noqa: PLC0415

    client = usable_client(client)
    read = parts_of(X, y, sample_weight, columns)
    with Fleet(client) as fleet:
        kept = fleet.place(read.parts)
        _check_parts(kept)
        y = joined([one.y for one in kept]) if read.y is None else read.y
        if read.weight is None and sample_weight is not None:
            sample_weight = joined([one.weight for one in kept])
        sequences = far_sequences(fleet, kept)
        held_out = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        estimator.fit(sequences, y, sample_weight, **held_out, groups=groups)
    _take_names(estimator, kept)
    return estimator


def _check_estimator(estimator):
    if not isinstance(estimator, BaseTrained):
        raise TypeError(
            "estimator must be one of skrnn that learns targets y by mini-batches, like RNNClassifier or RNNRegressor, "
            f"got {type(estimator).__name__}."
        )


def _import_distributed():
    try:
        import distributed  # noqa: F401, PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'distributed could not be imported ({error}): pip install "skrnn[dask]"') from error


def _check_parts(kept):
    """Refuse parts that are not alike, and those that have no rows at all."""
    numbers = [k for k, one in enumerate(kept) if len(one.lengths)]
    if not numbers:
        raise ValueError(f"X has no rows in any of its {len(kept)} partitions.")
    first = kept[numbers[0]]
    for k in numbers:
        one = kept[k]
        if one.n_channels != first.n_channels:
            raise ValueError(
                f"Partition {k} of X has {one.n_channels} channels, partition {numbers[0]} has {first.n_channels}."
            )
        if (one.dtype.kind == "U") != (first.dtype.kind == "U"):
            raise ValueError(f"Partition {k} of X holds {one.dtype}, partition {numbers[0]} holds {first.dtype}.")
        if one.names != first.names:
            raise ValueError(f"Partition {k} of X has the channels {one.names}, partition {numbers[0]} {first.names}.")


def _take_names(estimator, kept):
    """Give the estimator the names and numbers of features that X has for scikit-learn, as `fit` of X does."""
    first = next(one for one in kept if len(one.lengths))
    if len({one.n_columns for one in kept if len(one.lengths)}) > 1 and first.n_columns is not None:
        return
    reader = clone(estimator)
    validate_sequences(reader, first.example, reset=True)
    for name in OF_X:
        vars(estimator).pop(name, None)
    vars(estimator).update((name, value) for name, value in vars(reader).items() if name in OF_X)
