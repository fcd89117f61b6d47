"""``PerStep`` against the transformer on the steps by hand, and in pipelines, searches and unions."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from ragged import assert_same, objects, quick, ragged, ragged_lists
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import NMF, PCA
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import get_tags

from skrnn import Sequence, SequenceArray
from skrnn.preprocessing import PerStep
from skrnn.sequences import as_sequence_array

LENGTHS = [3, 1, 5, 2, 4, 4, 1, 6, 2, 3]
ITEMS = ragged(LENGTHS)
X = SequenceArray.from_list(ITEMS)
STEPS = np.concatenate(ITEMS)


def scaled(items):
    steps = np.concatenate(items)
    return [(x - steps.mean(axis=0)) / steps.std(axis=0) for x in items]


class MeanClassifier(ClassifierMixin, BaseEstimator):
    """Logistic regression on the means over time."""

    def fit(self, X, y):
        self.model_ = LogisticRegression().fit(self._means(X), y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(self._means(X))

    def _means(self, X):
        return np.array([x.mean(axis=0) for x in as_sequence_array(X)])


class WithoutFitTransform(BaseEstimator):
    def fit(self, X, y=None):
        self.shift_ = X.min()
        return self

    def transform(self, X):
        return X - self.shift_


# --------------------------------------------------------------------------------------------------- what comes out
@quick
@given(items=ragged_lists())
def test_is_the_transformer_on_the_steps_of_all_sequences(items):
    inner = MinMaxScaler().fit(np.concatenate(items))
    per_step = PerStep(MinMaxScaler()).fit(items)
    assert_same(per_step.transform(items), [inner.transform(x) for x in items])
    assert_same(PerStep(MinMaxScaler()).fit_transform(items), [inner.transform(x) for x in items])
    assert per_step.transform(items).values.dtype == items[0].dtype
    assert per_step.n_features_in_ == per_step.n_channels_ == items[0].shape[1]


@pytest.mark.parametrize(
    "form",
    [
        X,
        ITEMS,
        [x.tolist() for x in ITEMS],
        objects(ITEMS),
        pd.Series(ITEMS),
        [Sequence(x) for x in ITEMS],
        X.to_padded(),
        pd.DataFrame({"a": [x[:, 0] for x in ITEMS], "b": [x[:, 1] for x in ITEMS]}),
    ],
    ids=["SequenceArray", "list", "nested", "objects", "Series", "cells", "padded", "frame"],
)
def test_every_form_of_sequences(form):
    for got, expected in zip(PerStep(StandardScaler()).fit(form).transform(form), scaled(ITEMS), strict=True):
        assert_allclose(got, expected, atol=1e-12)


def test_a_table_holds_univariate_sequences():
    table = np.arange(12.0).reshape(3, 4)
    per_step = PerStep(StandardScaler()).fit(table)
    assert per_step.n_features_in_ == 4
    assert per_step.n_channels_ == 1
    assert_allclose(per_step.transform(table).to_padded()[:, :, 0], (table - table.mean()) / table.std())
    assert_allclose(per_step.inverse_transform(per_step.transform(table)).to_padded()[:, :, 0], table)
    with pytest.raises(ValueError, match="X has 3 features, but PerStep is expecting 4 features"):
        per_step.transform(table[:, :3])
    assert per_step.transform([[1.0, 2.0], [3.0]]).lengths.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("fitted_on", "items"),
    [
        ([[0.0, 1.0, 2.0], [0.0, 1.0]], [[0.0, 1.0], [2.0, 3.0]]),
        (np.arange(12.0).reshape(3, 4), [np.array([0.0, 1.0]), np.array([2.0, 3.0])]),
    ],
    ids=["fitted on sequences", "list of arrays"],
)
def test_a_list_that_could_be_a_table_is_read_as_sequences(fitted_on, items):
    per_step = PerStep(FunctionTransformer()).fit(fitted_on)
    assert_same(per_step.transform(items), items)


def test_the_input_stays_as_it_is():
    before = X.copy()
    PerStep(StandardScaler()).fit_transform(X)
    assert before == X


def test_more_channels_and_back():
    pca = PerStep(PCA(1)).fit(X)
    assert pca.transform(X).n_channels == 1
    assert_allclose(
        pca.inverse_transform(pca.transform(X)).values, PCA(1).fit(STEPS).inverse_transform(pca.transform(X).values)
    )
    assert_allclose(PerStep(PCA()).fit(X).inverse_transform(PerStep(PCA()).fit_transform(X)).values, STEPS)


def test_no_inverse_where_the_transformer_has_none():
    for per_step in (PerStep(Normalizer()), PerStep(Normalizer()).fit(X)):
        assert not hasattr(per_step, "inverse_transform")
    assert not hasattr(PerStep(WithoutFitTransform()), "get_feature_names_out")


def test_a_transformer_without_fit_transform():
    assert_same(PerStep(WithoutFitTransform()).fit_transform(X), [x - STEPS.min() for x in ITEMS])


def test_fit_transform_is_that_of_the_transformer():
    """A target encoder fits on some samples and transforms the others: fit, then transform, would leak the target."""
    words = [list("abcab"), list("cab"), list("bca")] * 5
    y = SequenceArray.from_list([np.arange(len(x)) % 2 for x in words])
    encoder = TargetEncoder(cv=KFold(3))
    per_step = PerStep(encoder)
    expected = encoder.fit_transform(np.concatenate(words)[:, np.newaxis], y.values[:, 0])
    assert_array_equal(per_step.fit_transform(words, y).values, expected)
    assert (per_step.transform(words).values != expected).any()


def test_sparse_output_becomes_dense_and_tokens_go_in():
    one_hot = PerStep(OneHotEncoder()).fit([list("abc"), list("ca")])
    assert_array_equal(one_hot.transform([list("cb")])[0], [[0, 0, 1], [0, 1, 0]])
    assert one_hot.get_feature_names_out(["letter"]).tolist() == ["letter_a", "letter_b", "letter_c"]
    assert_array_equal(one_hot.inverse_transform(one_hot.transform([list("cb")]))[0], [["c"], ["b"]])


# --------------------------------------------------------------------------------------------- targets and weights
@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.parametrize("weight", [list, np.array, pd.Series])
def test_a_weight_of_a_sequence_counts_for_each_of_its_steps(weight, method):
    w = np.arange(len(X), dtype=float)
    per_step = PerStep(StandardScaler())
    getattr(per_step, method)(X, sample_weight=weight(w))
    assert_allclose(per_step.transformer_.mean_, np.average(STEPS, axis=0, weights=np.repeat(w, LENGTHS)))


def test_weights_of_steps():
    weights = [x[:, 0] ** 2 for x in ITEMS]
    per_step = PerStep(StandardScaler()).fit(X, sample_weight=weights)
    assert_allclose(per_step.transformer_.mean_, np.average(STEPS, axis=0, weights=np.concatenate(weights)))


def test_weights_reach_a_step_of_an_inner_pipeline():
    w = np.arange(len(X), dtype=float)
    inner = PerStep(make_pipeline(StandardScaler(), PCA())).fit(X, standardscaler__sample_weight=w).transformer_[0]
    assert_allclose(inner.mean_, np.average(STEPS, axis=0, weights=np.repeat(w, LENGTHS)))


def test_weights_by_metadata_routing():
    w = np.arange(len(X), dtype=float)
    scaler = StandardScaler()
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(ValueError, match="not explicitly set as requested"):
            PerStep(scaler).fit(X, sample_weight=w)
        scaler.set_fit_request(sample_weight=True)
        pipeline = make_pipeline(PerStep(scaler), PerStep(PCA())).fit(X, sample_weight=w)
        alone = clone(PerStep(scaler))
        alone.fit_transform(X, sample_weight=w)
    for per_step in (pipeline[0], alone):
        assert_allclose(per_step.transformer_.mean_, np.average(STEPS, axis=0, weights=np.repeat(w, LENGTHS)))


@pytest.mark.parametrize("weights", [np.ones(9), np.ones(len(STEPS))])
def test_weights_for_other_sequences_are_refused(weights):
    with pytest.raises(ValueError, match="sample_weight must hold one number for each of 10 sequences"):
        PerStep(StandardScaler()).fit(X, sample_weight=weights)


def test_other_parameters_of_fit_go_on_as_they_are():
    class Recorder(WithoutFitTransform):
        def fit(self, X, y=None, **params):
            self.params_ = params
            return super().fit(X)

    params = {"mode": "fast", "names": ["a", "b"], "nothing": None, "lookup": {"a": 1}, "n": 10}
    assert PerStep(Recorder()).fit(X, **params).transformer_.params_ == params


@pytest.mark.parametrize(
    "y",
    [
        [(x[:, 0] > 0).astype(int) for x in ITEMS],
        SequenceArray.from_list([x[:, 0] > 0 for x in ITEMS]),
        [np.where(x[:, 0] > 0, "up", "down").tolist() for x in ITEMS],
        objects([(x[:, 0] > 0).astype(int) for x in ITEMS]),
        pd.DataFrame({"y": [(x[:, 0] > 0).astype(int) for x in ITEMS]}),
    ],
    ids=["list", "SequenceArray", "labels", "objects", "frame"],
)
def test_targets_of_steps_reach_the_transformer(y):
    select = PerStep(SelectKBest(k=1)).fit(X, y)
    assert select.get_feature_names_out().tolist() == ["x0"]
    assert_array_equal(select.transform(X).values, STEPS[:, :1])


@pytest.mark.parametrize("y", [np.arange(10), ["a", "b"] * 5, np.eye(10), pd.Series(["a", "b"] * 5)])
def test_targets_of_sequences_do_not(y):
    class Refuses(WithoutFitTransform):
        def fit(self, X, y=None):
            assert y is None
            return super().fit(X)

    PerStep(Refuses()).fit(X, y)


@pytest.mark.parametrize("transformer", [SelectKBest(k=1), TargetEncoder()], ids=str)
@pytest.mark.parametrize("y", [None, np.arange(10)])
def test_a_transformer_that_needs_targets_of_steps_and_gets_none(transformer, y):
    with pytest.raises(ValueError, match=r"requires y to be passed, with a target for each step.* as long as"):
        PerStep(transformer).fit(X, y)


def test_targets_of_other_lengths():
    y = [x[:, 0] for x in ITEMS]
    with pytest.raises(ValueError, match="sequence 2 has 4 steps in y, but 5 in X"):
        PerStep(SelectKBest(k=1)).fit(X, [*y[:2], y[2][:4], *y[3:]])
    with pytest.raises(ValueError, match="y has 9 sequences, but X has 10"):
        PerStep(SelectKBest(k=1)).fit(X, y[:-1])


def test_what_steps_have_is_read_as_targets_are():
    """Integers stay classes, and weights are checked as everywhere."""

    class Recorder(WithoutFitTransform):
        def fit(self, X, y=None, sample_weight=None, **params):
            self.seen_ = y, sample_weight, params
            return super().fit(X)

    codes = [np.arange(n) for n in LENGTHS]
    per_step = PerStep(Recorder()).fit(X, codes, sample_weight=codes, marks=codes, site=list("abcdefghij"))
    y, weight, params = per_step.transformer_.seen_
    assert y.dtype.kind == weight.dtype.kind == params["marks"].dtype.kind == "i"
    for values in (y, weight, params["marks"]):
        assert_array_equal(values, np.concatenate(codes))
    assert params["site"].tolist() == np.repeat(list("abcdefghij"), LENGTHS).tolist()
    faults = {
        "sequence 0 has 1 step in sample_weight, but 3 in X": [[1.0]] * 9 + [[1.0, 2.0]],
        "sample_weight must hold one number per sequence, or one per time step": ITEMS,
        "sample_weight of sequence 3 is nan": [1.0, 1.0, 1.0, np.nan] + [1.0] * 6,
    }
    for message, weights in faults.items():
        with pytest.raises(ValueError, match=message):
            PerStep(Recorder()).fit(X, sample_weight=weights)
    y = [np.zeros(n) for n in LENGTHS]
    y[4][1] = np.nan
    with pytest.raises(ValueError, match="y contains NaN: sequence 4, step 1"):
        PerStep(Recorder()).fit(X, y)


# ------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize("fault", [np.nan, np.inf])
def test_what_is_not_finite_is_located(fault):
    Z = X.copy()
    Z.values[4, 1] = fault
    where = f"contains {'NaN' if np.isnan(fault) else 'infinity'}: sequence 2, step 0, channel 1"
    fitted = PerStep(PCA()).fit(X)
    for call in (PerStep(PCA()).fit, PerStep(PCA()).fit_transform, fitted.transform, fitted.inverse_transform):
        with pytest.raises(ValueError, match=where):
            call(Z)


def test_nan_goes_to_transformers_that_take_it():
    Z = X.copy()
    Z.values[4, 1] = np.nan
    filled = PerStep(SimpleImputer()).fit_transform(Z)
    assert filled.values[4, 1] == pytest.approx(np.nanmean(Z.values[:, 1]))
    inner = make_column_transformer((SimpleImputer(), [1]), remainder="passthrough")
    assert np.isfinite(PerStep(inner).fit_transform(Z).values).all()


def test_other_errors_of_a_transformer_stay_as_they_are():
    with pytest.raises(ValueError, match="n_components=7"):
        PerStep(PCA(7)).fit(X)


def test_sequences_of_other_width():
    per_step = PerStep(StandardScaler()).fit(X)
    with pytest.raises(ValueError, match="X has 3 channels per step, but PerStep was fitted on 2"):
        per_step.transform(ragged([2, 3], n_channels=3))


@pytest.mark.parametrize("rows", [slice(None, None, 2), slice(0, 0)])
def test_a_transformer_that_drops_rows(rows):
    with pytest.raises(ValueError, match=r"FunctionTransformer made .* rows of 31 time steps"):
        PerStep(FunctionTransformer(lambda steps: steps[rows])).fit(X).transform(X)


def test_a_table_for_sequences_of_several_channels():
    with pytest.raises(ValueError, match=r"X is a 2-D table, .* fitted on sequences of 2 channels"):
        PerStep(StandardScaler()).fit(X).transform(np.ones((3, 2)))


def test_what_was_fitted_stays_if_a_fit_fails():
    per_step = PerStep(PCA(2)).fit(X)
    before = per_step.transform(X)
    with pytest.raises(ValueError, match="n_components=2"):
        per_step.fit(ragged([2, 3], n_channels=1))
    assert per_step.transform(X) == before
    fresh = PerStep(PCA(2))
    with pytest.raises(ValueError, match="n_components=2"):
        fresh.fit(ragged([2, 3], n_channels=1))
    assert vars(fresh) == vars(PerStep(fresh.transformer))


def test_what_is_no_transformer():
    with pytest.raises(ValueError, match="'transformer' parameter of PerStep must be an object implementing"):
        PerStep("scale").fit(X)


# ---------------------------------------------------------------------------------------- as others of scikit-learn
def test_parameters_of_the_transformer_are_reached():
    pipeline = make_pipeline(PerStep(StandardScaler()))
    pipeline.set_params(perstep__transformer__with_mean=False)
    assert pipeline.get_params()["perstep__transformer__with_mean"] is False
    transformer = StandardScaler()
    fitted = PerStep(transformer).fit(X)
    assert fitted.transformer is transformer
    assert not hasattr(transformer, "mean_")
    assert not hasattr(clone(fitted), "transformer_")


def test_names_of_channels():
    frame = pd.DataFrame({"a": [x[:, 0] for x in ITEMS], "b": [x[:, 1] for x in ITEMS]})
    per_step = PerStep(StandardScaler()).fit(frame)
    assert per_step.get_feature_names_out().tolist() == ["a", "b"]
    assert PerStep(PCA(1)).fit(frame).get_feature_names_out().tolist() == ["pca0"]
    assert PerStep(StandardScaler()).fit(X).get_feature_names_out().tolist() == ["x0", "x1"]
    assert PerStep(StandardScaler()).fit(np.ones((5, 3))).get_feature_names_out().tolist() == ["x0"]
    table = pd.DataFrame(np.ones((5, 3)), columns=["t0", "t1", "t2"])  # the columns are steps
    assert PerStep(StandardScaler()).fit(table).get_feature_names_out().tolist() == ["x0"]
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        per_step.get_feature_names_out(["c", "d"])
    with pytest.raises(ValueError, match="feature names should match"):
        per_step.transform(frame[["b", "a"]])
    for unnamed in (X, ITEMS, X.to_padded()):
        with pytest.warns(UserWarning, match="X does not have valid feature names, but PerStep was fitted with"):
            per_step.transform(unnamed)
    with pytest.warns(UserWarning, match="X has feature names, but PerStep was fitted without"):
        PerStep(StandardScaler()).fit(X).transform(frame)
    packed = X.to_series().to_frame("signal")  # one column, two channels
    per_step = PerStep(StandardScaler()).fit(packed)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert per_step.transform(X) == per_step.transform(packed)


def test_set_output_changes_nothing():
    pipeline = make_pipeline(PerStep(StandardScaler()), PerStep(PCA())).set_output(transform="pandas")
    assert isinstance(pipeline.fit_transform(X), SequenceArray)
    for output in ("pandas", "polars"):
        with sklearn.config_context(transform_output=output):
            assert isinstance(make_pipeline(PerStep(StandardScaler()), PerStep(PCA())).fit_transform(X), SequenceArray)


def test_tags_are_those_of_the_transformer():
    assert get_tags(PerStep(StandardScaler())).input_tags.allow_nan
    assert not get_tags(PerStep(PCA())).input_tags.allow_nan
    assert get_tags(PerStep(NMF())).input_tags.positive_only
    assert get_tags(PerStep(TargetEncoder())).target_tags.required
    assert get_tags(PerStep(StandardScaler())).transformer_tags.preserves_dtype == ["float64", "float32"]
    assert get_tags(PerStep(WithoutFitTransform())).transformer_tags is not None


def test_a_transformer_whose_fit_demands_y_without_saying_so():
    with pytest.raises(ValueError, match="the transformer requires y to be passed, with a target for each step"):
        PerStep(PLSRegression(1)).fit(X, np.arange(len(X)))


def test_a_y_of_other_sequences_is_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        PerStep(StandardScaler()).fit(X, np.arange(len(X) - 1))


def test_pickles():
    per_step = PerStep(StandardScaler()).fit(X)
    assert pickle.loads(pickle.dumps(per_step)).transform(X) == per_step.transform(X)


def test_in_a_search():
    items = ragged(np.tile(LENGTHS, 4), seed=1)
    y = np.array([x[:, 0].mean() > 0 for x in items])
    pipeline = make_pipeline(PerStep(StandardScaler()), PerStep(PCA()), MeanClassifier())
    grid = {"perstep-1__transformer__with_std": [True, False], "perstep-2__transformer__n_components": [1, 2]}
    S = SequenceArray.from_list(items)
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(S, y)
    assert search.best_params_["perstep-2__transformer__n_components"] == 2
    assert search.score(S, y) > 0.9
    assert_array_equal(cross_val_score(pipeline, S, y), cross_val_score(pipeline, items, y))


def test_the_folds_of_a_search_are_fitted_apart():
    """The scaler of a fold knows the steps of its training sequences only."""
    train, test = X[:6], X[6:]
    got = PerStep(StandardScaler()).fit(train).transform(test)
    assert_allclose(got.values, StandardScaler().fit(train.values).transform(test.values))


def test_in_a_union_the_channels_come_side_by_side():
    union = make_union(PerStep(StandardScaler()), PerStep(PCA(1))).fit_transform(X)
    got = as_sequence_array(union)
    assert_allclose(got.values, np.hstack([StandardScaler().fit_transform(STEPS), PCA(1).fit_transform(STEPS)]))
    assert_array_equal(got.lengths, LENGTHS)


def test_a_union_of_unequal_lengths_is_refused_by_whatever_reads_it():
    shortened = FunctionTransformer(lambda S: SequenceArray.from_list([x[:1] for x in S]))
    union = make_union(PerStep(StandardScaler()), shortened).fit_transform(X)
    with pytest.raises(ValueError, match="sequence 0 has 3 steps in column 0 and 1 in column 1"):
        PerStep(StandardScaler()).fit(union)


def test_beside_other_columns():
    frame = pd.DataFrame({"a": [x[:, 0] for x in ITEMS], "b": [x[:, 1] for x in ITEMS], "age": np.arange(10.0)})
    transformer = make_column_transformer((PerStep(StandardScaler()), ["a", "b"]), (StandardScaler(), ["age"]))
    got = as_sequence_array(transformer.fit_transform(frame))
    assert got.n_channels == 3
    assert_allclose(got.values[:, :2], StandardScaler().fit_transform(STEPS))
    assert_allclose(got.values[:, 2], np.repeat((np.arange(10) - 4.5) / np.arange(10).std(), LENGTHS))
    assert transformer.get_feature_names_out().tolist() == ["perstep__a", "perstep__b", "standardscaler__age"]
