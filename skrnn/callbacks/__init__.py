"""Callbacks: what may be done in the course of a fit.

They follow the protocol of ``sklearn.callback`` and are given to an estimator with ``set_callbacks``; those of
scikit-learn, `ProgressBar` and `ScoringMonitor`, work as well.
"""

from ._checkpoint import Checkpoint
from ._early_stopping import EarlyStopping
from ._learning_rate import LearningRateFinder

__all__ = ["Checkpoint", "EarlyStopping", "LearningRateFinder"]
