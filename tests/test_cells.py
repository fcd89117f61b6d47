"""Cells in whole networks: against the oracle, central differences and PyTorch; the contract of a cell."""

import numpy as np
import pytest
import reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import CELLS, named, predict, random_network, random_sequences, value_and_gradient
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.cells import CELLS as REGISTRY
from skrnn.cells import BaseCell, get_cell
from skrnn.cells._base import BOTH, INPUT, STATE
from skrnn.network import network_of

quick = settings(max_examples=25, deadline=None, database=None)
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


def problem(cell, D, hidden, K, lengths, seed, dtype=np.float64):
    """Network, theta, sequences, target, weights of sequences."""
    rng = np.random.default_rng(seed)
    network, theta = random_network(rng, cell, D, hidden, K, dtype)
    sequences = random_sequences(rng, lengths, D, dtype)
    return network, theta, sequences, rng.normal(size=(len(lengths), K)), rng.uniform(0.1, 2, len(lengths))


def assert_equals_the_oracle(cell, shape, rtol, atol, alpha=0.01, dtype=np.float64):
    network, theta, sequences, target, weight = problem(cell, **shape, dtype=dtype)
    exact = named(network, theta.astype(np.float64))
    exact_sequences = [x.astype(np.float64) for x in sequences]
    raw = predict(network, theta, sequences)
    assert raw.dtype == dtype
    assert_allclose(raw, ref.raw_predictions(exact, exact_sequences, cell), rtol, atol)
    value, gradient = value_and_gradient(network, theta, sequences, target, weight=weight, alpha=alpha)
    expected = ref.objective(exact, exact_sequences, target, cell, ref.squared_error, weight, alpha)
    assert gradient.dtype == dtype
    assert_allclose(value, expected[0], rtol, atol)
    for name, part in named(network, gradient).items():
        assert_allclose(part, expected[1][name], rtol, atol, err_msg=name)


# ---------------------------------------------------------------------------------------------------- the oracle
@each_cell
@given(shape=draws)
@quick
def test_equals_the_oracle(cell, shape):
    assert_equals_the_oracle(cell, shape, rtol=1e-10, atol=1e-12)


