"""`SequenceGenerator` as an estimator: streams, going on, files, weights, searches, the same bits."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import skrnn
from skrnn import SequenceGenerator
from skrnn.callbacks import Checkpoint
from skrnn.estimators._moved import Moved
from skrnn.estimators._streams import LONG, STREAMS
from skrnn.sequences import SequenceArray

SMALL = {"hidden_layer_sizes": 6, "max_iter": 6, "learning_rate_init": 0.05, "random_state": 0}
RNG = np.random.default_rng(0)
WORDS = [list(word) for word in ("ab", "abb", "b", "a", "ba", "abab", "bb", "aab")] * 3
NOTES = [(RNG.random((n, 4)) < 0.4).astype(float) for n in RNG.integers(3, 8, 20)]
NUMBERS = [50 + RNG.normal(size=(n, 2)) for n in RNG.integers(3, 8, 20)]
TEXT = [list("the quick brown fox jumps over the lazy dog " * 30)]
KINDS = {"tokens": (WORDS, {}), "notes": (NOTES, {"notes": "dependent"}), "numbers": (NUMBERS, {}), "text": (TEXT, {})}


@pytest.fixture(params=KINDS)
def kind(request):
    X, parameters = KINDS[request.param]
    return X, SMALL | parameters


class Crash:
    """Ends the fit at the end of epoch `epoch`, as an error would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def setup(self, estimator, context):
        self.n_epochs = 0

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_epochs += 1
        if self.n_epochs == self.epoch:
            raise RuntimeError("crash")

    def teardown(self, estimator, context):
        pass


def same_weights(one, other):
    return all(np.array_equal(one.weights_[name], other.weights_[name]) for name in one.weights_ | other.weights_)


# ---------------------------------------------------------------------------------------------------------- streams
@pytest.mark.parametrize("longest", [None, 1, 3, 4, 100])
def test_streams_have_the_rows_of_uncut_sequences(longest):
    X = SequenceArray(np.arange(10.0), [0, 3, 4, 10])
    moved = Moved.of(X, longest)
    np.testing.assert_array_equal(moved.values[:, 0], [np.nan, 0, 1, 2, np.nan, 3, np.nan, *range(4, 10)])
    assert moved.lengths.sum() == 13
    if longest is None:
        assert moved.lengths.tolist() == [4, 2, 7]
    else:
        assert moved.lengths.max() <= longest
    assert np.repeat(moved.source, moved.lengths).tolist() == [0] * 4 + [1] * 2 + [2] * 7
    to_come = moved.steps_to_come()[:, 0]
    is_last = np.isin(np.arange(13), moved.last_rows)
    np.testing.assert_array_equal(to_come[~is_last], np.arange(10.0))


def test_one_stream_trains_as_the_sequence_itself():
    """A batch of one stream, in pieces of truncation, is what training with truncation is without streams."""
    text = [list("abcab" * 30)]
    gen = SequenceGenerator(**SMALL, truncation=20, batch_size=1, dropout=0.0, dtype="float64").fit(text)
    assert gen.t_ == 6 * 8  # 151 rows in pieces of 20
    many = SequenceGenerator(**SMALL, truncation=20, batch_size=4, dropout=0.0, dtype="float64").fit(text)
    assert many.t_ == 6 * 2  # 4 streams of 38 rows


