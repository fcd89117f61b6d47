"""Initial weights, in float64, drawn from a NumPy Generator.

Select an initialiser by name or pass an instance, for example ``RNNClassifier(recurrent_init=Orthogonal(gain=0.9))``.
It only contains hyper-parameters, and draws one matrix per gate. (The gates of a cell are stored side by side in one
matrix.)
"""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils._param_validation import Interval

from ._core.parameters import PlainEstimator
from ._core.threads import one_blas_thread

POSITIVE = Interval(Real, 0, None, closed="neither")
SHORTEST = 3  # steps: with fewer the interval of `Chrono` would be empty


def _uniform(rng, limit, *shape):
    if not limit <= np.finfo(np.float64).max / 2:  # between it and its opposite there is no finite number
        raise ValueError(f"Uniform initial weights up to {limit:g} overflow: use a smaller gain or limit.")
    return rng.uniform(-limit, limit, size=shape)


class Scheme(NamedTuple):
    """How a network gets its initial weights.

    Parameters
    ----------
    inputs, recurrent : BaseInitializer
        For matrices that read inputs, and for those that read the state.
    biases : BaseBias or None
        For the biases of gates that remember; None: those of the cell.
    n_steps : int
        Steps of the longest training sequence.

    Examples
    --------
    >>> from skrnn.initializers import GlorotUniform, Orthogonal, Scheme
    >>> Scheme(GlorotUniform(), Orthogonal(), biases=None, n_steps=50).n_steps
    50
    """

    inputs: PlainEstimator
    recurrent: PlainEstimator
    biases: PlainEstimator
    n_steps: int


class BaseInitializer(PlainEstimator):
    """Base class of initialisers of weights.

    A custom initialiser derives from this class and overrides ``__call__(rng, n_rows, n_columns)``, which returns the
    matrix of one gate, with one row per input and one column per unit.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import BaseInitializer
    >>> class Ones(BaseInitializer):
    ...     def __call__(self, rng, n_rows, n_columns):
    ...         return np.ones((n_rows, n_columns))
    >>> Ones()(np.random.default_rng(0), 1, 2)
    array([[1., 1.]])
    """

    _parameter_constraints = {}

    def __call__(self, rng, n_rows, n_columns):
        """Draw the matrix of one gate.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of all random numbers.
        n_rows, n_columns : int
            Number of inputs, and number of units.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            Initial weights, float64.
        """
        raise NotImplementedError


class GlorotUniform(BaseInitializer):
    r"""Uniform numbers that preserve the scale of signals and gradients [1]_.

    .. math::
        W_{ij} \sim U(-a, a), \quad a = \gamma \sqrt{\frac{6}{n_\text{rows} + n_\text{columns}}}

    Parameters
    ----------
    gain : float, default=1.0
        Factor :math:`\gamma`, positive.

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS, PMLR 9, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import GlorotUniform
    >>> W = GlorotUniform()(np.random.default_rng(0), 3, 2)
    >>> W.shape, bool(abs(W).max() <= np.sqrt(6 / 5))
    ((3, 2), True)
    """

    _parameter_constraints = {"gain": [POSITIVE]}

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, rng, n_rows, n_columns):
        return _uniform(rng, float(self.gain) * np.sqrt(6 / (n_rows + n_columns)), n_rows, n_columns)


class GlorotNormal(BaseInitializer):
    r"""Normal numbers that preserve the scale of signals and gradients [1]_.

    .. math::
        W_{ij} \sim N(0, \sigma^2), \quad \sigma = \gamma \sqrt{\frac{2}{n_\text{rows} + n_\text{columns}}}

    Parameters
    ----------
    gain : float, default=1.0
        Factor :math:`\gamma`, positive.

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS, PMLR 9, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import GlorotNormal
    >>> W = GlorotNormal()(np.random.default_rng(0), 200, 200)
    >>> print(f"{W.std():.3f} {np.sqrt(2 / 400):.3f}")
    0.071 0.071
    """

    _parameter_constraints = {"gain": [POSITIVE]}

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, rng, n_rows, n_columns):
        return rng.normal(0.0, float(self.gain) * np.sqrt(2 / (n_rows + n_columns)), size=(n_rows, n_columns))


class HeUniform(BaseInitializer):
    r"""Uniform numbers that preserve the scale of signals through rectified linear units [1]_.

    .. math::
        W_{ij} \sim U(-a, a), \quad a = \sqrt{6 / n_\text{rows}}

    The variance, :math:`2 / n_\text{rows}`, compensates for the half of the signal that these units set to 0.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing human-level performance on
       ImageNet classification", ICCV, 2015. :arxiv:`1502.01852`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import HeUniform
    >>> W = HeUniform()(np.random.default_rng(0), 6, 2)
    >>> W.shape, bool(abs(W).max() <= 1)
    ((6, 2), True)
    """

    def __call__(self, rng, n_rows, n_columns):
        return _uniform(rng, np.sqrt(6 / n_rows), n_rows, n_columns)


