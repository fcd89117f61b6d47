"""From series, tables and texts to sequences, and from sequences to sequences, in the manner of scikit-learn."""

from ._per_step import PerStep

__all__ = ["PerStep"]
