"""Matrix products against NumPy for random sizes, places and strides, and what lies around the result."""

import ast

import numpy as np
import pytest
from faults import PACKAGE
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import config
from numpy.testing import assert_array_equal

from skrnn.kernels._jit import KERNEL_SOURCES
from skrnn.kernels.gemm import K_BLOCK, TILES, product, product_t
from skrnn.kernels.lanes import lanes

DTYPES = [np.float32, np.float64]
GUARD = -77.0
quick = settings(max_examples=25, deadline=None, database=None)
both = pytest.mark.parametrize("function", [product, product_t], ids=["product", "product_t"])
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
SOURCES = sorted(path for pattern in KERNEL_SOURCES for path in PACKAGE.glob(pattern))
PRODUCTS_OF_NUMPY = {"matmul", "matvec", "vecmat", "vecdot", "dot", "vdot", "inner", "tensordot", "einsum", "linalg"}
sizes = st.integers(1, 70)
inner_sizes = sizes | st.sampled_from([length + d for length in K_BLOCK.values() for d in (-1, 0, 1, 37)])
gaps = st.integers(0, 19)


class Inside:
    """A matrix inside a larger array, `gap` elements from its start and between its rows, with guards around it."""

    def __init__(self, matrix, gap, guard):
        rows, columns = matrix.shape
        self.stride = columns + gap
        self.array = np.full((rows + 2, self.stride), guard, matrix.dtype)
        self.offset = gap
        self.matrix = self._view(self.array)
        self.matrix[...] = matrix
        outside = np.ones(self.array.shape, bool)
        self._view(outside)[...] = False
        self._outside, self._guard = outside, guard

    def _view(self, array):
        rows, columns = array.shape[0] - 2, self.stride - self.offset
        flat = array.reshape(-1)[self.offset : self.offset + rows * self.stride]
        return flat.reshape(rows, self.stride)[:, :columns]

    @property
    def place(self):
        return self.array, self.offset

    def assert_guards_stand(self):
        assert (self.array[self._outside] == self._guard).all()


def multiply(function, A, B, C=None, gaps=(0, 0, 0)):
    """A B, or C + A B, with `function`; NaN lies around A and B, and what lies around the result must stay."""
    accumulate = C is not None
    start = C if accumulate else np.full((A.shape[0], B.shape[1]), np.nan, A.dtype)
    c = Inside(start, gaps[0], GUARD)
    a = Inside(A.T if function is product_t else A, gaps[1], np.nan)
    b = Inside(B, gaps[2], np.nan)
    function(c.place, a.place, b.place, *start.shape, A.shape[1], accumulate)
    c.assert_guards_stand()
    return c.matrix.copy()