@pytest.mark.small
@pytest.mark.parametrize(
    ("cell", "dtype"),
    [("lstm", "float64"), ("gru", "float64"), ("elman", "float32"), ("elman_relu", "float64")],
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


@each_cell
@pytest.mark.parametrize("seed", range(6))
def test_single_precision(cell, seed):
    """Fixed draws: rounding may carry a rectifier over its kink, where the gradient jumps."""
    rng = np.random.default_rng(seed)
    shape = {"D": rng.integers(1, 21), "hidden": rng.integers(1, 41, rng.integers(1, 4)).tolist(), "K": 3}
    shape |= {"lengths": rng.integers(1, 7, 9).tolist(), "seed": seed}
    assert_equals_the_oracle(cell, shape, rtol=1e-5, atol=2e-5, dtype=np.float32)


@each_cell
@pytest.mark.parametrize("one", ["D", "hidden", "K", "lengths", "all"])
def test_sizes_of_one(cell, one):
    shape = {"D": 5, "hidden": [19, 6], "K": 3, "lengths": [4, 2, 3]}
    ones = {"D": 1, "hidden": [1], "K": 1, "lengths": [1]}
    shape |= ones if one == "all" else {one: ones[one]}
    assert_equals_the_oracle(cell, shape | {"seed": 3}, rtol=1e-10, atol=1e-12)


@each_cell
def test_long_sequences(cell):
    """As many rows as make the products run over several inner blocks."""
    shape = {"D": 2, "hidden": [5], "K": 2, "lengths": [150, 1, 149, 80], "seed": 4}
    assert_equals_the_oracle(cell, shape, rtol=1e-9, atol=1e-9)


# ------------------------------------------------------------------------------------------ central differences
@each_cell
@pytest.mark.parametrize(
    "shape",
    [
        {"D": 2, "hidden": [3], "K": 2, "lengths": [4, 1, 6]},
        {"D": 1, "hidden": [1], "K": 1, "lengths": [1]},
        {"D": 3, "hidden": [4, 2, 3], "K": 1, "lengths": [3, 5, 5, 2]},
        {"D": 1, "hidden": [9], "K": 3, "lengths": [2, 3]},
    ],
    ids=["one layer", "ones", "three layers", "many units"],
)
def test_gradient_equals_central_differences(cell, shape):
    """With the tolerances of PyTorch's gradcheck."""
    network, theta, sequences, target, weight = problem(cell, **shape, seed=5)

    def value(theta):
        return value_and_gradient(network, theta, sequences, target, weight=weight, alpha=0.1)[0]

    _, gradient = value_and_gradient(network, theta, sequences, target, weight=weight, alpha=0.1)
    numeric = ref.central_difference(value, theta, eps=1e-6)
    for name, part in named(network, gradient).items():
        assert_allclose(part, named(network, numeric)[name], rtol=1e-3, atol=1e-5, err_msg=name)


# ------------------------------------------------------------------------------------------------------ PyTorch
def torch_stack(torch, cell, D, H, n_layers, dtype):
    kind = {"lstm": "LSTM", "gru": "GRU", "elman": "RNN", "elman_relu": "RNN"}[cell]
    extra = {"nonlinearity": "relu" if cell == "elman_relu" else "tanh"} if kind == "RNN" else {}
    return getattr(torch.nn, kind)(D, H, n_layers, dtype=dtype, **extra)


def from_torch(cell, H, stack, linear, part):
    """Our arrays by name from PyTorch's, `part` of which is the weight or the gradient.

    The gates of both are in one order. PyTorch has a second bias; of it only the GRU's inside the reset is one of its
    own for us, the others are added to the first. Their gradients are those of the sum.
    """
    is_gradient = part == "grad"

    def get(name, module=stack):
        return getattr(getattr(module, name), part).detach().numpy()

    arrays = {}
    for k in range(stack.num_layers):
        prefix = f"layers.{k}.forward."
        b, b_h = get(f"bias_ih_l{k}").copy(), get(f"bias_hh_l{k}")
        arrays[prefix + "W_x"], arrays[prefix + "W_h"] = get(f"weight_ih_l{k}").T, get(f"weight_hh_l{k}").T
        shared = 2 * H if cell == "gru" else len(b)
        if not is_gradient:
            b[:shared] += b_h[:shared]
        arrays[prefix + "b"] = b
        if cell == "gru":
            arrays[prefix + "b_h"] = b_h[shared:]
    return arrays | {"readout.W": get("weight", linear).T, "readout.b": get("bias", linear)}


@each_cell
@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize(("D", "H"), [(1, 5), (5, 16), (7, 33), (1, 1)])
@pytest.mark.parametrize("lengths", [[5, 3, 1, 8, 8, 2], [1]], ids=["ragged", "one step"])
def test_equals_torch(cell, n_layers, D, H, lengths):
    torch = pytest.importorskip("torch")
    K = 3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stack = torch_stack(torch, cell, D, H, n_layers, torch.float32)
        linear = torch.nn.Linear(H, K)
    rng = np.random.default_rng(6)
    sequences, target = random_sequences(rng, lengths, D, np.float32), rng.normal(size=(len(lengths), K))

    packed = torch.nn.utils.rnn.pack_sequence([torch.tensor(x) for x in sequences], enforce_sorted=False)
    _, state = stack(packed)
    raw = linear((state[0] if cell == "lstm" else state)[-1])
    loss = 0.5 * ((raw - torch.tensor(target, dtype=torch.float32)) ** 2).sum() / len(lengths)
    loss.backward()

    network, theta = network_of(CELLS[cell], from_torch(cell, H, stack, linear, "data"))
    tolerances = {"rtol": 1.3e-6, "atol": 1e-5}
    assert_allclose(predict(network, theta, sequences), raw.detach().numpy(), **tolerances)
    value, gradient = value_and_gradient(network, theta, sequences, target)
    assert_allclose(value, loss.item(), **tolerances)
    expected = from_torch(cell, H, stack, linear, "grad")
    assert expected.keys() == named(network, gradient).keys()
    for name, part in named(network, gradient).items():
        assert_allclose(part, expected[name], err_msg=name, **tolerances)


# ------------------------------------------------------------------------------------------- contract of a cell
sizes = {"D": st.integers(1, 20), "H": st.integers(1, 40)}


def random_layer(cell, D, H, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in cell.shapes(D, H).items()}


def packed(cell, weights):
    D, H = len(weights["W_x"]), len(weights["W_h"])
    W = np.zeros((H + 1 + D, len(cell.columns) * H))
    for name, public, rows, columns in cell.places(H):
        W[rows, columns] = weights[name][..., public]
    return W


@each_cell
def test_attributes_are_consistent(cell):
    cell = CELLS[cell]
    assert isinstance(cell, BaseCell)
    assert len(set(cell.gates)) == len(cell.gates)
    feeds = [f for _, f in cell.columns]
    assert set(feeds) <= {BOTH, INPUT, STATE}
    assert {gate for gate, _ in cell.columns} == set(cell.gates)
    for gate in cell.gates:  # one column of both kinds of products, or one column of each
        assert sorted(f for g, f in cell.columns if g == gate) in ([BOTH], [INPUT, STATE])
    assert set(cell.initial_bias) <= set(cell.gates)
    assert "h" not in cell.states
    assert len(set(cell.states)) == len(cell.states)
    assert callable(cell.forward)
    assert callable(cell.backward)


@each_cell
@given(**sizes)
@quick
def test_fed_by_is_contiguous(cell, D, H):
    cell = CELLS[cell]
    for feeds in (INPUT, STATE):
        first, last = cell.fed_by(feeds, H)
        fed = [k for k, (_, f) in enumerate(cell.columns) if f in (feeds, BOTH)]
        assert fed == list(range(first // H, last // H))
        assert last - first == len(fed) * H


@each_cell
@given(**sizes)
@quick
def test_blocks_cover_what_is_not_zero_once(cell, D, H):
    cell = CELLS[cell]
    n_columns = len(cell.columns) * H
    covered = np.zeros((H + 1 + D, n_columns), int)
    per_column = np.zeros(n_columns, int)
    for r0, r1, c0, c1 in cell.blocks(D, H):
        covered[r0:r1, c0:c1] += 1
        per_column[c0:c1] += 1
    assert_array_equal(per_column, 1)
    W = packed(cell, {name: np.abs(w) + 1 for name, w in random_layer(cell, D, H).items()})
    assert_array_equal(covered, W != 0)


@each_cell
@given(**sizes)
@quick
def test_every_weight_has_one_place(cell, D, H):
    cell = CELLS[cell]
    weights = random_layer(cell, D, H)
    W = packed(cell, weights)
    assert np.count_nonzero(W) == sum(w.size for w in weights.values())
    back = {name: np.full(shape, np.nan) for name, shape in cell.shapes(D, H).items()}
    for name, public, rows, columns in cell.places(H):
        back[name][..., public] = W[rows, columns]
    for name, w in weights.items():
        assert_array_equal(back[name], w, err_msg=name)


def test_registry():
    for name, kind in REGISTRY.items():
        cell = get_cell(name)
        assert type(cell).__name__ == kind
        assert isinstance(cell, BaseCell)
        assert get_cell(cell) is cell
    assert {type(cell).__name__ for cell in CELLS.values()} == set(REGISTRY.values())


@each_cell
def test_step_by_step(cell):
    """A sequence that is a prefix of another gives what the longer one gives up to there: no look-ahead."""
    rng = np.random.default_rng(7)
    network, theta = random_network(rng, cell, 3, [8, 5], 2)
    (x,) = random_sequences(rng, [7], 3)
    hidden = ref.run_stack(named(network, theta), x, cell)[-1]
    W, b = (named(network, theta)[f"readout.{name}"] for name in "Wb")
    raw = predict(network, theta, [x[: t + 1] for t in range(7)])
    assert_allclose(raw, hidden @ W + b, rtol=1e-12, atol=1e-13)
