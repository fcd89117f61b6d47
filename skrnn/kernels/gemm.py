"""Matrix product for small and middle sizes, from register tiles that we emit ourselves.

`product` computes ``C = A B`` or ``C += A B`` for row-major matrices that lie inside larger arrays. It cuts C into
tiles whose elements stay in vector registers over the whole inner loop. A tile is LLVM code, because Numba cannot say
"keep these sixteen vectors in registers".

Every element of C is one chain of multiply-adds over k = 0, 1, ..., whichever tile it lies in. So a row of C does not
depend on the rows beside it, bit for bit.
"""

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import lower_builtin, type_callable

from ._jit import N_VECTOR_REGISTERS, VECTOR_BYTES, bind, bind_stage
from .lanes import (
    I32,
    I64,
    data_pointer,
    intrinsic,
    lane_mask,
    lanes,
    load_vector,
    splat,
    store_vector,
    vector_type,
)

# (rows, vectors) of the tiles for many rows, the last few and single ones: the wide tile, and a narrow one for columns
# that would leave the wide one half empty. The largest fills the register file without spilling: rows * vectors
# accumulators, `vectors` of B and one broadcast of A. Few rows get more vectors: a multiply-add takes four cycles and
# two can start in each, so fewer than eight independent chains leave the unit idle.
TILES = (
    {"many": ((8, 3), (8, 2)), "few": ((4, 4), (4, 2)), "one": ((1, 8), (1, 4))}
    if N_VECTOR_REGISTERS == 32
    else {"many": ((4, 3), (4, 2)), "few": ((2, 4), (2, 2)), "one": ((1, 12), (1, 4))}
)
K_BLOCK = {"plain": 512, "transposed": 128}  # inner steps per pass over C, so that a panel of B stays in the cache


def _make_tile(rows, vectors, transposed):
    """One tile of C: a function with its meaning in NumPy, and the code it is lowered to.

    Arguments: C, A, B, each as (array, offset of the first element); the inner length; the number of columns, of which
    the tile does as many as it has; whether to add to C. A is read as A[m, k], or A[k, m] if `transposed`.
    """

    def tile(c, a, b, inner, columns, accumulate):
        width, lda = min(columns, vectors * lanes(c[0].dtype)), a[0].shape[1]
        strides = (1, lda) if transposed else (lda, 1)
        A = _view(*a, (rows, inner, 1), (*strides, 0))
        B = _view(*b, (inner, width), (b[0].shape[1], 1))
        C = _view(*c, (rows, width), (c[0].shape[1], 1))
        with np.errstate(all="ignore"):
            terms = A * B
            terms[:, 0] += C if accumulate else 0
            C[:] = terms.cumsum(axis=1)[:, -1]  # one chain over k; `@` is the BLAS, which differs and may warn

    @type_callable(tile)
    def type_tile(context):
        def typer(c, a, b, inner, columns, accumulate):
            return types.none

        return typer

    @lower_builtin(tile, *[types.Any] * 6)
    def lower_tile(context, builder, sig, args):
        *matrices, inner, columns, accumulate = args
        matrices = [_place(context, builder, *each) for each in zip(sig.args[:3], matrices, strict=True)]
        vector = vector_type(sig.args[0].types[0].dtype)
        emit = _TileCode(builder, vector, rows, vectors, transposed, matrices)
        masks = [
            lane_mask(builder, builder.sub(columns, ir.Constant(I64, v * vector.count)), vector.count)
            for v in range(vectors)
        ]
        # Masks only for the last columns: even where they are cheap, a masked load takes a slot of the multiply-adds.
        full = builder.icmp_signed(">=", columns, ir.Constant(I64, vectors * vector.count))
        with builder.if_else(full) as (then, otherwise):
            with then:
                emit(inner, accumulate, [None] * vectors)
            with otherwise:
                emit(inner, accumulate, masks)
        return context.get_dummy_value()

    return tile


