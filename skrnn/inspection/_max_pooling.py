"""The gradients of a network that pools by the maximum over the steps, integrated along a line.

On the way the largest step of a unit changes, and there the gradient jumps, so that no quadrature of the whole is
exact. The output of a single step is smooth, however: between two changes, the integral of its gradient is that of the
polynomial through the gradients at all nodes. So each node goes back once, with weights for each step and unit.
"""

import dataclasses
import itertools

import numpy as np
from numpy.polynomial import legendre

from ..network.network import network_of

N_NEWTON = 4  # from a linear interpolation between neighbouring nodes


def unpooled(network, theta):
    """The network that puts out the outputs of the top level, with theta, and what reads their maxima, (U, K)."""
    structure, weights = network.structure, network.layout.views(theta)
    pooling = "steps" if structure.steps_are_kept else "unaligned"
    if structure.puts_out_predictions:
        return network_of(dataclasses.replace(structure, pooling=pooling)), theta, np.eye(network.n_outputs)
    U = network.stack.n_top_units
    without = network_of(dataclasses.replace(structure, pooling=pooling, n_outputs=U))
    identity = {"readout.W": np.eye(U), "readout.b": np.zeros(U)}
    return without, without.flatten({**weights, **identity}), weights["readout.W"].astype(np.float64)


class Quadrature:
    """Gauss-Legendre quadrature on [0, 1], also of parts of it.

    Parameters
    ----------
    n_nodes : int

    Attributes
    ----------
    nodes, weights : ndarray of shape (n_nodes,)
    """

    def __init__(self, n_nodes):
        self._x, weights = legendre.leggauss(n_nodes)
        self.nodes, self.weights = (self._x + 1) / 2, weights / 2
        # The polynomial that is 1 at node j and 0 at the others, in Legendre polynomials: column j.
        degrees = np.arange(n_nodes)[:, np.newaxis]
        self._coefficients = weights * (degrees + 0.5) * legendre.legvander(self._x, n_nodes - 1).T
        self._slopes = legendre.legder(self._coefficients) if n_nodes > 1 else np.zeros((1, 1))
        self._integrals = legendre.legint(self._coefficients, lbnd=-1) / 2

    def integral_to(self, x):
        """Weights (n, n_nodes) of integrals from the start of the interval to each of the places x."""
        return _product(legendre.legvander(x, len(self._x)), self._integrals)

    def roots(self, values, k):
        """Where polynomials with these values (n, n_nodes) at the nodes are 0, each between its nodes k and k + 1."""
        rows, low, high = np.arange(len(k)), self._x[k], self._x[k + 1]
        before, after = values[rows, k], values[rows, k + 1]
        x = low + (high - low) * before / (before - after)
        values, slopes = _product(values, self._coefficients.T), _product(values, self._slopes.T)
        for _ in range(N_NEWTON):
            powers = legendre.legvander(x, len(self._x) - 1)
            f, slope = (powers * values).sum(axis=1), (powers[:, : slopes.shape[1]] * slopes).sum(axis=1)
            x = np.clip(x - f / np.where(slope == 0, np.inf, slope), low, high)
        return x


def _product(a, b):
    """``a @ b``, without BLAS, whose bits depend on the number of rows."""
    return np.einsum("ij,jk->ik", a, b)


class StepWeights:
    """Weights of the gradient of each step and unit at each node, in the integral of that of their maxima.

    Parameters
    ----------
    outputs : ndarray of shape (n_nodes, n_rows, U)
        Of the top level at the steps of all sequences.
    offsets : ndarray of shape (n_sequences + 1,)
        Of their rows.
    quadrature : Quadrature
    """

    def __init__(self, outputs, offsets, quadrature):
        parts = itertools.pairwise(offsets.tolist())
        largest = np.stack([begin + outputs[:, begin:end].argmax(axis=1) for begin, end in parts], axis=1)
        k, sequence, self._unit = np.nonzero(largest[:-1] != largest[1:])
        self._last, self._whole = largest[-1], quadrature.integral_to(np.ones(1))[0]
        self._old, self._new = largest[k, sequence, self._unit], largest[k + 1, sequence, self._unit]
        ahead = (outputs[:, self._old, self._unit] - outputs[:, self._new, self._unit]).T.astype(np.float64)
        self._until = quadrature.integral_to(quadrature.roots(ahead, k)).T

    def at(self, some, n_rows, rows):
        """Those at `some` nodes, a slice, (n, n_rows, U); `rows`: where each row of the outputs stands in these."""
        units, whole, until = np.arange(self._last.shape[1]), self._whole[some], self._until[some]
        weights = np.zeros((len(whole), n_rows, len(units)))
        weights[:, rows[self._last], units] = whole[:, np.newaxis, np.newaxis]
        nodes = np.arange(len(whole))[:, np.newaxis]
        np.add.at(weights, (nodes, rows[self._old], self._unit), until)
        np.subtract.at(weights, (nodes, rows[self._new], self._unit), until)
        return weights
