"""Frames in long format: packed as a plain loop would, and refused where a step is out of place."""

import itertools
import re
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal
from ragged import assert_same, quick, ragged, ragged_lists

from skrnn.sequences import SequenceArray

IDS = ["b", "b", "b", "a", "a"]
HOURS = [0, 1, 2, 5, 6]


def visits(**columns):
    return pd.DataFrame({"id": IDS, "hour": HOURS, "pulse": [1.0, 2, 3, 4, 5], "temp": [6.0, 7, 8, 9, 10], **columns})


def pack(df, **options):
    return SequenceArray.from_long(df, **{"instance": "id", "time": "hour", **options})


def to_pandas(df):
    return df


def to_polars(df):
    columns = {name: [None if pd.isna(cell) else cell for cell in df[name]] for name in df}
    return pytest.importorskip("polars").DataFrame(columns)


EXPECTED = [[[1, 6], [2, 7], [3, 8]], [[4, 9], [5, 10]]]


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
def test_all_columns_become_channels(convert):
    X, ids = pack(convert(visits()))
    assert_same(X, EXPECTED)
    assert list(ids) == ["b", "a"]


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
def test_named_columns_become_channels(convert):
    assert_same(pack(convert(visits()), columns=["temp", "pulse"])[0], [np.array(e)[:, ::-1] for e in EXPECTED])
    assert_same(pack(convert(visits()), columns="temp")[0], [[6, 7, 8], [9, 10]])
    assert_same(pack(convert(visits()), columns=["hour", "temp"])[0][:1], [[[0, 6], [1, 7], [2, 8]]])


def test_ids_are_those_of_the_frame():
    ids = pack(visits())[1]
    assert_index_equal(ids, pd.Index(["b", "a"], name="id"))
    frame = visits(id=pd.to_datetime(["2020-01-02"] * 3 + ["2020-01-01"] * 2).tz_localize("Europe/Berlin"))
    assert_index_equal(pack(frame)[1], pd.DatetimeIndex(frame["id"].iloc[[0, 3]], name="id"))
    pl = pytest.importorskip("polars")
    assert pack(to_polars(visits()))[1].equals(pl.Series("id", ["b", "a"]))


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
def test_sequences_in_the_order_of_other_ids(convert):
    for order in (["a", "b"], np.array(["a", "b"]), pd.Index(["a", "b"]), pd.Series(["a", "b"], index=[7, 7])):
        X, ids = pack(convert(visits()), ids=order)
        assert list(ids) == ["a", "b"]
        assert_same(X, EXPECTED[::-1])
    assert_same(pack(convert(visits()), ids=["b", "a"])[0], EXPECTED)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "c", "b"], "instance c has no row. Remove it from ids"),
        ([1, 2], "instance 1 has no row"),
        (["b"], "instance a has rows, but is not among ids. Drop or name it."),
        (["a", "b", "a"], "the ids must differ, a occurs more than once"),
        ([], "instance b has rows, but is not among ids"),
    ],
)
@pytest.mark.parametrize("convert", [to_pandas, to_polars])
def test_other_ids_must_be_the_same(ids, message, convert):
    with pytest.raises(ValueError, match=re.escape(message)):
        pack(convert(visits()), ids=ids)


def test_levels_of_an_index():
    X, ids = pack(visits().set_index(["id", "hour"]))
    assert_same(X, EXPECTED)
    assert_index_equal(ids, pd.Index(["b", "a"], name="id"))


def test_without_time_rows_are_in_order():
    X, _ = pack(visits(hour=[3, 2, 1, 9, 9]), time=None, columns="pulse")
    assert_same(X, [[1, 2, 3], [4, 5]])


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
def test_sorting(convert):
    shuffled = visits().iloc[[4, 0, 2, 3, 1]]
    X, ids = pack(convert(shuffled), sort=True)
    assert_same(X, EXPECTED[::-1])
    assert list(ids) == ["a", "b"]
    X, ids = pack(convert(shuffled), sort=True, time=None, columns="pulse")
    assert_same(X, [[5, 4], [1, 3, 2]])


