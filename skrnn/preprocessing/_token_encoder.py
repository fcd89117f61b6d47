"""``TokenEncoder``: encodes tokens as integers."""

from numbers import Integral

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..sequences import SequenceArray, as_sequence_array
from ..sequences._layout import place
from ..sequences._steps import is_text
from ..sequences._validate import check_names, pack
from ..sequences._vocabulary import encode_tokens, learn_vocabulary
from ._base import BaseSequenceTransformer


class TokenEncoder(OneToOneFeatureMixin, BaseSequenceTransformer, auto_wrap_output_keys=None):
    """Encode tokens, such as words or characters, as integers.

    Known tokens have the codes 1, 2 and so on, in order of decreasing frequency, then in alphabetical order. All other
    tokens have code 0.

    Parameters
    ----------
    min_count : int, default=1
        Minimum number of occurrences of known tokens in the data of `fit`. With 1, code 0 does not appear in these
        data, so a network cannot learn its meaning; with 2 or more it can.
    unknown : str, default="<unknown>"
        Text that `inverse_transform` returns for unknown tokens. It must not be a known token.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Code of each known token, in the order of codes.
    n_entries_ : int
        Number of codes, including that of unknown tokens.
    n_features_in_ : int
        1.
    feature_names_in_ : ndarray of str of shape (1,)
        Name of the column of a data frame, otherwise of the channel, if `X` had a name that is str.
    channel_names_ : ndarray of str of shape (1,)
        Name of the channel, if `X` had a name.

    Examples
    --------
    >>> from skrnn.preprocessing import TokenEncoder
    >>> X = ["to be or not to be".split(), "not now".split()]
    >>> encoder = TokenEncoder(min_count=2).fit(X)
    >>> encoder.vocabulary_
    {'be': 1, 'not': 2, 'to': 3}
    >>> codes = encoder.transform(X)
    >>> codes[0][:, 0]
    array([3., 1., 0., 2., 3., 1.])
    >>> encoder.inverse_transform(codes)[1][:, 0].tolist()
    ['not', '<unknown>']
    """

    _parameter_constraints = {"min_count": [Interval(Integral, 1, None, closed="left")], "unknown": [str]}

    def __init__(self, min_count=1, *, unknown="<unknown>"):
        self.min_count = min_count
        self.unknown = unknown

    def fit(self, X, y=None):
        """Learn the vocabulary.

        Parameters
        ----------
        X : {list of lists of str, SequenceArray, Series, frame}
            Sequences of tokens.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : object
            The fitted encoder.

        Raises
        ------
        ValueError
            If X contains anything but sequences of tokens; the message names the sequence and step. If no token appears
            `min_count` times, or if `unknown` is a known token.
        """
        self._learn(X)
        return self

    def fit_transform(self, X, y=None):
        """Learn the vocabulary and encode the same tokens.

        Parameters
        ----------
        X : {list of lists of str, SequenceArray, Series, frame}
            Sequences of tokens.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        SequenceArray
            Codes, as floats in one channel.
        """
        return self._encoded(self._learn(X))

    def transform(self, X):
        """Encode tokens.

        Parameters
        ----------
        X : {list of lists of str, SequenceArray, Series, frame}
            Sequences of tokens.

        Returns
        -------
        SequenceArray
            Codes, as floats in one channel.
        """
        check_is_fitted(self)
        return self._encoded(self._tokens(X, reset=False))

    def inverse_transform(self, X):
        """Decode codes.

        Parameters
        ----------
        X : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps, 1), 2-D table}
            Sequences of codes.

        Returns
        -------
        SequenceArray
            Tokens.

        Raises
        ------
        ValueError
            If X contains an invalid code; the message names the sequence and step.
        """
        check_is_fitted(self)
        sequences = pack(X)
        if is_text(sequences.values):
            raise ValueError("X holds tokens (str), but codes are needed: those that transform returns.")
        _check_one_channel(sequences)
        codes = sequences.values[:, 0]
        wrong = ~((codes >= 0) & (codes < self.n_entries_) & (codes == np.floor(codes)))
        if wrong.any():
            sequence, step = place(sequences.offsets, int(wrong.argmax()))
            raise ValueError(
                f"sequence {sequence}, step {step} holds {codes[wrong][0]:g}: codes are integers from 0 to "
                f"{self.n_entries_ - 1}."
            )
        entries = np.array([self.unknown, *self.vocabulary_])
        return SequenceArray(entries[codes.astype(np.int64)], sequences.offsets, sequences.channel_names)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags

    def _tokens(self, X, *, reset):
        sequences = as_sequence_array(X)
        if sequences is None or not is_text(sequences.values):
            found = "tables" if sequences is None else "numbers"
            raise ValueError(
                f"X must hold sequences of tokens (str), like [['a', 'b'], ['c']], but holds {found}. To convert "
                "category codes to tokens, use [list(map(str, x)) for x in X]."
            )
        _check_one_channel(sequences)
        check_names(self, X, sequences, reset=reset)
        return sequences

    def _learn(self, X):
        self._validate_params()
        with self._unchanged_by_errors():
            sequences = self._tokens(X, reset=True)
            self.vocabulary_ = learn_vocabulary(sequences.values[:, 0], self.min_count)
            if self.unknown in self.vocabulary_:
                raise ValueError(
                    f"unknown={self.unknown!r} is one of the tokens, so that decoding would be ambiguous: choose a "
                    "text that is not a token."
                )
        self.n_entries_ = len(self.vocabulary_) + 1
        return sequences

    def _encoded(self, sequences):
        codes = encode_tokens(sequences.values[:, 0], self.vocabulary_)
        return SequenceArray(codes, sequences.offsets, sequences.channel_names)


def _check_one_channel(sequences):
    if sequences.n_channels != 1:
        raise ValueError(
            f"the sequences of X have {sequences.n_channels} channels, but TokenEncoder accepts one: encode each "
            "channel separately."
        )
