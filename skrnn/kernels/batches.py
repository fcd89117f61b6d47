"""Where the steps of a shard lie (see `recurrence`), and moving them between the arrays of neighbouring layers."""

from ._jit import VECTOR_BYTES, kernel, stage
from .lanes import load, store

# Rows of what a plan knows of its sequences: their numbers; the rows of the values where they begin; their steps; the
# step of the whole sequence that is their first; steps of the whole; the rows of all steps where they begin; steps that
# a stride leaves.
SEQUENCES, BEGINS, LENGTHS, FIRST_STEPS, WHOLE_LENGTHS, TARGET_BEGINS, STEPS, N_OF_SEQUENCES = range(8)
# Words of the counts of a plan: sequences of the shard, entries of `starts`, live rows; which shard of its group it is;
# how many sequences go on behind the segment, have gradients of their final states
# that are known; address, rows and numbers of the values.
(N_SEQUENCES, N_STARTS, N_LIVE, SHARD, N_ON, N_KNOWN, VALUES, N_VALUES, N_NUMBERS, N_COUNTS) = range(10)


@stage
def take_shard(counts, bounds, sorted_rows, lengths, begins, of_sequences):
    """Tell a plan of shard ``counts[SHARD]``: sequences ``bounds[s] .. bounds[s + 1] - 1``, all of their steps."""
    first = bounds[counts[SHARD]]
    n = bounds[counts[SHARD] + 1] - first
    counts[N_SEQUENCES] = n
    for i in range(n):
        row = sorted_rows[first + i]
        of_sequences[SEQUENCES, i] = row
        of_sequences[BEGINS, i] = of_sequences[TARGET_BEGINS, i] = begins[row]
        of_sequences[LENGTHS, i] = of_sequences[WHOLE_LENGTHS, i] = lengths[row]


@stage
def place_arrays(addresses, offsets, base, row_bytes, row):
    """Addresses of arrays that lie at `offsets` in a row of memory."""
    for k in range(addresses.shape[0]):
        addresses[k] = base + row * row_bytes + offsets[k]


@stage
def count_steps(lengths, stride, steps):
    """Steps that are left of `lengths` if every `stride`-th is kept."""
    for n in range(lengths.shape[0]):
        steps[n] = (lengths[n] + stride - 1) // stride


@kernel
def plan_steps(lengths, starts, counts):
    """Fill T + 2 entries of `starts` for sequences of `lengths`, longest first; count these and the live rows."""
    n, n_steps = lengths.shape[0], lengths[0]
    starts[0], starts[1] = 0, n
    for t in range(n_steps):
        while n > 0 and lengths[n - 1] <= t:
            n -= 1
        starts[t + 2] = starts[t + 1] + n
    counts[N_STARTS], counts[N_LIVE] = n_steps + 2, starts[n_steps + 1] - starts[1]


@stage
def follow_rows(rows, order, out):
    """out[q] = rows[order[q]]."""
    for q in range(order.shape[0]):
        out[q] = rows[order[q]]


@kernel
def plan_rows(starts, begins, rows):
    """For each live row, the row of its step in an array where sequence n begins at row begins[n]."""
    for t in range(starts.shape[0] - 2):
        for n in range(starts[t + 2] - starts[t + 1]):
            rows[starts[t + 1] - starts[1] + n] = begins[n] + t


@stage
def plan_mirror(starts, lengths, mirror):
    """For each live row, the live row of the same sequence as far from its end as this one is from its start."""
    for t in range(starts.shape[0] - 2):
        for n in range(starts[t + 2] - starts[t + 1]):
            mirror[starts[t + 1] - starts[1] + n] = starts[lengths[n] - t] - starts[1] + n


@stage
def load_rows(X, rows, D, M, has_M, starts, Z, S, H, n_states):
    """[1, x_t] into Z for all steps, and 0 for the states before the first.

    x_t comes from row rows[q] of X for live row q, times row n of the mask M if `has_M`.
    """
    lanes = VECTOR_BYTES // Z.itemsize
    for n in range(starts[1]):
        for j in range(H):
            Z[n, j] = 0
        for j in range(H * n_states):
            S[n, j] = 0
    for t in range(starts.shape[0] - 2):
        now, live = starts[t], starts[t + 1] - starts[1]
        for n in range(starts[t + 2] - starts[t + 1]):
            Z[now + n, H] = 1
            for j in range(0, D, lanes):
                x = load(X, rows[live + n], j, D - j)
                if has_M:
                    x = x * load(M, n, j, D - j)
                store(Z, now + n, H + 1 + j, D - j, x)


@stage
def add_rows(dX, rows, D, M, has_M, starts, dY, accumulate):
    """The way back of `load_rows`: dX, in the rows of Z, into dY, the gradient of what was loaded."""
    lanes = VECTOR_BYTES // dX.itemsize
    for t in range(starts.shape[0] - 2):
        now, live = starts[t], starts[t + 1] - starts[1]
        for n in range(starts[t + 2] - starts[t + 1]):
            for j in range(0, D, lanes):
                m = D - j
                dx = load(dX, now + n, j, m)
                if has_M:
                    dx = dx * load(M, n, j, m)
                if accumulate:
                    dx = dx + load(dY, rows[live + n], j, m)
                store(dY, rows[live + n], j, m, dx)


@kernel
def store_rows(Y, column, width, starts, begins, out):
    """Columns of the live rows of Y into `out`, where sequence n begins at row begins[n]."""
    lanes = VECTOR_BYTES // Y.itemsize
    for t in range(starts.shape[0] - 2):
        for n in range(starts[t + 2] - starts[t + 1]):
            for j in range(0, width, lanes):
                m = width - j
                store(out, begins[n] + t, j, m, load(Y, starts[t + 1] - starts[1] + n, column + j, m))


@stage
def last_states(Z, starts, H, last, column):
    """last[n, column : column + H] = state after the last step of sequence n."""
    lanes, n_steps = VECTOR_BYTES // Z.itemsize, starts.shape[0] - 2
    for t in range(n_steps):
        longer = starts[t + 3] - starts[t + 2] if t + 1 < n_steps else 0
        for n in range(longer, starts[t + 2] - starts[t + 1]):
            for j in range(0, H, lanes):
                store(last, n, column + j, H - j, load(Z, starts[t + 1] + n, j, H - j))
