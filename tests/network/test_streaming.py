"""Sequences that are read a part at a time: the same bits, and memory that does not grow with them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from encoders import fit_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network
from numpy.testing import assert_array_equal

import skrnn.sequences._chunks
from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.losses import SquaredError
from skrnn.network.data import Data, StreamedData
from skrnn.network.inference import Predictor
from skrnn.network.memory import Room
from skrnn.network.plan import Mode
from skrnn.network.shards import ThreadExecutor
from skrnn.sequences import as_sequence_array, check_sequences
from skrnn.sequences._chunks import Scan, itself
from skrnn.sequences._convert import check_values
from skrnn.training.objective import Objective

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
LENGTHS = [40, 3, 17, 40, 1, 9, 28, 5, 2, 33, 12]
INPUTS = {
    "plain": {},
    "times": {"time_channel": 3},
    "mask": {"missing": "mask", "time_channel": 3},
    "decay": {"missing": "decay", "categorical": [2]},
    "categories": {"categorical": [2]},
    "raw": {"standardize": False},
    "differences": {"differences": True},
}
each_kind = pytest.mark.parametrize("kind", INPUTS)


def make_sequences(lengths, dtype=np.float32, share_missing=0.0, seed=0):
    """Two channels of numbers, one of codes, one of times."""
    rng, n = np.random.default_rng(seed), sum(lengths)
    numbers = rng.normal(3, 2, (n, 2))
    numbers[rng.random((n, 2)) < share_missing] = np.nan
    times = np.cumsum(rng.exponential(size=n) + 0.01)
    values = np.column_stack([numbers, rng.integers(0, 4, n), times])
    return SequenceArray(values.astype(dtype), np.cumsum([0, *lengths]))


def with_inputs(kind, lengths=LENGTHS, dtype=np.float32, **options):
    options = INPUTS[kind] | options
    X = make_sequences(lengths, dtype, 0.7 if "missing" in options else 0.0)
    return X, fit_inputs(X, np.ones(len(X)), **options)


def network_for(inputs, **options):
    options = {"decay": inputs.decays, "embeddings": inputs.embeddings(2)} | options
    return random_network(np.random.default_rng(1), "lstm", inputs.n_columns, (7, 5), 2, np.float32, **options)


def both_forms(X, inputs, pooling="last"):
    """The sequences in memory, and as they are read from two parts, not writeable."""
    rng = np.random.default_rng(2)
    n_rows = len(X.values) if pooling == "steps" else len(X)
    target, weight = rng.normal(size=(n_rows, 2)), rng.uniform(0.5, 2, n_rows)
    values = X.values.copy()
    values.flags.writeable = False
    X = SequenceArray(values, X.offsets)
    forms = [Data.of(parts, inputs, np.float32, target, weight, n) for parts, n in ((X, 2**30), ((X[:4], X[4:]), 1))]
    assert [type(form) for form in forms] == [Data, StreamedData]
    return forms


# ----------------------------------------------------------------------------------------------------- the same bits
@each_kind
@pytest.mark.parametrize("pooling", ["last", "steps"])
@pytest.mark.parametrize("capacity", [1000, 30], ids=["whole", "in segments"])
def test_gradients(kind, pooling, capacity, monkeypatch):
    X, inputs = with_inputs(kind)
    (network, theta), everyone = network_for(inputs, pooling=pooling, zoneout=0.2), np.arange(len(X))
    monkeypatch.setattr("skrnn.training.objective.room_of_training", lambda *a, **k: Room(16, capacity, 1))
    results = []
    for data in both_forms(X, inputs, pooling):
        with ThreadExecutor(1) as executor:
            objective = Objective(network, data, SquaredError(), 0.1, executor, len(X))
            results.append(objective.value_and_gradient(theta, everyone, seed=3))
    assert results[0][0] == results[1][0]
    assert_array_equal(results[0][1], results[1][1])


@each_kind
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "pooling": "attention"}], ids=["plain", "attention"])
def test_predictions(kind, options):
    X, inputs = with_inputs(kind)
    network, theta = network_for(inputs, **options)
    with ThreadExecutor(1) as executor:
        in_memory, streamed = both_forms(X, inputs)
        predictor = Predictor(network, theta, in_memory, executor)
        expected = predictor.predict_raw(), predictor.hidden_states()
        small = (
            network.memory.packed_bytes
            + network.memory.buffer_bytes(60, 2, Mode(keeps_outputs=True))
            + 60 * streamed.step_bytes
        )
        for max_bytes in (2**30, 4 * small // 3 + 10):
            predictor = Predictor(network, theta, streamed, executor, max_bytes)
            assert_array_equal(predictor.predict_raw(), expected[0])
            some = np.array([9, 0, 4])
            assert_array_equal(predictor.predict_raw(some), expected[0][some])
            states = predictor.hidden_states()
            assert_array_equal(np.concatenate(states), np.concatenate(expected[1]))


@each_kind
@given(n_bytes=st.integers(1, 3000), lengths=st.lists(st.integers(1, 30), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None, database=None)
def test_parts_of_any_size_change_nothing(kind, n_bytes, lengths):
    """But the rounding of sums."""
    X, inputs = with_inputs(kind, lengths)
    encoded = inputs.encode(X, np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skrnn.sequences._chunks, "CHUNK_BYTES", n_bytes)
        _, other = with_inputs(kind, lengths)
        np.testing.assert_allclose(other.mean, inputs.mean, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(other.scale, inputs.scale, rtol=1e-12)
        assert other.categories == inputs.categories
        assert_array_equal(inputs.encode(X, np.float32), encoded)
        if "differences" in INPUTS[kind]:
            np.testing.assert_allclose(other.difference_scale, inputs.difference_scale, rtol=1e-12)
        if "missing" in INPUTS[kind]:
            np.testing.assert_allclose(other.time_scale, inputs.time_scale, rtol=1e-12)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    n_bytes=st.integers(1, 200),
    whole=st.booleans(),
    n_before=st.integers(0, 3),
)
@settings(max_examples=100, deadline=None, database=None)
def test_parts_cover_everything_once(lengths, n_bytes, whole, n_before):
    X = make_sequences(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skrnn.sequences._chunks, "CHUNK_BYTES", n_bytes)
        parts = list(Scan(X).map(itself, whole=whole, n_before=n_before))
    new = [part.values[part._n_again :] for part in parts]
    assert_array_equal(np.concatenate(new), X.values)
    assert all(np.shares_memory(part.values, X.values) for part in parts)
    pairs = zip(new, parts, strict=True)
    assert all(values.nbytes <= max(n_bytes, 16) or (whole and len(part) == 1) for values, part in pairs)
    places = [(i, t) for i, T in enumerate(lengths) for t in range(T)]
    firsts = [places[row] for row in np.cumsum([0, *map(len, new)])[:-1]]
    assert [part._origin for part in parts] == [(i, max(t - n_before, 0)) for i, t in firsts]
    assert [part._n_again for part in parts] == [min(t, n_before) for i, t in firsts]
    if whole:
        assert sum(map(len, parts)) == len(X)


@pytest.mark.usefixtures("small_parts")
def test_a_scan_knows_the_weight_of_each_row():
    X = make_sequences([5, 40, 1, 70])
    for weight in (np.arange(4.0), np.arange(116.0)):
        of_rows = weight if len(weight) == 116 else np.repeat(weight, X.lengths)
        pairs = Scan(X, weight).map(lambda chunk, of_chunk: (chunk.values, of_chunk), n_before=2)
        for values, of_chunk in pairs:
            begin = np.flatnonzero((X.values == values[0]).all(axis=1))[0]
            assert_array_equal(X.values[begin : begin + len(values)], values)
            assert_array_equal(of_rows[begin : begin + len(values)], of_chunk)


# ----------------------------------------------------------------------------------------------------------- errors
@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(skrnn.sequences._chunks, "CHUNK_BYTES", 100)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(("bad", "what"), [(np.nan, "NaN"), (np.inf, "infinity"), (1e300, "1e\\+300, which is too")])
def test_the_place_of_a_wrong_value_is_that_in_all_sequences(bad, what):
    X = make_sequences(LENGTHS, np.float64)
    X.values[X.offsets[3] + 31, 1] = bad
    for check in (check_sequences, check_values):
        with pytest.raises(ValueError, match=rf"contains {what}.*sequence 3, step 31, channel 1"):
            check(X, np.float32)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("kind", "channel", "bad", "what"),
    [("categories", 2, 0.5, "categorical channel 2"), ("times", 3, -5.0, "time stamps"), ("plain", 0, 1e38, "standar")],
)
def test_what_cannot_be_encoded_is_found_at_once(kind, channel, bad, what):
    """And not in the middle of an epoch."""
    X, inputs = with_inputs(kind)
    inputs.scale[0] = 1e-5
    X.values[X.offsets[6] + 20, channel] = bad
    for max_bytes in (2**30, 1):
        with pytest.raises(ValueError, match=rf"{what}.*sequence 6, step 20"):
            Data.of(X, inputs, np.float32, max_bytes=max_bytes)


# -------------------------------------------------------------------------------------------------------- estimators
def memory_mapped(X, path):
    np.save(path, X.values)
    return SequenceArray(np.load(path, mmap_mode="r"), X.offsets)


STREAMING = 0.5 / 2**10  # GiB: less than four times what is encoded below, more than four times what a shard needs


@pytest.mark.parametrize(
    ("make", "options", "per_step"),
    [
        (RNNClassifier, {}, False),
        (RNNRegressor, {"early_stopping": True}, False),
        (RNNRegressor, {"missing": "mask"}, True),
        (RNNClassifier, {"time_channel": 3, "categorical_features": [2]}, False),
        (SequenceTransformer, {}, False),
    ],
)
def test_a_fit_on_mapped_sequences(make, options, per_step, tmp_path, monkeypatch):
    lengths = np.random.default_rng(0).integers(2, 6, 4000).tolist()
    X = make_sequences(lengths, share_missing=0.3 if "missing" in options else 0.0)
    y = np.arange(len(X)) % 2 if make is RNNClassifier else X.values[X.offsets[:-1], 3] / 100
    if per_step:
        y = [np.cumsum(x[:, 2]) for x in X]
    options = {"hidden_layer_sizes": 4, "max_iter": 2, "batch_size": 16, "random_state": 0} | options
    expected = make(**options).fit(X, y)
    made = []
    monkeypatch.setattr(StreamedData, "read", _counted(StreamedData.read, made))
    model = make(**options, max_memory=STREAMING).fit(memory_mapped(X, tmp_path / "X.npy"), y)
    assert made, "it was all encoded at once"
    for name, weights in expected.weights_.items():
        assert_array_equal(model.weights_[name], weights, err_msg=name)
    predict = "transform" if make is SequenceTransformer else "predict"
    for found, wanted in zip(getattr(model, predict)(X), getattr(expected, predict)(X), strict=True):
        assert_array_equal(found, wanted)


def test_sequences_to_hold_out_are_not_copied_either(tmp_path, monkeypatch):
    X = make_sequences(np.random.default_rng(0).integers(2, 6, 4000).tolist())
    y, parts = X.values[X.offsets[:-1], 3] / 100, []
    for k, part in enumerate((X[:3000], X[3000:])):
        parts.append(memory_mapped(part, tmp_path / f"{k}.npy"))
    options = {"hidden_layer_sizes": 4, "max_iter": 2, "early_stopping": True, "random_state": 0, "batch_size": 16}
    held_out = {"X_val": X[3000:], "y_val": y[3000:]}
    expected = RNNRegressor(**options).fit(X[:3000], y[:3000], **held_out)
    monkeypatch.setattr(SequenceArray, "concatenate", None)
    held_out["X_val"] = parts[1]
    model = RNNRegressor(**options, max_memory=STREAMING).fit(parts[0], y[:3000], **held_out)
    assert model.validation_scores_ == expected.validation_scores_
    for name, weights in expected.weights_.items():
        assert_array_equal(model.weights_[name], weights, err_msg=name)


def _counted(function, calls):
    def counting(*arguments):
        calls.append(1)
        return function(*arguments)

    return counting


def test_mapped_arrays_are_not_copied(tmp_path):
    """Nor are slices of them, or padded batches without padding."""
    X = make_sequences([6] * 20)
    mapped = memory_mapped(X, tmp_path / "X.npy")
    file = np.load(tmp_path / "X.npy", mmap_mode="r")
    batch = as_sequence_array(file.reshape(20, 6, 4))
    for sequences in (SequenceArray(file, X.offsets), SequenceArray(file, X.offsets)[3:9], batch, batch[1:][2:]):
        assert np.shares_memory(sequences.values, file)
    assert np.shares_memory(as_sequence_array(mapped).values, mapped.values)


def test_arrow_lists_are_not_copied(tmp_path):
    pa = pytest.importorskip("pyarrow")
    X = make_sequences([50, 3, 20])
    table = pa.table({"x": X.to_arrow()})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.memory_map(str(tmp_path / "x.arrow")) as source:
        column = pa.ipc.open_file(source).read_all()["x"]
        before = pa.total_allocated_bytes()
        mapped = SequenceArray.from_arrow(column)
        assert pa.total_allocated_bytes() - before < 1000
        buffer = column.chunk(0).buffers()[-1]
        first = mapped.values.ctypes.data
        assert buffer.address <= first < buffer.address + buffer.size
        assert mapped == X
        del mapped, column, buffer


# ------------------------------------------------------------------------------------------------------------ memory
def run(code, *arguments):
    """What a new process prints, as numbers."""
    text = MEASURE + code
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(skrnn.__file__).parents[1],
    )
    return [float(number) for number in run.stdout.split()]


MEASURE = """
import sys, threading, time
import numpy as np
from skrnn import RNNClassifier, SequenceArray

