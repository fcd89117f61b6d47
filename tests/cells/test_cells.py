"""Cells in whole networks: against the oracle, central differences and PyTorch; the contract of a cell."""

from itertools import product

import numpy as np
import pytest
import reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    CELLS,
    EVERYTHING,
    as_data,
    assert_derivatives,
    make_network,
    named,
    oracle_options,
    predict,
    problem,
    random_network,
    random_sequences,
    value_and_gradient,
)
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from skrnn.cells import BIAS, BOTH, INPUT, STATE, STATE_WITHOUT_BIAS, BaseCell, get_cell
from skrnn.cells import CELLS as REGISTRY
from skrnn.cells._base import Sizes
from skrnn.convolution import Conv
from skrnn.losses import SquaredError
from skrnn.network.layers.pooling import POOLINGS
from skrnn.network.shards import ThreadExecutor
from skrnn.training.objective import Objective

quick = settings(max_examples=25, deadline=None, database=None)
few = settings(max_examples=6, deadline=None, database=None)
each_cell = pytest.mark.parametrize("cell", CELLS)
draws = st.fixed_dictionaries(
    {
        "D": st.integers(1, 20),
        "hidden": st.lists(st.integers(1, 40), min_size=1, max_size=3),
        "K": st.integers(1, 5),
        "lengths": st.lists(st.integers(1, 6), min_size=1, max_size=10),
        "seed": st.integers(0, 2**32 - 1),
    }
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """For the products of the oracle and of PyTorch, which are too small for more."""
    with threadpool_limits(1):
        yield


def weights_of(sequences):
    return np.random.default_rng(2).uniform(0.1, 2, len(sequences))


def assert_equals_the_oracle(cell, shape, rtol, atol, alpha=0.01, dtype=np.float64, **options):
    """Raw predictions, value, gradient: each element where the oracle has it by hand, else a direction per weight."""
    network, theta, sequences, target = problem(cell, **shape, dtype=dtype, **options)
    weight = weights_of(sequences)
    exact = named(network, theta.astype(np.float64))
    exact_sequences = [x.astype(np.float64) for x in sequences]
    oracle = oracle_options(network.structure)
    raw = predict(network, theta, sequences)
    assert raw.dtype == dtype
    assert_allclose(raw, ref.raw_predictions(exact, exact_sequences, cell, **oracle), rtol, atol)
    value, gradient = value_and_gradient(network, theta, sequences, target, weight=weight, alpha=alpha)
    assert gradient.dtype == dtype
    if ref.CELLS[cell][1] and not options:
        expected = ref.objective(exact, exact_sequences, target, cell, ref.squared_error, weight, alpha)
        assert_allclose(value, expected[0], rtol, atol)
        for name, part in named(network, gradient).items():
            assert_allclose(part, expected[1][name], rtol, atol, err_msg=name)
        return

    def f(weights):
        return ref.objective_value(weights, exact_sequences, target, cell, ref.squared_error, weight, alpha, **oracle)

    assert_allclose(value, f(exact), rtol, atol)
    assert_derivatives(f, network, theta, gradient, np.random.default_rng(1), rtol, atol)


# ---------------------------------------------------------------------------------------------------- the oracle
@each_cell
@given(shape=draws, bidirectional=st.booleans(), pooling=st.sampled_from(list(POOLINGS)))
@few
def test_equals_the_oracle(cell, shape, bidirectional, pooling):
    assert_equals_the_oracle(cell, shape, 1e-10, 1e-12, bidirectional=bidirectional, pooling=pooling)


@each_cell
@given(shape=draws)
@few
def test_stack_equals_the_oracle(cell, shape):
    assert_equals_the_oracle(cell, shape, rtol=1e-10, atol=1e-12)


@each_cell
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_structure(cell, pooling):
    """With each cell and each pooling. Derivatives along one direction of all weights, of some along one of each."""
    shape = {"D": 2, "K": 2, "lengths": [3, 1, 4]}
    conv = Conv(3, width=3, stride=2)
    choices = product((1, 3), (False, True), (None, conv), (False, True), (False, True))
    number, turn = list(CELLS).index(cell), list(POOLINGS).index(pooling)
    for seed, (depth, bidirectional, convolution, layer_norm, residual) in enumerate(choices):
        if (seed + number) % len(POOLINGS) != turn:
            continue  # with another pooling
        if cell.startswith("jordan") and not bidirectional and (layer_norm or residual):
            continue  # refused: see test_structure
        hidden = [3] * depth if residual else [9, 2, 4][:depth]
        options = {"bidirectional": bidirectional, "convolution": convolution, "pooling": pooling}
        options |= {"layer_norm": layer_norm, "residual": residual}
        network, theta, sequences, target = problem(cell, **shape, hidden=hidden, seed=seed, **options)
        oracle = oracle_options(network.structure)

        def f(weights, arguments=(sequences, target, cell, ref.squared_error), oracle=oracle):
            return ref.objective_value(weights, *arguments, **oracle)

        expected = ref.raw_predictions(named(network, theta), sequences, cell, **oracle)
        assert_allclose(predict(network, theta, sequences), expected, 1e-10, 1e-12, err_msg=str(network.structure))
        value, gradient = value_and_gradient(network, theta, sequences, target)
        v = np.random.default_rng(seed).normal(size=theta.size)
        derivative = ref.derivative_along(lambda theta, f=f, network=network: f(named(network, theta)), theta, v)
        assert_allclose(value, f(named(network, theta)), 1e-10)
        assert_allclose(v @ gradient, derivative, 1e-9, 1e-11, err_msg=str(network.structure))
        if seed // 8 == number % 4:
            assert_derivatives(f, network, theta, gradient, np.random.default_rng(seed))


@pytest.mark.small
@pytest.mark.parametrize(
    ("cell", "dtype"),
    [
        *(("lstm", "float64"), ("gru", "float64"), ("elman", "float32"), ("elman_relu", "float64")),
        *(("jordan", "float64"), ("mgu", "float64"), ("indrnn_tanh", "float32")),
    ],
)
@pytest.mark.parametrize(
    "shape",
    [
        {"D": 3, "hidden": [17, 9], "K": 2, "lengths": [3, 1, 5, 5, 2, 1, 4, 2, 3], "seed": 0},
        {"D": 1, "hidden": [1], "K": 1, "lengths": [1], "seed": 1},
    ],
    ids=["ragged", "ones"],
)
def test_equals_the_oracle_in_small(cell, dtype, shape):
    rtol, atol = (1e-10, 1e-12) if dtype == "float64" else (1e-5, 2e-5)
    assert_equals_the_oracle(cell, shape, rtol, atol, dtype=np.dtype(dtype).type)


@pytest.mark.small
@pytest.mark.parametrize("cell", ["gru", "mgu"])
def test_everything_equals_the_oracle_in_small(cell):
    shape = {"D": 3, "hidden": [9, 9], "K": 2, "lengths": [3, 1, 5, 8, 2], "seed": 0}
    assert_equals_the_oracle(cell, shape, 1e-10, 1e-12, **EVERYTHING)


@each_cell
@pytest.mark.parametrize("seed", range(6))
def test_single_precision(cell, seed):
    """Fixed draws: rounding may carry a rectifier over its kink, where the gradient jumps."""
    rng = np.random.default_rng(seed)
    shape = {"D": rng.integers(1, 21), "hidden": rng.integers(1, 41, rng.integers(1, 4)).tolist(), "K": 3}
    shape |= {"lengths": rng.integers(1, 7, 9).tolist(), "seed": seed}
    assert_equals_the_oracle(cell, shape, rtol=1e-5, atol=2e-5, dtype=np.float32)


@each_cell
@pytest.mark.parametrize("pooling", POOLINGS)
def test_everything_in_single_precision(cell, pooling):
    shape = {"D": 3, "hidden": [12, 12], "K": 2, "lengths": [7, 1, 4, 9], "seed": 0}
    assert_equals_the_oracle(cell, shape, rtol=1e-5, atol=5e-5, dtype=np.float32, **EVERYTHING | {"pooling": pooling})


@each_cell
@pytest.mark.parametrize("one", ["D", "hidden", "K", "lengths", "all"])
def test_sizes_of_one(cell, one):
    shape = {"D": 5, "hidden": [19, 6], "K": 3, "lengths": [4, 2, 3]}
    ones = {"D": 1, "hidden": [1], "K": 1, "lengths": [1]}
    shape |= ones if one == "all" else {one: ones[one]}
    assert_equals_the_oracle(cell, shape | {"seed": 3}, rtol=1e-10, atol=1e-12)
    around = EVERYTHING | {"residual": False, "convolution": Conv(1, width=1, activation="identity")}
    assert_equals_the_oracle(cell, shape | {"seed": 3}, rtol=1e-10, atol=1e-12, **around)


@each_cell
def test_long_sequences(cell):
    """As many rows as make the products run over several inner blocks."""
    shape = {"D": 2, "hidden": [5], "K": 2, "lengths": [150, 1, 149, 80], "seed": 4}
    assert_equals_the_oracle(cell, shape, rtol=1e-9, atol=1e-9)


# ------------------------------------------------------------------------------------------ central differences
@each_cell
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ({"D": 2, "hidden": [3], "K": 2, "lengths": [4, 1, 6]}, {}),
        ({"D": 1, "hidden": [1], "K": 1, "lengths": [1]}, {}),
        ({"D": 3, "hidden": [4, 2, 3], "K": 1, "lengths": [3, 5, 5, 2]}, {}),
        ({"D": 1, "hidden": [9], "K": 3, "lengths": [2, 3]}, {}),
        ({"D": 2, "hidden": [2, 2], "K": 2, "lengths": [4, 1, 7]}, EVERYTHING),
    ],
    ids=["one layer", "ones", "three layers", "many units", "everything"],
)
def test_gradient_equals_central_differences(cell, shape, options):
    """With the tolerances of PyTorch's gradcheck."""
    network, theta, sequences, target = problem(cell, **shape, seed=5, **options)
    weight = weights_of(sequences)
    with ThreadExecutor(1) as executor:
        objective = Objective(
            network, as_data(sequences, target, weight), SquaredError(), 0.1, executor, len(sequences)
        )
        everyone = np.arange(len(sequences))
        _, gradient = objective.value_and_gradient(theta, everyone)
        numeric = ref.central_difference(lambda theta: objective.value_and_gradient(theta, everyone)[0], theta)
    for name, part in named(network, gradient).items():
        assert_allclose(part, named(network, numeric)[name], rtol=1e-3, atol=1e-5, err_msg=name)


