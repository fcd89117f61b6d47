"""Dropout and zoneout: networks against the oracle with the masks that they drew; what masks depend on."""

import numpy as np
import pytest
import reference as ref
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
    run_shard,
    value_and_gradient,
)
from numba.core import config
from numpy.testing import assert_allclose, assert_array_equal

import skrnn.network.head
import skrnn.network.layers.level
import skrnn.network.shards
from skrnn.losses import SquaredError
from skrnn.network.plan import Keys, Mode
from skrnn.optimizers import SGD
from skrnn.training.epoch import Epochs
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState

LENGTHS = [5, 1, 8, 3]
CARRYING = [cell for cell in CELLS if cell.startswith(("lstm", "gru", "mgu"))]  # and with a product with the state
RATES = {"input_dropout": 0.3, "dropout": 0.4, "recurrent_dropout": 0.5, "zoneout": 0.3}
NO_ZONEOUT = {**RATES, "zoneout": 0.0}
SEED = 0xFEDCBA9876543210
compiled_only = pytest.mark.skipif(config.DISABLE_JIT, reason="too slow in NumPy")
each_way = pytest.mark.parametrize("bidirectional", [False, True])


def run(network, theta, sequences, identities=None, seed=SEED, training=True):
    """Order, raw predictions, plan and buffers of one shard with noise; identities are those of the longest first."""
    everyone = np.arange(len(sequences))
    order = as_data(sequences).by_length(everyone)
    identities = everyone if identities is None else np.asarray(identities)
    mode = Mode(training, seed is not None)
    programs = run_shard(network, theta, sequences, mode, order, seed, identities[order])
    buffers = programs.memory.buffers
    raw = np.empty((len(sequences), network.n_outputs), network.dtype)
    raw[order] = buffers.group("pooled")["raw"][: len(order), : network.n_outputs]
    return order, raw, programs.plan, buffers


def masks_of(network, order, plan, buffers):
    """For each sequence the masks that a shard drew, under the oracle's names."""
    masks, structure, starts = [{} for _ in order], network.structure, plan.starts.resolve()
    lengths = [np.sum(np.diff(starts[1:]) > n) for n in range(len(order))]
    for row, i in enumerate(order):
        rows = starts[1 : lengths[row] + 1] - starts[1] + row
        for level in network.stack.levels:
            if level.dropout:
                M = buffers.group(f"layers.{level.number}.input")["M"]
                masks[i][f"layers.{level.number}.input"] = M[row, : level.n_inputs]
            for direction, layer in level.directions.items():
                name, H = f"layers.{level.number}.{direction}", layer.n_state
                part = buffers.group(name)
                if structure.recurrent_dropout:
                    masks[i][f"{name}.recurrent"] = part["M"][row, :H]
                if structure.zoneout:
                    kept = part["K"][rows if direction == "forward" else rows[::-1]]
                    for k, state in enumerate("hc"[: 1 + layer.n_states]):
                        masks[i][f"{name}.zoneout.{state}"] = kept[:, k * H : (k + 1) * H]
        if structure.dropout and network.head.readout:
            masks[i]["readout.input"] = buffers.group("pooled")["M"][row, : network.stack.n_top_units]
    return masks


def assert_equals_the_oracle(cell, seed=0, **options):
    network, theta, sequences, target = problem(cell, seed=seed, **options)
    order, raw, plan, buffers = run(network, theta, sequences)
    masks, oracle = masks_of(network, order, plan, buffers), oracle_options(network.structure)
    weights = named(network, theta)
    assert_allclose(raw, ref.raw_predictions(weights, sequences, cell, masks=masks, **oracle), 1e-10, 1e-12)
    value, gradient = value_and_gradient(network, theta, sequences, target, seed=SEED)

    def f(weights):
        return ref.objective_value(weights, sequences, target, cell, ref.squared_error, masks=masks, **oracle)

    assert_allclose(value, f(weights), 1e-10)
    assert_derivatives(f, network, theta, gradient, np.random.default_rng(1))
    without = ref.raw_predictions(weights, sequences, cell, zoneout=options.get("zoneout", 0.0), **oracle)
    assert np.abs(raw - without).max() > 1e-3
    assert_allclose(predict(network, theta, sequences), without, 1e-10, 1e-12)  # no masks, zoneout's expectation
    _, raw, _, _ = run(network, theta, sequences, seed=None)
    assert_allclose(raw, without, 1e-10, 1e-12)  # nor in training without a seed


# ---------------------------------------------------------------------------------------------------------- the oracle
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("cell", CARRYING)
@each_way
def test_one_kind_of_noise_equals_the_oracle(cell, bidirectional, rate):
    assert_equals_the_oracle(cell, bidirectional=bidirectional, **{rate: RATES[rate]})


@pytest.mark.parametrize("cell", ["elman", "jordan"])
@each_way
def test_dropout_equals_the_oracle_where_no_state_is_carried(cell, bidirectional):
    assert_equals_the_oracle(cell, bidirectional=bidirectional, **NO_ZONEOUT)


