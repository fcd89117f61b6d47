"""``SktimeForecaster``: ``RNNForecaster`` with the interface of sktime."""

import inspect

import pandas as pd
from sktime.datatypes import update_data
from sktime.forecasting.base import BaseForecaster

from .._core.parameters import keep
from ..estimators._documentation import REFERENCES, SHARED, documented, table
from ..forecasting import RNNForecaster
from ..forecasting._forecaster import PARAMETERS
from ..forecasting._index import check_index

ATTRIBUTES = table("""\
forecaster_ : RNNForecaster
    Forecaster of all series: for each instance its columns, one after the other.""")


OF_FORECASTER = inspect.signature(RNNForecaster.__init__)
SIGNATURE = OF_FORECASTER.replace(parameters=[p for p in OF_FORECASTER.parameters.values() if p.name != "horizon"])


@documented(SHARED | PARAMETERS, ATTRIBUTES, references=REFERENCES)
class SktimeForecaster(BaseForecaster):
    """`RNNForecaster` for sktime.

    The parameters are those of `RNNForecaster`, without the horizon, which is the last step of `fh`. The columns of y
    and the instances of a panel or hierarchy are series of one model, which is not fitted for each of them. A relative
    `fh` counts from the end of each series. Forecasts within the series of `fit` are refused.

    ``update`` with ``update_params=False`` takes note of values, and with True fits anew to all values seen so far.

    See Also
    --------
    skrnn.RNNForecaster : The same with the interface of scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skrnn.adapters import SktimeForecaster
    >>> months = pd.period_range("2016-01", periods=120, freq="M")
    >>> y = pd.Series(10 + np.sin(2 * np.pi * np.arange(120) / 12), months)
    >>> forecaster = SktimeForecaster(season=12, max_iter=2, random_state=0)
    >>> forecaster.fit(y, fh=[1, 2, 3]).predict().round(1)
    2026-01    10.0
    2026-02    10.5
    2026-03    10.9
    Freq: M, dtype: float64
    >>> forecaster.predict_interval(coverage=0.9).shape
    (3, 2)
    """

    _tags = {
        "authors": "skrnn developers",
        "maintainers": "skrnn developers",
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "requires-fh-in-fit": True,
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:categorical_in_X": False,
        "capability:non_contiguous_X": False,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:missing_values": True,
        "capability:unequal_length": True,
        "capability:update": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }
    _config = {"remember_data": False}  # update and predict read `_cur_y` and `_cur_X`
    _y = _X = None  # sktime's copies of the data, if remember_data is set to True

    def __init__(self, **parameters):
        given = SIGNATURE.bind(self, **parameters)
        given.apply_defaults()
        keep(given.arguments)
        super().__init__()

    __init__.__signature__ = SIGNATURE  # where sktime finds the names of parameters

    def _fit(self, y, X, fh):
        parts = _parts(y)
        horizon = max(int(_steps(fh, part).max()) for part in parts.values())
        forecaster = RNNForecaster(horizon, **self.get_params(deep=False))
        self.forecaster_ = forecaster.fit(_series(parts), _tables(X, parts))
        self._cur_y, self._cur_X = y, X
        return self

    def _update(self, y, X=None, update_params=True):
        y, X = update_data(self._cur_y, y), update_data(self._cur_X, X)
        if update_params:
            return self._fit(y, X, self._fh)
        self._cur_y, self._cur_X = y, X
        return self

    def _predict(self, fh, X):
        parts = _parts(self._cur_y)
        rows = self.forecaster_.predict(self._known(X, parts), y=_series(parts))
        return self._given_back(rows, fh, parts)

    def _predict_quantiles(self, fh, X, alpha):
        parts = _parts(self._cur_y)
        found = self.forecaster_.predict_quantiles(self._known(X, parts), y=_series(parts), quantiles=alpha)
        frames = {level: self._given_back(found[float(level)], fh, parts) for level in alpha}
        columns = pd.MultiIndex.from_product([self._cur_y.columns, alpha])
        return pd.concat(frames, axis=1).swaplevel(axis=1).reindex(columns=columns)

    def _known(self, X, parts):
        """Covariates of the series of `parts` and of steps behind them."""
        if X is not None and self._cur_X is None:
            raise ValueError("X is passed, but fit saw none: pass the X of the series to fit, too.")
        return _tables(update_data(self._cur_X, X), parts)

    def _given_back(self, rows, fh, parts):
        """Forecasts (n_series, horizon) as a frame with the steps of `fh` for each instance."""
        frames, columns = {}, self._cur_y.columns
        for (key, part), own in zip(parts.items(), rows.reshape(len(parts), len(columns), -1), strict=True):
            steps, last = _steps(fh, part), part.index[-1:]
            if steps.min() < 1 or steps.max() > rows.shape[1]:
                raise ValueError(
                    f"fh has the steps {steps.tolist()} behind {last[0]}, where {_named(key)} ends; the forecaster "
                    f"was fitted for 1 to {rows.shape[1]}. Fit it anew, or pass a relative fh."
                )
            frames[key] = pd.DataFrame(own[:, steps - 1].T, index=fh.to_absolute_index(last), columns=columns)
        if () in frames:
            return frames[()]
        found = pd.concat(frames.values())
        levels = [(*key, time) for key, frame in frames.items() for time in frame.index]
        return found.set_axis(pd.MultiIndex.from_tuples(levels, names=self._cur_y.index.names))

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Get parameters for the checks of sktime.

        Parameters
        ----------
        parameter_set : str, default="default"
            Not used.

        Returns
        -------
        list of dict
            Small networks of short training.
        """
        small = {"window": 4, "hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}
        return [small, small | {"strategy": "recursive", "loss": "squared_error", "cell": "lstm"}]


def _parts(table, what="y"):
    """The frame of each instance by its levels, () if there is no instance, with an index that tells its steps."""
    if table.index.nlevels == 1:
        return {(): _with_steps(table, what)}
    levels = list(range(table.index.nlevels - 1))
    groups = table.groupby(level=levels, sort=False)
    return {key: _with_steps(part.droplevel(levels), f"{what} of {_named(key)}") for key, part in groups}


def _named(key):
    """What messages call an instance."""
    return f"instance {key[0]!r}" if len(key) == 1 else f"instance {key!r}"


def _with_steps(frame, what):
    """A frame with an even index, of numbers if it only numbers rows, so that rows are found by it."""
    index = check_index(frame, what)
    if index is None or index.dtype.kind in "iuf":
        index = pd.Index(frame.index.to_numpy())
        if len(index) > 1 and index[1] - index[0] != 1:
            raise ValueError(
                f"the index of {what} rises by {index[1] - index[0]}, but fh counts numbers by 1: number the rows, "
                "reset_index(drop=True)."
            )
    return frame.set_axis(index)


def _steps(fh, part):
    """How many steps behind the end of a series the entries of `fh` are."""
    return fh.to_indexer(part.index[-1:]).to_numpy() + 1


def _series(parts):
    """A Series for each column of each instance."""
    return [part[name] for part in parts.values() for name in part.columns]


def _tables(X, parts):
    """Covariates for each of `_series`."""
    if X is None:
        return None
    tables = _parts(X, "X")
    for key in parts:
        if key not in tables:
            raise ValueError(f"X has no rows of {_named(key)}, which is in y.")
    return [tables[key] for key, part in parts.items() for _ in part.columns]
