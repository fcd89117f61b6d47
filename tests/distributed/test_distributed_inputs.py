"""What may be X and y of a fit on a cluster, and what is refused."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skrnn
from skrnn import RNNClassifier, RNNRegressor, RNNSearchCV, SequenceArray, SequenceTransformer

pytest.importorskip("distributed")

import dask
from clusters import cluster_of
from distributed import Client

from skrnn.distributed import _parts, fit, map_sequences
from skrnn.preprocessing import PerStep

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CLF = RNNClassifier(4, max_iter=2, tol=None, random_state=0)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 5, 2)), np.repeat(["a", "b", "c"], 20)


@pytest.fixture(scope="module")
def client():
    with cluster_of(2) as client:
        yield client


def cut(values, *bounds):
    return [dask.delayed(part) for part in np.split(values, bounds)]


def check_like(here, there):
    """All attributes that the fit here has."""
    one, other = vars(here), vars(there)
    assert one.keys() == other.keys()
    for name in one:
        if name == "structure_":
            assert one[name].key() == other[name].key()
        elif name != "inputs_":
            assert joblib.hash(one[name]) == joblib.hash(other[name]), name


def test_the_example_of_the_readme_runs_on_a_cluster(client):
    from sklearn.datasets import load_digits

    digits, y = load_digits(return_X_y=True)
    clf = RNNClassifier(max_iter=2, random_state=0)
    here = clone(clf).fit(digits[:500].reshape(-1, 8, 8), y[:500])
    check_like(here, fit(clf, digits[:500].reshape(-1, 8, 8), y[:500], client=client))


def test_arrays_of_dask(client):
    da = pytest.importorskip("dask.array")
    there = fit(clone(CLF), da.from_array(X, chunks=(25, 5, 2)), da.from_array(Y, chunks=25), client=client)
    check_like(clone(CLF).fit(X, Y), there)
    with pytest.raises(ValueError, match=r"X is chunked along axis 1.*rechunk\(\{1: -1, 2: -1\}\)"):
        fit(clone(CLF), da.from_array(X, chunks=(25, 2, 2)), Y, client=client)


def test_parts_of_a_collection_have_their_own_tasks_only():
    da = pytest.importorskip("dask.array")
    whole = 1 + da.from_array(np.zeros((100, 5, 2)), chunks=(1, 5, 2))
    for given in (whole, whole.to_delayed().ravel().tolist()):
        of_parts = _parts._delayed(given, "X")
        assert len(of_parts) == 100
        assert max(len(dict(part.dask)) for part in of_parts) < 5
        assert (of_parts[7].compute(scheduler="synchronous") == 1).all()
    with dask.annotate(priority=3):
        annotated = dask.delayed(np.ones)(3)
    assert _parts._delayed([annotated], "X") == [annotated]  # a dict of tasks would lose what is said of them


def test_frames_of_dask(client):
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(X[:, :, 0], columns=[f"t{k}" for k in range(5)])
    y = pd.Series(X.sum(axis=(1, 2)), name="load")
    both = dd.from_pandas(frame.assign(load=y), npartitions=3)
    reg = RNNRegressor(4, max_iter=2, tol=None, random_state=0)
    there = fit(clone(reg), both[list(frame)], both["load"], client=client)
    check_like(clone(reg).fit(frame, y), there)
    assert list(there.feature_names_in_) == list(frame)
    there.predict(frame)


def test_bags(client):
    db = pytest.importorskip("dask.bag")
    sequences = [x[: 1 + k % 5] for k, x in enumerate(X)]
    bag = db.from_sequence(sequences, npartitions=4)
    check_like(clone(CLF).fit(sequences, Y), fit(clone(CLF), bag, Y, client=client))


def test_delayed_and_futures_with_targets_and_weights_in_parts(client):
    weight = np.arange(60) % 4 + 1.0
    here = clone(CLF).fit(X, Y, weight)
    parts = [client.submit(np.asarray, part) for part in np.split(X, (10, 45))]
    given = cut(Y, 10, 45), cut(weight, 10, 45)
    check_like(here, fit(clone(CLF), parts, *given, client=client))


def test_targets_of_steps_in_parts(client):
    reg = RNNRegressor(4, max_iter=2, tol=None, random_state=0)
    y = [list(x.sum(axis=1)) for x in X]
    parts = [dask.delayed(y[:7]), dask.delayed(y[7:])]
    check_like(clone(reg).fit(X, y), fit(clone(reg), cut(X, 7), parts, client=client))


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_files(client, tmp_path, kind):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    steps = SequenceArray.from_padded(X)
    table = pa.table({"steps": steps.to_arrow(), "label": Y})
    for k, part in enumerate((table.slice(0, 35), table.slice(35))):
        if kind == "parquet":
            pyarrow.parquet.write_table(part, tmp_path / f"{k}.parquet", row_group_size=10)
        else:
            with pa.ipc.new_file(tmp_path / f"{k}.arrow", part.schema) as file:
                file.write_table(part, max_chunksize=10)
    there = fit(clone(CLF), f"{tmp_path}/*.{kind}", "label", client=client)
    check_like(clone(CLF).fit(steps, pd.Series(Y)), there)
    there = fit(clone(CLF), [tmp_path / f"{k}.{kind}" for k in (0, 1)], "label", columns=["steps"], client=client)
    check_like(clone(CLF).fit(steps, pd.Series(Y)), there)


def test_a_class_of_one_part_and_parts_without_rows(client):
    here = clone(CLF).fit(X, Y)
    check_like(here, fit(clone(CLF), cut(X, 0, 20, 20, 60), cut(Y, 0, 20, 20, 60), client=client))
    with pytest.raises(ValueError, match="X has no rows in any of its 2 partitions"):
        fit(clone(CLF), cut(X[:0], 0), [], client=client)


def test_parts_of_two_precisions_and_names(client):
    parts = [SequenceArray.from_padded(part) for part in np.split(X.astype("f4"), 2)]
    named = [SequenceArray(part.values, part.offsets, ["p", "q"]) for part in parts]
    named[1].values = named[1].values.astype("f8")
    both = SequenceArray(np.concatenate([part.values for part in named]), np.arange(61) * 5, ["p", "q"])
    check_like(clone(CLF).fit(both, Y), fit(clone(CLF), list(map(dask.delayed, named)), Y, client=client))


def test_held_out_sequences_of_this_process(client):
    clf = RNNClassifier(4, max_iter=3, tol=None, random_state=0, early_stopping=True)
    held_out = {"X_val": X[40:], "y_val": Y[40:]}
    y = np.arange(40) % 2
    held_out["y_val"] = np.arange(20) % 2
    check_like(clone(clf).fit(X[:40], y, **held_out), fit(clone(clf), cut(X[:40], 9), y, client=client, **held_out))


def test_what_is_fitted_is_an_ordinary_estimator(client, tmp_path):
    there = fit(clone(CLF), cut(X, 30), Y, client=client)
    again = pickle.loads(pickle.dumps(there))
    skrnn.save(there, tmp_path / "model.skrnn")
    for other in (again, skrnn.load(tmp_path / "model.skrnn")):
        assert (other.predict_proba(X) == there.predict_proba(X)).all()


def test_training_goes_on(client):
    clf = clone(CLF).set_params(warm_start=True)
    here, there = (clone(clf).fit(X, Y) for _ in range(2))
    check_like(here.fit(X, Y), fit(there, cut(X, 30), Y, client=client))


# ---------------------------------------------------------------------------------------------------- what is refused
def test_clients_that_are_none():
    with pytest.raises(ValueError, match=r"There is no client of Dask: pass client=distributed.Client"):
        fit(clone(CLF), X, Y)
    with pytest.raises(TypeError, match=r"client must be a distributed.Client, got str"):
        fit(clone(CLF), X, Y, client="tcp://127.0.0.1:1")
    with cluster_of(1) as client:
        pass
    with pytest.raises(ValueError, match="client is closed, its cluster was closed"):
        fit(clone(CLF), X, Y, client=client)


def test_a_cluster_without_workers():
    with cluster_of(0) as client, pytest.raises(ValueError, match="The cluster has no workers: start some"):
        fit(clone(CLF), X, Y, client=client)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((cut(X, 20), cut(Y, 21)), "Partition 0: y has 21 rows there, X has 20 sequences"),
        ((cut(X, 20), cut(Y, 20, 30)), "y has 3 partitions, X has 2"),
        ((cut(X, 20), Y, cut(np.ones(60), 19)), "Partition 0: sample_weight has 19 rows there"),
        ((cut(X, 20), Y[:-1]), "inconsistent numbers of samples"),
        ((X, cut(Y, 20)), "y is in partitions, but X is not"),
        (
            ([dask.delayed(X[:30]), dask.delayed(X[30:, :, :1])], Y),
            "Partition 1 of X has 1 channels, partition 0 has 2",
        ),
        (([dask.delayed(X[:30]), dask.delayed([[["a", "b"]]] * 30)], Y), "Partition 1 of X holds <U1, partition 0"),
        (([dask.delayed(X[:30]), dask.delayed([[[1.0, 2.0]], []])], Y), "Partition 1: .*sequence 1 has no time step"),
        (([dask.delayed(X[:30]), X[30:]], Y), "X must hold delayed objects or futures only; item 1 is a ndarray"),
        ((np.nan * X[:1], ["a"]), "NaN"),
        (([dask.delayed(X[:30]), dask.delayed(None)], Y), "Partition 1: X is None; it must be an array"),
        ((cut(X, 20), [dask.delayed(Y[:20]), dask.delayed(None)]), "Partition 1: y is None; it must be an array"),
        ((cut(X, 20), [dask.delayed(Y[:20]), dask.delayed(5)]), "Partition 1: y is of type int; it must be an array"),
        ((cut(X, 20), Y, [dask.delayed(None)] * 2), "Partition 0: sample_weight is None; it must be an array"),
        ((dask.delayed(X), Y), r"X is a single Delayed\w*: pass a list of its partitions, like \[X\]"),
        ((X, dask.delayed(Y)), r"y is a single Delayed\w*: pass a list"),
    ],
)
def test_parts_that_are_wrong(client, given, message):
    clf = clone(CLF)
    with pytest.raises((TypeError, ValueError), match=message):
        fit(clf, *given, client=client)
    assert not hasattr(clf, "weights_")


def test_errors_name_the_sequence_of_all(client):
    bad = X.copy()
    bad[33, 2, 1] = np.inf
    with pytest.raises(ValueError, match="contains infinity: sequence 33, step 2, channel 1"):
        fit(clone(CLF), cut(bad, 20), Y, client=client)


def test_estimators_that_are_refused(client):
    with pytest.raises(TypeError, match=r"got SequenceTransformer\.$"):
        fit(SequenceTransformer(), X, Y, client=client)
    with pytest.raises(
        TypeError, match=r'got RNNSearchCV\. .*with joblib.parallel_config\(backend="dask"\): search.fit'
    ):
        fit(RNNSearchCV(CLF, {"alpha": [1, 2]}, n_candidates=2), X, Y, client=client)


def test_what_is_said_of_pipelines_works(client):
    pipeline = make_pipeline(PerStep(StandardScaler()), clone(CLF))
    with pytest.raises(TypeError, match=r"got Pipeline\. .*map_sequences\(pipeline\[:-1\], X, \"transform\"\)"):
        fit(pipeline, cut(X, 40), Y, client=client)
    pipeline[:-1].fit(X)
    transformed = map_sequences(pipeline[:-1], cut(X, 40), "transform")
    check_like(fit(pipeline[-1], transformed, Y, client=client), clone(CLF).fit(pipeline[:-1].transform(X), Y))


def test_workers_that_would_compute_other_bits(client, monkeypatch):
    from skrnn.distributed import _check

    here = _check.described_here()
    answers = {"tcp://a:1": here, "tcp://b:2": here | {"numba": "0.1"}}
    assert list(_check._differences(answers)) == ["tcp://b:2"]
    assert f"its numba is 0.1, here it is {here['numba']}" in _check._differences(answers)["tcp://b:2"]
    answers["tcp://b:2"] = here | {"CPU features": here["CPU features"] + ",+amx"}
    assert "its CPU features is +amx, here it is " in _check._differences(answers)["tcp://b:2"]
    assert "cannot import skrnn" in _check._differences({"tcp://c:3": ModuleNotFoundError("skrnn")})["tcp://c:3"]
    monkeypatch.setattr(_check, "_differences", lambda answers: {"tcp://b:2": "Worker tcp://b:2 would compute"})
    with pytest.raises(ValueError, match="Worker tcp://b:2 would compute"):
        fit(clone(CLF), X, Y, client=client)


def test_the_client_that_is_there():
    with cluster_of(1) as client, client.as_current():
        assert isinstance(client, Client)
        check_like(clone(CLF).fit(X, Y), fit(clone(CLF), X, Y))


def test_no_targets(client):
    for given in (X, cut(X, 20)):
        with pytest.raises(ValueError, match="requires y to be passed"):
            fit(clone(CLF), given, None, client=client)


def test_targets_of_two_kinds(client):
    y = np.arange(60) % 2
    with pytest.raises(ValueError, match=r"Partition 2 of y holds <U21, partition 0 holds int64"):
        fit(clone(CLF), cut(X, 20, 20), [*cut(y[:20], 20), dask.delayed(y[20:].astype(str))], client=client)


def test_texts_of_two_dtypes(client):
    labels = np.where(X[:, 0, 0] > 0, "a", "bc")
    parts = [dask.delayed(labels[:20].astype(object)), dask.delayed(labels[20:])]
    check_like(clone(CLF).fit(X, labels.astype(object)), fit(clone(CLF), cut(X, 20), parts, client=client))


def test_targets_of_other_columns(client):
    y = [dask.delayed(pd.DataFrame({name: X[rows, 0, 0]})) for name, rows in (("a", slice(20)), ("b", slice(20, None)))]
    with pytest.raises(ValueError, match=r"Partition 1 of y has the columns \['b'\], partition 0 has \['a'\]"):
        fit(RNNRegressor(4, max_iter=2), cut(X, 20), y, client=client)


def test_targets_of_steps_of_parts_of_other_lengths(client):
    reg = RNNRegressor(4, max_iter=2, tol=None, random_state=0)
    parts = [X[:20, :3], X[20:]]
    y = [part.sum(axis=2) for part in parts]
    here = clone(reg).fit([*parts[0], *parts[1]], [*y[0], *y[1]])
    there = fit(clone(reg), list(map(dask.delayed, parts)), list(map(dask.delayed, y)), client=client)
    assert joblib.hash(here.weights_) == joblib.hash(there.weights_)


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, np.ndarray.tolist], ids=["array", "frame", "list"])
def test_tables_of_this_process_keep_their_features(client, form):
    table = form(X[:, :, 0])
    if hasattr(table, "columns"):
        table.columns = [f"t{k}" for k in range(5)]
    check_like(clone(CLF).fit(table, Y), fit(clone(CLF), table, Y, client=client))


@pytest.mark.parametrize("columns", [["b", "a", "c"], ["a", "b"]], ids=["order", "number"])
def test_frames_with_other_columns(client, columns):
    frame = pd.DataFrame(X[:, :3, 0], columns=list("abc"))
    with pytest.raises(ValueError, match=r"Partition 1 of X has the columns \['.*'\], partition 0 has \['a', 'b'"):
        fit(clone(CLF), [dask.delayed(frame[:30]), dask.delayed(frame[30:][columns])], Y, client=client)


def test_lists_that_begin_with_no_delayed_object(client):
    with pytest.raises(TypeError, match="X must hold delayed objects or futures only; item 0 is a ndarray"):
        fit(clone(CLF), [X[:30], dask.delayed(X[30:])], Y, client=client)


def test_an_error_of_what_reads_a_part(client):
    @dask.delayed
    def missing():
        raise KeyError("steps")

    with pytest.raises(KeyError, match="steps") as caught:
        fit(clone(CLF), [dask.delayed(X[:30]), missing()], Y, client=client)
    assert caught.value.__notes__ == ["This happened when partition 1 of X was read."]


def test_a_folder_of_files(client, tmp_path):
    table = pd.DataFrame(X[:, :, 0], columns=list("abcde")).assign(label=Y)
    for k in range(12):  # of which "part.10" comes behind "part.9"
        table[5 * k : 5 * k + 5].to_parquet(tmp_path / f"part.{k}.parquet")
    here = clone(CLF).fit(table[list("abcde")], table["label"])
    for given in (tmp_path, str(tmp_path), f"{tmp_path}/*.parquet"):
        check_like(here, fit(clone(CLF), given, "label", client=client))
    one = clone(CLF).fit(table[["b"]], table["label"])
    check_like(one, fit(clone(CLF), tmp_path, "label", columns="b", client=client))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"y": "lable"}, ValueError, r"y: the file .*0.parquet has no column 'lable', it has a, b, label"),
        ({"columns": ["a", "x"]}, ValueError, r"columns: the file .*0.parquet has no column 'x'"),
        ({"sample_weight": "w"}, ValueError, r"sample_weight: the file .*0.parquet has no column 'w'"),
        ({"X": "1.parquet"}, FileNotFoundError, r"there is no file .* at '.*1.parquet'"),
        ({"X": "none"}, FileNotFoundError, r"there is no file .* at the folder '.*none'"),
    ],
)
def test_files_that_are_wrong(client, tmp_path, given, error, message):
    pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4], "label": [0, 1]}).to_parquet(tmp_path / "0.parquet")
    (tmp_path / "none").mkdir()
    given = {"X": "0.parquet", "y": "label"} | given
    with pytest.raises(error, match=message):
        fit(clone(CLF), **given | {"X": f"{tmp_path}/{given['X']}"}, client=client)
