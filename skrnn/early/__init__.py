"""Decisions on sequences that have not ended."""

from ._classifier import EarlyClassifier
from ._stream import EarlyStream

__all__ = ["EarlyClassifier", "EarlyStream"]
