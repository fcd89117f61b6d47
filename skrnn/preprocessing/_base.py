"""What transformers that return sequences share."""

from contextlib import contextmanager

from sklearn.base import TransformerMixin

from .._core.parameters import PlainEstimator


# Without the keyword, here and in each subclass, scikit-learn would put the output into a data frame of numbers.
class BaseSequenceTransformer(TransformerMixin, PlainEstimator, auto_wrap_output_keys=None):
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

    @contextmanager
    def _unchanged_by_errors(self):
        """Let what was fitted before stay as it was if a fit raises."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