class HeNormal(BaseInitializer):
    r"""Normal numbers that preserve the scale of signals through rectified linear units [1]_.

    .. math::
        W_{ij} \sim N(0, \sigma^2), \quad \sigma = \sqrt{2 / n_\text{rows}}

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing human-level performance on
       ImageNet classification", ICCV, 2015. :arxiv:`1502.01852`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import HeNormal
    >>> W = HeNormal()(np.random.default_rng(0), 200, 200)
    >>> print(f"{W.std():.2f} {np.sqrt(2 / 200):.2f}")
    0.10 0.10
    """

    def __call__(self, rng, n_rows, n_columns):
        return rng.normal(0.0, np.sqrt(2 / n_rows), size=(n_rows, n_columns))


class Orthogonal(BaseInitializer):
    r"""Random matrix with orthonormal rows or columns, whichever are fewer [1]_, [2]_.

    .. math::
        W = \gamma Q, \quad Q Q^T = I \text{ or } Q^T Q = I

    All such matrices are equally likely. With a gain of 1, multiplication by a square matrix preserves the norm of the
    state, so that states and gradients do not vanish or explode initially.

    Parameters
    ----------
    gain : float, default=1.0
        Factor :math:`\gamma`, positive; equal to all singular values.

    References
    ----------
    .. [1] A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
       linear neural networks", ICLR, 2014. :arxiv:`1312.6120`
    .. [2] F. Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the AMS 54(5),
       2007. :arxiv:`math-ph/0609050`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import Orthogonal
    >>> W = Orthogonal()(np.random.default_rng(0), 4, 4)
    >>> bool(np.allclose(W @ W.T, np.eye(4)))
    True
    """

    _parameter_constraints = {"gain": [POSITIVE]}

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, rng, n_rows, n_columns):
        with one_blas_thread:
            q, r = np.linalg.qr(rng.standard_normal((max(n_rows, n_columns), min(n_rows, n_columns))))
        # The signs that QR chooses are not random; with those of the diagonal of R all matrices are equally likely [2].
        q *= np.copysign(float(self.gain), np.diag(r))
        return np.ascontiguousarray(q if n_rows >= n_columns else q.T)


class Identity(BaseInitializer):
    r"""Identity matrix, or a multiple of it [1]_.

    .. math::
        W_{ij} = s \text{ if } i = j \text{ else } 0

    For the recurrent weights of ``Elman(activation="relu")``: without input, each unit keeps its state. This is the
    IRNN of the paper. With a smaller scale, units forget faster. Matrices that are not square contain the identity in
    their first rows or columns.

    Parameters
    ----------
    scale : float, default=1.0
        Factor s, positive.

    References
    ----------
    .. [1] Q. V. Le, N. Jaitly and G. E. Hinton, "A simple way to initialize recurrent networks of rectified linear
       units", 2015. :arxiv:`1504.00941`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import Identity
    >>> Identity(scale=0.5)(np.random.default_rng(0), 2, 3)
    array([[0.5, 0. , 0. ],
           [0. , 0.5, 0. ]])
    """

    _parameter_constraints = {"scale": [POSITIVE]}

    def __init__(self, scale=1.0):
        self.scale = scale

    def __call__(self, rng, n_rows, n_columns):
        return float(self.scale) * np.eye(n_rows, n_columns)


class Uniform(BaseInitializer):
    r"""Uniform numbers within a limit, by default a rule of thumb [1]_ with the number of units.

    .. math::
        W_{ij} \sim U(-a, a), \quad a = 1 / \sqrt{n_\text{columns}} \text{ by default}

    The rule of thumb, equation 1 of [1]_, uses the number of inputs, which is the same for recurrent weights. PyTorch
    uses this default for both matrices of a cell.

    Parameters
    ----------
    limit : float, default=None
        Limit a, positive. If None, the default above.

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS, PMLR 9, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import Uniform
    >>> W = Uniform()(np.random.default_rng(0), 3, 4)
    >>> W.shape, bool(abs(W).max() <= 0.5)
    ((3, 4), True)
    """

    _parameter_constraints = {"limit": [POSITIVE, None]}

    def __init__(self, limit=None):
        self.limit = limit

    def __call__(self, rng, n_rows, n_columns):
        limit = 1 / np.sqrt(n_columns) if self.limit is None else float(self.limit)
        return _uniform(rng, limit, n_rows, n_columns)


