"""Sequences of numbers out of sequences: how many rows, of which form and unit; bad input."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from outputs import NUMBERS, N, X, as_objects, outputs, packed, reg
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score

from skrnn import Seq2SeqRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(2)
FIXED = RNG.normal(size=(N, 3, 2))
each_attention = pytest.mark.parametrize("attention", ["additive", "dot", None])


def with_row(rows, row, at=3):
    return [*rows[:at], row, *rows[at + 1 :]]


# ------------------------------------------------------------------------------------------------ how many rows
def test_rows_of_training_are_put_out_where_they_were_as_many():
    estimator = reg().fit(X, FIXED)
    assert estimator.n_out_steps_ == 3
    assert [row.shape for row in estimator.predict(X)] == [(3, 2)] * N
    assert_array_equal(np.array(list(estimator.predict(X))), np.array(list(estimator.predict(X, n_steps=3))))


def test_else_their_number_has_to_be_said():
    estimator = reg().fit(X, NUMBERS)
    assert estimator.n_out_steps_ is None
    with pytest.raises(ValueError, match="had different lengths: say by n_steps"):
        estimator.predict(X)
    for n_steps in (2, np.int8(2), np.arange(N) % 4 + 1, [1] * N, pd.Series([2] * N)):
        lengths = [len(row) for row in estimator.predict(X, n_steps=n_steps)]
        assert lengths == np.broadcast_to(np.asarray(n_steps), N).tolist()


@pytest.mark.parametrize("n_steps", [0, -1, 2.5, True, "2", [[2]], [1.0] * N, [], np.arange(N)], ids=repr)
def test_numbers_of_rows_that_are_none(n_steps):
    with pytest.raises(ValueError, match="n_steps must be a number of rows, 1 or more"):
        reg().fit(X, NUMBERS).predict(X, n_steps=n_steps)


def test_a_number_of_rows_for_each_sequence():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        reg().fit(X, NUMBERS).predict(X, n_steps=[1, 2])


@each_attention
def test_the_first_rows_do_not_depend_on_how_many_follow(attention):
    """Nor on neighbours or threads, bit for bit."""
    estimator = reg(attention=attention).fit(X, NUMBERS)
    lengths = np.arange(N) % 5 + 1
    expected = [row.tolist() for row in estimator.predict(X, lengths)]
    for n_jobs in (1, 2, 3, 8):
        found = estimator.set_params(n_jobs=n_jobs).predict(X, n_steps=6)
        assert [row[:n].tolist() for row, n in zip(found, lengths, strict=True)] == expected
    for rows in ([4], range(N - 1, -1, -2), [3, 3]):
        found = estimator.predict([X[i] for i in rows], lengths[list(rows)])
        assert [row.tolist() for row in found] == [expected[i] for i in rows]


# ------------------------------------------------------------------------------------------------ what is put out
@pytest.mark.parametrize("standardize_target", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", "poisson"])
def test_each_row_is_what_the_network_says_when_it_reads_those_before(loss, standardize_target):
    y = [np.abs(10 * row) for row in NUMBERS]
    estimator = reg(loss=loss, standardize_target=standardize_target, dtype="float64").fit(X, y)
    found = estimator.predict(X, n_steps=4)
    predictor, task = estimator._given_outputs(X, list(found))
    with predictor.executor:
        again = task.in_units(task.loss.predict(predictor.predict_raw()))
    assert_allclose(again, np.concatenate(found), rtol=1e-9)


def test_units_and_forms_of_y():
    for y, n_outputs, shape in (
        ([row[:, 0] for row in NUMBERS], 1, (2,)),
        ([row[:, 0].tolist() for row in NUMBERS], 1, (2,)),
        ([row[:, :1] for row in NUMBERS], 1, (2, 1)),
        (NUMBERS, 2, (2, 2)),
        (FIXED[:, :, 0], 1, (2,)),
    ):
        estimator = reg().fit(X, y)
        assert estimator.n_outputs_ == n_outputs
        assert {row.shape for row in estimator.predict(X, 2)} == {shape}
        assert np.isfinite(estimator.score(X, y))
    near, far = reg(dtype="float64").fit(X, NUMBERS), reg(dtype="float64").fit(X, [1e6 * row + 1e8 for row in NUMBERS])
    for one, other in zip(near.predict(X, 3), far.predict(X, 3), strict=True):
        assert_allclose(1e6 * one + 1e8, other, rtol=1e-6)


@pytest.mark.parametrize("kind", ["object array", "Series", "SequenceArray", "frame"])
def test_y_in_any_container(kind):
    pack = {"object array": as_objects, "Series": pd.Series, "SequenceArray": packed}
    y = pd.DataFrame({"y": NUMBERS}) if kind == "frame" else pack[kind](NUMBERS)
    expected, estimator = reg().fit(X, NUMBERS), reg().fit(X, y)
    assert estimator.loss_curve_ == expected.loss_curve_
    assert estimator.score(X, y) == expected.score(X, NUMBERS)
    assert_array_equal(estimator.attention_weights(X, y)[2], expected.attention_weights(X, NUMBERS)[2])


def test_names_of_numbers_keep_their_order():
    """Not only where it is fitted again: a score of swapped columns would be that of other targets."""
    frames = [pd.DataFrame(row, columns=["u", "v"]) for row in NUMBERS]
    estimator, swapped = reg().fit(X, frames), [frame[["v", "u"]] for frame in frames]
    assert estimator.target_names_.tolist() == ["u", "v"]
    for call in (estimator.score, estimator.attention_weights, estimator.partial_fit):
        with pytest.raises(ValueError, match=r"y has the targets \['v', 'u'\].* fitted on \['u', 'v'\]"):
            call(X, swapped)
    assert_allclose(estimator.score(X, frames), estimator.score(X, NUMBERS), rtol=1e-9)


def test_score_is_that_of_all_rows():
    estimator, weight = reg().fit(X, NUMBERS), RNG.uniform(0.5, 2, N)
    lengths = [len(row) for row in NUMBERS]
    rows = np.concatenate(NUMBERS), np.concatenate(estimator.predict(X, lengths))
    assert_allclose(estimator.score(X, NUMBERS), r2_score(*rows))
    expected = r2_score(*rows, sample_weight=np.repeat(weight, lengths))
    assert_allclose(estimator.score(X, NUMBERS, weight), expected)


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_attention_weights(attention):
    estimator = reg(attention=attention).fit(X, NUMBERS)
    for x, y, weights in zip(X, NUMBERS, estimator.attention_weights(X, NUMBERS), strict=True):
        assert weights.shape == (len(y), len(x))
        assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="attention=None"):
        reg(attention=None).fit(X, NUMBERS).attention_weights(X, NUMBERS)


def test_attention_weights_along_what_is_predicted():
    estimator = reg().fit(X, FIXED)
    along = estimator.attention_weights(X, estimator.predict(X))
    for found, expected in zip(estimator.attention_weights(X), along, strict=True):
        assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="had different lengths: say by n_steps"):
        reg().fit(X, NUMBERS).attention_weights(X)


def test_one_to_many():
    table = RNG.normal(size=(N, 3))
    expected = reg().fit(table[:, np.newaxis], FIXED)
    assert [row.shape for row in expected.predict(table[:, np.newaxis])] == [(3, 2)] * N
    frame = pd.DataFrame(table, columns=list("abc"))
    estimator = reg().fit(frame, FIXED)
    assert outputs(estimator, frame.iloc[[5]]) == [outputs(estimator, frame)[5]]


def test_learns_to_go_on():
    phase = np.random.default_rng(0).uniform(0, 6, size=200)
    wave = np.sin(phase[:, np.newaxis] + 0.4 * np.arange(30))
    estimator = Seq2SeqRegressor(hidden_layer_sizes=16, max_iter=30, random_state=0).fit(
        wave[:150, :20], wave[:150, 20:]
    )
    assert estimator.score(wave[150:, :20], wave[150:, 20:]) > 0.9


# ------------------------------------------------------------------------------------------------------ bad input
REFUSED = {
    "fewer outputs": (NUMBERS[:-1], r"inconsistent numbers of samples: \[24, 23\]"),
    "no y": (None, "requires y to be passed"),
    "texts": ([["a"]] * N, "puts out numbers, but y holds texts like 'a': .* use Seq2SeqClassifier"),
    "numbers of sequences": (np.arange(N), "sequence 0 of y is of type int64"),
    "an empty output": (with_row(NUMBERS, np.empty((0, 2))), "sequence 3 of y has no time step"),
    "NaN": (with_row(NUMBERS, np.array([[0, 1], [np.nan, 2]])), "y contains NaN: sequence 3, step 1"),
    "infinity": (with_row(NUMBERS, np.full((1, 2), np.inf)), "y contains infinity: sequence 3, step 0"),
    "another width": (with_row(NUMBERS, np.ones((2, 3))), r"sequence 3 of y has shape \(2, 3\)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_fit_refuses(kind):
    y, match = REFUSED[kind]
    with pytest.raises(ValueError, match=match):
        reg().fit(X, y)


def test_outputs_that_are_unlike_those_of_fit():
    estimator, narrow = reg().fit(X, NUMBERS), [row[:, :1] for row in NUMBERS]
    for method in ("score", "attention_weights"):
        with pytest.raises(ValueError, match="y has rows of 1 number, but fit saw rows of 2"):
            getattr(estimator, method)(X, narrow)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.score(X, NUMBERS[:-1])
    with pytest.raises(NotFittedError):
        reg().predict(X)
    with pytest.raises(NotFittedError):
        reg().score(X, NUMBERS)


def test_losses_that_do_not_go():
    with pytest.raises(ValueError, match=r"'loss' parameter of Seq2SeqRegressor"):
        reg(loss="quantile").fit(X, NUMBERS)
    with pytest.raises(ValueError, match="y >= 0"):
        reg(loss="poisson").fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"use teacher_forcing=1\.0"):
        reg(loss="poisson", teacher_forcing=0.5).fit(X, [np.abs(row) for row in NUMBERS])
    with pytest.raises(ValueError, match="cell='jordan' are predictions"):
        reg(cell="jordan").fit(X, NUMBERS)


def test_states_that_grow_without_bound_name_the_sequence():
    estimator = reg(cell="indrnn", standardize=False).fit(X, NUMBERS)
    far = [*X[:3], np.full((4000, 2), 1e37), X[4]]
    with pytest.warns(RuntimeWarning, match="those of sequence 3 first"):
        found = estimator.predict(far, 2)
    assert [bool(np.isnan(row).any()) for row in found] == [False, False, False, True, False]