def draw(dtype, *shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def assert_right(result, A, B, C=None):
    """Within the bound that any order of summation keeps."""
    A, B = A.astype(np.longdouble), B.astype(np.longdouble)
    C = np.zeros(result.shape) if C is None else C
    bound = (A.shape[1] + 1) * np.finfo(result.dtype).eps * (np.abs(A) @ np.abs(B) + np.abs(C))
    assert (np.abs(result - (A @ B + C)) <= bound).all()


@both
@each_dtype
@given(M=sizes, N=sizes, K=inner_sizes, gaps=st.tuples(gaps, gaps, gaps), accumulate=st.booleans(), seed=st.integers(0))
@quick
def test_equals_numpy(function, dtype, M, N, K, gaps, accumulate, seed):
    A, B, C = draw(dtype, (M, K), (K, N), (M, N), seed=seed)
    C = C if accumulate else None
    assert_right(multiply(function, A, B, C, gaps), A, B, C)


@pytest.mark.small
@both
@each_dtype
def test_every_edge(function, dtype):
    """Rows of all tiles and their remainders, columns around whole vectors, several passes over the inner length."""
    L = lanes(dtype)
    widest = max(vectors for shapes in TILES.values() for _, vectors in shapes)
    for M in {1, 2, 3, 7, 13, *(rows for shapes in TILES.values() for rows, _ in shapes)}:
        for N in {1, L - 1, L, L + 1, 3 * L, 4 * L + 1, 9 * L - 1, widest * L - 1, (widest + 1) * L + 1}:
            for K in (1, 6, K_BLOCK["transposed"] + 1):
                A, B, C = draw(dtype, (M, K), (K, N), (M, N))
                assert_right(multiply(function, A, B, C, (1, 2, 3)), A, B, C)


@both
@each_dtype
def test_long_inner_sums(function, dtype):
    for K in (2 * K_BLOCK["plain"], 2 * K_BLOCK["plain"] + 3):
        A, B = draw(dtype, (9, K), (K, 5))
        assert_right(multiply(function, A, B), A, B)


@both
@each_dtype
def test_no_rows(function, dtype):
    A, B = draw(dtype, (0, 5), (5, 3))
    assert multiply(function, A, B, gaps=(2, 0, 0)).shape == (0, 3)


@pytest.mark.small
@both
@each_dtype
def test_bits_of_an_element_depend_on_its_row_and_column_only(function, dtype):
    """Also not on the dtype's number of lanes: every element is one chain of multiply-adds."""
    M, N, K = 37, 4 * lanes(dtype) + 3, K_BLOCK["transposed"] + 7
    A, B, C = draw(dtype, (M, K), (K, N), (M, N))
    together = multiply(function, A, B, C)
    for m in range(M):
        assert_array_equal(multiply(function, A[m : m + 1], B, C[m : m + 1])[0], together[m])
    for rows in (slice(0, 5), slice(3, 21), slice(30, 37)):
        assert_array_equal(multiply(function, A[rows], B, C[rows], (3, 1, 0)), together[rows])
    for n in (0, 1, lanes(dtype), N - 1):
        assert_array_equal(multiply(function, A, B[:, n : n + 1], C[:, n : n + 1])[:, 0], together[:, n])


@pytest.mark.small
@both
@each_dtype
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_reach_their_row_and_column(function, dtype, value):
    M, N, K = 14, 3 * lanes(dtype) + 2, 9
    for m, k in ((0, 0), (7, 3), (M - 1, K - 1)):
        A, B = draw(dtype, (M, K), (K, N))
        A[m, k] = value
        finite = np.isfinite(multiply(function, A, B))
        assert not finite[m].any()
        assert finite[np.arange(M) != m].all()
    for k, n in ((0, 0), (3, lanes(dtype)), (K - 1, N - 1)):
        A, B = draw(dtype, (M, K), (K, N))
        B[k, n] = value
        finite = np.isfinite(multiply(function, A, B))
        assert not finite[:, n].any()
        assert finite[:, np.arange(N) != n].all()


@pytest.mark.small
@both
@each_dtype
def test_infinity_times_zero_is_nan_and_no_warning(function, dtype):
    """Nor is what overflows, or infinity minus infinity, with the compiler or without."""
    A, B = np.zeros((5, 4), dtype), np.zeros((4, 3), dtype)
    A[1, 2], A[2], A[3], B[0], B[1] = np.inf, np.finfo(dtype).max, [np.inf, -np.inf, 0, 0], 1, 1
    right = np.zeros((5, 3))
    right[1], right[2], right[3] = np.nan, np.inf, np.nan
    assert_array_equal(multiply(function, A, B), right)
    assert_array_equal(multiply(function, A, B, np.ones((5, 3), dtype)), right + 1)


@pytest.mark.small
@pytest.mark.skipif(not config.DISABLE_JIT, reason="compiled, a multiply-add rounds once")
@both
@each_dtype
def test_without_the_compiler_the_bits_are_those_of_a_chain(function, dtype):
    """On every CPU, whatever the BLAS of NumPy makes of it."""
    A, B, C = draw(dtype, (11, 70), (70, 19), (11, 19))
    chain = C.copy()
    for k in range(A.shape[1]):
        chain += A[:, k : k + 1] * B[k]
    assert_array_equal(multiply(function, A, B, C), chain)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_kernel_multiplies_with_the_blas(path):
    """It warns, and treats NaN and infinity, as its version and the CPU will have it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    assert not any(isinstance(node, ast.MatMult) for node in nodes)
    attributes = {f"{ast.unparse(node.value)}.{node.attr}" for node in nodes if isinstance(node, ast.Attribute)}
    assert not {f"np.{name}" for name in PRODUCTS_OF_NUMPY} & attributes
