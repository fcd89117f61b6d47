"""A vector register as a Numba value: element-wise kernels written like scalar equations.

``Lanes`` holds `lanes(dtype)` neighbouring elements of an array row. `load` and `store` move them, the arithmetic
operators and the functions below act on all of them at once, and Python numbers take the dtype of the lanes (so
``1 - h * h`` stays float32). Numba's own vectoriser would need one run-time alias check per pair of arrays, falls back
to scalar tails, and uses half of the register width on some CPUs.

Each function below has its meaning in NumPy as its body, and that is what runs with ``NUMBA_DISABLE_JIT=1``; the
lowering beside it says the same to LLVM.
"""

import operator

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model, type_callable

from ._jit import MASKED_MEMORY, VECTOR_BYTES

I32, I64 = ir.IntType(32), ir.IntType(64)
CONTRACT = ("contract",)  # lets a * b + c become one instruction; keeps NaN, infinity and the order of operations
ESTIMATE = ("arcp", "afn", "ninf", "nsz", "reassoc", "contract")  # all but "nnan"


def lanes(dtype):
    """Number of elements of `dtype` in one vector register of this CPU."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


class Lanes(types.Type):
    """Numba type of one vector register of `dtype` (types.float32 or types.float64)."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.count = VECTOR_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, vector_type(fe_type.dtype))


# ------------------------------------------------------------------------------ helpers for writing LLVM code
def element_type(dtype):
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


def vector_type(dtype):
    return ir.VectorType(element_type(dtype), VECTOR_BYTES * 8 // dtype.bitwidth)


def intrinsic(builder, name, result, arguments):
    """Call the LLVM intrinsic `name` that is overloaded on its vector type, e.g. ``llvm.fmuladd.v16f32``."""
    vector = arguments[0].type
    suffix = f"v{vector.count}f{32 if vector.element == ir.FloatType() else 64}"
    function_type = ir.FunctionType(result, [a.type for a in arguments])
    function = cgutils.get_or_insert_function(builder.module, function_type, f"{name}.{suffix}")
    return builder.call(function, arguments)


def data_pointer(context, builder, array_type, array, offset):
    """Untyped pointer to the element of a C-contiguous array that lies `offset` elements after its first."""
    if array_type.layout != "C":
        raise TypeError(f"kernels take C-contiguous arrays, got {array_type}")
    data = context.make_array(array_type)(context, builder, array).data
    untyped = builder.inttoptr(builder.ptrtoint(data, I64), ir.PointerType())
    return builder.gep(untyped, [offset], source_etype=element_type(array_type.dtype))


def splat(builder, scalar, count):
    vector = ir.VectorType(scalar.type, count)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(I32, 0))
    zeros = ir.Constant(ir.VectorType(I32, count), [0] * count)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


def lane_mask(builder, active, count):
    """Mask of `count` lanes whose first `active` (any integer, also negative or larger) are on."""
    index = ir.Constant(ir.VectorType(I32, count), list(range(count)))
    return builder.icmp_signed("<", index, splat(builder, builder.trunc(active, I32), count))


def element_bytes(vector):
    return 4 if vector.element == ir.FloatType() else 8


def _masked(builder, name, result, vector, arguments):
    function_type = ir.FunctionType(result, [a.type for a in arguments])
    full_name = f"llvm.masked.{name}.v{vector.count}f{8 * element_bytes(vector)}.p0"
    function = cgutils.get_or_insert_function(builder.module, function_type, full_name)
    return builder.call(function, arguments)


def load_vector(builder, pointer, vector, mask=None):
    """Load a vector, aligned to its element only; lanes that are off are not read and become 0."""
    if mask is None:
        value = builder.load(pointer, typ=vector)
        value.align = element_bytes(vector)
        return value
    align = ir.Constant(I32, element_bytes(vector))
    return _masked(builder, "load", vector, vector, [pointer, align, mask, ir.Constant(vector, None)])


def store_vector(builder, value, pointer, mask=None):
    """Store a vector, aligned to its element only; lanes that are off are not written."""
    if mask is None:
        builder.store(value, pointer).align = element_bytes(value.type)
        return
    align = ir.Constant(I32, element_bytes(value.type))
    _masked(builder, "store", ir.VoidType(), value.type, [value, pointer, align, mask])