@st.composite
def long_frames(draw):
    ids = draw(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
    times = draw(st.lists(st.integers(-50, 50), min_size=len(ids), max_size=len(ids), unique=True))
    values = draw(st.lists(st.floats(-9, 9), min_size=len(ids), max_size=len(ids)))
    return pd.DataFrame({"id": ids, "hour": times, "x": values})


def slow(df):
    """Sequences by a loop over the rows of a sorted frame."""
    found = {}
    for row in df.itertuples():
        found.setdefault(row.id, []).append(row.x)
    return found


@quick
@given(long_frames())
def test_sorting_property(df):
    ordered = df.sort_values(["id", "hour"])
    expected = slow(ordered)
    for frame, options in [(df, {"sort": True}), (ordered, {})]:
        X, ids = pack(frame, **options)
        assert list(ids) == list(expected)
        assert_same(X, list(expected.values()))
    if not df.equals(ordered):
        order = [(row.id, row.hour) for row in df.itertuples()]
        is_fine = all(
            earlier < later if i == j else j not in [o[0] for o in order[:k]]
            for k, ((i, earlier), (j, later)) in enumerate(itertools.pairwise(order), start=1)
        )
        if is_fine:
            assert_same(pack(df)[0], list(slow(df).values()))
        else:
            with pytest.raises(ValueError, match="sort=True"):
                pack(df)


@quick
@given(ragged_lists())
def test_round_trip_property(items):
    X = SequenceArray.from_list(items)
    ids = [f"id{i}" for i in range(len(items))][::-1]
    back, found = SequenceArray.from_long(X.to_long(ids), instance="instance", time="step", step=1)
    assert back == X
    assert back.values.dtype == X.values.dtype
    assert list(found) == ids


def test_tokens():
    frame = pd.DataFrame({"id": [1, 1, 2], "word": ["the", "cat", "it"], "tag": ["DET", "NOUN", "PRON"]})
    for df in (frame, frame.astype(object), to_polars(frame), frame.astype({"tag": "category"})):
        X, _ = pack(df, time=None)
        assert [steps.tolist() for steps in X] == [[["the", "DET"], ["cat", "NOUN"]], [["it", "PRON"]]]
    assert SequenceArray.from_long(X.to_long(columns=["word", "tag"]), instance="instance", time="step")[0] == X


def test_dtypes():
    frame = pd.DataFrame({"id": [1, 1], "a": np.float32([1, 2]), "b": [True, False]})
    assert pack(frame[["id", "a"]], time=None)[0].values.dtype == np.float32
    assert pack(frame, time=None)[0].values.dtype == np.float64
    missing = frame.assign(a=pd.array([1, None], dtype="Int64"), b=pd.array([None, True], dtype="boolean"))
    assert_array_equal(pack(missing, time=None)[0].values, [[1, np.nan], [np.nan, 1]])
    pl = pytest.importorskip("polars")
    missing = pl.DataFrame({"id": [1, 1], "a": [1, None], "b": [None, True]})
    assert_array_equal(pack(missing, time=None)[0].values, [[1, np.nan], [np.nan, 1]])


TIMES = {
    "int8": np.array([-128, 0, 127, 0, 127], dtype=np.int8),
    "uint8": np.array([0, 1, 2, 0, 1], dtype=np.uint8),
    "float": [-1.5, 0, np.inf, 0, 1],
    "Int64": pd.array([0, 1, 2, 5, 6], dtype="Int64"),
    "datetime": pd.date_range("2020", periods=5),
    "with zone": pd.date_range("2020", periods=5, tz="Europe/Berlin"),
    "timedelta": pd.timedelta_range("1h", periods=5),
}


@pytest.mark.parametrize("times", TIMES.values(), ids=list(TIMES))
def test_kinds_of_times(times):
    frame = visits(hour=times)
    assert_same(pack(frame, columns="pulse")[0], [[1, 2, 3], [4, 5]])
    with pytest.raises(ValueError, match=r"instance b: row 1 \(time .*\) is earlier than row 0 \(time"):
        pack(frame.iloc[[1, 0, 2, 3, 4]])
    assert_same(pack(frame.iloc[[1, 0, 2, 3, 4]], sort=True, columns="pulse")[0], [[4, 5], [1, 2, 3]])


def test_an_hour_that_the_clock_shows_twice():
    hours = pd.date_range("2020-10-25 00:00", periods=5, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    assert_same(pack(visits(hour=hours), columns="pulse", step="1h")[0], [[1, 2, 3], [4, 5]])
    message = r"row 1 \(time 2020-10-25 02:00:00\+02:00\) is earlier than row 0 \(time 2020-10-25 02:00:00\+01:00\)"
    with pytest.raises(ValueError, match=message):
        pack(visits(hour=hours[[1, 0, 2, 3, 4]]))


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [to_pandas, to_polars])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"hour": [0, 2, 1, 5, 6]}, "instance b: row 2 (time 1) is earlier than row 1 (time 2). Use df.sort"),
        ({"hour": [0, 1, 2, 6, 5]}, "instance a: row 4 (time 5) is earlier than row 3 (time 6)"),
        ({"hour": [0, 1, 1, 6, 5]}, "instance b: rows 1 and 2 have the same time 1. Keep one of them"),
        ({"hour": [0, 1, None, 6, 5]}, "instance b, row 2: 'hour' is missing there"),
        ({"hour": [0, 1, np.nan, 6, 5]}, "instance b, row 2: 'hour' is missing there"),
        ({"id": ["b", "a", "b", "a", "a"]}, "instance b continues in row 2, after rows of another: its rows must be"),
        ({"id": [2, 1, 2, 1, 1]}, "instance 2 continues in row 2"),
        ({"id": ["b", "b", None, "a", "a"]}, "row 2 has no id: 'id' is missing there"),
        ({"id": [1.0, np.nan, 1.0, 2.0, 2.0]}, "row 1 has no id: 'id' is missing there"),
        ({"hour": ["0", "1", "2", "10", "9"]}, "'hour' must hold numbers, datetimes or timedeltas, got"),
        ({"temp": ["6", "7", "8", "9", "10"]}, "column 'temp' holds tokens (str), column 'pulse' numbers"),
        ({"temp": [b"6"] * 5}, "column 'temp' is not an array of real numbers"),
    ],
)
def test_bad_rows(columns, message, convert):
    if columns.get("temp") == [b"6"] * 5:
        message = "column 'temp'"  # pandas and polars hold bytes each in their way
    with pytest.raises(ValueError, match=re.escape(message)):
        pack(convert(visits(**columns)))


