"""Warnings that point at the code of the user."""

import sys
import warnings


def warn_user(message, category=None):
    """Warn from the innermost line that belongs neither to this package nor to scikit-learn."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ("skrnn", "sklearn"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
