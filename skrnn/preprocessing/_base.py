"""What transformers that return sequences share."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, validate_data

from ..sequences import SequenceArray, as_sequence_array

FLOATS = [np.float64, np.float32]


# Without the keyword, here and in each subclass, scikit-learn would put the output into a data frame of numbers.
class BaseSequenceTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Base of the transformers whose output is a `SequenceArray`."""

    def set_output(self, *, transform=None):
        """Do nothing: the output is a `SequenceArray` whatever is asked for.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Accepted, so that the other steps of a pipeline can be set.

        Returns
        -------
        self : object
            This transformer.
        """
        return self

    def _sequences(self, X, *, reset):
        """The sequences in X, which may hold NaN; a 2-D table is one univariate sequence per row.

        Sets (`reset`) or compares ``n_features_in_``, ``feature_names_in_`` and ``n_channels_``.
        """
        sequences = as_sequence_array(X)
        if sequences is None and not reset and self._is_list_of_sequences(X):
            sequences = SequenceArray.from_list(X)
        if sequences is None:
            sequences = rows_as_sequences(validate_data(self, X, reset=reset, dtype=FLOATS, ensure_all_finite=False))
        elif hasattr(X, "columns"):
            validate_data(self, X, reset=reset, skip_check_array=True)
        elif reset:
            self.n_features_in_ = sequences.n_channels
            vars(self).pop("feature_names_in_", None)
        if reset:
            self.n_channels_ = sequences.n_channels
        elif sequences.n_channels != self.n_channels_:
            raise ValueError(
                f"X has {sequences.n_channels} channels per step, but {type(self).__name__} was fitted on "
                f"{self.n_channels_}."
            )
        return sequences

    def _is_list_of_sequences(self, X):
        """Whether a list that could be a table, because its items are equally long, holds univariate sequences."""
        if not isinstance(X, (list, tuple)) or self.n_channels_ > 1 or np.ndim(X[0]) != 1:
            return False
        return self.n_features_in_ == 1 or isinstance(X[0], np.ndarray)


def pack(X):
    """The sequences in X, of any width."""
    sequences = as_sequence_array(X)
    return rows_as_sequences(check_array(X, dtype=FLOATS, ensure_all_finite=False)) if sequences is None else sequences


def rows_as_sequences(table):
    """One univariate sequence for each row of a table (n, T)."""
    n, T = table.shape
    return SequenceArray(table.reshape(-1, 1), np.arange(n + 1) * T)