@pytest.mark.parametrize("time", ["hour", None])
def test_the_remedy_is_a_call_that_helps(time):
    keys = ["id"] if time is None else ["id", time]
    frame = visits().iloc[[0, 3, 1, 2, 4]]
    with pytest.raises(ValueError, match=re.escape(f"Use df.sort_values({keys}) or sort=True.")):
        pack(frame, time=time)
    assert len(pack(frame.sort_values(keys, kind="stable"), time=time)[0]) == 2
    with pytest.raises(ValueError, match=re.escape(f"Use df.sort({keys}) or sort=True.")):
        pack(to_polars(frame), time=time)


def test_duplicates_and_gaps_are_refused_after_sorting_too():
    frame = visits(hour=[0, 1, 3, 5, 6]).iloc[[4, 0, 2, 3, 1]]
    with pytest.raises(ValueError, match=r"instance b: the step from row 4 \(time 1\) to row 2 \(time 3\) is 2"):
        pack(frame, sort=True, step=1)
    frame = visits(hour=[0, 1, 1, 5, 6]).iloc[[4, 0, 2, 3, 1]]
    with pytest.raises(ValueError, match="instance b: rows 2 and 4 have the same time 1"):
        pack(frame, sort=True)


@pytest.mark.parametrize(
    ("times", "step", "message"),
    [
        ([0, 1, 3, 5, 6], 1, "instance b: the step from row 1 (time 1) to row 2 (time 3) is 2, but should be 1. Fill"),
        ([0, 1, 2, 5, 8], 1.0, "instance a: the step from row 3 (time 5) to row 4 (time 8) is 3, but should be 1.0"),
        ([0, 1, 2, 5, 6], 2, "instance b: the step from row 0 (time 0) to row 1 (time 1) is 1, but should be 2"),
        (
            pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-04", "2020-01-01", "2020-01-02"]),
            "1D",
            "to row 2 (time 2020-01-04 00:00:00) is 2 days 00:00:00, but should be 1 days 00:00:00",
        ),
        ([0, 1, 2, 5, 6], 0, "step must be positive, got 0"),
        ([0, 1, 2, 5, 6], -1, "step must be positive, got -1"),
        ([0, 1, 2, 5, 6], np.nan, "step must be positive, got nan"),
        ([0, 1, 2, 5, 6], "1h", "step must be a number, as the times are, got '1h'"),
    ],
)
def test_gaps(times, step, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        pack(visits(hour=times), step=step)


@pytest.mark.parametrize(
    ("times", "step"),
    [
        ([0, 1, 2, 5, 6], 1),
        (np.array([0, 1, 2, 0, 1]) * 0.1, 0.1),
        (pd.date_range("2020", periods=5, freq="h"), "1h"),
        (pd.date_range("2020", periods=5, freq="h", tz="UTC"), timedelta(hours=1)),
        (pd.timedelta_range(0, periods=5, freq="D"), pd.Timedelta("1D")),
    ],
)
def test_regular_steps(times, step):
    assert len(pack(visits(hour=times), step=step)[0]) == 2


@pytest.mark.parametrize(
    ("df", "options", "message"),
    [
        (
            visits(),
            {"instance": "patient"},
            "the frame has no column 'patient', it has ['id', 'hour', 'pulse',",
        ),
        (visits(), {"time": "t"}, "the frame has no column 't'"),
        (visits(), {"columns": ["x"]}, "the frame has no column 'x'"),
        (visits(), {"columns": []}, "there is no column for a channel"),
        (visits()[["id", "hour"]], {}, "there is no column for a channel"),
        (visits().iloc[:0], {}, "the frame has no row"),
        (pd.concat([visits(), visits()[["temp"]]], axis=1), {}, "the frame has 2 columns 'temp'"),
        (visits(), {"time": None, "step": 1}, "step needs time"),
    ],
)
def test_bad_arguments(df, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        pack(df, **options)


def test_errors_of_calls_name_the_public_class():
    with pytest.raises(TypeError, match=r"^SequenceArray\.from_long\(\) takes 2 positional arguments"):
        SequenceArray.from_long(visits(), "id", "hour")
    with pytest.raises(TypeError, match=r"^SequenceArray\.to_long\(\) takes"):
        SequenceArray.from_list([[1.0]]).to_long([0], "id")


@pytest.mark.parametrize("df", [np.zeros((3, 3)), {"id": [1]}, [[1]], visits()["id"], None])
def test_what_is_no_frame(df):
    with pytest.raises(TypeError, match="a long frame is a DataFrame of pandas or polars, got"):
        pack(df)


def test_a_lazy_frame_is_to_be_collected():
    pl = pytest.importorskip("polars")
    with pytest.raises(TypeError, match="got LazyFrame"):
        pack(pl.LazyFrame({"id": [1]}))


# -- and back ----------------------------------------------------------------------------------


def test_to_long():
    X = SequenceArray.from_list([[[1, 2], [3, 4]], [[5, 6]]])
    expected = pd.DataFrame(
        {"instance": [0, 0, 1], "step": [0, 1, 0], "channel_0": [1.0, 3, 5], "channel_1": [2.0, 4, 6]}
    )
    assert_frame_equal(X.to_long(), expected)
    named = X.to_long(pd.Index(["b", "a"]), instance="id", time="hour", columns=["x", "y"])
    expected = expected.set_axis(["id", "hour", "x", "y"], axis=1).assign(id=["b", "b", "a"])
    assert_frame_equal(named, expected)
    pl = pytest.importorskip("polars")
    assert X.to_long(pl.Series(["b", "a"]))["instance"].tolist() == ["b", "b", "a"]


def test_to_long_without_sequences_or_steps():
    X = SequenceArray.from_list(ragged([2]))
    assert X[:0].to_long().shape == (0, 4)
    assert SequenceArray(np.zeros((2, 1)), [0, 0, 2]).to_long(["a", "b"])["instance"].tolist() == ["b", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": ["a"]}, "there are 2 sequences and 1 id"),
        ({"ids": ["a", "a"]}, "the ids must differ, a occurs more than once"),
        ({"columns": ["x"]}, "there are 2 channels and 1 column"),
        ({"columns": ["x", "x"]}, "the names of the columns must differ, got ['instance', 'step', 'x', 'x']"),
        ({"columns": ["x", "step"]}, "the names of the columns must differ"),
    ],
)
def test_to_long_refuses(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SequenceArray.from_list(ragged([2, 3])).to_long(**options)