def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("RssAnon"))

class Peak:
    def __enter__(self):
        self.before = self.most = anonymous()
        self.over = False
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over:
            self.most = max(self.most, anonymous())
            time.sleep(0.002)

    def __exit__(self, *error):
        self.over = True
        self.thread.join()
"""
BIG = """
path, n, T, D = sys.argv[1], *map(int, sys.argv[2:])
small = np.random.default_rng(0).normal(size=(8, T, D)).astype(np.float32)
options = dict(hidden_layer_sizes=16, max_iter=1, batch_size=64, n_jobs=2, dtype="float32", max_memory=60 / 1024)
RNNClassifier(**options).fit(small, np.arange(8) % 2).predict(small)
X = SequenceArray(np.memmap(path, np.float32, "r", shape=(n * T, D)), np.arange(n + 1) * T)
with Peak() as peak:
    classifier = RNNClassifier(**options, early_stopping=True).fit(X, np.arange(n) % 2)
    classifier.predict(X.values.reshape(n, T, D))
print(peak.before, peak.most)
"""
FLAT = """
rng = np.random.default_rng(0)
small = rng.normal(size=(40, 9, 3))
classifier = RNNClassifier(8, max_iter=1).fit(small, np.arange(40) % 2)
seen = []
for k in range(300):
    X = SequenceArray(rng.normal(size=(2000, 3)), np.r_[0, np.sort(rng.integers(1, 2000, 12)), 2000].astype(int)) \
        if k % 2 else [rng.normal(size=(rng.integers(1, 400), 3)) for _ in range(9)]
    if not isinstance(X, list):
        X = X[X.lengths > 0]
    classifier.predict(X)
    if k % 50 == 49:
        seen.append(anonymous())
    if k < 20:
        RNNClassifier(8, max_iter=1).fit(X, np.arange(len(X)) % 2)
