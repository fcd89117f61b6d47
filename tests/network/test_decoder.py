"""Encoder and decoder: against the oracle, central differences and PyTorch; the same bits however they run."""

from functools import partial

import numpy as np
import pytest
from decoders import LABELS, derivatives, problem, read, value_and_gradient
from networks import CELLS
from numba.core import config
from numpy.testing import assert_allclose, assert_array_equal
from reference_decoder import objective
from threadpoolctl import threadpool_limits

from skrnn.convolution import Conv
from skrnn.losses import MultinomialLogLoss
from skrnn.network import shards
from skrnn.network.decoding import How, generate
from skrnn.network.generation import Beams, best_outputs
from skrnn.network.inference import Predictor
from skrnn.network.shards import ThreadExecutor
from skrnn.optimizers import Adam
from skrnn.training import epoch
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState

compiled_only = pytest.mark.skipif(config.DISABLE_JIT, reason="there is no driver without compiled code")
OTHERS = [cell for cell in CELLS if not cell.startswith("jordan")]
ATTENTIONS = "additive", "dot", None
PARTS = {
    "one layer": {},
    "both directions": {"bidirectional": True, "hidden": (4, 3)},
    "norm and residual": {"hidden": (4, 4), "layer_norm": True, "residual": True},
    "convolution": {"convolution": Conv(4, width=3, stride=2), "bidirectional": True},
    "all": {
        "hidden": (4, 4),
        "bidirectional": True,
        "layer_norm": True,
        "residual": True,
        "convolution": Conv(4, width=2, stride=2),
    },
}
NOISE = {"input_dropout": 0.2, "dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.1}
SEED = 0xFEDCBA9876543210
each_attention = pytest.mark.parametrize("attention", ATTENTIONS)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """For the products of the oracle and of PyTorch, which are too small for more."""
    with threadpool_limits(1):
        yield


def row_weights(labels, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 2, len(row)) for row in labels]


def assert_equals_the_oracle(p, rtol=1e-9, atol=1e-11, smoothing=0.0, alpha=1e-2):
    """Raw predictions, attention, value, and the gradient along a direction of each named weight."""
    weights = row_weights(p.labels)
    data = p.data(weights)
    raw, attention = read(p, data)
    for i, found in enumerate(raw):
        expected, shares = p.expected(i)
        assert_allclose(found, expected, rtol, atol)
        if shares is not None:
            assert_allclose(attention[i], shares, rtol, atol)
    value, gradient = value_and_gradient(p, data, smoothing=smoothing, alpha=alpha)
    rows = [(p.sequences[i].astype(float), p.read(i), p.labels[i], weights[i]) for i in range(len(p.labels))]
    is_weight = [name for name, each in p.network.layout.views(p.network.layout.is_weight()).items() if each.any()]
    f = partial(objective, problem=rows, smoothing=smoothing, alpha=alpha, is_weight=is_weight, **p.options)
    assert_allclose(value, f(p.weights), rtol)
    parts = p.network.layout.views(gradient.astype(np.float64))
    for name, (v, expected) in derivatives(f, p.weights).items():
        bound = (np.abs(v) * (rtol * np.abs(parts[name]) + atol)).sum()
        assert abs((v * parts[name]).sum() - expected) <= bound, name


# ------------------------------------------------------------------------------------------------------ the oracle
@each_attention
@pytest.mark.parametrize("cell", OTHERS)
def test_equals_the_oracle(cell, attention):
    assert_equals_the_oracle(problem(cell, attention))


@each_attention
@pytest.mark.parametrize("parts", list(PARTS)[1:])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_everything_around_equals_the_oracle(cell, parts, attention):
    assert_equals_the_oracle(problem(cell, attention, **PARTS[parts]))


