"""Transformers that accept or return sequences, and windows of series."""

from ._per_step import PerStep
from ._sliding_window import SlidingWindow
from ._token_encoder import TokenEncoder
from ._windows import Windows, last_windows, make_windows

__all__ = ["PerStep", "SlidingWindow", "TokenEncoder", "Windows", "last_windows", "make_windows"]
