"""Beam search on toy models: against all sequences there are, against a search in plain Python, and rule by rule."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skrnn.network.beams import search

END, START = 0, 0
PENALTIES = [0.0, 0.6, 1.0, 2.0, -0.5]


class Model:
    """Log-probabilities of the next label by a state, which depends on all labels so far.

    tables: for each sequence (n_states, n_labels).
    """

    def __init__(self, tables):
        self.tables = np.asarray(tables, dtype=np.float64)
        self.n_rows = []

    def __len__(self):
        return len(self.tables)

    def next_state(self, state, label):
        return (3 * state + label + 1) % self.tables.shape[1]

    def search(self, **keywords):
        """Rows of the state and of the sequence go the way that the docstring of `search` describes."""
        self.state, self.sequence, self.n_rows = np.zeros(len(self), dtype=int), np.arange(len(self)), []
        keywords = {"end": END, "beam_width": 1, "n_best": 1, "max_length": 6, "length_penalty": 0.0} | keywords
        return search(self._step, START, len(self), **keywords)

    def _step(self, labels, parents):
        self.n_rows.append(len(labels))
        self.state, self.sequence = self.next_state(self.state[parents], labels), self.sequence[parents]
        return self.tables[self.sequence, self.state]

    def log_probability(self, i, labels):
        """Log-probability of a whole sequence, the end included, added up in order."""
        state, total = self.next_state(0, START), 0.0
        for label in (*labels, END):
            total += self.tables[i, state, label]
            state = self.next_state(state, label)
        return total

    def next_of(self, i, labels):
        state = self.next_state(0, START)
        for label in labels:
            state = self.next_state(state, label)
        return self.tables[i, state]


def random_model(seed, n_sequences=3, n_labels=4, n_states=11, sharpness=1.0):
    logits = np.random.default_rng(seed).normal(scale=sharpness, size=(n_sequences, n_states, n_labels))
    return Model(logits - np.log(np.exp(logits).sum(axis=2, keepdims=True)))


def coarse_model(seed, n_sequences=3, n_labels=4):
    """Full of ties, with labels that are impossible; its sums are exact."""
    values = np.array([-0.25, -0.5, -0.5, -1.0, -np.inf])
    return Model(np.random.default_rng(seed).choice(values, size=(n_sequences, 7, n_labels)))


def listed(found, i):
    """(labels, log-probability, score, is cut) of each hypothesis of a sequence."""
    return [
        (
            tuple(found.labels[found.offsets[k] : found.offsets[k + 1]].tolist()),
            float(found.log_probability[k]),
            float(found.score[k]),
            bool(found.is_cut[k]),
        )
        for k in np.flatnonzero(found.sequence == i)
    ]


def plain_search(model, i, *, beam_width, n_best, max_length, length_penalty):
    """The rules, one hypothesis at a time, without ever stopping early."""
    alive, ended = [((), 0.0, True)], []
    for n_labels in range(max_length + 1):
        divisor = (n_labels + 1.0) ** length_penalty
        candidates = []
        for labels, total, is_greedy in alive:
            log_p = model.next_of(i, labels)
            order = sorted(range(len(log_p)), key=lambda label: (-log_p[label], label))
            is_cut = n_labels == max_length and order[0] != END
            for rank, label in enumerate([END] if n_labels == max_length else order):
                if log_p[label] > -np.inf:
                    candidates.append((labels, label, total + log_p[label], is_greedy and rank == 0, is_cut))
        candidates.sort(key=lambda candidate: -candidate[2])  # stable
        kept = candidates[:beam_width]
        if not any(candidate[3] for candidate in kept):
            kept = kept[: beam_width - 1] + [candidate for candidate in candidates if candidate[3]]
            kept += candidates[beam_width - 1 : beam_width] if len(kept) < min(beam_width, len(candidates)) else []
        ended += [(labels, total, total / divisor, cut) for labels, label, total, _, cut in kept if label == END]
        alive = [((*labels, label), total, greedy) for labels, label, total, greedy, _ in kept if label != END]
    ended.sort(key=lambda hypothesis: -hypothesis[2])
    return ended[:n_best]


def all_sequences(model, i, max_length, length_penalty):
    """(labels, log-probability, score) of every sequence that is possible, the best first."""
    n_labels = model.tables.shape[2]
    everything = []
    for n in range(max_length + 1):
        for labels in itertools.product(range(1, n_labels), repeat=n):
            total = model.log_probability(i, labels)
            everything.append((labels, total, total / (n + 1) ** length_penalty))
    return sorted(everything, key=lambda hypothesis: -hypothesis[2])


SEEDS = st.integers(0, 10_000)


@given(SEEDS, st.sampled_from(PENALTIES), st.integers(1, 12))
def test_a_wide_beam_finds_the_best_of_all(seed, length_penalty, n_best):
    model = random_model(seed, n_labels=3)
    found = model.search(beam_width=31, n_best=n_best, max_length=4, length_penalty=length_penalty)
    for i in range(len(model)):
        expected = all_sequences(model, i, 4, length_penalty)[:n_best]
        assert [hypothesis[:3] for hypothesis in listed(found, i)] == expected  # to the bit


@given(SEEDS)
def test_all_that_there_are(seed):
    """2 ** 4 - 1 sequences of at most 3 of two labels."""
    model = random_model(seed, n_labels=3)
    found = model.search(beam_width=40, n_best=40, max_length=3)
    assert len(found.sequence) == 15 * len(model)
    assert found.sequence.tolist() == sorted(found.sequence)
    assert (np.diff(found.score)[np.diff(found.sequence) == 0] <= 0).all()


@given(
    SEEDS,
    st.sampled_from([random_model, coarse_model]),
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(0, 7),
    st.sampled_from(PENALTIES),
)
@example(3, coarse_model, 2, 2, 7, 1.0)
def test_the_rules_in_plain_python(seed, make, beam_width, n_best, max_length, length_penalty):
    """Also: the search stops only when nothing can change any more, for the other one never stops."""
    model, n_best = make(seed), min(n_best, beam_width)
    keywords = {"beam_width": beam_width, "n_best": n_best, "max_length": max_length, "length_penalty": length_penalty}
    found = model.search(**keywords)
    for i in range(len(model)):
        assert listed(found, i) == plain_search(model, i, **keywords)


@given(SEEDS, st.sampled_from([random_model, coarse_model]), st.integers(0, 8))
def test_width_1_is_greedy(seed, make, max_length):
    model = make(seed)
    found = model.search(max_length=max_length, length_penalty=0.7)
    for i in range(len(model)):
        labels, is_cut = [], False
        while (label := int(model.next_of(i, labels).argmax())) != END:
            if len(labels) == max_length:
                is_cut = True
                break
            labels.append(label)
        if (total := model.log_probability(i, labels)) == -np.inf:
            assert listed(found, i) == []
        else:
            assert listed(found, i) == [(tuple(labels), total, total / (len(labels) + 1) ** 0.7, is_cut)]


@given(SEEDS, st.integers(2, 5), st.sampled_from(PENALTIES))
def test_no_beam_is_worse_than_greedy(seed, beam_width, length_penalty):
    model = random_model(seed, n_sequences=8, n_labels=6, sharpness=0.5)
    greedy = model.search(length_penalty=length_penalty)
    found = model.search(beam_width=beam_width, length_penalty=length_penalty)
    assert (found.score >= greedy.score).all()


def test_the_greedy_path_is_kept_where_others_would_crowd_it_out():
    """The best first label is followed by many equal ones, the second best by two that are more probable than they."""
    # the state is 3 * state + label + 1, modulo 32: 1 after the start, 5 after a label 1, 6 after a label 2
    table = np.full((32, 6), -20.0)
    table[1, 1:3] = np.log([0.4, 0.35])
    table[5, 1:6] = np.log(0.2)  # after 1: each of the five at 0.08
    table[6, 1:3] = np.log([0.4, 0.6])  # after 2: 0.14 and 0.21
    table[17, 0] = 0.0  # after 1, 1: certain to end
    model = Model([table])
    greedy, found = model.search(), model.search(beam_width=2)
    assert listed(greedy, 0)[0][0] == (1, 1)
    assert listed(found, 0)[0] == listed(greedy, 0)[0]


@given(SEEDS, st.integers(1, 4), st.randoms())
def test_what_a_sequence_gets_does_not_depend_on_the_others(seed, beam_width, random):
    model = random_model(seed, n_sequences=6)
    limits = np.array([random.randint(0, 9) for _ in range(6)])
    keywords = {"beam_width": beam_width, "n_best": beam_width, "length_penalty": 0.8}
    found = model.search(max_length=limits, **keywords)
    chosen = random.choices(range(6), k=random.randint(1, 6))
    part = Model(model.tables[chosen]).search(max_length=limits[chosen], **keywords)
    for k, i in enumerate(chosen):
        assert listed(part, k) == listed(found, i)


def by_label(*rows):
    """A model of one sequence, whose next label depends on the last one only; probabilities for each."""
    table = np.log(np.array(rows))

    class Markov(Model):
        def next_state(self, state, label):
            return label

    return Markov([table])


def test_log_probabilities_and_scores_by_hand():
    model = by_label([0.5, 0.5], [0.25, 0.75])  # of the end and a; then after a
    found = model.search(beam_width=4, n_best=3, max_length=2, length_penalty=1.0)
    expected = [
        ((1, 1), np.log(0.5 * 0.75 * 0.25) / 3, True),  # at the limit, where a third one is likelier than the end
        ((), np.log(0.5), False),
        ((1,), np.log(0.5 * 0.25) / 2, False),
    ]
    expected.sort(key=lambda row: -row[1])
    assert [(labels, pytest.approx(score), cut) for labels, score, cut in expected] == [
        (labels, score, cut) for labels, _, score, cut in listed(found, 0)
    ]


def test_the_end_counts_in_the_length():
    """Nothing and one label of probability 0.5 and 0.25: with a penalty of 1, log 0.5 / 1 equals log 0.25 / 2."""
    model = by_label([0.5, 0.5], [0.5, 0.5])
    found = model.search(beam_width=2, n_best=2, max_length=1, length_penalty=1.0)
    assert [labels for labels, *_ in listed(found, 0)] == [(), (1,)]  # the tie goes to what ended first
    assert found.score[0] == found.score[1]
    found = model.search(beam_width=2, n_best=2, max_length=1, length_penalty=1.01)
    assert [labels for labels, *_ in listed(found, 0)] == [(1,), ()]


def test_what_has_ended_first_may_lose():
    """The shorter one ends with more probability, but the longer has more for each label."""
    model = by_label([0.4, 0.6], [0.5, 0.5])
    assert listed(model.search(beam_width=2), 0)[0][0] == ()
    assert listed(model.search(beam_width=2, length_penalty=1.0), 0)[0][0] == (1,)


def test_it_stops_when_nothing_can_win():
    model = by_label([0.6, 0.4], [0.01, 0.99])
    model.search(beam_width=2, max_length=1000)
    assert len(model.n_rows) == 1  # 0.4 is less than 0.6
    model.search(beam_width=2, n_best=2, max_length=1000)
    # the second at 0.4 * 0.99 ** n * 0.01 is there at once, and what goes on at 0.4 * 0.99 ** n falls below it
    assert 400 < len(model.n_rows) < 500


def test_sequences_that_have_stopped_have_no_row():
    model = Model(np.log([[[0.9, 0.05, 0.05]] * 5, [[0.1, 0.5, 0.4]] * 5]))
    model.search(beam_width=3, max_length=8)
    assert model.n_rows[0] == 2
    assert max(model.n_rows[1:]) <= 3


def test_limits_of_each_sequence():
    model = Model(np.log([[[0.01, 0.99]] * 5] * 3))
    found = model.search(max_length=[0, 3, 1])
    assert np.diff(found.offsets).tolist() == [0, 3, 1]
    assert found.is_cut.all()
    np.testing.assert_allclose(found.log_probability, np.log(0.99) * np.array([0, 3, 1]) + np.log(0.01))
    assert model.n_rows == [3, 2, 1, 1]


def test_a_beam_wider_than_the_vocabulary():
    model = random_model(0, n_labels=2)
    found = model.search(beam_width=50, n_best=50, max_length=3)
    assert np.bincount(found.sequence).tolist() == [4, 4, 4]  # of 0 to 3 labels


def test_labels_that_are_impossible():
    only_end = np.array([[0.0, -np.inf]])
    never = np.array([[-np.inf, 0.0]])
    nothing = np.array([[-np.inf, -np.inf]])
    found = Model([only_end, never, nothing]).search(beam_width=3, n_best=3, max_length=2)
    assert listed(found, 0) == [((), 0.0, 0.0, False)]
    assert listed(found, 1) == listed(found, 2) == []
    assert Model([nothing]).search().sequence.tolist() == []
    assert Model([nothing]).search().offsets.tolist() == [0]


def test_a_model_that_is_broken_is_named():
    tables = np.log(np.full((3, 5, 2), 0.5))
    tables[:, 1] = tables[:, 0] = np.log([0.1, 0.9])  # states after the start, and after a label 1
    tables[1, 2, 1] = np.nan  # after two of them
    model = Model(tables)
    with pytest.raises(ValueError, match="after 2 labels of sequence 1 contain NaN"):
        model.search(beam_width=1)


def test_starts_of_each_sequence():
    """A prompt of one label each."""
    table = np.log([[0.98, 0.01, 0.01], [0.02, 0.01, 0.97], [0.9, 0.05, 0.05]])
    sought = {"end": END, "beam_width": 1, "n_best": 1, "max_length": 5, "length_penalty": 0.0}
    found = search(lambda labels, parents: table[labels], np.array([1, 0, 2]), 3, **sought)
    assert [found.labels[a:b].tolist() for a, b in itertools.pairwise(found.offsets)] == [[2], [], []]


def test_nothing_to_search():
    assert len(Model(np.zeros((0, 1, 2))).search().sequence) == 0
