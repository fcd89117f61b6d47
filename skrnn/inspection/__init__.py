"""Why a network predicts what it predicts: shares of the values, importance of steps, and displays."""

from ._attention_display import AttentionDisplay
from ._attribution import attribute
from ._attribution_display import AttributionDisplay
from ._gates import GateDisplay
from ._importance import step_importance
from ._loss_curve import LossCurveDisplay
from ._reach import GradientReachDisplay
from ._series import ForecastDisplay, StepScoreDisplay

__all__ = [
    "AttentionDisplay",
    "AttributionDisplay",
    "ForecastDisplay",
    "GateDisplay",
    "GradientReachDisplay",
    "LossCurveDisplay",
    "StepScoreDisplay",
    "attribute",
    "step_importance",
]