@pytest.mark.parametrize("cell", ["indrnn", "linoss"])
def test_dropout_equals_the_oracle_without_a_product_with_the_state(cell):
    assert_equals_the_oracle(cell, bidirectional=True, dropout=0.4, input_dropout=0.3)


@each_way
def test_all_but_recurrent_dropout_of_mingru_equals_the_oracle(bidirectional):
    assert_equals_the_oracle("mingru", bidirectional=bidirectional, **RATES | {"recurrent_dropout": 0.0})


@pytest.mark.small
def test_all_noise_equals_the_oracle_in_small():
    assert_equals_the_oracle("gru_before", **RATES)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("cell", ["lstm_peepholes", "gru", "mgu"])
def test_all_noise_in_everything_equals_the_oracle(cell, pooling):
    assert_equals_the_oracle(cell, seed=2, **EVERYTHING | RATES | {"pooling": pooling})


def test_units_beyond_a_vector():
    assert_equals_the_oracle("lstm", hidden=(19, 9), bidirectional=True, **RATES)


@each_way
def test_single_precision(bidirectional):
    network, theta, sequences, target = problem("lstm", dtype=np.float32, bidirectional=bidirectional, **RATES)
    order, raw, plan, buffers = run(network, theta, sequences)
    masks = masks_of(network, order, plan, buffers)
    exact, exact_sequences = named(network, theta.astype(float)), [x.astype(float) for x in sequences]
    assert_allclose(raw, ref.raw_predictions(exact, exact_sequences, "lstm", masks=masks), 1e-5, 1e-5)
    _, gradient = value_and_gradient(network, theta, sequences, target, seed=SEED)

    def f(weights):
        return ref.objective_value(weights, exact_sequences, target, "lstm", ref.squared_error, masks=masks)

    assert_derivatives(f, network, theta, gradient, np.random.default_rng(1), 1e-5, 2e-5)


# ----------------------------------------------------------------------------------------------------------- the masks
def test_values_of_masks():
    """0 or 1 / (1 - rate), 0 or 1; as often as the rate says."""
    network, theta, sequences, _ = problem("lstm", [30, 20, 25] * 5, (40, 40), np.float32, bidirectional=True, **RATES)
    masks = masks_of(network, *(run(network, theta, sequences)[k] for k in (0, 2, 3)))
    found = {}
    for of_sequence in masks:
        for name, mask in of_sequence.items():
            kind = "zoneout" if "zoneout" in name else "first" if "0.input" in name else name.rpartition(".")[2]
            found.setdefault(kind, []).append(mask.ravel())
    rates = {"first": "input_dropout", "input": "dropout", "recurrent": "recurrent_dropout"}
    assert set(found) == {*rates, "zoneout"}
    for kind, parts in found.items():
        values = np.concatenate(parts)
        rate = RATES[rates.get(kind, "zoneout")]
        chosen, other = (1, 0) if kind == "zoneout" else (0, np.float32(1 / (1 - rate)))
        assert set(np.unique(values)) == {chosen, other}
        error = np.sqrt(rate * (1 - rate) / len(values))
        assert abs((values == chosen).mean() - rate) < 4 * error


def test_no_two_masks_are_the_same():
    """Of layers, directions, states, steps and sequences."""
    network, theta, sequences, _ = problem("lstm", [6, 6, 6], (20, 20), bidirectional=True, **RATES)
    masks = masks_of(network, *(run(network, theta, sequences)[k] for k in (0, 2, 3)))
    rows = [row[:20] > 0 for of_sequence in masks for mask in of_sequence.values() for row in np.atleast_2d(mask)]
    rows = {row.tobytes() for row in rows if len(row) == 20}
    # for each sequence: input of layer 1 and readout; for each layer and direction a state's, and two for each step
    assert len(rows) == 3 * (2 + 4 * (1 + 2 * 6))


def test_masks_depend_on_the_seed_and_on_nothing_else():
    network, theta, sequences, _ = problem("gru", **RATES)
    _, raw, _, _ = run(network, theta, sequences)
    assert_array_equal(run(network, theta, sequences)[1], raw)
    for seed in (SEED + 1, SEED ^ 2**63, 0):
        assert (run(network, theta, sequences, seed=seed)[1] != raw).any()


@compiled_only
@pytest.mark.parametrize(("cell", "dtype"), [("lstm", np.float32), ("gru_before", np.float64), ("jordan", np.float64)])
@each_way
def test_batch_mates_do_not_change_masks(cell, dtype, bidirectional):
    """The same bits alone, among others, and in any order, as long as a sequence keeps its number."""
    rates = NO_ZONEOUT if cell == "jordan" else RATES
    lengths = np.random.default_rng(0).integers(1, 12, 20).tolist()
    network, theta, sequences, _ = problem(cell, lengths, (9, 5), dtype, bidirectional=bidirectional, **rates)
    _, together, _, _ = run(network, theta, sequences)
    rng = np.random.default_rng(1)
    for i, x in enumerate(sequences):
        assert_array_equal(run(network, theta, [x], [i])[1][0], together[i])
    for n in (2, 7, 20):
        some = rng.permutation(20)[:n]
        assert_array_equal(run(network, theta, [sequences[i] for i in some], some)[1], together[some])
    assert (run(network, theta, sequences[:1], [1])[1][0] != together[0]).any()


