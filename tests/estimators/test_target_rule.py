"""Whether y has a target for each step: one rule for every container, method and estimator."""

import collections

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from faults import QUICK, assert_refused, cube
from numpy.testing import assert_array_equal

from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.metrics import step_accuracy_score
from skrnn.preprocessing import PerStep
from skrnn.sequences import Sequence, ragged_array
from skrnn.sequences._ragged import has_steps

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations", "ignore:The PyTorch API of nested")
N, T = 6, 4
EQUAL = cube(N, T)
RAGGED = [x[:n] for x, n in zip(EQUAL, [4, 2, 3, 1, 4, 2], strict=True)]

ROWS = {
    "array": np.asarray,
    "array of objects": lambda row: np.asarray(row).astype(object),
    "list": lambda row: np.asarray(row).tolist(),
    "tuple": lambda row: tuple(np.asarray(row).tolist()),
    "deque": lambda row: collections.deque(np.asarray(row).tolist()),
    "Series": pd.Series,
    "Index": pd.Index,
    "polars": lambda row: pl.Series(np.asarray(row)),
    "tensor": lambda row: torch.tensor(np.asarray(row)),
    "Sequence": Sequence,
    "column": lambda row: np.asarray(row)[:, np.newaxis],
    "frame": lambda row: pd.DataFrame({"y": row}),
}


def objects(rows):
    cells = np.empty(len(rows), dtype=object)
    cells[:] = [*rows, None][:-1]
    return cells


OUTER = {
    "list": list,
    "tuple": tuple,
    "deque": collections.deque,
    "UserList": collections.UserList,
    "dict values": lambda rows: dict(enumerate(rows)).values(),
    "objects": objects,
    "column of objects": lambda rows: objects(rows)[:, np.newaxis],
    "Series": lambda rows: pd.Series(list(rows), index=range(7, 7 + len(rows))),
    "frame": lambda rows: pd.DataFrame({"y": objects(rows)}),
}
WHOLE = {
    "SequenceArray": SequenceArray.from_list,
    "Series of sequences": lambda rows: SequenceArray.from_list(rows).to_series(),
    "polars Series": lambda rows: pl.Series([np.asarray(row).tolist() for row in rows]),
    "polars frame": lambda rows: pl.DataFrame({"y": [np.asarray(row).tolist() for row in rows]}),
    "ragged_array": ragged_array,
    "Arrow": lambda rows: pa.array([np.asarray(row).tolist() for row in rows]),
    "Arrow table": lambda rows: pa.table({"y": [np.asarray(row).tolist() for row in rows]}),
    "nested tensor": lambda rows: torch.nested.as_nested_tensor([torch.tensor(np.asarray(row)) for row in rows]),
    "packed": lambda rows: torch.nn.utils.rnn.pack_sequence(
        [torch.tensor(np.asarray(row)) for row in rows], enforce_sorted=False
    ),
}
FORMS = {f"{o} of {r}": lambda rows, o=o, r=r: OUTER[o]([ROWS[r](row) for row in rows]) for o in OUTER for r in ROWS}
FORMS |= WHOLE
SOME = [*WHOLE, *(f"{outer} of array" for outer in OUTER), *(f"list of {row}" for row in ROWS if row != "array")]


def offsets(X):
    return SequenceArray.from_list(list(X)).offsets


