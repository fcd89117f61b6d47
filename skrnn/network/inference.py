"""What a network makes of sequences: predictions, states, attention; without an estimator."""

import numpy as np

from .._core.threads import ShardPool
from ..kernels.batches import store_rows
from .data import MAX_BYTES, Data
from .layers.pooling import get_pooling
from .memory import room_of_prediction
from .network import Network
from .plan import Stretch
from .stack import first_of
from .structure import Structure

PREDICTION_ROWS = 32  # sequences that go through the network together in prediction
WORK_PER_THREAD = 3e6  # parameters times steps of a batch that pay for waking a thread, some 20 microseconds


def predict_raw(network, theta, data, pool, indices=None, max_bytes=MAX_BYTES):
    """Raw predictions of the sequences `indices`, each named once, in their order; None: of all.

    One row (K,) for each sequence, or where the network has predictions for each step, for each of their steps.
    """
    indices, keeps_steps = (
        np.arange(len(data.lengths)) if indices is None else indices,
        network.head.pooling.keeps_steps,
    )
    offsets = np.cumsum([0, *data.lengths[indices]]) if keeps_steps else np.arange(len(indices) + 1)
    raw, begins = np.empty((offsets[-1], network.n_outputs), network.dtype), np.empty(len(data.lengths), np.int64)
    begins[indices] = offsets[:-1]

    def collect(stretch, plan, buffers):
        of_shard = buffers.group("pooled")["raw"]
        if keeps_steps:
            first_rows = begins[stretch.sequences] + stretch.first_steps
            store_rows(of_shard, 0, network.n_outputs, plan.starts, first_rows, raw)
        else:
            raw[begins[stretch.sequences]] = of_shard[: len(stretch.sequences), : network.n_outputs]

    _run_forward(network, theta, data, indices, pool, collect, max_bytes, by_segment=keeps_steps)
    return raw


def hidden_states(network, theta, data, pool, max_bytes=MAX_BYTES):
    """Outputs h_t of the last layer at all steps, one array (n_steps, H) for each sequence."""

    def collect(plan, buffers, begins, out):
        store_rows(network.stack.levels[-1].outputs(buffers), 0, network.stack.n_top_units, plan.starts, begins, out)

    return _run_steps(network, theta, data, pool, network.stack.n_top_units, collect, max_bytes)


def pooled_states(network, theta, data, pool, poolings, max_bytes=MAX_BYTES):
    """Outputs h_t of the last layer, pooled over the steps of each sequence in each of the ways named in `poolings`.

    One row (len(poolings) * H,) for each sequence, one way after the other.
    """
    H, n_backward = network.stack.n_top_units, network.head.pooling.n_backward
    ways = [get_pooling(name, H, n_backward) for name in poolings]
    out = np.empty((len(data.lengths), len(ways) * H), network.dtype)

    def collect(stretch, plan, buffers):
        Y, shard = network.stack.levels[-1].outputs(buffers), stretch.sequences
        for k, way in enumerate(ways):
            shapes = way.buffer_shapes(len(Y), len(shard), training=False)
            scratch = {name: np.empty(shape, network.dtype) for name, shape in shapes.items()}
            pooled = out[shard, k * H : (k + 1) * H]  # what the segment before has left
            way.forward({}, scratch, Y, plan.starts, pooled, plan.segment)
            out[shard, k * H : (k + 1) * H] = pooled

    options = {"by_segment": True, "keep": True}
    _run_forward(network, theta, data, np.arange(len(data.lengths)), pool, collect, max_bytes, **options)
    return out


def read_out(network, theta, pooled):
    """Raw predictions (n_sequences, K) that the readout makes of pooled states (n_sequences, H)."""
    if network.head.readout is None:
        return pooled
    N, H = pooled.shape
    with_one, raw = np.ones((N, H + 1), network.dtype), np.empty((N, network.n_outputs), network.dtype)
    with_one[:, :H] = pooled
    packed = network.pack(theta, network.memory.allocate_packed())
    network.head.readout.forward(packed.group("readout"), with_one, raw, N)
    return raw


def attention_weights(network, theta, data, pool, max_bytes=MAX_BYTES):
    """Weights that attention gives to the steps, one array (n_steps,) for each sequence."""

    def collect(plan, buffers, begins, out):
        store_rows(buffers.group("pooling")["alpha"], 0, 1, plan.starts, begins, out)

    return [weights[:, 0] for weights in _run_steps(network, theta, data, pool, 1, collect, max_bytes)]


