"""What scikit-learn's common checks ask of tables, for 3-D arrays and for ragged sequences."""

import pickle

import numpy as np
import pytest
from faults import ESTIMATORS, FORMS, assert_refused, cube, each_estimator, each_weighted, output, ragged, targets
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skrnn import SequenceArray

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")

TWINS = {
    "3-D": lambda: cube(24),
    "ragged list": ragged,
    "ragged SequenceArray": lambda: SequenceArray.from_list(ragged()),
}
each_twin = pytest.mark.parametrize("twin", TWINS)


@each_twin
@each_estimator
def test_fit_is_idempotent_and_predicting_changes_nothing(name, twin):
    """A second fit gives the same bits; no method writes to the estimator; fit sets no parameter."""
    X = TWINS[twin]()
    model = clone(ESTIMATORS[name])
    parameters = str(model.get_params())
    first = output(model.fit(X, targets(X)), X)
    before = pickle.dumps(vars(model))
    output(model, X)
    model.hidden_states(X)
    if hasattr(model, "score"):
        model.score(X, targets(X))
    if hasattr(model, "gradient_norms"):
        model.gradient_norms(X, targets(X))
    assert pickle.dumps(vars(model)) == before
    assert str(model.get_params()) == parameters
    assert_array_equal(output(model.fit(X, targets(X)), X), first)


@each_twin
@each_estimator
def test_pickled_estimators_predict_the_same_bits(name, twin):
    X = TWINS[twin]()
    model = clone(ESTIMATORS[name]).fit(X, targets(X))
    assert_array_equal(output(pickle.loads(pickle.dumps(model)), X), output(model, X))


@each_twin
@each_estimator
def test_a_prediction_depends_on_its_sequence_only(name, twin):
    """Subsets and other orders of the sequences, down to the last bit."""
    X = TWINS[twin]()
    model = clone(ESTIMATORS[name]).fit(X, targets(X))
    expected = output(model, X)
    order = np.random.default_rng(1).permutation(24)
    reordered = [X[i] for i in order] if isinstance(X, list) else X[order]
    assert_array_equal(output(model, reordered), expected[order])
    assert_array_equal(np.concatenate([output(model, X[i : i + 5]) for i in range(0, 24, 5)]), expected)


@each_twin
@each_estimator
def test_number_and_names_of_channels_are_kept(name, twin):
    X = TWINS[twin]()
    model = clone(ESTIMATORS[name]).fit(X, targets(X))
    assert (model.n_features_in_, model.n_channels_) == (2, 2)
    assert not hasattr(model, "feature_names_in_")
    frame = FORMS["frame"](cube())
    model.fit(frame, targets(frame))
    assert model.feature_names_in_.tolist() == ["c0", "c1"]
    assert_refused(model, lambda e: output(e, frame[["c1", "c0"]]), "same order as they were in fit")


@each_twin
@each_weighted
def test_a_weight_is_a_number_of_copies(name, twin):
    """In one batch, as long as nothing is drawn."""
    X = TWINS[twin]()
    weight = np.arange(24) % 3
    copies = np.repeat(np.arange(24), weight)
    settings = {"dtype": "float64", "batch_size": 99, "shuffle": False, "dropout": 0.0}
    weighted, repeated = (clone(ESTIMATORS[name]).set_params(**settings) for _ in range(2))
    weighted.fit(X, targets(X), weight)
    repeated.fit([X[i] for i in copies], targets(X)[copies])
    np.testing.assert_allclose(output(weighted, X), output(repeated, X), rtol=1e-7)


@each_estimator
def test_nothing_is_fitted_without_a_fit(name):
    assert_refused(clone(ESTIMATORS[name]), lambda e: output(e, cube()), "not fitted yet", NotFittedError)
