"""Channels of tokens and categories: which values have a code, and what is refused."""

from collections import Counter
from functools import partial

import numpy as np

from ..sequences._layout import place
from ..sequences._steps import is_text
from ..sequences._subwords import PARTS

# What makes words of tokens: so many of them, most with so many characters that a part is not the whole.
MANY_WORDS, LONG_WORD = 1000, 4


def count_values(scan, channels):
    """For each of the channels the sum of the weights of each value, as a Counter.

    scan : `Scan` of sequences and weights; steps of weight 0 are not looked at
    """
    counts = {channel: Counter() for channel in channels}
    if channels:
        for of_chunk in scan.map(partial(_counts_of_chunk, channels)):
            for channel in channels:
                counts[channel].update(of_chunk[channel])
    return counts


def _counts_of_chunk(channels, chunk, of_rows):
    values, weight = chunk.values[of_rows > 0], of_rows[of_rows > 0]
    if not is_text(values):
        for channel in channels:
            check_codes(chunk, channel)
    return {channel: _weighted_counts(values[:, channel].tolist(), weight) for channel in channels}


def _weighted_counts(tokens, weight):
    """The sum of the weights of each token."""
    if len(tokens) and (weight == weight[0]).all():
        return {token: n * weight[0] for token, n in Counter(tokens).items()}
    sums = dict.fromkeys(tokens, 0.0)
    for token, w in zip(tokens, weight.tolist(), strict=True):
        sums[token] += w
    return sums


def min_count_of(min_count, reads_subwords):
    """How often a token must occur to have a code of its own: where parts are read, these say what rare ones are."""
    return (2 if reads_subwords else 1) if min_count == "auto" else min_count


def are_words(counts, min_count):
    """Whether the tokens that occur so often are many, and most of them long enough to have parts."""
    lengths = [len(token) for token, n in counts.items() if n >= min_count]
    return len(lengths) >= MANY_WORDS and 2 * sum(n >= LONG_WORD for n in lengths) > len(lengths)


def are_no_codes(values):
    """Which values are no whole numbers from 0 on."""
    with np.errstate(invalid="ignore"):
        return ~((values >= 0) & (values == np.floor(values)) & (values < np.inf))


def check_codes(sequences, channel):
    """Refuse values that are no codes."""
    values = sequences.values[:, channel]
    wrong = are_no_codes(values)
    if wrong.any():
        row = int(wrong.argmax())
        i, step = place(sequences.offsets, row, sequences._origin)
        raise ValueError(
            f"The categorical channel {channel} must hold integers from 0 on; sequence {i}, step {step} has "
            f"{values[row]}."
        )


# ------------------------------------------------------------------------------------------------- of files
def check_known(all_known):
    """Refuse what is no dict of codes: a code is the row of a table, which kernels read unchecked."""
    for known in all_known:
        if not isinstance(known, dict) or list(known.values()) != list(range(1, len(known) + 1)):
            raise ValueError("codes are not 1, 2, ...")


def check_subwords(subwords, channels):
    """Refuse what are no codes of parts of tokens, for each of the channels of tokens."""
    if not isinstance(subwords, dict) or list(subwords) != channels:
        raise ValueError(f"there are subwords of other channels than {channels}, which hold tokens")
    for parts in subwords.values():
        if not isinstance(parts, dict) or not set(parts) <= set(PARTS):
            raise ValueError(f"parts of tokens are {list(PARTS)}, not {parts!r:.200}")
        check_known(parts.values())
