"""Conversion of recurrent layers from and to PyTorch, Keras, ONNX and fitted estimators.

All conversions use `RecurrentLayers`. The other packages are only imported when a function needs them.
"""

from ._estimators import from_estimator, to_estimator
from ._keras import from_keras, to_keras
from ._layers import RecurrentLayers
from ._onnx import from_onnx, to_onnx
from ._torch import from_torch, to_torch

__all__ = [
    "RecurrentLayers",
    "from_estimator",
    "from_keras",
    "from_onnx",
    "from_torch",
    "to_estimator",
    "to_keras",
    "to_onnx",
    "to_torch",
]