class _TileCode:
    """Writes the LLVM code of one tile."""

    def __init__(self, builder, vector, rows, vectors, transposed, matrices):
        self.builder, self.vector, self.transposed = builder, vector, transposed
        (self.c, self.ldc), (self.a, self.lda), (self.b, self.ldb) = matrices
        self.rows, self.vectors = range(rows), range(vectors)

    def __call__(self, inner, accumulate, masks):
        builder = self.builder
        # Stack slots, which LLVM turns into registers because their address never leaves this code.
        sums = [[cgutils.alloca_once(builder, self.vector) for _ in self.vectors] for _ in self.rows]
        c_rows = [self.at(self.c, self.times(self.ldc, m)) for m in self.rows]
        with builder.if_else(accumulate) as (add, start):
            with add:
                for m in self.rows:
                    for v in self.vectors:
                        builder.store(self.load(c_rows[m], v, masks), sums[m][v])
            with start:
                if masks[0] is None:
                    self.prefetch(c_rows)
                for slot in (slot for row in sums for slot in row):
                    builder.store(ir.Constant(self.vector, None), slot)
        a_rows = [self.a if self.transposed else self.at(self.a, self.times(self.lda, m)) for m in self.rows]
        with cgutils.for_range(builder, inner) as loop:
            self.multiply_add(loop.index, a_rows, masks, sums)
            back = builder.basic_block
        if masks[0] is not None:
            _keep_rolled(builder.module, back.terminator)
        for m in self.rows:
            for v in self.vectors:
                pointer = self.at(c_rows[m], self.constant(v * self.vector.count))
                store_vector(builder, builder.load(sums[m][v]), pointer, masks[v])

    def multiply_add(self, k, a_rows, masks, sums):
        """sums += A[:, k] B[k, :]."""
        builder = self.builder
        b_row = self.at(self.b, builder.mul(k, self.ldb))
        b_vectors = [self.load(b_row, v, masks) for v in self.vectors]
        for m in self.rows:
            if self.transposed:
                pointer = self.at(self.at(self.a, builder.mul(k, self.lda)), self.constant(m))
            else:
                pointer = self.at(a_rows[m], k)
            scalar = splat(builder, builder.load(pointer, typ=self.vector.element), self.vector.count)
            for v in self.vectors:
                total = intrinsic(
                    builder, "llvm.fmuladd", self.vector, [scalar, b_vectors[v], builder.load(sums[m][v])]
                )
                builder.store(total, sums[m][v])

    def prefetch(self, c_rows):
        """Fetch the lines of the tile; else its stores in the end wait for one after the other."""
        flags = [ir.Constant(I32, flag) for flag in (1, 3, 1)]  # to write, into all caches, data
        function_type = ir.FunctionType(ir.VoidType(), [ir.PointerType(), *(flag.type for flag in flags)])
        function = cgutils.get_or_insert_function(self.builder.module, function_type, "llvm.prefetch.p0")
        for row in c_rows:
            for v in self.vectors:
                self.builder.call(function, [self.at(row, self.constant(v * self.vector.count)), *flags])

    def at(self, pointer, offset):
        return self.builder.gep(pointer, [offset], source_etype=self.vector.element)

    def load(self, row, v, masks):
        return load_vector(self.builder, self.at(row, self.constant(v * self.vector.count)), self.vector, masks[v])

    def times(self, value, factor):
        return self.builder.mul(value, self.constant(factor))

    @staticmethod
    def constant(value):
        return ir.Constant(I64, value)


def _keep_rolled(module, branch):
    """Tell LLVM not to unroll the loop that `branch` closes: masked loops are rare, and copies take long to compile."""
    disable = module.add_metadata(["llvm.loop.unroll.disable"])
    loop = ir.values.MDValue(module, [disable], name=str(len(module.metadata)))
    loop.operands = (loop, disable)  # LLVM knows the description of a loop by its reference to itself
    branch.set_metadata("llvm.loop", loop)


def _place(context, builder, place_type, place):
    """Pointer to the first element of a matrix, and its row stride."""
    array, offset = (builder.extract_value(place, k) for k in range(2))
    array_type = place_type.types[0]
    stride = builder.extract_value(context.make_array(array_type)(context, builder, array).shape, 1)
    return data_pointer(context, builder, array_type, array, offset), stride


def _view(array, offset, shape, strides):
    flat = array.reshape(-1)[offset:]
    return np.lib.stride_tricks.as_strided(flat, shape, [s * array.itemsize for s in strides])


# ruff: noqa: F821 (names in capitals and the names of tiles and sweeps are bound below)
def _sweep(C, A, B, M, N, K, accumulate):
    """Compute as many rows of C as whole tiles cover; return their number."""
    (c, c0), (a, a0), (b, b0) = C, A, B
    lanes = VECTOR_BYTES // c.itemsize
    whole = M // ROWS * ROWS
    c_row, a_row = c.shape[1], 1 if TRANSPOSED else a.shape[1]
    n = 0
    while n < N:
        vectors = (N - n + lanes - 1) // lanes
        use_narrow = vectors < WIDE or WIDE < vectors <= 2 * NARROW  # 4 = 2 + 2 is better than 3 + 1
        for m in range(0, whole, ROWS):
            if use_narrow:
                narrow((c, c0 + m * c_row + n), (a, a0 + m * a_row), (b, b0 + n), K, N - n, accumulate)
            else:
                wide((c, c0 + m * c_row + n), (a, a0 + m * a_row), (b, b0 + n), K, N - n, accumulate)
        n += (NARROW if use_narrow else WIDE) * lanes
    return whole


def _product(C, A, B, M, N, K, accumulate):
    (c, c0), (a, a0), (b, b0) = C, A, B
    c_row, (a_row, a_step) = c.shape[1], (1, a.shape[1]) if TRANSPOSED else (a.shape[1], 1)
    for k in range(0, K, BLOCK):
        inner, add, a_k, b_k = min(BLOCK, K - k), accumulate or k > 0, a0 + k * a_step, (b, b0 + k * b.shape[1])
        m = many(C, (a, a_k), b_k, M, N, inner, add)
        m += few((c, c0 + m * c_row), (a, a_k + m * a_row), b_k, M - m, N, inner, add)
        one((c, c0 + m * c_row), (a, a_k + m * a_row), b_k, M - m, N, inner, add)


def _make_product(name):
    transposed = name == "transposed"

    def sweep(size):
        (rows, n_wide), (_, n_narrow) = TILES[size]
        wide, narrow = (_make_tile(*shape, transposed) for shape in TILES[size])
        constants = {"ROWS": rows, "WIDE": n_wide, "NARROW": n_narrow, "TRANSPOSED": transposed}
        return bind_stage(_sweep, f"{name}_{size}", wide=wide, narrow=narrow, **constants)

    sweeps = {size: sweep(size) for size in TILES}
    return bind(_product, name, TRANSPOSED=transposed, BLOCK=K_BLOCK[name], **sweeps)


# product(C, A, B, M, N, K, accumulate): C (M, N) = A (M, K) B (K, N), or C += A B where `accumulate`. A matrix is given
# as the array that it lies in and the offset of its first element; its rows are as far apart as those of the array.
# `product_t` reads A from its transpose (K, M).
product = _make_product("plain")
product_t = _make_product("transposed")
