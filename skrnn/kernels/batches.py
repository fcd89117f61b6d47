"""Between sequences and the rows of the time loop (see `recurrence`)."""

from .._jit import VECTOR_BYTES, kernel
from .lanes import load, store


@kernel
def plan_steps(lengths, starts):
    """Fill `starts` (T + 2 entries) for sequences of `lengths`, longest first."""
    n = lengths.shape[0]
    starts[0], starts[1] = 0, n
    for t in range(starts.shape[0] - 2):
        while n > 0 and lengths[n - 1] <= t:
            n -= 1
        starts[t + 2] = starts[t + 1] + n


@kernel
def load_inputs(values, begins, D, starts, Z, S, H, n_states):
    """[1, x_t] into the rows of all steps, and 0 for the state before the first.

    begins: first row of each sequence in `values`.
    """
    lanes = VECTOR_BYTES // Z.itemsize
    _start_states(Z, S, starts[1], H, n_states)
    for t in range(starts.shape[0] - 2):
        for n in range(starts[t + 2] - starts[t + 1]):
            row = starts[t] + n
            Z[row, H] = 1
            for j in range(0, D, lanes):
                store(Z, row, H + 1 + j, D - j, load(values, begins[n] + t, j, D - j))


@kernel
def load_states(below, D, starts, Z, S, H, n_states):
    """The same for a layer whose x_t is the h_t of the layer below; below: its Z."""
    lanes = VECTOR_BYTES // Z.itemsize
    _start_states(Z, S, starts[1], H, n_states)
    for t in range(starts.shape[0] - 2):
        for n in range(starts[t + 2] - starts[t + 1]):
            row = starts[t] + n
            Z[row, H] = 1
            for j in range(0, D, lanes):
                store(Z, row, H + 1 + j, D - j, load(below, starts[t + 1] + n, j, D - j))


@kernel
def _start_states(Z, S, N, H, n_states):
    for n in range(N):
        for j in range(H):
            Z[n, j] = 0
        for j in range(H * n_states):
            S[n, j] = 0


@kernel
def store_states(Z, starts, H, begins, out):
    """h_t of all steps into `out`, where sequence n starts at row begins[n]."""
    lanes = VECTOR_BYTES // Z.itemsize
    for t in range(starts.shape[0] - 2):
        for n in range(starts[t + 2] - starts[t + 1]):
            for j in range(0, H, lanes):
                store(out, begins[n] + t, j, H - j, load(Z, starts[t + 1] + n, j, H - j))


@kernel
def last_states(Z, starts, H, last):
    """last[n] = [h, 1] after the last step of sequence n."""
    n_steps = starts.shape[0] - 2
    for t in range(n_steps):
        longer = starts[t + 3] - starts[t + 2] if t + 1 < n_steps else 0
        for n in range(longer, starts[t + 2] - starts[t + 1]):
            for j in range(H):
                last[n, j] = Z[starts[t + 1] + n, j]
            last[n, H] = 1
