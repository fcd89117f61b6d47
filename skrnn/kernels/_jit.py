"""The one place that knows how kernels are compiled: flags, disk cache, and the vector unit of this CPU.

`kernel` compiles a module-level function at its first call, without the GIL, with NumPy's error model and no
`fastmath` (which would delete NaN checks). `bind` gives a kernel its own copy of a function with other globals: that
is how one time loop serves every cell, although compiled functions that receive functions never reach a disk cache.

With ``NUMBA_DISABLE_JIT=1`` both return plain Python functions that compute the same.
"""

import functools
import hashlib
import os
import platform
import shutil
import time
import types
from pathlib import Path

import numba
from numba.core import config
from numba.core import types as numba_types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher, cpu_target

from .._core.version import __version__

PACKAGE = Path(__file__).resolve().parents[1]
KERNEL_SOURCES = ("kernels/*.py", "cells/*.py", "network/layers/*.py")
UNUSED_FOR = 60 * 24 * 3600  # seconds after which kernels of another build are removed


def _vector_unit():
    """Bytes of a vector register, number of them, and whether loads and stores take a lane mask as one instruction."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    if "+avx512f" in features and "+avx512vl" in features:
        return 64, 32, True
    if triple.startswith(("aarch64", "arm64")):
        return 16, 32, False
    return (32 if "+avx" in features.split(",") else 16), 16, False


VECTOR_BYTES, N_VECTOR_REGISTERS, MASKED_MEMORY = _vector_unit()

if hasattr(os, "register_at_fork"):
    # A process forked while another thread compiles would hold a lock that nobody in it releases: forking waits.
    _release = global_compiler_lock.release
    os.register_at_fork(before=global_compiler_lock.acquire, after_in_parent=_release, after_in_child=_release)


@functools.cache
def _package_stamp():
    """Hash of every source that a kernel may contain: Numba itself notices a change in one file only."""
    digest = hashlib.sha256(numba.__version__.encode())
    sources = [path for pattern in KERNEL_SOURCES for path in sorted(PACKAGE.glob(pattern))]
    for path in sources or [Path(__loader__.archive)]:  # there are no files if the package is imported from a zip
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _user_cache():
    if platform.system() == "Windows":
        return Path(os.environ.get("LOCALAPPDATA", "~")) / "skrnn"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path("~/.cache")) / "skrnn"


@functools.cache
def _build():
    """Name of the folder of what is compiled from these sources for this CPU: version, CPU, and a hash of both."""
    target = cpu_target.target_context.codegen().magic_tuple()
    digest = hashlib.sha256(f"{_package_stamp()} {target}".encode())
    return f"{__version__}-{target[1]}-{digest.hexdigest()[:12]}"


@functools.cache
def _cache_directory():
    """Folder of this build in the first writable of: NUMBA_CACHE_DIR, the user's cache; else None.

    One that others have filled and that cannot be written serves too, if it is given or there is no other.
    Never the installed package: what pip does not know of outlives it, and Python takes the rest for a package.
    Never the system's temporary directory: cached code is unpickled, and others could write there.
    """
    given = [Path(config.CACHE_DIR) / "skrnn"] if config.CACHE_DIR else []
    filled = []
    for place in [*given, _user_cache()]:
        try:
            path = place.expanduser() / _build()
            if any(path.glob("*.nbi")):
                filled.append(str(path))
            if not path.is_dir():
                path.mkdir(parents=True)
                _remove_unused_builds(path.parent)
            probe = path / f"probe.{os.getpid()}.{id(path)}"
            probe.touch()  # also tells when the folder was last used
            probe.unlink()
        except (OSError, RuntimeError):  # not writable; no home directory
            if place in given and filled:
                break
            continue
        return str(path)
    return next(iter(filled), None)


def cache_folder():
    """The folder that compiled kernels are kept in, or None if there is none."""
    return _cache_directory()


def _remove_unused_builds(place):
    """Remove folders of other builds, of another version or from edited sources, that no process has used for long."""
    for path in place.glob("*-*-????????????"):
        if time.time() - path.stat().st_mtime > UNUSED_FOR:
            shutil.rmtree(path, ignore_errors=True)


class _Locator(_CacheLocator):
    """Where the compiled form of a kernel lies, and from which sources it was made."""

    def __init__(self, py_func, py_file):
        self._py_func, self._py_file = py_func, py_file

    def get_cache_path(self):
        return _cache_directory()

    def ensure_cache_path(self):
        """Numba would refuse a directory that can only be read; one that is gone is noticed in use."""

    def get_source_stamp(self):
        files = {f.__code__.co_filename for f in _foreign_functions(self._py_func)}
        return _package_stamp(), *(Path(f).read_bytes() for f in sorted(files))

    def get_disambiguator(self):
        # The folder tells copies of the package apart; modules of users may have one name in several places.
        place = self._py_file if _is_foreign(self._py_file) else ""
        name = f"{self._py_func.__module__}.{self._py_func.__qualname__}.{place}.{config.BOUNDSCHECK}"
        digest = hashlib.sha256(name.encode())
        for function in _foreign_functions(self._py_func):  # two cells of one file may have functions of one name
            code = function.__code__
            digest.update(code.co_code + repr((code.co_name, code.co_names, code.co_consts)).encode())
        return digest.hexdigest()[:12]

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls(py_func, py_file)


@functools.cache
def _is_foreign(path):
    return not Path(path).resolve().is_relative_to(PACKAGE)


def _foreign_functions(py_func):
    """The functions from outside the package that `py_func` may call (a user's own cell), itself among them."""
    found, waiting = {}, [py_func]
    while waiting:
        function = waiting.pop()
        if function not in found:
            found[function] = _is_foreign(function.__code__.co_filename)
            names = function.__code__.co_names
            called = (getattr(f, "py_func", f) for f in map(function.__globals__.get, names))
            waiting += [f for f in called if isinstance(f, types.FunctionType)]
    return [function for function, is_foreign in found.items() if is_foreign]


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes = [_Locator]


class _KernelCache(FunctionCache):
    """Numba's disk cache, except that no damage to it and no full disk ever stops a fit."""

    _impl_class = _CacheImpl

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # truncated, garbage, from another Numba: unpickling can raise anything
            self._forget()
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:  # disk full, directory removed or made read-only, index damaged meanwhile
            self._forget()

    def _forget(self):
        try:
            self.flush()
        except OSError:
            self.disable()


def kernel(function):
    """Compile a function with the package's flags, at its first call; cached on disk where there is a place for it.

    Parameters
    ----------
    function : function
        A function at the top level of a module, in the part of Python and NumPy that Numba compiles, or one of a cell.

    Returns
    -------
    callable
        What computes the same, compiled; the function itself with ``NUMBA_DISABLE_JIT=1``.

    Examples
    --------
    >>> from skrnn.cells import kernel
    >>> @kernel
    ... def forward(a, s, h, p):
    ...     return a, s, a[0]
    """
    return _compiled(function)


def _compiled(function, **options):
    """What `kernel` returns; nothing takes kernels as C callbacks, so these are not compiled either."""
    if config.DISABLE_JIT:
        return function
    dispatcher = numba.njit(nogil=True, error_model="numpy", _nrt=False, no_cfunc_wrapper=True, **options)(function)
    resolve = dispatcher.get_call_template
    # Numba would compile a kernel anew for each combination of literal arguments in the calls of other kernels.
    dispatcher.get_call_template = lambda args, kws: resolve([numba_types.unliteral(a) for a in args], kws)
    # Functions made by one factory differ in what they close over only, which no name of a cache file tells.
    if _cache_directory() is not None and not any(f.__closure__ for f in _foreign_functions(function)):
        try:
            dispatcher._cache = _KernelCache(function)
        except (OSError, TypeError):  # defined at a prompt: there is no source file to watch
            pass
    return dispatcher


def stage(function):
    """Like `kernel`, for a function that kernels and programs call: code by which Python enters takes long to compile.

    It exists all the same where kernels may fail, so that Python can say how.
    """
    if config.DISABLE_JIT or config.BOUNDSCHECK:
        return _compiled(function)
    dispatcher = _compiled(function, no_cpython_wrapper=True)
    dispatcher.__class__ = _Stage  # Numba would jump to where there is nothing
    return dispatcher


class _Stage(CPUDispatcher):
    def __call__(self, *_, **__):
        raise TypeError(f"{self.__name__} is called by kernels and programs only: make a Program of an Instruction.")


def bind(function, name, **bound):
    """A kernel from `function` with the global names in `bound` replaced, e.g. ``forward`` by a cell's own.

    `name` tells it from other kernels bound from the same function: it names the cache file.
    """
    return kernel(_copy(function, name, bound))


def bind_stage(function, name, **bound):
    """Like `bind`, for a function that kernels and programs call. Python must not call the result."""
    return stage(_copy(function, name, bound))


def _copy(function, name, bound):
    source = getattr(function, "py_func", function)
    copy = types.FunctionType(source.__code__, {**source.__globals__, **bound}, source.__name__, source.__defaults__)
    copy.__qualname__ = f"{source.__qualname__}_{name}"
    copy.__module__, copy.__doc__ = source.__module__, source.__doc__
    return copy
