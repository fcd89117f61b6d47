"""Files that are replaced as a whole or not at all."""

import contextlib
import glob
import os
import secrets
import stat

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed, so that nothing needs a lock
    fcntl = None


@contextlib.contextmanager
def replacing(path):
    """A new binary file that takes the place of `path` when the block ends well; else everything stays as it was.

    It is written under another name in the same directory. One that a killed process left there is removed first;
    those that are being written by others are told apart by the lock that they hold.
    """
    path = os.path.realpath(os.fspath(path))  # a symbolic link stays, what it points at is replaced
    if os.path.isdir(path):
        raise IsADirectoryError(f"Cannot save to {path!r}: it is a directory.")
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"Cannot save to {path!r}: there is no directory {os.path.dirname(path)!r}.")
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"Cannot save to {path!r}: it is not a regular file.")
    _remove_stale(path)
    file, temporary = _create(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise
    _sync_directory(os.path.dirname(path))


def _create(path):
    """A new file beside `path`, locked, and its name; its permissions are those that the umask gives."""
    directory, name = os.path.split(path)
    while True:
        temporary = os.path.join(directory, f".{name}.{secrets.token_hex(4)}.tmp")
        file = open(temporary, "x+b")  # noqa: SIM115 (the caller closes it)
        if _lock(file, wait=True) and os.path.exists(temporary):
            return file, temporary
        file.close()  # another process took it for a stale one before it was locked


def _remove_stale(path):
    directory, name = os.path.split(path)
    for temporary in glob.glob(os.path.join(glob.escape(directory), f".{glob.escape(name)}.????????.tmp")):
        with contextlib.suppress(OSError), open(temporary, "r+b") as file:
            if _lock(file, wait=False):
                os.remove(temporary)


def _lock(file, wait):
    """Lock a file until it is closed; the lock of a process that is killed is gone."""
    if fcntl is None:
        return wait  # on Windows a file opened here could not be removed anyway
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return wait  # no locks on this file system: leave the files of others alone
    return True


def _sync_directory(directory):
    """Bring the new name to the disk too, where directories can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
