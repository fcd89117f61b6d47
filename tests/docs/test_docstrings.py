"""The public interface is documented, the README's example runs, and files and functions stay of a readable size."""

import ast
import inspect
import re
import tomllib
from pathlib import Path

import numpydoc.docscrape
import pytest
from numpydoc.validate import validate
from public_names import public_objects

import skrnn
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.cells import CELLS, get_cell

PACKAGE = Path(skrnn.__file__).parent
PROJECT = Path(__file__).resolve().parents[2]
ESTIMATORS = (RNNClassifier, RNNRegressor, SequenceTransformer)
FILES = sorted(PACKAGE.rglob("*.py"))
FILE_IDS = [str(path.relative_to(PACKAGE)) for path in FILES]
MAX_FILE_LINES, MAX_FUNCTION_LINES = 500, 60
# Attributes that depend on the data or a parameter.
OF_SOME_FITS = {
    *{"feature_names_in_", "channel_names_", "target_names_", "vocabulary_", "reconstruction_mean_"},
    *{"reconstruction_scale_", "solver_state_", "solver_t_", "solver_name_", "learning_rate_init_"},
}


def excluded_checks():
    with open(PROJECT / "pyproject.toml", "rb") as file:
        everything, *excluded = tomllib.load(file)["tool"]["numpydoc_validation"]["checks"]
    assert everything == "all"
    return set(excluded)


@pytest.mark.parametrize("name", public_objects())
def test_docstring_is_valid(name):
    excluded = excluded_checks()
    if name.rpartition(".")[2] in {estimator.__name__ for estimator in ESTIMATORS}:
        excluded |= {"PR03"}  # the order: see the next test
    errors = [f"{code} {text}" for code, text in validate(name)["errors"] if code not in excluded]
    assert not errors, f"{name}: {errors}"


@pytest.mark.parametrize("path", FILES, ids=FILE_IDS)
def test_no_reference_is_taken_for_a_list(path):
    """To Sphinx a paragraph of one line that begins with an initial is item J of a list: let it have two lines."""
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"^ +\.\. \[\d\] [A-Z]\. .*\n(?! {7}(?: {4})?\S)", text, re.MULTILINE)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_of_an_estimator_is_documented(estimator):
    """Parameters that all estimators share come first, in the order of the signature; then the others, in theirs."""
    shared = set.intersection(*(set(inspect.signature(each).parameters) for each in ESTIMATORS))
    names = list(inspect.signature(estimator).parameters)
    documented = numpydoc.docscrape.NumpyDocString(inspect.getdoc(estimator))["Parameters"]
    assert [p.name for p in documented] == sorted(names, key=lambda name: name not in shared)
    for name, parameter in inspect.signature(estimator).parameters.items():
        kind = next(p.type for p in documented if p.name == name)
        default = re.search(r"default=(.*)$", kind, re.DOTALL)
        assert default, f"{name}: no default in {kind!r}"
        assert ast.literal_eval(default[1]) == parameter.default, f"{name}: {default[1]} is not {parameter.default!r}"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_attributes_of_a_fitted_estimator_are_documented(estimator):
    X, y = [[[0.0], [1.0]], [[1.0], [0.0], [1.0]]] * 5, [0, 1] * 5
    fitted = estimator(4, tol=1.0, n_iter_no_change=1, max_iter=2, random_state=0).fit(X, y)
    documented = {p.name for p in numpydoc.docscrape.NumpyDocString(inspect.getdoc(estimator))["Attributes"]}
    public = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    internal = {"multilabel_"}
    assert public - internal <= documented
    assert documented - OF_SOME_FITS <= public


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