@compiled_only
@pytest.mark.parametrize(("cell", "dtype"), [("lstm", np.float32), ("gru_before", np.float64), ("jordan", np.float64)])
@each_way
def test_bits_do_not_depend_on_threads(cell, dtype, bidirectional, monkeypatch):
    monkeypatch.setattr(skrnn.network.shards, "WORK_PER_THREAD", 1.0)
    rates = NO_ZONEOUT if cell == "jordan" else RATES
    lengths = np.random.default_rng(0).integers(1, 20, 150).tolist()
    network, theta, sequences, target = problem(cell, lengths, (9, 5), dtype, bidirectional=bidirectional, **rates)
    expected = value_and_gradient(network, theta, sequences, target, seed=SEED)
    assert expected[0] != value_and_gradient(network, theta, sequences, target)[0]
    for n_threads in (1, 2, 3, 3):
        value, gradient = value_and_gradient(network, theta, sequences, target, seed=SEED, n_threads=n_threads)
        assert value == expected[0]
        assert_array_equal(gradient, expected[1])


def test_gradient_of_a_batch_is_the_sum_of_its_parts():
    """Masks follow the sequences into whatever batch they are in."""
    network, theta, sequences, target = problem("gru", [5, 1, 8, 3] * 5, (9, 5), bidirectional=True, **RATES)
    value, gradient = value_and_gradient(network, theta, sequences, target, seed=SEED)
    parts = [[0, 7, 3], [5], [i for i in range(20) if i not in (0, 3, 5, 7)]]
    pairs = [value_and_gradient(network, theta, sequences, target, indices=p, seed=SEED) for p in parts]
    assert_allclose(sum(len(p) / 20 * v for p, (v, _) in zip(parts, pairs, strict=True)), value, rtol=1e-13)
    total = sum(len(p) / 20 * g for p, (_, g) in zip(parts, pairs, strict=True))
    assert_allclose(total, gradient, rtol=1e-10, atol=1e-13)


# --------------------------------------------------------------------------------------------- where nothing is drawn
@pytest.fixture
def no_masks(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a mask was drawn")

    for module, name in [
        (skrnn.network.layers.level, "draw_dropout"),
        (skrnn.network.layers.level, "draw_zoneout"),
        (skrnn.network.head, "draw_dropout"),
    ]:
        monkeypatch.setattr(module, name, refuse)


@pytest.mark.usefixtures("no_masks")
@each_way
def test_rates_of_zero_draw_nothing(bidirectional):
    network, theta, sequences, target = problem("gru", bidirectional=bidirectional, **dict.fromkeys(RATES, 0.0))
    assert not network.structure.is_noisy
    assert all("K" not in buffer for buffer in network.memory.allocate_buffers(9, 2, Mode(training=True)).arrays)
    expected = value_and_gradient(network, theta, sequences, target)
    value, gradient = value_and_gradient(network, theta, sequences, target, seed=SEED)
    assert value == expected[0]
    assert_array_equal(gradient, expected[1])


@pytest.mark.usefixtures("no_masks")
def test_prediction_draws_nothing():
    network, theta, sequences, _ = problem("gru", **RATES)
    assert np.isfinite(predict(network, theta, sequences)).all()
    for training in (False, True):
        run(network, theta, sequences, seed=None, training=training)


@pytest.mark.parametrize("rate", RATES)
def test_a_rate_makes_a_structure_noisy(rate):
    assert make_network("gru", 1, [1], 1, **{rate: 0.1}).structure.is_noisy


@pytest.mark.parametrize("driven", [True, False])
def test_masks_are_those_of_an_epoch_and_a_sequence(driven, monkeypatch):
    """Whatever batch it is in: one seed for all updates of an epoch, another for the next, none without noise."""
    if not driven:
        monkeypatch.setattr(Epochs, "_can_be_driven", lambda self: False)
    settings = Settings(0.0, 2, 1e-3, 3, np.inf, True, 1e-9, 100, 1, False)
    seeds = []
    draw = Keys.draw
    monkeypatch.setattr(Keys, "draw", lambda self, seed: seeds.append(seed) or draw(self, seed))
    for rates in (RATES, dict.fromkeys(RATES, 0.0)):
        network, theta, sequences, target = problem("gru", **rates)
        state = TrainingState(theta, seed=3)
        Training(network, state, as_data(sequences, target), SquaredError(), None, settings).run(
            SGD(), np.arange(4), np.arange(0)
        )
        assert state.n_updates == 6
        assert len(dict.fromkeys(seeds)) == 3  # no others without noise
    assert seeds == sorted(seeds, key=list(dict.fromkeys(seeds)).index)
