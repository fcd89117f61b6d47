"""The cost of packing and indexing sequences.

10 000 sequences of 100 steps and 8 channels, or of 50 to 149 steps (*ragged*). *pack*: converts a list of arrays to a
``SequenceArray``. *index*: selects all sequences in random order, as a split by cross-validation does with some of
them. *encode*: checks, means and scales, and a standardised copy in float32. The epoch is one of a default
``RNNClassifier`` on the same sequences with one thread, measured as the difference between fits of two epochs and of
one.
"""

import numpy as np
from _harness import at_most, goals, parse_arguments, progress, report, seconds_of, table

from skrnn import RNNClassifier, SequenceArray
from skrnn.network.encoding import learn_columns, learn_scales
from skrnn.sequences import as_sequence_array, check_sequences

N_CHANNELS, N_CLASSES = 8, 3


def median(function, repeats):
    function()
    return 1e3 * float(np.median([seconds_of(function) for _ in range(repeats)]))


def measure(lengths, dtype, quick):
    """Milliseconds to pack, to index, to encode, and of an epoch."""
    rng = np.random.default_rng(0)
    items = [rng.normal(size=(n, N_CHANNELS)).astype(dtype) for n in lengths]
    X, order, weight = SequenceArray.from_list(items), rng.permutation(len(items)), np.ones(len(items))
    y = np.arange(len(items)) % N_CLASSES

    def encode():
        sequences = check_sequences(X, np.float32)
        learn_scales(learn_columns(sequences, weight), sequences, weight).encode(X, np.float32)

    def fit(n_epochs):
        return median(lambda: RNNClassifier(max_iter=n_epochs, tol=0.0, random_state=0).fit(X, y), 1 if quick else 3)

    repeats = 3 if quick else 15
    once = (median(call, repeats) for call in (lambda: as_sequence_array(items), lambda: X[order], encode))
    return *once, fit(2) - fit(1)


def main():
    arguments = parse_arguments(__doc__)
    n = 1000 if arguments.quick else 10_000
    lengths = {"equal": np.full(n, 100), "ragged": np.arange(n) % 100 + 50}
    rows, goal_rows = [], []
    for name, of_sequences in lengths.items():
        for dtype in (np.float32, np.float64):
            what = f"{name}, {dtype.__name__}"
            progress(what)
            pack, index, encode, epoch = measure(of_sequences, dtype, arguments.quick)
            rows.append((what, *(f"{ms:.1f}" for ms in (pack, index, encode)), f"{epoch:.0f}"))
            goal_rows.append(at_most(f"{what}: list to SequenceArray", pack, 200, "ms"))
            goal_rows.append(at_most(f"{what}: shuffled index", index, 20, "ms"))
            goal_rows.append(at_most(f"{what}: packing, share of an epoch", 100 * pack / epoch, 5, "%"))
    header = ("sequences", "pack ms", "index ms", "encode ms", "epoch ms")
    report("containers", __doc__, [table(header, rows), goals(goal_rows)], arguments.write)


if __name__ == "__main__":
    main()
