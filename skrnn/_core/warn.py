"""Warnings that point at the code of the user."""

import sys
import warnings

PASSED_OVER = "skrnn", "sklearn", "contextlib"  # the last one runs context managers of the package


def warn_user(message, category=None):
    """Warn from the innermost line that belongs neither to this package nor to scikit-learn."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in PASSED_OVER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
