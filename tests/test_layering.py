"""Imports go one way: a module imports from lower levels or its own package; heavy things come in at few places."""

import ast
import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import skrnn

PACKAGE = Path(skrnn.__file__).parent
# The one table of rooms: a module or package directly below skrnn, its floor, and what it may import from outside.
with (PACKAGE.parent / "docs" / "layers.csv").open(encoding="utf-8", newline="") as table:
    ROOMS = {row["room"]: row for row in csv.DictReader(table)}
FLOOR = {room: int(row["floor"]) for room, row in ROOMS.items()} | {"__init__": 8}
OUTSIDE = {room: {"numpy", *row["imports from outside"].split()} for room, row in ROOMS.items()} | {"__init__": set()}
MOST_ROOMS, MOST_FLOORS, MOST_ARGUMENTS = 30, 8, 12


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


def test_the_table_names_what_there_is():
    assert {"__init__", *ROOMS} == {unit_of(module_name(path)) for path in FILES}, "see docs/layers.csv"
    assert len(ROOMS) <= MOST_ROOMS
    assert max(FLOOR.values()) <= MOST_FLOORS


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_down(path):
    unit = unit_of(module_name(path))
    for line, imported in imports(path):
        if imported.split(".")[0] == "skrnn":
            other = unit_of(imported)
            below = FLOOR[other] < FLOOR[unit]
            assert below or other == unit, f"{path}:{line}: {unit} imports {other}, which is not below it"


def test_no_files_import_each_other_in_a_circle():
    """Not inside of a room either."""
    graph = {module_name(path): {name for _, name in imports(path)} - {module_name(path)} for path in FILES}
    waiting = {name: {other for other in others if other in graph} for name, others in graph.items()}
    while free := [name for name, others in waiting.items() if not others]:
        waiting = {name: others.difference(free) for name, others in waiting.items() if name not in free}
    assert not waiting, "these import each other, or one that does"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_outside_imports_are_where_they_belong(path):
    unit = unit_of(module_name(path))
    for line, imported in imports(path):
        root = imported.split(".")[0]
        if root == "skrnn" or root in sys.stdlib_module_names:
            continue
        parts = imported.split(".")
        names = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
        assert names & OUTSIDE[unit], f"{path}:{line}: {imported} does not belong in {unit}: see docs/layers.csv"


def test_no_import_is_hidden():
    """No import by a call, which the tests above would not see; cells load their files by name, the top its parts."""
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        names = {getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls}
        assert not names & {"__import__", "import_module"} or module_name(path) in ("skrnn.cells", "skrnn"), path


def widths(tree):
    """Yield (number of arguments, name) of each function; constructors of public classes have one per parameter."""
    for node in ast.walk(tree):
        is_public_class = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef) and not (is_public_class and child.name == "__init__"):
                named = child.args.posonlyargs + child.args.args + child.args.kwonlyargs
                yield len(named) + (child.args.vararg is not None) + (child.args.kwarg is not None), child.name


def test_functions_have_few_arguments():
    found = [(n, name, path) for path in FILES for n, name in widths(ast.parse(path.read_text(encoding="utf-8")))]
    assert len(found) > 500
    assert [each for each in found if each[0] > MOST_ARGUMENTS] == []


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