# ------------------------------------------------------------------------------------------------------ PyTorch
@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(n_threads)


def torch_stack(torch, cell, D, H, n_layers, bidirectional):
    kind = {"lstm": "LSTM", "gru": "GRU", "elman": "RNN", "elman_relu": "RNN"}[cell]
    extra = {"nonlinearity": "relu" if cell == "elman_relu" else "tanh"} if kind == "RNN" else {}
    return getattr(torch.nn, kind)(D, H, n_layers, bidirectional=bidirectional, **extra)


def from_torch(cell, H, stack, linear, part):
    """Our arrays by name from PyTorch's, `part` of which is the weight or the gradient.

    The gates of both are in one order. PyTorch has a second bias; of it only the GRU's inside the reset is one of its
    own for us, the others are added to the first. Their gradients are those of the sum.
    """
    is_gradient = part == "grad"

    def get(name, module=stack):
        return getattr(getattr(module, name), part).detach().numpy()

    arrays, directions = {}, (("forward", ""), ("backward", "_reverse"))[: 1 + stack.bidirectional]
    for k, (direction, suffix) in product(range(stack.num_layers), directions):
        prefix, suffix = f"layers.{k}.{direction}.", f"_l{k}{suffix}"
        b, b_h = get("bias_ih" + suffix).copy(), get("bias_hh" + suffix)
        arrays[prefix + "W_x"], arrays[prefix + "W_h"] = get("weight_ih" + suffix).T, get("weight_hh" + suffix).T
        shared = 2 * H if cell == "gru" else len(b)
        if not is_gradient:
            b[:shared] += b_h[:shared]
        arrays[prefix + "b"] = b
        if cell == "gru":
            arrays[prefix + "b_h"] = b_h[shared:]
    return arrays | {"readout.W": get("weight", linear).T, "readout.b": get("bias", linear)}


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman", "elman_relu"])
@pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (3, False), (2, True)])
@pytest.mark.parametrize(("D", "H"), [(1, 5), (5, 16), (7, 33), (1, 1)])
@pytest.mark.parametrize("lengths", [[5, 3, 1, 8, 8, 2], [1]], ids=["ragged", "one step"])
def test_equals_torch(torch, cell, n_layers, bidirectional, D, H, lengths):
    K = 3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stack = torch_stack(torch, cell, D, H, n_layers, bidirectional)
        linear = torch.nn.Linear(H * (1 + bidirectional), K)
    rng = np.random.default_rng(6)
    sequences, target = random_sequences(rng, lengths, D, np.float32), rng.normal(size=(len(lengths), K))

    packed = torch.nn.utils.rnn.pack_sequence([torch.tensor(x) for x in sequences], enforce_sorted=False)
    _, state = stack(packed)
    state = state[0] if cell == "lstm" else state
    raw = linear(torch.hstack(list(state[-1 - bidirectional :])))
    loss = 0.5 * ((raw - torch.tensor(target, dtype=torch.float32)) ** 2).sum() / len(lengths)
    loss.backward()

    network = make_network(cell, D, [H] * n_layers, K, np.float32, bidirectional=bidirectional)
    theta = network.flatten(from_torch(cell, H, stack, linear, "data"))
    tolerances = {"rtol": 1.3e-6, "atol": 1e-5}
    assert_allclose(predict(network, theta, sequences), raw.detach().numpy(), **tolerances)
    value, gradient = value_and_gradient(network, theta, sequences, target)
    assert_allclose(value, loss.item(), **tolerances)
    expected = from_torch(cell, H, stack, linear, "grad")
    assert expected.keys() == named(network, gradient).keys()
    for name, part in named(network, gradient).items():
        assert_allclose(part, expected[name], err_msg=name, **tolerances)


