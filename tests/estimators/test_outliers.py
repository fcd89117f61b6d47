"""`SequenceOutlierDetector`: what it finds, where its thresholds come from, and what does no harm."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from faults import assert_refused
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from skrnn import SequenceArray, SequenceOutlierDetector
from skrnn.estimators._judgement import Judge
from skrnn.estimators._lags import Steps, forecasts, learn_weights
from skrnn.estimators._later import divided, pieces, windows
from skrnn.estimators._step_errors import ErrorModel, smoothed

SMALL = {"hidden_layer_sizes": 6, "max_iter": 8, "random_state": 0}
OBJECTIVES = "forecast", "reconstruct"
RNG = np.random.default_rng(0)


def stream(n, seed=0, n_channels=2):
    """Oscillations with noise, one channel the sum of the others."""
    rng = np.random.default_rng(seed)
    waves = np.sin(0.3 * np.arange(n)[:, np.newaxis] + np.arange(n_channels - 1)) + rng.normal(
        0, 0.1, (n, n_channels - 1)
    )
    return np.column_stack([waves, waves.sum(axis=1) + rng.normal(0, 0.1, n)])


STREAM = stream(900)
SEQUENCES = [stream(n, seed) for seed, n in enumerate(RNG.integers(12, 30, 40))]


@pytest.fixture(scope="module", params=OBJECTIVES)
def of_stream(request):
    return SequenceOutlierDetector(**SMALL | {"max_iter": 40}, objective=request.param, smoothing=8).fit([STREAM])


def detector(X=SEQUENCES, **options):
    return SequenceOutlierDetector(**SMALL | options).fit(X)


# ------------------------------------------------------------------------------------------------------- what is found
def test_steps_that_are_wrong_are_found(of_stream):
    wrong = stream(600, seed=1)
    wrong[300:330, 0] = 0.2  # within the range of all values
    is_wrong = np.zeros(600, bool)
    is_wrong[302:334] = True
    (scores,) = of_stream.step_scores([wrong])
    assert roc_auc_score(is_wrong, -scores) > 0.9
    alarms = scores < of_stream.step_offset_
    assert alarms[is_wrong].mean() > 0.5
    assert alarms[~is_wrong].mean() < 0.1


@pytest.mark.parametrize("channel", [0, 1])
def test_scores_of_channels_say_where(channel):
    X = np.sin(np.multiply.outer(np.arange(900), [0.3, 0.5])) + np.random.default_rng(0).normal(0, 0.1, (900, 2))
    found = detector([X[:600]], smoothing=8)
    X[700:730, channel] = 0.2
    (scores,) = found.channel_scores([X[600:]])
    assert scores.shape == (300, 2)
    assert (scores / found.usual_channel_scores_)[112:130].mean(axis=0).argmax() == channel


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_sequences_of_another_kind_are_found(objective):
    X = [stream(20, seed) for seed in range(60)]
    others = [stream(20, seed)[::3].repeat(3, axis=0)[:20] for seed in range(60, 80)]
    found = detector(X[:40], objective=objective, max_iter=60)
    scores = found.score_samples(X[40:] + others)
    assert roc_auc_score(np.repeat([1, 0], 20), scores) > 0.9
    assert_array_equal(found.predict(others), -1)
    assert (found.predict(X[40:]) == 1).mean() >= 0.8
    assert_array_equal(found.decision_function(X[:5]), found.score_samples(X[:5]) - found.offset_)


def test_contamination_is_the_share_of_sequences_that_are_outliers():
    found = SequenceOutlierDetector(**SMALL, contamination=0.2).fit_predict(SEQUENCES)
    assert (found == -1).sum() == 8


def test_contamination_is_the_share_of_later_steps_that_are_outliers():
    few, many = (detector([STREAM], contamination=share) for share in (0.05, 0.5))
    assert few.offset_ == few.step_offset_ < many.step_offset_
    assert many.step_offset_ == pytest.approx(many.usual_score_)


# ---------------------------------------------------------------------------------------------------------- thresholds
def test_thresholds_come_from_later_steps():
    """The quartiles of their scores; errors of steps that were trained on have no part in them."""
    found = detector([STREAM], smoothing=5)
    source = divided(SequenceArray.from_list([STREAM]), found.validation_fraction)
    assert_array_equal(np.flatnonzero(source.is_later), np.arange(720, 900))
    distances = np.where(source.is_later, Judge(found).distances(source.sequences), np.nan)
    scores = -smoothed(distances, source.sequences.offsets, 5)[720:]
    lower, upper = np.percentile(scores, [25, 75])
    assert found.step_offset_ == pytest.approx(lower - 3 * (upper - lower))
    assert found.usual_score_ == pytest.approx(np.median(scores))


def test_what_is_later_moves_the_threshold():
    noisy = STREAM.copy()
    noisy[720:] += np.random.default_rng(1).normal(0, 0.5, (180, 2))
    quiet, loud = detector([STREAM]), detector([noisy])
    assert loud.step_offset_ < 1.5 * quiet.step_offset_
    assert_array_equal(loud.channel_mean_, quiet.channel_mean_)


def test_of_many_sequences_the_last_are_held_out():
    source = divided(SequenceArray.from_list(SEQUENCES), 0.2)
    assert source.of_sequences
    assert_array_equal(source.n_trained[32:], 0)
    assert_array_equal(source.n_trained[:32], source.sequences.lengths[:32])
    others = SEQUENCES[:32] + [5 * x for x in SEQUENCES[32:]]
    assert detector(others).offset_ < detector().offset_


def test_outliers_in_the_held_out_part_leave_the_threshold_sensible():
    spoilt = STREAM.copy()
    spoilt[800:820] = 20.0
    found, clean = detector([spoilt], smoothing=5), detector([STREAM], smoothing=5)
    assert found.step_offset_ > 2 * clean.step_offset_
    assert (found.step_scores([spoilt])[0][800:820] < found.step_offset_).all()


# ------------------------------------------------------------------------------------------------------------- no harm
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_constant_channel_does_no_harm(objective):
    constant = np.column_stack([STREAM, np.full(len(STREAM), 7.0)])
    found = detector([constant], objective=objective, smoothing=1)
    assert found.channel_scale_[2] == found.error_scale_[2] == 0
    moved = constant.copy()
    moved[500:, 2] = 1e6
    before, after = found.step_scores([constant])[0], found.step_scores([moved])[0]
    assert_array_equal(after[:500], before[:500])
    # as if it had changed once in training: an error of sqrt(n), in a mean over the two channels that change
    assert_allclose(after[500:] ** 2, before[500:] ** 2 + found.n_trained_steps_ / 2, rtol=1e-6)
    of_channels = [found.channel_scores([x])[0] for x in (constant, moved)]
    assert_array_equal(of_channels[0][:, :2], of_channels[1][:, :2])
    assert_array_equal(of_channels[0][:, 2], 0)
    assert_allclose(of_channels[1][500:, 2], -np.sqrt(found.n_trained_steps_))


def test_a_network_that_learned_nothing_does_no_harm():
    noise = np.random.default_rng(0).normal(size=(400, 1))
    found = detector([noise], max_iter=200, alpha=0.0)
    judge, source = Judge(found), divided(SequenceArray.from_list([noise]), 0.2)
    steps = Steps(judge.judged.standardized(source.sequences), source.sequences.offsets)
    linear = (steps.values - forecasts(steps, found.lag_weights_))[source.is_later]
    both = judge._errors(source.sequences)[0][source.is_later]
    assert 0 <= found.network_share_[0] < 0.5
    assert (both**2).mean() <= (linear**2).mean()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("offset", [1e7, 1e9])
def test_a_channel_far_from_zero_is_judged(objective, offset):
    """What is lost to rounding has never changed; what changes by less than a millionth of itself has."""
    distant = STREAM + np.array([0, offset])
    near, far = (detector([x], objective=objective) for x in (STREAM, distant))
    assert_allclose(far.channel_scale_, near.channel_scale_, rtol=1e-6)
    assert_allclose(far.step_scores([distant])[0], near.step_scores([STREAM])[0], rtol=1e-3)
    rounded = (STREAM + np.array([0, 1e9])).astype(np.float32)  # to multiples of 64
    assert detector([rounded], objective=objective).channel_scale_[1] == 0


def test_a_constant_of_another_precision_has_not_moved():
    X = np.column_stack([STREAM, np.full(900, 0.1)])
    found, rounded = detector([X]), X.astype(np.float32)
    assert np.abs(found.channel_scores([rounded])[0][:, 2]).max() == 0
    assert np.abs(detector([rounded]).channel_scores([X])[0][:, 2]).max() == 0


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_missing_values_count_for_nothing(objective):
    gaps = STREAM.copy()
    gaps[np.random.default_rng(0).random(gaps.shape) < 0.2] = np.nan
    gaps[100] = np.nan
    found = detector([gaps], objective=objective, missing="mask", smoothing=1)
    (scores,), (channels,) = found.step_scores([gaps]), found.channel_scores([gaps])
    assert scores[100] == found.usual_score_
    assert_array_equal(channels[100], found.usual_channel_scores_)
    smooth = found.set_params(smoothing=1).score_samples([gaps])
    known = np.setdiff1d(np.flatnonzero(~np.isnan(gaps).all(axis=1)), np.arange(8 if objective == "forecast" else 0))
    assert smooth[0] == pytest.approx(scores[known].mean())
    assert_array_equal(found.score_samples([np.full((9, 2), np.nan)]), found.usual_score_)


def test_a_distance_of_some_errors_is_that_of_a_smaller_model():
    errors = RNG.normal(size=(500, 3)) @ RNG.normal(size=(3, 3))
    model = ErrorModel.learn(errors, np.zeros(3, bool))
    some, nothing = errors.copy(), np.zeros(errors.shape, bool)
    some[:, 1] = np.nan
    smaller = ErrorModel(model.scale[[0, 2]], model.covariance[np.ix_([0, 2], [0, 2])], model.n_steps)
    expected = smaller.distances(errors[:, [0, 2]], nothing[:, :2])
    assert_allclose(model.distances(some, nothing), expected)
    assert (model.distances(errors, nothing) ** 2).mean() == pytest.approx(1, rel=0.1)
    assert np.isnan(model.distances(np.full((1, 3), np.nan), nothing[:1])).all()


def test_first_steps_have_the_usual_score():
    found = detector([STREAM])
    assert len(found.lag_weights_) == 8
    (scores,) = found.step_scores([STREAM])
    assert_array_equal(scores[:8], found.usual_score_)
    assert scores[8] != found.usual_score_
    assert_array_equal(found.score_samples([STREAM[:8]]), found.usual_score_)


def test_scores_recover_from_a_value_of_any_size():
    found = detector([STREAM], smoothing=5, dtype="float64")
    spoilt = STREAM.copy()
    spoilt[400] = 1e90
    (before,), (after,) = found.step_scores([STREAM]), found.step_scores([spoilt])
    assert after[400] < -1e80
    assert_array_equal(after[:400], before[:400])
    assert_allclose(after[700:], before[700:], rtol=1e-3)


@pytest.mark.parametrize("window", [1, 2, 3, 7, 8, 20, 1000])
def test_smoothing_is_the_mean_of_what_is_known(window):
    offsets, values = np.array([0, 1, 8, 50]), RNG.normal(size=50)
    values[RNG.random(50) < 0.4] = np.nan
    expected = np.full(50, np.nan)
    for begin, end in pairwise(offsets):
        for t in range(begin, end):
            last = values[max(begin, t - window + 1) : t + 1]
            if not np.isnan(last).all():
                expected[t] = np.nanmean(last)
    assert_allclose(smoothed(values, offsets, window), expected, rtol=1e-12)


def test_forecasts_do_not_depend_on_what_comes():
    found, changed = detector([STREAM]), STREAM.copy()
    changed[500:] = 0
    assert_array_equal(found.step_scores([changed])[0][:500], found.step_scores([STREAM])[0][:500])
    assert found.step_scores([changed])[0][500] != found.step_scores([STREAM])[0][500]


def test_linear_forecasts_find_an_autoregression():
    rng, values = np.random.default_rng(0), np.zeros((3000, 2))
    for t in range(2, 3000):
        values[t] = rng.normal(size=2)
        values[t] += 0.5 * values[t - 1, 0] - 0.3 * values[t - 2, 1], 0.8 * values[t - 1, 1]
    weights = learn_weights(Steps(values, np.array([0, 3000])), np.arange(3000) >= 2500)
    expected = np.zeros(weights.shape)
    expected[0, 0, 0], expected[1, 1, 0], expected[0, 1, 1] = 0.5, -0.3, 0.8
    assert_allclose(weights, expected, atol=0.08)


@pytest.mark.parametrize("lengths", [[1], [900], [5, 0, 33, 700], [64] * 40])
def test_pieces_and_windows_cover_each_step(lengths):
    lengths = np.array(lengths)
    for starts, of_parts, source in (pieces(lengths), windows(lengths, 16)):
        assert (starts >= 0).all()
        assert (starts + of_parts <= lengths[source]).all()
        covered = [np.zeros(n, int) for n in lengths]
        for start, n, i in zip(starts, of_parts, source, strict=True):
            covered[i][start : start + n] += 1
        assert all((counts >= 1).all() for counts in covered)
    assert pieces(lengths)[1].sum() == lengths.sum()


# ------------------------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("options", "X", "message"),
    [
        ({"contamination": 0.7}, [STREAM], "'contamination' parameter.*must be.*0.5.*Got 0.7"),
        ({"contamination": 0.0}, [STREAM], "'contamination' parameter"),
        ({"smoothing": 0}, [STREAM], "'smoothing' parameter"),
        ({"missing": "mask"}, [np.column_stack([STREAM, np.full(900, np.nan)])], "channel 2 is NaN at all steps"),
        ({}, [np.column_stack([STREAM, np.full(900, np.nan)])], "sequence 0, step 0, channel 2"),
        ({}, [STREAM[:5]], "sequence 0, the longest, has 5 steps"),
        ({}, STREAM[:, :1], "n_features=1.*passed as \\[X\\]"),
        ({}, [STREAM[i : i + 1] for i in range(25)] + [STREAM], "all that are trained on have one"),
        (
            {},
            STREAM[:, 0],
            "Expected 2D array, got 1D array instead. Reshape your data: one stream is passed as \\[X\\]",
        ),
        (
            {},
            STREAM[:, 0].tolist(),
            "Expected 2D array, got 1D array instead. Reshape your data: one stream is passed as \\[X\\]",
        ),
        (
            {},
            pd.Series(STREAM[:, 0]),
            "Expected 2D array, got 1D array instead. Reshape your data: one stream is passed as \\[X\\]",
        ),
        ({}, [np.ones((50, 2))], "never changes"),
        ({}, [list("abcab")] * 20, "only tokens, codes or times"),
        ({"dtype": "float64"}, [1e200 * STREAM], "channel 0 holds values that are too large"),
    ],
)
def test_what_fit_refuses(options, X, message):
    fitted = detector([STREAM])
    assert_refused(fitted.set_params(**options), lambda model: model.fit(X), message)


def test_what_scores_refuse():
    found = detector([STREAM])
    assert_refused(found, lambda model: model.step_scores([STREAM[:, :1]]), "X has 1 channels per step.*fitted on 2")
    assert_refused(found, lambda model: model.predict(STREAM), "For one sequence pass")
    assert_refused(found, lambda model: model.predict([np.full((9, 2), np.nan)]), "sequence 0, step 0, channel 0")


def test_a_frame_with_times_is_no_table():
    frame = pd.DataFrame(STREAM, index=pd.date_range("2026-01-01", periods=900, freq="h"), columns=["a", "b"])
    with pytest.raises(ValueError, match=r"DatetimeIndex.*pass \[X\].*reset_index"):
        SequenceOutlierDetector(**SMALL).fit(frame)
    found = detector([frame])
    assert_array_equal(found.channel_names_, ["a", "b"])
    assert_array_equal(found.step_scores([frame])[0], detector([STREAM]).step_scores([STREAM])[0])


def test_smoothed_scores_do_not_depend_on_what_comes_later_or_beside():
    """Not even in their last bits, also where fewer steps came than are smoothed over."""
    X = np.random.default_rng(0).normal(size=(130, 2))
    detector = SequenceOutlierDetector(6, smoothing=50, max_iter=1, random_state=0).fit([X])
    (alone,) = detector.step_scores([X[:30]])
    assert_array_equal(detector.step_scores([X[:30], X])[0], alone)
    assert_array_equal(detector.step_scores([X])[0][:30], alone)
