"""Predictions as programs that are kept: always of the weights at hand, the same by the driver and in Python."""

import gc
import sys
import threading
import weakref
from functools import partial

import numpy as np
import pytest
from networks import CELLS, EVERYTHING, as_data, problem, random_sequences
from numba.core import config
from numpy.testing import assert_array_equal

import skrnn.network.inference
import skrnn.network.shards
from skrnn.network.inference import RAW, Predictor
from skrnn.network.network import Network
from skrnn.network.shards import ThreadExecutor
from skrnn.network.workspace import Workspace

compiled_only = pytest.mark.skipif(config.DISABLE_JIT, reason="there is no driver without compiled code")
problem = partial(problem, dtype=np.float32)
LENGTHS = [5, 1, 8, 3, 3, 12, 2] * 6


def raw(network, theta, data, n_threads=1, indices=None):
    with ThreadExecutor(n_threads) as executor:
        return Predictor(network, theta, data, executor).predict_raw(indices)


def everything(predictor):
    """All that a predictor can say, by name."""
    results = {"raw": predictor.predict_raw(), "pooled": predictor.pooled(["last", "max", "mean"])}
    results |= {f"states {k}": states for k, states in enumerate(predictor.hidden_states())}
    if predictor.network.structure.pooling == "attention":
        results |= {f"weights {k}": weights for k, weights in enumerate(predictor.attention())}
    return results


