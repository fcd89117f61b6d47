"""Streams of fitted estimators."""

from sklearn.utils.validation import check_is_fitted

from ..streaming import Stream
from ._validation import check_count


def stream_of(estimator, n_streams, kind, decoders):
    """A `Stream` of a fitted estimator; ValueError if its network cannot read step by step.

    kind : of `network.results`; decoders : what makes predictions of its rows, by methods of the stream.
    """
    check_is_fitted(estimator)
    check_count(n_streams, "n_streams")
    from ._prediction import network_and_theta  # noqa: PLC0415 (brings the compiler)

    structure, name = estimator.structure_, type(estimator).__name__
    if structure.bidirectional:
        raise ValueError(
            f"This {name} reads sequences backward, too, from an end that a stream does not have: fit it with "
            "bidirectional=False."
        )
    network, theta = network_and_theta(estimator)
    names = getattr(estimator, "channel_names_", None)
    return Stream(network, theta, estimator.inputs_, n_streams, kind, decoders, names)
