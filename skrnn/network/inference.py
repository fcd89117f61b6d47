"""What a network makes of sequences: predictions, states, attention; without an estimator."""

import numpy as np

from ..kernels.batches import N_SEQUENCES
from ..kernels.program import IS_COMPILED, Program
from .carry import Carry
from .data import MAX_BYTES, Data, StreamedData
from .decoding import read_outputs
from .memory import bytes_of_thread, room_of_prediction
from .network import Network
from .plan import Stretch
from .results import Pooled, Raw, States, Weights, mean_of
from .shards import FORWARD_SHARE, Crew, ShardResult, ShardTask, ThreadExecutor, workers_for, worthwhile_workers
from .structure import Structure
from .workspace import Workspace, give_back, spare_workspace

PREDICTION_ROWS = 32  # sequences that go through the network together in prediction
RAW, STATES, WEIGHTS = Raw(), States(), Weights()


class Predictor:
    """What a network with given parameters makes of sequences.

    Parameters
    ----------
    network : Network
    theta : ndarray
        Packed once for many predictions if it is the same array each time and cannot be written to.
    data : Data
    executor : Executor
    max_bytes : int, default=2**30
        Memory for encoded sequences and buffers; what does not fit goes through the network in segments.
    """

    def __init__(self, network, theta, data, executor, max_bytes=MAX_BYTES):
        self.network, self.theta, self.data = network, theta, data
        self.executor, self.max_bytes = executor, max_bytes

    @property
    def thetas(self):
        """The parameters in a list: see `MeanPredictor`."""
        return [self.theta]

    def on(self, data):
        """The same for other sequences."""
        return Predictor(self.network, self.theta, data, self.executor, self.max_bytes)

    def predict_raw(self, indices=None):
        """Raw predictions of the sequences `indices`, in their order; None: of all.

        One row (K,) for each sequence, or where the network has predictions for each step, for each of their steps; if
        it has a decoder, for each step of what that reads.
        """
        if self.network.structure.decoder is not None:
            return read_outputs(self, indices).raw
        return self._run(RAW, indices)[0]

    def hidden_states(self):
        """Outputs h_t of the top level at all steps, one array (n_steps, H) for each sequence."""
        return self._split(self._run(STATES)[0])

    def attention(self):
        """Weights that attention gives to the steps, one array (n_steps,) for each sequence."""
        return self._split(self._run(WEIGHTS)[0][:, 0])

    def pooled(self, poolings, washout=0):
        """Outputs h_t of the top level, pooled over the steps of each sequence in each of the ways named in `poolings`.

        One row (len(poolings) * H,) for each sequence, one way after the other; see `Pooled`.
        """
        return self._run(Pooled(tuple(poolings), washout))[0]

    def states_from(self, initial):
        """`hidden_states` from an initial `Carry` of all sequences, and the carry behind their last steps."""
        out, final = self._run_from(initial, STATES)
        return self._split(out), final

    def raw_from(self, initial):
        """`predict_raw` from an initial `Carry` of all sequences, and the carry behind their last steps."""
        return self._run_from(initial, RAW)

    def _run_from(self, initial, kind):
        out, carries = self._run(kind, initial=initial)
        final = initial.zeros_like(len(self.data.lengths))
        for places, carry in carries:
            for name, array in carry.arrays.items():
                final.arrays[name][places] = array
        return out, final

    def _split(self, out):
        """The rows of each of all sequences, one after the other."""
        ends = np.cumsum(self.network.n_steps(self.data.lengths)).tolist()
        return [out[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

    def _run(self, kind, indices=None, initial=None):
        """The result of a `kind` for some sequences, and of an `initial` carry what comes of it, shard by shard."""
        network, data = self.network, self.data
        lengths = data.lengths if indices is None else data.lengths[indices]
        n, rows = len(lengths), None
        longest = int(lengths[0] if n == 1 else lengths.max())  # a single sequence is to be quick
        workspace, n_rows, n_workers = self._workspace(kind, lengths, longest)
        if kind.by_step(network):
            n_steps = network.n_steps(lengths)
            ends = np.cumsum(n_steps)
            rows, n = ends - n_steps, int(ends[-1])
        out = np.empty((n, kind.n_columns(network)), network.dtype)
        theta = np.ascontiguousarray(self.theta, network.dtype)  # lives as long as the workspace reads it
        workspace.set_theta(theta)
        workspace.set_out(out)
        room = workspace.room._replace(n_sequences=n_rows)
        if initial is None and self._is_driven(room, lengths, longest):
            workspace.set_sequences(lengths, data.begins if indices is None else data.begins[indices], rows, longest)
            workspace.run(data.values, n_rows, not network.in_segments, self.executor, n_workers)
            carries = None
        else:
            shards = room.shards(np.argsort(-lengths, kind="stable"), lengths, network.in_segments)
            workers = [_Pass(data, each, room.n_steps, indices, rows) for each in workspace.threads[:n_workers]]
            carries = self._run_in_python(workspace, shards, workers, initial)
        give_back(network, workspace)
        return out, carries

    def _workspace(self, kind, lengths, longest):
        """A workspace, and the sequences of a shard and threads that it has room for."""
        network, data = self.network, self.data
        n_rows, n_workers = self._shards(lengths, longest)
        if data.step_bytes == 0:
            workspace = spare_workspace(network, kind, n_rows, n_rows * longest)
            if workspace and workspace.room.n_bytes <= bytes_of_thread(network, self.max_bytes, n_workers):
                workspace.add_threads(network, n_workers)
                return workspace, n_rows, n_workers
        sizes = n_rows, n_workers, self.max_bytes, kind.mode, data.step_bytes
        room, n_workers = room_of_prediction(network, lengths, *sizes)
        workspace = Workspace(network, kind, room)
        workspace.add_threads(network, n_workers)
        return workspace, room.n_sequences, n_workers

    def _shards(self, lengths, longest):
        """Sequences of a shard, and threads. Rows do not influence each other, so shards are cut for the threads."""
        n, n_workers = len(lengths), self.executor.n_workers
        if n_workers > 1:  # to look at the longest is quick, and mostly enough to know that one thread will do
            n_workers = min(n_workers, workers_for(FORWARD_SHARE * self.theta.size * n * longest))
        if n_workers > 1:
            n_workers = min(n_workers, worthwhile_workers(self.theta, lengths, FORWARD_SHARE))
        n_shards = n_workers * -(-n // (n_workers * PREDICTION_ROWS))
        return min(n, 8 * -(-n // (8 * n_shards))), n_workers

    def _is_driven(self, room, lengths, longest):
        """Whether compiled code does it all: steps are at hand, and all those of a shard have room."""
        if not IS_COMPILED or isinstance(self.data, StreamedData):
            return False
        # The product is quick, and mostly small enough.
        return room.n_sequences * longest <= room.n_steps or room.has_whole(lengths, self.network.in_segments)

    def _run_in_python(self, workspace, shards, workers, initial):
        """What the driver does, for segments, steps that are encoded when they are read, and initial states."""
        tasks = [ShardTask(shard) for shard in shards]
        if initial is not None:
            tasks = [task._replace(carry=initial.take(task.sequences), wants_carry=True) for task in tasks]
        crew = Crew(lambda theta: workspace.pack.run(), workers)
        results = self.executor.run(crew, self.theta, tasks, min(len(workers), len(tasks)))
        for worker in workers:
            worker.programs.plan.take_all_steps()  # as the driver wants to find it
        return [(task.sequences, result.carry) for task, result in zip(tasks, results, strict=True)]


class _Pass:
    """A worker that takes shards forward, segment by segment; its tasks name sequences by their places in `indices`.

    Parameters
    ----------
    data : Data
    programs : PredictionPrograms
    capacity : int
        Steps of a segment.
    indices : ndarray or None
        The sequences; None: all.
    rows : ndarray or None
        For each, its first row in a result of a row for each step; None where there is one row for each sequence.
    """

    def __init__(self, data, programs, capacity, indices, rows):
        self.data, self.programs, self.capacity, self.indices, self.rows = data, programs, capacity, indices, rows

    def run(self, task):
        """Take the shard of a task forward."""
        programs, places = self.programs, task.sequences
        stretch = Stretch.whole(self.data, places if self.indices is None else self.indices[places])
        segments, carry, final = stretch.cut(self.capacity), task.carry, None
        for k, segment in enumerate(segments):
            n = len(segment.sequences)
            programs.run_forward(self.data, segment, carry)
            programs.set_rows(places if self.rows is None else self.rows[places[:n]] + segment.first_steps)
            programs.during.run()
            if task.wants_carry or k + 1 < len(segments):
                carry = programs.carry(n)
                final = carry if final is None else final.update(carry)
                carry = carry.first(segment.n_on)
        programs.plan.counts[N_SEQUENCES] = len(places)  # all of them, not those of the last segment
        programs.after.run()
        return ShardResult(carry=final)


class MeanPredictor:
    """What several networks of one structure make of sequences: the mean of their results.

    Parameters
    ----------
    thetas : list of ndarray
        Parameters of each.
    network, data, executor, max_bytes
        See `Predictor`.
    """

    def __init__(self, network, thetas, data, executor, max_bytes=MAX_BYTES):
        self.network, self.thetas, self.data = network, thetas, data
        self.executor, self.max_bytes = executor, max_bytes

    def on(self, data):
        """The same for other sequences."""
        return MeanPredictor(self.network, self.thetas, data, self.executor, self.max_bytes)

    @property
    def _each(self):
        return [Predictor(self.network, theta, self.data, self.executor, self.max_bytes) for theta in self.thetas]

    def predict_raw(self, indices=None):
        """See `Predictor.predict_raw`."""
        return mean_of([predictor.predict_raw(indices) for predictor in self._each])

    def attention(self):
        """See `Predictor.attention`."""
        return [mean_of(of_sequence) for of_sequence in zip(*(each.attention() for each in self._each), strict=True)]


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
