"""The checks of aeon for its estimators, on ours in a thin adapter."""

import pytest

from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer

pytest.importorskip("aeon")

from aeon.classification.base import BaseClassifier
from aeon.regression.base import BaseRegressor
from aeon.testing.estimator_checking import check_estimator
from aeon.transformations.collection import BaseCollectionTransformer

TAGS = {
    "X_inner_type": ["np-list", "numpy3D"],
    "capability:multivariate": True,
    "capability:unequal_length": True,
    "capability:missing_values": True,
}


class Network:
    """Sequences whose channels come before their steps, for the network that a class names."""

    _tags = TAGS

    def __init__(self, max_iter=2, random_state=None):
        self.max_iter = max_iter
        self.random_state = random_state
        super().__init__()

    def _fit(self, X, y):
        network = self._network(4, missing="mask", max_iter=self.max_iter, random_state=self.random_state)
        self.network_ = network.fit(SequenceArray.from_channels_first(X), y)
        return self

    def _predict(self, X):
        return self.network_.predict(SequenceArray.from_channels_first(X))


class AeonClassifier(Network, BaseClassifier):
    _network = RNNClassifier

    def _predict_proba(self, X):
        return self.network_.predict_proba(SequenceArray.from_channels_first(X))


class AeonRegressor(Network, BaseRegressor):
    _network = RNNRegressor


class AeonTransformer(BaseCollectionTransformer):
    _tags = TAGS | {"output_data_type": "Tabular", "capability:missing_values": False}

    def __init__(self, max_iter=2, random_state=None):
        self.max_iter = max_iter
        self.random_state = random_state
        super().__init__()

    def _fit(self, X, y=None):
        network = SequenceTransformer(4, max_iter=self.max_iter, random_state=self.random_state)
        self.network_ = network.fit(SequenceArray.from_channels_first(X))
        return self

    def _transform(self, X, y=None):
        return self.network_.transform(SequenceArray.from_channels_first(X))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("adapter", [AeonClassifier, AeonRegressor, AeonTransformer])
def test_checks_of_aeon(adapter):
    results = check_estimator(adapter)
    assert len(results) >= 20
    assert {name: found for name, found in results.items() if found != "PASSED"} == {}
