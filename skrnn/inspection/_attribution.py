"""Shares of the values of sequences in a prediction."""

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from .._core.jobs import n_threads_of
from .._core.parameters import usable
from ..estimators._prediction import network_and_thetas
from ..estimators._validation import check_count, validate_inputs
from ..network.data import SHARES, Data
from ..network.inference import Predictor
from ..network.reading import LinearInputs, Reading
from ..network.results import mean_of
from ..network.shards import ThreadExecutor
from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from ..training.input_gradients import input_gradients
from ._max_pooling import Quadrature, StepWeights, unpooled
from ._target import check_explainable, check_target, directions

LARGEST_PASS = 2**26


class _Explained:
    """Some sequences, and what is to be explained of each by a network: a weighted sum of its raw predictions.

    Attributes
    ----------
    reading : Reading
    raw : ndarray of shape (n_rows, K)
        Raw predictions of the sequences.
    difference : ndarray of shape (n_sequences,)
        Between what is explained and that of the baseline, as soon as `explain` has said what.
    """

    def __init__(self, estimator, inputs, sequences, baseline, executor):
        self._inputs, self._offsets, self._executor = inputs, sequences.offsets, executor
        self._max_bytes, self._per_step = estimator._max_bytes, estimator.per_step_
        self.reading = Reading(inputs, sequences, baseline)
        self.raw = self._raw(self.reading.values[np.newaxis])[0]

    def explain(self, direction):
        """Say what is explained: `direction` has a weight for each of the raw predictions."""
        self.direction = direction
        self.value = self._explained(self.raw)
        self.difference = self.value - self._explained(self._raw(self.reading.baseline[np.newaxis])[0])

    @property
    def n_at_a_time(self):
        """How many copies of the sequences go through the network at a time."""
        n_steps, itemsize = len(self.reading.values), self.reading.values.itemsize
        return max(1, largest_pass(self._max_bytes) // (n_steps * itemsize * width_of(self._inputs.network)))

    def _data(self, copies):
        """Copies of the sequences, (n, n_steps, n_read), as sequences one after the other."""
        lengths = np.tile(np.diff(self._offsets), len(copies))
        return Data(np.ascontiguousarray(copies.reshape(-1, copies.shape[2])), offsets_of(lengths))

    def _raw(self, copies, network=None, theta=None):
        """Raw predictions of copies of the sequences, (n, n_rows, K)."""
        if network is None:
            network, theta = self._inputs.network, self._inputs.theta
        predictor = Predictor(network, theta, self._data(copies), self._executor, self._max_bytes)
        return predictor.predict_raw().reshape(len(copies), -1, network.n_outputs)

    def _explained(self, raw):
        """What is explained of raw predictions (n_rows, K), for each sequence."""
        of_rows = (raw * self.direction).sum(axis=1)
        return np.add.reduceat(of_rows, self._offsets[:-1]) if self._per_step else of_rows

    def values_at(self, copies):
        """What is explained of copies of the sequences, (n, n_sequences)."""
        return np.array([self._explained(raw) for raw in self._raw(copies)])

    def _gradients(self, network, theta, copies, target, of_steps):
        """Gradients of ``sum(target * raw)`` by what is read, (n, n_steps, n_read).

        Behind a convolution they are by its pre-activations. target : (n, n_rows, K).
        """
        data = self._data(copies)
        target = target.reshape(-1, target.shape[2])
        data.set_target(target, offsets=data.offsets if of_steps else None)
        gradients = input_gradients(network, theta, data, self._executor, self._max_bytes)
        return gradients.reshape(len(copies), -1, gradients.shape[1]).astype(np.float64)

    def _between(self, nodes):
        """The sequences at places between baseline, 0, and what they are, 1; in copies."""
        reading = self.reading
        places = nodes.astype(reading.values.dtype)[:, np.newaxis, np.newaxis]
        return reading.baseline + places * (reading.values - reading.baseline)

    def gradient(self):
        """The gradient at the sequences, as `Reading.back` gives it."""
        network, theta = self._inputs.network, self._inputs.theta
        copies, target = self.reading.values[np.newaxis], self.direction[np.newaxis]
        return self.reading.back(self._gradients(network, theta, copies, target, self._per_step)[0])

    def mean_gradient(self, n_nodes):
        """The mean of the gradients on the line from the baseline, as `Reading.back` gives it."""
        quadrature, network = Quadrature(n_nodes), self._inputs.network
        pass_over = self._unpooled if network.structure.pooling == "max" else self._as_it_is
        total = 0.0
        for part in pass_over(quadrature, self._parts(n_nodes)):
            for gradient in part:  # node by node, so that the sum does not depend on the parts
                total = total + gradient
        return self.reading.back(total)

    def _parts(self, n_nodes):
        """Nodes that go through the network at a time."""
        return [slice(first, first + self.n_at_a_time) for first in range(0, n_nodes, self.n_at_a_time)]

    def _as_it_is(self, quadrature, parts):
        """For each part the weighted gradients at its nodes."""
        network, theta = self._inputs.network, self._inputs.theta
        for some in parts:
            target = quadrature.weights[some, np.newaxis, np.newaxis] * self.direction
            yield self._gradients(network, theta, self._between(quadrature.nodes[some]), target, self._per_step)

    def _unpooled(self, quadrature, parts):
        """The same, of a network that pools by the maximum."""
        network, theta, readout = unpooled(self._inputs.network, self._inputs.theta)
        outputs = np.concatenate([self._raw(self._between(quadrature.nodes[some]), network, theta) for some in parts])
        n_steps = network.n_steps(np.diff(self._offsets))
        offsets = offsets_of(n_steps)
        weights = StepWeights(outputs, offsets, quadrature)
        # Targets stand where the values of their sequence begin, also if a convolution has left fewer steps.
        rows = np.arange(offsets[-1]) + np.repeat(self._offsets[:-1] - offsets[:-1], n_steps)
        direction = np.repeat(np.einsum("nk,uk->nu", self.direction, readout), np.diff(self._offsets), axis=0)
        for some in parts:
            target = weights.at(some, len(direction), rows)
            target *= direction
            yield self._gradients(network, theta, self._between(quadrature.nodes[some]), target, True)

    def without_each(self):
        """By how much it falls if one value is as in the baseline, for each value of a single sequence."""
        reading, out = self.reading, np.zeros(self.reading.difference.shape)
        places = list(np.ndindex(out.shape))
        for first in range(0, len(places), self.n_at_a_time):
            chosen = places[first : first + self.n_at_a_time]
            copies = np.repeat(reading.values[np.newaxis], len(chosen), axis=0)
            for copy, place in zip(copies, chosen, strict=True):
                reading.occlude(copy, *place)
            for place, value in zip(chosen, self.values_at(copies), strict=True):
                out[place] = (self.value - value)[0]
        return out


def _integrated_gradients(explained, n_nodes):
    shares = explained.reading.difference * explained.mean_gradient(n_nodes)
    return shares, shares


def _gradient(explained, n_nodes):
    gradient = explained.gradient()
    return gradient / explained.reading.scale, gradient * explained.reading.difference


def _occlusion(explained, n_nodes):
    shares = explained.without_each()
    return shares, shares


METHODS = {"integrated_gradients": _integrated_gradients, "gradient": _gradient, "occlusion": _occlusion}


@validate_params({"method": [StrOptions(set(METHODS))]}, prefer_skip_nested_validation=True)
def attribute(estimator, X, *, target=None, method="integrated_gradients", baseline="mean", n_nodes=32):
    r"""Attribute predictions to the values of the sequences.

    What is explained is the raw prediction :math:`F`, before the link to probabilities:

    - of several classes, the one of the class; of two classes the margin, whose sign is that of the class;
    - of label indicators, the one of the label;
    - of numbers, the one of an output in the unit of the target (on the scale of the link, like the logarithm of a
      Poisson mean);
    - if the steps have targets, the sum over the steps.

    Integrated gradients [1]_ sum the gradient along the straight line from a baseline :math:`b` to the sequence
    :math:`x`, by Gauss-Legendre quadrature. The attributions of a sequence sum to :math:`F(x) - F(b)`:

    .. math::
        a_{tc} = (x_{tc} - b_{tc}) \int_0^1 \frac{\partial F}{\partial x_{tc}}\big(b + \alpha (x - b)\big) d\alpha

    Parameters
    ----------
    estimator : RNNClassifier or RNNRegressor
        A fitted estimator. Units are never dropped. The attributions of several networks are averaged.
    X : array-like of shape (n_sequences, n_steps, n_channels), list of array-like, SequenceArray or frame
        The sequences, in any form that the estimator takes.
    target : int, str or other class label, default=None
        The class, or for label indicators and numbers the number of the label or output. None is the predicted class,
        if the steps have targets that of each step, or the only output.
    method : {"integrated_gradients", "gradient", "occlusion"}, default="integrated_gradients"
        "gradient" is :math:`\partial F / \partial x_{tc}`, in units of the channel. "occlusion" is by how much
        :math:`F` falls if a single value is replaced by that of the baseline; the network runs once for each value.
    baseline : "mean" or array-like of shape (n_channels,), default="mean"
        What the values are compared with: the means of the channels in training, or numbers in the unit of the
        channels. Missing values are missing in the baseline too, and get 0. With ``standardize=False``, "mean" is 0.
    n_nodes : int, default=32
        Number of gradients along the line.

    Returns
    -------
    result : Bunch
        With the attributes:

        attributions : SequenceArray
            A number for each value of X, in the order of X.
        error : ndarray of shape (n_sequences,)
            By how much the sum of the attributions exceeds `difference`. For "gradient", the sum of the gradients
            times the differences to the baseline.
        difference : ndarray of shape (n_sequences,)
            :math:`F(x) - F(b)`.

    Raises
    ------
    ValueError
        If the estimator has no raw predictions for a sequence or its steps, or if there is no such target.

    See Also
    --------
    step_importance : Importance of channels and times, for a score on many sequences.

    Notes
    -----
    A token or category counts as a whole: its attribution is the sum over its vector, and its baseline is the vector
    of zeros. So is its "gradient" the sum of the gradient times the vector.

    The attribution of a time channel is that of the time since the step before; the times since values were last seen
    stay as they are. With ``missing="decay"``, the attribution of a value includes its effect on later steps at which
    the channel is missing.

    Where the network has kinks, by ``Conv(activation="relu")`` for example, the error is larger: raise `n_nodes`. A
    network that remembers a decision over many steps can jump somewhere on the line, almost like a switch. No number of
    gradients sees such a jump: then `error` is as large as `difference`, and "occlusion" says more.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly and Q. Yan,
       "Axiomatic attribution for deep networks", ICML 2017. :arxiv:`1703.01365`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNRegressor
    >>> from skrnn.inspection import attribute
    >>> X = np.random.default_rng(0).normal(size=(200, 6, 2))
    >>> y = X[:, 2, 0]  # one value decides
    >>> reg = RNNRegressor(8, max_iter=30, tol=0.01, random_state=0).fit(X, y)
    >>> result = attribute(reg, X)
    >>> shares = np.abs(result.attributions.values.reshape(X.shape)).mean(axis=0)
    >>> np.unravel_index(shares.argmax(), shares.shape)
    (np.int64(2), np.int64(0))
    """
    check_count(n_nodes, "n_nodes")
    check_explainable(estimator)
    check_target(estimator, target)
    network, thetas = network_and_thetas(estimator)
    encoder = estimator.inputs_
    sequences = validate_inputs(estimator, X, network.dtype, missing=encoder.missing, text=encoder.is_text)
    start = _start(baseline, encoder)
    each = [LinearInputs(network, theta, encoder) for theta in thetas]
    attributions = np.zeros(sequences.values.shape)
    error, difference = np.zeros((2, len(sequences)))
    with ThreadExecutor(n_threads_of(usable(estimator, "n_jobs"))) as executor:
        n_copies = {"occlusion": None, "gradient": 1}.get(method, n_nodes)
        for first, last in _groups(sequences.lengths, each[0].network, n_copies, estimator._max_bytes):
            some, rows = sequences[first:last], slice(sequences.offsets[first], sequences.offsets[last])
            networks = [_Explained(estimator, inputs, some, start, executor) for inputs in each]
            direction = directions(estimator, target, mean_of([explained.raw for explained in networks]))
            for explained in networks:  # all is linear in the mean of their raw predictions
                explained.explain(direction)
                of_values, shares = METHODS[method](explained, n_nodes)
                attributions[rows] += of_values / len(each)
                sums = np.add.reduceat(shares.sum(axis=1), some.offsets[:-1])
                difference[first:last] += explained.difference / len(each)
                error[first:last] += (sums - explained.difference) / len(each)
    result = SequenceArray(attributions, sequences.offsets, sequences.channel_names)
    return Bunch(attributions=result, error=error, difference=difference)


def _start(baseline, encoder):
    """A number for each channel to start from; that of a channel of codes is not looked at."""
    if isinstance(baseline, str) and baseline == "mean":
        return encoder.mean
    start = np.asarray(baseline)
    is_finite = start.dtype.kind in "iuf" and (np.abs(start) <= np.finfo(np.float32).max).all()
    if not is_finite or start.shape != (encoder.n_channels,):
        raise ValueError(
            f'baseline must be "mean" or a finite number for each of {encoder.n_channels} channels; got {baseline!r}.'
        )
    if encoder.categories:
        raise ValueError(
            f"baseline: channels {list(encoder.categories)} hold tokens or categories, whose baseline is no number: "
            'use "mean".'
        )
    return start.astype(np.float64)


def largest_pass(max_bytes):
    """Bytes of what is read at a time, where that is more than one sequence."""
    return min(LARGEST_PASS, max_bytes // SHARES)


def width_of(network):
    """Numbers of a step that a pass holds."""
    return network.structure.n_inputs + 2 * network.stack.n_top_units * (network.structure.pooling == "max")


def _groups(lengths, network, n_copies, max_bytes):
    """Bounds of sequences that are explained together: as many as fit in so many copies; n_copies None: one."""
    step_bytes = network.dtype.itemsize * width_of(network) * (n_copies or 0)
    most = largest_pass(max_bytes) // step_bytes if n_copies else 0
    first = 0
    while first < len(lengths):
        fitting = int(np.searchsorted(np.cumsum(lengths[first:]), most, side="right"))
        last = first + max(1, fitting)
        yield first, last
        first = last
