"""Mini-batches that hold the rows of tables that they read: what comes out is what comes of all rows."""

import numpy as np
import pytest
from encoders import fit_inputs
from networks import random_network
from numpy.testing import assert_allclose, assert_array_equal

import skrnn.training.epoch
import skrnn.training.tables
from skrnn import SequenceArray
from skrnn.losses import SquaredError
from skrnn.network.data import Data, StreamedData
from skrnn.network.memory import Room
from skrnn.network.shards import ThreadExecutor
from skrnn.optimizers import SGD, Adam, AdamW, RMSprop
from skrnn.schedules import Constant, Cosine, WarmUp
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
TABLES = ((1, 300, 5), (2, 200, 3))  # many more codes than there are in the sequences, whose first channel is a number
SOLVERS = {
    "adam": Adam(),
    "adam, fading soon": Adam(beta_1=0.2, beta_2=0.9),
    "adam, outliving its square": Adam(beta_1=0.9, beta_2=0.5),
    "adamw": AdamW(weight_decay=0.1),
    "rmsprop": RMSprop(),
    "sgd": SGD(),
    "sgd, plain": SGD(nesterov=False),
    "sgd, without momentum": SGD(momentum=0.0),
}
each_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)


class OwnError(SquaredError):
    """A loss that is the user's own, which Python runs."""

    def value_and_gradient(self, *arguments):
        return super().value_and_gradient(*arguments)


class UserSolver(Adam):
    """A solver that is the user's own."""

    def step(self, theta, gradient, state, t, learning_rate, decay_mask=None):
        super().step(theta, gradient, state, t, learning_rate, decay_mask)


