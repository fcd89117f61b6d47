"""Forecasts of series: windows of the past, what follows, and how far off it may be."""

from ._forecaster import RNNForecaster
from ._stream import ForecastStream

__all__ = ["ForecastStream", "RNNForecaster"]