# ------------------------------------------------------------------------------------------- contract of a cell
READS_STATE, READS_INPUT = {BOTH, STATE, STATE_WITHOUT_BIAS}, {BOTH, INPUT}


@st.composite
def cells_and_sizes(draw):
    """A cell, and sizes of a layer of it: only a Jordan layer may have units of two kinds."""
    cell = CELLS[draw(st.sampled_from(list(CELLS)))]
    D, H = draw(st.integers(1, 20)), draw(st.integers(1, 40))
    return cell, Sizes(D, draw(st.integers(1, 40)) if cell.is_output else H, H)


def random_layer(cell, sizes, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in cell.shapes(sizes).items()}


def packed(cell, sizes, weights):
    """The matrices W and W_u; the weights of single units are not in them."""
    D, n_hidden, H = sizes
    matrices = {"W": np.zeros((H + 1 + D, cell.n_columns(sizes))), "W_u": np.zeros((n_hidden, H))}
    for public, piece in cell.public_pieces(sizes):
        matrices[piece.matrix][piece.rows, piece.columns] = weights[piece.name][..., public]
    return matrices


def ends_of_columns(cell, sizes):
    widths = [sizes.n_hidden if k < len(cell.inner) else sizes.n_state for k in range(len(cell.columns))]
    return np.cumsum([0, *widths])


