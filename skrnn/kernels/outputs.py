"""Between an encoder and a decoder: which sequences the decoder has in hand, and the states that it starts from."""

from ._jit import kernel, stage
from .activations import log_sum_exp
from .batches import BEGINS, LENGTHS, N_KNOWN, N_SEQUENCES, SEQUENCES, TARGET_BEGINS, WHOLE_LENGTHS
from .masks import chosen


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
def mix_labels(low, high, sequences, threshold, raw, K, starts, begins, values, mixed):
    """What the decoder reads: the code of the true label before, or by chance that of the one it would have put out.

    By chance, for each step with probability threshold / 2^32: a hash of the key, the sequence and the step. Of the K
    raw predictions of a step the last is for the end, which is never read.

    values : codes of all sequences, which begin at rows `begins`; mixed : those of the shard, in live rows
    """
    for u in range(starts.shape[0] - 2):
        now, before = starts[u + 1] - starts[1], starts[u] - starts[1]
        for m in range(starts[u + 2] - starts[u + 1]):
            mixed[now + m, 0] = values[begins[m] + u, 0]
            if u > 0 and chosen(low, high, int(sequences[m]), u, threshold):
                best = 0
                for k in range(1, K - 1):
                    if raw[before + m, k] > raw[before + m, best]:
                        best = k
                mixed[now + m, 0] = best + 1


@stage
def mix_numbers(low, high, sequences, threshold, raw, K, starts, begins, values, mixed):
    """The same for rows of K numbers, of which raw predictions are in the same units."""
    for u in range(starts.shape[0] - 2):
        now, before = starts[u + 1] - starts[1], starts[u] - starts[1]
        for m in range(starts[u + 2] - starts[u + 1]):
            is_own = u > 0 and chosen(low, high, int(sequences[m]), u, threshold)
            for k in range(K):
                mixed[now + m, k] = raw[before + m, k] if is_own else values[begins[m] + u, k]


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
