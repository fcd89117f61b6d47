"""What recurrent layers read of sequences, as a linear function of the values; and the way back to these.

The values of number channels are standardised, and decay where they are not measured; tokens and categories are turned
into vectors. For a sequence whose gaps and time stamps are given, all this is linear in the values and in the vectors.
So a straight line between two sequences is one in what is read, and gradients go back by the transposed map. A
convolution is not: it stays in the network, up to its pre-activations.
"""

import dataclasses

import numpy as np

from .encoding import last_seen
from .network import network_of


class LinearInputs:
    """The part of a network in front of its first nonlinear function, and the network behind it.

    Parameters
    ----------
    network : Network
    theta : ndarray
    encoder : InputEncoder

    Attributes
    ----------
    network, theta : Network, ndarray
        Without decay and tables of codes; a convolution is left in.
    """

    def __init__(self, network, theta, encoder):
        structure, self.encoder = network.structure, encoder
        weights = network.layout.views(theta)
        self.structure = structure
        self.tables = [weights[f"embedding.{channel}"] for channel, _, _ in structure.embeddings]
        self.decay = (weights["decay.w"], weights["decay.b"]) if structure.decay else None
        self.convolution = structure.convolution
        self.kernel = None if self.convolution is None else weights["convolution.W"].astype(np.float64)
        self.network, self.theta = network, theta
        if self.tables or self.decay:
            n_read = network.stack.levels[0].n_inputs
            self.network = network_of(dataclasses.replace(structure, n_inputs=n_read, embeddings=(), decay=False))
            self.theta = self.network.flatten({name: weights[name] for name in self.network.layout.shapes})


