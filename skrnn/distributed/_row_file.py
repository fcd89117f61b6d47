"""Rows in a file of a worker."""

from threading import Lock

import numpy as np


class RowFile:
    """Rows in a file, which is made.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path):
        self._path, self._file, self._lock = path, path.open("x+b", buffering=0), Lock()

    def append(self, values):
        """Write rows (n_rows, n_channels) behind those that are there, which have the same dtype."""
        self._dtype, self._row_bytes = values.dtype, values.shape[1] * values.itemsize
        values.tofile(self._file)

    def close(self):
        """Close and delete the file, when nobody reads."""
        with self._lock:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def read(self, begin, out):
        """Fill `out` with rows from `begin` on; whether that could be done, because the part was not closed before."""
        room = out if out.dtype == self._dtype else np.empty(out.shape, self._dtype)
        left = memoryview(room.view(np.uint8).reshape(-1))
        with self._lock:
            if self._file.closed:
                return False
            self._file.seek(begin * self._row_bytes)
            while left:
                n_bytes = self._file.readinto(left)
                if n_bytes == 0:
                    raise OSError(f"{self._file.name} has been cut short.")
                left = left[n_bytes:]
        if room is not out:
            out[:] = room
        return True