# ------------------------------------------------------------------------------------------- memory to lanes
def _span(array, column, active):
    """Index of the part of a row that one register covers, for the meaning in NumPy."""
    return slice(column, column + min(max(active, 0), lanes(array.dtype)))


def _row_pointer(context, builder, array_type, array, row, column):
    stride = builder.extract_value(context.make_array(array_type)(context, builder, array).shape, 1)
    return data_pointer(context, builder, array_type, array, builder.add(builder.mul(row, stride), column))


def _whole_or_part(builder, active, count, access):
    """Call access(mask): once with a mask where masks are free, else without one for a whole vector."""
    if MASKED_MEMORY:
        access(lane_mask(builder, active, count))
        return
    whole = builder.icmp_signed(">=", active, ir.Constant(I64, count))
    with builder.if_else(whole) as (then, otherwise):
        with then:
            access(None)
        with otherwise:
            access(lane_mask(builder, active, count))


def load(array, row, column, active):
    """Lanes ``array[row, column : column + active]``; those from `active` on are 0."""
    return array[row, _span(array, column, active)].copy()


@type_callable(load)
def _type_load(context):
    def typer(array, row, column, active):
        return Lanes(array.dtype)

    return typer


@lower_builtin(load, types.Array, types.Integer, types.Integer, types.Integer)
def _lower_load(context, builder, sig, args):
    array, row, column, active = args
    vector = vector_type(sig.args[0].dtype)
    pointer = _row_pointer(context, builder, sig.args[0], array, row, column)
    result = cgutils.alloca_once(builder, vector)

    def access(mask):
        builder.store(load_vector(builder, pointer, vector, mask), result)

    _whole_or_part(builder, active, vector.count, access)
    return builder.load(result)


def store(array, row, column, active, value):
    """``array[row, column : column + active] = value``, of which one register covers at most its own lanes."""
    array[row, _span(array, column, active)] = value


@type_callable(store)
def _type_store(context):
    def typer(array, row, column, active, value):
        return types.none

    return typer


@lower_builtin(store, types.Array, types.Integer, types.Integer, types.Integer, Lanes)
def _lower_store(context, builder, sig, args):
    array, row, column, active, value = args
    pointer = _row_pointer(context, builder, sig.args[0], array, row, column)
    _whole_or_part(builder, active, value.type.count, lambda mask: store_vector(builder, value, pointer, mask))
    return context.get_dummy_value()


def load_each(array, row, column, active, stride, times):
    """Tuple of `times` lanes, `stride` columns apart; `times` is known when compiling."""
    return tuple(load(array, row, column + k * stride, active) for k in range(times))


@type_callable(load_each)
def _type_load_each(context):
    def typer(array, row, column, active, stride, times):
        if isinstance(times, types.IntegerLiteral):
            return types.UniTuple(Lanes(array.dtype), times.literal_value)
        return None

    return typer


@lower_builtin(load_each, types.Array, types.Integer, types.Integer, types.Integer, types.Integer, types.IntegerLiteral)
def _lower_load_each(context, builder, sig, args):
    array, row, column, active, stride, _ = args
    one = signature(sig.return_type.dtype if sig.return_type.count else types.none, *sig.args[:4])
    values = []
    for _k in range(sig.return_type.count):
        values.append(_lower_load(context, builder, one, (array, row, column, active)))
        column = builder.add(column, stride)
    return context.make_tuple(builder, sig.return_type, values)


def store_each(array, row, column, active, stride, values):
    """Store the lanes of a tuple, `stride` columns apart."""
    for k, value in enumerate(values):
        store(array, row, column + k * stride, active, value)


@type_callable(store_each)
def _type_store_each(context):
    def typer(array, row, column, active, stride, values):
        return types.none

    return typer


@lower_builtin(store_each, types.Array, types.Integer, types.Integer, types.Integer, types.Integer, types.BaseTuple)
def _lower_store_each(context, builder, sig, args):
    array, row, column, active, stride, values = args
    for k in range(len(sig.args[5])):
        value = builder.extract_value(values, k)
        one = signature(types.none, *sig.args[:4], sig.args[5].types[k])
        _lower_store(context, builder, one, (array, row, column, active, value))
        column = builder.add(column, stride)
    return context.get_dummy_value()