def test_long_texts_are_cut_without_being_asked():
    text = [list("abcab" * (LONG // 4))]
    gen = SequenceGenerator(4, max_iter=2, random_state=0).fit(text)
    rows = len(text[0]) + 1
    assert gen.t_ == 2 * 1  # as many streams as fit, none shorter than a piece
    assert -(-rows // 64) < STREAMS


def test_one_long_sequence_among_many_is_not_cut():
    """A few updates of few steps each would be as large as those of full batches."""
    X = [list("ab" * LONG), *[list("abab")] * 20]
    gen = SequenceGenerator(4, max_iter=1, random_state=0).fit(X)
    assert gen.t_ == 2  # batches of 16 sequences


def test_recurrent_units_are_dropped_where_nothing_is_said():
    def rate(X, **parameters):
        return SequenceGenerator(4, max_iter=1, random_state=0, **parameters).fit(X).structure_.recurrent_dropout

    assert rate(WORDS) > 0
    assert rate(WORDS, dropout=0.1) == rate(WORDS, cell="indrnn") == rate(WORDS, truncation=5) == 0
    assert rate(WORDS, dropout=0.1, recurrent_dropout=0.2) == 0.2


def test_training_with_streams_learns_a_period():
    gen = SequenceGenerator(16, max_iter=300, learning_rate_init=0.03, dropout=0.0, random_state=0).fit(TEXT)
    assert gen.score(TEXT) > -0.3
    assert "".join(gen.sample(1, prompt="the quick", temperature=0, max_length=25)[0]) == "the quick brown fox jumps"


# --------------------------------------------------------------------------------------------------------- the same
def test_threads_do_not_matter(kind):
    X, parameters = kind
    one, two = (SequenceGenerator(**parameters, n_jobs=n).fit(X) for n in (1, 2))
    assert same_weights(one, two)


def test_a_fit_resumes_to_the_same_bits(kind, tmp_path):
    X, parameters = kind
    whole = SequenceGenerator(**parameters).fit(X)

    path = tmp_path / "run.skrnn"
    crashing = Crash(epoch=4)
    with pytest.raises(RuntimeError, match="crash"):
        SequenceGenerator(**parameters).set_callbacks(Checkpoint(path), crashing).fit(X)
    resumed = SequenceGenerator(**parameters).set_callbacks(Checkpoint(path, resume=True)).fit(X)
    assert same_weights(resumed, whole)
    assert resumed.loss_curve_ == whole.loss_curve_


def test_files_pickles_and_clones(kind, tmp_path):
    X, parameters = kind
    gen = SequenceGenerator(**parameters).fit(X)
    before = pickle.dumps(vars(gen))
    gen.sample(3)
    assert pickle.dumps(vars(gen)) == before
    skrnn.save(gen, tmp_path / "model.skrnn")
    for same in (skrnn.load(tmp_path / "model.skrnn"), pickle.loads(pickle.dumps(gen))):
        np.testing.assert_array_equal(same.score_samples(X), gen.score_samples(X))
        assert str(same.sample(3, random_state=1)) == str(gen.sample(3, random_state=1))
        assert same.n_unfinished_ == gen.n_unfinished_
    assert same_weights(clone(gen).fit(X), gen)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("tokens", "content_", "numbers"),
        ("tokens", "has_end_", False),
        ("notes", "has_end_", True),
        ("numbers", "target_scale_", np.array([1.0, -1.0])),
        ("numbers", "n_components_", 2),
    ],
)
def test_files_that_contradict_themselves_are_refused(kind, name, value, tmp_path):
    X, parameters = KINDS[kind]
    gen = SequenceGenerator(**SMALL | parameters | {"max_iter": 1}).fit(X)
    setattr(gen, name, value)
    with pytest.raises(ValueError):
        skrnn.save(gen, tmp_path / "model.skrnn")


# --------------------------------------------------------------------------------------------------------- going on
def test_partial_fit_goes_on(kind):
    X, parameters = kind
    gen = SequenceGenerator(**parameters)
    for _ in range(8):
        gen.partial_fit(X)
    assert len(gen.loss_curve_) == 8
    assert gen.loss_curve_[-1] < gen.loss_curve_[0]
    mean = gen.input_mean_
    gen.partial_fit(X[:5])
    assert gen.input_mean_ is mean or np.array_equal(gen.input_mean_, mean)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("X", "then", "now"),
    [
        ([[[0], [1]], [[1], [1]]] * 5, {"notes": "dependent"}, {"notes": "independent"}),
        ([[[0], [1]], [[1], [1]]] * 5, {"notes": "independent"}, {"notes": "dependent"}),
        ([[[0.5], [1]], [[1], [1]]] * 5, {"n_components": 3}, {"n_components": 2}),
        ([["a", "b"], ["b"]] * 5, {}, {"notes": "dependent"}),
    ],
)
def test_another_distribution_is_not_resumed(X, then, now, method):
    """Nor is the one that was fitted taken for it without a word."""
    gen = SequenceGenerator(4, max_iter=1, warm_start=True, random_state=0, **then).fit(X)
    with pytest.raises(ValueError, match=next(iter(now))):
        getattr(gen.set_params(**now), method)(X)
    getattr(gen.set_params(**then | {"notes": then.get("notes", "independent")}), method)(X)


def test_warm_start_goes_on(kind):
    X, parameters = kind
    gen = SequenceGenerator(**parameters, warm_start=True).fit(X)
    loss = gen.loss_
    assert gen.fit(X).loss_ < loss


def test_other_contents_are_refused_where_a_fit_goes_on():
    gen = SequenceGenerator(**SMALL).partial_fit(NOTES)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        gen.partial_fit([0.5 * x for x in NOTES])
    with pytest.raises(ValueError):
        SequenceGenerator(**SMALL).partial_fit(WORDS).partial_fit([[[1.0], [2.0]]])


# ---------------------------------------------------------------------------------------------------------- weights
def test_weights_are_copies(kind):
    X, parameters = kind
    if len(X) == 1:
        pytest.skip("one sequence has one weight")
    parameters = parameters | {"dropout": 0.0, "batch_size": 1000, "dtype": "float64"}
    weight = np.tile([0, 1, 2, 1], len(X))[: len(X)]
    weighted = SequenceGenerator(**parameters).fit(X, sample_weight=weight)
    copied = SequenceGenerator(**parameters).fit([x for x, n in zip(X, weight, strict=True) for _ in range(n)])
    np.testing.assert_allclose(weighted.score_samples(X[1:2]), copied.score_samples(X[1:2]), rtol=1e-6)


# ---------------------------------------------------------------------------------------------------- held-out parts
def test_held_out_sequences_stop_training(kind):
    X, parameters = kind
    gen = SequenceGenerator(**parameters).fit(X, X_val=X[:1])
    assert len(gen.validation_scores_) == gen.n_iter_
    log_scale = np.log(gen.target_scale_).sum() if gen.content_ == "numbers" else 0.0
    if gen.has_end_:  # the loss does not know that no sequence is empty
        assert gen.best_validation_score_ < gen.score(X[:1])
    else:  # of streams
        assert gen.best_validation_score_ == pytest.approx(gen.score(X[:1]) + log_scale, rel=1e-2)


def test_unknown_tokens_in_held_out_sequences_do_not_count():
    gen = SequenceGenerator(**SMALL).fit(WORDS, X_val=[list("abx"), list("ab")])
    log_p, _ = gen._log_likelihood([list("ab"), list("ab")])
    assert np.isfinite(gen.best_validation_score_)
    assert len(log_p) == 6


def test_early_stopping_on_streams_of_one_text():
    gen = SequenceGenerator(8, max_iter=5, early_stopping=True, random_state=0).fit(TEXT)
    assert len(gen.validation_scores_) == gen.n_iter_


def test_a_search_by_likelihood():
    search = GridSearchCV(SequenceGenerator(**SMALL), {"cell": ["gru", "lstm"]}, cv=2, error_score="raise").fit(WORDS)
    assert np.isfinite(search.best_score_)
    assert search.score(WORDS) == search.best_estimator_.score(WORDS)


@pytest.mark.parametrize("cell", ["elman", "gru", "indrnn", "jordan", "lstm", "mgu"])
def test_any_cell(cell):
    for X, parameters in KINDS.values():
        if cell == "jordan" and parameters:
            continue
        gen = SequenceGenerator(**SMALL | {"max_iter": 1} | parameters, cell=cell).fit(X)
        assert np.isfinite(gen.score(X))
        prompt = X[0][:2]
        assert len(gen.sample(1, prompt=prompt, max_length=4)[0]) <= 4


def test_small_memory_gives_the_same_density(kind):
    X, parameters = kind
    gen = SequenceGenerator(**parameters).fit(X)
    scores = gen.score_samples(X)
    np.testing.assert_array_equal(gen.set_params(max_memory=1e-3).score_samples(X), scores)
