"""One fit of an object at a time: two would write to it by turns, and leave parts of both networks."""

import os
from contextlib import contextmanager

# Of this process: a child that is forked during a fit has the object, but not the thread that fits it. No lock, which
# such a child might inherit in the locked state, nor anything in the object, which must be copied and pickled.
_running = {}


@contextmanager
def exclusive(estimator):
    """Raise if the same object is being fitted already."""
    key, this = (os.getpid(), id(estimator)), object()
    if _running.setdefault(key, this) is not this:
        raise RuntimeError(
            f"This {type(estimator).__name__} is already being fitted, by another thread or by a callback: fit a copy, "
            "as sklearn.base.clone makes it."
        )
    try:
        yield
    finally:
        del _running[key]
