"""Conversions between ``SequenceArray``, frames of pandas and polars, and Arrow."""

import numpy as np

from . import _arrow
from ._steps import is_text


class Exchange:
    """The conversions of `SequenceArray` that need pandas, polars or pyarrow, each imported when it is called."""

    @classmethod
    def from_long(cls, df, *, instance, time=None, columns=None, ids=None, keep_missing=False, sort=False, step=None):
        """Pack a frame in long format: one row per time step.

        Parameters
        ----------
        df : pandas.DataFrame or polars.DataFrame
            The rows of an instance must be contiguous and in the order of `time`, unless `sort`. No rows are dropped.

        instance : str
            The column, or level of a pandas index, that contains the id of the sequence of each row.

        time : str, default=None
            The column, or level of a pandas index, that contains the times: numbers, datetimes or timedeltas, which
            must increase within an instance. If None, the rows are assumed to be in order.

        columns : str or list of str, default=None
            The columns that become channels, of numbers or tokens (str). If None, all columns but `instance` and
            `time`. `time` may be one of the channels. Datetimes become seconds since 1970-01-01 in UTC, timedeltas
            become seconds.

        ids : array-like of shape (n_sequences,), default=None
            The ids in the order of the returned sequences, for example the index of a table of targets. They must be
            the ids of all rows, and each must have rows unless `keep_missing`. If None, the order of appearance, or
            with `sort` the order of the ids.

        keep_missing : bool, default=False
            Whether to keep instances of `ids` that have no row, as a sequence of one step with NaN in all channels.
            Estimators accept it with ``missing="mask"`` or ``"decay"``.

        sort : bool, default=False
            Whether to sort the rows by `instance` and `time`, with a stable sort.

        step : float, str or datetime.timedelta, default=None
            The time between steps, which is checked with a relative tolerance of 1e-3: a number, or a time delta such
            as "1h" if `time` contains datetimes or timedeltas. If None, times may be irregular.

        Returns
        -------
        X : SequenceArray
            The sequences, with the names of the columns as `channel_names`. Null becomes NaN.

        ids : pandas.Index or polars.Series of shape (n_sequences,)
            The id of each sequence.

        Raises
        ------
        ValueError
            If the rows of an instance are not contiguous, times decrease, repeat or have a gap, an id or a time is
            missing, or an instance has no rows and `keep_missing` is False. The message names the instance and the row,
            counted from 0 in `df`.

        Examples
        --------
        >>> import pandas as pd
        >>> from skrnn.sequences import SequenceArray
        >>> visits = pd.DataFrame(
        ...     {
        ...         "patient": ["b", "b", "b", "a", "a"],
        ...         "hour": [0, 1, 3, 0, 1],
        ...         "pulse": [61.0, 65.0, 70.0, 80.0, 77.0],
        ...     }
        ... )
        >>> X, ids = SequenceArray.from_long(visits, instance="patient", time="hour")
        >>> X.lengths
        array([3, 2])
        >>> ids
        Index(['b', 'a'], dtype=..., name='patient')

        Sequences in the order of the targets:

        >>> died = pd.Series([0, 1], index=["a", "b"])
        >>> X, _ = SequenceArray.from_long(visits, instance="patient", time="hour", ids=died.index)
        >>> X.lengths
        array([2, 3])

        A patient without visits:

        >>> died.loc["c"] = 0
        >>> X, _ = SequenceArray.from_long(
        ...     visits, instance="patient", time="hour", ids=died.index, keep_missing=True
        ... )
        >>> X[2]
        array([[nan]])

        A gap:

        >>> SequenceArray.from_long(visits, instance="patient", time="hour", step=1)
        Traceback (most recent call last):
            ...
        ValueError: instance b: the step from row 1 (time 1) to row 2 (time 3) is 2, but should be 1...
        """
        from ._long import ids_of, pack_long, positions_of  # noqa: PLC0415 (brings pandas)

        if keep_missing and ids is None:
            raise ValueError("keep_missing=True needs ids, which name the instances that have no row.")
        *packed, found = pack_long(df, instance=instance, time=time, columns=columns, sort=sort, step=step)
        X = cls(*packed)
        if ids is None:
            return X, found
        order = positions_of(ids, found, keep_missing)
        if (order < 0).any():
            # The missing sequence stands last, where -1 finds it.
            return cls.concatenate([X, _missing_like(X)])[order], ids_of(ids, found)
        return X[order], found[order]

    def to_long(self, ids=None, *, instance="instance", time="step", columns=None):
        """Unpack into a pandas frame in long format: one row per time step.

        Parameters
        ----------
        ids : array-like of shape (n_sequences,), default=None
            Unique ids of the sequences. If None, their numbers.

        instance : str, default="instance"
            Name of the column of ids.

        time : str, default="step"
            Name of the column of step numbers, which start from 0 in each sequence.

        columns : str or list of str, default=None
            Names of the channels. If None, `channel_names`, or ``"channel_0"`` and so on without names.

        Returns
        -------
        pandas.DataFrame
            A frame with the columns `instance`, `time` and the channels. Sequences without steps have no rows.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> X = SequenceArray.from_list([[1.5, 2.5], [3.5]])
        >>> X.to_long(["a", "b"], instance="patient", columns="pulse")
          patient  step  pulse
        0       a     0    1.5
        1       a     1    2.5
        2       b     0    3.5
        """
        from ._long import unpack_long  # noqa: PLC0415 (brings pandas)

        return unpack_long(self, ids, instance=instance, time=time, columns=columns)

    @classmethod
    def from_arrow(cls, array):
        """Pack an Arrow array of lists.

        Parameters
        ----------
        array : pyarrow.Array or pyarrow.ChunkedArray
            Lists of numbers or strings (one channel), or lists of lists of equal length (channels), of fixed size or
            not. Null in place of a number becomes NaN. Null in place of a sequence, step or token raises an error.

        Returns
        -------
        SequenceArray
            The packed sequences. They share memory with an array of one chunk that contains floats without nulls.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from skrnn.sequences import SequenceArray
        >>> SequenceArray.from_arrow(pa.array([[1.0, 2.0], [3.0]]))
        SequenceArray(2 sequences, 1 to 2 steps, 1 channel, float64)
        """
        return cls(*_arrow.from_arrow(array))

    def to_arrow(self):
        """Convert to an Arrow array of lists, which Arrow and Parquet files can store.

        Returns
        -------
        pyarrow.LargeListArray
            Lists of numbers or strings if there is one channel, else lists of lists of fixed size. The array shares
            memory with `values` unless they are strings or not contiguous. The metadata of the field of steps contains
            the names of channels; Arrow and Parquet keep it, polars does not.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> X = SequenceArray.from_list([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]])
        >>> X.to_arrow().type
        LargeListType(large_list<item: fixed_size_list<item: double>[2]>)
        """
        return _arrow.to_arrow(self.values, self.offsets, self.channel_names)

    def to_polars(self, name=""):
        """Convert to a polars Series of lists.

        Parameters
        ----------
        name : str, default=""
            Name of the Series.

        Returns
        -------
        polars.Series
            Lists of numbers or strings if there is one channel, else lists of arrays.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> SequenceArray.from_list([[1.0, 2.0], [3.0]]).to_polars("pulse").dtype
        List(Float64)
        """
        return _arrow.import_polars().Series(name, self.to_arrow())

    def to_series(self, index=None, name=None):
        """Convert to a pandas Series of the dtype ``"sequence"``.

        Parameters
        ----------
        index : array-like of shape (n_sequences,), default=None
            Index of the Series, for example the ids that `from_long` returns. If None, a range.

        name : str, default=None
            Name of the Series.

        Returns
        -------
        pandas.Series
            One `Sequence` per cell. The steps stay packed and are not copied. Sequences without steps are missing
            values.

        Examples
        --------
        >>> import pandas as pd
        >>> from skrnn.sequences import SequenceArray
        >>> X = SequenceArray.from_list([[1.0, 2.0], [3.0]])
        >>> age = pd.Series([81, 64], index=["b", "a"], name="age")
        >>> age.to_frame().join(X.to_series(["a", "b"], name="pulse"))
           age                         pulse
        b   81   Sequence(1 step, 1 channel)
        a   64  Sequence(2 steps, 1 channel)
        """
        import pandas as pd  # noqa: PLC0415 (slow to load)

        return pd.Series(self, index=index, name=name, copy=False, dtype="sequence")


for _method in vars(Exchange).values():  # errors of Python, such as that of missing arguments, show this name
    if callable(_function := getattr(_method, "__func__", _method)):
        _function.__qualname__ = _function.__qualname__.replace("Exchange", "SequenceArray")


def _missing_like(sequences):
    """Return one sequence of one step of the channels of others, all of it NaN."""
    if is_text(sequences.values):
        raise ValueError("keep_missing=True requires numbers: for tokens (str) there is no missing value.")
    return sequences._with(np.full((1, sequences.n_channels), np.nan, sequences.values.dtype), [0, 1])
