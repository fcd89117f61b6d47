"""What a network makes of sequences: predictions, states, attention; without an estimator."""

import numpy as np

from ._threads import ShardPool
from .kernels.batches import last_states, store_rows
from .layers.pooling import get_pooling
from .network import Network
from .structure import Structure

PREDICTION_ROWS = 32  # sequences that go through the network together in prediction
WORK_PER_THREAD = 3e6  # parameters times steps of a batch that pay for waking a thread, some 20 microseconds


class Data:
    """Sequences in the form that the network reads, with their targets and weights.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_channels)
        Steps of all sequences, in the dtype of the network.
    offsets : ndarray of shape (n_sequences + 1,)
        Where each sequence starts in `values`.
    target : ndarray of shape (n_rows, n_targets), default=None
        A row for each sequence, or for each step.
    weight : ndarray of shape (n_rows,), default=None
        Weights of these rows; None: 1.

    Attributes
    ----------
    weight : ndarray of shape (n_sequences,)
        Weights of the sequences: of one whose steps have targets, the sum of theirs.
    row_weight : ndarray of shape (n_rows,)
    """

    def __init__(self, values, offsets, target=None, weight=None):
        self.values, self.offsets, self.begins, self.lengths = values, offsets, offsets[:-1], np.diff(offsets)
        self.set_target(target, weight)

    def set_target(self, target, weight=None):
        """Give the sequences or their steps targets, or None, and weights."""
        self.target = self.row_weight = self.weight = None
        if target is None:
            return
        self.target = np.ascontiguousarray(target, self.values.dtype)
        self.row_weight = self.weight = np.ones(len(target)) if weight is None else weight
        if len(target) > len(self.lengths):
            self.weight = np.add.reduceat(self.row_weight, self.begins)

    def target_rows(self, indices):
        """Rows of the targets of the sequences `indices`, in their order."""
        return indices if len(self.target) == len(self.lengths) else self.step_rows(indices)

    def step_rows(self, indices):
        """Rows of the steps of the sequences `indices`, in their order."""
        lengths = self.lengths[indices]
        ends = np.cumsum(lengths)
        return np.arange(lengths.sum()) + np.repeat(self.begins[indices] - ends + lengths, lengths)

    def by_length(self, indices):
        """The sequences `indices`, longest first."""
        return indices[np.argsort(-self.lengths[indices], kind="stable")]

    def longest(self, indices):
        """Steps of the longest of the sequences `indices` that have a weight."""
        return self.lengths[indices[self.weight[indices] > 0]].max()

    def most_steps(self, n_rows):
        """Steps that `n_rows` sequences have at most."""
        return int(np.sort(self.lengths)[-n_rows:].sum())


def predict_raw(network, theta, data, pool, indices=None):
    """Raw predictions of the sequences `indices`, in their order; None: of all.

    One row (K,) for each sequence, or where the network has predictions for each step, for each of their steps.
    """
    indices, keeps_steps = np.arange(len(data.lengths)) if indices is None else indices, network.pooling.keeps_steps
    raw = np.empty((len(data.values if keeps_steps else data.lengths), network.n_outputs), network.dtype)

    def collect(shard, plan, buffers):
        rows = network.prediction_rows(plan, shard)
        raw[rows] = buffers.part("pooled")["raw"][: len(rows), : network.n_outputs]

    _run_forward(network, theta, data, indices, pool, collect)
    return raw[data.step_rows(indices) if keeps_steps else indices]


def hidden_states(network, theta, data, pool):
    """Outputs h_t of the last layer at all steps, one array (n_steps, H) for each sequence."""

    def collect(plan, buffers, begins, out):
        store_rows(network.blocks[-1].outputs(buffers), 0, network.n_last, plan.starts, begins, out)

    return _run_steps(network, theta, data, pool, network.n_last, collect)


def pooled_states(network, theta, data, pool, poolings):
    """Outputs h_t of the last layer, pooled over the steps of each sequence in each of the ways named in `poolings`.

    One row (len(poolings) * H,) for each sequence, one way after the other.
    """
    H, n_backward = network.n_last, network.pooling.n_backward
    ways = [get_pooling(name, H, n_backward) for name in poolings]
    out = np.empty((len(data.lengths), len(ways) * H), network.dtype)

    def collect(shard, plan, buffers):
        Y, pooled = network.blocks[-1].outputs(buffers), np.empty((len(shard), H), network.dtype)
        for k, way in enumerate(ways):
            shapes = way.buffer_shapes(len(Y), len(shard), training=False)
            scratch = {name: np.empty(shape, network.dtype) for name, shape in shapes.items()}
            way.forward({}, scratch, Y, plan.starts, pooled)
            out[shard, k * H : (k + 1) * H] = pooled

    _run_forward(network, theta, data, np.arange(len(data.lengths)), pool, collect, keep=True)
    return out


