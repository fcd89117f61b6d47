"""Switch the floating-point unit to flush numbers below the normal range to zero.

Gradients that vanish over long sequences end in such numbers, and on x86 each operation on one takes over a hundred
cycles. The mode belongs to the thread: a kernel sets it for its own time and puts the old one back.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import lower_builtin, type_callable

FLUSH = {"x86": 0x8040, "arm": 1 << 24}  # MXCSR: flush to zero, denormals are zero; FPCR: FZ
MACHINE = {"x86_64": "x86", "i686": "x86", "aarch64": "arm", "arm64": "arm"}.get(
    cpu_target.target_context.codegen().magic_tuple()[0].split("-")[0]
)


def flush_denormals():
    """Set the mode; returns the word of control bits that was set before."""
    return 0


@type_callable(flush_denormals)
def _type_flush(context):
    return lambda: types.int64


@lower_builtin(flush_denormals)
def _lower_flush(context, builder, sig, args):
    if MACHINE is None:
        return ir.Constant(ir.IntType(64), 0)
    before = _read(builder)
    _write(builder, builder.or_(before, ir.Constant(ir.IntType(64), FLUSH[MACHINE])))
    return before


def restore_denormals(before):
    """Put back what `flush_denormals` returned."""


@type_callable(restore_denormals)
def _type_restore(context):
    return lambda before: types.none


@lower_builtin(restore_denormals, types.int64)
def _lower_restore(context, builder, sig, args):
    if MACHINE is not None:
        _write(builder, args[0])
    return context.get_dummy_value()


def _read(builder):
    if MACHINE == "arm":
        return builder.asm(ir.FunctionType(ir.IntType(64), []), "mrs $0, fpcr", "=r", [], True)
    word = cgutils.alloca_once(builder, ir.IntType(32))
    _call(builder, "llvm.x86.sse.stmxcsr", word)
    return builder.zext(builder.load(word), ir.IntType(64))


def _write(builder, bits):
    if MACHINE == "arm":
        builder.asm(ir.FunctionType(ir.VoidType(), [ir.IntType(64)]), "msr fpcr, $0", "r", [bits], True)
        return
    word = cgutils.alloca_once(builder, ir.IntType(32))
    builder.store(builder.trunc(bits, ir.IntType(32)), word)
    _call(builder, "llvm.x86.sse.ldmxcsr", word)


def _call(builder, name, pointer):
    function_type = ir.FunctionType(ir.VoidType(), [ir.PointerType()])
    builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), [pointer])
