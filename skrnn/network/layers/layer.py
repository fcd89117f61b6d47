"""What has weights in a network."""


class Layer:
    """Base of everything in a network that may have weights.

    A layer holds sizes only, no weights and no data: theta, packed weights, gradients and buffers come in.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Names and shapes of its weights in theta.
    """

    shapes = {}

    def initialize(self, weights, rng, scheme):
        """Set the named `weights`, which are 0 so far, to initial values, by an `initializers.Scheme`."""

    def packed_shapes(self):
        """Names and sizes (rows, columns) of the matrices that products read, transposes among them."""
        return {}

    def packing(self, weights, packed):
        """Pairs of a view of the named `weights` and a view of the `packed_shapes` that is to hold the same numbers."""
        return []

    def gradient_shapes(self):
        """Names and sizes of the gradients of packed weights."""
        return {}

    def unpacking(self, packed_gradient, gradients):
        """Pairs of a view of the gradient in packed form and the view of the named `gradients` that it belongs to."""
        return []


class Front(Layer):
    """Base of what sequences go through before the recurrent layers.

    Attributes
    ----------
    n_outputs : int
        Channels that it puts out, into the buffer ``Y``; the gradient comes in ``dY``.
    """

    n_outputs = 0

    def buffer_shapes(self, n_steps, n_sequences, training):
        """Arrays for a shard of so many steps behind the front."""
        return dict.fromkeys(("Y", "dY")[: 1 + training], (n_steps, self.n_outputs))

    def forward(self, packed, buffers, X, rows, plan):
        """Instructions that fill the live rows of ``Y``.

        X : all steps of all sequences, or what another front made of those of the shard; rows : the row of X for each
        live row, if steps are kept.
        """
        raise NotImplementedError

    def backward(self, packed, buffers, plan, gradient, dX):
        """Instructions that fill `gradient`, and dX if it is not None, from ``dY``, which may be overwritten."""
        raise NotImplementedError
