"""Why a network predicts what it predicts: shares of the values, importance of steps, and displays."""

from ._attention_display import AttentionDisplay
from ._attribution import attribute
from ._attribution_display import AttributionDisplay
from ._early_decision import EarlyDecisionDisplay
from ._forecast_display import ForecastDisplay
from ._gates import GateDisplay
from ._importance import step_importance
from ._loss_curve import LossCurveDisplay
from ._reach import GradientReachDisplay
from ._step_scores import StepScoreDisplay

__all__ = [
    "AttentionDisplay",
    "AttributionDisplay",
    "EarlyDecisionDisplay",
    "ForecastDisplay",
    "GateDisplay",
    "GradientReachDisplay",
    "LossCurveDisplay",
    "StepScoreDisplay",
    "attribute",
    "step_importance",
]