def make_data(dtype=np.float32, *, streamed=False, per_step=False, n=60, **encoding):
    """Sequences of a number and two codes, the first of which is rare."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 5, n)
    n_steps = lengths.sum()
    codes = [rng.integers(0, 120, n_steps), rng.zipf(1.3, n_steps) % 90]
    X = SequenceArray(np.column_stack([rng.normal(size=n_steps), *codes]), np.cumsum([0, *lengths]))
    encoder = fit_inputs(X, np.ones(n), categorical=[1, 2], **encoding)
    n_rows = n_steps if per_step else n
    weight = rng.uniform(0.5, 2, n_rows) * (np.arange(n_rows) % 20 < 19)
    given = ((X[:20], X[20:]), 1) if streamed else (X, 2**30)
    data = Data.of(given[0], encoder, dtype, rng.normal(size=(n_rows, 1)), weight, given[1])
    assert isinstance(data, StreamedData) == streamed
    return data


def make_training(data, state=None, loss=None, *, schedule=None, n_threads=1, tables=TABLES, n_epochs=3, **changes):
    settings = {"alpha": 0.1, "batch_size": 8, "learning_rate": 0.05, "clip_norm": np.inf, "truncation": None}
    options = {name: changes.pop(name) for name in list(changes) if name not in settings}
    settings |= changes
    rest = {"max_iter": n_epochs, "shuffle": True, "tol": None, "n_iter_no_change": 10, "verbose": False}
    rest |= {"n_threads": n_threads, "schedule": schedule or Cosine()}
    rng = np.random.default_rng(1)
    n_inputs = 1 + max(channel for channel, *_ in tables)
    network, theta = random_network(rng, "gru", n_inputs, (4,), 1, data.dtype, embeddings=tables, **options)
    state = state or TrainingState(theta, 7)
    return Training(network, state, data, loss or SquaredError(), None, Settings(**settings, **rest))


def epochs(training, solver, n=3):
    """The state after some epochs."""
    rows = np.arange(len(training.data.lengths))
    with ThreadExecutor(training.settings.n_threads) as executor:
        training.start(executor, solver, rows, rows[:0])
        run = training.epochs()
        for _ in range(n):
            next(run)
    return training.state


def both(monkeypatch, data, solver, **options):
    """States that are reached with all rows, and with those of a batch only."""
    training = make_training(data, **options)
    state = epochs(training, solver)
    assert training.objective.network is not training.network
    assert training.objective.network.size < training.network.size
    with monkeypatch.context() as context:
        context.setattr(skrnn.training.tables, "WORTHWHILE", np.inf)
        training = make_training(data, **options)
        expected = epochs(training, solver)
        assert training.objective.network is training.network
    return expected, state


def assert_equal_states(expected, state):
    for name in ("theta", "safe_theta", "older_theta"):
        assert_array_equal(getattr(expected, name), getattr(state, name), err_msg=name)
    for k, (slot, other) in enumerate(zip(expected.slots, state.slots, strict=True)):
        assert_array_equal(slot, other, err_msg=f"slot {k}")
    assert expected.n_updates == state.n_updates
    assert_allclose(expected.loss_curve, state.loss_curve, rtol=1e-12)
    assert_allclose(expected.gradient_norms, state.gradient_norms, rtol=1e-6)


# -------------------------------------------------------------------------------------------------- equal to all rows
@each_solver
@pytest.mark.small
def test_equals_all_rows(monkeypatch, solver):
    assert_equal_states(*both(monkeypatch, make_data(), solver))


KINDS = {
    "double": ({"dtype": np.float64}, {}),
    "constant rate": ({}, {"schedule": WarmUp()}),
    "dropout": ({}, {"input_dropout": 0.3, "dropout": 0.2, "recurrent_dropout": 0.1}),
    "both directions": ({}, {"bidirectional": True, "pooling": "attention"}),
    "targets per step": ({"per_step": True}, {"pooling": "steps"}),
    "pieces": ({"per_step": True}, {"pooling": "steps", "truncation": 2}),
    "last steps": ({}, {"truncation": 2}),
    "own loss": ({}, {"loss": OwnError()}),
    "streamed": ({"streamed": True}, {}),
    "streamed pieces": ({"streamed": True, "per_step": True}, {"pooling": "steps", "truncation": 2}),
    "decay": ({"missing": "decay"}, {"decay": True, "tables": ((3, 300, 5), (4, 200, 3))}),
    "one table of two is large": ({}, {"tables": ((1, 3000, 5), (2, 91, 3))}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", [Adam(), SGD()], ids=["adam", "sgd"])
def test_whatever_the_network_and_the_data(monkeypatch, kind, solver):
    of_data, options = KINDS[kind]
    assert_equal_states(*both(monkeypatch, make_data(**of_data), solver, **options))


@pytest.mark.parametrize("streamed", [False, True])
def test_in_segments(monkeypatch, streamed):
    """Shards of few steps at a time."""
    monkeypatch.setattr("skrnn.training.objective.room_of_training", lambda *_: Room(8, 10, 10**6))
    expected, state = both(monkeypatch, make_data(streamed=streamed), Adam())
    assert_equal_states(expected, state)


def test_clipped(monkeypatch):
    """The norm adds up in another order."""
    expected, state = both(monkeypatch, make_data(np.float64), Adam(), clip_norm=0.01)
    assert max(state.gradient_norms) > 0.01
    assert_allclose(state.theta, expected.theta, rtol=1e-9, atol=1e-12)


def test_other_rows_stay_as_they_are(monkeypatch):
    data = make_data()
    training = make_training(data)
    before = {name: view.copy() for name, view in training.network.layout.views(training.state.theta).items()}
    after = training.network.layout.views(epochs(training, Adam()).theta)
    counts = np.repeat(data.weight > 0, data.lengths)
    for channel, n_codes, _ in TABLES:
        name, is_seen = f"embedding.{channel}", np.isin(np.arange(n_codes), data.values[counts, channel].astype(int))
        assert 50 < is_seen.sum() < n_codes
        assert_array_equal(before[name][~is_seen], after[name][~is_seen])
        assert (before[name][is_seen] != after[name][is_seen]).any(axis=1).all()


@pytest.mark.parametrize("options", [{}, {"input_dropout": 0.3, "bidirectional": True}], ids=["plain", "noisy"])
def test_same_bits_for_any_number_of_threads(monkeypatch, options):
    monkeypatch.setattr(skrnn.training.epoch, "WORK_PER_WORKER", 1.0)
    data = make_data(n=200)
    options = options | {"batch_size": 64, "tables": ((1, 3000, 5), (2, 2000, 3))}
    states = [epochs(make_training(data, n_threads=n, **options), Adam()) for n in (1, 2, 3, 8)]
    for state in states[1:]:
        assert_equal_states(states[0], state)


# ---------------------------------------------------------------------------------------------- when it is worthwhile
def test_memory_of_a_batch_does_not_depend_on_how_many_codes_there_are():
    sizes = set()
    for n_codes in (1000, 100_000):
        training = make_training(make_data(), tables=((1, n_codes, 5), (2, 200, 3)))
        epochs(training, Adam(), 1)
        sizes.add((training.objective.theta.size, training.objective.batch.gradients.rows.size))
    assert len(sizes) == 1


@pytest.mark.parametrize(("tables", "solver"), [(((1, 130, 5), (2, 91, 3)), Adam()), (TABLES, UserSolver())])
def test_small_tables_and_solvers_of_users_have_all_rows(tables, solver):
    training = make_training(make_data(), tables=tables, batch_size=40)
    epochs(training, solver, 1)
    assert training.objective.network is training.network


# ------------------------------------------------------------------------------------------------ resumed, interrupted
@each_solver
def test_resumed(solver):
    """From what a checkpoint holds after an epoch."""
    expected = epochs(make_training(make_data()), solver)
    training = make_training(make_data())
    state = TrainingState.from_plain(epochs(training, solver, 1).to_plain(), training.network)
    assert_equal_states(expected, epochs(make_training(make_data(), state), solver, 2))


def interrupted(monkeypatch, after, error, data=None, part=None):
    """The state of a run whose second epoch has ended after so many updates; in Python, which stops anywhere.

    part : the part of the program `start` before which it stops; None: before the first. For streamed data.
    """
    run, calls = skrnn.training.objective.Objective.run, []

    def run_or_stop(self, piece, seed=None):
        calls.append(0)
        if len(calls) == 8 + after + 1 and part is None:
            raise error
        if len(calls) == 8 + after + 1:
            parts = self.start._parts

            def stop():
                raise error

            parts[part % len(parts)] = stop
        run(self, piece, seed)

    with monkeypatch.context() as context:
        context.setattr(skrnn.training.objective.Objective, "run", run_or_stop)
        training = make_training(make_data() if data is None else data, loss=OwnError())
        with pytest.raises(type(error)):
            epochs(training, Adam())
    return training.state


@pytest.mark.parametrize("after", [0, 1, 5])
def test_interrupted(monkeypatch, after):
    """The parameters are those before the last update, and what the solver remembers is up to date."""
    state = interrupted(monkeypatch, after, KeyboardInterrupt())
    monkeypatch.setattr(skrnn.training.tables, "WORTHWHILE", np.inf)
    expected = interrupted(monkeypatch, after, KeyboardInterrupt())
    assert_equal_states(expected, state)


@pytest.mark.parametrize("part", range(28))
def test_interrupted_while_rows_are_exchanged(monkeypatch, part):
    """Whatever has been exchanged by then; codes of streamed data are found by Python, between kernels."""
    data = make_data(streamed=True)
    state = interrupted(monkeypatch, 3, KeyboardInterrupt(), data, part)
    monkeypatch.setattr(skrnn.training.tables, "WORTHWHILE", np.inf)
    assert_equal_states(interrupted(monkeypatch, 3, KeyboardInterrupt(), data), state)


def test_diverged_after_rows_were_taken(monkeypatch):
    """By the driver, in the middle of an epoch: rows of the next batch have moved on."""
    states = []
    for worthwhile in (2, np.inf):
        monkeypatch.setattr(skrnn.training.tables, "WORTHWHILE", worthwhile)
        training, rows = (
            make_training(make_data(), schedule=Constant(), learning_rate=1e3, batch_size=4),
            np.arange(60),
        )
        assert "diverged" in training.run(SGD(), rows, rows[:0])
        assert training.state.n_updates > 1
        states.append(training.state)
    assert_array_equal(states[0].safe_theta, states[1].safe_theta)
    assert_array_equal(states[0].theta, states[1].theta)


def test_diverged(monkeypatch):
    """Back to the parameters before the update whose loss was not finite."""
    data = make_data()
    data.target[30] = 1e30  # squares overflow
    states = []
    for worthwhile in (2, np.inf):
        monkeypatch.setattr(skrnn.training.tables, "WORTHWHILE", worthwhile)
        training = make_training(data)
        rows = np.arange(len(data.lengths))
        assert "diverged" in training.run(Adam(), rows, rows[:0])
        states.append(training.state)
    assert np.isfinite(states[0].theta).all()
    assert_equal_states(*states)
