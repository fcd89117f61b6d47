"""What a decision depends on, and what it is worth."""

import numpy as np
import pytest
from early_models import MeanClassifier, make_noisy
from numpy.testing import assert_allclose, assert_array_equal

from skrnn import EarlyClassifier, RNNClassifier, SequenceArray
from skrnn.early._rule import Rule
from skrnn.early._stages import Stages

X, Y = make_noisy(150, n_classes=3)
X_NEW, Y_NEW = make_noisy(90, n_classes=3, seed=1)
NETWORK = RNNClassifier(6, bidirectional=False, max_iter=10, random_state=0)
FITTED = {}
MODELS = pytest.mark.parametrize("model", [MeanClassifier(), NETWORK], ids=lambda m: type(m).__name__)


def fitted(model):
    name = type(model).__name__
    if name not in FITTED:
        FITTED[name] = EarlyClassifier(model, cv=3, random_state=0).fit(X, Y)
    return FITTED[name]


@MODELS
def test_decisions_do_not_depend_on_the_future(model):
    early, rng = fitted(model), np.random.default_rng(2)
    labels, n_read = early.predict_early(X_NEW)
    lengths = np.array([len(x) for x in X_NEW])
    is_early = n_read < lengths
    assert is_early.sum() > 10
    other = [
        np.concatenate([x[:n], 9 * rng.normal(size=(rng.integers(1, 40), 2))])
        for x, n in zip(X_NEW, n_read, strict=True)
    ]
    kept = [i for i in range(len(X_NEW)) if is_early[i]]
    for futures in ([other[i] for i in kept], [X_NEW[i][: n_read[i]] for i in kept]):
        again, read_again = early.predict_early(futures)
        assert_array_equal(again, labels[kept])
        assert_array_equal(read_again, n_read[kept])
        assert_array_equal(early.predict_proba(futures), early.predict_proba(X_NEW)[kept])


@MODELS
def test_neighbours_do_not_matter(model):
    early = fitted(model)
    together, (labels, n_read) = early.predict_proba(X_NEW), early.predict_early(X_NEW)
    for i, x in enumerate(X_NEW[:12]):
        assert_array_equal(early.predict_proba([x])[0], together[i])
        assert [early.predict_early([x])[0][0], early.predict_early([x])[1][0]] == [labels[i], n_read[i]]


@MODELS
def test_a_decision_is_the_first_stage_that_is_sure_enough(model):
    early = fitted(model)
    labels, n_read = early.predict_early(X_NEW)
    power = np.exp(early.calibration_[0] + early.calibration_[1] * np.arange(1, 21).clip(max=early.n_usual_steps_)
                   / early.n_usual_steps_)  # fmt: skip
    stages = np.array(list(early.estimator_.staged_predict_proba(X_NEW)), dtype=float)
    for i, x in enumerate(X_NEW):
        sure = stages[: len(x), i].clip(1e-7) ** power[: len(x), np.newaxis]
        top = sure.max(axis=1) / sure.sum(axis=1)
        n = next((t for t in range(1, len(x)) if top[t - 1] >= early.threshold_), len(x))
        assert n == n_read[i]
        assert labels[i] == early.classes_[stages[n - 1, i].argmax()]
        assert_allclose(early.predict_proba([x]).max(), top[n - 1])


def test_earlier_at_nearly_the_same_accuracy():
    early = fitted(MeanClassifier())
    result = early.evaluate(X_NEW, Y_NEW)
    assert result.accuracy > early.estimator_.score(X_NEW, Y_NEW) - 0.06
    assert result.share_read < 0.5
    assert_allclose(result.cost, 1 - result.accuracy + 0.1 * result.share_read)
    a, b = result.accuracy, 1 - result.share_read
    assert_allclose(result.harmonic_mean, 2 * a * b / (a + b))
    easy = Y_NEW == "a"
    _, n_read = early.predict_early(X_NEW)
    assert n_read[easy].mean() < n_read[~easy].mean() / 2


def test_the_cost_of_delay_moves_the_decision():
    read = [EarlyClassifier(MeanClassifier(), cost_of_delay=c, prefixes=False).fit(X, Y).evaluate(X_NEW, Y_NEW)
            for c in (0, 0.05, 0.5, 5)]  # fmt: skip
    shares = [result.share_read for result in read]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 3 * shares[-1]
    assert max(n for n in EarlyClassifier(MeanClassifier(), cost_of_delay=1000).fit(X, Y).predict_early(X)[1]) == 1


