"""tanh, sigmoid, relu, exp, logs on lanes. Numba has no vector mathematics: a call of ``math.tanh`` is a scalar call.

Largest errors, tested over the whole range: see `MAX_ULP`. The magnitude of tanh is never above 1, nor are sigmoid and
exp ever negative; NaN stays NaN. In NumPy (``NUMBA_DISABLE_JIT=1``) the same formulas run on arrays.
"""

import math

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import overload

from ._jit import VECTOR_BYTES, kernel
from .lanes import Lanes, copy_sign, define, fast_divide, first_lanes, load, max_lanes, maximum, minimum, sum_lanes

MAX_ULP = {  # of the result; sigmoid: absolute error in units of the spacing at 1, since it is tanh shifted by 1/2
    "tanh": {"float32": 10, "float64": 4},
    "sigmoid": {"float32": 4, "float64": 3},
    "exp": {"float32": 3, "float64": 3},
    "log1p_unit": {"float32": 3, "float64": 3},
    "log_sum_exp": {"float32": 4, "float64": 4},  # of the second part: absolute, in units of the spacing at 1
}

# tanh(x) = x P(x^2) / Q(x^2) on [-7.6, 7.6], from benchmarks/fit_tanh.py: 3.8e-9 before rounding. Beyond, the value at
# 7.6 stands, 5e-7 below 1: further than all rounding together, so that no result is above 1.
TANH_LIMIT = 7.6
P0, P1, P2, P3, P4 = 0.999999996, 0.134686316, 0.00360080822, 2.2406488e-05, 1.60283554e-08
Q1, Q2, Q3, Q4 = 0.468019612, 0.0262740723, 0.000346025916, 8.82824535e-07

LOG2_E = 1.4426950408889634
# By number of bits: 1.5 * 2^mantissa (adding it rounds to an integer), ln 2 in a part short enough that n times it is
# exact and the rest, and the range of exp: from the smallest normal result to the largest finite one.
ROUND_32, LN2_HIGH_32, LN2_LOW_32 = 12582912.0, 0.693115234375, 3.1946184945309415e-05
EXP_MIN_32, EXP_MAX_32 = -87.3, 88.3
ROUND_64, LN2_HIGH_64, LN2_LOW_64 = 6755399441055744.0, 0.6931471806019545, -4.2009150726810846e-11
EXP_MIN_64, EXP_MAX_64 = -708.3, 709.4


def power_of_two(n):
    """2^n for lanes that hold integers, within the exponent range of normal numbers."""
    return np.ldexp(np.ones_like(n), np.nan_to_num(n).astype(np.int32))


def _emit_power_of_two(builder, n):
    # n + magic + bias has the biased exponent in its lowest mantissa bits; shifting moves it to its place.
    single = n.type.element == ir.FloatType()
    bits, mantissa, magic = (32, 23, ROUND_32 + 127) if single else (64, 52, ROUND_64 + 1023)
    integers = ir.VectorType(ir.IntType(bits), n.type.count)
    biased = builder.fadd(n, ir.Constant(n.type, [magic] * n.type.count))
    exponent = builder.shl(builder.bitcast(biased, integers), ir.Constant(integers, [mantissa] * n.type.count))
    return builder.bitcast(exponent, n.type)


define(power_of_two, 1, _emit_power_of_two)


@kernel
def _tanh_32(x):
    c = minimum(maximum(x, -TANH_LIMIT), TANH_LIMIT)
    z = c * c
    p = c * (P0 + z * (P1 + z * (P2 + z * (P3 + z * P4))))
    q = 1.0 + z * (Q1 + z * (Q2 + z * (Q3 + z * Q4)))
    return fast_divide(p, q)


@kernel
def _expm1_reduced(r):
    """e^r - 1 for |r| <= ln(2) / 2, by its Taylor series: the first term left out is below 1e-17 of the result."""
    s = 1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800))
    s = 1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * s))
    s = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * s))
    return r + r * r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * s)))


@kernel
def _tanh_64(x):
    c = minimum(abs(x), 20.0)  # tanh(20) rounds to 1
    y = -2.0 * c
    n = (y * LOG2_E + ROUND_64) - ROUND_64
    scale = power_of_two(n)
    t = scale * _expm1_reduced((y - n * LN2_HIGH_64) - n * LN2_LOW_64) + (scale - 1.0)  # e^y - 1
    return copy_sign(t / (t + 2.0), x)


@kernel
def _exp_32(x):
    c = minimum(maximum(x, EXP_MIN_32), EXP_MAX_32)
    n = (c * LOG2_E + ROUND_32) - ROUND_32
    return power_of_two(n) * (1.0 + _expm1_reduced((c - n * LN2_HIGH_32) - n * LN2_LOW_32))


@kernel
def _exp_64(x):
    c = minimum(maximum(x, EXP_MIN_64), EXP_MAX_64)
    n = (c * LOG2_E + ROUND_64) - ROUND_64
    return power_of_two(n) * (1.0 + _expm1_reduced((c - n * LN2_HIGH_64) - n * LN2_LOW_64))


def tanh(x):
    """Hyperbolic tangent."""
    return _tanh_32(x) if x.dtype == np.float32 else _tanh_64(x)


def exp(x):
    """Exponential, held at the smallest normal and the largest finite number."""
    return _exp_32(x) if x.dtype == np.float32 else _exp_64(x)


@overload(tanh)
def _overload_tanh(x):
    if isinstance(x, Lanes):
        if x.dtype == types.float32:
            return lambda x: _tanh_32(x)
        return lambda x: _tanh_64(x)
    return None


@overload(exp)
def _overload_exp(x):
    if isinstance(x, Lanes):
        if x.dtype == types.float32:
            return lambda x: _exp_32(x)
        return lambda x: _exp_64(x)
    return None


@kernel
def sigmoid(x):
    """Logistic function, through tanh: exact to the spacing of numbers at 1, for gates; not for probabilities."""
    return 0.5 + 0.5 * tanh(0.5 * x)


@kernel
def relu(x):
    """max(x, 0)."""
    return maximum(x, 0.0)


@kernel
def log1p_unit(x):
    """log(1 + x) for 0 <= x <= 1: twice the series of the inverse of tanh, whose argument is at most 1/3."""
    s = x / (x + 2.0)
    z = s * s
    p = 1 / 25 + z * (1 / 27 + z * (1 / 29 + z * (1 / 31 + z * (1 / 33 + z * (1 / 35)))))
    p = 1 / 13 + z * (1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21 + z * (1 / 23 + z * p)))))
    p = 1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * p))))
    return 2.0 * (s + s * z * p)


@kernel
def log_sum_exp(x, n, K):
    """log(sum over k < K of exp(x[n, k])) as two parts, the largest x and a rest of at most log(K).

    Apart they keep the digits that their sum would lose where x is large.
    """
    lanes = VECTOR_BYTES // x.itemsize
    top, total = -math.inf, 0.0
    for k in range(0, K, lanes):
        top = max(top, max_lanes(first_lanes(load(x, n, k, K - k), K - k, -math.inf)))
    for k in range(0, K, lanes):
        total += sum_lanes(first_lanes(exp(load(x, n, k, K - k) - top), K - k, 0.0))
    return top, math.log(total)
