"""Rows of tables: those that a batch reads, and what a solver does to all others, when somebody asks for them.

A row whose code is not in a batch has gradient 0. A solver moves it all the same, by what it remembers, but what comes
of it depends on nobody else, so it may wait. What has been missed is made up for row by row, in registers.
"""

from ._jit import VECTOR_BYTES, kernel, stage
from .denormals import flush_denormals, restore_denormals
from .lanes import load, max_lanes, store
from .updates import adam_scales, adam_step, sgd_step


# ------------------------------------------------------------------------------------------------ the rows of a batch
@kernel
def collect_codes(rows, begins, lengths, values, channel, slots, codes, count):
    """Add to `codes` those of the steps of sequences `rows` that are not there, in order of their first appearance.

    count[0] is their number. slots[0, c] becomes the place of code c; for all others it may hold anything.
    """
    n = count[0]
    for i in range(rows.shape[0]):
        begin = begins[rows[i]]
        for q in range(begin, begin + lengths[rows[i]]):
            code = int(values[q, channel])
            slot = int(slots[0, code])
            if slot >= n or codes[slot] != code:
                slots[0, code], codes[n] = n, code
                n += 1
    count[0] = n


@stage
def take_rows(table, codes, held):
    """held[i] = table[codes[i]]."""
    lanes, D = VECTOR_BYTES // table.itemsize, table.shape[1]
    for i in range(codes.shape[0]):
        for j in range(0, D, lanes):
            store(held, i, j, D - j, load(table, codes[i], j, D - j))


@stage
def put_rows(held, codes, table):
    """table[codes[i]] = held[i]."""
    lanes, D = VECTOR_BYTES // table.itemsize, table.shape[1]
    for i in range(codes.shape[0]):
        for j in range(0, D, lanes):
            store(table, codes[i], j, D - j, load(held, i, j, D - j))


@stage
def let_wait(codes, last, now, counts):
    """The rows of `codes` are as they should be after `now` updates, and no longer held."""
    for i in range(codes.shape[0]):
        last[codes[i]] = now
    for k in range(counts.shape[0]):
        counts[k] = 0


@stage
def say_taken(counts, k):
    """What was taken of the codes that were collected stands where ``counts[k]`` is about."""
    counts[k] = counts[0]


@stage
def subtract_one(number, out):
    """out[0] = number - 1."""
    out[0] = number - 1


@stage
def keep_codes(codes, kept, n_kept):
    """Remember the rows that are held."""
    for i in range(codes.shape[0]):
        kept[i] = codes[i]
    n_kept[0] = codes.shape[0]


# -------------------------------------------------------------------------------------------------- missed updates
# last[c] is the number of updates that row c has seen, of `now`. The first `n_each` of the others are made one by one,
# with the bits of a step for a gradient of 0; of what is left, only the decays, as powers.
@stage
def keep_scales(t, n_updates, learning_rate, scales, beta_1, beta_2):
    """Remember the factors of step t, which is the last of `n_updates`."""
    scales[n_updates - 1, 0], scales[n_updates - 1, 1] = adam_scales(t, learning_rate, beta_1, beta_2)


@stage
def make_up_sgd(table, velocity, last, codes, now, n_each, momentum, nesterov):
    """Missed steps of `SGD`."""
    lanes, D = VECTOR_BYTES // table.itemsize, table.shape[1]
    mode = flush_denormals()
    for i in range(codes.shape[0]):
        row = codes[i]
        n_missed = now - int(last[row])
        n = max(0, min(n_missed, n_each))
        for j in range(0, D, lanes):
            x, v = load(table, row, j, D - j), load(velocity, row, j, D - j)
            g = x - x
            for _ in range(n):
                x, v = sgd_step(x, v, g, 0.0, momentum, nesterov)
            if n_missed > n:
                v = momentum ** (n_missed - n) * v
            store(table, row, j, D - j, x)
            store(velocity, row, j, D - j, v)
        last[row] = max(last[row], now)
    restore_denormals(mode)


@stage
def make_up_rmsprop(table, square, last, codes, now, n_each, rho):
    """Missed steps of `RMSprop`, which moves nothing where the gradient is 0."""
    lanes, D = VECTOR_BYTES // table.itemsize, table.shape[1]
    mode = flush_denormals()
    for i in range(codes.shape[0]):
        row = codes[i]
        n_missed = now - int(last[row])
        n = max(0, min(n_missed, n_each))
        for j in range(0, D, lanes):
            v = load(square, row, j, D - j)
            for _ in range(n):
                v = rho * v
            if n_missed > n:
                v = rho ** (n_missed - n) * v
            store(square, row, j, D - j, v)
        last[row] = max(last[row], now)
    restore_denormals(mode)


@stage
def make_up_adam(table, mean, square, last, codes, now, n_each, scales, beta_1, beta_2, epsilon):
    """Missed steps of `Adam`, with the `scales` of each; a mean of 0 moves nothing."""
    lanes, D = VECTOR_BYTES // table.itemsize, table.shape[1]
    mode = flush_denormals()
    for i in range(codes.shape[0]):
        row = codes[i]
        first = int(last[row])
        for j in range(0, D, lanes):
            average, v = load(mean, row, j, D - j), load(square, row, j, D - j)
            moves = max_lanes(abs(average)) > 0
            if not moves and max_lanes(v) == 0:  # most rows, where most codes are rare
                continue
            x, end = load(table, row, j, D - j), min(now, first + n_each) if moves else first
            g = x - x
            for k in range(first, end):
                of_step = float(scales[k, 0]), float(scales[k, 1])
                x, average, v = adam_step(x, average, v, g, of_step, beta_1, beta_2, epsilon)
            if now > end:
                average, v = beta_1 ** (now - end) * average, beta_2 ** (now - end) * v
            store(table, row, j, D - j, x)
            store(mean, row, j, D - j, average)
            store(square, row, j, D - j, v)
        last[row] = max(first, now)
    restore_denormals(mode)
