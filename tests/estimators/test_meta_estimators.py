"""Sequences through the meta-estimators of scikit-learn: the same results whatever holds them, or a clear error."""

import re
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from meta_data import CONTAINERS, LENGTHS, LONGER, TABLE, Y2, Y_LABELS, N, Summary, X, clf
from meta_failures import EXPECTED, FAILURES, n_passed, table
from meta_trials import FURTHER, NOT_LIKE_A_TABLE, TRIALS, strength
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import StackingClassifier
from sklearn.feature_selection import RFE, SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skrnn.sequences import SequenceArray

ALL = {**TRIALS, **FURTHER}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "meta_estimators.rst"
SAME_DATA = (("SequenceArray", "frame", "channels", "objects", "polars", "list", "3-D"), ("tokens", "token lists"))


@cache
def result(container, title):
    return arrays(ALL[title](CONTAINERS[container]))


def arrays(found):
    """All arrays in what a trial returns."""
    if isinstance(found, (list, tuple)):
        return [array for item in found for array in arrays(item)]
    return [np.asarray(found)]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if a.dtype.kind == "f":
            assert_allclose(a, b, rtol=1e-6, atol=1e-9)
        else:
            assert_array_equal(a, b)


def assert_sound(found):
    """Finite numbers, and not the same for all sequences in everything that comes out."""
    numbers = [array for array in found if array.dtype.kind == "f"]
    assert all(np.isfinite(array).all() for array in numbers)
    assert any(len(np.unique(array.squeeze(), axis=0)) > 1 for array in found if array.ndim)


USUAL = ("SequenceArray", "frame")
EACH = [name if name in USUAL else pytest.param(name, marks=pytest.mark.long) for name in CONTAINERS]


@pytest.mark.parametrize("container", EACH)
@pytest.mark.parametrize("title", ALL)
def test_trial(container, title):
    if CONTAINERS[container] is None:
        pytest.skip("needs polars and pyarrow")
    if (container, title) in EXPECTED:
        _, message = EXPECTED[container, title]
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            ALL[title](CONTAINERS[container])
        return
    assert_sound(result(container, title))
    same_data = next(names for names in SAME_DATA if container in names)
    reference = next(name for name in same_data if (name, title) not in EXPECTED)
    assert_same(result(container, title), result(reference, title))


@pytest.mark.parametrize("title", [title for title in ALL if title not in NOT_LIKE_A_TABLE])
def test_sequences_of_one_length_are_treated_as_the_rows_of_a_table(title):
    """A table of numbers is what scikit-learn is made for, and an RNN reads its rows as sequences."""
    sequences = SequenceArray.from_padded(TABLE[:, :, np.newaxis])
    container = sequences.to_series().to_frame() if ("SequenceArray", title) in EXPECTED else sequences
    assert_same(arrays(ALL[title](container)), arrays(ALL[title](TABLE)))


def test_the_battery_is_complete():
    assert len(TRIALS) == 41
    named = [
        (container, title)
        for failure in FAILURES
        for titles in failure.messages.values()
        for title in titles
        for container in failure.containers
    ]
    assert len(named) == len(set(named)), "a failure is named twice"
    assert set(named) <= set(product(CONTAINERS, ALL))
    passed = {container: n_passed(container) for container in CONTAINERS}
    print(f"\nof the 41 trials pass: {passed}")
    assert passed["SequenceArray"] == 40
    assert passed["frame"] == 41


def test_the_table_of_the_documentation():
    assert table() in PAGE.read_text(encoding="utf-8"), "paste what `python tests/support/meta_failures.py` prints"


# ------------------------------------------------------------------------------- sequences beside other columns
@pytest.fixture
def patients():
    """Sequences beside a number and a category; which class it is shows in the number alone."""
    age = np.random.default_rng(1).uniform(20, 80, N)
    frame = pd.DataFrame({"signal": X.to_series(), "age": age, "ward": np.where(np.arange(N) % 3, "a", "b")})
    return frame, (age > np.median(age)).astype(int)


