"""How many outputs were cut off, kept beside the estimator: to put something out changes no attribute."""

from weakref import WeakKeyDictionary

# By the encoder, which each fit and each copy has anew.
_COUNTS = WeakKeyDictionary()


class CountsUnfinished:
    """Mixed into estimators whose outputs end by themselves or are cut off."""

    @property
    def n_unfinished_(self):
        """Number of the outputs that were put out last and did not end by themselves, but were cut off.

        It belongs to this object, not to copies of it, and is there from the first prediction or samples after `fit`
        on.
        """
        try:
            return _COUNTS[vars(self)["inputs_"]]
        except KeyError:
            raise AttributeError("n_unfinished_ is there after a prediction, or after samples.") from None


def count_unfinished(estimator, n):
    """Keep the number for a fitted estimator."""
    _COUNTS[estimator.inputs_] = int(n)
