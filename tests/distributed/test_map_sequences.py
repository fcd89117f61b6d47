"""Methods of estimators over partitions: the same bits as on all sequences at once, in every form; and errors."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.distributed import map_sequences
from skrnn.preprocessing import PerStep

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
db = pytest.importorskip("dask.bag")
pa = pytest.importorskip("pyarrow")

QUICK = {"hidden_layer_sizes": 4, "max_iter": 2, "tol": 1.0, "n_iter_no_change": 1, "random_state": 0}
LENGTHS = [3, 5, 4, 6, 1, 2, 5] * 3
DIVISIONS = ([21], [7, 14], [1, 0, 12, 8], [0, 20, 1])  # lengths of partitions


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads", num_workers=3):
        yield


def draw(names=None):
    rng = np.random.default_rng(0)
    steps = [rng.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]
    packed = SequenceArray.from_list(steps)
    return SequenceArray(packed.values, packed.offsets, names)


NAMED = draw(["u", "v"])
LABELS = np.array([f"class {k % 3}" for k in range(len(NAMED))])
STEPS = [np.arange(n) % 2 for n in LENGTHS]


@pytest.fixture(scope="module")
def fitted():
    """Estimators with the methods that they are tried with."""
    networks = make_pipeline(PerStep(StandardScaler()), RNNClassifier(**QUICK)).fit(NAMED, LABELS)
    return {
        "labels": (RNNClassifier(**QUICK).fit(NAMED, LABELS), ["predict", "predict_proba"]),
        "pipeline": (networks, ["predict", "predict_proba"]),
        "steps": (RNNClassifier(**QUICK).fit(NAMED, STEPS), ["predict", "predict_proba"]),
        "numbers": (RNNRegressor(**QUICK).fit(NAMED, np.arange(42.0).reshape(21, 2)), ["predict", "hidden_states"]),
        "features": (SequenceTransformer(n_jobs=2, **QUICK).fit(NAMED), ["transform"]),
    }


KINDS = ["labels", "pipeline", "steps", "numbers", "features"]


def same(found, expected):
    """The same values in the same dtype, be they numbers or arrays for each sequence."""
    found, expected = list(found), list(expected)
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(found, expected, strict=True)]
    return all(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b) for a, b in pairs)


def cut(lengths):
    """Slices of these lengths."""
    ends = np.cumsum(lengths)
    return [slice(end - n, end) for n, end in zip(lengths, ends, strict=True)]


# ---------------------------------------------------------------------------------------------------- the same bits
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", DIVISIONS, ids=str)
def test_lists_and_bags(fitted, kind, lengths):
    estimator, methods = fitted[kind]
    for method in methods:
        expected = getattr(estimator, method)(NAMED)
        parts = [dask.delayed(NAMED[rows], traverse=False) for rows in cut(lengths)]
        found = dask.compute(*map_sequences(estimator, parts, method))
        assert same([row for part in found for row in part], expected)
        bag = db.from_delayed([dask.delayed(list)(part) for part in parts])
        with pytest.warns(UserWarning, match="feature names"):  # arrays have none
            assert same(map_sequences(estimator, bag, method).compute(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays(fitted, kind):
    X = draw()[[1, 6] * 6].to_padded()
    estimator, methods = fitted[kind]
    for method in methods:
        with pytest.warns(UserWarning, match="feature names"):
            expected = getattr(estimator, method)(X)
        for chunks in (12, 5, (1, 0, 11)):
            found = map_sequences(estimator, da.from_array(X, chunks=(chunks, -1, -1)), method)
            with pytest.warns(UserWarning, match="feature names"):
                values = found.compute()
            assert found.dtype == values.dtype
            assert found.shape == values.shape
            assert same(values, expected)


def long_frame(sequences, lengths):
    """A Dask frame whose partitions have so many sequences."""
    ids = [f"id {k}" for k in range(len(sequences))]
    parts = [sequences[rows].to_long(ids[rows], instance="patient", time="hour") for rows in cut(lengths)]
    delayed = [dask.delayed(part, traverse=False) for part in parts]
    largest = max(parts, key=len)
    return dd.from_delayed(delayed, meta=largest[:0], verify_meta=False), ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", DIVISIONS, ids=str)
def test_long_frames(fitted, kind, lengths):
    X, ids = long_frame(NAMED, lengths)
    estimator, methods = fitted[kind]
    for method in methods:
        expected = getattr(estimator, method)(NAMED)
        lazy = map_sequences(estimator, X, method, instance="patient", time="hour")
        found = lazy.compute()
        assert list(found.index) == ids
        assert found.index.name == "patient"
        check_columns(lazy, found, expected, method)


def check_columns(lazy, found, expected, method):
    """Columns and dtypes are those that were said, and values those expected."""
    if lazy.ndim == 2:
        assert dict(found.dtypes) == dict(lazy.dtypes)
        assert same(found.to_numpy(), expected)
        return
    assert found.name == lazy.name == method
    assert found.dtype == lazy.dtype
    if isinstance(found.dtype, pd.ArrowDtype):
        assert same(SequenceArray.from_arrow(pa.array(found.array)), [as_steps(row) for row in expected])
    else:
        assert same(found.to_numpy(dtype=np.asarray(expected).dtype), expected)


def as_steps(row):
    return row.astype(np.float64 if row.dtype.kind in "iu" else row.dtype).reshape(len(row), -1)


def test_divisions_of_long_frames_remain(fitted):
    frame = NAMED.to_long(instance="patient", time="hour").set_index("patient")
    X = dd.from_pandas(frame, npartitions=4, sort=True)
    found = map_sequences(fitted["labels"][0], X, instance="patient", time="hour", columns=["u", "v"])
    assert found.divisions == X.divisions
    assert same(found.compute(), fitted["labels"][0].predict(NAMED))
    assert same(found.loc[3:4].compute(), fitted["labels"][0].predict(NAMED[3:5]))


def test_rows_that_were_shuffled(fitted):
    frame = NAMED.to_long(instance="patient", time="hour").sample(frac=1, random_state=0)
    X = dd.from_pandas(frame, npartitions=4, sort=False).shuffle(on="patient")
    found = map_sequences(fitted["labels"][0], X, "predict_proba", instance="patient", time="hour", sort=True)
    assert same(found.compute().sort_index().to_numpy(), fitted["labels"][0].predict_proba(NAMED))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_with_a_sequence_in_each_row(fitted, kind):
    estimator, methods = fitted[kind]
    frame = pd.DataFrame({"other": 1.0, "signal": NAMED.to_series()}, index=pd.RangeIndex(100, 121, name="patient"))
    frame["signal"] = NAMED.to_series(frame.index)
    for method in methods:
        expected = getattr(estimator, method)(NAMED)
        for X in (dd.from_pandas(frame, npartitions=3), dd.from_pandas(frame["signal"], npartitions=3)):
            lazy = map_sequences(estimator, X, method, columns=None if X.ndim == 1 else "signal")
            assert lazy.divisions == X.divisions
            found = lazy.compute()
            assert found.index.equals(frame.index)
            check_columns(lazy, found, expected, method)


def test_columns_of_a_pipeline():
    """Numbers beside sequences, as a pipeline reads them in memory."""
    frame = pd.DataFrame({"age": np.arange(21.0), "signal": NAMED.to_series()})
    columns = make_column_transformer((StandardScaler(), ["age"]), (SequenceTransformer(**QUICK), ["signal"]))
    columns.fit(frame)
    found = map_sequences(columns, dd.from_pandas(frame, npartitions=4), "transform")
    assert list(found.columns) == [*columns.get_feature_names_out()]
    assert same(found.compute().to_numpy(), columns.transform(frame))


@pytest.mark.parametrize("kind", KINDS)
def test_parquet_in_and_out(fitted, kind, tmp_path):
    estimator, methods = fitted[kind]
    pa.parquet.write_table(pa.table({"signal": NAMED.to_arrow()}), tmp_path / "wide.parquet", row_group_size=8)
    (tmp_path / "long").mkdir()
    for k, rows in enumerate(cut([10, 11])):
        part = NAMED[rows].to_long(np.arange(21)[rows], instance="patient", time="hour")
        part.to_parquet(tmp_path / "long" / f"part.{k}.parquet")
    for method in methods:
        expected = getattr(estimator, method)(NAMED)
        wide = map_sequences(estimator, tmp_path / "wide.parquet", method)
        assert wide.npartitions == 3
        check_columns(wide, wide.compute(), expected, method)
        long = map_sequences(estimator, str(tmp_path / "long"), method, instance="patient", time="hour")
        assert long.npartitions == 2
        check_columns(long, long.compute(), expected, method)
        (long.to_frame() if long.ndim == 1 else long).to_parquet(tmp_path / "out")
        again = pd.read_parquet(tmp_path / "out", dtype_backend="pyarrow")
        assert again.index.name == "patient"
        assert list(again.index) == list(range(21))
        rows = zip(*(pa.array(again[name].array).to_pylist() for name in again), strict=True)
        cells = (row if again.shape[1] > 1 else row[0] for row in rows)
        assert same([np.array(cell, np.asarray(e).dtype) for cell, e in zip(cells, expected, strict=True)], expected)


# ----------------------------------------------------------------------------------------------------------- lazily
class Watched(RNNClassifier):
    """Counts its calls."""

    calls = []

    def predict(self, X):
        self.calls.append(len(X))
        return super().predict(X)


def test_nothing_is_computed_before_dask_is_asked(fitted):
    X, _ = long_frame(NAMED, [5, 6, 10])
    read = []
    watched = X.map_partitions(lambda part: read.append(len(part)) or part, meta=X._meta)
    watcher = Watched(**QUICK).fit(NAMED, LABELS)
    Watched.calls.clear()
    found = map_sequences(watcher, watched, instance="patient", time="hour")
    assert Watched.calls == [1]  # for what comes out
    assert not read
    found.partitions[0].compute()
    assert Watched.calls == [1, 5]
    assert len(read) == 1
    Watched.calls.clear()
    map_sequences(watcher, watched, instance="patient", time="hour", meta=found._meta)
    assert not Watched.calls


def test_graph_holds_the_estimator_once(fitted):
    X = da.from_array(draw()[[1, 6] * 50].to_padded(), chunks=(1, -1, -1))
    graph = dict(map_sequences(fitted["labels"][0], X).__dask_graph__())
    held = [task for task in graph.values() if "RNNClassifier" in repr(task)]
    assert len(graph) > 200
    assert len(held) == 1
