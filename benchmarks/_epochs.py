"""skrnn's side of a comparison of training steps: epochs, as a fit runs them."""

import numpy as np
from _harness import Contender
from _models import CLIP_NORM, LEARNING_RATE

from skrnn.losses import MultinomialLogLoss
from skrnn.network.shards import ThreadExecutor
from skrnn.optimizers import Adam
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState


class OwnTraining:
    """A fit to the batches of a problem, in their order, which never ends.

    Parameters
    ----------
    problem : Problem
    executor : ThreadExecutor
    """

    def __init__(self, problem, executor):
        self.problem, n = problem, len(problem.labels)
        settings = Settings(
            alpha=0.0,
            batch_size=problem.shape[0],
            learning_rate=LEARNING_RATE,
            max_iter=10**9,
            clip_norm=CLIP_NORM,
            shuffle=False,
            tol=None,
            n_iter_no_change=1,
            n_threads=executor.n_workers,
            verbose=False,
        )
        self._state = TrainingState(problem.theta.copy())
        self.training = Training(problem.network, self._state, problem.data(), MultinomialLogLoss(), None, settings)
        self.training.start(executor, Adam(), np.arange(n), np.arange(0))
        self._epochs = self.training.epochs()

    def epoch(self):
        """Run an epoch; returns its mean loss."""
        return next(self._epochs)

    @property
    def contender(self):
        """An epoch, of which the time of a step is wanted."""
        return Contender(self.epoch, n_steps=self.problem.n_batches)

    @property
    def n_shards(self):
        """Shards of a batch: each is work for one thread."""
        return -(-self.problem.shape[0] // self.training.objective.room.n_sequences)

    @property
    def gradient(self):
        """Gradient of the last step, clipped, by parameter; None where not all of it is kept."""
        network, gradient = self.problem.network, self.training.objective.gradient
        return network.layout.views(gradient) if len(gradient) == network.size else None

    @property
    def change(self):
        """What training has added to the parameters so far."""
        return self.problem.network.layout.views(self._state.theta - self.problem.theta)


def check_same_epoch(problem, model, step):
    """Both sides must do the same arithmetic, or there is nothing to compare.

    Compares loss, the gradient of the last step, and the changes of all parameters, after an epoch of each side.
    """
    before = [(parameter, parameter.detach().numpy().copy()) for parameter, _ in model.pairs(problem.weights)]
    with ThreadExecutor(1) as executor:
        own = OwnTraining(problem, executor)
        value, gradient, change = own.epoch(), own.gradient, own.change
    loss = float(np.mean([step().item() for _ in range(problem.n_batches)]))
    if not np.isclose(value, loss, rtol=1e-4):
        raise RuntimeError(f"skrnn and PyTorch differ: loss {value} and {loss}")
    if gradient is not None:
        for parameter, ours in model.pairs(gradient):
            # Of length 1: the norm that clipping goes by counts both of PyTorch's biases.
            theirs = parameter.grad.numpy()
            _check_close("gradients", ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs), 1e-3)
    for (_, ours), (parameter, start) in zip(model.pairs(change), before, strict=True):
        # Adam makes much of gradients that are almost 0, and steps are small beside the last bits of parameters.
        _check_close("changes of parameters", ours, parameter.detach().numpy() - start, 0.1)


def _check_close(what, ours, theirs, tolerance):
    if not np.linalg.norm(ours - theirs) < tolerance * np.linalg.norm(theirs):
        raise RuntimeError(f"skrnn and PyTorch differ: {what} {ours} and {theirs}")
