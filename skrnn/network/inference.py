"""What a network makes of sequences: predictions, states, attention; without an estimator."""

import numpy as np

from ..kernels.batches import N_SEQUENCES, store_rows
from ..kernels.program import Program
from .carry import Carry
from .data import MAX_BYTES, Data
from .layers.pooling import get_pooling
from .memory import room_of_prediction
from .network import Network
from .plan import Mode, Stretch
from .shards import Crew, ShardResult, ShardTask, ThreadExecutor, worthwhile_workers
from .structure import Structure

PREDICTION_ROWS = 32  # sequences that go through the network together in prediction


class Predictor:
    """What a network with given parameters makes of sequences.

    Parameters
    ----------
    network : Network
    theta : ndarray
    data : Data
    executor : Executor
    max_bytes : int, default=2**30
        Memory for encoded sequences and buffers; what does not fit goes through the network in segments.
    """

    def __init__(self, network, theta, data, executor, max_bytes=MAX_BYTES):
        self.network, self.theta, self.data = network, theta, data
        self.executor, self.max_bytes = executor, max_bytes
        self._everything = np.arange(len(data.lengths))

    def predict_raw(self, indices=None):
        """Raw predictions of the sequences `indices`, each named once, in their order; None: of all.

        One row (K,) for each sequence, or where the network has predictions for each step, for each of their steps.
        """
        indices = self._everything if indices is None else indices
        if self.network.head.pooling.keeps_steps:
            return np.concatenate(self._by_step(_RawPass, indices))
        return self._by_sequence(_RawPass, indices)

    def hidden_states(self):
        """Outputs h_t of the top level at all steps, one array (n_steps, H) for each sequence."""
        return self._by_step(_StatesPass, self._everything)

    def attention(self):
        """Weights that attention gives to the steps, one array (n_steps,) for each sequence."""
        return [weights[:, 0] for weights in self._by_step(_AttentionPass, self._everything)]

    def pooled(self, poolings):
        """Outputs h_t of the top level, pooled over the steps of each sequence in each of the ways named in `poolings`.

        One row (len(poolings) * H,) for each sequence, one way after the other.
        """
        return self._by_sequence(_PooledPass, self._everything, poolings)

    def states_from(self, initial):
        """`hidden_states` from an initial `Carry` of all sequences, and the carry behind their last steps."""
        results = self._run(_StatesPass, self._everything, initial=initial)
        final = initial.zeros_like(len(self.data.lengths))
        for task, result in results:
            for name, array in result.carry.arrays.items():
                final.arrays[name][task.sequences] = array
        return self._split(results, self._everything), final

    def _by_sequence(self, kind, indices, *what):
        """One row for each sequence, in the order of `indices`."""
        results = self._run(kind, indices, *what)
        if len(indices) == 1:  # which is to be quick
            return results[0][1].rows
        rows = np.empty_like(self._everything)
        rows[indices] = np.arange(len(indices))
        out = np.empty((len(indices), results[0][1].rows.shape[1]), self.network.dtype)
        for task, result in results:
            out[rows[task.sequences]] = result.rows
        return out

    def _by_step(self, kind, indices):
        """An array of a row for each step, for each sequence in the order of `indices`."""
        return self._split(self._run(kind, indices), indices)

    def _split(self, results, indices):
        of_sequence = [None] * len(self.data.lengths)
        for task, result in results:
            ends = np.cumsum(self.network.n_steps(self.data.lengths[task.sequences])).tolist()
            for number, begin, end in zip(task.sequences.tolist(), [0, *ends], ends, strict=False):
                of_sequence[number] = result.rows[begin:end]
        return [of_sequence[number] for number in indices.tolist()]

    def _run(self, kind, indices, *what, initial=None):
        """Pairs of a task and its result, from workers of this `kind`."""
        network, data = self.network, self.data
        order = data.by_length(indices)
        n_workers = min(self.executor.n_workers, worthwhile_workers(self.theta, data.lengths[order]))
        # Rows do not influence each other, so shards may be cut for the workers at hand.
        n_rows = min(PREDICTION_ROWS, 8 * -(-len(order) // (8 * n_workers)), len(order))
        sizes = n_rows, n_workers, self.max_bytes, kind.mode, data.step_bytes
        room, n_workers = room_of_prediction(network, data.lengths[order], *sizes)
        shards = room.shards(order, data.lengths, network.in_segments)
        tasks = [ShardTask(shard) for shard in shards]
        if initial is not None:
            tasks = [task._replace(carry=initial.take(task.sequences), wants_carry=True) for task in tasks]
        n_workers = min(n_workers, len(tasks))
        workspace = network.memory.take_workspace(room.n_steps, room.n_sequences, n_workers, kind.mode)
        workers = [kind(network, data, programs, room.n_steps, *what) for programs in workspace.programs[:n_workers]]
        crew = Crew(lambda theta: workspace.pack(network, theta), workers)
        results = self.executor.run(crew, self.theta, tasks, n_workers)
        network.memory.give_back(workspace, kind.mode)
        return list(zip(tasks, results, strict=True))


class _ForwardPass:
    """A worker that takes shards forward; what of them its results have, subclasses say.

    Parameters
    ----------
    network : Network
    data : Data
    programs : ShardPrograms
    capacity : int
        Steps that there are buffers for.

    Attributes
    ----------
    mode : Mode
    """

    mode = Mode(keeps_outputs=True)

    def __init__(self, network, data, programs, capacity):
        self.network, self.data, self.programs, self.capacity = network, data, programs, capacity
        self.buffers, self.plan = programs.memory.buffers, programs.plan

    def run(self, task):
        """Take the shard of a task forward, segment by segment."""
        stretch = Stretch.whole(self.data, task.sequences)
        segments, carry, final = stretch.cut(self.capacity), task.carry, None
        rows, begins = self.start(stretch)
        for k, segment in enumerate(segments):
            self.programs.run_forward(self.data, segment, carry)
            self.read(segment, begins, rows)
            if task.wants_carry or k + 1 < len(segments):
                carry = self.programs.carry(len(segment.sequences))
                final = carry if final is None else final.update(carry)
                carry = carry.first(segment.n_on)
        self.end(rows)
        return ShardResult(rows=rows, carry=final)

    def start(self, stretch):
        """Rows for what the result is to have, and the first of each sequence."""
        raise NotImplementedError

    def read(self, segment, begins, rows):
        """Take what is wanted of a segment that has come through the stack."""
        raise NotImplementedError

    def end(self, rows):
        """Take what is wanted of all steps."""

    def _rows_of_steps(self, stretch, n_columns):
        n_steps = self.network.n_steps(stretch.lengths)
        return np.empty((n_steps.sum(), n_columns), self.network.dtype), np.cumsum(n_steps) - n_steps

    def _rows_of_sequences(self, stretch, n_columns):
        return np.empty((len(stretch.sequences), n_columns), self.network.dtype), None

    def _store(self, array, n_columns, segment, begins, rows):
        """Bring the live rows of a segment to the rows of their sequences."""
        starts, first = self.plan.starts.resolve(), begins[: len(segment.lengths)] + segment.first_steps
        store_rows(array, 0, n_columns, starts, first, rows)


class _RawPass(_ForwardPass):
    """Raw predictions."""

    mode = Mode()

    def start(self, stretch):
        keeps_steps = self.network.head.pooling.keeps_steps
        return (self._rows_of_steps if keeps_steps else self._rows_of_sequences)(stretch, self.network.n_outputs)

    def read(self, segment, begins, rows):
        self.programs.pool.run()
        if self.network.head.pooling.keeps_steps:
            self.programs.read_out.run()
            self._store(self.buffers.group("pooled")["raw"], self.network.n_outputs, segment, begins, rows)

    def end(self, rows):
        if not self.network.head.pooling.keeps_steps:
            self.programs.plan.counts[N_SEQUENCES] = len(rows)  # all of them, not those of the last segment
            self.programs.read_out.run()
            rows[:] = self.buffers.group("pooled")["raw"][: len(rows), : self.network.n_outputs]


class _StatesPass(_ForwardPass):
    """Outputs of the top level."""

    def start(self, stretch):
        return self._rows_of_steps(stretch, self.network.stack.n_top_units)

    def read(self, segment, begins, rows):
        stack = self.network.stack
        self._store(stack.levels[-1].outputs(self.buffers), stack.n_top_units, segment, begins, rows)


class _AttentionPass(_ForwardPass):
    """Weights of the steps."""

    def start(self, stretch):
        return self._rows_of_steps(stretch, 1)

    def read(self, segment, begins, rows):
        self.programs.pool.run()
        self._store(self.buffers.group("pooling")["alpha"], 1, segment, begins, rows)


class _PooledPass(_ForwardPass):
    """Outputs of the top level, pooled in several ways."""

    def __init__(self, network, data, programs, capacity, poolings):
        super().__init__(network, data, programs, capacity)
        pooling, Y = network.head.pooling, network.stack.levels[-1].outputs(self.buffers)
        self.ways = []  # the program of each way, and what it fills
        for name in poolings:
            way, n_sequences = get_pooling(name, pooling.n_units, pooling.n_backward), self.plan.of_sequences.shape[1]
            pooled = np.empty((n_sequences, pooling.n_units), Y.dtype)
            shapes = way.buffer_shapes(len(Y), n_sequences, training=False)
            scratch = {name: np.empty(shape, Y.dtype) for name, shape in shapes.items()}
            self.ways.append((Program(way.forward({}, scratch, Y, self.plan, pooled)), pooled))

    def start(self, stretch):
        return self._rows_of_sequences(stretch, len(self.ways) * self.network.stack.n_top_units)

    def read(self, segment, begins, rows):
        for program, _ in self.ways:  # each goes on from what it has left of the segment before
            program.run()

    def end(self, rows):
        H = self.network.stack.n_top_units
        for k, (_, pooled) in enumerate(self.ways):
            rows[:, k * H : (k + 1) * H] = pooled[: len(rows)]


def read_out(network, theta, pooled):
    """Raw predictions (n_sequences, K) that the readout makes of pooled states (n_sequences, H)."""
    if network.head.readout is None:
        return pooled
    N, H = pooled.shape
    with_one, raw = np.ones((N, H + 1), network.dtype), np.empty((N, network.n_outputs), network.dtype)
    with_one[:, :H] = pooled
    packed = network.pack(theta, network.memory.allocate_packed())
    Program(network.head.readout.forward(packed.group("readout"), with_one, raw, N)).run()
    return raw


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
    H, kinds = cell.count_units(W_x), ("h", *cell.states)
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
    names = [f"layers.{level.number}.{name}" for level in network.stack.levels for name in level.directions]
    zeros = np.zeros((len(names), len(sequences), H), network.dtype)
    given = [zeros if each is None else each for each in (initial_h, initial_c)[: len(kinds)]]
    initial = Carry(
        {f"{name}.{kind}": of[k] for kind, of in zip(kinds, given, strict=True) for k, name in enumerate(names)}
    )
    with ThreadExecutor(1) as executor:
        outputs, final = Predictor(network, network.flatten(weights), data, executor).states_from(initial)
    h, *others = (np.stack([final.arrays[f"{name}.{kind}"] for name in names]) for kind in kinds)
    return outputs, h, others[0] if others else None
