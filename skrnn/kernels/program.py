"""Programs: lists of kernels with their arguments, laid out in memory once and run many times without Python.

An argument is an array, a number, or one of these:

    Number   a number that stands in memory, where another kernel writes it
    View     an array whose place or number of rows stands in memory

and tuples of them. So what differs from shard to shard, such as the number of its sequences, is read when an
instruction runs.
"""

import ctypes
import struct
from typing import Any, NamedTuple

import numpy as np
from numba.core import config

from ._native import address_of, caller_of, entry_of
from .driver import execute

IS_COMPILED = not config.DISABLE_JIT
WORD_TYPES = np.dtype(np.int64), np.dtype(np.float64)
NAMES = {np.dtype(name): name for name in ("float32", "float64", "int64")}  # of another byte order they are others
_ANYTHING = ctypes.c_char * 0


def place_of(array):
    """The address of an array."""
    try:
        return ctypes.addressof(_ANYTHING.from_buffer(array))  # in a quarter of the time
    except TypeError:  # it cannot be written to
        return array.__array_interface__["data"][0]


class Number:
    """The number ``words[k]``, of a vector of int64 or float64 that stays where it is."""

    __slots__ = ("_k", "_words", "address")

    def __init__(self, words, k=0):
        if not (words.dtype in WORD_TYPES and words.ndim == 1 and words.flags.c_contiguous and 0 <= k < len(words)):
            raise TypeError(f"no word {k} of 8 bytes in an array of {words.dtype} and shape {words.shape}")
        self._words, self._k, self.address = words, k, place_of(words) + 8 * k

    @property
    def letter(self):
        """How `_native` describes it."""
        return "Q" if self._words.dtype.kind == "i" else "D"

    @property
    def value(self):
        """The number that stands there now."""
        return self._words[self._k].item()

    @value.setter
    def value(self, value):
        self._words[self._k] = value


class View(NamedTuple):
    """A C-contiguous array at an `address`; that, or an entry of `shape`, may be a `Number`.

    owner : what has to live as long; None where somebody else sees to that.
    """

    address: Any
    shape: tuple
    dtype: np.dtype
    owner: Any = None

    @classmethod
    def first(cls, array, n):
        """The first rows of an array, n of them, a `Number`."""
        _check_layout(array)
        return cls(place_of(array), (n, *array.shape[1:]), array.dtype, array)

    def resolve(self):
        """The array as it is now."""
        shape = tuple(_resolved(n) for n in self.shape)
        size = int(np.prod(shape)) * self.dtype.itemsize
        if not size:
            return np.empty(shape, self.dtype)
        return np.frombuffer((ctypes.c_char * size).from_address(_resolved(self.address)), self.dtype).reshape(shape)


class Instruction(NamedTuple):
    """A kernel with its arguments, and where its result goes.

    name : for readers; result : a `Number`, or None where there is none. A function that is no kernel runs in Python.
    """

    name: str
    kernel: Any
    arguments: tuple
    result: Number | None = None

    @property
    def is_compiled(self):
        return hasattr(self.kernel, "overloads")

    def run(self):
        """Run it alone."""
        Program([self]).run()

    def call(self):
        """Call the kernel, or the function, from Python."""
        value = self.kernel(*map(_resolved, self.arguments))
        if self.result is not None:
            self.result.value = value


def _resolved(argument):
    if isinstance(argument, Number):
        return argument.value
    if isinstance(argument, View):
        return argument.resolve()
    return tuple(map(_resolved, argument)) if isinstance(argument, tuple) else argument