# ------------------------------------------------------------------------------------------------ arithmetic
def _as_vector(context, builder, value, from_type, to_type):
    if isinstance(from_type, Lanes):
        return value
    scalar = context.cast(builder, value, from_type, to_type.dtype)
    return splat(builder, scalar, to_type.count)


def define(function, arity, build):
    """Make `function` an element-wise operation of `arity` lanes (or numbers) that `build` emits."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        key = function

        def generic(self, args, kws):
            found = [a for a in args if isinstance(a, Lanes)]
            rest = [a for a in args if not isinstance(a, (Lanes, types.Number))]
            if len(args) != arity or not found or rest or len(set(found)) > 1:
                return None
            return signature(found[0], *(a if isinstance(a, Lanes) else found[0].dtype for a in args))

    def lower(context, builder, sig, args):
        vectors = [_as_vector(context, builder, v, t, sig.return_type) for v, t in zip(args, sig.args, strict=True)]
        return build(builder, *vectors)

    # All but numbers only: those are Numba's own.
    for choice in list(np.ndindex((2,) * arity))[:-1]:
        lower_builtin(function, *((Lanes, types.Float)[c] for c in choice))(lower)


def maximum(a, b):
    """Larger of two; NaN in `a` stays."""
    return np.maximum(a, b)


def minimum(a, b):
    """Smaller of two; NaN in `a` stays."""
    return np.minimum(a, b)


def copy_sign(a, b):
    """Magnitude of `a` with the sign of `b`."""
    return np.copysign(a, b)


def where_positive(a, b):
    """`b` where a > 0, else 0: the derivative of a rectifier, from its output."""
    return np.where(a > 0, b, np.zeros_like(b))


def if_positive(a, b, c):
    """`b` where a > 0, else `c`, also where `a` is NaN."""
    return np.where(a > 0, b, c).astype(a.dtype)


def square_root(a):
    """Square root, correctly rounded."""
    return np.sqrt(a)


def zeros_like(a):
    """Lanes of 0."""
    return np.zeros_like(a)


def fast_divide(a, b):
    """a / b within 2 ulp for finite, normal b: a reciprocal estimate and Newton steps where the CPU has them."""
    return a / b


def _choose(condition):
    # Unordered comparison: a NaN in `a` makes it true, so that `a` is kept.
    return lambda builder, a, b: builder.select(builder.fcmp_unordered(condition, a, b), a, b)


define(operator.add, 2, lambda builder, a, b: builder.fadd(a, b, flags=CONTRACT))
define(operator.sub, 2, lambda builder, a, b: builder.fsub(a, b, flags=CONTRACT))
define(operator.mul, 2, lambda builder, a, b: builder.fmul(a, b, flags=CONTRACT))
define(operator.truediv, 2, lambda builder, a, b: builder.fdiv(a, b))
define(operator.neg, 1, lambda builder, a: builder.fneg(a))
define(abs, 1, lambda builder, a: intrinsic(builder, "llvm.fabs", a.type, [a]))
define(zeros_like, 1, lambda builder, a: ir.Constant(a.type, None))
define(maximum, 2, _choose(">"))
define(minimum, 2, _choose("<"))
define(copy_sign, 2, lambda builder, a, b: intrinsic(builder, "llvm.copysign", a.type, [a, b]))
define(fast_divide, 2, lambda builder, a, b: builder.fdiv(a, b, flags=ESTIMATE))
define(
    where_positive,
    2,
    lambda builder, a, b: builder.select(
        builder.fcmp_ordered(">", a, ir.Constant(a.type, None)), b, ir.Constant(b.type, None)
    ),
)
define(
    if_positive,
    3,
    lambda builder, a, b, c: builder.select(builder.fcmp_ordered(">", a, ir.Constant(a.type, None)), b, c),
)
define(square_root, 1, lambda builder, a: intrinsic(builder, "llvm.sqrt", a.type, [a]))


# ------------------------------------------------------------------------------------- arithmetic of tuples of lanes
def add_each(a, b):
    """Tuple of the sums of two tuples of lanes."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def subtract_each(a, b):
    """Tuple of the differences of two tuples of lanes."""
    return tuple(x - y for x, y in zip(a, b, strict=True))


def multiply_each(a, b):
    """Tuple of the products of two tuples of lanes."""
    return tuple(x * y for x, y in zip(a, b, strict=True))


