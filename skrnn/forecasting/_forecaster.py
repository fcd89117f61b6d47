"""``RNNForecaster``: the next values of one or many series."""

from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import PlainEstimator, keep
from .._core.threads import one_blas_thread
from ..estimators import RNNRegressor
from ..estimators._amount import batch_size_of
from ..estimators._documentation import REFERENCES as SHARED_REFERENCES
from ..estimators._documentation import SHARED, documented, table
from ..estimators._validation import check_count
from ..losses import NegativeBinomial
from ..persistence._attributes import pickled_state, unpickled_attributes
from ..persistence._pipelines import saved_by_state
from ._backtest import backtest, skill
from ._counts import check_counts
from ._covariates import read_covariates
from ._fitted import Wanted, fit_to
from ._heads import DISTRIBUTIONS, loss_of
from ._plain import from_plain, to_plain
from ._series import read_panel, with_values
from ._stream import stream_of

UPDATES, FEWEST_EPOCHS, MOST_EPOCHS = 4000, 8, 60
FEWEST_HELD, SHARE_HELD = 30, 0.3  # windows for intervals, and the most that is held out for them
OF_NETWORK = (  # parameters that the network gets as they are
    *("hidden_layer_sizes", "cell", "loss", "layer_norm", "residual", "dropout", "input_dropout", "recurrent_dropout"),
    *("zoneout", "input_init", "recurrent_init", "bias_init", "solver", "alpha", "learning_rate"),
    *("learning_rate_init", "clip_norm", "shuffle", "tol", "n_iter_no_change", "max_memory", "n_jobs", "dtype"),
    "verbose",
)

PARAMETERS = table("""\
horizon : int
    Number of steps to forecast.
window : int or "auto"
    Number of steps of the past that a forecast reads. "auto" takes 8 seasons or 4 horizons, whichever is more, and at
    least 24 steps, but at most a third of the shortest series.
season : int, sequence of int or None
    Numbers of steps after which series repeat themselves, such as 24 for hours of a day. The simplest forecast repeats
    the values of a multiple of it ago, or the last value, whichever was best in training; models learn what this
    misses, and read a season at once. With None the number of steps is found from the series.
strategy : {"direct", "recursive"}
    "direct" forecasts all steps of the horizon at once. "recursive" forecasts the next step, reads its forecast as if
    it had been seen, and goes on.
past_covariates : sequence of str or int, or None
    Columns of X that are known up to the end of the series only. All others are known in advance, and must be passed
    for the steps to forecast.
quantiles : sequence of float or None
    Levels of quantiles that the network learns, rising numbers between 0 and 1, such as (0.1, 0.5, 0.9); the median is
    added. Quantiles, intervals and paths are then as wide as the network finds them to be where a window ends, and are
    calibrated by held-out errors all the same. With None the width follows from errors and roughness alone.
distribution : {"normal", "student_t", "negative_binomial"} or None
    Distribution whose parameters the network learns, in place of `quantiles`. "student_t" has heavy tails.
    "negative_binomial" is for counts, 0, 1, 2, ...; the network then forecasts them without the simpler models.
loss : {"squared_error", "absolute_error", "huber"}
    Loss function of the network; "squared_error" forecasts means, "absolute_error" medians. Penalty and shares of the
    models are chosen by mean squared errors with "squared_error", else by mean absolute ones. With `quantiles` or
    `distribution`, which have losses of their own, only the default is accepted.
batch_size : int or "auto"
    Number of windows in a mini-batch. "auto" takes n_windows / 16, but at least 16 and at most 64.
max_iter : int or "auto"
    Number of epochs. "auto" takes as many as make 4000 updates, but at least 8 and at most 60.
validation_fraction : float
    Share of each series, at its end, on which the shares of the models are chosen and errors are measured for
    intervals. At least the horizon is held out, and as many steps more as give 30 windows, if three tenths of the
    series are enough for that.
random_state : int, RandomState instance or None
    Determines the initial weights, the mini-batches and which windows are used. Pass an int for reproducible
    results.""")

