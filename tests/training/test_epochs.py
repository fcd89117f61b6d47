"""The loop over epochs as an iterator, on an executor that is given to it."""

import numpy as np
from networks import as_data, random_network, random_sequences
from numpy.testing import assert_array_equal

from skrnn.losses import SquaredError
from skrnn.network.shards import ThreadExecutor
from skrnn.optimizers import Adam
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState

ROWS, NOBODY = np.arange(40), np.arange(0)


def training(seed):
    """A run of three epochs that has not begun."""
    rng = np.random.default_rng(seed)
    network, theta = random_network(rng, "gru", 2, (4,), 1, dropout=0.2)
    data = as_data(random_sequences(rng, [6, 3] * 20, 2), rng.normal(size=(40, 1)))
    settings = Settings(0.0, 8, 0.01, 3, np.inf, True, 0.0, 10, 1, False)
    return Training(network, TrainingState(theta, seed), data, SquaredError(), None, settings)


def test_runs_take_turns_on_one_executor():
    """An epoch of one, an epoch of the other, to the same bits as one after the other."""
    expected, runs = [training(1), training(2)], [training(1), training(2)]
    for run in expected:
        run.run(Adam(), ROWS, NOBODY)
    with ThreadExecutor(1) as executor:
        for run in runs:
            run.start(executor, Adam(), ROWS, NOBODY)
        losses = list(zip(*(run.epochs() for run in runs), strict=True))
    for run, of_run, alone in zip(runs, zip(*losses, strict=True), expected, strict=True):
        assert list(of_run) == run.state.loss_curve == alone.state.loss_curve
        assert_array_equal(run.state.theta, alone.state.theta)


def test_an_iterator_goes_no_further_than_it_is_asked():
    run = training(3)
    with ThreadExecutor(1) as executor:
        run.start(executor, Adam(), ROWS, NOBODY)
        next(run.epochs())
    assert run.state.n_epochs == 1
