"""Imports go one way: a module imports from lower levels or its own package; heavy things come in at few places."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import skrnn

PACKAGE = Path(skrnn.__file__).parent
# From the bottom up. A name stands for a module or for a whole package; those of one row do not know each other.
LEVELS = [
    {"_version"},
    {"_jit", "_memory", "_output", "_plain_parameters", "_streams", "_threads", "parameters", "sequences"},
    {"_archive"},
    {"kernels"},
    {"cells", "convolution", "losses", "optimizers", "initializers", "schedules"},
    {"_components"},
    {"inputs", "metrics", "model_selection", "structure"},
    {"data", "layers", "pretext"},
    {"network"},
    {"reservoir", "segments"},
    {"inference"},
    {"objective", "stability"},
    {"training"},
    {"_validation"},
    {"preprocessing"},
    {"estimators", "interchange", "checks"},
    {"_pipelines"},
    {"persistence"},
    {"callbacks"},
    {"__init__"},
]
LEVEL = {unit: number for number, units in enumerate(LEVELS) for unit in units}
# Who may import what from outside, the longest name that fits counts; None means everybody.
OUTSIDE = {
    "numpy": None,
    "scipy": {"_threads", "losses", "optimizers"},
    "threadpoolctl": {"_threads"},
    "numba": {"_jit", "kernels"},
    "llvmlite": {"_jit", "kernels"},
    "pandas": {"sequences"},
    "polars": {"sequences"},
    "pyarrow": {"sequences"},
    "joblib": {"callbacks", "estimators"},
    "keras": {"interchange"},
    "onnx": {"interchange"},
    "torch": {"interchange"},
    "sklearn.base": {"_plain_parameters", "callbacks", "cells", "estimators", "preprocessing"},
    "sklearn.utils._param_validation": {
        *{"cells", "convolution", "losses", "optimizers", "initializers", "schedules", "preprocessing", "estimators"},
        *{"_plain_parameters", "callbacks"},
    },
    "sklearn.exceptions": {"estimators"},
    "matplotlib": {"callbacks"},
    "sklearn": {
        *{
            "_archive",
            "_pipelines",
            "_validation",
            "callbacks",
            "estimators",
            "interchange",
            "metrics",
            "model_selection",
        },
        "preprocessing",
    },
}


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(name):
    """The module or package directly below skrnn that `name` is or belongs to."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path):
    """Yield (line, module) of each import of a file, wherever it stands; relative ones resolved."""
    name = module_name(path)
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package if node.level else None)
            # "from . import x" and "from ..kernels import x" may name a module
            yield from ((node.lineno, _module_of(base, alias.name)) for alias in node.names)


def _module_of(base, name):
    if base.split(".")[0] != "skrnn":
        return base
    path = PACKAGE.parent.joinpath(*base.split("."))
    is_module = (path / f"{name}.py").exists() or (path / name / "__init__.py").exists()
    return f"{base}.{name}" if is_module else base


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_module_has_a_level(path):
    assert unit_of(module_name(path)) in LEVEL, "give the new module a level, in LEVELS above and docs/architecture.rst"


def test_levels_name_only_modules_that_exist():
    assert set(LEVEL) == {unit_of(module_name(path)) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_down(path):
    unit = unit_of(module_name(path))
    for line, imported in imports(path):
        if imported.split(".")[0] == "skrnn":
            other = unit_of(imported)
            below = LEVEL[other] < LEVEL[unit]
            assert below or other == unit, f"{path}:{line}: {unit} imports {other}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_outside_imports_are_where_they_belong(path):
    unit = unit_of(module_name(path))
    for line, imported in imports(path):
        root = imported.split(".")[0]
        if root == "skrnn" or root in sys.stdlib_module_names:
            continue
        parts = imported.split(".")
        names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        known = next((name for name in names if name in OUTSIDE), None)
        assert known, f"{path}:{line}: {imported} is none of the dependencies"
        assert OUTSIDE[known] is None or unit in OUTSIDE[known], f"{path}:{line}: {imported} does not belong in {unit}"


def test_no_import_is_hidden():
    """No import by a call, which the tests above would not see; cells load their files by name, the top its parts."""
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        names = {getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls}
        assert not names & {"__import__", "import_module"} or module_name(path) in ("skrnn.cells", "skrnn"), path


def loaded_after(statement):
    """Top-level modules that a new process has loaded after `statement`."""
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return set(run.stdout.split())


def test_import_of_the_package_is_light():
    loaded = loaded_after("import skrnn, skrnn.cells, skrnn.losses, skrnn.optimizers")
    assert not loaded & {"numba", "llvmlite", "torch"}
    from_sklearn = loaded_after("import sklearn.neural_network")
    outside = {name for name in loaded - from_sklearn if name not in sys.stdlib_module_names}
    assert outside <= {"skrnn"}