ATTRIBUTES = table("""\
network_ : RNNRegressor
    Network that corrects the repeated values.
shares_ : tuple of float
    How much of the corrections of the linear model and of the network a forecast takes, each from 0 to 1.
lag_ : int
    The last `lag_` values, repeated, are the simplest forecast.
window_ : int
    Number of steps of the past that a forecast reads.
segment_ : int
    Number of steps that the network reads at once.
covariates_ : list
    Columns of X.
n_series_ : int
    Number of series of `fit`.
n_held_out_ : int
    Number of steps that were held out at the end of each series.
errors_ : Errors
    Errors of held-out forecasts, from which intervals are made.""")

ARGUMENTS = table("""\
y : Series, frame, array-like of shape (n_steps,), list of arrays, or SequenceArray
    One series, or many: the columns of a frame, or the items of a list. Steps are even; NaN is a missing value.
X : frame, array-like of shape (n_steps, n_covariates), or list of them
    Covariates. For `fit` a row for each step. For forecasts rows for the steps of the horizon, after those of `y` if it
    is passed; rows of frames are found by their index. One table serves all series, a list has one for each.
coverage : float
    Share of the values that should lie within the interval, between 0 and 1.
quantiles : sequence of float
    Probabilities between 0 and 1.
n_paths : int
    Number of paths for each series.
random_state : int, RandomState instance or None
    Which errors are drawn.
n_windows : int
    Number of cut-offs. Behind each, `horizon` steps are forecast; the last one ends with the series.
step : int
    Number of steps between cut-offs; None means `horizon`.""")


REFERENCES = """\
.. [5] G. Lai, W.-C. Chang, Y. Yang, H. Liu, "Modeling long- and short-term temporal patterns with deep neural
   networks", SIGIR 2018. :arxiv:`1703.07015`
.. [6] J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani, L. Wasserman, "Distribution-free predictive inference for
   regression", JASA 113, 2018. :arxiv:`1604.04173`
.. [7] Y. Romano, E. Patterson, E. Candès, "Conformalized quantile regression", NeurIPS 2019. :arxiv:`1905.03222`
.. [8] V. Chernozhukov, K. Wüthrich, Y. Zhu, "Distributional conformal prediction", PNAS 118, 2021.
   :arxiv:`1909.07889`
.. [9] D. Salinas, V. Flunkert, J. Gasthaus, T. Januschowski, "DeepAR: Probabilistic forecasting with autoregressive
   recurrent networks", International Journal of Forecasting 36(3), 2020. :arxiv:`1704.04110`"""


