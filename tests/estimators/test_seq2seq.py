"""Sequences of labels out of sequences: what is put out and how probable; labels and X of all kinds; bad input."""

import datetime
import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from outputs import LABELS, N, X, as_objects, clf, fitted, of_next_label, outputs, packed
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

from skrnn import Conv, Seq2SeqClassifier
from skrnn.metrics import sequence_accuracy_score
from skrnn.sequences import SequenceArray

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(1)
SEARCHES = [(1, 0.0), (3, 0.0), (3, 1.0), (7, 0.5)]  # width and length penalty
each_search = pytest.mark.parametrize(("beam_width", "length_penalty"), SEARCHES)
each_attention = pytest.mark.parametrize("attention", ["additive", "dot", None])


def searching(beam_width, length_penalty, **options):
    return clone(fitted(**options)).set_params(beam_width=beam_width, length_penalty=length_penalty).fit(X, LABELS)


# ------------------------------------------------------------------------------------------------ probabilities
@each_search
def test_n_best_have_the_log_probability_of_score_samples(beam_width, length_penalty):
    """The same number, also of outputs without a label; sorted, all different."""
    estimator = searching(beam_width, length_penalty)
    best = estimator.predict_n_best(X, 6)
    for found in best:
        assert len(found) == 6
        assert len({tuple(labels.tolist()) for labels, _ in found}) == 6
        scores = [log_p / (len(labels) + 1) ** length_penalty for labels, log_p in found]
        assert scores == sorted(scores, reverse=True)
    assert any(len(labels) == 0 for found in best for labels, _ in found)
    for rank in range(6):
        log_p = estimator.score_samples(X, [found[rank][0] for found in best])
        assert log_p.tolist() == [found[rank][1] for found in best]


@each_search
def test_a_beam_is_at_least_as_good_as_the_greedy_path(beam_width, length_penalty):
    greedy, wide = searching(1, 0.0), searching(beam_width, length_penalty)

    def scores(estimator):
        labels = estimator.predict(X)
        return wide.score_samples(X, labels) / (np.array(list(map(len, labels))) + 1) ** length_penalty

    assert (scores(wide) >= scores(greedy)).all()


def test_predict_is_the_first_of_the_n_best():
    estimator = searching(4, 0.5)
    for labels, found in zip(estimator.predict(X), estimator.predict_n_best(X, 4), strict=True):
        assert_array_equal(labels, found[0][0])


@each_attention
def test_probabilities_of_all_short_outputs_and_of_those_that_go_on_sum_to_1(attention):
    estimator = clf(dtype="float64", attention=attention).fit(X, LABELS)
    every = [list(labels) for n in range(4) for labels in itertools.product("abc", repeat=n)]
    for x in X[:4]:
        short = np.exp(estimator.score_samples([x] * len(every), every)).sum()
        longer = 0.0
        for labels in itertools.product("abc", repeat=3):
            log_p = of_next_label(estimator, x, list(labels))
            codes = ["abc".index(label) for label in labels]
            longer += np.exp(log_p[range(3), codes].sum()) * (1 - np.exp(log_p[3, 3]))
        assert 0 < longer < 1
        assert_allclose(short + longer, 1, rtol=1e-12)


def test_a_wide_search_finds_the_most_probable_of_all_outputs():
    estimator = clf(max_output_length=3, beam_width=60).fit(X, LABELS)
    every = [list(labels) for n in range(4) for labels in itertools.product("abc", repeat=n)]
    for x, found in zip(X[:4], estimator.predict(X[:4]), strict=True):
        log_p = estimator.score_samples([x] * len(every), every)
        assert found.tolist() == every[log_p.argmax()]


@each_attention
def test_the_greedy_output_takes_the_most_probable_label_each_time(attention):
    estimator = fitted(attention=attention)
    for x, found in zip(X[:8], estimator.predict(X[:8]), strict=True):
        labels = []
        while len(labels) < estimator.max_output_length_:
            best = of_next_label(estimator, x, labels)[-1].argmax()
            if best == 3:
                break
            labels.append("abc"[best])
        assert found.tolist() == labels


