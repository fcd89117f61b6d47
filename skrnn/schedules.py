"""Learning rate schedules.

Select a schedule by name or pass an instance, for example ``RNNClassifier(learning_rate=Cosine(warmup=0.1))``. A
schedule is a function of the progress and the scores of training, and has no state, so that an interrupted and resumed
run has the same learning rates as an uninterrupted one.
"""

import math
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from ._core.parameters import PlainEstimator, keep

SHARE = Interval(Real, 0, 1, closed="left")
LITTLE = 0.1  # part of the learning rate with which training hardly changes anything any more


class BaseSchedule(PlainEstimator):
    """Base class of schedules.

    A custom schedule derives from this class and overrides `factor`.

    Attributes
    ----------
    needs_end : bool
        Whether `factor` depends on `progress`, so that the number of epochs must be known. `partial_fit`, which has no
        last epoch, then uses a constant learning rate.
    anneals : bool
        Whether the learning rate is almost 0 after the last epoch. Training is then complete after all epochs, and does
        not warn that the loss is still falling.
    """

    needs_end = False
    anneals = False
    _parameter_constraints = {}

    def factor(self, progress, watched):
        """Compute the factor of the learning rate.

        Parameters
        ----------
        progress : float
            Share of training that is complete, at least 0 and below 1, also within an epoch.
        watched : list of float
            Score after each epoch, higher is better: the score on held-out sequences, or minus the loss.

        Returns
        -------
        float
            The factor, not negative.
        """
        raise NotImplementedError


class Constant(BaseSchedule):
    """Constant learning rate.

    Examples
    --------
    >>> from skrnn.schedules import Constant
    >>> Constant().factor(0.5, [])
    1.0
    """

    def factor(self, progress, watched):
        return 1.0


class WarmUp(BaseSchedule):
    """Learning rate that rises linearly from 0, and then is constant.

    Parameters
    ----------
    warmup : float, default=0.05
        Share of epochs in which the learning rate rises.

    Examples
    --------
    >>> from skrnn.schedules import WarmUp
    >>> [WarmUp(warmup=0.5).factor(progress, []) for progress in (0, 0.25, 0.75)]
    [0.0, 0.5, 1.0]
    """

    needs_end = True
    _parameter_constraints = {"warmup": [SHARE]}

    def __init__(self, warmup=0.05):
        self.warmup = warmup

    def factor(self, progress, watched):
        return _rise(progress, self.warmup)


class _Falling(BaseSchedule):
    """A learning rate that falls from its largest value to `final` along half a cosine, after a `warmup`."""

    needs_end = True

    @property
    def anneals(self):
        """Whether little of the learning rate is left at the end."""
        return self.final <= LITTLE

    def factor(self, progress, watched):
        if progress < self.warmup:
            return self._rise(progress)
        return _fall(1.0, self.final, (progress - self.warmup) / (1 - self.warmup))


class Cosine(_Falling):
    r"""Learning rate that falls along half a cosine [1]_.

    .. math:: \frac{\eta}{\eta_0} = f + (1 - f) \frac{1 + \cos \pi p}{2}

    where p is the progress after the warm-up, from 0 to 1.

    Parameters
    ----------
    warmup : float, default=0.05
        Share of epochs in which the learning rate rises linearly from 0, before it falls.
    final : float, default=0.0
        Final share f of the learning rate.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR, 2017.
       :arxiv:`1608.03983`

    Examples
    --------
    >>> from skrnn.schedules import Cosine
    >>> [round(Cosine(warmup=0.0).factor(progress, []), 3) for progress in (0, 0.5, 0.9)]
    [1.0, 0.5, 0.024]
    """

    _parameter_constraints = {"warmup": [SHARE], "final": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, warmup=0.05, final=0.0):
        self.warmup = warmup
        self.final = final

    def _rise(self, progress):
        return _rise(progress, self.warmup)


class OneCycle(_Falling):
    """Learning rate that rises to its maximum and falls to almost 0, each along half a cosine [1]_.

    Parameters
    ----------
    warmup : float, default=0.3
        Share of epochs in which the learning rate rises.
    initial : float, default=0.04
        Initial share of the learning rate.
    final : float, default=0.0
        Final share of the learning rate.

    References
    ----------
    .. [1] L. N. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning
       rates", 2018. :arxiv:`1708.07120`

    Examples
    --------
    >>> from skrnn.schedules import OneCycle
    >>> [round(OneCycle().factor(progress, []), 3) for progress in (0, 0.15, 0.3, 0.65)]
    [0.04, 0.52, 1.0, 0.5]
    """

    _parameter_constraints = {"warmup": [SHARE], "initial": [SHARE], "final": [SHARE]}

    def __init__(self, warmup=0.3, initial=0.04, final=0.0):
        keep(locals())

    def _rise(self, progress):
        return _fall(self.initial, 1.0, progress / self.warmup)


class Plateau(BaseSchedule):
    """Learning rate that is reduced whenever the validation score or the loss stops improving.

    Parameters
    ----------
    reduction : float, default=0.5
        Factor of each reduction.
    patience : int, default=5
        Number of epochs without improvement before a reduction. It should be less than half of `n_iter_no_change` of
        the estimator, which ends training.
    tol : float, default=1e-4
        Minimum improvement.

    Examples
    --------
    >>> from skrnn.schedules import Plateau
    >>> Plateau(patience=2).factor(0.5, [-1.0, -0.7, -0.7, -0.7])
    0.5
    """

    _parameter_constraints = {
        "reduction": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, reduction=0.5, patience=5, tol=1e-4):
        keep(locals())

    def factor(self, progress, watched):
        best, n_idle, n_cuts = -math.inf, 0, 0
        for value in watched:
            if value > best + self.tol:
                best, n_idle = value, 0
                continue
            n_idle += 1
            if n_idle == self.patience:
                n_cuts, n_idle = n_cuts + 1, 0
        return float(self.reduction**n_cuts)


def _rise(progress, warmup):
    """From 0 to 1 in a straight line over the first `warmup` of training."""
    return min(progress / warmup, 1.0) if warmup else 1.0


def _fall(first, last, progress):
    """From `first` to `last` along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


SCHEDULES = {"constant": Constant, "warmup": WarmUp, "cosine": Cosine, "one_cycle": OneCycle, "plateau": Plateau}


def get_schedule(schedule):
    """Get a schedule by name, with default parameters; an instance is returned unchanged.

    Parameters
    ----------
    schedule : str or BaseSchedule
        A key of `SCHEDULES` or an instance.

    Returns
    -------
    BaseSchedule
        The schedule.

    Examples
    --------
    >>> from skrnn.schedules import get_schedule
    >>> get_schedule("cosine")
    Cosine()
    """
    if not isinstance(schedule, BaseSchedule):
        return SCHEDULES[schedule]()
    schedule._validate_params()
    return schedule