def test_columns_of_all_kinds_into_a_table(patients):
    frame, y = patients
    kinds = ColumnTransformer(
        [
            ("sequence", Summary(), make_column_selector(dtype_include="sequence")),
            ("number", StandardScaler(), make_column_selector(dtype_include="number")),
            ("category", OneHotEncoder(), ["ward"]),
        ]
    ).set_output(transform="default")
    assert_array_equal(kinds.fit_transform(frame)[:, :2], Summary().fit_transform(X))
    pipe = make_pipeline(kinds, DecisionTreeClassifier(max_depth=2, random_state=0))
    search = GridSearchCV(pipe, {"columntransformer__sequence__of": [np.mean, np.max]}, cv=3, error_score="raise")
    assert search.fit(frame, y).best_score_ > 0.9


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_scaled_number_beside_sequences_into_a_network(patients, output):
    frame, y = patients[0][["signal", "age"]], patients[1]
    scale = ColumnTransformer([("age", StandardScaler(), ["age"])], remainder="passthrough").set_output(
        transform=output
    )
    pipe = make_pipeline(scale, clf(**LONGER)).fit(frame, y)
    assert pipe[-1].n_channels_ == 3
    assert pipe.score(frame, y) > 0.9


@pytest.mark.parametrize("select", [SequentialFeatureSelector, RFE])
def test_the_column_that_matters_is_selected(patients, select):
    y = [steps.values[:, 0].mean() > 0 for steps in CONTAINERS["channels"]["oxygen"]]
    how = {"importance_getter": strength} if select is RFE else {"cv": 2}
    selector = select(clf(**LONGER, alpha=0.1), n_features_to_select=1, **how).set_output(transform="pandas")
    selected = selector.fit(CONTAINERS["channels"], y).transform(CONTAINERS["channels"])
    assert dict(selected.dtypes.astype(str)) == {"oxygen": "sequence"}


def test_importance_and_partial_dependence_of_a_static_column(patients):
    frame, y = patients[0][["signal", "age"]], patients[1]
    network = clf(**LONGER).fit(frame, y)
    signal, age = permutation_importance(network, frame, y, random_state=0).importances_mean
    assert age > max(signal, 0) + 0.2
    low, high = partial_dependence(network, frame, ["age"], grid_resolution=2)["average"][0]
    assert low < 0.3 < 0.7 < high


# --------------------------------------------------------------------------------- what the docs say to do instead
def test_other_containers_become_one_that_works():
    assert SequenceArray.from_list(CONTAINERS["list"]) == SequenceArray.from_padded(CONTAINERS["3-D"]) == X
    assert SequenceArray.from_list(CONTAINERS["token lists"]) == CONTAINERS["tokens"]
    dtype = {"signal": "sequence"}
    assert_frame_equal(CONTAINERS["objects"].astype(dtype), CONTAINERS["frame"])
    if CONTAINERS["polars"] is not None:
        assert_frame_equal(CONTAINERS["polars"].to_pandas().astype(dtype), CONTAINERS["frame"])


def test_encoded_tokens_go_through_a_chain():
    codes = SequenceArray(np.unique(CONTAINERS["tokens"].values, return_inverse=True)[1], X.offsets)
    chain = ClassifierChain(clf(categorical_features=[0])).fit(codes, Y_LABELS)
    assert [len(link.inputs_.categories) for link in chain.estimators_] == [1, 1]
    assert np.isfinite(chain.predict_proba(codes)).all()


def test_channels_of_one_length_have_an_importance_each():
    channels, y = CONTAINERS["channels"][LENGTHS == 4], Y2[LENGTHS == 4]
    network = clf(**LONGER).fit(channels, y)
    found = permutation_importance(network, channels, y, scoring="neg_log_loss", random_state=0).importances_mean
    assert found.shape == (2,)
    assert (found > 0).any()


@pytest.mark.parametrize("container", ["SequenceArray", "frame"])
def test_what_is_passed_through_becomes_a_table(container):
    table = ColumnTransformer([("prediction", "passthrough", [0]), ("sequence", Summary(), [1])])
    top = make_pipeline(table, LogisticRegression())
    stack = StackingClassifier([("network", clf())], top, cv=2, passthrough=True).fit(CONTAINERS[container], Y2)
    assert stack.final_estimator_[-1].n_features_in_ == 1 + X.n_channels
    assert np.isfinite(stack.predict_proba(CONTAINERS[container])).all()


@pytest.mark.parametrize("container", ["SequenceArray", "frame", "channels", "tokens"])
@pytest.mark.parametrize("model", [LogisticRegression(), DecisionTreeClassifier(), StandardScaler()], ids=repr)
def test_a_model_of_tables_says_what_is_wrong(container, model):
    with pytest.raises(TypeError, match=r"a Sequence is not a number: use RNNClassifier .* make a table"):
        model.fit(CONTAINERS[container], Y2)
