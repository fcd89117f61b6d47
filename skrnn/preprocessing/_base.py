"""Base of transformers that return sequences."""

from contextlib import contextmanager

from sklearn.base import TransformerMixin

from .._core.parameters import PlainEstimator


# Without the keyword, here and in each subclass, scikit-learn would put the output into a data frame of numbers.
class BaseSequenceTransformer(TransformerMixin, PlainEstimator, auto_wrap_output_keys=None):
    """Base of the transformers whose output is a `SequenceArray`."""

    def set_output(self, *, transform=None):
        """Do nothing: the output is always a `SequenceArray`.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Ignored. Accepted so that a pipeline can set the output of its other steps.

        Returns
        -------
        self : object
            This transformer.
        """
        return self

    @contextmanager
    def _unchanged_by_errors(self):
        """Keep the attributes of the previous fit if a fit raises an error."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
