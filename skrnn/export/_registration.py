"""Converters for skl2onnx, without importing it: they are registered once it is there."""

import sys
from importlib.abc import MetaPathFinder


def register_with_skl2onnx():
    """Register the converters of this package now if skl2onnx is imported, else when it is."""
    if sys.modules.get("skl2onnx"):
        _register()
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def _register():
    from ._skl2onnx import register  # noqa: PLC0415 (imports skl2onnx)

    register()


class _Watch(MetaPathFinder):
    """Finds skl2onnx where the others do, and registers converters after it has been loaded."""

    def find_spec(self, name, path, target=None):
        """The spec of skl2onnx, if it is installed; None for other modules."""
        if name != "skl2onnx":
            return None
        finders = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in finders)), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _and_then(spec.loader.exec_module, _register)
        return spec


def _and_then(load, act):
    def exec_module(module):
        load(module)
        act()

    return exec_module
