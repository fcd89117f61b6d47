"""Initial weights, drawn from a NumPy Generator, in float64."""

import numpy as np


def zeros(rng, shape):
    """Zeros; `rng` is not used.

    Parameters
    ----------
    rng : numpy.random.Generator
        Not used.
    shape : tuple of int
        Shape of the weights.

    Returns
    -------
    ndarray of `shape`
        Initial weights.

    Examples
    --------
    >>> import numpy as np
    >>> zeros(np.random.default_rng(0), (2,))
    array([0., 0.])
    """
    return np.zeros(shape)


def glorot_uniform(rng, shape, fan_in, fan_out):
    """Uniform numbers on [-a, a], a = sqrt(6 / (fan_in + fan_out)) [1]_.

    The variance, 2 / (fan_in + fan_out), keeps the size of signals on the way forward and of gradients on the way back.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the numbers.
    shape : tuple of int
        Shape of the weights.
    fan_in, fan_out : int
        Number of inputs and outputs of one unit, which `shape` need not tell: the gates of a cell lie side by side in
        one matrix.

    Returns
    -------
    ndarray of `shape`
        Initial weights.

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS, PMLR 9, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> W = glorot_uniform(np.random.default_rng(0), (3, 8), fan_in=3, fan_out=2)
    >>> W.shape, bool(abs(W).max() <= np.sqrt(6 / 5))
    ((3, 8), True)
    """
    limit = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, size=shape)


def orthogonal(rng, n_rows, n_columns):
    """Random matrix with orthonormal rows or columns, whichever are fewer [1]_, [2]_.

    A product with it keeps the length of the state, so that neither states nor gradients vanish or explode at first.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the numbers.
    n_rows, n_columns : int
        Shape of the matrix.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Initial weights.

    References
    ----------
    .. [1] A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
       linear neural networks", ICLR, 2014. :arxiv:`1312.6120`
    .. [2] F. Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the AMS 54(5),
       2007. :arxiv:`math-ph/0609050`

    Examples
    --------
    >>> import numpy as np
    >>> W = orthogonal(np.random.default_rng(0), 4, 4)
    >>> bool(np.allclose(W @ W.T, np.eye(4)))
    True
    """
    q, r = np.linalg.qr(rng.standard_normal((max(n_rows, n_columns), min(n_rows, n_columns))))
    # The signs that QR chooses are not random; with those of the diagonal of R all directions are equally likely [2].
    q *= np.copysign(1.0, np.diag(r))
    return np.ascontiguousarray(q if n_rows >= n_columns else q.T)
