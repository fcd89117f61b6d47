"""Native code of kernels by address: what a program calls a kernel through, with arguments that stand in memory.

Numba compiles a kernel to a function of many words: seven for a vector, nine for a matrix. A *caller* is a function of
one word, the address of a *frame*, which reads the arguments of a kernel from there and calls it. There is one for each
signature of kernels, made of the same description as the frame, and checked against what Numba says of the kernel.

    frame   [address of the kernel, address for its result, words of the arguments ...]

An argument is described by a letter, an array by a tuple ``("array", dtype, data, shape)``, a tuple by ``("tuple",
*descriptions)``. Letters: ``q``, ``d``, ``b`` for an int, a float, a bool; ``Q``, ``D`` where the word is the address
of the number. `data` and the entries of `shape` are ``q`` or ``Q`` likewise.
"""

import functools

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

_SCALARS = {"q": ("i64", types.int64), "d": ("double", types.float64), "b": ("i8", types.boolean)}
_ITEMS = {"float32": (4, types.float32), "float64": (8, types.float64), "int64": (8, types.int64)}
# What a kernel may return where nobody wants it, and where a number of this letter does: nothing larger than a word.
_RESULTS = {None: {types.none, types.int64, types.float64, types.boolean}, "Q": {types.int64}, "D": {types.float64}}
_made = []  # what owns the code of callers


def numba_type(description):
    """The Numba type of a described argument."""
    if isinstance(description, str):
        return _SCALARS[description.lower()][1]
    kind, *rest = description
    if kind == "tuple":
        return types.BaseTuple.from_types([numba_type(part) for part in rest])
    dtype, _, shape = rest
    if dtype not in _ITEMS:
        raise TypeError(f"programs have no arrays of {dtype}")
    return types.Array(_ITEMS[dtype][1], len(shape), "C")


@functools.cache
def address_of(kernel, signature, result=None):
    """Address of the native code of a kernel for described arguments; it is compiled, or loaded, if need be.

    result : letter of the number that the kernel returns, None if nobody wants it.
    """
    compiled = _compiled(kernel, signature)
    returned = compiled.signature.return_type
    if returned not in _RESULTS[result]:
        raise TypeError(f"{kernel} returns {returned}, for which there is no place")
    expected = cpu_target.target_context.call_conv.get_function_type(returned, compiled.signature.args).args[2:]
    expected = ["ptr" if isinstance(each, ir.PointerType) else str(each) for each in expected]
    passed = [each.split()[0] for each in _CallerCode(signature).arguments]
    if expected != passed:
        raise TypeError(f"Numba passes {expected} to {kernel}, not {passed}")
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


@functools.cache
def entry_of(kernel, signature):
    """The function by which Python enters a kernel with described arguments, whose types it does not look at."""
    return _compiled(kernel, signature).entry_point


def _compiled(kernel, signature):
    arguments = tuple(map(numba_type, signature))
    if arguments not in kernel.overloads:
        kernel.compile(arguments)
    return kernel.overloads[arguments]


@functools.cache
def caller_of(signature):
    """Address of the function that calls kernels of a signature with the arguments of a frame; returns their status."""
    with global_compiler_lock:
        module = llvm.parse_assembly(_CallerCode(signature).text())
        machine = llvm.Target.from_default_triple().create_target_machine(opt=0, jit=True)
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
    _made.append(engine)
    return engine.get_function_address("call")


class _CallerCode:
    """Writes the LLVM code of a caller.

    Attributes
    ----------
    arguments : list of str
        What is passed to the kernel, as Numba flattens it: types and values.
    """

    def __init__(self, signature):
        self.lines, self.arguments, self._n_names, self._n_words = [], [], 0, 0
        self.kernel, self.result = self._read("q"), self._read("q")
        for description in signature:
            self._add(description)

    def text(self):
        kernel, result = (self._emit(f"inttoptr i64 {word} to ptr") for word in (self.kernel, self.result))
        passed = ", ".join([f"ptr {result}", "ptr %raised", *self.arguments])
        status = self._emit(f"call i32 {kernel}({passed})")
        body = "\n".join(self.lines)
        start = "%raised = alloca ptr\n%frame = inttoptr i64 %address to ptr"
        return f"define i32 @call(i64 %address) {{\n{start}\n{body}\nret i32 {status}\n}}\n"

    def _emit(self, expression):
        name = f"%v{self._n_names}"
        self._n_names += 1
        self.lines.append(f"{name} = {expression}")
        return name

    def _read(self, letter):
        """The next word of the frame, or the number at the address that it holds."""
        place = self._emit(f"getelementptr i64, ptr %frame, i64 {self._n_words}")
        self._n_words += 1
        word = self._emit(f"load i64, ptr {place}")
        if letter.isupper():
            pointer = self._emit(f"inttoptr i64 {word} to ptr")
            word = self._emit(f"load i64, ptr {pointer}")
        return word

    def _add(self, description):
        if isinstance(description, str):
            self._add_number(description)
            return
        kind, *rest = description
        if kind == "array":
            self._add_array(*rest)
        else:
            for part in rest:
                self._add(part)

    def _add_number(self, letter):
        word, kind = self._read(letter), letter.lower()
        if kind == "d":
            word = self._emit(f"bitcast i64 {word} to double")
        elif kind == "b":
            word = self._emit(f"trunc i64 {word} to i8")
        self.arguments.append(f"{_SCALARS[kind][0]} {word}")

    def _add_array(self, dtype, data, shape):
        """Owner and parent (none), number of items, size of one, data, shape, strides of rows without a gap."""
        item = _ITEMS[dtype][0]
        pointer = self._emit(f"inttoptr i64 {self._read(data)} to ptr")
        lengths, strides, stride = [self._read(letter) for letter in shape], [], str(item)
        for length in reversed(lengths):
            strides.insert(0, stride)
            stride = self._emit(f"mul i64 {stride}, {length}")
        n_items = self._emit(f"udiv i64 {stride}, {item}")
        self.arguments += ["ptr null", "ptr null", f"i64 {n_items}", f"i64 {item}", f"ptr {pointer}"]
        self.arguments += [f"i64 {word}" for word in (*lengths, *strides)]
