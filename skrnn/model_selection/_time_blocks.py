"""Splits in time for windows of several series, by the time of each sample and not by the order of rows."""

import datetime
import numbers

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import indexable


class TimeBlockSplit(BaseCrossValidator):
    """Split the samples of several series in time: train on the past, test on the next block of time.

    The distinct times of all samples are divided into blocks. In each split, the test set contains the samples of one
    block, of all series, and the training set contains all samples that are more than `gap` before it. The split
    depends on the time of a sample, not on its row; samples of equal times are never separated, and series may differ
    in length and start time. For a single series sorted by time, without ties, the splits are those of
    `sklearn.model_selection.TimeSeriesSplit`.

    Pass the times as ``groups``. The time of a window of a series is the time of its last step. Training targets do not
    overlap with the test set if the gap is the longest time between the last step of a window and its last target, see
    :ref:`splits-in-time`.

    Parameters
    ----------
    n_splits : int, default=5
        Number of splits, at least 1.

    gap : float or timedelta, default=0
        Samples that precede the first time of the test block by at most the gap are left out of the training set. In
        the unit of the times; for dates, a timedelta of NumPy, pandas or `datetime`; for periods, a timedelta or a
        number of periods.

    test_size : int, default=None
        Number of distinct times in a test block. If None, ``n_times // (n_splits + 1)``.

    See Also
    --------
    sklearn.model_selection.TimeSeriesSplit : Splits in time of a single series.
    sklearn.model_selection.GroupKFold : Splits that keep series whole.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.model_selection import TimeBlockSplit
    >>> X = np.zeros((8, 1))  # windows of two series, one after the other
    >>> times = [1, 2, 3, 4, 5, 3, 4, 5]  # when each window ends
    >>> cv = TimeBlockSplit(n_splits=2, gap=1)
    >>> for train, test in cv.split(X, groups=times):
    ...     print(train, test)
    [0 1] [3 6]
    [0 1 2 5] [4 7]
    """

    # by the metadata routing of scikit-learn, asks for ``groups`` without being told to
    __metadata_request__split = {"groups": True}

    def __init__(self, n_splits=5, *, gap=0, test_size=None):
        for name, value in {"n_splits": n_splits, "test_size": test_size}.items():
            if name == "test_size" and value is None:
                continue
            if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
        self.n_splits = n_splits
        self.gap = gap
        self.test_size = test_size

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits.

        Parameters
        ----------
        X : object, default=None
            Ignored.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Returns
        -------
        int
            Number of splits.
        """
        return self.n_splits

    def split(self, X, y=None, groups=None):
        """Generate the indices of training and test sets.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The samples. Only their number is used.
        y : array-like of shape (n_samples, ...), default=None
            Only its length is checked.
        groups : array-like of shape (n_samples,)
            The time of each sample: numbers, dates (with a time zone or without), periods or timedeltas, in any order.

        Yields
        ------
        train : ndarray of int
            Indices of the training samples, sorted.
        test : ndarray of int
            Indices of the test samples, sorted.

        Raises
        ------
        ValueError
            If times are missing, there are too few distinct times, or the training set of a split is empty.
        """
        if groups is None:
            raise ValueError("groups is missing: TimeBlockSplit needs the time of each sample there.")
        X, y, groups = indexable(X, y, groups)
        times = _checked_times(groups, self.gap)
        gap = _checked_gap(self.gap, times.dtype)
        for k, (first, last) in enumerate(self._blocks(np.unique(times))):
            train = np.flatnonzero(times < first - gap)
            if len(train) == 0:
                raise ValueError(
                    f"Split {k} has no training sample: none is more than gap={self.gap!r} before {first!s}, where its "
                    "test block begins; use fewer splits or a smaller gap or test_size."
                )
            yield train, np.flatnonzero((times >= first) & (times <= last))

    def _blocks(self, stamps):
        """First and last time of each test block; the last block ends with the last time."""
        n = len(stamps)
        size = self.test_size or n // (self.n_splits + 1)
        begin = n - self.n_splits * size
        if size == 0 or begin < 1:
            raise ValueError(
                f"groups has {n} distinct times, too few for n_splits={self.n_splits} and test_size={self.test_size}."
            )
        return [(stamps[i], stamps[i + size - 1]) for i in range(begin, n, size)]


def _checked_times(groups, gap):
    times = np.asarray(groups)
    if times.ndim == 1 and times.dtype.kind == "O":  # dates with a time zone or of Python, periods
        from ..sequences._times import converted  # noqa: PLC0415 (brings pandas)

        times = converted(times, numbered=not _is_duration(gap))
    if times.ndim != 1 or times.dtype.kind not in "iufmM":
        raise ValueError(
            f"groups must hold a number or date for each sample, got shape {times.shape} and dtype {times.dtype}."
        )
    missing = times != times
    if missing.any():
        raise ValueError(f"the time of sample {int(missing.argmax())} in groups is missing.")
    # short and unsigned integers could not be as low as a time minus the gap
    return times.astype(np.int64) if times.dtype.kind in "iu" else times


def _checked_gap(gap, dtype):
    is_duration = _is_duration(gap)
    if dtype.kind in "mM":
        # 0 is the default, and the same in every unit
        if not is_duration and not (isinstance(gap, numbers.Real) and gap == 0):
            raise ValueError(f"gap must be a timedelta, since times are of dtype {dtype}; got {gap!r}.")
        if hasattr(gap, "to_timedelta64"):  # of pandas: NumPy would drop its nanoseconds
            gap = gap.to_timedelta64()
        gap = np.timedelta64(gap) if is_duration else np.timedelta64(0, "ns")
    elif is_duration or not isinstance(gap, numbers.Real):
        raise ValueError(f"gap must be a number, since times are of dtype {dtype}; got {gap!r}.")
    if not gap >= 0 * gap:
        raise ValueError(f"gap must not be negative or missing, got {gap!r}.")
    return gap


def _is_duration(gap):
    return isinstance(gap, (np.timedelta64, datetime.timedelta))
