"""What a C file is put together from: constants, the state, functions."""

from typing import NamedTuple

import numpy as np

from .text import INDENT, TYPES, comment, function, loop, table


class Field(NamedTuple):
    """An array of the state, or with size 0 a single number; `start`: what it begins with, in C."""

    ctype: str
    name: str
    size: int
    about: str
    start: str

    def reset(self):
        """Lines that begin a sequence."""
        return loop("j", self.size, [f"s->{self.name}[j] = {self.start};"]) or [f"s->{self.name} = {self.start};"]


class Source:
    """The parts of a C file, which are written in the order of its layers.

    Parameters
    ----------
    name : str
        Prefix of all that the file makes public.
    dtype : str
        Of the network, "float32" or "float64".

    Attributes
    ----------
    real : str
        The C type of numbers.
    functions : list of str
        Lines of all functions.
    fields : list of Field
        What a state remembers.
    n_products : int
        Multiplications in products of a step.
    constant_bytes, local_bytes : int
        Bytes of constant arrays, and of arrays that functions keep on the stack.
    """

    def __init__(self, name, dtype):
        self.name, self.dtype = name, dtype
        self.real, self.itemsize = TYPES[dtype], np.dtype(dtype).itemsize
        self.constants, self.functions, self.fields = [], [], []
        self.n_products = self.constant_bytes = self.local_bytes = 0

    @property
    def macro(self):
        """Prefix of the names of numbers."""
        return self.name.upper()

    @property
    def state(self):
        """The C type of a state."""
        return f"{self.name}_state"

    # ------------------------------------------------------------------------------------------------- constants
    def vector(self, name, values, about=None, ctype=None, dtype=None):
        """Write a constant array."""
        dtype = dtype or self.dtype
        self.constants += [*(comment(about) if about else ()), *table(ctype or self.real, name, values, dtype), ""]
        self.constant_bytes += values.size * np.dtype(dtype).itemsize

    def strings(self, name, texts, about):
        """Write a constant array of strings, in the order of `texts`, which are literals."""
        lines = [f"static const char *const {name}[{len(texts)}] = {{", *(f"{INDENT}{text}," for text in texts), "};"]
        self.constants += [*comment(about), *lines, ""]
        self.constant_bytes += sum(len(text) - 1 + 8 for text in texts)

    def matrix(self, name, W, about, scale=None):
        """Write a matrix of weights; with `scale`, of its rows, as numbers of 8 bits."""
        about = f"{about}, {W.shape[0]} x {W.shape[1]}"
        if scale is None:
            self.vector(name, W, about)
            return
        codes = np.rint(W / scale[:, np.newaxis])
        self.vector(name, codes, f"{about}, in units of the scale of its row", "int8_t", np.int8)
        self.vector(f"{name}_scale", scale)

    # ------------------------------------------------------------------------------------------------- functions
    def product(self, W, name, x, out, about, scale=None, times=1):
        """Write a matrix and give lines that add its product with an input.

        W, name, about, scale : see `matrix`; x : the input, in C; out : place of output j
        """
        n, m = W.shape
        if not n or not m:
            return []
        self.matrix(name, W, about, scale)
        self.n_products += n * m * times
        factor = f"{x}[i]" if scale is None else f"{x}[i] * {name}_scale[i]"
        body = [f"const {self.real} x_i = {factor};", *loop("j", m, [f"{out} += x_i * {name}[i][j];"])]
        return loop("i", n, body)

    def local(self, name, n):
        """The declaration of an array on the stack."""
        self.local_bytes += n * self.itemsize
        return f"{self.real} {name}[{n}];"

    def define(self, signature, body, about=None):
        """Write a function."""
        self.functions += [*function(signature, body, about), ""]

    # ----------------------------------------------------------------------------------------------------- state
    def remember(self, name, size, about, ctype=None, start="0"):
        """Add to the state an array, or with size 0 a number; gives the expression for it."""
        field = Field(ctype or self.real, name, size, about, start)
        if field not in self.fields:
            self.fields.append(field)
            # Whole numbers stand last, so that nothing is left free between fields.
            self.fields.sort(key=lambda each: each.ctype != self.real)
        return f"s->{name}"

    @property
    def state_bytes(self):
        """Size of a state."""
        sizes = {"int32_t": 4, "uint32_t": 4, self.real: self.itemsize}
        used = sum(sizes[field.ctype] * max(1, field.size) for field in self.fields)
        return -(-used // self.itemsize) * self.itemsize