class Program:
    """Instructions, laid out in memory to be run one after the other.

    Parameters
    ----------
    instructions : iterable of Instruction

    Attributes
    ----------
    is_compiled : bool
        Whether all of it is compiled, so that a driver may run it.
    address : int
        Where drivers find it, if it is compiled: [number of instructions, (caller, frame) of each].
    """

    def __init__(self, instructions):
        self.instructions = list(instructions)
        self.is_compiled = IS_COMPILED and all(each.is_compiled for each in self.instructions)
        if self.is_compiled:
            self._set_pairs(*_lay_out(self.instructions))
        elif IS_COMPILED:  # a function of the user's stands among kernels
            self._parts = [Program([each]).run if each.is_compiled else each.call for each in self.instructions]
        else:
            self._parts = [each.call for each in self.instructions]

    def _set_pairs(self, pairs, *frames):
        self._pairs, self._frames = pairs, frames
        self._text = np.array([len(pairs) // 2, *pairs], np.int64)
        self.address, self._execute = place_of(self._text), entry_of(execute, ("q",))

    @classmethod
    def joined(cls, *programs):
        """One program of several, which it runs one after the other; their frames are shared."""
        made = cls.__new__(cls)
        made.instructions = [each for program in programs for each in program.instructions]
        made.is_compiled = all(program.is_compiled for program in programs)
        if made.is_compiled:
            made._set_pairs([word for program in programs for word in program._pairs], *programs)
        else:
            made._parts = [program.run for program in programs]
        return made

    def run(self):
        """Run all instructions.

        Raises
        ------
        Exception
            What a kernel has raised; those behind it have not run.
        """
        if not self.is_compiled:
            for run in self._parts:
                run()
        elif failed := self._execute(self.address):
            self.explain(failed)

    def explain(self, failed):
        """Raise what instruction `failed`, counted from 1, has raised, by running it from Python."""
        instruction = self.instructions[failed - 1]
        instruction.call()
        raise RuntimeError(f"The instruction {instruction.name!r} has failed.")

    def __str__(self):
        """A listing: number, name and kernel of each instruction."""
        names = [_shown(each.kernel) for each in self.instructions]
        width = max((len(each.name) for each in self.instructions), default=0)
        lines = [
            f"{k:3d}  {each.name:{width}}  {name}"
            for k, (each, name) in enumerate(zip(self.instructions, names, strict=True))
        ]
        return "\n".join(lines)


def _shown(kernel):
    return f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__.lstrip('_')}"


def _lay_out(instructions):
    """Pairs (caller, frame) of instructions, and the memory of the frames."""
    words, described = [0], []  # the first word takes results that nobody wants
    for instruction in instructions:
        begin = len(words)
        words += [0, 0 if instruction.result is None else instruction.result.address]
        signature = tuple(_describe(argument, words) for argument in instruction.arguments)
        result = None if instruction.result is None else instruction.result.letter
        described.append((begin, signature, address_of(instruction.kernel, signature, result)))
    frames = np.array(words, np.int64)
    base, pairs = place_of(frames), []
    for begin, signature, kernel in described:
        frames[begin] = kernel
        frames[begin + 1] = frames[begin + 1] or base
        pairs += [caller_of(signature), base + 8 * begin]
    return pairs, frames


def _check_layout(array):
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise TypeError("kernels take C-contiguous, aligned arrays")


def _name_of(dtype):
    try:
        return NAMES[dtype]
    except KeyError:
        raise TypeError(f"programs have no arrays of {dtype!r}") from None


def _describe(argument, words):
    """Append the words of an argument; returns its description for `_native`."""
    if isinstance(argument, np.ndarray):
        _check_layout(argument)
        words.append(place_of(argument))
        words += argument.shape
        return "array", _name_of(argument.dtype), "q", ("q",) * argument.ndim
    if isinstance(argument, (bool, np.bool_)):
        words.append(int(argument))
        return "b"
    if isinstance(argument, View):
        data, *shape = [_describe(each, words) for each in (argument.address, *argument.shape)]
        if not {data, *shape} <= {"q", "Q"}:
            raise TypeError("address and shape of a View are whole numbers")
        return "array", _name_of(argument.dtype), data, tuple(shape)
    if isinstance(argument, Number):
        words.append(argument.address)
        return argument.letter
    if isinstance(argument, tuple):
        return ("tuple", *(_describe(part, words) for part in argument))
    if isinstance(argument, float):
        words.append(struct.unpack("q", struct.pack("d", argument))[0])
        return "d"
    if isinstance(argument, (int, np.integer)):
        words.append(int(argument))
        return "q"
    raise TypeError(f"programs have no arguments of type {type(argument).__name__}")