class Zeros(BaseInitializer):
    """Zeros.

    With recurrent weights of zero, units initially do not depend on the states of other units.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import Zeros
    >>> Zeros()(np.random.default_rng(0), 1, 2)
    array([[0., 0.]])
    """

    def __call__(self, rng, n_rows, n_columns):
        return np.zeros((n_rows, n_columns))


class BaseBias(PlainEstimator):
    """Base class of initialisers of the biases of gates, which determine how long units remember.

    A custom class derives from this class and overrides ``__call__(rng, n_units, n_steps)``. It is called once per
    layer and direction, and returns one number per unit: the larger, the longer the unit remembers. This number is the
    bias of gates that keep the state, and its negative the bias of gates that overwrite it.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import BaseBias
    >>> class Twos(BaseBias):
    ...     def __call__(self, rng, n_units, n_steps):
    ...         return np.full(n_units, 2.0)
    >>> Twos()(np.random.default_rng(0), 3, 100)
    array([2., 2., 2.])
    """

    _parameter_constraints = {}

    def __call__(self, rng, n_units, n_steps):
        """Draw a bias for each unit of one layer and direction.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of all random numbers.
        n_units : int
            Number of units.
        n_steps : int
            Length of the longest training sequence.

        Returns
        -------
        ndarray of shape (n_units,)
            Bias of a gate that keeps the state, float64.
        """
        raise NotImplementedError


class Chrono(BaseBias):
    r"""Biases that let units remember for times between 2 steps and a whole sequence [1]_.

    .. math::
        b_j = \log u_j, \quad u_j \sim U(1, T - 1)

    A unit whose gate keeps :math:`\sigma(b_j)` of its state remembers for about :math:`1 + u_j` steps. For an LSTM,
    b is the bias of the forget gate and -b that of the input gate.

    Parameters
    ----------
    max_steps : int, default=None
        T, at least 3: the longest time to remember. If None, the length of the longest training sequence, but at least
        3.

    References
    ----------
    .. [1] C. Tallec and Y. Ollivier, "Can recurrent neural networks warp time?",
       ICLR, 2018. :arxiv:`1804.11188`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.initializers import Chrono
    >>> b = Chrono()(np.random.default_rng(0), 50, n_steps=100)
    >>> b.shape, bool(b.min() >= 0), bool(b.max() <= np.log(99))
    ((50,), True, True)
    """

    _parameter_constraints = {"max_steps": [Interval(Integral, SHORTEST, None, closed="left"), None]}

    def __init__(self, max_steps=None):
        self.max_steps = max_steps

    def __call__(self, rng, n_units, n_steps):
        T = max(n_steps, SHORTEST) if self.max_steps is None else self.max_steps
        return np.log(rng.uniform(1.0, T - 1.0, size=n_units))


INITIALIZERS = {
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "orthogonal": Orthogonal,
    "identity": Identity,
    "uniform": Uniform,
    "zeros": Zeros,
}
BIAS_INITIALIZERS = {"chrono": Chrono}


def _get(choice, registry, base, names):
    if isinstance(choice, base):
        choice._validate_params()
        return choice
    if isinstance(choice, str) and choice in registry:
        return registry[choice]()
    raise ValueError(f"{choice!r} is neither one of {', '.join(map(repr, names))} nor an instance of {base.__name__}.")


def get_initializer(initializer):
    """Get an initialiser by name, with default parameters; an instance is returned unchanged.

    Parameters
    ----------
    initializer : str or BaseInitializer
        A key of `INITIALIZERS` or an instance.

    Returns
    -------
    BaseInitializer
        The initialiser.

    Examples
    --------
    >>> from skrnn.initializers import get_initializer
    >>> get_initializer("orthogonal")
    Orthogonal()
    """
    return _get(initializer, INITIALIZERS, BaseInitializer, INITIALIZERS)


def get_bias_initializer(initializer):
    """Get an initialiser of biases by name, with default parameters; an instance is returned unchanged.

    Parameters
    ----------
    initializer : str or BaseBias
        "cell", a key of `BIAS_INITIALIZERS`, or an instance.

    Returns
    -------
    BaseBias or None
        The initialiser. None for "cell", which sets the biases to the constants of the cell.

    Examples
    --------
    >>> from skrnn.initializers import get_bias_initializer
    >>> get_bias_initializer("chrono")
    Chrono()
    """
    if isinstance(initializer, str) and initializer == "cell":
        return None
    return _get(initializer, BIAS_INITIALIZERS, BaseBias, ["cell", *BIAS_INITIALIZERS])
