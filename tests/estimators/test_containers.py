"""X in containers of Python and other packages: read as what they are, or refused with what to write."""

import collections
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from faults import ESTIMATORS, QUICK, assert_refused, output, ragged, targets
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from skrnn import RNNClassifier, RNNRegressor, SequenceArray
from skrnn.preprocessing import PerStep, TokenEncoder
from skrnn.sequences import as_sequence_array, ragged_array

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations", "ignore:The PyTorch API of nested")
X = ragged(8)
# all but the detector, which would hold out the last sequence, a single step
each_kind = pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "detector"])
PADDED = SequenceArray.from_list(X)


class Items:
    """Like a data set of PyTorch: it has a length and items, and no more, not even an end."""

    def __init__(self, items):
        self.items = list(items)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i % len(self.items)]


class AwkwardArray:
    """What Awkward Array shows of itself."""

    __module__ = "awkward.highlevel"

    def __init__(self, items):
        self.items = [np.asarray(item).tolist() for item in items]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, where):
        return self.items[where]

    def __array__(self, dtype=None, copy=None):
        raise ValueError("cannot convert to RegularArray because subarray lengths are not regular")

    def to_list(self):
        return self.items


def tensors(items):
    return [torch.tensor(item) for item in items]


CONTAINERS = {
    "deque": collections.deque,
    "UserList": collections.UserList,
    "dict values": lambda items: dict(enumerate(items)).values(),
    "data set": Items,
    "subset": lambda items: torch.utils.data.Subset(Items([*items, None]), range(len(items))),
    "deques": lambda items: [collections.deque(item.tolist()) for item in items],
    "tensors": tensors,
    "packed": lambda items: torch.nn.utils.rnn.pack_sequence(tensors(items), enforce_sorted=False),
    "packed padded": lambda items: torch.nn.utils.rnn.pack_padded_sequence(
        torch.nn.utils.rnn.pad_sequence(tensors(items)), [len(item) for item in items], enforce_sorted=False
    ),
    "nested": lambda items: torch.nested.nested_tensor(tensors(items)),
    "nested, jagged": lambda items: torch.nested.nested_tensor(tensors(items), layout=torch.jagged),
    "nested, learned": lambda items: torch.nested.nested_tensor(tensors(items), requires_grad=True),
    "awkward": AwkwardArray,
    "Arrow": lambda items: pa.array([np.asarray(item).tolist() for item in items]),
    "Arrow chunks": lambda items: pa.chunked_array([pa.array([np.asarray(item).tolist() for item in items])]),
    "Arrow table": lambda items: pa.table({"x": [np.asarray(item).tolist() for item in items]}),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_what_is_read(kind):
    assert as_sequence_array(CONTAINERS[kind](X)) == PADDED
    assert SequenceArray.from_list(CONTAINERS[kind](X)) == PADDED
    univariate = [x[:, 0] for x in X]
    assert as_sequence_array(CONTAINERS[kind](univariate)) == SequenceArray.from_list(univariate)


@pytest.mark.parametrize("kind", CONTAINERS)
@each_kind
def test_every_estimator_reads_it(name, kind):
    y, container = targets(X), CONTAINERS[kind]
    expected, found = clone(ESTIMATORS[name]).fit(X, y), clone(ESTIMATORS[name]).fit(container(X), y)
    assert_array_equal(output(found, container(X)), output(expected, X))


@pytest.mark.parametrize("kind", CONTAINERS)
def test_transformers_of_steps_read_it(kind):
    found = PerStep(StandardScaler()).fit(CONTAINERS[kind](X))
    assert found.transform(CONTAINERS[kind](X)) == PerStep(StandardScaler()).fit_transform(X)


@pytest.mark.parametrize("kind", ["deque", "UserList", "dict values", "data set"])
def test_tokens_are_read(kind):
    texts = [list("abc"), list("ba")] * 5
    assert TokenEncoder().fit_transform(CONTAINERS[kind](texts)) == TokenEncoder().fit_transform(texts)


@pytest.mark.parametrize("kind", ["deque", "UserList", "data set"])
def test_rows_of_one_length_after_a_fit_on_sequences(kind):
    fitted = RNNRegressor(**QUICK).fit([x[:, 0] for x in X], targets(X))
    rows = [np.arange(3.0), np.ones(3)]
    assert_array_equal(fitted.predict(CONTAINERS[kind](rows)), fitted.predict([row[:, np.newaxis] for row in rows]))


@pytest.mark.parametrize("kind", ["deque", "UserList"])
def test_a_search_splits_it(kind):
    scores = cross_val_score(RNNRegressor(**QUICK), CONTAINERS[kind](X), targets(X), cv=2)
    assert_array_equal(scores, cross_val_score(RNNRegressor(**QUICK), X, targets(X), cv=2))


# ----------------------------------------------------------------------------------------- what is refused, and advice
Fields = collections.namedtuple("Fields", ["heart", "blood"])
PAIRS = list(zip(X, targets(X), strict=True))
GROUPS = pd.DataFrame({"a": np.arange(24.0), "b": 1.0}).groupby(np.arange(24) // 3)
DICTS = [{"a": x[:, 0], "b": x[:, 1]} for x in X]
STEPS = [[{"word": "a", "n": 1.0}] * 3, [{"word": "b", "n": 2.0}] * 2] * 4


class Named:
    """A container with a length, whose items have names."""

    def __len__(self):
        return 8

    def __getitem__(self, name):
        raise KeyError(name)


REFUSED = {
    "named tuple": (Fields(X, X), "X is a named tuple with the fields heart, blood: pass the field"),
    "dict": (dict(enumerate(X)), "X is of type dict; .* list(X.values())"),
    "UserDict": (collections.UserDict(enumerate(X)), "X is of type UserDict; .* list(X.values())"),
    "dict items": (dict(enumerate(X)).items(), "X of type dict_items holds tuples of 2: .*[item[1] for item in X]"),
    "dicts": (DICTS, "sequence 0 is of type dict; .*[pandas.DataFrame(x) for x in X]"),
    "dicts of numbers": ([{"a": 1.0}] * 8, "sequence 0 is of type dict; .*pandas.DataFrame"),
    "dicts in a data set": (Items(DICTS), "sequence 0 is of type dict; .*[pandas.DataFrame(x) for x in X]"),
    "features in dicts": (STEPS, "the steps of sequence 0 are of type dict; .*DictVectorizer"),
    "groups": (GROUPS, "X is a DataFrameGroupBy: pass its groups, [group for _, group in X]"),
    "groups of a column": (GROUPS["a"], "X is a SeriesGroupBy: pass its groups, [group for _, group in X]"),
    "names and groups": (
        list(GROUPS),
        "X of type list holds tuples of 2: pass only the sequences, [item[1] for item in X]",
    ),
    "pairs": (PAIRS, "X of type list holds tuples of 2: .*[item[0] for item in X].*as y, [item[1] for item in X]"),
    "pairs of a data set": (Items(PAIRS), "X of type Items holds tuples of 2: .*[item[0] for item in X]"),
    "pairs of tensors": (
        torch.utils.data.TensorDataset(torch.zeros(8, 3, 2), torch.zeros(8)),
        "X of type TensorDataset holds tuples of 2: .*[item[0] for item in X]",
    ),
    "data set of X alone": (torch.utils.data.TensorDataset(torch.zeros(8, 3, 2)), "tuples of 1: .*[item[0] for item"),
    "column of texts": (pd.DataFrame({"note": ["a b", "c"] * 4}), "[text.split() for text in X['note']]"),
    "polars column": (pl.DataFrame({"note": ["a b", "c"] * 4}), "[text.split() for text in X['note']]"),
    "texts and numbers": (pd.DataFrame({"n": range(8), "note": ["a", "c"] * 4}), "for text in X['note']]"),
    "texts": (np.array(["ab", "c"] * 4), "[list(text) for text in X]"),
    "column of an array": (np.array([["ab"], ["c"]] * 4), "[text.split() for text in X[:, 0]]"),
    "array of tokens": (np.array([["a", "b"]] * 8), "list(X)"),
    "array of tokens as objects": (np.array([["a", "b"]] * 8, object), "list(X)"),
    "3-D array of tokens": (np.full((8, 3, 1), "a"), "list(X)"),
    "Arrow table": (pa.table({"a": [[1.0]] * 8, "b": [[2.0]] * 8}), "X is an Arrow table .* pass X.to_pandas()"),
    "items by name": (Named(), "X is of type Named, which cannot be indexed from 0 (KeyError(0))"),
    "loader": (torch.utils.data.DataLoader(list(range(8))), "X is of type DataLoader; .*pass list(X)"),
    "iterator": (iter(X), "X is of type list_iterator; .*pass list(X)"),
    "memory": ([memoryview(np.ascontiguousarray(x)) for x in X], "sequence 0 is of type memoryview"),
    "bytes": ([bytearray(b"ab"), bytearray(b"abc")] * 4, "sequence 0 is of type bytearray"),
    "rows of dates": ([pd.date_range("2020", periods=3)] * 8, "X holds times, of dtype datetime64"),
    "rows of durations": ([[np.timedelta64(1, "s")] * 3] * 8, "X holds times, of dtype timedelta64"),
    "all missing": ([None] * 8, "sequence 0 is None; .*It is missing: .*dropna"),
    "all missing in a Series": (pd.Series([None] * 8, dtype=object), "sequence 0 is None; .*It is missing: .*dropna"),
    "missing": ([*X[:7], np.nan], "sequence 7 is nan; .*It is missing: .*dropna"),
    "missing in a Series": (pd.Series([None, *X[:6], pd.NA]), "sequence 0 is None; .*It is missing: .*dropna"),
    "tensor with a gradient": ([torch.zeros(3, 2, requires_grad=True)] * 8, "sequence 0 .*detach()"),
}


def pattern(message):
    return ".*".join(map(re.escape, message.split(".*")))


@pytest.mark.parametrize("fault", REFUSED)
@each_kind
def test_what_is_refused(name, fault):
    given, message = REFUSED[fault]
    y = targets(X)
    assert_refused(clone(ESTIMATORS[name]), lambda e: e.fit(given, y), pattern(message))
    fitted = clone(ESTIMATORS[name]).fit(X, y)
    assert_refused(fitted, lambda e: output(e, given), pattern(message))


@pytest.mark.parametrize("fault", REFUSED)
def test_what_transformers_of_steps_refuse(fault):
    given, message = REFUSED[fault]
    assert_refused(PerStep(StandardScaler()), lambda e: e.fit(given), pattern(message))


def test_a_left_join_that_found_nothing():
    sequences = pd.DataFrame({"id": range(7), "x": [x[:, 0] for x in X[:7]]})
    joined = pd.DataFrame({"id": range(8), "age": 50}).merge(sequences, how="left")
    for given in (joined, joined[["x"]], joined["x"], pl.from_pandas(joined)):
        with pytest.raises(ValueError, match=r"sequence 7 is (nan|None); .*It is missing: .*dropna"):
            as_sequence_array(given)
    y = joined["x"]
    with pytest.raises(ValueError, match=r"sequence 7 of y is nan; .*It is missing"):
        RNNRegressor(**QUICK).fit([x[:, :1] for x in X], y)


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame])
@each_kind
def test_one_frame_in_the_place_of_a_list(name, frame_of):
    for columns in (["hr", "bp"], ["hr"]):
        frames = [frame_of({c: x[:, j] for j, c in enumerate(columns)}) for x in X]
        fitted = clone(ESTIMATORS[name]).fit(frames, targets(X))
        long = max(frames, key=len)
        assert_refused(fitted, lambda e, one=long: output(e, one), r"pass \[X\]")
        assert len(output(fitted, [long])) == 1
    fitted = clone(ESTIMATORS[name]).fit(X, targets(X))
    assert_refused(fitted, lambda e: output(e, frame_of({"a": X[0][:, 0], "b": X[0][:, 1]})), r"pass \[X\]")
    assert_refused(fitted, lambda e: output(e, X[0]), r"pass X\[np.newaxis\]")


