"""What happens to a mini-batch between the shards: who is in it, its targets, its loss, and the end of an update.

An epoch has words (int64) and numbers (float64), which these kernels share; the first words are those of `driver`.
"""

import math

from ._jit import VECTOR_BYTES, stage
from .driver import HAS_WEIGHT, IS_OVER, LEFT, N_SHARDS, N_WORDS
from .lanes import load, store

# Words of an epoch: sequences in it, how many have had their turn, batches begun, shards of the batch, how many of them
# have been handed out, updates made that the optimizer remembers, updates of this epoch, sequences of the batch.
(N_ORDER, FIRST, N_BATCHES, N_BATCH_SHARDS, N_HANDED_OUT, N_UPDATES, N_NORMS, N_BATCH) = range(N_WORDS, N_WORDS + 8)
N_EPOCH_WORDS = N_WORDS + 8
# Numbers of an epoch: loss and penalty of the batch, weight of its targets, norm of its gradient, learning rate, sum of
# the weighted losses.
(VALUE, TOTAL, NORM, RATE, LOSS, N_NUMBERS) = range(6)


@stage
def sort_by_length(order, first, n, lengths, counts, sorted_rows):
    """Fill `sorted_rows` with ``order[first : first + n]``, longest first; those of equal length keep their order."""
    longest = 0
    for i in range(first, first + n):
        longest = max(longest, lengths[order[i]])
    for c in range(longest + 1):
        counts[c] = 0
    for i in range(first, first + n):
        counts[longest - lengths[order[i]]] += 1
    place = 0
    for c in range(longest + 1):
        begin, place = place, place + counts[c]
        counts[c] = begin
    for i in range(first, first + n):
        c = longest - lengths[order[i]]
        sorted_rows[counts[c]] = order[i]
        counts[c] += 1


@stage
def cut_shards(sorted_rows, n, lengths, n_sequences, n_steps, bounds):
    """Fill `bounds` with the first place of each shard, and the end of the last; returns the number of shards.

    A shard has n_sequences sequences at most, and n_steps steps in all unless it is a single sequence; 0: any number.
    """
    first, n_shards = 0, 0
    bounds[0] = 0
    while first < n:
        last, steps = min(first + n_sequences, n), 0
        for i in range(first, last):
            steps += lengths[sorted_rows[i]]
            if 0 < n_steps < steps and i > first:
                last = i
                break
        n_shards, first = n_shards + 1, last
        bounds[n_shards] = last
    return n_shards


@stage
def next_batch(words, numbers, order, size, lengths, weights, n_sequences, n_steps, counts, sorted_rows, bounds):
    """Take the next sequences of an epoch, longest first; cut them into shards; add up the weight of their targets."""
    first = words[FIRST]
    n = min(size, words[N_ORDER] - first)
    total = 0.0
    for i in range(first, first + n):
        total += weights[order[i]]
    sort_by_length(order, first, n, lengths, counts, sorted_rows)
    words[N_BATCH_SHARDS] = cut_shards(sorted_rows, n, lengths, n_sequences, n_steps, bounds)
    words[N_HANDED_OUT], words[FIRST], words[LEFT] = 0, first + n, words[N_ORDER] - first - n
    words[N_BATCHES] += 1
    words[N_BATCH] = n
    words[HAS_WEIGHT] = 1 if total > 0 else 0
    numbers[TOTAL] = total


@stage
def next_group(words, bounds, group_bounds):
    """Hand out the next shards of the batch, as many as there are gradients for; none if its targets have no weight."""
    first = words[N_HANDED_OUT]
    n = min(words[N_BATCH_SHARDS] - first, group_bounds.shape[0] - 1) if words[HAS_WEIGHT] else 0
    for k in range(n + 1):
        group_bounds[k] = bounds[first + k]
    words[N_SHARDS], words[N_HANDED_OUT] = n, first + n


@stage
def gather_targets(rows, target, weights, total, y, weight):
    """Targets of the `rows`, and their shares in the loss."""
    for i in range(rows.shape[0]):
        for k in range(target.shape[1]):
            y[i, k] = target[rows[i], k]
        weight[i] = weights[rows[i]] / total


@stage
def keep_loss(value, shard, losses):
    """The loss of a shard, where that of the batch is added up."""
    losses[shard] = value


@stage
def start_gradient(theta, pull, gradient, numbers):
    """Gradient of the penalty, and its value; pull holds the share of each parameter that pulls it to 0."""
    value = 0.0
    for j in range(theta.shape[0]):
        gradient[j] = pull[j] * theta[j]
        value += gradient[j] * theta[j]
    numbers[VALUE] = 0.5 * value


@stage
def sum_shards(rows, n_shards, losses, numbers):
    """Add the gradients of shards in their order, into the first row; add their losses to the value."""
    lanes = VECTOR_BYTES // rows.itemsize
    for s in range(1, n_shards):
        for j in range(0, rows.shape[1], lanes):
            m = rows.shape[1] - j
            store(rows, 0, j, m, load(rows, 0, j, m) + load(rows, s, j, m))
    total = 0.0
    for s in range(n_shards):
        total += losses[s]
    numbers[VALUE] += total


@stage
def add_vector(summand, total):
    """Total += summand."""
    for j in range(total.shape[0]):
        total[j] += summand[j]


@stage
def judge(words, numbers):
    """Say that training is over if loss or gradient is not finite."""
    if not (math.isfinite(numbers[VALUE]) and math.isfinite(numbers[NORM])):
        words[IS_OVER] = 1


@stage
def begin_update(words, numbers, rates, norms, theta, safe_theta):
    """Remember what is known to be good; the next learning rate."""
    for j in range(theta.shape[0]):
        safe_theta[j] = theta[j]
    words[N_UPDATES] += 1
    numbers[RATE] = rates[words[N_BATCHES] - 1]
    norms[words[N_NORMS]] = numbers[NORM]
    words[N_NORMS] += 1
    numbers[LOSS] += numbers[VALUE] * numbers[TOTAL]


@stage
def clip_values(theta, begin, end, limit):
    """Bring parameters between -limit and limit; NaN stays NaN."""
    for j in range(begin, end):
        if theta[j] > limit:
            theta[j] = limit
        elif theta[j] < -limit:
            theta[j] = -limit