def read_out(network, theta, pooled):
    """Raw predictions (n_sequences, K) that the readout makes of pooled states (n_sequences, H)."""
    if network.readout is None:
        return pooled
    N, H = pooled.shape
    with_one, raw = np.ones((N, H + 1), network.dtype), np.empty((N, network.n_outputs), network.dtype)
    with_one[:, :H] = pooled
    packed = network.pack(theta, network.allocate_packed())
    network.readout.forward(packed.part("readout"), with_one, raw, N)
    return raw


def attention_weights(network, theta, data, pool):
    """Weights that attention gives to the steps, one array (n_steps,) for each sequence."""

    def collect(plan, buffers, begins, out):
        store_rows(buffers.part("pooling")["alpha"], 0, 1, plan.starts, begins, out)

    return [weights[:, 0] for weights in _run_steps(network, theta, data, pool, 1, collect)]


def run_layers(cell, weights, sequences, initial_h=None, initial_c=None):
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
    layers = [(block.number, name) for block in network.blocks for name in block.directions]
    given = (initial_h, initial_c)[: 1 + n_states]
    final = np.empty((1 + n_states, len(layers), len(sequences), H), network.dtype)
    outputs = np.empty((len(values), network.n_last), network.dtype)

    def start(shard):
        initial, zero = [{} for _ in network.blocks], np.zeros((len(shard), H), network.dtype)
        for k, (number, name) in enumerate(layers):
            initial[number][name] = [zero if each is None else each[k][shard] for each in given]
        return initial

    def collect(shard, plan, buffers):
        store_rows(network.blocks[-1].outputs(buffers), 0, network.n_last, plan.starts, data.begins[shard], outputs)
        last = np.empty((len(shard), (1 + n_states) * H), network.dtype)
        for k, (number, name) in enumerate(layers):
            part = buffers.part(f"layers.{number}.{name}")
            last_states(part["Z"], plan.starts, H, last, 0)
            last_states(part["S"], plan.starts, n_states * H, last, H)
            final[:, k, shard] = last.reshape(len(shard), -1, H).swapaxes(0, 1)

    with ShardPool(1) as pool:
        theta, everything = network.flatten(weights), np.arange(len(sequences))
        _run_forward(network, theta, data, everything, pool, collect, keep=True, start=start)
    return np.split(outputs, data.begins[1:]), final[0], final[1] if n_states else None


def worthwhile_threads(theta, lengths):
    """Threads for which sequences of these lengths are work enough."""
    return 1 + int(theta.size * lengths.sum() / WORK_PER_THREAD)


def _run_steps(network, theta, data, pool, width, collect):
    """One array (n_steps, width) per sequence, filled by ``collect(plan, buffers, begins, out)`` shard by shard."""
    offsets = np.cumsum([0, *network.n_steps(data.lengths)])
    out = np.empty((offsets[-1], width), network.dtype)

    def collect_shard(shard, plan, buffers):
        collect(plan, buffers, offsets[shard], out)

    _run_forward(network, theta, data, np.arange(len(data.lengths)), pool, collect_shard, keep=True)
    return np.split(out, offsets[1:-1])


def _run_forward(network, theta, data, indices, pool, collect, *, keep=False, start=None):
    """Run sequences through the network; ``collect(shard, plan, buffers)`` takes what it wants from each shard.

    keep: whether the outputs of all layers are wanted; start: gives the states that a shard starts from.
    """
    order = data.by_length(indices)
    n_threads = min(pool.n_threads, worthwhile_threads(theta, data.lengths[order]))
    # Rows do not influence each other, so shards may be cut for the threads at hand.
    n_rows = min(PREDICTION_ROWS, 8 * -(-len(order) // (8 * n_threads)), len(order))
    steps, n_shards = int(data.lengths[order[:n_rows]].sum()), -(-len(order) // n_rows)
    n_threads = min(n_threads, n_shards)
    workspace = network.take_workspace(steps, n_rows, n_threads, keep)
    packed = network.pack(theta, workspace.packed)

    def run(i, worker):
        shard = order[i * n_rows : (i + 1) * n_rows]
        buffers, initial = workspace.buffers[worker], start and start(shard)
        begins, lengths = data.begins[shard], data.lengths[shard]
        plan = network.forward(packed, buffers, data.values, begins, lengths, keep=keep, initial=initial)
        collect(shard, plan, buffers)

    pool.run(run, n_shards, n_threads)
    network.give_back(workspace)
