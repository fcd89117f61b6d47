"""Weights of recurrent layers, out of and into PyTorch, Keras, ONNX and fitted estimators.

What lies between is `RecurrentLayers`. The other packages are imported when a function that needs one is called.
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
