"""Predictions of fitted estimators after each step: streams, and stages of sequences that are there already."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..streaming import Stream
from ._validation import check_count, warn_if_not_finite


def stream_of(estimator, n_streams, kind, decoders):
    """A `Stream` of a fitted estimator; ValueError if its network cannot read step by step.

    kind : gives one of `network.results`; decoders : gives what makes predictions of its rows, by methods of the stream
    """
    check_is_fitted(estimator)
    check_count(n_streams, "n_streams")
    from ._prediction import network_and_thetas  # noqa: PLC0415 (brings the compiler)

    structure, name = estimator.structure_, type(estimator).__name__
    if structure.bidirectional:
        raise ValueError(
            f"This {name} reads sequences backward, too, from an end that a stream does not have: fit it with "
            "bidirectional=False."
        )
    network, thetas = network_and_thetas(estimator)
    names = getattr(estimator, "channel_names_", None)
    return Stream(network, thetas, estimator.inputs_, n_streams, kind(), decoders(), names)


def staged(estimator, X, method):
    """Yield what the stream's `method` makes of the raw predictions of the sequences in X after 1, 2, ... steps.

    Sequences that have ended keep their last. All errors are raised before the first stage is asked for.
    """
    check_is_fitted(estimator)
    if estimator.per_step_:
        raise ValueError(
            "Stages are for targets of sequences, but fit saw a target for each step: predict has those of all steps."
        )
    predictor = estimator._mean_predictor(X)
    order = np.argsort(-predictor.data.lengths, kind="stable")
    raw = np.empty((len(order), predictor.network.n_outputs), predictor.network.dtype)
    offsets, stages = np.arange(len(order) + 1), _prefixes if estimator.structure_.bidirectional else _steps
    decode = estimator._decoders()[method]
    return (decode(warn_if_not_finite(rows, offsets, "predictions")) for rows in stages(predictor, order, raw))


def _steps(predictor, order, raw):
    """Raw predictions of all sequences, step by step; `order`: longest first."""
    from ..network.convolved_stepper import stepper_of  # noqa: PLC0415
    from ..network.results import Raw  # noqa: PLC0415

    network, (values, begins, lengths) = predictor.network, _encoded(predictor.data, order)
    packed = [network.pack(theta, network.memory.allocate_packed()) for theta in predictor.thetas]
    stepper = stepper_of(network, packed, len(order), Raw())
    for t in range(lengths[0]):
        n = int(np.searchsorted(-lengths, -t))  # those that have a step t
        stepper.values[:n] = values[begins[:n] + t]
        stepper.program.run()
        raw[order[:n]] = stepper.out[:n]
        yield raw


def _prefixes(predictor, order, raw):
    """The same of a network that reads backward, too: each stage from the first step on, and back to it."""
    from ..network.data import Data  # noqa: PLC0415

    values, begins, lengths = _encoded(predictor.data, order)
    for t in range(lengths[0]):
        n = int(np.searchsorted(-lengths, -t))
        rows = (begins[:n, np.newaxis] + np.arange(t + 1)).ravel()
        data = Data(values[rows], np.arange(n + 1) * (t + 1))
        with predictor.executor:
            raw[order[:n]] = predictor.on(data).predict_raw()
        yield raw


def _encoded(data, order):
    """Of sequences in `order`: all steps as the network reads them, the rows of the first ones, and lengths."""
    from ..network.plan import Stretch  # noqa: PLC0415

    values, begins = data.read(Stretch.whole(data, order))
    return values, begins, data.lengths[order]
