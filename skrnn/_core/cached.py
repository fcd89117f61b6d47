"""Properties that are computed once, without a lock."""


class cached_property:  # noqa: N801 (named like that of functools)
    """Like `functools.cached_property`, which in Python 3.11 holds a lock for all objects while it computes.

    A process that is forked meanwhile by another thread has the lock in the locked state, and would wait without end;
    and threads that train side by side would wait for each other. Here two threads may compute the value of one object,
    and both get that which is kept.

    Parameters
    ----------
    compute : callable
        Gives the value for an object.
    """

    def __init__(self, compute):
        self._compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner, name):
        self._name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        return vars(instance).setdefault(self._name, self._compute(instance))
