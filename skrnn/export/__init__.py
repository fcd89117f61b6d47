"""Fitted estimators as programs for other machines."""

from ._onnx import to_onnx
from ._to_c import to_c

try:
    from ._skl2onnx import register as _register
except ImportError:  # skl2onnx is an extra
    pass
else:
    _register()

__all__ = ["to_c", "to_onnx"]
