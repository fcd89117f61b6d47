"""Fitted estimators as programs for other machines."""

from ._to_c import to_c

__all__ = ["to_c"]
