"""Codes of tokens: which tokens get one, and which."""

import numpy as np


def learn_vocabulary(tokens, min_count):
    """Distinct entries of a 1-D array that occur at least `min_count` times: the most frequent first, then in order."""
    known, counts = np.unique(tokens, return_counts=True)
    known, counts = known[counts >= min_count], counts[counts >= min_count]
    return known[np.lexsort((np.arange(len(known)), -counts))]


def encode_tokens(tokens, known):
    """Codes 1, 2, ... of the entries of a 1-D array in the order of `known`, 0 for all others."""
    if not len(known):
        return np.zeros(len(tokens), np.intp)
    order = np.argsort(known)
    place = np.searchsorted(known, tokens, sorter=order).clip(max=len(known) - 1)
    codes = order[place]
    return np.where(known[codes] == tokens, codes + 1, 0)