@each_cell
def test_attributes_are_consistent(cell):
    cell = CELLS[cell]
    assert isinstance(cell, BaseCell)
    assert len(set(cell.gates)) == len(cell.gates)
    feeds = [f for _, f in cell.columns]
    assert set(feeds) <= {BOTH, INPUT, STATE, STATE_WITHOUT_BIAS, BIAS}
    assert {gate for gate, _ in cell.columns} == set(cell.gates)
    for gate in cell.gates:
        of_gate = sorted(f for g, f in cell.columns if g == gate)
        if gate == cell.fed_by_inner:  # the product with u is its other part
            assert of_gate in ([INPUT], [BIAS])
        elif "W_h" not in cell.shapes(Sizes(1, 1, 1)):
            assert of_gate == [INPUT]
        elif getattr(cell, "forget_gate", "full") != "full":
            assert of_gate in ([STATE], [STATE_WITHOUT_BIAS], [BIAS])
        else:  # one column of both kinds of products, or one column of each
            assert of_gate in ([BOTH], [INPUT, STATE])
    assert set(cell.initial_bias) <= set(cell.gates)
    assert set(cell.remembers) <= set(cell.gates)
    assert set(cell.remembers.values()) <= {1, -1}
    assert "h" not in cell.states
    assert len(set(cell.states)) == len(cell.states)
    assert callable(cell.forward)
    assert callable(cell.backward)
    assert tuple(gate for gate, _ in cell.columns[: len(cell.inner)]) == cell.inner
    assert 0 <= cell.n_shared <= len(cell.inner)
    assert cell.fed_by_inner == (cell.columns[-1][0] if cell.inner else None)
    if cell.inner:
        assert callable(cell.inner_forward)
        assert callable(cell.inner_backward)


