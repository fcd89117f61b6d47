"""A convolution in front of the layers, whose windows reach beyond the steps so far."""

import numpy as np

from .expressions import library
from .text import loop, number


def write_convolution(source, conv, n_inputs, weights):
    """Write the function ``take``, which brings the numbers of a step to the layers.

    The last steps stand in a ring. A position is complete when the last step of its window has come; then the layers
    above it take a step. It returns whether there was one.
    """
    width, right, n_channels, real = conv.width, conv.width // 2, conv.n_channels, source.real
    arrays, scales = weights.of("convolution")
    W, scale = arrays["W"], scales.get("W")
    recent = source.remember("recent", width * n_inputs, f"the last {width} steps, from `oldest` on, then from 0")
    oldest = source.remember("oldest", 0, "which of them is the oldest", "int32_t")
    wait = source.remember("wait", 0, "steps until the next window is complete", "int32_t", str(right + 1))
    source.vector("convolution_b", arrays["b"])
    source.matrix("convolution_W", W, "convolution: from the numbers of a window, step by step, to channels", scale)
    source.n_products += W.size
    factor = f"{recent}[row * {n_inputs} + k]" + (
        "" if scale is None else f" * convolution_W_scale[i * {n_inputs} + k]"
    )
    row = [
        f"const int32_t row = ({oldest} + i) % {width};",
        *loop(
            "k",
            n_inputs,
            [
                f"const {real} x = {factor};",
                *loop("j", n_channels, [f"y[j] += x * convolution_W[i * {n_inputs} + k][j];"]),
            ],
        ),
    ]
    lines = [
        source.local("y", n_channels),
        *loop("k", n_inputs, [f"{recent}[{oldest} * {n_inputs} + k] = v[k];"]),
        f"{oldest} = ({oldest} + 1) % {width};",
        f"if (--{wait} > 0) {{",
        "    return 0;",
        "}",
        f"{wait} = {conv.stride};",
        *loop("j", n_channels, ["y[j] = convolution_b[j];"]),
        *loop("i", width, row),
        *_activated(source, conv.activation, n_channels),
        "advance(s, y);",
        "return 1;",
    ]
    about = (
        f"A step more for the convolution ({width} steps, stride {conv.stride}); returns whether the layers took one."
    )
    source.define(f"static int take({source.state} *s, const {real} *v)", lines, about)
    if right:
        source.vector("nothing", np.zeros(n_inputs), "a step behind the end of the sequence")
    return right


def _activated(source, activation, n):
    zero = number(0, source.dtype)
    text = {"tanh": f"{library('tanh', source.dtype)}(y[j])", "relu": f"y[j] > {zero} ? y[j] : {zero}"}
    return loop("j", n, [f"y[j] = {text[activation]};"]) if activation in text else []
