"""The public interface is documented, the README's example runs, and files and functions stay of a readable size."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpydoc.docscrape
import pytest
from numpydoc.validate import validate
from public_names import is_public, public_objects
from sklearn.utils._param_validation import StrOptions

import skrnn
from skrnn import (
    CTCClassifier,
    RNNClassifier,
    RNNRegressor,
    Seq2SeqClassifier,
    Seq2SeqRegressor,
    SequenceGenerator,
    SequenceOutlierDetector,
    SequenceTransformer,
)
from skrnn.cells import CELL_NAMES, CELLS, get_cell
from skrnn.estimators._documentation import FITTED

PACKAGE = Path(skrnn.__file__).parent
PROJECT = Path(__file__).resolve().parents[2]
OUT = (CTCClassifier, Seq2SeqClassifier, Seq2SeqRegressor)  # whose y is a sequence for each sequence
ESTIMATORS = (*OUT, RNNClassifier, RNNRegressor, SequenceGenerator, SequenceOutlierDetector, SequenceTransformer)
FILES = sorted(PACKAGE.rglob("*.py"))
FILE_IDS = [str(path.relative_to(PACKAGE)) for path in FILES]
MAX_FILE_LINES, MAX_FUNCTION_LINES = 500, 60
# Attributes that depend on the data or a parameter.
OF_SOME_FITS = {
    *{"feature_names_in_", "channel_names_", "target_names_", "vocabulary_", "reconstruction_mean_"},
    *{"reconstruction_scale_", "solver_state_", "solver_t_", "solver_name_", "learning_rate_init_"},
}
OF_SOME_DENSITIES = {"has_unknown_", "n_components_", "target_mean_", "target_scale_"}


def excluded_checks():
    with open(PROJECT / "pyproject.toml", "rb") as file:
        everything, *excluded = tomllib.load(file)["tool"]["numpydoc_validation"]["checks"]
    assert everything == "all"
    return set(excluded)


@pytest.mark.parametrize("name", public_objects())
def test_docstring_is_valid(name):
    excluded = excluded_checks()
    errors = [f"{code} {text}" for code, text in validate(name)["errors"] if code not in excluded]
    assert not errors, f"{name}: {errors}"


@pytest.mark.parametrize("path", FILES, ids=FILE_IDS)
def test_no_reference_is_taken_for_a_list(path):
    """To Sphinx a paragraph of one line that begins with an initial is item J of a list: let it have two lines."""
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"^ +\.\. \[\d\] [A-Z]\. .*\n(?! {7}(?: {4})?\S)", text, re.MULTILINE)


def documented(described, section):
    """Entries of a section of a docstring, by name."""
    return {entry.name: entry for entry in numpydoc.docscrape.NumpyDocString(inspect.getdoc(described))[section]}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parameters_of_an_estimator_stand_in_the_order_of_the_signature_with_its_defaults(estimator):
    entries, parameters = documented(estimator, "Parameters"), inspect.signature(estimator).parameters
    assert list(entries) == list(parameters)
    for name, parameter in parameters.items():
        default = re.search(r"default=(.*)$", entries[name].type, re.DOTALL)
        assert "'" not in default[1]
        assert ast.literal_eval(default[1]) == parameter.default, f"{name}: {default[1]} is not {parameter.default!r}"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_texts_that_a_parameter_can_be_are_documented(estimator):
    registered = CELL_NAMES.options - set(CELLS)
    for name, entry in documented(estimator, "Parameters").items():
        constraints = estimator._parameter_constraints[name]
        allowed = {text for one in constraints if isinstance(one, StrOptions) for text in one.options} - registered
        if entry.type.startswith("{"):
            named = set(ast.literal_eval(re.match(r"{.*?}", entry.type)[0]))
            assert named == allowed, name
        elif "auto" in allowed:
            assert '"auto"' in entry.type or name == "dropout", name


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_methods_of_an_estimator_describe_the_same_x(estimator):
    described = []
    for name, method in inspect.getmembers(estimator, inspect.isfunction):
        if "X" in inspect.signature(method).parameters and is_public(name, method) and name != "inverse_transform":
            entry = documented(method, "Parameters")["X"]
            described.append((entry.type, *entry.desc))
    assert len(described) > 2
    assert len(set(described)) == 1


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_attributes_of_a_fitted_estimator_are_documented(estimator):
    X, y = [[[0.0], [1.0]], [[1.0], [0.0], [1.0]]] * 5, [[0], [1]] * 5 if estimator in OUT else [0, 1] * 5
    fitted = estimator(4, tol=1.0, n_iter_no_change=1, max_iter=2, random_state=0).fit(X, y)
    names = set(documented(estimator, "Attributes"))
    assert names == estimator._target_attributes.union(FITTED)
    public = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    assert public <= names
    of_some = OF_SOME_FITS | (OF_SOME_DENSITIES if estimator is SequenceGenerator else set())
    assert names - of_some <= public


def test_the_package_works_without_docstrings():
    code = """
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
for estimator in (RNNClassifier, RNNRegressor, SequenceTransformer):
    print(estimator.__doc__, estimator.fit.__doc__, len(estimator._target_attributes) > 1)
RNNClassifier(2, max_iter=1, random_state=0).fit([[[0.0], [1.0]]] * 4, [0, 1] * 2).predict([[[0.0]]])
"""
    command = [sys.executable, "-OO", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)
    assert run.stdout == "None None True\n" * 3


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_shows_its_equations_and_its_paper(name):
    cell = get_cell(name)
    assert ".. math::" in cell.__doc__
    assert ".. [1]" in cell.__doc__
    assert name in (PROJECT / "docs" / "cells.rst").read_text(encoding="utf-8").lower()


def test_the_example_of_the_readme_runs():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    assert len(blocks[0].splitlines()) <= 12
    names = {}
    exec(compile(blocks[0], "README.md", "exec"), names)
    assert names["clf"].score(names["X_test"], names["y_test"]) >= 0.96


@pytest.mark.parametrize("path", FILES, ids=FILE_IDS)
def test_file_can_be_read_in_one_sitting(path):
    text = path.read_text(encoding="utf-8")
    lines, tree = text.splitlines(), ast.parse(text)
    assert len(lines) <= MAX_FILE_LINES, f"{path}: {len(lines)} lines"
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or function.name == "__init__":
            continue
        first = function.body[0]
        docstring = range(first.lineno, first.end_lineno + 1) if ast.get_docstring(function) else ()
        numbers = [n for n in range(function.lineno, function.end_lineno + 1) if n not in docstring]
        code = [n for n in numbers if lines[n - 1].strip() and not lines[n - 1].strip().startswith("#")]
        assert len(code) <= MAX_FUNCTION_LINES, f"{path}: {function.name} has {len(code)} lines of code"
