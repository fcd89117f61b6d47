"""What a fitted estimator computes, as it is written in C."""

import numpy as np

from ...estimators import RNNClassifier, RNNRegressor, SequenceTransformer
from ...estimators._prediction import network_and_theta
from ...losses import BaseLoss, Poisson
from .._inputs import refuse_subwords
from .outputs import Classes, Features, Labels, Numbers, TwoClasses
from .program import Model
from .quantization import Weights


def described(estimator, quantize):
    """The `Model` of a fitted estimator; ValueError for one that has no form in C."""
    _check_kind(estimator)
    estimator._check_is_fitted()
    name = type(estimator).__name__
    if estimator.structure_.bidirectional:
        raise ValueError(
            f"This {name} reads sequences backward, too, from an end that a program that reads step by step does not "
            "have: fit it with bidirectional=False."
        )
    refuse_subwords(estimator.inputs_)
    network, theta = network_and_theta(estimator, "A program in C")
    if not np.isfinite(theta).all():
        raise ValueError(f"This {name} has weights that are not finite.")
    weights = Weights(network.layout.views(theta), quantize)
    poolings, output, classes = _what_is_given(estimator, network)
    return Model(f"the {name}", network, estimator.inputs_, weights, poolings, output, classes)


def _check_kind(estimator):
    if isinstance(estimator, (RNNClassifier, RNNRegressor, SequenceTransformer)):
        return
    name, advice = type(estimator).__name__, ""
    if hasattr(estimator, "steps"):
        advice = " Of a Pipeline, pass the step with the network; in C, x is what the steps before make of X."
    elif isinstance(estimator, type):
        name = f"the class {estimator.__name__}"
    elif hasattr(estimator, "estimator"):
        advice = " Of a meta-estimator, pass an estimator that it has fitted, like estimator_ or best_estimator_."
    raise ValueError(
        f"to_c writes an RNNClassifier, RNNRegressor or SequenceTransformer; {name} has no form in C.{advice}"
    )


def _what_is_given(estimator, network):
    """Ways of pooling, the output, and classes or None."""
    if isinstance(estimator, SequenceTransformer):
        poolings = tuple(estimator._exported_poolings())
        n = len(poolings) * network.stack.n_top_units
        return poolings, Features(n, f"features, the outputs of the last layer: {', '.join(poolings)}"), None
    poolings, K = (network.structure.pooling,), network.head.n_outputs
    if isinstance(estimator, RNNRegressor):
        return poolings, _numbers(estimator, K), None
    if estimator.multilabel_:
        return poolings, Labels(K, "probabilities of the labels"), None
    if K == 1:
        return poolings, TwoClasses(2, "probabilities of the classes"), estimator.classes_
    return poolings, Classes(K, "probabilities of the classes"), estimator.classes_


def _numbers(estimator, K):
    loss = estimator.loss_function_
    is_log = type(loss).predict is Poisson.predict
    if not is_log and type(loss).predict is not BaseLoss.predict:
        raise ValueError(
            f"{type(loss).__name__} makes predictions of raw ones in a way of its own, which has no form in C: fit "
            'with a loss of one number for each target, like "squared_error".'
        )
    mean, unit = estimator.target_mean_, estimator.target_scale_
    if max(np.abs(mean).max(), unit.max()) > np.finfo(estimator.structure_.dtype).max:
        raise ValueError(f'y is too large for {estimator.structure_.dtype}: rescale it, or fit with dtype="float64".')
    return Numbers(K, "predictions", unit, mean, is_log)
