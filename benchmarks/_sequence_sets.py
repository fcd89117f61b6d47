"""The real data of ``sequences_out.py``, and the estimators for them.

Each function of data takes ``held_out``, "valid" or "test", and returns X, y and what is held out; those of
translations also take how many sentences to keep. Choices are made on validation parts. Where a set has none, a part of
the training set is held out: of eng_fra every tenth English sentence; of the speakers of the digits one of those who
are not left out already.
"""

import re
from collections import Counter

import numpy as np
from _sets import loaders

from skrnn import CTCClassifier, Seq2SeqClassifier, SequenceGenerator

LANGUAGES = ("hin", "lit", "gre", "rum")
PIECES = ("JSB_Chorales", "Nottingham")
SPEAKERS = ("jackson", "lucas", "nicolas", "yweweler")
RARE = "<rare>"  # stands for words that occur once in training
N_STRINGS, N_HELD_OUT_STRINGS = 1000, 200  # of connected digits
# What is not a default, chosen on the validation parts.
TRANSLATOR = {
    "eng_fra": {"hidden_layer_sizes": (128,), "max_iter": 20, "dropout": 0.3, "early_stopping": False},
    "multi30k": {"hidden_layer_sizes": (256,), "max_iter": 10, "dropout": 0.3, "early_stopping": False},
}
TEXT = {"hidden_layer_sizes": (256,)}


# --------------------------------------------------------------------------------------------------------- estimators
def translator(name, seed, n_jobs):
    return Seq2SeqClassifier(**TRANSLATOR.get(name, {}), random_state=seed, n_jobs=n_jobs)


def writer(seed, n_jobs):
    return SequenceGenerator(**TEXT, random_state=seed, n_jobs=n_jobs)


def composer(notes, seed, n_jobs):
    return SequenceGenerator(early_stopping=True, notes=notes, random_state=seed, n_jobs=n_jobs)


def listener(seed, n_jobs):
    return CTCClassifier(random_state=seed, n_jobs=n_jobs)


# --------------------------------------------------------------------------------------------------------------- data
def dates(held_out):
    load = loaders()
    return *_split_up(*load.dates("train")), *_split_up(*load.dates(held_out))


def g2p(language, held_out):
    load = loaders()
    (X, y), (X_out, y_out) = load.g2p(language, "train"), load.g2p(language, held_out)
    return [list(word) for word in X], y, [list(word) for word in X_out], y_out


def eng_fra(held_out, n=None):
    load = loaders()
    X, y = load.eng_fra("train")
    if held_out == "test":
        X_out, y_out = load.eng_fra("test")
    else:
        is_out = {sentence: k % 10 == 0 for k, sentence in enumerate(dict.fromkeys(X))}
        parts = [[(x, z) for x, z in zip(X, y, strict=True) if is_out[x] is side] for side in (False, True)]
        (X, y), (X_out, y_out) = (tuple(map(list, zip(*part, strict=True))) for part in parts)
    return _without_rare(n, *([words(sentence) for sentence in part] for part in (X, y, X_out, y_out)))


def multi30k(held_out, n=None):
    load = loaders()
    return _without_rare(n, *load.multi30k("train"), *load.multi30k(held_out))


def shakespeare():
    """Characters of the training and the validation part; there is no other."""
    load = loaders()
    return list(load.tinyshakespeare("train")), list(load.tinyshakespeare("valid"))


def music(name, held_out):
    """Pieces to train on, to stop by, and held out ones."""
    load = loaders()
    return load.music(name, "train"), load.music(name, "valid"), load.music(name, held_out)


def known_speakers(seed=0):
    load = loaders()
    return *load.fsdd_ctc(N_STRINGS, "train", seed), *load.fsdd_ctc(N_HELD_OUT_STRINGS, "test", seed)


def unknown_speaker(speaker, held_out, seed=0):
    """Strings of the others, and of the speaker; for choices the next speaker is in his place, and he is nowhere."""
    load, others = loaders(), [each for each in SPEAKERS if each != speaker]
    if held_out == "valid":
        speaker = others.pop(SPEAKERS.index(speaker) % len(others))
    train = load.fsdd_ctc(N_STRINGS, "train", seed, speakers=tuple(others))
    return *train, *load.fsdd_ctc(N_HELD_OUT_STRINGS, held_out.replace("valid", "train"), seed, speakers=(speaker,))


def words(sentence):
    """Words and marks in lower case."""
    return re.findall(r"[\w']+|[^\w\s]", sentence.lower())


def _split_up(X, y):
    return [list(text) for text in X], [list(text) for text in y]


def _without_rare(n, *parts):
    """The first n of each part, in which rare words are one; then the held-out y as it is."""
    X, y, X_out, y_out = (part[:n] for part in parts)
    X, X_out = _replaced(X, X, X_out)
    y, y_known = _replaced(y, y, y_out)
    return X, y, X_out, y_known, y_out


def _replaced(train, *parts):
    counts = Counter(word for sentence in train for word in sentence)
    return [[[word if counts[word] > 1 else RARE for word in sentence] for sentence in part] for part in parts]


def is_there():
    """Whether the folder of the data is."""
    try:
        loaders()
    except FileNotFoundError:
        return False
    return True


def notes_of(pieces):
    """0-1 rows as floats, as the generators take them."""
    return [np.asarray(piece, dtype=np.float32) for piece in pieces]
