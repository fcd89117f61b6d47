"""Callbacks for fits of the estimators.

They follow the protocol of ``sklearn.callback``. Register them with ``set_callbacks`` of an estimator. The callbacks of
scikit-learn, `ProgressBar` and `ScoringMonitor`, work as well.
"""

from ._checkpoint import Checkpoint
from ._early_stopping import EarlyStopping
from ._learning_rate import LearningRateFinder

__all__ = ["Checkpoint", "EarlyStopping", "LearningRateFinder"]
