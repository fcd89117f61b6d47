"""Metrics for targets of steps, where y contains one array per sequence, and scorers for cross-validation."""

from ._scorers import get_scorer, get_scorer_names
from ._spans import span_f1_score, span_precision_recall_fscore_support
from ._steps import (
    sequence_accuracy_score,
    step_accuracy_score,
    step_f1_score,
    step_mean_squared_error,
    step_r2_score,
)

__all__ = [
    "get_scorer",
    "get_scorer_names",
    "sequence_accuracy_score",
    "span_f1_score",
    "span_precision_recall_fscore_support",
    "step_accuracy_score",
    "step_f1_score",
    "step_mean_squared_error",
    "step_r2_score",
]
