"""Rows of tables: which ones a batch reads, moving them, and the updates that they have missed."""

import numpy as np
import pytest
from kernels import call
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.kernels import tables
from skrnn.kernels.fronts import translate
from skrnn.optimizers import SGD, Adam, AdamW, RMSprop
from skrnn.training.missed import can_wait, keep_calls, make_up_call

SOLVERS = {
    "adam": Adam(),
    "adam, fading at once": Adam(beta_1=0.0, beta_2=0.9),
    "adam, fading soon": Adam(beta_1=0.2, beta_2=0.9),
    "adam, outliving its square": Adam(beta_1=0.9, beta_2=0.5),
    "adamw": AdamW(),
    "rmsprop": RMSprop(),
    "rmsprop, fading soon": RMSprop(rho=0.3),
    "sgd": SGD(),
    "sgd, plain, fading soon": SGD(momentum=0.4, nesterov=False),
    "sgd, without momentum": SGD(momentum=0.0),
}
pytestmark = pytest.mark.small
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@each_dtype
@pytest.mark.parametrize("D", [1, 3, 17, 64])
def test_collect_and_move(dtype, D):
    rng = np.random.default_rng(D)
    lengths = np.array([3, 1, 4, 2])
    begins, values = np.cumsum(lengths) - lengths, rng.integers(0, 9, (10, 2)).astype(dtype)
    slots, codes, count = np.full((1, 9), 5, dtype), np.full(9, 7), np.zeros(1, np.int64)
    tables.collect_codes(np.array([2, 0]), begins, lengths, values, 1, slots, codes, count)
    read = values[[4, 5, 6, 7, 0, 1, 2], 1].astype(int)
    expected = list(dict.fromkeys(read.tolist()))
    n = count[0]
    assert codes[:n].tolist() == expected
    assert (codes[n:] == 7).all()
    of_steps = np.column_stack([np.full(7, 8), read]).astype(dtype)
    call(translate, of_steps, 1, 7, slots)
    assert_array_equal(codes[of_steps[:, 1].astype(int)], read)
    assert_array_equal(of_steps[:, 0], 8)

    tables.collect_codes(np.array([1, 2]), begins, lengths, values, 1, slots, codes, count)  # go on
    assert codes[: count[0]].tolist() == list(dict.fromkeys([*expected, int(values[3, 1])]))

    table, held = rng.normal(size=(9, D)).astype(dtype), np.zeros((5, D), dtype)
    call(tables.take_rows, table, codes[:3], held)
    assert_array_equal(held, np.concatenate([table[codes[:3]], np.zeros((2, D))]))
    before = table.copy()
    call(tables.put_rows, -held, codes[:3], table)
    assert_array_equal(table[codes[:3]], -before[codes[:3]])
    assert_array_equal(np.delete(table, codes[:3], 0), np.delete(before, codes[:3], 0))


@each_dtype
@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize("missed", [0, 1, 17, 18, 100])
def test_missed_updates(dtype, solver, missed):
    """Bits of steps for gradients of 0, until nothing moves; no other row is touched."""
    rng, n_seen, D = np.random.default_rng(missed), 3, 19
    rates = rng.uniform(0.001, 0.01, n_seen + missed)
    arrays = [rng.normal(size=(4, D)).astype(dtype) for _ in range(1 + solver.n_slots)]
    arrays[1:] = [np.zeros((4, D), dtype) for _ in arrays[1:]]
    scales = np.zeros((len(rates), 2))
    for t, rate in enumerate(rates, start=1):
        for kernel, arguments in keep_calls(solver, t, t, rate, scales):
            call(kernel, *arguments)

    def step(t, gradient):
        flat = [array.reshape(-1) for array in arrays]
        solver.step(flat[0], gradient, flat[1:], t, rates[t - 1], np.zeros_like(flat[0]))

    for t in range(1, n_seen + 1):
        step(t, rng.normal(size=4 * D).astype(dtype))
    given = [array.copy() for array in arrays]
    for t in range(n_seen + 1, n_seen + missed + 1):
        step(t, np.zeros(4 * D, dtype))

    last, codes = np.full(4, n_seen), np.array([2, 0])
    kernel, arguments = make_up_call(solver, given, last, codes, n_seen + missed, scales)
    before, n_each = [array.copy() for array in given], arguments[len(given) + 3]
    call(kernel, *arguments)
    assert_array_equal(last, [n_seen + missed, n_seen, n_seen + missed, n_seen])
    for array, was, expected in zip(given, before, arrays, strict=True):
        assert_array_equal(array[[1, 3]], was[[1, 3]])
        if missed <= n_each and solver is not SOLVERS["adam, fading at once"]:  # whose mean is 0 at once
            assert_array_equal(array[codes], expected[codes])
        else:
            assert_allclose(array[codes], expected[codes], rtol=100 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)
    # Parameters do not tell what has been left out.
    assert_allclose(given[0][codes], arrays[0][codes], rtol=np.finfo(dtype).eps / 2, atol=0)


def test_rows_that_are_ahead_wait():
    solver, given, last = SGD(), [np.ones((1, 3)), np.ones((1, 3))], np.array([5])
    kernel, arguments = make_up_call(solver, given, last, np.array([0]), 4, np.zeros((9, 2)))
    call(kernel, *arguments)
    assert_array_equal(given, np.ones((2, 1, 3)))
    assert last[0] == 5


def test_who_can_wait():
    class Own(Adam):
        def step(self, theta, gradient, state, t, learning_rate, decay_mask=None):
            theta -= learning_rate * gradient

    assert all(can_wait(solver) for solver in SOLVERS.values())
    assert not can_wait(Own())
