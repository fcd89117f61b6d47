"""Methods of fitted estimators over collections of Dask and Parquet files, partition by partition."""

import warnings
from dataclasses import dataclass, replace
from uuid import uuid4

from joblib import parallel_config
from sklearn.utils.validation import check_is_fitted

from .._core.threads import one_blas_thread
from ._dask import import_dask
from ._forms import form_of
from ._results import rows_of


def map_sequences(estimator, X, method="predict", *, instance=None, time=None, columns=None, sort=False, meta=None):
    """Call a method of a fitted estimator on the sequences of a Dask collection or of Parquet files.

    Each partition is read, predicted and given back by itself, in one thread. Nothing is computed before Dask is asked
    to, as by ``compute()`` or ``to_parquet()``; then the estimator is sent to each worker once. The results are those
    of the estimator for the same sequences, bit for bit, however they are divided into partitions.

    Parameters
    ----------
    estimator : object
        A fitted estimator or pipeline.

    X : Dask collection, list of dask.delayed.Delayed, path or list of paths
        The sequences:

        - a ``dask.array`` of shape (n_sequences, n_steps, n_channels), or a table (n_sequences, n_steps), chunked along
          the first axis only;
        - a Dask frame, in long format if `instance` is given, otherwise with a sequence in each row;
        - a Dask bag, each item of which is a sequence;
        - a list of delayed `SequenceArray`, or of other forms of X that `estimator` takes, or of futures of them;
        - Parquet files or a folder of these, which are read as a frame.

    method : str, default="predict"
        A method that takes X alone, like ``"predict_proba"``, ``"transform"`` or ``"score_samples"``.

    instance : str, default=None
        Of a frame in long format, one row per time step: the column, or the index, that contains the id of the sequence
        of each row. All rows of a sequence must stand in one partition: ``X.shuffle(on=instance)`` brings them there,
        but no longer in order.

    time : str, default=None
        Of a frame in long format: the column, or the index, that contains the times, as in `SequenceArray.from_long`.

    columns : str or list of str, default=None
        The columns of a frame that are read. None: all, without `instance` and `time`.

    sort : bool, default=False
        Whether to sort the rows of each partition of a frame in long format by `instance` and `time`.

    meta : numpy.ndarray, pandas.Series or pandas.DataFrame, default=None
        What comes out of a partition, without rows, as Dask wants to know it. None: it is found by a call for a single
        sequence of ones. Bags and lists need none.

    Returns
    -------
    Dask collection or list of dask.delayed.Delayed
        The results in the form of X: an array with the chunks of X; a Series, or a frame if a sequence has several
        numbers, with the index of X or, in long format, the ids; a bag; a list. Arrays for each step, which differ in
        length, are cells of an array of objects, and in frames lists of Arrow.

    Raises
    ------
    ImportError
        If Dask is not installed.
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If X has none of these forms.
    ValueError
        If the estimator lacks the method, or X is chunked along another axis than the first. When computed: if a
        partition cuts a sequence, differs in dtype or columns from what X says, or the estimator refuses it. The
        message names the partition, counted from 0.

    See Also
    --------
    skrnn.SequenceArray.from_long : Reads a frame in long format that is in memory.

    Notes
    -----
    That no partition cuts a sequence is known where `instance` is the index and Dask knows the divisions. Otherwise the
    ids of neighbouring partitions are compared.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from skrnn import RNNRegressor
    >>> from skrnn.distributed import map_sequences
    >>> X = np.random.default_rng(0).normal(size=(100, 6, 2))
    >>> reg = RNNRegressor(4, max_iter=2, tol=1.0, n_iter_no_change=1, random_state=0).fit(X, X[:, -1, 0])
    >>> lazy = map_sequences(reg, da.from_array(X, chunks=(30, 6, 2)))
    >>> lazy.shape, lazy.chunks
    ((100,), ((30, 30, 30, 10),))
    >>> bool((lazy.compute() == reg.predict(X)).all())
    True
    """
    import_dask()
    check_is_fitted(estimator)
    _check_method(estimator, method)
    X, form = form_of(X, instance=instance, time=time, columns=columns, sort=sort)
    work = Work(estimator, method, form, meta)
    if meta is None and form.needs_meta:
        work = replace(work, meta=_found_meta(work))
    return form.joined(X, *_graph_of(work, form.parts(X)))


def _graph_of(work, parts):
    """The graph of all partitions as one layer, its name, the keys of the results, and what they are without rows.

    Layers of their own, as calls of ``dask.delayed`` make them, would take time by the square of their number.
    """
    from dask import delayed  # noqa: PLC0415 (an extra)
    from dask.highlevelgraph import HighLevelGraph  # noqa: PLC0415

    name, sent = f"map-sequences-{uuid4().hex}", delayed(work, traverse=False)
    before, tasks = work.form.before(name, [part.key for part in parts])
    keys = [work.form.key(name, k, work.meta) for k in range(len(parts))]
    for k, (key, part) in enumerate(zip(keys, parts, strict=True)):
        tasks[key] = _run, sent.key, part.key, k, before[k]
    return HighLevelGraph.from_collections(name, tasks, dependencies=[sent, *parts]), name, keys, work.meta


def _check_method(estimator, method):
    if not isinstance(method, str) or method.startswith("_") or not callable(getattr(estimator, method, None)):
        others = [name for name in METHODS if callable(getattr(estimator, name, None))]
        raise ValueError(
            f"{type(estimator).__name__} has no method {method!r}. Of those that take X alone, it has "
            f"{', '.join(others)}."
        )


METHODS = (
    *("predict", "predict_proba", "predict_log_proba", "decision_function", "transform"),
    *("score_samples", "hidden_states"),
)


def _found_meta(work):
    """What comes out of a partition, without rows."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work.of(work.form.sample(work.estimator))[:0]
    except Exception as error:
        raise ValueError(
            f"{work.method} was tried on a sequence of ones, to find out dtype and columns of the result: {error} If X "
            "is as it should be, pass what comes out as meta: an array, Series or frame without rows."
        ) from error


@dataclass(frozen=True)
class Work:
    """What happens to each partition; the one thing that all tasks share."""

    estimator: object
    method: str
    form: object
    meta: object

    def __call__(self, part, before):
        """The results of a partition; `before` is what its form wants to know of those before."""
        part = self.form.checked(part, before)
        if len(part):
            return self.of(part)
        return self.form.nothing(part, self.of) if self.meta is None else self.meta[:0]

    def of(self, part):
        """The results of a partition that has sequences."""
        sequences, index = self.form.read(part)
        # Dask runs as many tasks as it has threads, so each takes one, whatever n_jobs is.
        with parallel_config(backend="sequential"), one_blas_thread:
            result = getattr(self.estimator, self.method)(sequences)
        rows = rows_of(result, len(sequences), self.method)
        return self.form.given_back(rows, index, self.estimator, self.method)


def _run(work, part, number, before):
    try:
        return work(part, before)
    except (ValueError, TypeError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"Partition {number} of X: {error}") from error
