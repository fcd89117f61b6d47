"""What the forms of X have in common."""


class Form:
    """A form of X; it holds nothing of X but what each partition needs to know.

    Attributes
    ----------
    needs_meta : bool
        Whether Dask wants to know what comes out of a partition.
    """

    needs_meta = True

    def before(self, name, parts):
        """For the keys of all partitions the keys of what each needs to know of those before, and the tasks for it."""
        return [None] * len(parts), {}

    def key(self, name, number, meta):
        """The key of the results of a partition."""
        return name, number

    def checked(self, part, before):
        """The partition, if it is as X says."""
        return part

    def read(self, part):
        """What the estimator reads, and the index of its rows."""
        return part, None

    def given_back(self, rows, index, estimator, method):
        """Rows of results in the form of a partition."""
        return rows.to_numpy() if hasattr(rows, "iloc") else rows
