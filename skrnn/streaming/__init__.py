"""Predictions step by step, as the steps of sequences come in."""

from ._stream import Stream

__all__ = ["Stream"]
