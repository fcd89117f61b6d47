"""Metrics for targets of steps and sequences of labels, one array per sequence, and scorers for cross-validation."""

from ._log_loss import step_log_loss
from ._scorers import get_scorer, get_scorer_names
from ._spans import span_f1_score, span_precision_recall_fscore_support
from ._steps import step_accuracy_score, step_f1_score, step_mean_squared_error, step_r2_score
from ._tokens import edit_distance, sequence_accuracy_score, token_error_rate

__all__ = [
    "edit_distance",
    "get_scorer",
    "get_scorer_names",
    "sequence_accuracy_score",
    "span_f1_score",
    "span_precision_recall_fscore_support",
    "step_accuracy_score",
    "step_f1_score",
    "step_log_loss",
    "step_mean_squared_error",
    "step_r2_score",
    "token_error_rate",
]
