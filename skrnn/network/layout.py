"""Names and shapes of parameters, and their place in one flat vector."""

import math

import numpy as np


class Layout:
    """Where each named array lies in the flat parameter vector theta; the same for gradients and moments.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Names and shapes, in the order in which they lie in the vector.

    Examples
    --------
    >>> import numpy as np
    >>> layout = Layout({"W": (2, 3), "b": (3,)})
    >>> layout.views(np.arange(9.0))["b"]
    array([6., 7., 8.])
    """

    def __init__(self, shapes):
        self.shapes = dict(shapes)
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        self._ends = np.cumsum(sizes).tolist()
        self.size = self._ends[-1]

    def views(self, theta):
        """Dict of name to the view of `theta` that holds it."""
        starts = [0, *self._ends]
        return {
            name: theta[a:b].reshape(shape)
            for (name, shape), a, b in zip(self.shapes.items(), starts, self._ends, strict=False)
        }

    def slice(self, name):
        """Where the named array lies in the vector."""
        k = list(self.shapes).index(name)
        return slice(self._ends[k] - math.prod(self.shapes[name]), self._ends[k])

    def flatten(self, arrays, dtype):
        """New vector with the named arrays in their places."""
        theta = np.empty(self.size, dtype)
        for name, view in self.views(theta).items():
            view[...] = arrays[name]
        return theta

    def is_weight(self):
        """Mask over theta that is True for the matrices of products, whose names start with W.

        No penalty shrinks biases, gains, and weights of single units.
        """
        mask = np.zeros(self.size, bool)
        for name, view in self.views(mask).items():
            view[...] = name.rpartition(".")[2].startswith("W")
        return mask