def test_results_of_cross_validation_are_those_of_other_thresholds():
    early = fitted(MeanClassifier())
    results, k = early.cv_results_, early.best_index_
    assert results["threshold"][k] == early.threshold_
    assert results["expected_cost"][k] == results["expected_cost"].min()
    assert_allclose(results["cost"], 1 - results["accuracy"] + 0.1 * results["share_read"])
    n = len(Y)
    accuracy = (n * results["accuracy"] + 20 * results["confidence"]) / (n + 20)
    assert_allclose(results["expected_cost"], 1 - accuracy + 0.1 * results["share_read"])
    assert (np.diff(results["share_read"]) >= 0).all()
    assert results["share_read"][-1] == 1


def test_few_errors_of_few_sequences_are_not_believed():
    """No error was seen at 60 %; of as many as 1000 sequences that counts, but of 10 it may be luck."""
    chosen = {}
    for n in (10, 1000):
        proba = np.tile([[0.6, 0.4], [0.95, 0.05]], (n, 1, 1))
        stages = Stages(proba, np.full(n, 2), 1, 2.0)
        rule = Rule(stages, proba, np.zeros(n, int), np.ones(n), 0.1)
        chosen[n] = rule.threshold
        weights = np.repeat([1.0, 0.0], [n // 2, n - n // 2])
        half = Rule(stages, proba, np.zeros(n, int), weights, 0.1)
        assert half.expected_cost == Rule(stages, proba, np.zeros(n, int), 7 * weights, 0.1).expected_cost
    assert chosen[10] > 0.9
    assert chosen[1000] == 0.6


@pytest.mark.parametrize("sharpness", [0.1, 10])
def test_probabilities_are_calibrated(sharpness):
    """Also of a classifier that is far too sure, or not sure enough."""
    X, y = make_noisy(600, (5, 15), seed=3)
    X_new, y_new = make_noisy(600, (5, 15), seed=4)
    X, X_new = ([x / 4 for x in each] for each in (X, X_new))
    early = EarlyClassifier(MeanClassifier(sharpness), cost_of_delay=0.05).fit(X, y)
    proba = early.predict_proba(X_new)
    assert_allclose(proba.sum(axis=1), 1)
    accuracy = early.evaluate(X_new, y_new).accuracy
    assert abs(proba.max(axis=1).mean() - accuracy) < 0.05


def test_other_lengths_than_in_training():
    early, rng = fitted(MeanClassifier()), np.random.default_rng(0)
    labels, n_read = early.predict_early([rng.normal(size=(n, 2)) + 1.5 for n in (1, 2, 500)])
    assert n_read[0] == 1
    assert n_read[2] <= 500
    assert set(labels) <= set("abc")


def test_long_sequences_have_a_hundred_stages():
    X, y = make_noisy(40, (240, 250))
    early = EarlyClassifier(MeanClassifier(), cost_of_delay=0.5, prefixes=False).fit(X, y)
    assert early.decides_every_ == 3
    _, n_read = early.predict_early([*X, X[0][:2]])
    lengths = np.array([*(len(x) for x in X), 2])
    assert ((n_read % 3 == 0) | (n_read == lengths)).all()
    assert n_read[-1] == 2
    assert n_read.min() == 2


def test_networks_that_read_backward_are_read_anew_at_each_stage():
    X, y = make_noisy(40, (4, 6))
    network = RNNClassifier(4, bidirectional=True, max_iter=20, learning_rate_init=0.05, random_state=0)
    early = EarlyClassifier(network, cost_of_delay=0.5, cv=2, random_state=0).fit(X, y)
    _, n_read = early.predict_early(X)
    i = int(n_read.argmin())
    assert n_read[i] < 3
    changed = [np.concatenate([X[i][: n_read[i]], np.full((7, 2), 50.0)])]
    assert_array_equal(early.predict_early(changed)[1], n_read[[i]])


def test_prefixes_help_networks_that_know_only_whole_sequences():
    """The class is in the first steps; afterwards comes what makes states look otherwise."""
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = rng.normal(0, 0.3, size=(80, 12, 2))
    X[:, :3, 0] += 2 * y[:, np.newaxis] - 1
    X[:, 9:, 1] += 3
    network = RNNClassifier(6, bidirectional=False, max_iter=30, random_state=0)
    costs = {
        which: EarlyClassifier(network, prefixes=which, cv=2, random_state=0).fit(X, y)
        for which in (False, True, "auto")
    }
    best = {which: early.cv_results_["expected_cost"][early.best_index_] for which, early in costs.items()}
    assert best["auto"] == min(best[True], best[False])
    assert costs["auto"].prefixes_ == (best[True] < best[False])


def test_tokens():
    X = [list("abcab"), list("xyzx"), list("cbca"), list("zyxyz")] * 10
    early = EarlyClassifier(RNNClassifier(4, bidirectional=False, max_iter=20, random_state=0), cv=2).fit(
        X, [0, 1, 0, 1] * 10
    )
    assert early.score(X, [0, 1, 0, 1] * 10) == 1
    assert_array_equal(early.predict(SequenceArray.from_list(X[:2])), [0, 1])
