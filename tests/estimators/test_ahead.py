"""Which networks read ahead of the step that they predict, and the warning where that gives the answer away."""

import warnings

import numpy as np
import pytest

from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.convolution import Conv

SHORT = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}
RNG = np.random.default_rng(0)
TEXTS = [list("abracadabra simsalabim"), list("abba"), list("barbara barbara")]
SERIES = [RNG.normal(size=(n, 2)) for n in (5, 2, 9, 7)]


def but_last(sequences):
    return [sequence[:-1] for sequence in sequences]


def shifted(sequences):
    return [sequence[1:] for sequence in sequences]


NUMBERS = but_last(SERIES), [x[:, 1] for x in shifted(SERIES)]


# ----------------------------------------------------------------------------- which way "auto" reads
@pytest.mark.parametrize("bidirectional", ["auto", True, False])
@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("kind", ["classifier", "regressor", "supervised"])
def test_auto_reads_both_ways_only_for_one_target_each(kind, per_step, bidirectional):
    X = [RNG.normal(size=(n, 2)) for n in (4, 6, 3, 5)]
    y = [np.arange(len(x)) % 2 for x in X] if per_step else [0, 1, 0, 1]
    estimator = {
        "classifier": RNNClassifier(**SHORT, bidirectional=bidirectional),
        "regressor": RNNRegressor(**SHORT, bidirectional=bidirectional),
        "supervised": SequenceTransformer(**SHORT, objective="supervised", bidirectional=bidirectional),
    }[kind]
    estimator.fit(X, y)
    assert estimator.structure_.bidirectional is (not per_step if bidirectional == "auto" else bidirectional)
    if kind != "supervised":
        transformer = estimator.as_transformer()
        assert transformer.fit(X, y).structure_.bidirectional is estimator.structure_.bidirectional


def test_the_next_character_by_default_is_predicted_from_those_before():
    X, y = but_last(TEXTS), shifted(TEXTS)
    clf = RNNClassifier(**SHORT).fit(X, y)
    for n in range(1, 9):
        np.testing.assert_allclose(clf.predict_proba([X[0][:n]])[0], clf.predict_proba(X[:1])[0][:n], rtol=1e-4)


def test_forecasts_take_auto_as_forward_only():
    assert not SequenceTransformer(**SHORT, bidirectional="auto").fit(SERIES).structure_.bidirectional
    both = SequenceTransformer(**SHORT, bidirectional="auto", objective="reconstruct").fit(SERIES)
    assert both.structure_.bidirectional


# -------------------------------------------------------------------------------------------------------- the warning
@pytest.mark.parametrize("bidirectional", [True, np.True_])
@pytest.mark.parametrize(
    ("X", "y"),
    [
        (but_last(TEXTS), shifted(TEXTS)),
        NUMBERS,
        ([x.astype(np.float32) for x in NUMBERS[0]], NUMBERS[1]),
        (but_last(SERIES), shifted(SERIES)),  # all channels
        (SequenceArray.from_list(NUMBERS[0]), SequenceArray.from_list(NUMBERS[1])),
    ],
    ids=["characters", "channel", "float32", "channels", "containers"],
)
def test_the_input_shifted_by_a_step_read_both_ways_warns(X, y, bidirectional):
    kind = RNNClassifier if isinstance(y[0], list) else RNNRegressor
    with pytest.warns(UserWarning, match="at the next step.*both directions.*Set bidirectional=False") as record:
        kind(**SHORT, bidirectional=bidirectional).fit(X, y)
    assert [warning.filename for warning in record] == [__file__]


def test_each_way_to_fit_warns_once():
    X, y = NUMBERS
    reg = RNNRegressor(**SHORT, bidirectional=True)
    with pytest.warns(UserWarning, match="channel 1 of X at the next step"):
        reg.partial_fit(X, y)
    reg.partial_fit(X, y)
    with pytest.warns(UserWarning, match="channel 1 of X at the next step"):
        SequenceTransformer(**SHORT, objective="supervised", bidirectional=True).fit(X, y)
    with pytest.warns(UserWarning, match="width 3.*convolution=None"):
        RNNRegressor(**SHORT, convolution=Conv(4, width=3)).fit(X, y)


@pytest.mark.parametrize("bidirectional", ["auto", False])
def test_networks_of_the_past_do_not_warn(bidirectional):
    RNNRegressor(**SHORT, bidirectional=bidirectional).fit(*NUMBERS)
    RNNRegressor(**SHORT, convolution=Conv(4, width=1)).fit(*NUMBERS)
    RNNClassifier(**SHORT, bidirectional=bidirectional).fit(but_last(TEXTS), shifted(TEXTS))


def test_targets_that_only_look_like_the_next_step_do_not_warn():
    X, y = NUMBERS
    late = [row.copy() for row in y]
    late[-1][-2] += 1  # the last of all that has a next step
    constant = [np.column_stack([x, np.full(len(x), n)]) for n, x in enumerate(X)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reg = RNNRegressor(**SHORT, bidirectional=True)
        reg.fit(X, late)
        reg.fit(constant, [x[:, 2] for x in constant])  # the same at every step of a sequence
        reg.fit(X, [x[:, 1] for x in X])  # the same step
        reg.fit([x[:1] for x in X], [row[:1] for row in y])  # no sequence has a next step
        RNNClassifier(**SHORT, bidirectional=True).fit(TEXTS, [np.array(t) == "r" for t in TEXTS])


def test_targets_that_do_not_change_before_the_last_step_do_not_warn():
    """A flag of the first step is 0 at every next one, as a label of the last step is at every step before."""
    X = [np.column_stack([x, np.arange(len(x)) == 0]) for x in SERIES]
    last = [(np.arange(len(x)) == len(x) - 1).astype(int) for x in SERIES]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RNNClassifier(**SHORT, bidirectional=True).fit(X, last)
        RNNRegressor(**SHORT, bidirectional=True).fit(X, last)
        RNNClassifier(**SHORT, bidirectional=True).fit([[0.0, 1.0]] * 2, [np.array([1, 0])] * 2)
