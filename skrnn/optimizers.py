"""Optimizers: update rules for the parameters.

Select an optimizer by name or pass an instance, for example ``RNNClassifier(solver=SGD(momentum=0.95))``. An instance
only contains hyper-parameters; the caller stores its state.
"""

import functools
from numbers import Integral, Real

import numpy as np
from scipy.optimize import Bounds, minimize
from sklearn.utils._param_validation import Interval

from ._core.parameters import PlainEstimator, keep
from ._core.threads import one_blas_thread

DECAY = Interval(Real, 0, 1, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")


@functools.cache
def _kernel(name):
    from .kernels import updates  # noqa: PLC0415 (Numba is imported when the first network is trained, not before)

    return getattr(updates, name)


def clip_by_norm(gradient, limit):
    """Scale a gradient to norm `limit`, in place, if its norm is larger [1]_.

    Parameters
    ----------
    gradient : contiguous ndarray of shape (n_parameters,)
        The gradient, which is changed if its norm is larger than `limit`.
    limit : float
        Largest norm; ``inf`` only measures the norm.

    Returns
    -------
    float
        The original norm. It is not finite if an element is not finite (the gradient is then not scaled), or if squares
        overflow in float64.

    References
    ----------
    .. [1] R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML,
       PMLR 28(3), 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.optimizers import clip_by_norm
    >>> gradient = np.array([3.0, 4.0])
    >>> clip_by_norm(gradient, 1.0), gradient
    (5.0, array([0.6, 0.8]))
    """
    return float(_kernel("clip_by_norm")(gradient[np.newaxis], float(limit)))


class BaseOptimizer(PlainEstimator):
    """Base class of optimizers.

    A custom optimizer derives from this class and overrides `step`.

    Attributes
    ----------
    stochastic : bool
        Whether it makes a step per mini-batch, with `start` and `step`. `LBFGS` has `minimize` instead, which uses all
        data at once.
    n_slots : int
        Number of state arrays, each as long as the parameters.
    """

    stochastic = True
    n_slots = 0
    _parameter_constraints = {}

    def start(self, theta):
        """Return the state before the first step.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            Parameters.

        Returns
        -------
        list of `n_slots` ndarrays
            Zeros, of shape and dtype of `theta`.
        """
        return [np.zeros_like(theta) for _ in range(self.n_slots)]

    def step(self, theta, gradient, state, t, learning_rate, decay_mask=None):
        """Update `theta` and `state` in place. All arrays are contiguous and of the dtype of `theta`.

        Parameters
        ----------
        theta, gradient : ndarrays of shape (n_parameters,)
            Parameters, and the gradient of the objective.
        state : list of ndarrays
            State, returned by `start` and updated by each step.
        t : int
            Number of this step, from 1.
        learning_rate : float
            Size of the step.
        decay_mask : ndarray of shape (n_parameters,), default=None
            1 where weight decay applies, 0 elsewhere. If None, it applies everywhere. Only used by `AdamW`.
        """
        mask = np.ones_like(theta) if decay_mask is None else np.asarray(decay_mask, theta.dtype)
        kernel, arguments = self.kernel_call(theta, gradient, state, t, float(learning_rate), mask)
        kernel(*arguments)

    def kernel_call(self, theta, gradient, state, t, learning_rate, decay_mask):
        """Give the kernel of a step, and what it is called with.

        Parameters
        ----------
        theta, gradient : ndarrays of shape (n_parameters,)
            As for `step`.
        state : list of ndarrays
            As for `step`.
        t, learning_rate : int and float
            As for `step`; or numbers that will be read when the kernel runs.
        decay_mask : ndarray of shape (n_parameters,)
            As for `step`.

        Returns
        -------
        kernel : callable
            The kernel.
        arguments : tuple
            Its arguments.
        """
        rows = [array[np.newaxis] for array in (theta, gradient, *state)]
        name, rest = self._update(t, learning_rate, decay_mask[np.newaxis])
        return _kernel(name), (*rows, *rest)

    def _update(self, t, learning_rate, decay_mask):
        """Name of the kernel, and its arguments behind the arrays."""
        raise NotImplementedError


class SGD(BaseOptimizer):
    r"""Stochastic gradient descent with momentum [1]_, by default Nesterov's in the form of [2]_.

    .. math::
        v_t &= \mu v_{t-1} - \eta g_t \\
        \theta_t &= \theta_{t-1} + v_t & \text{(plain)} \\
        \theta_t &= \theta_{t-1} + \mu v_t - \eta g_t & \text{(Nesterov)}

    where g is the gradient and :math:`\eta` the learning rate.

    Parameters
    ----------
    momentum : float, default=0.9
        :math:`\mu`, at least 0 and below 1.
    nesterov : bool, default=True
        Whether to use Nesterov momentum.

    References
    ----------
    .. [1] B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational
       Mathematics and Mathematical Physics 4(5), 1964. :doi:`10.1016/0041-5553(64)90137-5`
    .. [2] I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
       learning", ICML, PMLR 28(3), 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.optimizers import SGD
    >>> theta, optimizer = np.array([1.0]), SGD(momentum=0.0)
    >>> optimizer.step(theta, np.array([2.0]), optimizer.start(theta), t=1, learning_rate=0.25)
    >>> theta
    array([0.5])
    """

    n_slots = 1
    _parameter_constraints = {"momentum": [DECAY], "nesterov": ["boolean"]}

    def __init__(self, momentum=0.9, nesterov=True):
        self.momentum = momentum
        self.nesterov = nesterov

    def _update(self, t, learning_rate, decay_mask):
        return "sgd", (learning_rate, float(self.momentum), bool(self.nesterov))


class RMSprop(BaseOptimizer):
    r"""Gradient divided by its moving root mean square [1]_.

    .. math::
        v_t &= \rho v_{t-1} + (1 - \rho) g_t^2 \\
        \theta_t &= \theta_{t-1} - \eta g_t / (\sqrt{v_t} + \epsilon)

    where g is the gradient and :math:`\eta` the learning rate.

    Parameters
    ----------
    rho : float, default=0.9
        Decay rate, at least 0 and below 1.
    epsilon : float, default=1e-8
        Positive constant for numerical stability.

    References
    ----------
    .. [1] T. Tieleman and G. Hinton, "Lecture 6.5, RMSProp",
       COURSERA: Neural Networks for Machine Learning, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.optimizers import RMSprop
    >>> theta, optimizer = np.array([1.0]), RMSprop(rho=0.75)
    >>> optimizer.step(theta, np.array([2.0]), optimizer.start(theta), t=1, learning_rate=0.25)
    >>> theta.round(6)
    array([0.5])
    """

    n_slots = 1
    _parameter_constraints = {"rho": [DECAY], "epsilon": [POSITIVE]}

    def __init__(self, rho=0.9, epsilon=1e-8):
        self.rho = rho
        self.epsilon = epsilon

    def _update(self, t, learning_rate, decay_mask):
        return "rmsprop", (learning_rate, float(self.rho), float(self.epsilon))


class Adam(BaseOptimizer):
    r"""Momentum divided by the root mean square of the gradient, both with bias correction [1]_.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t \\
        v_t &= \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
        \theta_t &= \theta_{t-1} - \eta \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    where g is the gradient and :math:`\eta` the learning rate.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay rate, at least 0 and below 1.
    epsilon : float, default=1e-8
        Positive constant for numerical stability.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization",
       ICLR, 2015. :arxiv:`1412.6980`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.optimizers import Adam
    >>> theta, optimizer = np.array([1.0]), Adam()
    >>> optimizer.step(theta, np.array([2.0]), optimizer.start(theta), t=1, learning_rate=0.25)
    >>> theta.round(6)
    array([0.75])
    """

    n_slots = 2
    _parameter_constraints = {"beta_1": [DECAY], "beta_2": [DECAY], "epsilon": [POSITIVE]}

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        keep(locals())

    def _update(self, t, learning_rate, decay_mask):
        return "adam", (t, learning_rate, float(self.beta_1), float(self.beta_2), float(self.epsilon), 0.0, decay_mask)


class AdamW(BaseOptimizer):
    r"""Adam with decoupled weight decay [1]_.

    .. math::
        \theta'_{t-1} = (1 - \eta \lambda) \, \theta_{t-1}

    followed by a step of :class:`Adam` from :math:`\theta'_{t-1}`, where :math:`\eta` is the learning rate. Biases do
    not decay.

    Parameters
    ----------
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay rate, at least 0 and below 1.
    epsilon : float, default=1e-8
        Positive constant for numerical stability.
    weight_decay : float, default=0.01
        Weight decay :math:`\lambda`, not negative.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization",
       ICLR, 2019. :arxiv:`1711.05101`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.optimizers import AdamW
    >>> theta, optimizer = np.array([1.0]), AdamW(weight_decay=0.4)
    >>> optimizer.step(theta, np.array([0.0]), optimizer.start(theta), t=1, learning_rate=0.25)
    >>> theta
    array([0.9])
    """

    n_slots = 2
    _parameter_constraints = {**Adam._parameter_constraints, "weight_decay": [NOT_NEGATIVE]}

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=0.01):
        keep(locals())

    def _update(self, t, learning_rate, decay_mask):
        constants = float(self.beta_1), float(self.beta_2), float(self.epsilon), float(self.weight_decay)
        return "adam", (t, learning_rate, *constants, decay_mask)