def steps(X):
    return [np.arange(len(x)) % 3 + 0.5 * i for i, x in enumerate(X)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("X", [EQUAL, RAGGED], ids=["equal", "ragged"])
def test_rows_as_long_as_the_sequences_are_steps(form, X):
    assert has_steps(FORMS[form](steps(X)), offsets(X))


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_another_equal_length_are_targets_of_the_sequence(form):
    y = [np.arange(3.0) + i for i in range(N)]
    for X in (EQUAL, RAGGED):
        assert not has_steps(FORMS[form](y), offsets(X))


@pytest.mark.parametrize("form", FORMS)
def test_rows_that_fit_neither_way_are_located(form):
    y = steps(RAGGED)
    y[2] = y[2][:2]
    with pytest.raises(ValueError, match="sequence 2 has 2 steps in y, but 3 in X"):
        has_steps(FORMS[form](y), offsets(RAGGED))


MATRICES = {
    "array": np.asarray,
    "integers": lambda y: np.asarray(y, int),
    "texts": lambda y: np.asarray(y).astype(str),
    "objects": lambda y: np.asarray(y).astype(object),
    "frame": pd.DataFrame,
    "polars": lambda y: pl.DataFrame(np.asarray(y)),
    "Arrow": lambda y: pa.table({str(j): column for j, column in enumerate(np.asarray(y).T)}),
    "tensor": lambda y: torch.tensor(np.asarray(y)),
}


@pytest.mark.parametrize("form", MATRICES)
@pytest.mark.parametrize("k", [1, 3, T])
def test_a_matrix_has_targets_of_sequences(form, k):
    assert not has_steps(MATRICES[form](np.arange(N * k).reshape(N, k) / 2), offsets(EQUAL))


@pytest.mark.parametrize("y", [list("ababab"), list(range(6)), pd.Series(range(6)), np.array(["ab", "c"] * 3, object)])
def test_a_flat_y_has_one_target_for_each_sequence(y):
    assert not has_steps(y, offsets(EQUAL))


# ---------------------------------------------------------------------------------------------- in an estimator
@pytest.mark.parametrize("form", SOME)
def test_every_form_trains_the_same_network(form):
    y = [np.cumsum(x[:, 0]).round(2) for x in EQUAL]
    expected = RNNRegressor(**QUICK).fit(EQUAL, y)
    assert expected.per_step_
    found = RNNRegressor(**QUICK).fit(EQUAL, FORMS[form](y))
    assert_array_equal(np.concatenate(list(found.predict(EQUAL))), np.concatenate(list(expected.predict(EQUAL))))
    assert found.score(EQUAL, FORMS[form](y)) == expected.score(EQUAL, y)


@pytest.mark.parametrize("form", SOME)
def test_every_form_trains_the_same_outputs(form):
    y = np.random.default_rng(0).normal(size=(N, 3)).round(2)
    expected = RNNRegressor(**QUICK).fit(EQUAL, y)
    found = RNNRegressor(**QUICK).fit(EQUAL, FORMS[form](list(y)))
    assert_array_equal(found.predict(EQUAL), expected.predict(EQUAL))
    assert found.score(EQUAL, FORMS[form](list(y))) == expected.score(EQUAL, y)


@pytest.mark.parametrize("form", ["list of list", "list of Series", "deque of tuple", "objects of array"])
def test_labels_of_steps_are_no_indicators(form):
    y = [(x[:, 0] > 0).astype(int) for x in EQUAL]
    found = RNNClassifier(**QUICK).fit(EQUAL, FORMS[form](y))
    assert found.per_step_
    assert found.classes_.tolist() == [0, 1]
    texts = [np.where(row, "up", "down") for row in y]
    found = RNNClassifier(**QUICK).fit(EQUAL, FORMS[form](texts))
    assert found.score(EQUAL, FORMS[form](texts)) == step_accuracy_score(texts, found.predict(EQUAL))


# --------------------------------------------------------------------------------------------------- targets=
def test_the_parameter_reads_a_matrix_as_steps():
    y = np.cumsum(EQUAL[:, :, 0], axis=1)
    expected = RNNRegressor(**QUICK).fit(EQUAL, list(y)).predict(EQUAL)
    for given in (y, y[:, :, np.newaxis], y.astype(object), pd.DataFrame(y), y.tolist(), torch.tensor(y)):
        found = RNNRegressor(targets="step", **QUICK).fit(EQUAL, given)
        assert_array_equal(np.concatenate(list(found.predict(EQUAL))), np.concatenate(list(expected)))
        assert np.isfinite(found.score(EQUAL, given))
    labels = RNNClassifier(targets="step", **QUICK).fit(EQUAL, y > 0)
    assert labels.per_step_
    assert SequenceTransformer(targets="step", objective="supervised", **QUICK).fit(EQUAL, y).per_step_


def test_the_parameter_reads_rows_as_targets_of_sequences():
    y = np.cumsum(EQUAL[:, :, 0], axis=1)
    expected = RNNRegressor(**QUICK).fit(EQUAL, y).predict(EQUAL)
    for given in (y, y.tolist(), list(y), [pd.Series(row) for row in y], SequenceArray.from_list(list(y))):
        found = RNNRegressor(targets="sequence", **QUICK).fit(EQUAL, given)
        assert_array_equal(found.predict(EQUAL), expected)
    labels = RNNClassifier(targets="sequence", **QUICK).fit(EQUAL, (y > 0).astype(int).tolist())
    assert labels.predict(EQUAL).shape == y.shape
    assert not SequenceTransformer(targets="sequence", objective="supervised", **QUICK).fit(EQUAL, list(y)).per_step_


@pytest.mark.parametrize("horizon", [1, 3, T])
def test_several_targets_over_a_horizon(horizon):
    """As `make_windows` gives them: (n_sequences, horizon, n_targets)."""
    y = np.random.default_rng(0).normal(size=(N, horizon, 2))
    found = RNNRegressor(targets="sequence", **QUICK).fit(EQUAL, y)
    flat = RNNRegressor(**QUICK).fit(EQUAL, y.reshape(N, -1))
    assert found.n_outputs_ == 2 * horizon
    assert_array_equal(found.predict(EQUAL), flat.predict(EQUAL).reshape(y.shape))
    assert found.score(EQUAL, y) == flat.score(EQUAL, y.reshape(N, -1))
    found.set_params(early_stopping=False, warm_start=True).fit(EQUAL, y)
    assert found.predict(EQUAL[:1]).shape == (1, horizon, 2)
    assert not SequenceTransformer(targets="sequence", objective="supervised", **QUICK).fit(EQUAL, y).per_step_


@pytest.mark.parametrize("shape", [(N, T, 2), (N, 3, 2), (N, 3, 1)])
@pytest.mark.parametrize("estimator", [RNNRegressor, RNNClassifier])
def test_three_dimensions_are_not_guessed(shape, estimator):
    message = rf'y has shape \({N}, {shape[1]}, {shape[2]}\).*targets="sequence".*reshape.*targets="step"|list\(y\)'
    y = np.ones(shape) * np.arange(N)[:, np.newaxis, np.newaxis]
    assert_refused(estimator(**QUICK), lambda e: e.fit(EQUAL, y), message)


def test_one_target_in_three_dimensions_is_of_steps():
    assert has_steps(np.zeros((N, T, 1)), offsets(EQUAL))
    assert has_steps(list(np.zeros((N, T, 2))), offsets(EQUAL))


# --------------------------------------------------------------------------------- what was fitted decides
ONE = EQUAL[:1]


def test_a_batch_of_one_sequence_is_read_as_the_fit_was():
    y = np.random.default_rng(0).normal(size=(N, 3))
    x = [RAGGED[2]]  # of three steps, so that a row of three targets could be theirs
    fitted = RNNRegressor(**QUICK).fit(RAGGED, y.tolist())
    assert not fitted.per_step_
    for row in ([[1.0, 2.0, 3.0]], [np.arange(3.0)], [pd.Series([1.0, 2.0, 3.0])], np.ones((1, 3))):
        fitted.partial_fit(x, row)
        assert fitted.predict(x).shape == (1, 3)
        assert len(fitted.gradient_norms(x, row)) == 1
        fitted.score(x * 2, [*row, *row])


@pytest.mark.parametrize("form", SOME)
def test_partial_fit_on_one_sequence_takes_what_fit_took(form):
    fitted = RNNRegressor(**QUICK).fit(RAGGED, FORMS[form](steps(RAGGED)))
    for i, x in enumerate(RAGGED):
        y = FORMS[form]([steps(RAGGED)[i]])
        fitted.partial_fit([x], y)
        assert fitted.gradient_norms([x], y)[0].shape == (len(x), 1)
    fitted.score(EQUAL, FORMS[form](steps(EQUAL)))


def test_held_out_targets_are_read_as_the_others():
    y = np.random.default_rng(0).normal(size=(N, 3))
    held_out = [x[:3] for x in EQUAL]
    fitted = RNNRegressor(early_stopping=True, **QUICK)
    fitted.fit(EQUAL, y.tolist(), X_val=held_out, y_val=y.tolist())
    assert fitted.predict(EQUAL).shape == (N, 3)
    matrix = np.cumsum(EQUAL[:, :, 0], axis=1)
    assert fitted.fit(EQUAL, list(matrix), X_val=EQUAL, y_val=matrix).per_step_


LATER = {
    "fit": lambda e, X, y: e.fit(X, y),
    "partial_fit": lambda e, X, y: e.partial_fit(X, y),
    "score": lambda e, X, y: e.score(X, y),
    "gradient_norms": lambda e, X, y: e.gradient_norms(X, y),
}


@pytest.mark.parametrize("call", LATER)
@pytest.mark.parametrize("cls", [RNNRegressor, RNNClassifier])
def test_another_reading_than_that_of_the_fit_is_refused(call, cls):
    labels = np.arange(N) % 2
    y = [np.full(len(x), i) for x, i in zip(RAGGED, labels, strict=True)]
    of_steps = cls(warm_start=True, **QUICK).fit(RAGGED, y)
    message = "y has one target for each sequence, but fit saw one target for each step"
    assert_refused(of_steps, lambda e: LATER[call](e, RAGGED, labels), message)
    of_sequences = cls(warm_start=True, **QUICK).fit(RAGGED, labels)
    message = "y has a target for each step, but fit saw one target for each sequence"
    assert_refused(of_sequences, lambda e: LATER[call](e, RAGGED, y), message)
    equal = [np.full(T, i) for i in labels]
    message = f"y has {T} (targets|outputs) for each sequence, but fit saw (one|1 output)"
    assert_refused(of_sequences, lambda e: LATER[call](e, EQUAL, equal), message)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_the_parameter_cannot_change_between_fits_that_go_on(call):
    fitted = RNNRegressor(warm_start=True, **QUICK).fit(EQUAL, np.arange(N))
    fitted.set_params(targets="step")
    message = 'targets="step", but .* fitted to one target for each sequence'
    assert_refused(fitted, lambda e: LATER[call](e, EQUAL, EQUAL[:, :, 0]), message)


@pytest.mark.parametrize(("targets", "y", "message"), [
    ("step", np.arange(N), 'y has one target for each sequence, but targets="step"'),
    ("step", np.ones((N, 3)), "sequence 0 has 3 steps in y, but 4 in X"),
    ("step", [np.ones(3)] * N, "sequence 0 has 3 steps in y, but 4 in X"),
    ("sequence", steps(RAGGED), 'a target for each step, but targets="sequence": .* 4 targets .* 2 for sequence 1'),
    ("both", np.arange(N), "targets"),
])  # fmt: skip
@pytest.mark.parametrize("estimator", [RNNRegressor(), RNNClassifier(), SequenceTransformer(objective="supervised")])
def test_what_the_parameter_refuses(estimator, targets, y, message):
    estimator = type(estimator)(**estimator.get_params() | QUICK | {"targets": targets})
    assert_refused(estimator, lambda e: e.fit(EQUAL, y), message)


def test_labels_have_two_dimensions():
    y = np.ones((N, 2, 2), int)
    model = RNNClassifier(targets="sequence", **QUICK)
    assert_refused(model, lambda e: e.fit(EQUAL, y), r"y has shape \(6, 2, 2\), .* y.reshape\(len\(y\), -1\)")


def test_texts_for_each_but_one_step_are_explained():
    y = [list("abc")] * N
    assert_refused(RNNClassifier(**QUICK), lambda e: e.fit(EQUAL, y), "y has 3 targets for each sequence.*as long as")


# ------------------------------------------------------------------------------------------------- objects
def test_targets_of_objects_are_scored_as_they_are_fitted():
    y, Y = np.arange(N) % 2, np.random.default_rng(0).normal(size=(N, 3))
    for given in (y, [int(one) for one in y], pd.Series(y)):
        classifier = RNNClassifier(**QUICK).fit(EQUAL, np.asarray(given).astype(object))
        assert classifier.score(EQUAL, np.asarray(given).astype(object)) == classifier.score(EQUAL, y)
    regressor = RNNRegressor(**QUICK).fit(EQUAL, Y.astype(object))
    assert regressor.score(EQUAL, Y.astype(object)) == regressor.score(EQUAL, Y)
    labels = (Y > 0).astype(int)
    classifier = RNNClassifier(**QUICK).fit(EQUAL, labels.astype(object))
    assert classifier.score(EQUAL, labels.astype(object)) == classifier.score(EQUAL, labels)
    assert classifier.gradient_norms(EQUAL, labels.astype(object))
    rows = [row.astype(object) for row in (EQUAL[:, :, 0] > 0)]
    of_steps = RNNClassifier(**QUICK).fit(EQUAL, rows)
    assert of_steps.score(EQUAL, objects(rows)) == of_steps.score(EQUAL, list(EQUAL[:, :, 0] > 0))


# ------------------------------------------------------------------------------------------ PerStep, metrics
class Recorder:
    def __init__(self):
        self.seen = None

    def get_params(self, deep=False):
        return {}

    def fit(self, X, y=None, sample_weight=None):
        self.seen, self.weight = y, sample_weight
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("form", SOME)
def test_a_transformer_of_steps_follows_the_rule(form):
    for X in (EQUAL, RAGGED):
        seen = PerStep(Recorder()).fit(X, FORMS[form](steps(X)), sample_weight=FORMS[form](steps(X))).transformer_
        assert_array_equal(seen.seen, np.concatenate(steps(X)))
        assert_array_equal(seen.weight, np.concatenate(steps(X)))
    assert PerStep(Recorder()).fit(EQUAL, FORMS[form]([np.ones(3)] * N)).transformer_.seen is None


def test_a_transformer_of_steps_gets_no_targets_of_sequences():
    for y in (np.ones((N, T)), np.ones((N, T, 2)), pd.DataFrame(np.ones((N, T))), np.ones(N), list("ababab")):
        assert PerStep(Recorder()).fit(EQUAL, y).transformer_.seen is None


@pytest.mark.parametrize("form", SOME)
def test_metrics_of_steps_take_every_form(form):
    y = [np.arange(len(x)) % 2 for x in RAGGED]
    assert step_accuracy_score(FORMS[form](y), y, sample_weight=FORMS[form](steps(RAGGED))) == 1


@pytest.mark.parametrize("form", SOME)
def test_weights_of_steps_in_every_form(form):
    y, weight = steps(RAGGED), [np.arange(len(x)) + 1.0 for x in RAGGED]
    expected = RNNRegressor(**QUICK).fit(RAGGED, y, weight)
    found = RNNRegressor(**QUICK).fit(RAGGED, y, FORMS[form](weight))
    assert found.loss_curve_ == expected.loss_curve_
    assert found.score(RAGGED, y, FORMS[form](weight)) == expected.score(RAGGED, y, weight)
    message = "sample_weight has a weight for each step, but there is one target for each sequence"
    assert_refused(RNNRegressor(**QUICK), lambda e: e.fit(RAGGED, np.arange(N), FORMS[form](weight)), message)
