"""What networks learn of values to come: a number, quantiles, or the parameters of a distribution."""

from dataclasses import dataclass

import numpy as np

from ..losses import NegativeBinomial, Normal, Quantiles, StudentT
from ..losses._distributions import check_levels
from ._outlook import LEAST_SLOPE, Around, Bell, Between, HeavyTails


@dataclass(frozen=True)
class Number:
    """The network forecasts a number; how far off that is, held-out errors tell."""

    loss: object

    def parts(self, network, sequences):
        """What the network says of corrections, (n, horizon) each; the first is the one to forecast."""
        return (network.predict(sequences).astype(np.float64).reshape(len(sequences), -1),)

    def outlook(self, forecast, parts, samples):
        """The distribution of values around a forecast (n, horizon); see `_outlook`."""
        return Around(forecast, samples.roughness)


class NormalHead(Number):
    """The network forecasts a mean and a standard deviation."""

    def parts(self, network, sequences):
        return network._predict(sequences, "parts")

    def outlook(self, forecast, parts, samples):
        return Bell(forecast, samples.scale * parts[1])


class StudentHead(NormalHead):
    """The network forecasts location, scale and degrees of freedom."""

    def outlook(self, forecast, parts, samples):
        return HeavyTails(forecast, samples.scale * parts[1], parts[2])


class QuantileHead(NormalHead):
    """The network forecasts quantiles; the median is among them."""

    def parts(self, network, sequences):
        found, middle = super().parts(network, sequences), self.loss.quantiles.index(0.5)
        return found[middle], *found

    def outlook(self, forecast, parts, samples):
        levels, (median, *others) = np.array(self.loss.quantiles), parts
        if len(levels) == 1:
            return super(NormalHead, self).outlook(forecast, parts, samples)
        distances = np.stack([samples.scale * (values - median) for values in others])
        return Between.of(forecast, levels, distances, LEAST_SLOPE * samples.roughness)


HEADS = {Normal: NormalHead, StudentT: StudentHead, Quantiles: QuantileHead}
DISTRIBUTIONS = {
    "normal": Normal,
    "student_t": StudentT,
    "negative_binomial": lambda: NegativeBinomial(exposure=True),
}


def loss_of(loss, quantiles, distribution):
    """The loss that the network learns by, for the parameters of a forecaster."""
    if quantiles is None and distribution is None:
        return loss
    if quantiles is not None and distribution is not None:
        raise ValueError(
            f"quantiles={quantiles!r} and distribution={distribution!r} both say what the network learns: leave "
            "quantiles=None for the distribution, or distribution=None for quantiles."
        )
    if loss != "absolute_error":
        what = f"quantiles={quantiles!r}" if distribution is None else f"distribution={distribution!r}"
        raise ValueError(
            f"loss={loss!r} and {what} both say what the network learns: leave loss='absolute_error', its default, "
            f"or leave out {what.partition('=')[0]}."
        )
    if distribution is not None:
        return DISTRIBUTIONS[distribution]()
    return Quantiles(tuple(sorted({0.5, *check_levels(quantiles)})))


def head_of(loss):
    """The head of a network that learns by this loss."""
    return HEADS.get(type(loss), Number)(loss)
