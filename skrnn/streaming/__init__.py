"""Predictions step by step, as the steps of sequences come in."""

from ._pipeline import PipelineStream, stream
from ._stream import Stream

__all__ = ["PipelineStream", "Stream", "stream"]
