"""Decisions on sequences that have not ended."""

from ._classifier import EarlyClassifier

__all__ = ["EarlyClassifier"]
