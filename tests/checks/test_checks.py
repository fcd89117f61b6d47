"""`check_cell` passes what is right and says what is wrong; a cell of one's own can be used by name."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
from networks import CELLS
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrnn import RNNClassifier, RNNRegressor, cells
from skrnn.cells import BOTH, GRU, INPUT, MGU, STATE, BaseCell, IndRNN, get_cell, kernel, register_cell
from skrnn.checks import check_cell
from skrnn.checks._networks import Problem, check_determinism, check_gradient, check_padding
from skrnn.kernels.activations import sigmoid, tanh
from skrnn.kernels.lanes import zeros_like

IS_COMPILED = hasattr(sigmoid, "py_func")
needs_compiler = pytest.mark.skipif(not IS_COMPILED, reason="is about compiled functions")


# ---------------------------------------------------------------------------------------------- a cell that is right
@kernel
def forward(a, s, h, p):
    z, g = sigmoid(a[0]), tanh(a[1])
    return (z, g), s, z * h + (1 - z) * g


@kernel
def backward(saved, s_before, h_before, p, ds, dh):
    z, g = saved
    return (dh * (h_before - g) * z * (1 - z), dh * (1 - z) * (1 - g * g)), ds, dh * z, p


class Leaky(BaseCell):
    gates = ("z", "g")
    columns = (("z", BOTH), ("g", BOTH))
    carries_state = True
    remembers = {"z": 1}
    forward, backward = staticmethod(forward), staticmethod(backward)

    def __init__(self, gate_bias=1.0):
        self.gate_bias = gate_bias

    @property
    def initial_bias(self):
        return {"z": self.gate_bias}


@pytest.mark.parametrize("name", CELLS)
def test_the_cells_of_the_package_pass(name):
    assert check_cell(CELLS[name]) is None


def test_the_cell_of_the_documentation_is_short():
    """Its page promises under thirty lines of code, and runs `check_cell` on it."""
    path = Path(__file__).resolve().parents[2] / "docs" / "ugrnn.py"
    (cell,) = (node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))
    docstring = cell.body[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    code = lines[: docstring.lineno - 1] + lines[docstring.end_lineno :]
    assert len([line for line in code if line.strip()]) < 30


@pytest.mark.parametrize("cell", [Leaky, Leaky(gate_bias=2.0)])
def test_a_cell_of_ones_own_passes(cell):
    assert check_cell(cell) is None


# --------------------------------------------------------------------------------------------------- wrong functions
@kernel
def swapped_gates(saved, s_before, h_before, p, ds, dh):
    z, g = saved
    return (dh * (1 - z) * (1 - g * g), dh * (h_before - g) * z * (1 - z)), ds, dh * z, p


@kernel
def no_direct_term(saved, s_before, h_before, p, ds, dh):
    z, g = saved
    return (dh * (h_before - g) * z * (1 - z), dh * (1 - z) * (1 - g * g)), ds, zeros_like(dh), p


@kernel
def no_dp(saved, s_before, h_before, p, ds, dh):
    z, g = saved
    return (dh * (h_before - g) * z * (1 - z), dh * (1 - z) * (1 - g * g)), ds, dh * z


@kernel
def one_gradient(saved, s_before, h_before, p, ds, dh):
    return (dh,), ds, dh, p


@kernel
def number_for_zero(saved, s_before, h_before, p, ds, dh):
    return (dh, dh), ds, 0.0, p


@kernel
def two_things(a, s, h, p):
    return (sigmoid(a[0]), tanh(a[1])), h


@kernel
def saved_too_much(a, s, h, p):
    z, g = sigmoid(a[0]), tanh(a[1])
    return (z, g, h), s, z * h + (1 - z) * g


@kernel
def saved_no_tuple(a, s, h, p):
    return a[0], s, h


@kernel
def old_arguments(a, s, h):
    return a, s, h


@kernel
def branch(a, s, h, p):
    if h > 0:
        return a, s, h
    return a, s, -h


@kernel
def random(a, s, h, p):
    return a, s, h + np.random.random()


@kernel
def mean_of_units(a, s, h, p):
    return a, s, h - h.mean()


@kernel
def numpy_function(a, s, h, p):
    z, g = sigmoid(a[0]), np.tanh(a[1])
    return (z, g), s, z * h + (1 - z) * g


@kernel
def lost_in_single_precision(a, s, h, p):
    z, g = sigmoid(a[0] * 1e-30 * 1e-30 * 1e30 * 1e30), tanh(a[1])
    return (z, g), s, z * h + (1 - z) * g


@kernel
def overflow(a, s, h, p):
    z, g, q = sigmoid(a[0]), tanh(a[1]), abs(1e35 * a[1])
    return (z, g), s, z * h + (1 - z) * g + (q - q)


class Swapped(Leaky):
    backward = staticmethod(swapped_gates)


class NoDirectTerm(Leaky):
    backward = staticmethod(no_direct_term)


class NoDp(Leaky):
    backward = staticmethod(no_dp)


class OneGradient(Leaky):
    backward = staticmethod(one_gradient)


class NumberForZero(Leaky):
    backward = staticmethod(number_for_zero)


class TwoThings(Leaky):
    forward = staticmethod(two_things)


class SavedTooMuch(Leaky):
    forward = staticmethod(saved_too_much)


class SavedNoTuple(Leaky):
    forward = staticmethod(saved_no_tuple)


class OldArguments(Leaky):
    forward = staticmethod(old_arguments)


class Branch(Leaky):
    forward = staticmethod(branch)


class Random(Leaky):
    forward = staticmethod(random)


class MeanOfUnits(Leaky):
    forward = staticmethod(mean_of_units)


class NoForward(Leaky):
    forward = None


class NotStatic(Leaky):
    forward = forward


@kernel
def vector_forgotten(saved, s_before, h_before, p, ds, dh):
    (h,) = saved
    da = dh * (1 - h * h)
    return (da,), ds, da * p[0], (zeros_like(dh),)


@kernel
def vector_left_out(saved, s_before, h_before, p, ds, dh):
    (h,) = saved
    da = dh * (1 - h * h)
    return (da,), ds, da * p[0], ()


class VectorForgotten(IndRNN):
    backward = staticmethod(vector_forgotten)


class VectorLeftOut(IndRNN):
    backward = staticmethod(vector_left_out)


@kernel
def changes_the_shared_gate(a, s, h, p):
    f, g = a[0], tanh(a[1])
    return (1 - f, g), s, (1 - f) * h + f * g


@kernel
def shared_gate_forgotten(saved, h_before, shared, du):
    (f,) = saved
    return (du * h_before * f * (1 - f),), du * f


class ChangesTheSharedGate(MGU):
    forward = staticmethod(changes_the_shared_gate)


class SharedGateForgotten(MGU):
    inner_backward = staticmethod(shared_gate_forgotten)


@pytest.mark.small
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            Swapped(),
            r"backward differs .*: da\[0\] \(of gate 'z', fed by state, bias and input\) is off by .*; da\[1\]",
        ),
        (NoDirectTerm(), r"slopes of forward: dh_before \(.*\) is off by"),
        (NoDp(), "backward.* returns 3 things, but must return 4: da, ds_before, dh_before, dp"),
        (OneGradient(), r"backward.*`da` \(of .*\) must be a tuple of 2, but is one of 1"),
        (NumberForZero(), r"backward.*`dh_before` must hold a value for each unit, not 0.0; for 0 use zeros_like"),
        (TwoThings(), "forward.* returns 2 things, but must return 3: saved, s, h"),
        (SavedTooMuch(), r"forward.*`saved` \(of .*\) must be a tuple of 2, but is one of 3"),
        (SavedNoTuple(), r"forward.*`saved` \(of .*\) must be a tuple of 2, but is one of ndarray, no tuple"),
        (OldArguments(), r"forward\(a, s, h, p\) fails on NumPy arrays: .*takes 3 positional arguments but 4"),
        (Branch(), "forward.* fails on NumPy arrays: .*truth value"),
        (Random(), "forward.* returns other values when it is called again"),
        (MeanOfUnits(), "forward.* mixes units"),
        (NoForward(), "has no `forward`"),
        (NotStatic(), r"write `forward = staticmethod\(forward\)` in the class"),
        (VectorForgotten("tanh"), r"dp\[0\] \(of 'w_h'\) is off by"),
        (VectorLeftOut("tanh"), r"`dp` \(of .*\) must be a tuple of 1, but is one of 0"),
        (ChangesTheSharedGate(), "must save the 1 inner gates that it receives first, unchanged"),
        (SharedGateForgotten(), r"inner_backward differs from the slopes of inner_forward: da\[0\] \(of gate 'f'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseCell) else "",
)
def test_wrong_functions(cell, message):
    with pytest.raises(AssertionError, match=f"^{type(cell).__name__}: .*{message}"):
        check_cell(cell)


class LostInSinglePrecision(Leaky):
    forward = staticmethod(lost_in_single_precision)


class Overflow(Leaky):
    forward = staticmethod(overflow)


class NotCompiled(Leaky):
    forward = staticmethod(getattr(forward, "py_func", forward))


class NumpyFunction(Leaky):
    forward = staticmethod(numpy_function)


@needs_compiler
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (NotCompiled(), "`forward` is not compiled: write @kernel"),
        (NumpyFunction(), "forward cannot be compiled"),
        (LostInSinglePrecision(), "float32 differs from float64 by"),
        (Overflow(), "inputs of size 10000 result in NaN"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseCell) else "",
)
def test_what_only_compiled_code_shows(cell, message):
    with pytest.raises(AssertionError, match=message):
        check_cell(cell)


def test_the_gradient_of_networks_names_the_weights():
    with pytest.raises(AssertionError, match=r"layers\.0\.forward\.W_x is off by .*layers\.1\.forward\.W_h is off by"):
        check_gradient(Swapped())


def test_predictions_that_depend_on_neighbours(monkeypatch):
    monkeypatch.setattr(Problem, "predict", lambda self, indices=None: np.zeros(6) if indices is None else np.ones(1))
    with pytest.raises(AssertionError, match="the prediction of a sequence of 3 steps differs alone"):
        check_padding(Leaky())


@pytest.mark.parametrize(("results", "message"), [([0, 1, 0], "in a second run"), ([0, 0, 1], "with two threads")])
def test_predictions_that_are_not_repeated(monkeypatch, results, message):
    given = iter(results)
    monkeypatch.setattr(Problem, "predict", lambda self, indices=None, n_threads=1: next(given))
    monkeypatch.setattr(Problem, "value_and_gradient", lambda self, n_threads=1: (0.0, np.zeros(1)))
    with pytest.raises(AssertionError, match=message):
        check_determinism(Leaky())


# ----------------------------------------------------------------------------------------------------- wrong classes
class KeepsSomething(Leaky):
    def __init__(self, gate_bias=1.0):
        super().__init__(gate_bias)
        self.n_calls = 0


class ChangesItsParameter(Leaky):
    def __init__(self, gate_bias=1.0):
        self.gate_bias = np.array([gate_bias])


class NeedsParameter(Leaky):
    def __init__(self, gate_bias):
        self.gate_bias = gate_bias


class VectorFromNowhere(IndRNN):
    def initial_vectors(self, rng, name, shape, n_steps, is_last):
        return np.random.normal(size=shape)


class BoundOfNothing(IndRNN):
    def bounds(self, n_steps):
        return {"w": 1.0}


numbers = itertools.count()


def with_attributes(base, **attributes):
    """A class like `base` but for these attributes, which pickle finds."""
    name = f"{base.__name__}_{next(numbers)}"
    globals()[name] = type(name, (base,), {"__module__": __name__, **attributes})
    return globals()[name]


@pytest.mark.small
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (3, "A cell is a subclass of BaseCell or an instance of one, not 3"),
        (NeedsParameter, "NeedsParameter: cannot be made without parameters: .*gate_bias"),
        (ChangesItsParameter(), "not stored unchanged by the constructor"),
        (GRU("sideways"), "parameters are invalid.*'reset' parameter of GRU must be"),
        (KeepsSomething(), r"holds its parameters only, but it has \['n_calls'\]"),
        (type("Nowhere", (Leaky,), {"__module__": __name__}), "cannot be pickled"),
        (with_attributes(Leaky, gates=["z", "g"]), "`gates` must be a tuple"),
        (with_attributes(Leaky, gates=("z", "z")), "occurs twice in `gates`"),
        (with_attributes(Leaky, gates=("z", 1)), "`gates` must be strings"),
        (with_attributes(Leaky, gates=("z", "g", "q")), r"name the same gates, but \['q'\]"),
        (with_attributes(Leaky, states=("h",)), "`states` are those besides h"),
        (with_attributes(Leaky, is_output=True), "is_output outputs the first of `states`"),
        (with_attributes(Leaky, vectors={"W_x": 1}), "cannot be named 'W_x'"),
        (with_attributes(Leaky, vectors={"P": 0}), "numbers per unit, not 0"),
        (with_attributes(Leaky, initial_bias={"q": 1.0}), "`initial_bias` names 'q'"),
        (with_attributes(Leaky, initial_bias={"z": np.inf}), "`initial_bias` of 'z' cannot be inf"),
        (with_attributes(Leaky, remembers={"f": 1}), "`remembers` names 'f'"),
        (with_attributes(Leaky, remembers={"z": 2}), "`remembers` of 'z' must be 1 or -1, not 2"),
        (with_attributes(Leaky, columns=(("z", "wind"), ("g", BOTH))), "fed by 'wind', which is none of"),
        (with_attributes(Leaky, columns=("z", "g")), "the check .* fails: "),
        (with_attributes(Leaky, columns=(("z", BOTH), ("g", BOTH), ("g", STATE))), "asks twice for W_h of 'g'"),
        (with_attributes(Leaky, columns=(("z", STATE), ("g", STATE))), "no column reads the input"),
        (
            with_attributes(GRU, columns=(("g", STATE), ("g", INPUT), ("r", BOTH), ("z", BOTH))),
            r"fed by the state must be neighbours, but are 0 \('g'\), 2 \('r'\), 3 \('z'\)",
        ),
        (
            with_attributes(GRU, columns=(("r", BOTH), ("g", STATE), ("z", BOTH), ("g", INPUT))),
            r"fed by the input must be neighbours, but are 0 \('r'\), 2 \('z'\), 3 \('g'\)",
        ),
        (with_attributes(MGU, inner=("g",)), "gates of `inner` must come first"),
        (with_attributes(MGU, fed_by_inner="f"), "`fed_by_inner` must be the last of `columns`, 'g'"),
        (with_attributes(MGU, n_shared=2), "n_shared is 2, but `inner` names 1"),
        (with_attributes(GRU, fed_by_inner="g", inner=()), "`fed_by_inner` is set, but `inner` names no"),
        (VectorFromNowhere(), "initial_vectors must draw from the `rng`"),
        (BoundOfNothing(), "bounds names 'w', but the weights are W_x, b, w_h"),
        (with_attributes(IndRNN, bounds=lambda self, n_steps: {"w_h": 0.0}), "bound of 'w_h' must be above 0"),
    ],
)
def test_wrong_classes(cell, message):
    with pytest.raises(AssertionError, match=message):
        check_cell(cell)


# ----------------------------------------------------------------------------------------------------------- by name
@pytest.fixture
def registry(monkeypatch):
    """What is registered in a test is forgotten after it."""
    monkeypatch.setattr(cells, "_registered", {})
    before = set(cells.CELL_NAMES.options)
    yield
    cells.CELL_NAMES.options.intersection_update(before)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 1)) for n in rng.integers(3, 8, 60)]
    return X, np.array([x.sum() > 0 for x in X])


SHORT = {"hidden_layer_sizes": 6, "max_iter": 20, "tol": 1.0, "n_iter_no_change": 5, "random_state": 0}


@pytest.mark.usefixtures("registry")
def test_a_registered_cell_is_used_by_name(problem):
    register_cell("leaky", Leaky)
    assert isinstance(get_cell("leaky"), Leaky)
    clf = clone(RNNClassifier(cell="leaky", **SHORT))
    assert clf.get_params()["cell"] == "leaky"
    clf.fit(*problem)
    by_instance = RNNClassifier(cell=Leaky(), **SHORT).fit(*problem)
    np.testing.assert_array_equal(clf.predict_proba(problem[0]), by_instance.predict_proba(problem[0]))
    assert RNNRegressor(cell="leaky", **SHORT).fit(*problem).weights_["layers.0.forward.W_x"].shape == (1, 12)


@pytest.mark.usefixtures("registry")
def test_a_registered_cell_is_searched_over(problem):
    register_cell("leaky", Leaky)
    search = GridSearchCV(RNNClassifier(**SHORT), {"cell": ["leaky", Leaky(3.0), "elman"]}, cv=2).fit(*problem)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    grid = {"cell__gate_bias": [0.0, 2.0]}
    search = GridSearchCV(RNNClassifier(cell=Leaky(), **SHORT), grid, cv=2).fit(*problem)
    assert search.best_estimator_.get_params()["cell__gate_bias"] in grid["cell__gate_bias"]


@pytest.mark.usefixtures("registry")
def test_a_cell_may_be_registered_again_in_a_new_form():
    register_cell("leaky", Leaky)
    register_cell("leaky", Leaky)
    again = type("Leaky", (Leaky,), {"__module__": __name__})
    register_cell("leaky", again)
    assert type(get_cell("leaky")) is again


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("gru", Leaky, "There is a cell with the name 'gru' already"),
        ("taken", Swapped, "There is a cell with the name 'taken' already"),
        ("mine", Leaky(), "must be a subclass of BaseCell, not Leaky"),
        ("mine", int, "must be a subclass of BaseCell, not <class 'int'>"),
        ("mine", NeedsParameter, "All parameters of NeedsParameter need a default"),
        ("", Leaky, "must be a string that is not empty"),
        (3, Leaky, "must be a string that is not empty"),
    ],
)
def test_wrong_registrations(problem, name, cell, message):
    register_cell("taken", Leaky)
    with pytest.raises(ValueError, match=message):
        register_cell(name, cell)
    with pytest.raises(ValueError, match="'cell' parameter of RNNClassifier"):
        RNNClassifier(cell="mine").fit(*problem)
