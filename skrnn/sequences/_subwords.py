"""Parts of tokens, by which words that were never seen are like others that are written alike."""

from collections import Counter
from itertools import groupby

import numpy as np

from ._vocabulary import NOTHING, UNKNOWN

FEWEST_TOKENS = 2  # of a part with a code of its own: that of a single token says no more than the token


def shape_of(token):
    """Kinds of characters in their order, runs as one: "Xx" of "Paris", "d.d" of "3.14", "x-x" of "well-known"."""
    return "".join(kind for kind, _ in groupby(map(_kind, token)))


def _kind(character):
    if character.isdigit():
        return "d"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return character


PARTS = {
    "prefix3": lambda token: token[:3],
    "suffix2": lambda token: token[-2:],
    "suffix3": lambda token: token[-3:],
    "shape": shape_of,
}


def learn_subwords(tokens):
    """The codes of the parts that several of some distinct tokens have.

    Parameters
    ----------
    tokens : iterable of str
        Each once.

    Returns
    -------
    dict of str to dict of str to int
        For each of `PARTS` the codes 1, 2, ... of the texts of that part, in the order of falling numbers of tokens,
        then of the alphabet. Code 0 is all others'.
    """
    tokens = [token for token in tokens if token != NOTHING]
    return {name: _codes_of(Counter(map(part, tokens))) for name, part in PARTS.items()}


def _codes_of(counts):
    shared = sorted((text for text, n in counts.items() if n >= FEWEST_TOKENS), key=lambda text: (-counts[text], text))
    return {text: code for code, text in enumerate(shared, start=UNKNOWN + 1)}


def encode_subwords(tokens, subwords):
    """The codes (n_tokens, n_parts) of int64 of the parts of an array of tokens (n_tokens,)."""
    tokens, codes = tokens.tolist(), {}
    for token in set(tokens):
        parts = [known.get(PARTS[name](token), UNKNOWN) for name, known in subwords.items()]
        codes[token] = [UNKNOWN] * len(parts) if token == NOTHING else parts
    return np.array([codes[token] for token in tokens], np.int64).reshape(len(tokens), len(subwords))
