"""Fitted estimators as programs for other machines."""

from ._onnx import to_onnx
from ._registration import register_with_skl2onnx
from ._to_c import to_c

register_with_skl2onnx()

__all__ = ["to_c", "to_onnx"]
