"""What stops a fit at a rung, and lets it go on from there."""

from ..callbacks._base import BaseCallback, is_epoch

STOPPED = set()  # tokens of searches of this process that were interrupted: their threads end after an epoch


class KnownError(Exception):
    """Ends a fit before its first epoch, when the number of its epochs is known."""


class Pause(BaseCallback):
    """Ends a fit where a rung says, with the state of training by which a later fit goes on.

    It is asked after all others, so that the state has what they remember; not where one of them ends the fit, which
    is then over for good.

    Parameters
    ----------
    rung : Rung or None
        None ends the fit before its first epoch.
    token : str
        Of the search.

    Attributes
    ----------
    state : dict or None
        The state of training that is reached, in plain values; before the fit, the one to go on from.
    n_epochs, n_most : int
        Epochs that are over, and all of this fit.
    ended, interrupted : bool
        Whether training has come to its end by itself; whether the user has ended it.
    """

    predicts = False  # so a fit that diverges ends where it does without callbacks

    def __init__(self, rung, token):
        self.rung, self.state, self.token = rung, None, token
        self.ended = self.interrupted = self._paused = False

    def training_state(self, estimator, describe):
        """Find the state of training from which `fit` goes on."""
        return self.state

    def on_fit_task_begin(self, estimator, context):
        if not is_epoch(context):
            self.n_most = estimator._training.settings.max_iter
            if self.rung is None:
                raise KnownError

    def on_fit_task_end(self, estimator, context):
        state = estimator._training.state
        if not is_epoch(context):
            if not self._paused:  # else the state has been told that this is the end
                self._reach(state)
            self.interrupted |= estimator._training.interrupted
            return False
        self.interrupted = self.token in STOPPED
        return self.interrupted

    def pauses_search(self, estimator):
        """Whether to end the fit after this epoch, which no other callback has ended."""
        state = estimator._training.state
        # the last epoch ends by itself, with the warnings of a fit that has not converged
        self._paused = not state.ended and self.rung.n_epochs(self.n_most) <= state.n_epochs < self.n_most
        if self._paused:
            self._reach(state)
        return self._paused

    def _reach(self, state):
        self.state, self.n_epochs, self.ended = state.to_plain(), state.n_epochs, state.ended
