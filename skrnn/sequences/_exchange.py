"""What a ``SequenceArray`` exchanges with frames of pandas and polars, and with Arrow."""

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
            The rows of an instance stand together, in the order of `time`. Nothing is sorted or
            dropped unless asked for.

        instance : str
            The column, or level of a pandas index, that says which sequence a row belongs to.

        time : str, default=None
            The column, or level of a pandas index, of the times: numbers, datetimes or timedeltas, which
            must increase within an instance. If None, the rows are taken to be in order.

        columns : str or list of str, default=None
            The columns that become channels, of numbers or of tokens (str). If None, all but
            `instance` and `time`; name `time` here to have it as a channel, too. Datetimes that are named here become
            seconds since 1970-01-01 in UTC, timedeltas seconds.

        ids : array-like of shape (n_sequences,), default=None
            The instances in the order in which their sequences are wanted, for example the index of a table of
            targets. Each must have rows, unless `keep_missing`, and all rows must be theirs. If None, they come as they
            appear, or, if sorted, in the order of their ids.

        keep_missing : bool, default=False
            Whether an instance of `ids` that has no row is kept: as a sequence of one step that is NaN in all channels,
            which estimators take with ``missing="mask"`` or ``"decay"``.

        sort : bool, default=False
            Whether to sort the rows by `instance`, then by `time`; rows that tie keep their order.

        step : float, str or datetime.timedelta, default=None
            The time from each step to the next, which is checked to a thousandth of it. A time delta,
            such as "1h", if `time` holds datetimes or timedeltas. If None, times may be irregular.

        Returns
        -------
        X : SequenceArray
            The sequences, with the names of the columns as `channel_names`. NaN and null among numbers become NaN.

        ids : pandas.Index or polars.Series of shape (n_sequences,)
            The instance of each sequence.

        Raises
        ------
        ValueError
            If the rows of an instance are apart, times decrease, repeat or leave a gap, an id or a time is
            missing, or an instance has no rows and is not to be kept. The message says which instance and row; rows
            count from 0 in the frame as it was given.

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

        A patient who was never visited:

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
        ValueError: instance b: from row 1 (time 1) to row 2 (time 3) it is 2, the step should be 1...
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
            The id of each sequence, all different; if None, their numbers.

        instance : str, default="instance"
            Name of the column of ids.

        time : str, default="step"
            Name of the column that numbers the steps of each sequence, from 0.

        columns : str or list of str, default=None
            Names of the channels; if None, their `channel_names`, or ``"channel_0"`` and so on if they have none.

        Returns
        -------
        pandas.DataFrame
            The columns `instance`, `time` and the channels. A sequence without steps has no row.

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
            Lists of numbers or of strings (one channel), or lists of lists of equal length (channels); lists of
            any kind, of fixed size or not. A number that is null becomes NaN; a null sequence, step or token
            is an error.

        Returns
        -------
        SequenceArray
            The packed sequences; they share memory with the array if it is in one chunk and holds floats without
            nulls.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from skrnn.sequences import SequenceArray
        >>> SequenceArray.from_arrow(pa.array([[1.0, 2.0], [3.0]]))
        SequenceArray(2 sequences, 1 to 2 steps, 1 channel, float64)
        """
        return cls(*_arrow.from_arrow(array))

    def to_arrow(self):
        """Make an Arrow array of lists, which Parquet and Arrow files keep.

        Returns
        -------
        pyarrow.LargeListArray
            Lists of numbers or strings if there is one channel, else lists of lists of fixed size. Memory is shared
            unless the steps are strings or not contiguous. Names of channels are kept as metadata of the field of
            steps, by Arrow and Parquet, not by polars.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> X = SequenceArray.from_list([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]])
        >>> X.to_arrow().type
        LargeListType(large_list<item: fixed_size_list<item: double>[2]>)
        """
        return _arrow.to_arrow(self.values, self.offsets, self.channel_names)

    def to_polars(self, name=""):
        """Make a polars Series of lists, by way of Arrow.

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
        """Make a pandas Series of the dtype ``"sequence"``, a column to stand beside others in a frame.

        Parameters
        ----------
        index : array-like of shape (n_sequences,), default=None
            Index of the Series, for example the ids that `from_long` returns; if None, a range.

        name : str, default=None
            Name of the Series.

        Returns
        -------
        pandas.Series
            One `Sequence` per cell; the steps stay packed and are not copied. Sequences without steps count as
            missing.

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
        raise ValueError("keep_missing=True is for numbers: among tokens (str) nothing stands for a missing one.")
    return sequences._with(np.full((1, sequences.n_channels), np.nan, sequences.values.dtype), [0, 1])