def _define_each(function, build):
    @type_callable(function)
    def type_each(context):
        def typer(a, b):
            return a if isinstance(a, types.BaseTuple) and len(a) == len(b) else None

        return typer

    @lower_builtin(function, types.BaseTuple, types.BaseTuple)
    def lower_each(context, builder, sig, args):
        pairs = ([builder.extract_value(each, k) for each in args] for k in range(len(sig.return_type)))
        return context.make_tuple(builder, sig.return_type, [build(builder, *pair) for pair in pairs])


_define_each(add_each, lambda builder, a, b: builder.fadd(a, b, flags=CONTRACT))
_define_each(subtract_each, lambda builder, a, b: builder.fsub(a, b, flags=CONTRACT))
_define_each(multiply_each, lambda builder, a, b: builder.fmul(a, b, flags=CONTRACT))


# ------------------------------------------------------------------------------------------------ reductions
# In NumPy lanes end with the row that they were loaded from, so there is nothing behind it to replace or to leave out.
def first_lanes(a, active, otherwise):
    """Lanes with those from `active` on replaced by the number `otherwise`."""
    return np.where(np.arange(a.size) < active, a, otherwise).astype(a.dtype)


@type_callable(first_lanes)
def _type_first_lanes(context):
    def typer(a, active, otherwise):
        return a if isinstance(a, Lanes) else None

    return typer


@lower_builtin(first_lanes, Lanes, types.Integer, types.Number)
def _lower_first_lanes(context, builder, sig, args):
    a, active, otherwise = args
    replacement = _as_vector(context, builder, otherwise, sig.args[2], sig.args[0])
    return builder.select(lane_mask(builder, active, a.type.count), a, replacement)


def _fold(builder, a, combine):
    """Combine the two halves of `a`, then the halves of that, down to one number."""
    while a.type.count > 1:
        half = a.type.count // 2
        low, high = (ir.Constant(ir.VectorType(I32, half), [k + i for i in range(half)]) for k in (0, half))
        a = combine(builder.shuffle_vector(a, a, low), builder.shuffle_vector(a, a, high))
    return builder.extract_element(a, ir.Constant(I32, 0))


def _halving_sum(a):
    while a.size > 1:
        a = a[: a.size // 2] + a[a.size // 2 :]
    return np.float64(a[0])


def sum_lanes(a):
    """Sum, always in the same order, as float64, so that the sums of several registers add up in it."""
    padded = np.zeros(lanes(a.dtype), a.dtype)
    padded[: a.size] = a
    return _halving_sum(padded)


@type_callable(sum_lanes)
def _type_sum_lanes(context):
    return lambda a: types.float64 if isinstance(a, Lanes) else None


@lower_builtin(sum_lanes, Lanes)
def _lower_sum_lanes(context, builder, sig, args):
    total = _fold(builder, args[0], builder.fadd)
    return context.cast(builder, total, sig.args[0].dtype, types.float64)


def sum_of_squares(a):
    """Sum of a * a, always in the same order, in float64, where no square of a float32 is too large or too small."""
    padded = np.zeros(lanes(a.dtype))
    padded[: a.size] = a
    return _halving_sum(padded * padded)


@type_callable(sum_of_squares)
def _type_sum_of_squares(context):
    return lambda a: types.float64 if isinstance(a, Lanes) else None


@lower_builtin(sum_of_squares, Lanes)
def _lower_sum_of_squares(context, builder, sig, args):
    wide = args[0]
    if sig.args[0].dtype == types.float32:
        wide = builder.fpext(wide, ir.VectorType(ir.DoubleType(), wide.type.count))
    return _fold(builder, builder.fmul(wide, wide), builder.fadd)


def max_lanes(a):
    """Largest of the lanes; NaN if one of them is NaN."""
    return np.max(a)


@type_callable(max_lanes)
def _type_max_lanes(context):
    return lambda a: a.dtype if isinstance(a, Lanes) else None


@lower_builtin(max_lanes, Lanes)
def _lower_max_lanes(context, builder, sig, args):
    def larger(a, b):
        kept = builder.select(builder.fcmp_unordered("uno", b, b), b, a)
        return builder.select(builder.fcmp_ordered(">", b, a), b, kept)

    return _fold(builder, args[0], larger)