def assert_equal_results(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert_array_equal(found[name], array, err_msg=name)


# --------------------------------------------------------------------------------------------------------- weights
@pytest.mark.parametrize("cell", ["lstm", "indrnn"])
@pytest.mark.parametrize("lengths", [[7], LENGTHS], ids=["one", "many"])
def test_changed_weights_are_noticed(cell, lengths):
    """In place, by another array, by one that cannot be written to, and behind a view that cannot."""
    network, theta, sequences, _ = problem(cell, lengths)
    data, view = as_data(sequences), theta.view()
    view.flags.writeable = False

    def check(given):
        fresh = Network(network.structure)
        assert_array_equal(raw(network, given, data), raw(fresh, given.copy(), data))

    check(theta)
    for place in (0, theta.size // 2, -1):
        theta[place] += 0.5
        check(theta)
        theta[place] -= 0.25
        check(view)
    for factor in (1.5, 0.5):
        fixed = theta * np.float32(factor)
        fixed.flags.writeable = False
        check(fixed)
        check(fixed)
        check(theta)
    theta[:] = 0
    check(theta)


def test_weights_that_have_to_be_converted():
    """The copy lives until they are packed."""
    network, theta, sequences, _ = problem("gru", [5, 3], hidden=(40,))
    expected = raw(network, theta, as_data(sequences))
    for given in (theta.astype(np.float64), np.repeat(theta, 2)[::2], theta.astype(">f4")):
        for _ in range(10):
            assert_array_equal(raw(network, given, as_data(sequences)), expected)
            assert_array_equal(raw(network, -given, as_data(sequences)), raw(network, -theta, as_data(sequences)))


def test_weights_that_become_nan_and_finite_again():
    network, theta, sequences, _ = problem("gru", LENGTHS)
    data = as_data(sequences)
    expected, kept = raw(network, theta, data), theta[3]
    theta[3] = np.nan
    assert np.isnan(raw(network, theta, data)).all()
    theta[3] = kept
    assert_array_equal(raw(network, theta, data), expected)


def test_first_weights_are_packed_whatever_they_are():
    """Also those that look like memory that nobody has written to."""
    network, theta, sequences, _ = problem("lstm", [4, 2], dtype=np.float64)
    for first in (np.zeros_like(theta), np.full_like(theta, np.nan)):
        fresh = Network(network.structure)
        found = raw(fresh, first, as_data(sequences))
        assert_array_equal(found, np.broadcast_to(first[0], found.shape))


# ------------------------------------------------------------------------------------------------ driver and Python
@compiled_only
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options",
    [{}, {"pooling": "steps", "bidirectional": True}, EVERYTHING],
    ids=["plain", "steps", "everything"],
)
def test_the_driver_gives_the_bits_of_python(cell, options, monkeypatch):
    monkeypatch.setattr(skrnn.network.shards, "WORK_PER_THREAD", 1.0)
    network, theta, sequences, _ = problem(cell, LENGTHS, **options)
    data = as_data(sequences)
    with ThreadExecutor(3) as executor:
        predictor = Predictor(network, theta, data, executor)
        driven = everything(predictor)
        monkeypatch.setattr(skrnn.network.inference, "IS_COMPILED", False)
        assert_equal_results(everything(predictor), driven)
        monkeypatch.setattr(skrnn.network.inference, "IS_COMPILED", True)  # in memory that Python has used
        assert_equal_results(everything(predictor), driven)


@pytest.mark.parametrize("pooling", ["mean", "steps"])
def test_rows_come_in_the_order_that_is_asked_for(pooling):
    network, theta, sequences, _ = problem("gru", LENGTHS, pooling=pooling)
    data, rng = as_data(sequences), np.random.default_rng(0)
    everyone = raw(network, theta, data)
    rows = np.split(everyone, data.offsets[1:-1]) if pooling == "steps" else everyone[:, np.newaxis]
    for n in (1, 2, 20, len(LENGTHS)):
        indices = rng.permutation(len(LENGTHS))[:n]
        assert_array_equal(raw(network, theta, data, indices=indices), np.concatenate([rows[i] for i in indices]))


def test_kinds_of_results_do_not_share_memory():
    network, theta, sequences, _ = problem("gru", LENGTHS, pooling="attention")
    data = as_data(sequences)
    with ThreadExecutor(1) as executor:
        for _ in range(2):
            found = everything(Predictor(network, theta, data, executor))
            for name, array in found.items():
                fresh = Predictor(Network(network.structure), theta, data, executor)
                if name == "raw":
                    assert_array_equal(array, fresh.predict_raw())
                elif name == "weights 0":
                    assert_array_equal(array, fresh.attention()[0])
                    assert abs(array.sum() - 1) < 1e-5


# ------------------------------------------------------------------------------------------------------ what is kept
def count_calls(function):
    """Calls of functions, of Python and of C, that a call makes."""
    n, profile = 0, sys.getprofile()

    def count(frame, event, argument):
        nonlocal n
        n += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(profile)
    return n


@compiled_only
def test_python_does_the_same_little_for_one_sequence_and_for_many():
    network, theta, sequences, _ = problem("lstm", [7] * 500)
    one, many = as_data(sequences[:1]), as_data(sequences)
    with ThreadExecutor(1) as executor:
        runs = [Predictor(network, theta, data, executor).predict_raw for data in (many, one)]
        for run in runs:
            run()
        for_many, for_one = map(count_calls, runs)
    assert for_one < 60
    assert for_many < for_one + 10


def test_memory_is_made_for_few_lengths(monkeypatch):
    made, make = [], Workspace.__init__
    monkeypatch.setattr(Workspace, "__init__", lambda self, *given: made.append(given) or make(self, *given))
    network, theta, sequences, _ = problem("elman", range(1, 65))
    for k in range(64):
        raw(network, theta, as_data(sequences), indices=np.array([k]))
    assert len(made) <= 7  # 1, 2, 4, ... steps


def test_little_work_wakes_no_thread(monkeypatch):
    network, theta, sequences, _ = problem("gru", LENGTHS)
    data = as_data(sequences)
    expected = raw(network, theta, data)
    monkeypatch.delattr("skrnn._core.threads.Thread")
    assert_array_equal(raw(network, theta, data, n_threads=8), expected)


def test_memory_goes_with_the_network():
    network, theta, sequences, _ = problem("gru", LENGTHS)
    raw(network, theta, as_data(sequences))
    kept = weakref.ref(network.memory.spare[RAW][0])
    gc.disable()
    try:
        del network
        assert kept() is None
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------------------------------ faults
@compiled_only
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_memory_of_a_prediction_that_was_stopped_is_not_used_again(error, monkeypatch):
    network, theta, sequences, _ = problem("gru", LENGTHS)
    data = as_data(sequences)
    expected = raw(network, theta, data)
    before = network.memory.spare[RAW][0]

    def stop(address):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("skrnn.kernels.driver.lead", stop)
        with pytest.raises(error):
            raw(network, theta, data)
    assert_array_equal(raw(network, theta, data), expected)
    assert network.memory.spare[RAW][0] is not before


def test_many_threads_predict_with_one_network(monkeypatch):
    """Each with weights and sequences of its own, some with threads of their own."""
    monkeypatch.setattr(skrnn.network.shards, "WORK_PER_THREAD", 1e4)
    network, theta, _, _ = problem("gru", [1], hidden=(9,))
    rng, wrong = np.random.default_rng(0), []
    cases = []
    for _ in range(6):
        data = as_data(random_sequences(rng, rng.integers(1, 15, 40), 3, np.float32))
        own = (theta * rng.uniform(0.5, 1.5)).astype(np.float32)
        cases.append((own, data, raw(Network(network.structure), own, data)))

    def predict(k):
        for n in range(40):
            own, data, expected = cases[(k + n) % len(cases)]
            if not np.array_equal(raw(network, own, data, n_threads=1 + n % 3), expected):
                wrong.append((k, n))

    threads = [threading.Thread(target=predict, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