class LBFGS(BaseOptimizer):
    r"""Limited-memory quasi-Newton method, for data sets that fit into one batch [1]_, [2]_.

    .. math::
        \theta_{t+1} = \theta_t - \eta_t H_t g_t

    where g is the gradient, H an approximation of the inverse Hessian from the last steps and gradients, and
    :math:`\eta_t` the result of a line search. There is no learning rate.

    Parameters
    ----------
    memory : int, default=10
        Number of steps that H is computed from, at most 10,000. Each needs the memory of two copies of the weights.

    References
    ----------
    .. [1] D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
       Programming 45, 1989. :doi:`10.1007/BF01589116`
    .. [2] R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound constrained optimization",
       SIAM Journal on Scientific Computing 16(5), 1995. :doi:`10.1137/0916069`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.optimizers import LBFGS
    >>> theta, n_iter, converged, message = LBFGS().minimize(
    ...     lambda theta: (((theta - 3) ** 2).sum(), 2 * (theta - 3)), np.zeros(2), max_iter=100, tol=1e-6
    ... )
    >>> theta.round(3), converged
    (array([3., 3.]), True)
    """

    stochastic = False
    _parameter_constraints = {"memory": [Interval(Integral, 1, 10_000, closed="both")]}

    def __init__(self, memory=10):
        self.memory = memory

    def minimize(self, function, theta, *, max_iter, tol, bounds=(), callback=None):
        """Minimise `function` from `theta`.

        Parameters
        ----------
        function : callable
            ``function(theta) -> (value, gradient)``. `theta` is a float64 array, which is not changed later. The
            gradient may have any float dtype and is copied.
        theta : ndarray of shape (n_parameters,)
            Initial parameters, not changed.
        max_iter : int
            Maximum number of iterations, each of which may call `function` several times.
        tol : float
            Converged if no element of the gradient is larger, or if an iteration improves the value by at most 2.2e-9
            of the value.
        bounds : sequence of (slice, float), default=()
            Slices of `theta`, each with the maximum absolute value of its elements.
        callback : callable, default=None
            ``callback(theta)`` is called after each iteration, and may raise StopIteration to end.

        Returns
        -------
        theta : ndarray of shape (n_parameters,)
            The result, with the dtype of the initial parameters.
        n_iter : int
            Number of iterations.
        converged : bool
            Whether `tol` was reached.
        message : str
            Reason for the end.
        """

        def value_and_gradient(x):
            value, gradient = function(x)
            return float(value), np.array(gradient, dtype=np.float64)

        limits = np.full(len(theta), np.inf)
        for part, limit in bounds:
            limits[part] = limit
        with one_blas_thread:
            result = minimize(
                value_and_gradient,
                np.array(theta, dtype=np.float64),
                method="L-BFGS-B",
                jac=True,
                bounds=Bounds(-limits, limits) if len(bounds) else None,
                callback=callback and (lambda x: callback(x)),  # SciPy passes other things to arguments of some names
                options={"maxcor": self.memory, "maxiter": max_iter, "maxfun": np.inf, "gtol": tol},
            )
        return result.x.astype(theta.dtype), int(result.nit), bool(result.success), str(result.message)


OPTIMIZERS = {"adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "sgd": SGD, "lbfgs": LBFGS}


def get_optimizer(optimizer):
    """Get an optimizer by name, with default parameters; an instance is returned unchanged.

    Parameters
    ----------
    optimizer : str or BaseOptimizer
        A key of `OPTIMIZERS` or an instance.

    Returns
    -------
    BaseOptimizer
        The optimizer.

    Examples
    --------
    >>> from skrnn.optimizers import get_optimizer
    >>> get_optimizer("adam")
    Adam()
    """
    if not isinstance(optimizer, BaseOptimizer):
        return OPTIMIZERS[optimizer]()
    optimizer._validate_params()
    return optimizer