class Reading:
    """What the network behind the linear part reads of some sequences, and of a baseline.

    Parameters
    ----------
    inputs : LinearInputs
    sequences : SequenceArray
    baseline : ndarray of shape (n_channels,)
        Values of the channels of numbers in its unit; of a time channel, the time since the step before.

    Attributes
    ----------
    values, baseline : ndarray of shape (n_steps, n_read)
    difference : ndarray of shape (n_steps, n_channels)
        Between values and baseline, standardised; 1 for channels of codes, which count as a whole.
    scale : ndarray of shape (n_channels,)
        What turns gradients by standardised values into those by values: a divisor, 1 for channels of codes.
    """

    def __init__(self, inputs, sequences, baseline):
        encoder, dtype = inputs.encoder, inputs.network.dtype
        self._inputs, self._offsets, self.scale = inputs, sequences.offsets, encoder.scale
        numbers, n_numbers = encoder.numbers, len(encoder.numbers)
        encoded = encoder.encode(sequences, dtype)
        values, others = encoded[:, :n_numbers], []
        own = np.broadcast_to((baseline - encoder.mean)[numbers] / encoder.scale[numbers], values.shape).copy()
        self._factor = self._last = None
        if encoder.missing in ("mask", "decay") and n_numbers:
            seen, since = encoded[:, n_numbers : 2 * n_numbers], encoded[:, 2 * n_numbers : 3 * n_numbers]
            self._weigh_missing(seen, since)
            others = [seen] if inputs.decay else [seen, since]
        if encoder.differences:
            others = [encoded[:, n_numbers : 2 * n_numbers]]
        if encoder.time_channel is not None:  # no time has passed before the first step
            own[sequences.offsets[:-1], -1] = values[sequences.offsets[:-1], -1]
        self.difference = np.ones((len(encoded), encoder.n_channels))
        self.difference[:, numbers] = values - own
        if self._factor is not None:
            values = values * self._factor
            own *= self._factor
        codes = encoded[:, encoded.shape[1] - len(inputs.tables) :].astype(np.intp)
        self._vectors = [table[codes[:, k]] for k, table in enumerate(inputs.tables)]
        self.values = np.hstack([values, *others, *self._vectors]).astype(dtype)
        unchanged = map(np.zeros_like, others) if encoder.differences else others
        self.baseline = np.hstack([own, *unchanged, *map(np.zeros_like, self._vectors)]).astype(dtype)

    def _weigh_missing(self, seen, since):
        """Find by which factor each value is read, at the steps where it is seen and at those that follow."""
        self._factor = seen
        if self._inputs.decay:
            w, b = self._inputs.decay
            self._last = last_seen(seen > 0, self._offsets)
            has_been_seen = np.take_along_axis(seen, self._last, axis=0)
            self._factor = has_been_seen * np.where(seen > 0, 1, np.exp(-np.maximum(0, w * since + b)))

    def back(self, gradient):
        """Gradients by standardised values, and those by vectors times the vectors, in float64: (n_steps, n_channels).

        gradient : (n_steps, n_read), or behind a convolution (n_steps of its pre-activations, channels of these)
        """
        encoder = self._inputs.encoder
        if self._inputs.convolution is not None:
            gradient = self._before_convolution(gradient)
        out = np.zeros((len(gradient), encoder.n_channels))
        of_numbers = gradient[:, : len(encoder.numbers)]
        if self._factor is not None:
            of_numbers = of_numbers * self._factor
        if self._last is not None:
            moved, columns = (
                np.zeros_like(of_numbers),
                np.broadcast_to(np.arange(of_numbers.shape[1]), self._last.shape),
            )
            np.add.at(moved, (self._last, columns), of_numbers)
            of_numbers = moved
        if encoder.differences:
            of_numbers = of_numbers + self._of_changes(gradient[:, len(encoder.numbers) :])
        out[:, encoder.numbers] = of_numbers
        if encoder.time_channel is not None:
            out[self._offsets[:-1], encoder.time_channel] = 0
        column = gradient.shape[1] - sum(vectors.shape[1] for vectors in self._vectors)
        for channel, vectors in zip(encoder.channels_of_codes, self._vectors, strict=True):
            n_dims = vectors.shape[1]
            out[:, channel] += (gradient[:, column : column + n_dims] * vectors).sum(axis=1)
            column += n_dims
        return out

    def _of_changes(self, gradient):
        """Gradients by standardised values, from those by their changes: each value is part of two."""
        of_later = gradient / self._inputs.encoder.difference_scale
        of_later[self._offsets[:-1]] = 0  # no change leads to the first step
        out = of_later.copy()
        out[:-1] -= of_later[1:]
        return out

    def _before_convolution(self, gradient):
        """Gradients by the encoded columns, from those by the pre-activations of the convolution."""
        conv, kernel, n_columns = self._inputs.convolution, self._inputs.kernel, self._inputs.structure.n_inputs
        lengths = np.diff(self._offsets)
        out, begins = np.zeros((self._offsets[-1], n_columns)), self._offsets[:-1]
        n_steps = conv.n_steps(lengths)
        # The step in the middle of the window of each row, and the sequence that it belongs to.
        which = np.repeat(np.arange(len(lengths)), n_steps)
        centre = (np.arange(len(which)) - np.repeat(np.cumsum(n_steps) - n_steps, n_steps)) * conv.stride
        for k in range(conv.width):
            step = centre + k - (conv.width - 1) // 2
            inside = (step >= 0) & (step < lengths[which])
            # Not a product of BLAS, whose bits depend on the number of rows.
            of_step = np.einsum("qk,jk->qj", gradient[inside], kernel[k * n_columns : (k + 1) * n_columns])
            out[begins[which[inside]] + step[inside]] += of_step
        return out

    def occlude(self, read, row, channel):
        """Change what is read, a copy of `values` of a single sequence, to what it is if one value is the baseline."""
        rows, columns = self._place_of(row, channel)
        read[rows, columns] = self.baseline[rows, columns]
        if self._inputs.encoder.differences:
            column = len(self._inputs.encoder.numbers) + columns.start
            for step in range(max(row, 1), min(row + 2, len(read))):
                change = read[step, columns.start] - read[step - 1, columns.start]
                read[step, column] = change / self._inputs.encoder.difference_scale[columns.start]

    def _place_of(self, row, channel):
        """The rows and columns of what is read that depend on a value, as a pair of slices."""
        encoder, rows = self._inputs.encoder, slice(row, row + 1)
        if channel in encoder.categories:
            channels, widths = encoder.channels_of_codes, [vectors.shape[1] for vectors in self._vectors]
            first = channels.index(channel)
            begin, end = (self.values.shape[1] - sum(widths[k:]) for k in (first, first + channels.count(channel)))
            return rows, slice(begin, end)
        k = int(np.flatnonzero(encoder.numbers == channel)[0])
        if self._last is not None:  # it is read until there is another one; rows never fall
            end = np.searchsorted(self._last[:, k], row, side="right") if self._last[row, k] == row else row
            rows = slice(row, int(end))
        return rows, slice(k, k + 1)
