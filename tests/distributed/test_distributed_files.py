"""Row groups of Parquet files are read a few megabytes at a time, and nothing of that is seen in the result."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skrnn import RNNClassifier, SequenceArray

pytest.importorskip("distributed")
pytest.importorskip("pyarrow")

import dask
import pyarrow as pa
import pyarrow.parquet
from clusters import cluster_of

from skrnn.distributed import _files, fit, map_sequences

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CLF = RNNClassifier(4, max_iter=2, tol=None, random_state=0)
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 9, 60)
VALUES, Y = RNG.normal(size=(LENGTHS.sum(), 2)), np.repeat(["a", "b", "c"], 20)
X = SequenceArray(VALUES, np.cumsum([0, *LENGTHS]), channel_names=["left", "right"])
LISTS = [x.tolist() for x in X]


@pytest.fixture(scope="module")
def client():
    with cluster_of(2) as client:
        yield client


@pytest.fixture(autouse=True)
def few_bytes(monkeypatch):
    monkeypatch.setattr(_files, "READ_BYTES", 100)


def write(path, column, y=Y, row_group_size=25):
    pyarrow.parquet.write_table(pa.table({"y": y, "X": column}), path, row_group_size=row_group_size)
    return str(path)


def fixed(item):
    return pa.large_list(pa.list_(item, 2))


COLUMNS = {
    "as skrnn writes": X.to_arrow(),
    "lists of lists": pa.array(LISTS),
    "float32": pa.array(LISTS, fixed(pa.float32())),
    "float16": pa.array([[[np.float16(v) for v in step] for step in x] for x in LISTS], fixed(pa.float16())),
    "integers": pa.array([[[int(9 * v) for v in step] for step in x] for x in LISTS], fixed(pa.int8())),
    "univariate": pa.array([[step[0] for step in x] for x in LISTS]),
    "tokens": pa.array([[str(int(step[0])) * (1 + k // 30) for step in x] for k, x in enumerate(LISTS)]),
    "categories": pa.array([[str(int(step[0])) for step in x] for x in LISTS], pa.list_(pa.dictionary("i4", "str"))),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_all_that_a_column_of_lists_may_hold(client, tmp_path, kind):
    path = write(tmp_path / "0.parquet", COLUMNS[kind])
    here = clone(CLF).fit(SequenceArray.from_arrow(COLUMNS[kind]), Y)
    there = fit(clone(CLF), path, "y", client=client)
    assert joblib.hash(here.weights_) == joblib.hash(there.weights_)
    assert joblib.hash(here.inputs_.to_plain()) == joblib.hash(there.inputs_.to_plain())
    assert here.n_features_in_ == there.n_features_in_
    assert getattr(here, "channel_names_", "none") == pytest.approx(getattr(there, "channel_names_", "none"))


def test_numbers_come_in_pieces_and_texts_at_once(tmp_path):
    for kind, column in COLUMNS.items():
        part = _files.FilePart(write(tmp_path / "0.parquet", column), 1, ["X"])
        pieces = list(part.pieces())
        assert len(pieces) == 1 if kind in ("tokens", "categories") else len(pieces) > 1
        assert SequenceArray.concatenate(pieces) == SequenceArray.from_arrow(column)[25:50]


def test_a_row_group_without_rows(client, tmp_path):
    table = pa.table({"y": Y, "X": X.to_arrow()})
    with pyarrow.parquet.ParquetWriter(tmp_path / "0.parquet", table.schema) as file:
        for begin, end in ((0, 0), (0, 7), (7, 7), (7, 60)):
            file.write_table(table[begin:end])
    here, there = clone(CLF).fit(X, Y), fit(clone(CLF), str(tmp_path), "y", client=client)
    assert joblib.hash(here.weights_) == joblib.hash(there.weights_)


def test_errors_say_from_where_they_count(client, tmp_path):
    path = write(tmp_path / "0.parquet", pa.array([*LISTS[:45], None, *LISTS[46:]]))
    with pytest.raises(ValueError, match=r"Partition 1: counted from its sequence \d+ on: sequence \d+ is None"):
        fit(clone(CLF), path, "y", client=client)


def test_pieces_of_other_channels(client, tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "READ_BYTES", 1)
    path = write(tmp_path / "0.parquet", pa.array([*LISTS[:45], [[1.0]], *LISTS[46:]]))
    with pytest.raises(
        ValueError, match=r"Partition 1: counted from its sequence 20 on: sequence 0 has 1 channels, .* 2"
    ):
        fit(clone(CLF), path, "y", client=client)


def test_targets_beside_files(client, tmp_path):
    path, weight = write(tmp_path / "0.parquet", COLUMNS["lists of lists"]), np.arange(60) % 3 + 1.0
    here = clone(CLF).fit(SequenceArray.from_list(LISTS), Y, weight)
    there = fit(clone(CLF), path, Y, weight, columns="X", client=client)
    assert joblib.hash(here.weights_) == joblib.hash(there.weights_)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(clone(CLF), path, Y[:-1], columns="X", client=client)
    with pytest.raises(ValueError, match="y is in partitions, but X is files: pass the name of a column"):
        fit(clone(CLF), path, [dask.delayed(Y)], columns="X", client=client)


@pytest.mark.parametrize("kind", COLUMNS)
def test_predictions_for_the_files_of_the_fit(client, tmp_path, kind):
    path = write(tmp_path / "0.parquet", COLUMNS[kind])
    clf = fit(clone(CLF), path, "y", client=client)
    expected = clf.predict_proba(SequenceArray.from_arrow(COLUMNS[kind]))
    for given in (path, [path], [tmp_path / "0.parquet"]):
        assert (map_sequences(clf, given, "predict_proba", columns="X").compute().to_numpy() == expected).all()


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_a_file_that_is_none_of_its_kind(client, tmp_path, ending):
    path = tmp_path / f"0{ending}"
    path.write_text("nothing that can be read")
    with pytest.raises(ValueError, match=f"{path} cannot be read"):
        fit(clone(CLF), path, "y", client=client)
