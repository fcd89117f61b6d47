"""Encoders of channels for tests."""

from skrnn.network.encoding import learn_columns, learn_scales


def fit_inputs(sequences, weight, *, standardize=True, **options):
    """An `InputEncoder` of sequences."""
    return learn_scales(learn_columns(sequences, weight, **options), sequences, weight, standardize)
