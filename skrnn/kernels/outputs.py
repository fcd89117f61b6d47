"""Between an encoder and a decoder: which sequences the decoder has in hand, and the states that it starts from."""

from ._jit import kernel, stage
from .activations import log_sum_exp
from .batches import BEGINS, LENGTHS, N_KNOWN, N_SEQUENCES, SEQUENCES, TARGET_BEGINS, WHOLE_LENGTHS


@stage
def take_outputs(sequences, begins, lengths, counts, of_sequences, places, sources):
    """Tell the plan of a decoder which sequences a shard has: those of the encoder, sorted by their own lengths.

    places, sources : where each sequence of the encoder stands in the decoder, and the other way round.
    """
    n = sequences.shape[0]
    counts[N_SEQUENCES] = n
    for i in range(n):  # equal ones stay in their order
        length, m = lengths[sequences[i]], i
        while m > 0 and lengths[sequences[sources[m - 1]]] < length:
            sources[m] = sources[m - 1]
            m -= 1
        sources[m] = i
    for m in range(n):
        row = sequences[sources[m]]
        places[sources[m]] = m
        of_sequences[SEQUENCES, m] = row
        of_sequences[BEGINS, m] = of_sequences[TARGET_BEGINS, m] = begins[row]
        of_sequences[LENGTHS, m] = of_sequences[WHOLE_LENGTHS, m] = lengths[row]


@stage
def know_all(counts):
    """Say that the gradients of the final states of all sequences are known."""
    counts[N_KNOWN] = counts[N_SEQUENCES]


@stage
def store_state_slopes(dh, ds, dz, M, noisy, n_sequences, sizes, out):
    """out = gradients of the states before the first step, rows of [h, others], as the time loop has left them.

    sizes : units of h, and numbers of other states together.
    """
    H, S = sizes
    for n in range(n_sequences):
        for j in range(H):
            out[n, j] = dh[n, j] + dz[n, j] * M[n, j] if noisy else dh[n, j]
        for j in range(S):
            out[n, H + j] = ds[n, j]


@stage
def load_state_slopes(source, column, n_sequences, sizes, dh, ds, dz, noisy):
    """The gradients of final states, rows of [h, others] from a column on, to where the time loop expects them."""
    H, S = sizes
    for n in range(n_sequences):
        for j in range(H):
            dh[n, j] = source[n, column + j]
            if noisy:
                dz[n, j] = 0
        for j in range(S):
            ds[n, j] = source[n, column + H + j]


@kernel
def log_softmax_rows(raw, n_rows, K, out):
    """Logarithms of the probabilities of K labels, in float64; each row depends on nothing else."""
    for n in range(n_rows):
        top, rest = log_sum_exp(raw, n, K)
        for k in range(K):
            out[n, k] = (raw[n, k] - top) - rest