@saved_by_state
@documented(SHARED | PARAMETERS, ATTRIBUTES, references=f"{SHARED_REFERENCES}\n{REFERENCES}", arguments=ARGUMENTS)
class RNNForecaster(PlainEstimator):
    """Forecasts of one or many series, by a recurrent network beside simple models.

    The simplest forecast repeats the last value, or the last season. A linear autoregression and a recurrent network
    learn what it misses [5]_, one model for all series, each divided by its mean absolute value. How much of both a
    forecast takes is decided on the held-out end of the series. The errors there also give intervals, so that these
    are calibrated for each step of the horizon [6]_. Where the network learns quantiles or the parameters of a
    distribution, what is calibrated is where held-out values stand in what was forecast for them [7]_, [8]_, [9]_.

    See Also
    --------
    RNNRegressor : The network alone, for windows of your own.
    skrnn.preprocessing.make_windows : Windows of series and their targets.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skrnn import RNNForecaster
    >>> hours = pd.date_range("2026-01-05", periods=24 * 28, freq="h")
    >>> rng = np.random.default_rng(0)
    >>> load = pd.Series(10 + np.sin(2 * np.pi * hours.hour / 24) + rng.normal(scale=0.1, size=len(hours)), hours)
    >>> forecaster = RNNForecaster(horizon=24, season=24, max_iter=5, random_state=0).fit(load)
    >>> forecast = forecaster.predict()
    >>> forecast.index[0], len(forecast)
    (Timestamp('2026-02-02 00:00:00'), 24)
    >>> lower, upper = forecaster.predict_interval(coverage=0.9)
    >>> bool((lower < forecast).all() and (forecast < upper).all())
    True
    """

    _parameter_constraints = {
        "horizon": [Interval(Integral, 1, None, closed="left")],
        "window": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "season": [Interval(Integral, 2, None, closed="left"), "array-like", None],
        "strategy": [StrOptions({"direct", "recursive"})],
        "past_covariates": ["array-like", None],
        "loss": [StrOptions({"squared_error", "absolute_error", "huber"})],
        "batch_size": RNNRegressor._parameter_constraints["batch_size"],
        "max_iter": RNNRegressor._parameter_constraints["max_iter"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "quantiles": ["array-like", None],
        "distribution": [StrOptions(set(DISTRIBUTIONS)), None],
        "random_state": ["random_state"],
        **{name: RNNRegressor._parameter_constraints[name] for name in OF_NETWORK if name != "loss"},
    }

    def __init__(
        self,
        horizon,
        *,
        window="auto",
        season=None,
        strategy="direct",
        past_covariates=None,
        quantiles=None,
        distribution=None,
        hidden_layer_sizes=(64,),
        cell="gru",
        loss="absolute_error",
        layer_norm=False,
        residual=False,
        dropout=0.0,
        input_dropout=0.0,
        recurrent_dropout=0.0,
        zoneout=0.0,
        input_init="glorot_uniform",
        recurrent_init="orthogonal",
        bias_init="cell",
        solver="adam",
        alpha=3e-3,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=1e-2,
        max_iter="auto",
        clip_norm=1.0,
        shuffle=True,
        tol=None,
        n_iter_no_change=10,
        validation_fraction=0.1,
        max_memory=1.0,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    def fit(self, y, X=None):
        """Fit the models to series.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a series is too short, has no value or an index with gaps, or X does not cover it. The message names the
            series.
        """
        self._validate_params()
        panel = with_values(read_panel(y))
        values, columns = read_covariates(X, self._named(), panel)
        fitted = self._fit(panel, values, columns)
        self.network_, self.shares_, self.errors_ = fitted.model.network, fitted.model.shares, fitted.errors
        self.lag_, self.window_, self.segment_ = fitted.design.lag, fitted.design.window, fitted.design.segment
        self.covariates_, self.n_series_, self.n_held_out_ = columns, len(panel), self._n_held_out(panel)
        self._fitted, self._panel, self._values = fitted, panel, values
        return self

    def _fit(self, panel, values, columns):
        """The `Fitted` of these series; the estimator stays as it is."""
        is_known = np.array([name not in self._named() for name in columns], dtype=bool)
        one_step, n_held = self.strategy == "recursive", self._n_held_out(panel)
        loss = loss_of(self.loss, self.quantiles, self.distribution)
        if counts := isinstance(loss, NegativeBinomial):
            check_counts(panel)
        squared, rng = self.loss == "squared_error", check_random_state(self.random_state)
        wanted = Wanted(self.horizon, one_step, self.window, self._season(), n_held, squared, counts)
        with one_blas_thread:
            return fit_to(panel, values, is_known, wanted, partial(self._network, loss, rng), rng)

    def update(self, y, X=None):
        """Take note of new values, which follow those of `fit`, without training.

        Returns
        -------
        self : object
            The estimator, whose forecasts begin after the new values.
        """
        check_is_fitted(self)
        later = self._later(y)
        values, _ = read_covariates(X, self._past(), later, seen=self.covariates_)
        panel = self._panel.followed_by(later)
        self._values = [np.concatenate(pair) for pair in zip(self._values, values, strict=True)]
        self._panel = panel
        return self

    def stream(self, *, memory=10_000):
        """Give what forecasts behind each new value of the series of `fit`, as the values come in.

        Parameters
        ----------
        memory : int, default=10000
            Number of values to keep of each series, from which its forecasts are made.

        Returns
        -------
        ForecastStream
            Its `step` takes a value of each series. The forecaster stays as it is.

        Raises
        ------
        ValueError
            If the forecaster reads covariates, or `memory` is less than what a forecast reads.
        """
        check_is_fitted(self)
        return stream_of(self._fitted, self._panel, self.covariates_, memory)

    def predict(self, X=None, *, y=None):
        """Forecast the steps after the end of the series of `fit`, or of others.

        The forecast is the median for `quantiles`, the mean of a normal and the location of a Student t distribution,
        moved by the share of the linear model; for counts it is the mean. Else it is what `loss` says.

        Returns
        -------
        forecast : Series, frame, or ndarray of shape (horizon,) or (n_series, horizon)
            In the form of y, with its index carried on.

        Raises
        ------
        ValueError
            If X does not cover the steps to forecast, or a series is too short, or was not seen in `fit`.
        """
        panel, values = self._read(X, y)
        with one_blas_thread:
            return panel.given_back(self._fitted.forecast(panel, values))

    def predict_interval(self, X=None, *, y=None, coverage=0.9):
        """Forecast intervals, calibrated on the held-out errors of each step of the horizon.

        Bounds of counts are counts, and belong to the interval; those of other numbers are hardly ever met.

        Returns
        -------
        lower, upper
            Each in the form of `predict`.
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, both excluded, got {coverage!r}.")
        found = self._quantiles(X, y, [(1 - coverage) / 2, (1 + coverage) / 2])
        return tuple(found.values())

    def predict_quantiles(self, X=None, *, y=None, quantiles=(0.1, 0.5, 0.9)):
        """Forecast quantiles, which never cross.

        Levels that the network has not learned lie between those that it has, evenly by the quantiles of a normal
        distribution; beyond the last, as from the median to there.

        Returns
        -------
        dict of float to forecast
            For each quantile a forecast in the form of `predict`.
        """
        levels = [float(level) for level in quantiles]
        if not levels or not all(0 < level < 1 for level in levels):
            raise ValueError(f"quantiles must be between 0 and 1, both excluded, got {quantiles!r}.")
        return self._quantiles(X, y, levels)

    def sample_paths(self, X=None, *, y=None, n_paths=100, random_state=None):
        """Draw paths, values of the steps to come that belong together.

        A path stands at each step where the values of one held-out window stood, in units of its errors or in the
        distribution that was forecast for it. With ``strategy="recursive"`` and `quantiles` or `distribution`, each
        step is drawn from its distribution, and read as if it had been seen. Paths of counts are counts.

        Returns
        -------
        paths : ndarray of shape (n_paths, horizon) or (n_series, n_paths, horizon)
            Without the axis of series if y is a single one.
        """
        check_count(n_paths, "n_paths")
        panel, values = self._read(X, y)
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        with one_blas_thread:
            paths = self._fitted.paths(panel, values, seed, n_paths)
        return paths[0] if panel.form in ("series", "array") else paths

    def score(self, y, X=None):
        """Return the skill of forecasts of values that follow those of `fit`.

        Returns
        -------
        float
            1 minus the mean absolute error, divided by that of repeating the last value; each series counts the same.
            A forecast is made every `horizon` steps. At most 1; 0 for the last value.
        """
        check_is_fitted(self)
        later = with_values(self._later(y))
        values, _ = read_covariates(X, self._past(), later, seen=self.covariates_)
        with one_blas_thread:
            return skill(self._fitted, self._panel, self._values, later, values)

    def backtest(self, y, X=None, *, n_windows, step=None):
        """Fit and forecast at several cut-offs, with simple forecasts beside.

        At each cut-off a clone is fitted to what came before, in a ``joblib.parallel_config`` context side by side. X
        may hold values of columns known in advance for the steps behind.

        Returns
        -------
        frame : DataFrame
            A row for each series, cut-off and step: series, cutoff and time (of the index, or numbers of steps), step
            (1 to horizon), truth, forecast, last_value, same_season (NaN without a season) and ridge, a linear
            autoregression of 24 lags for each series.
        """
        self._validate_params()
        step = self.horizon if step is None else step
        check_count(n_windows, "n_windows")
        check_count(step, "step")
        panel = with_values(read_panel(y))
        values, columns = read_covariates(X, self._named(), panel)
        left_out = [self.horizon + k * step for k in reversed(range(n_windows))]
        return backtest(lambda *past: clone(self)._fit(*past, columns), panel, values, self.horizon, left_out)

    def __getstate__(self):
        return pickled_state(to_plain(super().__getstate__()))

    def __setstate__(self, state):
        super().__setstate__(from_plain(unpickled_attributes(state, type(self))))

    # ------------------------------------------------------------------------------------------------------ how
    def _named(self):
        return [] if self.past_covariates is None else list(self.past_covariates)

    def _past(self):
        """Columns of the X of fit that are known up to the end of the series only."""
        return [name for name, known in zip(self.covariates_, self._fitted.design.is_known, strict=True) if not known]

    def _season(self):
        if self.season is None:
            return None
        seasons = np.atleast_1d(np.asarray(self.season))
        if seasons.dtype.kind not in "iu" or seasons.ndim != 1 or not len(seasons) or (seasons < 2).any():
            raise ValueError(f"season must be a number of steps, 2 or more, or several of them, got {self.season!r}.")
        return [int(season) for season in seasons]

    def _n_held_out(self, panel):
        """Steps at the end of each series that models do not learn from."""
        shortest = int(panel.lengths.min())
        more = -(-FEWEST_HELD // len(panel)) - 1
        wanted = max(round(self.validation_fraction * shortest), self.horizon + more)
        return max(min(wanted, max(int(SHARE_HELD * shortest), self.horizon)), 1)

    def _network(self, loss, rng, n_windows):
        batch_size, max_iter = batch_size_of(self, n_windows), self.max_iter
        if max_iter == "auto":
            max_iter = min(max(UPDATES * batch_size // max(n_windows, 1), FEWEST_EPOCHS), MOST_EPOCHS)
        parameters = {name: getattr(self, name) for name in OF_NETWORK} | {"loss": loss}
        return RNNRegressor(
            **parameters,
            targets="sequence",
            batch_size=batch_size,
            max_iter=max_iter,
            early_stopping=False,
            differences=False,  # they were not tried on windows of forecasts
            random_state=rng.randint(np.iinfo(np.int32).max),
        )

    def _read(self, X, y):
        """The series to forecast, and their covariates."""
        check_is_fitted(self)
        past, horizon = self._past(), self._fitted.horizon
        if y is None:
            panel = self._panel
            future = replace(panel, values=[np.full(horizon, np.nan)] * len(panel), indexes=panel.future(horizon))
            later, _ = read_covariates(X, past, future, seen=self.covariates_, beyond=True)
            values = [np.concatenate(pair) for pair in zip(self._values, later, strict=True)]
        else:
            panel = self._others(y)
            values, _ = read_covariates(X, past, panel, ahead=horizon, seen=self.covariates_)
        return panel, values

    def _later(self, y):
        """Values that follow those of `fit`."""
        later = self._panel_of(y)
        if later.form == self._panel.form == "series":  # one series has the name that it likes
            later = replace(later, names=self._panel.names)
        return later

    def _panel_of(self, y):
        panel = read_panel(y)
        if self._fitted.model.is_of_counts:
            check_counts(panel)
        return panel

    def _others(self, y):
        panel = with_values(self._panel_of(y))
        if panel.form == self._panel.form == "frame":
            for name in panel.names:
                if name not in self._panel.names:
                    raise ValueError(
                        f"series {name!r} was not seen in fit, which saw {self._panel.names}. To forecast other series "
                        "with the same model, pass them in a list."
                    )
        n_read = self._fitted.design.n_read
        for i, n in enumerate(panel.lengths):
            if n < n_read:
                raise ValueError(
                    f"{panel.label(i)} has {n} steps: forecasts read the last {n_read} (see window_ and lag_)."
                )
        return panel

    def _quantiles(self, X, y, levels):
        panel, values = self._read(X, y)
        with one_blas_thread:
            rows = self._fitted.quantiles(panel, values, levels)
        return {level: panel.given_back(rows[:, k]) for k, level in enumerate(levels)}
