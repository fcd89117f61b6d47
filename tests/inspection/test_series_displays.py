"""Displays of forecasts, of scores of steps and of early decisions: the right numbers, dates, and refusals."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skrnn import RNNForecaster, SequenceArray, SequenceOutlierDetector
from skrnn.inspection import EarlyDecisionDisplay, ForecastDisplay, StepScoreDisplay

plt = pytest.importorskip("matplotlib.pyplot")
HOURS = pd.date_range("2026-03-27", periods=200, freq="h")
WAVES = np.sin(2 * np.pi * np.arange(200) / 24)[:, np.newaxis] + 0.1 * np.random.default_rng(0).normal(size=(200, 2))
SMALL = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}


@pytest.fixture(autouse=True)
def _no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def drawn(display):
    """Draw all of a figure, so that what cannot be drawn raises."""
    display.figure_.canvas.draw()
    return display


def forecaster(y, X=None, **options):
    return RNNForecaster(6, window=12, **SMALL, **options).fit(y, X)


def detector(X, **options):
    return SequenceOutlierDetector(smoothing=3, **SMALL, **options).fit(X)


def test_forecasts_have_the_dates_of_a_series():
    pd = pytest.importorskip("pandas")
    series = pd.Series(np.arange(30.0), index=pd.date_range("2024-03-01", periods=30))
    bounds = series[20:] - 1, series[20:] + 1
    display = drawn(ForecastDisplay.from_predictions(series[:20], series[20:], *bounds, y_true=series[20:]))
    assert_array_equal(display.ax_.lines[0].get_xdata(), series.index[:20].to_numpy())
    with pytest.raises(ValueError, match="pass lower and upper"):
        ForecastDisplay.from_predictions([1], [2], lower=[1])
    with pytest.raises(ValueError, match="y_true has 2 values, but the forecast has 1"):
        ForecastDisplay.from_predictions([1], [2], y_true=[1, 2])
    drawn(ForecastDisplay.from_predictions([1, 2, 3], [4, 5]))


def test_step_scores_mark_what_is_below_the_threshold():
    scores = np.array([-1.0, -8.0, -2.0, -9.0])
    display = drawn(StepScoreDisplay.from_predictions(scores, np.zeros((4, 2)), threshold=-5, y_true=[0, 1, 1, 0]))
    below = next(line for line in display.ax_.lines if line.get_label() == "below it")
    assert_array_equal(below.get_xdata(), [1, 3])
    assert display.series_ax_ is not None
    with pytest.raises(ValueError, match="x has 3 steps, but there are 4 scores"):
        StepScoreDisplay.from_predictions(scores, [1, 2, 3])


@pytest.mark.parametrize("series", [1, "b"])
def test_a_forecast_of_one_of_many_series(series):
    y = pd.DataFrame(WAVES, HOURS, columns=["a", "b"])
    fitted = forecaster(y[:190])
    display = drawn(ForecastDisplay.from_estimator(fitted, series=series, coverage=0.5, y_true=y["b"][190:196]))
    pd.testing.assert_series_equal(display.forecast, fitted.predict()["b"], check_names=False)
    for bound, expected in zip((display.lower, display.upper), fitted.predict_interval(coverage=0.5), strict=True):
        assert_array_equal(bound, expected["b"])
    pd.testing.assert_series_equal(display.y_past, y["b"][160:190], check_names=False)  # 30 steps
    assert display.ax_.get_ylabel() == "b"
    assert "interval of 50 %" in display.ax_.get_legend_handles_labels()[1]
    assert len(ForecastDisplay.from_estimator(fitted, n_past=7).y_past) == 7
    assert len(ForecastDisplay.from_estimator(fitted, n_past=700).y_past) == 190


@pytest.mark.parametrize("index", [HOURS, HOURS.tz_localize("Europe/Berlin", nonexistent="NaT"), None])
def test_forecasts_of_other_series_and_forms(index):
    """Dates of a list of Series are kept; without an index steps are counted from the start of the series."""
    if index is not None and index.hasnans:
        index = pd.date_range("2026-03-27", periods=200, freq="h", tz="Europe/Berlin")
    items = list(WAVES.T) if index is None else [pd.Series(x, index) for x in WAVES.T]
    fitted = forecaster(items)
    display = drawn(ForecastDisplay.from_estimator(fitted, y=[items[1][:100]], n_past=20))
    assert_array_equal(display.forecast, fitted.predict(y=[items[1][:100]])[0])
    expected = np.arange(80, 106) if index is None else index[80:106]
    assert display.y_past.index.append(display.forecast.index).tolist() == list(expected)
    assert drawn(ForecastDisplay.from_estimator(forecaster(WAVES[:, 0]))).y_past.index[-1] == 199


def test_forecasts_with_covariates_and_after_an_update():
    y, X = pd.Series(WAVES[:, 0], HOURS), pd.DataFrame({"x": WAVES[:, 1]}, HOURS)
    fitted = forecaster(y[:150], X[:150]).update(y[150:160], X[150:160])
    display = drawn(ForecastDisplay.from_estimator(fitted, X[160:166]))
    assert_array_equal(display.forecast, fitted.predict(X[160:166]))
    assert display.y_past.index[-1] == HOURS[159]


def test_what_a_display_of_forecasts_refuses():
    y = pd.DataFrame(WAVES, HOURS, columns=["a", "b"])
    fitted = forecaster(y)
    for series in (2, "c", -1, True):
        with pytest.raises(ValueError, match=r"none of the series, .* 0 to 1 and the names \['a', 'b'\]"):
            ForecastDisplay.from_estimator(fitted, series=series)
    with pytest.raises(ValueError, match="n_past must be"):
        ForecastDisplay.from_estimator(fitted, n_past=0)
    with pytest.raises(ValueError, match=r"y_true begins at 2026-03-27 00:00:00, but the forecast at 2026-04-04 08"):
        ForecastDisplay.from_estimator(fitted, y_true=y["a"][:6])
    with pytest.raises(ValueError, match="Only one of y_past and forecast has an index of times"):
        ForecastDisplay.from_predictions([1, 2, 3], y["a"][:6])


def test_a_forecast_of_one_step_is_seen():
    display = drawn(ForecastDisplay.from_predictions([1, 2, 3], [4], [3], [5], [4.5]))
    assert [line.get_marker() for line in display.ax_.lines[1:3]] == ["o", "o"]
    assert_array_equal(display.ax_.collections[0].get_segments()[0], [[3, 3], [3, 5]])


@pytest.mark.parametrize("form", ["list", "array", "SequenceArray", "frames"])
def test_scores_of_one_of_many_sequences(form):
    X = {
        "list": [WAVES[:80], WAVES[80:]],
        "array": np.stack([WAVES[:100], WAVES[100:]]),
        "SequenceArray": SequenceArray.from_list([WAVES[:80], WAVES[80:]]),
        "frames": [pd.DataFrame(x, HOURS[: len(x)], columns=["a", "b"]) for x in (WAVES[:80], WAVES[80:])],
    }[form]
    fitted = detector(X)
    display = drawn(StepScoreDisplay.from_estimator(fitted, X, sequence=1, y_true=np.arange(len(X[1])) > 100))
    assert_array_equal(display.scores, fitted.step_scores(X)[1])
    assert_allclose(np.asarray(display.x), X[1], rtol=1e-6)
    assert display.threshold == fitted.step_offset_
    if form == "frames":
        assert display.ax_.lines[0].get_xdata()[5] == HOURS[5]
        assert display.channel_names == ["a", "b"]
    for sequence in (2, -1, True, "a"):
        with pytest.raises(ValueError, match="none of the sequences, 0 to 1"):
            StepScoreDisplay.from_estimator(fitted, X, sequence=sequence)
    with pytest.raises(ValueError, match="y_true has 3 steps"):
        StepScoreDisplay.from_estimator(fitted, X, y_true=[0, 0, 1])


def test_channels_that_are_not_judged_are_not_drawn():
    X = np.column_stack([WAVES, np.arange(200) % 3, 1e9 + np.arange(200)])
    fitted = detector([X], categorical_features=[2], time_channel=3)
    assert_allclose(StepScoreDisplay.from_estimator(fitted, [X]).x, WAVES, rtol=1e-6)
    with pytest.raises(ValueError, match="RNNForecaster has no step_scores"):
        StepScoreDisplay.from_estimator(RNNForecaster(1), [X])


@pytest.mark.parametrize("n_channels", [5, 60])
def test_many_channels_are_drawn_above_each_other(n_channels):
    x = np.random.default_rng(0).normal(size=(50, n_channels)) * 10.0 ** np.arange(n_channels)
    x[:, 1], x[7, 2] = 3.0, np.nan
    names = [f"sensor {k}" for k in range(n_channels)]
    display = drawn(StepScoreDisplay(np.zeros(50), x, channel_names=names).plot())
    for k, line in enumerate(display.series_ax_.lines):
        heights = line.get_ydata()
        assert k - 0.5 <= np.nanmin(heights) <= np.nanmax(heights) <= k + 0.5
    shown = [text.get_text() for text in display.series_ax_.get_yticklabels()]
    assert (shown == names) == (n_channels == 5)
    two = drawn(StepScoreDisplay(np.zeros(50), x[:, [0, 4]]).plot())
    assert two.series_ax_.get_ylabel() == "channel"  # of very different scales


def after_steps(classes="ab"):
    """Probabilities of two classes of four sequences after three steps; the first is right at once."""
    of_a = np.array([[0.9, 0.6, 0.4, 0.2], [0.9, 0.7, 0.6, 0.6], [0.8, 0.8, 0.3, 0.4]])
    return (np.column_stack([row, 1 - row]) for row in of_a), np.array(list(classes))[[0, 0, 1, 1]]


def test_early_decisions():
    probabilities, y = after_steps()
    display = drawn(EarlyDecisionDisplay.from_predictions(probabilities, [1, 2, 2, 3], y))
    assert_array_equal(display.accuracy, [1, 0.5, 1])
    assert_array_equal(display.is_right, [True, True, False, True])
    lines = {line.get_label().split(",")[0]: line for line in display.accuracy_ax_.lines}
    assert_allclose(lines["share decided"].get_ydata(), [0.25, 0.75, 1])
    assert display.accuracy_ax_.lines[-1].get_xydata().tolist() == [[2, 0.75]]
    assert sum(bar.get_height() for bar in display.ax_.patches) == 4
    right = EarlyDecisionDisplay.from_predictions(after_steps()[0], [1, 2, 2, 3], y, y_pred=["b", "a", "b", "b"])
    assert_array_equal(right.is_right, [False, True, True, True])


def test_early_decisions_of_an_estimator():
    probabilities, y = after_steps()

    class Stages:
        def staged_predict_proba(self, X):
            return probabilities

    class Early:
        estimator_, classes_ = Stages(), np.array(["a", "b"])

        def predict_early(self, X):
            return np.array(["b", "a", "b", "b"]), np.array([1, 2, 2, 3])

    display = drawn(EarlyDecisionDisplay.from_estimator(Early(), [], y))
    assert_array_equal(display.accuracy, [1, 0.5, 1])
    assert_array_equal(display.is_right, [False, True, True, True])
    with pytest.raises(ValueError, match="Stages has no predict_early"):
        EarlyDecisionDisplay.from_estimator(Stages(), [], y)


def test_what_a_display_of_early_decisions_refuses():
    probabilities, y = after_steps()
    refused = {
        "n_steps_read has 4, but there are probabilities after 3 steps": ([1, 2, 2, 4], y, {}),
        "both are \\(n_sequences,\\)": ([1, 2, 2], y, {}),
        "whole numbers of steps, 1 or more": ([0, 1, 2, 3], y, {}),
        r"after step 1 have the shape \(4, 2\): expected \(4, 1\).*Pass classes": ([1, 2, 2, 3], ["a"] * 4, {}),
        r"none of y_true is among the classes \['x', 'y'\]": ([1, 2, 2, 3], y, {"classes": ["x", "y"]}),
        "y_pred has the shape": ([1, 2, 2, 3], y, {"y_pred": ["a"]}),
    }
    for message, (n_steps_read, y_true, options) in refused.items():
        with pytest.raises(ValueError, match=message):
            EarlyDecisionDisplay.from_predictions(after_steps()[0], n_steps_read, y_true, **options)
    one_class = EarlyDecisionDisplay.from_predictions(probabilities, [1, 2, 2, 3], ["a"] * 4, classes=["a", "b"])
    assert_array_equal(one_class.accuracy, [0.5, 1, 0.5])


@pytest.mark.parametrize("n_steps", [1, 60, 61, 1000])
def test_every_early_decision_is_in_a_bar(n_steps):
    n_read = np.arange(1, n_steps + 1)
    display = drawn(EarlyDecisionDisplay(np.ones(n_steps), n_read, n_read % 2 == 0).plot())
    assert sum(bar.get_height() for bar in display.ax_.patches) == n_steps
