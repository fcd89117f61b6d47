"""What `kernels/_native.py` takes for granted of Numba and LLVM, one test each: a new version may differ there."""

import ctypes

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
from llvmlite import ir
from numba.core import config, types
from numba.core.registry import cpu_target

from skrnn.kernels import _native
from skrnn.kernels._jit import kernel

pytestmark = pytest.mark.skipif(config.DISABLE_JIT, reason="there is no native code without the compiler")
OF_ALL_KINDS = (
    "q",
    "d",
    "b",
    ("array", "float32", "q", ("q",)),
    ("array", "float64", "Q", ("Q", "q")),
    ("array", "int64", "q", ("q", "q", "Q")),
    ("tuple", "Q", ("tuple", "D", ("array", "float32", "q", ("q", "q")))),
)


def words_of(returned, *arguments):
    """What Numba's calling convention passes to a function, as text."""
    expected = cpu_target.target_context.call_conv.get_function_type(returned, arguments)
    assert str(expected.return_type) == "i32"
    return ["ptr" if isinstance(each, ir.PointerType) else str(each) for each in expected.args]


def code_of(function, *arguments):
    """Address of the native code of a kernel for arguments of these types."""
    function.compile(arguments)
    compiled = function.overloads[arguments]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


def test_numba_passes_places_for_result_and_error_first():
    for returned in (types.none, types.int64, types.float64, types.boolean):
        assert words_of(returned) == ["ptr", "ptr"]


@pytest.mark.parametrize("description", OF_ALL_KINDS, ids=str)
def test_numba_passes_arguments_in_the_words_that_callers_have(description):
    passed = _native._CallerCode((description,)).arguments
    assert words_of(types.none, _native.numba_type(description))[2:] == [each.split()[0] for each in passed]


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_numba_has_the_parts_of_an_array_in_this_order(n_axes):
    manager = cpu_target.target_context.data_model_manager
    parts = manager[types.Array(types.float32, n_axes, "C")]._fields
    assert tuple(parts) == ("meminfo", "parent", "nitems", "itemsize", "data", "shape", "strides")


def test_kernels_have_the_types_that_numba_finds_for_arrays_and_numbers():
    values = 1, 1.0, True, np.zeros(1, np.float32), np.zeros((1, 1)), np.zeros((1, 1, 1), np.int64)
    assert [_native.numba_type(each) for each in OF_ALL_KINDS[:-1]] == [numba.typeof(each) for each in values]
    assert _native.numba_type(OF_ALL_KINDS[-1]) == numba.typeof((1, (1.0, np.zeros((1, 1), np.float32))))
    assert _native.numba_type(("tuple",)) == numba.typeof(())
    assert _native.numba_type(("tuple", "q", "q")) == numba.typeof((1, 2))


@kernel
def _half(x):
    if x < 0:
        raise ValueError("below 0")
    return 0.5 * x


def test_native_code_is_found_by_its_name_and_returns_0_if_nothing_was_raised():
    call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double)
    result, raised = ctypes.c_double(), ctypes.c_void_p()
    half = call(code_of(_half, types.float64))
    assert half(ctypes.addressof(result), ctypes.addressof(raised), 3.0) == 0
    assert result.value == 1.5
    assert half(ctypes.addressof(result), ctypes.addressof(raised), -3.0) != 0
    assert raised.value


@kernel
def _nothing(out):
    out[0] = 1.0


def test_a_function_without_a_result_writes_a_word_at_most():
    words = np.full(3, 7)
    call = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 7)
    out = np.zeros(2)
    code = call(code_of(_nothing, types.Array(types.float64, 1, "C")))
    assert code(words.ctypes.data + 8, words.ctypes.data + 16, 0, 0, 2, 8, out.ctypes.data, 2, 8) == 0
    assert words[[0, 2]].tolist() == [7, 7]
    assert out.tolist() == [1, 0]


def test_callers_compile_and_are_made_once_for_a_signature():
    before = len(_native._made)
    signature = (*OF_ALL_KINDS, OF_ALL_KINDS)
    assert _native.caller_of(signature) == _native.caller_of(signature) != _native.caller_of((*signature, "q"))
    assert len(_native._made) == before + 2


def test_llvm_refuses_text_that_is_no_code():
    with pytest.raises(RuntimeError):
        llvm.parse_assembly("define i32 @call(i64 %address) {\nret i64 %address\n}\n")


def test_a_kernel_that_numba_would_call_otherwise_is_refused(monkeypatch):
    """As if a version of Numba passed the number of axes of an array, too."""
    monkeypatch.setattr(
        _native._CallerCode, "_add_array", lambda self, *_: self.arguments.extend(["ptr null"] * 2 + ["i64 0"] * 4)
    )
    with pytest.raises(TypeError, match="Numba passes"):
        _native.address_of(_nothing, (("array", "float32", "q", ("q",)),))