def run_recurrent_layers(cell, weights, sequences, initial_h=None, initial_c=None):
    """Run recurrent layers that have no readout.

    Parameters
    ----------
    cell : BaseCell
    weights : dict of str to ndarray
        Named as in ``weights_``, ``"layers.0.forward.W_x"`` and so on, of one dtype; all layers of one size.
    sequences : list of ndarray of shape (n_steps, n_inputs)
    initial_h, initial_c : ndarray of shape (n_layers * n_directions, n_sequences, n_units), default=None
        States to start from, layer by layer and direction by direction; None: 0.

    Returns
    -------
    outputs : list of ndarray of shape (n_steps, n_directions * n_units)
        Outputs of the last layer.
    h, c : ndarray of shape (n_layers * n_directions, n_sequences, n_units)
        States after the last step of each direction; c is None for cells that have none.
    """
    n_layers = 1 + max(int(name.split(".")[1]) for name in weights)
    W_x = weights["layers.0.forward.W_x"]
    H, n_states = cell.count_units(W_x), len(cell.states)
    structure = Structure(
        cell,
        n_inputs=len(W_x),
        hidden_layer_sizes=(H,) * n_layers,
        n_outputs=0,
        dtype=W_x.dtype.name,
        bidirectional="layers.0.backward.W_x" in weights,
    )
    network = Network(structure)
    values = np.ascontiguousarray(np.concatenate(sequences, dtype=network.dtype))
    data = Data(values, np.cumsum([0, *map(len, sequences)]))
    layers = [(level.number, name) for level in network.stack.levels for name in level.directions]
    given = (initial_h, initial_c)[: 1 + n_states]
    final = np.empty((1 + n_states, len(layers), len(sequences), H), network.dtype)
    outputs = np.empty((len(values), network.stack.n_top_units), network.dtype)

    def start(shard):
        initial, zero = [{} for _ in network.stack.levels], np.zeros((len(shard), H), network.dtype)
        for k, (number, name) in enumerate(layers):
            initial[number][name] = [zero if each is None else each[k][shard] for each in given]
        return initial

    def collect(stretch, plan, buffers):
        begins = data.begins[stretch.sequences] + stretch.first_steps
        store_rows(
            network.stack.levels[-1].outputs(buffers), 0, network.stack.n_top_units, plan.starts, begins, outputs
        )
        states = network.stack.final_states(buffers, plan)
        for k, (number, name) in enumerate(layers):
            final[:, k, stretch.sequences] = states[number][name]

    with ShardPool(1) as pool:
        theta, everything = network.flatten(weights), np.arange(len(sequences))
        options = {"by_segment": True, "keep": True, "start": start}
        _run_forward(network, theta, data, everything, pool, collect, MAX_BYTES, **options)
    return np.split(outputs, data.begins[1:]), final[0], final[1] if n_states else None


def worthwhile_threads(theta, lengths):
    """Threads for which sequences of these lengths are work enough."""
    return 1 + int(theta.size * lengths.sum() / WORK_PER_THREAD)


def _run_steps(network, theta, data, pool, width, collect, max_bytes):
    """One array (n_steps, width) per sequence, filled by ``collect(plan, buffers, begins, out)`` segment by segment."""
    offsets = np.cumsum([0, *network.n_steps(data.lengths)])
    out = np.empty((offsets[-1], width), network.dtype)

    def collect_segment(stretch, plan, buffers):
        collect(plan, buffers, offsets[stretch.sequences] + stretch.first_steps, out)

    everything, options = np.arange(len(data.lengths)), {"by_segment": True, "keep": True}
    _run_forward(network, theta, data, everything, pool, collect_segment, max_bytes, **options)
    return np.split(out, offsets[1:-1])


def _run_forward(network, theta, data, indices, pool, collect, max_bytes, *, by_segment, keep=False, start=None):
    """Run sequences through the network; ``collect(stretch, plan, buffers)`` takes what it wants.

    by_segment: whether it does so after each segment of a shard, or once, when that has its predictions; keep: whether
    the outputs of all layers are wanted; start: gives the states that a shard starts from.
    """
    order = data.by_length(indices)
    n_threads = min(pool.n_threads, worthwhile_threads(theta, data.lengths[order]))
    # Rows do not influence each other, so shards may be cut for the threads at hand.
    n_rows = min(PREDICTION_ROWS, 8 * -(-len(order) // (8 * n_threads)), len(order))
    room, n_threads = room_of_prediction(
        network, data.lengths[order], n_rows, n_threads, max_bytes, keep, data.step_bytes
    )
    shards = room.shards(order, data.lengths, network.in_segments)
    n_threads = min(n_threads, len(shards))
    workspace = network.memory.take_workspace(room.n_steps, room.n_sequences, n_threads, keep)
    packed = network.pack(theta, workspace.packed)

    def run(i, worker):
        stretch, buffers, states = Stretch.whole(data, shards[i]), workspace.buffers[worker], start and start(shards[i])
        segments, plan_of_all = stretch.cut(room.n_steps), None
        for k, segment in enumerate(segments):
            plan = network.run_stretch(packed, buffers, data, segment, keep=keep, initial=states)
            network.head.pool(packed, buffers, plan)
            plan_of_all = plan_of_all or plan
            if network.head.pooling.keeps_steps:
                network.head.read_out(packed, buffers, plan, None)
            if by_segment:
                collect(segment, plan, buffers)
            if k + 1 < len(segments):
                states = first_of(network.stack.final_states(buffers, plan), segment.n_on)
        if not by_segment:
            network.head.read_out(packed, buffers, plan_of_all, None)
            collect(stretch, plan_of_all, buffers)

    pool.run(run, len(shards), n_threads)
    network.memory.give_back(workspace)