def test_log_probabilities_of_steps_add_up():
    estimator = fitted()
    for x, labels, log_p in zip(X, LABELS, estimator.score_samples(X, LABELS), strict=True):
        steps = of_next_label(estimator, x, labels)
        codes = [*("abc".index(label) for label in labels), 3]
        assert_allclose(log_p, steps[np.arange(len(codes)), codes].sum(), rtol=1e-7)


# ---------------------------------------------------------------------------------------------- what is put out
def test_outputs_stop_at_the_maximum_length_and_are_counted():
    estimator = clf(max_output_length=2).fit(X, LABELS)
    assert not hasattr(estimator, "n_unfinished_")
    with pytest.raises(AttributeError, match="after a prediction"):
        _ = estimator.n_unfinished_
    labels = estimator.predict(X)
    assert estimator.max_output_length_ == 2
    assert max(map(len, labels)) == 2
    unfinished = [
        len(row) == 2 and of_next_label(estimator, x, row.tolist())[-1].argmax() != 3
        for x, row in zip(X, labels, strict=True)
    ]
    assert 0 < estimator.n_unfinished_ == sum(unfinished)
    assert not hasattr(pickle.loads(pickle.dumps(estimator)), "n_unfinished_")
    assert not hasattr(estimator.fit(X, LABELS), "n_unfinished_")


def test_the_maximum_length_is_twice_that_of_training_unless_it_is_set():
    estimator = clf().fit(X, LABELS)
    assert estimator.max_output_length_ == 2 * max(map(len, LABELS))
    before = outputs(estimator, X)
    assert 2 < max(map(len, before)) <= 8
    assert outputs(estimator.set_params(max_output_length=2), X) == [row[:2] for row in before]
    assert outputs(estimator.set_params(max_output_length="auto"), X) == before


@each_attention
def test_predictions_change_no_attribute(attention):
    estimator = clf(attention=attention).fit(X, LABELS)
    before = pickle.dumps(estimator)
    estimator.predict(X), estimator.predict_n_best(X, 2), estimator.score(X, LABELS), estimator.score_samples(X, LABELS)
    if attention:
        estimator.attention_weights(X)
    assert pickle.dumps(estimator) == before


