"""C files that `to_c` has written: compiled, run, and called from here."""

import ctypes
import dataclasses
import shutil
import subprocess

import numpy as np
import pytest

from skrnn.network.network import Network

FLAGS = [
    "-std=c99",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pedantic",
    "-Wconversion",
    "-Wshadow",
    "-Wdouble-promotion",
]
COMPILER = shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs gcc")


def compiled(path, *flags):
    """Compile a C file as strictly as can be; returns the path of what it became."""
    out = str(path).removesuffix(".c")
    run = subprocess.run([COMPILER, *FLAGS, *flags, str(path), "-lm", "-o", out], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return out


def run_test(program, *under):
    """Compile and run the test beside a program, as an argument of a command if one is given."""
    run = subprocess.run([*under, compiled(program.test_path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


class Library:
    """The functions of a C file.

    Parameters
    ----------
    program : Bunch
        Of `to_c`.
    name : str
        Prefix of its functions.
    n_out : int
    dtype : numpy.dtype
        Of what it puts out; and of what it reads, if that is not int.
    """

    def __init__(self, program, name, n_out, dtype=np.float32):
        path = compiled(program.path, "-shared", "-fPIC")
        self.functions, self.name, self.n_out, self.dtype = ctypes.CDLL(path), name, n_out, np.dtype(dtype)
        self.state = ctypes.create_string_buffer(program.state_bytes + 64)

    def __getattr__(self, function):
        return getattr(self.functions, f"{self.name}_{function}")

    def begin(self):
        self.reset(self.state)

    def take(self, x):
        """What is returned for a step, and what is put out."""
        out = np.full(self.n_out, np.nan, self.dtype)
        x = self._read(x)
        return self.step(self.state, x.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p)), out

    def whole(self, X, n_rows=1):
        """What is returned for a sequence, and what is put out."""
        out = np.full((n_rows, self.n_out), np.nan, self.dtype)
        X = self._read(X)
        index = self.run(X.ctypes.data_as(ctypes.c_void_p), len(X), out.ctypes.data_as(ctypes.c_void_p))
        return index, out

    def _read(self, x):
        x = np.asarray(x)
        return np.ascontiguousarray(x, np.int32 if x.dtype.kind == "i" else self.dtype)


def with_network(fitted, rng, scale=1.0, **changes):
    """A fitted estimator with another network, of random weights of size `scale`."""
    structure = dataclasses.replace(fitted.structure_, **changes)
    network = Network(structure)
    theta = np.empty(network.layout.size)
    views = network.layout.views(theta)
    for view in views.values():
        view[...] = scale / np.sqrt(view.shape[0] if view.ndim == 2 else 1) * rng.normal(size=view.shape)
    fitted.structure_ = structure
    fitted.weights_ = {name: view.astype(network.dtype) for name, view in views.items()}
    return fitted