def test_labels_of_steps_in_cross_validation():
    """scikit-learn refuses lists of lists of a classifier where it chooses the splitter, not arrays."""
    y = [["up" if one > 0 else "down" for one in x[:, 0]] for x in X]
    with pytest.raises(ValueError, match="legacy multi-label"):
        cross_val_score(RNNClassifier(**QUICK), X, y, cv=2)
    expected = cross_val_score(RNNClassifier(**QUICK), X, y, cv=KFold(2))
    assert_array_equal(cross_val_score(RNNClassifier(**QUICK), X, ragged_array(y), cv=2), expected)
    assert_array_equal(cross_val_score(RNNClassifier(**QUICK), X, [np.array(row) for row in y], cv=2), expected)


def test_targets_weights_groups_and_classes_in_any_container():
    y, weights, groups = [0, 1] * 4, [1.0, 2.0] * 4, [1, 1, 2, 2, 3, 3, 4, 4]
    model = RNNClassifier(early_stopping=True, validation_fraction=0.5, **QUICK)
    expected = clone(model).fit(X, y, weights, groups=groups)
    for kind in ("deque", "UserList", "dict values", "data set"):
        pack = CONTAINERS[kind]
        found = clone(model).fit(X, pack(y), pack(weights), groups=pack(groups))
        assert found.loss_curve_ == expected.loss_curve_
        assert found.score(X, pack(y), pack(weights)) == expected.score(X, y, weights)
    model = RNNClassifier(**QUICK).partial_fit(X, y, classes=dict.fromkeys([0, 1]).keys())
    assert model.classes_.tolist() == [0, 1]
