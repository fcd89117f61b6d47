"""Estimators in files and pickles. A file names nothing that could be imported."""

from ._estimators import TRUSTED_TYPES, load, save

__all__ = ["TRUSTED_TYPES", "load", "save"]
