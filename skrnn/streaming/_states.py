"""What streams remember: named arrays with a row for each stream, which can be saved, set again and cleared."""

import hashlib

import numpy as np


class States:
    """All that streams remember.

    Parameters
    ----------
    arrays : dict of str to ndarray of shape (n_streams, ...)
        They hold what each stream begins with.
    network : ndarray
        The `fingerprint` of the network that they belong to.
    """

    def __init__(self, arrays, network):
        self.arrays, self._first, self._network = {}, {}, network
        self.add(arrays)

    def add(self, arrays):
        """Remember more from now on."""
        self.arrays |= arrays
        self._first |= {name: array[0].copy() for name, array in arrays.items()}

    def copy(self):
        """Give a dict of arrays that `set` takes."""
        return {"network": self._network.copy(), **{name: array.copy() for name, array in self.arrays.items()}}

    def set(self, state):
        """Take what `copy` gave; a ValueError, and nothing is changed, if that was of other streams."""
        given, expected = arrays_of(state), {"network": self._network, **self.arrays}
        if given.keys() != expected.keys():
            odd = sorted(given.keys() ^ expected.keys())
            raise ValueError(f"The state is of another network: {odd} are in only one of the two.")
        given = {name: _in_form(name, given[name], array) for name, array in expected.items()}
        if not np.array_equal(given["network"], self._network):
            raise ValueError("The state is of another network: it has other weights, or other scales of its channels.")
        for name, array in self.arrays.items():
            if array.dtype.kind == "i" and (given[name] < 0).any():  # a count
                raise ValueError(f"The state has a stream with fewer than 0 {name}.")
        for name, array in self.arrays.items():
            array[...] = given[name]

    def clear(self, which):
        """Let some streams begin anew."""
        for name, array in self.arrays.items():
            array[which] = self._first[name]


def _in_form(name, given, array):
    """What is given in the dtype of an array of the same shape; lists of JSON hold the same numbers in another one."""
    if given.ndim and len(given) != len(array) and name != "network":
        raise ValueError(f"The state is of {len(given)} streams, but this has {len(array)}.")
    if given.shape == array.shape and given.dtype.kind in "biuf":
        with np.errstate(invalid="ignore", over="ignore"):
            found = given.astype(array.dtype)
        if np.array_equal(found, given, equal_nan=True):
            return found
    raise ValueError(
        f"The state is of another network: {name} is of shape {given.shape} and {given.dtype} there, but "
        f"{array.shape} and {array.dtype} here."
    )


def arrays_of(state):
    """Arrays of a state that a user gives, by their names."""
    try:
        return {name: np.asarray(array) for name, array in dict(state).items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"A state is a dict of arrays, got {type(state).__name__}.") from error


def fingerprint(thetas, encoder):
    """Two words that networks with other weights, scales or codes do not share."""
    digest = hashlib.sha256(b"".join(theta.tobytes() for theta in thetas))
    digest.update(np.concatenate([encoder.mean, encoder.scale]).tobytes())
    for divisors in (encoder.time_scale, encoder.difference_scale):
        digest.update(b"" if divisors is None else divisors.tobytes())
    digest.update(repr(encoder.categories).encode())
    digest.update(repr(encoder.subwords).encode() if encoder.subwords else b"")
    return np.frombuffer(digest.digest()[:16], np.int64)
