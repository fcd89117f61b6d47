"""``fit`` on a cluster."""

from sklearn.base import clone
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline

from ..estimators._fitted import OF_X
from ..estimators._trained import BaseTrained
from ..sequences._validate import validate_sequences
from ._dask import import_distributed


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
    """Fit an estimator on the workers of a Dask cluster, to the bits of ``estimator.fit``.

    Each worker keeps a part of the sequences, in files of its local directory. The shards of a mini-batch, which on one
    machine are the work of threads, are taken forward and back on the workers; their gradients come back, and are added
    in the order of ``fit``. So the result does not depend on how many workers there are, on the
    partitions, or on workers that are lost or come late; it is an ordinary estimator, which knows nothing of Dask.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor, CTCClassifier, Seq2SeqClassifier or Seq2SeqRegressor
        What to fit, with any of its parameters. `n_jobs` is for what is predicted here, as for early stopping: workers
        use the threads that Dask gives them.
    X : dask.array, Dask frame or bag, list of delayed objects or futures, path or list of paths, or any X of `fit`
        The sequences in partitions, each of which is an X that ``estimator.fit`` takes, or has no rows. Arrays are
        chunked along their first axis only. Paths, perhaps with ``*``, are of Parquet (``.parquet``) or Arrow files
        (``.arrow``, ``.feather``) or of folders of these, which are read in the order of their numbers, as by Dask;
        workers read them, so they must see them. What is no partition is cut into some.
    y : collection of Dask, list of delayed objects or futures, str, or any y of `fit`
        The targets, in the partitions of X, or whole. Of files, the name of a column, or whole.
    sample_weight : like y, default=None
        Weights of the sequences or of their steps.
    X_val, y_val, sample_weight_val, groups : default=None
        As in ``estimator.fit``; they stay in this process.
    columns : str or list of str, default=None
        Columns of files that are X; None: all others than y and `sample_weight`.
    client : distributed.Client, default=None
        The client of the cluster; None: the one that is there.

    Returns
    -------
    estimator : object
        The estimator, fitted.

    Raises
    ------
    ImportError
        If Dask is not installed; the message names the extra.
    TypeError
        If the estimator is none of those, or X is no such collection. For pipelines and searches the message says what
        to do.
    ValueError
        If there is no client or worker; if a worker would compute other bits, because its CPU, or its version of skrnn,
        Numba or NumPy, is another: the message names the worker, and both values; and whatever ``estimator.fit`` would
        raise. Messages name the partition, or the sequence among all. The result of the fit before is kept.
    RuntimeError
        If nothing goes on for two minutes, because all workers are gone or paused for lack of memory, or tasks of X can
        run on none; if partitions have cost four workers their lives; if the cluster is closed. Messages name the
        partition, and the workers and their states.

    Notes
    -----
    In the memory of this process and of each worker are the lengths, targets and weights of all sequences, and the
    parameters. Errors within a callback, `Ctrl-C`, ``warm_start`` and checkpoints are as in ``estimator.fit``; a
    checkpoint of one may be resumed by the other.

    Examples
    --------
    >>> import numpy as np
    >>> from dask import delayed
    >>> from distributed import Client, LocalCluster
    >>> from skrnn import RNNClassifier
    >>> from skrnn.distributed import fit
    >>> X = np.random.default_rng(0).normal(size=(90, 7, 1))
    >>> y = X.mean(axis=(1, 2)) > 0
    >>> clf = RNNClassifier(8, max_iter=20, tol=None, random_state=0)
    >>> with LocalCluster(n_workers=2, processes=False, dashboard_address=":0") as cluster, Client(cluster) as client:
    ...     clf = fit(clf, [delayed(X[:50]), delayed(X[50:])], y, client=client)
    >>> alone = RNNClassifier(8, max_iter=20, tol=None, random_state=0).fit(X, y)
    >>> all((clf.weights_[name] == alone.weights_[name]).all() for name in alone.weights_)
    True
    """
    _check_estimator(estimator)
    import_distributed()
    from ._check import usable_client  # noqa: PLC0415 (Dask is an extra)
    from ._fleet import Fleet  # noqa: PLC0415
    from ._parts import joined, parts_of  # noqa: PLC0415
    from ._sequences import far_sequences  # noqa: PLC0415

    client = usable_client(client)
    read = parts_of(X, y, sample_weight, columns)
    with Fleet(client) as fleet:
        kept = fleet.place(read.parts)
        _check_parts(kept)
        if read.y is None and y is not None:
            y = joined([one.y for one in kept], "y")
        if read.weight is None and sample_weight is not None:
            sample_weight = joined([one.weight for one in kept], "sample_weight")
        sequences = far_sequences(fleet, kept)
        held_out = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        estimator.fit(sequences, y, sample_weight, **held_out, groups=groups)
    _take_names(estimator, read.whole, kept)
    return estimator


def _check_estimator(estimator):
    """Refuse what is no estimator of skrnn with a target; the error says how to go on."""
    if isinstance(estimator, BaseTrained):
        return
    advice = ""
    if isinstance(estimator, Pipeline):
        advice = (
            ' Fit its transformers first, on what fits into memory: X = map_sequences(pipeline[:-1], X, "transform") '
            "applies them on the workers, and pipeline[-1] can be fitted here."
        )
    elif isinstance(estimator, BaseSearchCV):
        advice = (
            ' A search sends its fits to the workers by itself: with joblib.parallel_config(backend="dask"): '
            "search.fit(X, y)."
        )
    raise TypeError(
        "estimator must be one of skrnn that learns targets y by mini-batches, like RNNClassifier or RNNRegressor, got "
        f"{type(estimator).__name__}.{advice}"
    )


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
        if (its := _names(one)) != (names := _names(first)):
            raise ValueError(f"Partition {k} of X has the columns {its}, partition {numbers[0]} has {names}.")
        if one.names != first.names:
            raise ValueError(f"Partition {k} of X has the channels {one.names}, partition {numbers[0]} {first.names}.")


def _names(one):
    """Names of the columns of a part that is a frame, or None."""
    return list(one.example.columns) if hasattr(one.example, "columns") else None


def _take_names(estimator, X, kept):
    """Give the estimator the names and numbers of features that X has for scikit-learn, as `fit` of X does.

    X : None, if it was given in parts
    """
    from ._parts import first_of  # noqa: PLC0415 (Dask is an extra)

    first = next(one for one in kept if len(one.lengths))
    if len({one.n_columns for one in kept if len(one.lengths)}) > 1 and first.n_columns is not None:
        return
    reader = clone(estimator)
    validate_sequences(reader, first.example if X is None else first_of(X), reset=True)
    for name in OF_X:
        vars(estimator).pop(name, None)
    vars(estimator).update((name, value) for name, value in vars(reader).items() if name in OF_X)