@each_attention
def test_outputs_depend_on_neither_neighbours_nor_threads(attention):
    estimator = clone(fitted(attention=attention)).set_params(beam_width=3).fit(X, LABELS)

    def everything(rows):
        given = [X[i] for i in rows]
        best = [[(a.tolist(), p) for a, p in found] for found in estimator.predict_n_best(given, 3)]
        return list(zip(best, estimator.score_samples(given, [LABELS[i] for i in rows]).tolist(), strict=True))

    expected = everything(range(N))
    for rows in ([5], [5, 1], range(N - 1, -1, -1), [2, 2, 2]):
        assert everything(rows) == [expected[i] for i in rows]
    for n_jobs in (2, 3, 8):
        estimator.set_params(n_jobs=n_jobs)
        assert everything(range(N)) == expected


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_attention_weights(attention):
    estimator = fitted(attention=attention)
    predicted = estimator.predict(X)
    assert min(map(len, predicted)) == 0  # also of outputs without a label
    for given, labels in ((LABELS, LABELS), (None, predicted)):
        for x, row, weights in zip(X, labels, estimator.attention_weights(X, given), strict=True):
            assert weights.shape == (len(row), len(x))
            assert weights.dtype == np.float64
            assert (weights >= 0).all()
            assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    strided = clf(attention=attention, convolution=Conv(3, 3, stride=2)).fit(X, LABELS)
    shapes = [weights.shape for weights in strided.attention_weights(X, LABELS)]
    assert shapes == [(len(y), -(-len(x) // 2)) for x, y in zip(X, LABELS, strict=True)]


def test_attention_weights_need_attention():
    with pytest.raises(ValueError, match="attention=None"):
        fitted(attention=None).attention_weights(X)


def test_score_is_the_share_of_exact_outputs():
    estimator, weight = fitted(), np.arange(N)
    predicted = estimator.predict(X)
    mixed = [row if i % 3 else LABELS[i] for i, row in enumerate(predicted)]
    assert 0 < estimator.score(X, mixed) == sequence_accuracy_score(mixed, predicted)
    assert estimator.score(X, mixed, weight) == sequence_accuracy_score(mixed, predicted, sample_weight=weight)
    assert estimator.score(X, predicted) == 1


def test_learns_to_reverse():
    rng = np.random.default_rng(0)
    words = [rng.choice(list("abc"), size=n).tolist() for n in rng.integers(1, 5, size=220)]
    y = [word[::-1] for word in words]
    estimator = Seq2SeqClassifier(hidden_layer_sizes=24, max_iter=40, random_state=0).fit(words[:200], y[:200])
    assert estimator.score(words[200:], y[200:]) > 0.9
    assert estimator.n_unfinished_ == 0


# ------------------------------------------------------------------------------------------------- kinds of data
KINDS = {
    "integers": [3, 5, 70],
    "negative integers": [-3, -1, 4],
    "unsigned integers": [np.uint8(1), np.uint8(2), np.uint8(255)],
    "whole floats": [0.0, 1.0, 2.0],
    "texts": ["x", "yy", "zzz"],
    "texts of NumPy": [np.str_("x"), np.str_("yy"), np.str_("zzz")],
    "days of NumPy": [np.datetime64("2020-01-01"), np.datetime64("2020-01-02"), np.datetime64("2021-01-01")],
    "days": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2), datetime.date(2021, 1, 1)],
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_any_kind(kind):
    """Sorted as the letters are: the same network."""
    labels, expected = KINDS[kind], fitted()
    y = [[labels["abc".index(label)] for label in row] for row in LABELS]
    estimator = clf().fit(X, y)
    assert estimator.classes_.tolist() == np.array(labels).tolist()
    assert estimator.loss_curve_ == expected.loss_curve_
    assert_array_equal(estimator.score_samples(X, y), expected.score_samples(X, LABELS))
    for found, row in zip(estimator.predict(X), expected.predict(X), strict=True):
        assert found.dtype == estimator.classes_.dtype
        assert found.tolist() == [estimator.classes_["abc".index(label)] for label in row.tolist()]
    assert estimator.score(X, [list(row) for row in estimator.predict(X)]) == 1


def test_labels_of_two_values():
    y = [[label == "a" for label in row] for row in LABELS]
    estimator = clf().fit(X, y)
    assert estimator.classes_.tolist() == [False, True]
    assert all(row.dtype == bool for row in estimator.predict(X))
    assert estimator.score_samples(X, y).shape == (N,)


def test_a_single_label_is_enough():
    """What is learned is the length."""
    estimator = clf().fit(X, [["a"] * len(row) for row in LABELS])
    assert estimator.classes_.tolist() == ["a"]
    assert {label for row in estimator.predict(X) for label in row} <= {"a"}


Y_CONTAINERS = {
    "arrays": lambda y: [np.array(row) for row in y],
    "tuples": lambda y: tuple(map(tuple, y)),
    "object array": as_objects,
    "object array of lists": lambda y: np.array([*y, None], dtype=object)[:-1],
    "Series": pd.Series,
    "SequenceArray": packed,
}


@pytest.mark.parametrize("kind", Y_CONTAINERS)
def test_y_in_any_container(kind):
    y, expected = Y_CONTAINERS[kind](LABELS), fitted()
    estimator = clf().fit(X, y)
    assert estimator.loss_curve_ == expected.loss_curve_
    assert_array_equal(estimator.score_samples(X, y), expected.score_samples(X, LABELS))
    assert estimator.score(X, y) == expected.score(X, LABELS)
    assert_array_equal(estimator.attention_weights(X, y)[1], expected.attention_weights(X, LABELS)[1])


def test_y_as_a_table():
    y = RNG.integers(0, 3, (N, 3))
    assert clf().fit(X, y).loss_curve_ == clf().fit(X, y.tolist()).loss_curve_


CUBE, TABLE = RNG.normal(size=(N, 4, 2)), RNG.normal(size=(N, 3))
GAPS = [np.where(RNG.random(x.shape) < 0.2, np.nan, x) for x in X]
X_KINDS = {
    "3-D array": (CUBE, {}),
    "object array": (as_objects(X), {}),
    "SequenceArray": (packed(X), {}),
    "tokens": (LABELS, {}),
    "frame": (pd.DataFrame({"signal": X}), {}),
    "frame with a static column": (pd.DataFrame({"signal": X, "age": RNG.normal(size=N)}), {}),
    "static columns": (pd.DataFrame(TABLE, columns=list("abc")), {}),
    "table": (TABLE, {}),
    "one step": (TABLE[:, np.newaxis], {}),
    "missing values": (GAPS, {"missing": "mask"}),
    "codes": ([np.abs(x).round() for x in X], {"categorical_features": [0]}),
}


@pytest.mark.parametrize("kind", X_KINDS)
def test_sources_of_any_kind(kind):
    """Some of its rows put out what they do among all."""
    given, options = X_KINDS[kind]
    estimator = clf(**options).fit(given, LABELS)
    rows = [7, 2, 11]
    take = given.iloc[rows] if hasattr(given, "iloc") else [given[i] for i in rows]
    take = SequenceArray.from_list(take) if isinstance(given, SequenceArray) else take
    take = np.array(take) if kind in ("3-D array", "table", "one step") else take
    everything = outputs(estimator, given)
    assert outputs(estimator, take) == [everything[i] for i in rows]
    assert_array_equal(
        estimator.score_samples(take, [LABELS[i] for i in rows]), estimator.score_samples(given, LABELS)[rows]
    )


def test_a_one_to_many_network_starts_from_the_row():
    """Other rows, other outputs."""
    estimator = clf(max_iter=10).fit(TABLE[:, np.newaxis], LABELS)
    assert len(set(estimator.score_samples(TABLE[:, np.newaxis], [["a", "b"]] * N).tolist())) == N


# ------------------------------------------------------------------------------------------------------ bad input
def with_row(rows, row, at=3):
    return [*rows[:at], row, *rows[at + 1 :]]


REFUSED_BY_FIT = {
    "fewer outputs": (X, LABELS[:-1], r"inconsistent numbers of samples: \[24, 23\]"),
    "no y": (X, None, "requires y to be passed"),
    "texts": (X, ["".join(row) for row in LABELS], "sequence 0 of y is 'a?b?c?.*write list"),
    "labels of sequences": (X, np.arange(N), "y must hold a sequence of labels for each sequence"),
    "real numbers": (X, [np.array(row == "a") + 0.5 for row in map(np.array, LABELS)], "real numbers like .*no labels"),
    "only empty outputs": (X, [[]] * N, "y has no label in any sequence"),
    "a missing label": (X, with_row(LABELS, ["a", None]), "sequence 3 of y contains NaN, None or NA: label 1"),
    "NaN": (X, with_row([[1.0]] * N, [np.nan]), "sequence 3 of y contains NaN: label 0"),
    "two kinds": (X, with_row(LABELS, ["a", 1]), "sequence 3 of y holds 1 for label 1, but the text"),
    "two kinds in two": (X, with_row(LABELS, [1]), "y holds texts for one sequence, but numbers like 1 for 3"),
    "an output of rows": (X, with_row(LABELS, np.full((2, 2), "a")), r"sequence 3 of y has shape \(2, 2\)"),
    "an empty source": (with_row(X, np.empty((0, 2))), LABELS, "sequence 3 has no time step"),
    "NaN in X": (with_row(X, np.array([[0, 1], [np.nan, 2]])), LABELS, "sequence 3, step 1, channel 0"),
}


def test_an_output_may_be_empty():
    """Sequences of ones have no label, others the label "a"."""
    given = [np.full((3, 1), k % 2, dtype=float) for k in range(20)]
    labels = [["a"] * (k % 2 == 0) for k in range(20)]
    estimator = clf(max_iter=60, learning_rate_init=0.05, label_smoothing=0.0, dropout=0.0).fit(given, labels)
    assert [list(row) for row in estimator.predict(given)] == labels
    assert (estimator.score_samples(given, labels) > np.log(0.5)).all()


@pytest.mark.parametrize("kind", REFUSED_BY_FIT)
def test_what_fit_refuses(kind):
    given, y, match = REFUSED_BY_FIT[kind]
    with pytest.raises(ValueError, match=match):
        clf().fit(given, y)


PARAMETERS = {
    "max_output_length": [0, -1, 2.0, "long"],
    "beam_width": [0, 1.5, None],
    "length_penalty": [-0.1, "a"],
    "label_smoothing": [-0.1, 1.0],
    "attention": ["multiplicative", True],
    "validation_scoring": ["accuracy"],
    "teacher_forcing": [-0.1, 1.1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in PARAMETERS.items() for value in values])
def test_parameters_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of Seq2SeqClassifier must be"):
        clf(**{name: value}).fit(X, LABELS)


def test_what_searches_may_be_set_after_fit_and_is_refused_there_too():
    estimator = clf().fit(X, LABELS)
    for name in ("beam_width", "length_penalty", "max_output_length"):
        with pytest.raises(ValueError, match=f"The '{name}' parameter"):
            clf().fit(X, LABELS).set_params(**{name: -1}).predict(X)
    with pytest.raises(ValueError, match=r"length_penalty=1000.0 is too large for outputs of \d+ labels"):
        clf().fit(X, LABELS).set_params(length_penalty=1e3).predict(X)
    for n in (0, -1, 2.0, True, "2"):
        with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
            estimator.predict_n_best(X, n)
    assert len(estimator.predict_n_best(X[:1], 50)[0]) == 50  # more than there are labels
    assert len(estimator.set_params(beam_width=50).predict(X[:1])) == 1


@pytest.mark.parametrize("method", ["score_samples", "attention_weights"])
def test_labels_that_fit_has_not_seen_are_named(method):
    run = getattr(fitted(), method)
    with pytest.raises(ValueError, match=r"\['z'\]: the first is label 1 of sequence 1. Known are \['a', 'b', 'c'\]"):
        run(X[:3], [["a"], ["b", "z"], ["z"]])
    for wrong in (1, 0.5, datetime.date(2020, 1, 1)):
        with pytest.raises(ValueError, match="label"):
            run(X[:1], [[wrong]])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        run(X, LABELS[:-1])
    with pytest.raises(ValueError, match=r"write list\(text\)"):
        run(X[:1], ["abc"])


def test_what_was_not_fitted_says_so():
    for method, given in (
        ("predict", ()),
        ("predict_n_best", (2,)),
        ("score_samples", (LABELS,)),
        ("score", (LABELS,)),
    ):
        with pytest.raises(NotFittedError):
            getattr(clf(), method)(X, *given)
    with pytest.raises(NotFittedError):
        clf().attention_weights(X)


def test_states_that_grow_without_bound_name_the_sequence():
    estimator = clf(cell="indrnn", standardize=False).fit(X, LABELS)
    far = [*X[:3], np.full((4000, 2), 1e37), X[4]]
    with pytest.raises(ValueError, match="no finite output for sequence 3"):
        estimator.predict(far)
    with pytest.warns(RuntimeWarning, match="those of sequence 3 first"):
        log_p = estimator.score_samples(far, LABELS[:5])
    assert_array_equal(np.isnan(log_p), [False, False, False, True, False])


def test_a_cell_that_is_its_own_output_is_refused():
    with pytest.raises(ValueError, match="cell='jordan' are predictions: use another cell"):
        clf(cell="jordan").fit(X, LABELS)


def test_it_is_no_classifier_for_splitters():
    """scikit-learn would refuse lists of lists as y."""
    assert not is_classifier(clf())
    tags = clf().__sklearn_tags__().target_tags
    assert tags.required
    assert not tags.one_d_labels