@given(cells_and_sizes())
@quick
def test_fed_by_is_contiguous(drawn):
    cell, sizes = drawn
    ends = ends_of_columns(cell, sizes)
    assert cell.n_columns(sizes) == ends[-1]
    for source, feeds in (("h", READS_STATE), ("x", READS_INPUT)):
        fed = [k for k, (_, f) in enumerate(cell.columns) if f in feeds]
        first, last = cell.fed_by(source, sizes)
        if not fed:
            assert first == last
            continue
        assert fed == list(range(fed[0], fed[-1] + 1))
        assert (first, last) == (ends[fed[0]], ends[fed[-1] + 1])


@given(cells_and_sizes())
@quick
def test_blocks_cover_what_is_not_zero_once(drawn):
    cell, sizes = drawn
    n_columns = cell.n_columns(sizes)
    covered = np.zeros((sizes.n_state + 1 + sizes.n_inputs, n_columns), int)
    per_column = np.zeros(n_columns, int)
    for r0, r1, c0, c1 in cell.blocks(sizes):
        covered[r0:r1, c0:c1] += 1
        per_column[c0:c1] += 1
    assert_array_equal(per_column, 1)
    matrices = packed(cell, sizes, {name: np.abs(w) + 1 for name, w in random_layer(cell, sizes).items()})
    assert_array_equal(covered, matrices["W"] != 0)
    assert (matrices["W_u"] != 0).all() == bool(cell.inner)


@given(cells_and_sizes())
@quick
def test_every_weight_has_one_place(drawn):
    cell, sizes = drawn
    weights = random_layer(cell, sizes)
    matrices = packed(cell, sizes, weights)
    in_matrices = {name: w for name, w in weights.items() if name not in cell.vectors}
    assert sum(map(np.count_nonzero, matrices.values())) == sum(w.size for w in in_matrices.values())
    back = {name: np.full(w.shape, np.nan) for name, w in in_matrices.items()}
    for public, piece in cell.public_pieces(sizes):
        back[piece.name][..., public] = matrices[piece.matrix][piece.rows, piece.columns]
    for name, w in in_matrices.items():
        assert_array_equal(back[name], w, err_msg=name)
    for name, number in cell.vectors.items():
        assert weights[name].size == number * sizes.n_state
    assert cell.count_units(weights["W_x"]) == sizes.n_hidden


def test_registry():
    for name, kind in REGISTRY.items():
        cell = get_cell(name)
        assert type(cell).__name__ == kind
        assert isinstance(cell, BaseCell)
    for cell in CELLS.values():
        copy = get_cell(cell)
        assert copy is not cell
        assert type(copy) is type(cell)
        assert copy.get_params() == cell.get_params()
    assert {type(cell).__name__ for cell in CELLS.values()} == set(REGISTRY.values())


@each_cell
def test_step_by_step(cell):
    """A sequence that is a prefix of another gives what the longer one gives up to there: no look-ahead."""
    rng = np.random.default_rng(7)
    network, theta = random_network(rng, cell, 3, [8, 5], 2)
    (x,) = random_sequences(rng, [7], 3)
    weights = named(network, theta)
    expected = ref.run_stack(weights, x, cell)[-1]
    if "readout.W" in weights:
        expected = expected @ weights["readout.W"] + weights["readout.b"]
    raw = predict(network, theta, [x[: t + 1] for t in range(7)])
    assert_allclose(raw, expected, rtol=1e-12, atol=1e-13)
