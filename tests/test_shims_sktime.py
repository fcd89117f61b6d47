"""The checks of sktime for its estimators, on ours in a thin adapter."""

import pytest

from skrnn import RNNClassifier, RNNRegressor, SequenceArray

pytest.importorskip("sktime")

from sktime.classification.base import BaseClassifier
from sktime.regression.base import BaseRegressor
from sktime.utils.estimator_checks import check_estimator

# An example in its docstring, and sets of parameters to test with.
ABOUT_THE_ADAPTER = ["test_class_has_doctest_example", "test_doctest_examples", "test_get_test_params_coverage"]
TAGS = {
    "X_inner_mtype": "df-list",
    "y_inner_mtype": "numpy1D",
    "capability:multivariate": True,
    "capability:unequal_length": True,
    "capability:missing_values": True,
    "capability:random_state": True,
    "property:randomness": "derandomized",
}


def packed(X):
    """The sequences in a list of frames with a row for each step."""
    return SequenceArray.from_list([frame.to_numpy() for frame in X])


class Network:
    """Frames of sktime for the network that a class names."""

    def __init__(self, max_iter=2, random_state=0):
        self.max_iter = max_iter
        self.random_state = random_state
        super().__init__()

    def _fit(self, X, y):
        network = self._network(4, missing="mask", max_iter=self.max_iter, random_state=self.random_state)
        self.network_ = network.fit(packed(X), y)
        return self

    def _predict(self, X):
        return self.network_.predict(packed(X))

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        return {"max_iter": 2}


class SktimeClassifier(Network, BaseClassifier):
    _network = RNNClassifier
    _tags = TAGS | {"capability:predict_proba": True, "capability:multioutput": False}

    def _predict_proba(self, X):
        return self.network_.predict_proba(packed(X))


class SktimeRegressor(Network, BaseRegressor):
    _network = RNNRegressor
    _tags = TAGS


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("adapter", [SktimeClassifier, SktimeRegressor])
def test_checks_of_sktime(adapter):
    results = check_estimator(adapter, tests_to_exclude=ABOUT_THE_ADAPTER, verbose=0)
    assert len(results) >= 70
    assert {name: found for name, found in results.items() if found != "PASSED"} == {}
