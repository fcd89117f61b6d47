"""Bad input: what is refused when the graph is made, and what names its partition later."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from skrnn import RNNClassifier, RNNRegressor, SequenceArray
from skrnn.distributed import map_sequences

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

QUICK = {"hidden_layer_sizes": 4, "max_iter": 2, "tol": 1.0, "n_iter_no_change": 1, "random_state": 0}
X = np.random.default_rng(0).normal(size=(12, 5, 2))
LONG = SequenceArray.from_padded(X).to_long(instance="patient", time="hour", columns=["u", "v"])
KEYS = {"instance": "patient", "time": "hour"}


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def reg():
    return RNNRegressor(**QUICK).fit(X, X[:, -1, 0])


@pytest.fixture(scope="module")
def named():
    return RNNRegressor(**QUICK).fit(SequenceArray.from_long(LONG, **KEYS)[0], X[:, -1, 0])


def delayed(*parts):
    return [dask.delayed(part, traverse=False) for part in parts]


def test_estimators_and_methods(reg):
    lazy = da.from_array(X, chunks=(4, 5, 2))
    with pytest.raises(NotFittedError, match="RNNRegressor"):
        map_sequences(RNNRegressor(), lazy)
    with pytest.raises(ValueError, match=r"RNNRegressor has no method 'predict_proba'.* predict, hidden_states"):
        map_sequences(reg, lazy, "predict_proba")
    with pytest.raises(ValueError, match="no method '_predict'"):
        map_sequences(reg, lazy, "_predict")
    with pytest.raises(ValueError, match="no method 3"):
        map_sequences(reg, lazy, 3)


def test_forms(reg):
    with pytest.raises(TypeError, match=r"X must be a dask.array.*, got ndarray. .*in memory"):
        map_sequences(reg, X)
    with pytest.raises(TypeError, match="got a list with ndarray as item 1"):
        map_sequences(reg, [dask.delayed(X), X])
    with pytest.raises(ValueError, match="empty list"):
        map_sequences(reg, [])
    with pytest.raises(ValueError, match=r"chunked along axis 1.*X.rechunk\(\{1: -1, 2: -1\}\)"):
        map_sequences(reg, da.from_array(X, chunks=(4, 3, 2)))
    with pytest.raises(ValueError, match="X has 1 axes, expected 3"):
        map_sequences(reg, da.from_array(X[:, 0, 0]))
    with pytest.raises(ValueError, match="instance='patient' is for frames"):
        map_sequences(reg, da.from_array(X), instance="patient")
    with pytest.raises(ValueError, match="time='hour' needs instance"):
        map_sequences(reg, dd.from_pandas(LONG, npartitions=1), time="hour")
    with pytest.raises(ValueError, match="Series"):
        map_sequences(reg, dd.from_pandas(LONG["u"], npartitions=1), instance="patient")


def test_columns_that_are_not_there(reg):
    long = dd.from_pandas(LONG, npartitions=1)
    for name in ("instance", "time", "columns"):
        with pytest.raises(ValueError, match=rf"{name}: X has no column 'w', it has 'patient', 'hour', 'u', 'v'"):
            map_sequences(reg, long, **KEYS | {name: "w"})
    wide = dd.from_pandas(SequenceArray.from_padded(X).to_series(name="u").to_frame(), npartitions=1)
    with pytest.raises(ValueError, match=r"columns: X has no column 'w', it has 'u'\."):
        map_sequences(reg, wide, columns=["u", "w"])
    with pytest.raises(ValueError, match=r"columns='u' is for frames, but X is a Series"):
        map_sequences(reg, wide["u"], columns="u")


def test_estimators_take_nothing_that_is_computed_later(reg):
    bag = pytest.importorskip("dask.bag").from_sequence(list(X))
    for later in (dask.delayed(X), dask.delayed(list)(X), bag):
        for call in (lambda given: reg.predict(given), lambda given: RNNRegressor().fit(given, X[:, 0, 0])):
            with pytest.raises(ValueError, match=rf"X is a {type(later).__name__} of Dask: .*skrnn.distributed"):
                call(later)
    with pytest.raises(ValueError, match=r"y is a Delayed\w* of Dask"):
        RNNRegressor().fit(X, dask.delayed(X[:, 0, 0]))


def test_what_the_estimator_refuses_is_said_at_once(reg):
    with pytest.raises(ValueError, match=r"tried on a sequence of ones.*X has 3 channels.*meta"):
        map_sequences(reg, da.zeros((4, 5, 3), chunks=(2, 5, 3)))


def test_partitions_of_other_kinds(reg, named):
    parts = [da.from_delayed(part, (6, 5, 2), np.float64) for part in delayed(X[:6], X[:, :, :1].astype("f4"))]
    lazy = map_sequences(reg, da.concatenate(parts))
    with pytest.raises(ValueError, match=r"Partition 1 of X: it has shape \(12, 5, 1\) and dtype float32, expected"):
        lazy.compute()
    frames = delayed(LONG[:30], LONG[30:].astype({"u": np.float32}).drop(columns="v"))
    lazy = dd.from_delayed(frames, meta=LONG[:0], verify_meta=False)
    with pytest.raises(ValueError, match=r"Partition 1 of X: it has the columns .*'u' \(float32\); X has .*'v'"):
        map_sequences(named, lazy, **KEYS, meta=pd.Series(dtype=float)).compute()
    with pytest.raises(ValueError, match="Partition 1 of X: it is None; it must be an array, a list or a frame"):
        dask.compute(*map_sequences(reg, delayed(X[:2], None)))
    lists = map_sequences(reg, delayed(X[:2], X[:2, :, [0, 1, 1]]))
    with pytest.raises(ValueError, match="Partition 1 of X: X has 3 channels per step"):
        dask.compute(*lists)
    with pytest.raises(ValueError, match="Partition 0 of X: Input X contains NaN: sequence 1"):
        dask.compute(*map_sequences(reg, delayed(SequenceArray.from_list([X[0], X[1] * np.nan]))))


@pytest.mark.parametrize("between", [0, 2])
def test_a_partition_cuts_a_sequence(named, between):
    """Also if there are partitions without rows between."""
    parts = [LONG[:28], *[LONG[:0]] * between, LONG[28:]]
    lazy = map_sequences(named, dd.from_delayed(delayed(*parts), meta=LONG[:0]), **KEYS)
    with pytest.raises(ValueError, match=rf"Partition {1 + between} of X: sequence 5 has rows in the .*set_index"):
        lazy.compute()


def test_without_rows(named, reg):
    empty = map_sequences(named, dd.from_pandas(LONG[:0], npartitions=1), **KEYS).compute()
    assert empty.dtype == np.float64
    assert len(empty) == 0
    nothing = SequenceArray.from_padded(X)[:0]
    (found,) = dask.compute(*map_sequences(reg, delayed(nothing)))
    assert found.shape == (0,)
    with pytest.raises(ValueError, match="Partition 0 of X: it has no sequence"):
        dask.compute(*map_sequences(reg, delayed([])))


def test_a_result_without_a_row_for_each_sequence():
    class Odd(RNNClassifier):
        def predict(self, X):
            return super().predict(X).reshape(2, -1)

    odd = Odd(**QUICK).fit(X, [0, 1] * 6)
    with pytest.raises(ValueError, match="Partition 0 of X: predict gives 2 rows for 12 sequences"):
        dask.compute(*map_sequences(odd, delayed(X)))


@pytest.mark.parametrize("missing", ["dask", "pyarrow"])
def test_without_the_extra(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "from skrnn.distributed import map_sequences\n"
        "map_sequences(FunctionTransformer(), 'folder', 'transform')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f'pip install "skrnn[{"dask" if missing == "dask" else "arrow"}]"' in run.stderr
