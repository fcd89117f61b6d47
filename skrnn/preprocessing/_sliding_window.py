"""``SlidingWindow``: one window for each row of a series."""

from numbers import Integral

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from ..sequences import as_sequence_array
from ..sequences._validate import FLOATS
from ._base import BaseSequenceTransformer
from ._cut import cut
from ._times import check_steps, times_of


class SlidingWindow(OneToOneFeatureMixin, BaseSequenceTransformer, auto_wrap_output_keys=None):
    """Cut a series into one window per row, which ends with this row.

    Row t of a series (T, C) becomes the sequence of rows ``t - window + 1`` to t. The first windows are shorter. No row
    is padded or dropped, so y keeps its length, as a pipeline requires. Windows contain no later rows. To forecast,
    shift y: ``y = load.shift(-1)``.

    Each call only uses the rows that it receives: in the test set of a split, the first windows are short, and no test
    window contains a training row. `make_windows` returns full windows for the first test steps.

    Parameters
    ----------
    window : int
        Number of rows in a full window, including the present one; at least 1.
    step : "auto", timedelta, str, float or None, default="auto"
        Time between rows, if the index contains times: a timedelta, a frequency of pandas such as "1h" or "MS", or a
        number if the index contains numbers. "auto" uses the usual step, and ignores weekends and the lengths of
        months. Steps of another length, such as gaps, raise an error; None allows all steps.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the series.
    feature_names_in_ : ndarray of str of shape (n_features,)
        Names of the columns, if `X` was a data frame with names that are str.

    See Also
    --------
    make_windows : Windows with their targets, from one or several series.

    Notes
    -----
    Rows must be in the order of time and belong to one series. Split them with
    :class:`~sklearn.model_selection.TimeSeriesSplit`, without shuffling. This is checked if the index of a frame
    contains times. ``set_output`` has no effect, because sequences do not fit into a table of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import SlidingWindow
    >>> series = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> X = SlidingWindow(3).fit_transform(series)
    >>> X
    SequenceArray(4 sequences, 1 to 3 steps, 1 channel, float64)
    >>> [x[:, 0].tolist() for x in X]
    [[1.0], [1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]
    """

    _parameter_constraints = {"window": [Interval(Integral, 1, None, closed="left")], "step": "no_validation"}

    def __init__(self, window, *, step="auto"):
        self.window = window
        self.step = step

    def fit(self, X, y=None):
        """Check the parameters and the series.

        Parameters
        ----------
        X : array-like of shape (n_steps, n_channels)
            A series, one row per time step. NaN is accepted.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        self._validate_params()
        with self._unchanged_by_errors():
            self._rows(X, reset=True)
        return self

    def transform(self, X):
        """Cut the series into one window per row.

        Parameters
        ----------
        X : array-like of shape (n_steps, n_channels)
            A series, one row per time step. NaN is accepted.

        Returns
        -------
        SequenceArray
            ``n_steps`` sequences of 1 to `window` steps. The channels have the names of the columns.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        last = np.arange(len(rows))
        starts = np.maximum(last - self.window + 1, 0)
        return cut(rows, starts, last - starts + 1, getattr(self, "feature_names_in_", None))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _rows(self, X, *, reset):
        if as_sequence_array(X) is not None:
            raise ValueError(
                "X holds sequences, but SlidingWindow cuts one series, a table of one row per time step, into "
                "windows: use make_windows for several series."
            )
        times = times_of(X, "X")  # raises if they are not in order
        rows = validate_data(self, X, reset=reset, dtype=FLOATS, ensure_all_finite="allow-nan")
        check_steps(None if times is None else [times], self.step, "X", [len(rows)])
        return rows
