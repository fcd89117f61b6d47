"""Entities are counted as conlleval counts: against a scan in plain Python, a second one by its rules, and figures."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning

from skrnn import SequenceArray
from skrnn.metrics import span_f1_score, span_precision_recall_fscore_support

TAGS = ["O", "B-x", "I-x", "B-y", "I-y"]
WITHOUT_TYPE = ["O", "B", "I"]


@st.composite
def tagged(draw, tags):
    """True and predicted tags of a few sequences, and a weight for each."""
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    true, pred = ([draw(st.lists(st.sampled_from(tags), min_size=T, max_size=T)) for T in lengths] for _ in "tp")
    return true, pred, [draw(st.integers(1, 4)) for _ in lengths]


CASES = st.one_of(tagged(TAGS), tagged(WITHOUT_TYPE), tagged([*TAGS, "B", "I"]))


def spans(tags):
    """The spans of one sequence, as (first step, last step, type), step by step."""
    found = []
    open_type = None
    for t, tag in enumerate(tags):
        position, _, kind = tag.partition("-")
        if position == "O":
            open_type = None
        elif position == "I" and open_type == kind:
            found[-1][1] = t
        else:
            found.append([t, t, kind])
            open_type = kind
    return {tuple(span) for span in found}


def counts(true, pred, weights=None):
    """For each type the weights of right, predicted and true spans."""
    total = {}
    for tags, guessed, w in zip(true, pred, weights or [1] * len(true), strict=True):
        a, b = spans(tags), spans(guessed)
        for column, group in enumerate((a & b, b, a)):
            for _, _, kind in group:
                total.setdefault(kind, [0, 0, 0])[column] += w
    return total


def f1(right, predicted, true):
    return 2 * right / (predicted + true) if predicted + true else 0.0


def by_boundaries(true, pred):
    """Right, predicted and true spans by where chunks open and close, as conlleval goes through a file."""
    right = predicted = actual = 0
    for tags, guessed in zip(true, pred, strict=True):
        agrees = False
        before, guessed_before = "O", "O"
        for tag, guess in zip([*tags, "O"], [*guessed, "O"], strict=True):
            closes, guess_closes = is_closed(before, tag), is_closed(guessed_before, guess)
            if agrees and (closes or guess_closes):
                right += closes and guess_closes
                agrees = False
            opens, guess_opens = is_opened(before, tag), is_opened(guessed_before, guess)
            actual, predicted = actual + opens, predicted + guess_opens
            if opens and guess_opens and tag.partition("-")[2] == guess.partition("-")[2]:
                agrees = True
            elif opens or guess_opens:
                agrees = False
            before, guessed_before = tag, guess
    return right, predicted, actual


def is_opened(before, tag):
    if tag == "O":
        return False
    return tag[0] == "B" or before == "O" or before[2:] != tag[2:]


def is_closed(before, tag):
    if before == "O":
        return False
    return tag == "O" or tag[0] == "B" or before[2:] != tag[2:]


@given(CASES)
@example(([["I-x", "I-y", "B-y", "I-y"]], [["B-x", "B-y", "I-y", "I-y"]], [1]))
def test_all_entities_together(case):
    true, pred, _ = case
    total = np.sum(list(counts(true, pred).values()) or [[0, 0, 0]], axis=0)
    assert by_boundaries(true, pred) == tuple(total)
    assert span_f1_score(true, pred, zero_division=0) == pytest.approx(f1(*total))
    precision, recall, fscore, support = span_precision_recall_fscore_support(true, pred, zero_division=0)
    right, predicted, actual = total
    assert precision == pytest.approx(right / max(predicted, 1))
    assert recall == pytest.approx(right / max(actual, 1))
    assert fscore == pytest.approx(f1(*total))
    assert support is None


@given(CASES)
def test_each_type_and_their_averages(case):
    true, pred, weights = case
    total = counts(true, pred, weights)
    if not total:
        return
    options = {"sample_weight": weights, "zero_division": 0}
    each = [f1(*total[kind]) for kind in sorted(total)]
    np.testing.assert_allclose(span_f1_score(true, pred, average=None, **options), each)
    assert span_f1_score(true, pred, average="macro", **options) == pytest.approx(np.mean(each))
    *_, support = span_precision_recall_fscore_support(true, pred, average=None, **options)
    np.testing.assert_allclose(support, [total[kind][2] for kind in sorted(total)])
    if sum(support):
        expected = np.average(each, weights=support)
        assert span_f1_score(true, pred, average="weighted", **options) == pytest.approx(expected)
    assert span_f1_score(true, pred, **options) == pytest.approx(f1(*np.sum(list(total.values()), axis=0)))


@given(CASES)
def test_what_is_compared_with_itself_is_right(case):
    true, _, weights = case
    if any(spans(tags) for tags in true):
        assert span_f1_score(true, true, sample_weight=weights) == 1


@given(CASES)
def test_sequences_are_counted_apart(case):
    """Longer by an end outside of entities, or one sequence by itself: entities do not reach into the next sequence."""
    true, pred, _ = case
    padded = [[[*tags, "O"] for tags in side] for side in (true, pred)]
    joined = [[[tag for tags in side for tag in tags]] for side in padded]
    expected = span_f1_score(true, pred, zero_division=0)
    assert span_f1_score(*padded, zero_division=0) == expected
    assert span_f1_score(*joined, zero_division=0) == expected


@pytest.mark.parametrize(
    ("true", "pred", "expected"),
    [
        ("O B-x I-x O", "O B-x I-x O", (1, 1, 1)),
        ("O B-x I-x O", "O B-x O O", (0, 1, 1)),  # too short
        ("O B-x I-x O", "O I-x I-x O", (1, 1, 1)),  # begun by I
        ("B-x I-x B-x", "B-x I-x I-x", (0, 1, 2)),  # a new one of the same type needs B
        ("B-x I-y", "B-x B-y", (2, 2, 2)),  # another type begins a new one
        ("B-x I-y", "B-x I-x", (0, 1, 2)),
        ("I-x I-x B-x", "B-x I-x B-x", (2, 2, 2)),  # IOB1 is IOB2
        ("B-x I-x", "B-y I-y", (0, 1, 1)),  # right place, wrong type
        ("B I O B", "B I O O", (1, 1, 2)),  # one type only
        ("B-x I", "B-x O", (1, 1, 2)),  # without a type is a type of its own
        ("B-a-b I-a-b", "B-a-b I-a-c", (0, 2, 1)),  # the type follows the first hyphen
    ],
)
def test_rules_by_hand(true, pred, expected):
    true, pred = [true.split()], [pred.split()]
    assert by_boundaries(true, pred) == expected
    assert span_f1_score(true, pred) == pytest.approx(f1(*expected))


def test_published_figures():
    # two sentences, one entity found and one begun a step too early: printed with 0.50 where this is documented
    true = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    pred = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    assert span_f1_score(true, pred) == 0.5
    # the example output of conlleval: 459 phrases, 539 found, 371 correct: 68.83, 80.83 and 74.35 per cent
    true = [["B-NP"]] * 459 + [["O"]] * (539 - 371)
    pred = [["B-NP"]] * 371 + [["O"]] * (459 - 371) + [["B-NP"]] * (539 - 371)
    scores = span_precision_recall_fscore_support(true, pred)[:3]
    np.testing.assert_allclose(np.round(np.multiply(scores, 100), 2), [68.83, 80.83, 74.35])


def test_beta_and_labels():
    true = [["B-x", "B-y", "B-y", "O"]]
    pred = [["B-x", "B-y", "O", "B-x"]]
    _, _, fscore, _ = span_precision_recall_fscore_support(true, pred, beta=2, average=None, labels=["y", "x"])
    np.testing.assert_allclose(fscore, [5 * 0.5 / (4 + 0.5), 5 * 0.5 / (4 * 0.5 + 1)])
    assert span_f1_score(true, pred, labels=["y"]) == pytest.approx(2 / 3)
    # a type that does not occur scores 0, and counts in the mean
    assert span_f1_score(true, pred, labels=["y", "z"], average="macro", zero_division=0) == pytest.approx(1 / 3)


def test_nothing_to_find():
    nothing = [["O", "O"], ["O"]]
    with pytest.warns(UndefinedMetricWarning, match="ill-defined"):
        assert span_f1_score(nothing, nothing) == 0
    assert span_f1_score(nothing, nothing, zero_division=1.0) == 1
    assert span_f1_score(nothing, nothing, labels=["x"], sample_weight=[2, 1], zero_division=1.0) == 1
    with pytest.raises(ValueError, match="no entity"):
        span_f1_score(nothing, nothing, average=None)
    with pytest.warns(UndefinedMetricWarning, match="Precision is ill-defined"):
        assert span_precision_recall_fscore_support([["B-x"]], [["O"]])[:3] == (0, 0, 0)


def test_entities_of_weight_zero_count_for_nothing():
    true, pred = [["O"], ["B-x"], ["B-y", "O"]], [["O"], ["B-x"], ["B-y", "B-y"]]
    assert span_f1_score(true[:2], pred[:2], sample_weight=[1, 0], zero_division=1.0) == 1
    with pytest.warns(UndefinedMetricWarning, match="F-score is ill-defined"):
        assert span_f1_score(true[:2], pred[:2], sample_weight=[1, 0]) == 0
    each = span_f1_score(true, pred, average=None, sample_weight=[1, 0, 2], zero_division=np.nan)
    np.testing.assert_allclose(each, [np.nan, 2 / 3])
    assert span_f1_score(true, pred, sample_weight=[0, 0, 1]) == span_f1_score(true[2:], pred[2:])
    with pytest.raises(ValueError, match="sample_weight is 0 for all sequences"):
        span_f1_score(true, pred, sample_weight=[0, 0, 0])


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ([["O"], ["O", "S-x"]], [["O"], ["O", "O"]], "y_true has the tag 'S-x' in sequence 1, step 1"),
        ([["O"], ["O", "O"]], [["O"], ["x", "O"]], "y_pred has the tag 'x' in sequence 1, step 0"),
        ([["O"], ["O", "O"]], [["O-x"], ["O", "O"]], "y_pred has the tag 'O-x' in sequence 0, step 0"),
        ([["O"], ["Z", "O"]], [["A"], ["O", "O"]], "y_true has the tag 'Z' in sequence 1, step 0"),
        ([["O"], ["O", "O"]], [["O"], ["O"]], "sequence 1 has 1 step in y_pred, but 2 in y_true"),
        (SequenceArray.from_list([[1], [0]]), [[1], [0]], "IOB tags, which are strings"),
    ],
)
def test_tags_that_are_none(true, pred, message):
    with pytest.raises(ValueError, match=message):
        span_f1_score(true, pred)


def test_options_that_are_none():
    with pytest.raises(ValueError, match="average must be"):
        span_f1_score([["O"]], [["O"]], average="samples")
    with pytest.raises(ValueError, match="labels must hold the types"):
        span_f1_score([["B-x"]], [["B-x"]], labels=[])
    with pytest.raises(ValueError, match="weights of steps are not supported"):
        span_f1_score([["B-x"]], [["B-x"]], sample_weight=[[1.0]])