print(*seen)
"""
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.mark.long
@linux
def test_a_fit_on_more_than_the_memory(tmp_path):
    """300 MiB of sequences that are on disk, with 60 MiB of memory."""
    n, T, D = 6000, 400, 32
    rows = np.random.default_rng(0).normal(size=(T * 50, D)).astype(np.float32)
    with open(tmp_path / "X.bin", "wb") as file:
        for _ in range(n // 50):
            rows.tofile(file)
    before, most = run(BIG, tmp_path / "X.bin", n, T, D)
    assert most - before < 60


@pytest.mark.long
@linux
def test_memory_does_not_grow_with_the_number_of_predictions():
    """Of batches of ever other lengths."""
    seen = run(FLAT)
    assert max(seen[1:]) - seen[0] < 10


# ---------------------------------------------------------------------------------------------------- too large for it
@pytest.mark.parametrize("n_units", [10**5, 10**7, 10**10], ids=str)
def test_a_network_that_is_too_large(n_units):
    X = np.zeros((4, 5, 2))
    with pytest.raises(MemoryError, match=r"GiB .*max_memory.*fewer units"):
        RNNClassifier(n_units).fit(X, [0, 1, 0, 1])


def test_a_sequence_that_is_too_long():
    X = SequenceArray(np.broadcast_to(np.float32(0), (3 * 10**6, 1)), [0, 10, 3 * 10**6])
    options = {"hidden_layer_sizes": 8, "max_iter": 1, "standardize": False}
    with pytest.raises(MemoryError, match=r"2999990 steps .*GiB.*truncation"):
        RNNClassifier(**options, bidirectional=True).fit(X, [0, 1])


def test_truncation_needs_a_stochastic_solver():
    with pytest.raises(ValueError, match='solver="adam"'):
        RNNClassifier(solver="lbfgs", truncation=3).fit(np.zeros((4, 5, 2)), [0, 1, 0, 1])


def test_truncation_of_an_estimator():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 30, 2))
    options = {"hidden_layer_sizes": 6, "max_iter": 3, "batch_size": 20, "random_state": 0, "tol": 0.0}
    steps = [np.cumsum(x[:, 0]) for x in X]
    assert RNNRegressor(**options).fit(X, steps).t_ == 6
    cut = RNNRegressor(**options, truncation=10).fit(X, steps)
    assert cut.t_ == 18
    assert len(cut.loss_curve_) == 3
    whole = RNNRegressor(**options, truncation=30).fit(X, steps)
    for name, weights in RNNRegressor(**options).fit(X, steps).weights_.items():
        assert_array_equal(whole.weights_[name], weights)
        assert not np.array_equal(cut.weights_[name], weights)
    last = RNNRegressor(**options, truncation=10).fit(X, X[:, -1, 0])
    assert last.t_ == 6
    with pytest.raises(ValueError, match="bidirectional=False"):
        RNNRegressor(**options, truncation=10, bidirectional=True).fit(X, steps)


def test_what_is_left_to_the_classifier_goes_with_truncation():
    """Both directions and the largest value of each unit are its defaults elsewhere."""
    X, y = np.random.default_rng(0).normal(size=(20, 9, 1)), np.arange(20) % 2
    clf = RNNClassifier(4, max_iter=2, truncation=3, random_state=0).fit(X, y)
    assert (clf.structure_.bidirectional, clf.structure_.pooling) == (False, "last")