@each_attention
def test_float32_equals_the_oracle(attention):
    p = problem("lstm", attention, dtype=np.float32, bidirectional=True)
    assert_equals_the_oracle(p, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("lengths", [([1], [1]), ([4] * 3, [2] * 3), ([1, 1, 1], [5, 1, 2]), ([9], [1])], ids=str)
@each_attention
def test_any_lengths_equal_the_oracle(attention, lengths):
    assert_equals_the_oracle(problem("gru", attention, lengths, bidirectional=True))


@pytest.mark.parametrize("smoothing", [0.1, 0.7])
def test_label_smoothing_equals_the_oracle(smoothing):
    assert_equals_the_oracle(problem("gru"), smoothing=smoothing)


@each_attention
@pytest.mark.parametrize("cell", ["lstm_peepholes", "gru", "mgu"])
def test_gradients_with_noise_are_central_differences(cell, attention):
    """Of the same masks, which a seed says."""
    p = problem(cell, attention, hidden=(4, 3), bidirectional=True, **NOISE)
    data = p.data(row_weights(p.labels))
    value, gradient = value_and_gradient(p, data, seed=SEED)
    assert value != value_and_gradient(p, data)[0]
    d = np.random.default_rng(2).normal(size=p.theta.size)
    high, low = (value_and_gradient(p, data, seed=SEED, theta=p.theta + e * d)[0] for e in (1e-6, -1e-6))
    assert_allclose(gradient @ d, (high - low) / 2e-6, rtol=1e-6, atol=1e-8)


# -------------------------------------------------------------------------------------------------------- PyTorch
def torch_gru(torch, weights, prefix, bidirectional):
    """A layer of PyTorch with named weights of ours."""
    D, H = weights[f"{prefix}.forward.W_x"].shape[0], len(weights[f"{prefix}.forward.W_h"])
    module = torch.nn.GRU(D, H, batch_first=True, bidirectional=bidirectional, dtype=torch.float64)
    for direction, suffix in (("forward", ""), ("backward", "_reverse"))[: 1 + bidirectional]:
        part = {name: weights[f"{prefix}.{direction}.{name}"] for name in ("W_x", "W_h", "b", "b_h")}
        bias = np.concatenate([np.zeros(2 * H), part["b_h"]])
        values = {"weight_ih": part["W_x"].T, "weight_hh": part["W_h"].T, "bias_ih": part["b"], "bias_hh": bias}
        for name, value in values.items():
            getattr(module, f"{name}_l0{suffix}").data.copy_(torch.tensor(value.copy()))
    return module


def torch_gradients(module, prefix, bidirectional):
    """Its gradients, by our names."""
    found = {}
    for direction, suffix in (("forward", ""), ("backward", "_reverse"))[: 1 + bidirectional]:
        of = {name: getattr(module, f"{name}_l0{suffix}").grad.numpy() for name in ("weight_ih", "weight_hh")}
        bias_ih, bias_hh = (getattr(module, f"{name}_l0{suffix}").grad.numpy() for name in ("bias_ih", "bias_hh"))
        arrays = {
            "W_x": of["weight_ih"].T,
            "W_h": of["weight_hh"].T,
            "b": bias_ih,
            "b_h": bias_hh[-len(bias_hh) // 3 :],
        }
        found |= {f"{prefix}.{direction}.{name}": array for name, array in arrays.items()}
    return found


@each_attention
@pytest.mark.parametrize("bidirectional", [False, True])
def test_equals_torch(bidirectional, attention):
    """Value and every element of the gradient, with smoothed labels, of a padded batch with masks there."""
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    p = problem("gru", attention, bidirectional=bidirectional)
    data, arrays = p.data(), p.weights
    value, gradient = value_and_gradient(p, data, smoothing=0.2)
    encoder = torch_gru(torch, arrays, "layers.0", bidirectional)
    decoder = torch_gru(torch, arrays, "decoder.layers.0", False)
    own = {
        name: torch.tensor(array.copy(), requires_grad=True)
        for name, array in arrays.items()
        if not name.startswith(("layers.", "decoder.layers."))
    }
    pad = partial(torch.nn.utils.rnn.pad_sequence, batch_first=True)
    x = torch.nn.utils.rnn.pack_sequence([torch.tensor(s) for s in p.sequences], enforce_sorted=False)
    outputs, last = encoder(x)
    E, n_in = torch.nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    first = torch.cat(list(last), dim=1)
    if "bridge.0.W" in own:
        first = first @ own["bridge.0.W"] + own["bridge.0.b"]
    codes = pad([torch.tensor(p.read(i)[:, 0]).long() for i in range(len(p.labels))])
    h, _ = decoder(own["decoder.embedding.0"][codes], first[None])
    if attention:
        keys = E @ own["attention.W_k"]
        if attention == "additive":
            queries = h @ own["attention.W_q"] + own["attention.b"]
            scores = torch.tanh(queries[:, :, None] + keys[:, None]) @ own["attention.v"]
        else:
            scores = h @ keys.transpose(1, 2) / h.shape[2] ** 0.5
        is_step = torch.arange(E.shape[1])[None, None] < n_in[:, None, None]
        share = torch.softmax(scores.masked_fill(~is_step, -torch.inf), dim=2)
        h = torch.tanh(torch.cat([h, share @ E], dim=2) @ own["attention.W_c"] + own["attention.b_c"])
    raw = h @ own["readout.W"] + own["readout.b"]
    labels = pad([torch.tensor(row) for row in p.labels], padding_value=-100)
    loss = F.cross_entropy(raw.flatten(0, 1), labels.flatten(), label_smoothing=0.2)
    loss.backward()

    assert_allclose(value, loss.item(), rtol=1e-11)
    expected = {name: tensor.grad.numpy() for name, tensor in own.items()}
    expected |= torch_gradients(encoder, "layers.0", bidirectional)
    expected |= torch_gradients(decoder, "decoder.layers.0", False)
    parts = p.network.layout.views(gradient)
    assert expected.keys() == parts.keys()
    for name, part in parts.items():
        assert_allclose(part, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


# ------------------------------------------------------------------------------------------------------- same bits
MANY = np.random.default_rng(8).integers(1, 9, (2, 75)).tolist()


@pytest.fixture
def busy(monkeypatch):
    """Threads are woken for any work, however little."""
    monkeypatch.setattr(shards, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(epoch, "WORK_PER_WORKER", 1)


def trained(p, data, n_threads):
    """Parameters, losses and norms of a fit of three epochs."""
    settings = Settings(0.01, 40, 0.01, 3, 1.0, True, None, 10, n_threads, False)
    run = Training(p.network, TrainingState(p.theta.copy(), 3), data, MultinomialLogLoss(0.1), None, settings)
    run.run(Adam(), np.arange(len(data.lengths)), np.arange(0))
    return run.state.theta.tobytes(), run.state.loss_curve, run.state.gradient_norms


@compiled_only
@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("parts", ["one layer", "all", "noise"])
@each_attention
def test_a_fit_has_the_same_bits_however_it_runs(attention, parts, monkeypatch):
    """Driven, with 1, 2, 3 and 8 threads, and from Python."""
    options = PARTS.get(parts, NOISE | {"bidirectional": True})
    p = problem("gru", attention, MANY, dtype=np.float32, **options)
    data = p.data(row_weights(p.labels))
    n_workers, original = [], epoch.Epochs._drive

    def drive(self, n):
        n_workers.append(n)
        return original(self, n)

    monkeypatch.setattr(epoch.Epochs, "_drive", drive)
    expected = trained(p, data, 1)
    for n_threads in (2, 3, 8):
        assert trained(p, data, n_threads) == expected
    assert len(n_workers) == 12
    assert max(n_workers) > 1
    monkeypatch.setattr(epoch.Epochs, "_can_be_driven", lambda self: False)
    for n_threads in (1, 3):
        assert trained(p, data, n_threads) == expected
    assert len(n_workers) == 12


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("parts", PARTS)
@each_attention
def test_outputs_depend_on_neither_neighbours_nor_threads(attention, parts):
    """Raw predictions, attention and beams of a sequence: alone, in any shard, for any number of threads."""
    p = problem("gru", attention, MANY, dtype=np.float32, **PARTS[parts])

    def everything(picked=None, n_threads=1):
        data = p.data(picked=picked)
        raw, shares = read(p, data, n_threads)
        with ThreadExecutor(n_threads) as executor:
            predictor = Predictor(p.network, p.theta, data, executor)
            found = best_outputs(predictor, Beams(LABELS, 6, 3, 2))
        return [
            (r.tobytes(), None if s is None else s.tobytes(), [(o.labels.tolist(), o.log_probability) for o in best])
            for r, s, best in zip(raw, shares, found, strict=True)
        ]

    expected = everything()
    for n_threads in (2, 3, 8):
        assert everything(n_threads=n_threads) == expected
    for picked in (range(20), range(74, 0, -3), [7], [11], [3, 3]):
        assert everything(picked) == [expected[i] for i in picked]


@each_attention
def test_a_step_at_a_time_is_the_same_as_all_at_once(attention):
    """The decoder is told to read what it would read anyway; bit for bit."""
    p = problem("lstm", attention, MANY, dtype=np.float32, bidirectional=True, hidden=(5, 4))
    data = p.data()
    raw, _ = read(p, data)
    found = [[] for _ in raw]

    def continue_from(places, steps):
        rows, parents, step = np.arange(len(places)), np.arange(len(places)), 0
        while len(rows):
            values = np.array([p.read(places[row])[step] for row in rows])
            for row, output in zip(rows, steps(values, parents), strict=True):
                found[places[row]].append(output.copy())
            step += 1
            parents = np.flatnonzero([len(p.labels[places[row]]) > step for row in rows])
            rows = rows[parents]

    with ThreadExecutor(1) as executor:
        generate(Predictor(p.network, p.theta, data, executor), None, How(1, 1, False), continue_from)
    for one, all_at_once in zip(found, raw, strict=True):
        assert_array_equal(one, all_at_once)


# --------------------------------------------------------------------------------------------------------- memory
def until_refused(run):
    """Results of ``run(max_bytes)`` for less and less memory, and the error of the first that has too little."""
    results = []
    for exponent in range(22, 8, -1):
        try:
            results.append(run(2**exponent))
        except MemoryError as refused:
            return results, str(refused)
    raise AssertionError("so little memory should be refused")


@each_attention
def test_little_memory_means_fewer_sequences_a_shard(attention):
    """Up to the error that says what is needed, and nothing of truncation, which no decoder allows."""
    p = problem("gru", attention, ([60] * 40, [30] * 40), bidirectional=True)
    data = p.data()
    results, error = until_refused(lambda max_bytes: value_and_gradient(p, data, max_bytes=max_bytes))
    assert len(results) > 1
    for value, gradient in results:
        assert_allclose(value, results[0][0], rtol=1e-12)
        assert_allclose(gradient, results[0][1], rtol=1e-9, atol=1e-12)
    assert "raise max_memory to" in error
    assert "truncation" not in error
    results, error = until_refused(lambda max_bytes: np.concatenate(read(p, data, max_bytes=max_bytes)[0]))
    assert len(results) > 1
    for raw in results:
        assert_array_equal(raw, results[0])
    assert "raise max_memory to" in error


def test_what_an_error_of_memory_asks_for_is_enough():
    """First for the weights, then for the steps of both."""
    p = problem("gru", "additive", ([60] * 40, [30] * 40))
    data, max_bytes = p.data(), 2**10
    for _ in range(2):
        with pytest.raises(MemoryError) as caught:
            value_and_gradient(p, data, max_bytes=max_bytes)
        gib = float(str(caught.value).split("raise max_memory to ")[1].split()[0])
        max_bytes = int(1.01 * gib * 2**30)
    assert "60 steps, and 30 of its output," in str(caught.value)
    value_and_gradient(p, data, max_bytes=max_bytes)
