"""From the outputs of the last layer at all steps so far to one vector, as lines of C."""

from .expressions import library
from .text import loop, number


class Pooling:
    """Lines for a way of pooling.

    Parameters
    ----------
    source : Source
    n_units : int
        Outputs of the last layer.
    weights : tuple of dict
        Weights of attention, and their scales.
    """

    def __init__(self, source, n_units, weights=({}, {})):
        self.source, self.n_units, self.weights = source, n_units, weights

    def add(self, y):
        """Lines that add a step to what is remembered; y : expression for the outputs of the last layer."""
        return []

    def value(self, y):
        """Expression for number j of the result, of a state that has had a step."""
        return f"{y}[j]"


class Mean(Pooling):
    """Sums, and the number of steps."""

    def add(self, y):
        total = self.source.remember("total", self.n_units, "sum of the outputs of the last layer")
        count = self.source.remember("n_pooled", 0, "steps in the sum", "uint32_t")
        return [
            *loop("j", self.n_units, [f"{total}[j] += {y}[j];"]),
            f"if ({count} < UINT32_MAX) {{",
            f"    {count}++;",
            "}",
        ]

    def value(self, y):
        return f"s->total[j] / ({self.source.real})s->n_pooled"


class Max(Pooling):
    """Largest values, which begin with minus infinity."""

    def add(self, y):
        about, start = "largest outputs of the last layer so far", f"-{_infinity(self.source)}"
        top = self.source.remember("top", self.n_units, about, start=start)
        return loop("j", self.n_units, [f"if (!({y}[j] <= {top}[j])) {{", f"    {top}[j] = {y}[j];", "}"])

    def value(self, y):
        return "s->top[j]"


class Attention(Pooling):
    """A mean with the weights exp(score - largest score so far), which shrink when a larger score comes."""

    def add(self, y):
        source, H = self.source, self.n_units
        total = source.remember("total", H, "sum of the outputs of the last layer with weights exp(score - largest)")
        sum_, largest = source.remember("weight", 0, "sum of these weights"), "s->largest"
        source.remember("largest", 0, "largest score so far", start=f"-{_infinity(source)}")
        arrays, scales = self.weights
        for name in "bv":
            source.vector(f"attention_{name}", arrays[name])
        product = source.product(arrays["W"], "attention_W", "y", "u[j]", "attention, from y to u", scales.get("W"))
        zero, tanh, exp = number(0, source.dtype), library("tanh", source.dtype), library("exp", source.dtype)
        real = source.real
        lines = [
            source.local("u", H),
            f"{real} score = {zero}, larger, shrink, weight;",
            *loop("j", H, ["u[j] = attention_b[j];"]),
            *product,
            *loop("j", H, [f"score += {tanh}(u[j]) * attention_v[j];"]),
            f"larger = score > {largest} ? score : {largest};",
            f"shrink = {exp}({largest} - larger);",
            f"weight = {exp}(score - larger);",
            f"{largest} = larger;",
            f"{sum_} = {sum_} * shrink + weight;",
            *loop("j", H, [f"{total}[j] = {total}[j] * shrink + y[j] * weight;"]),
        ]
        about = "Attention: score = tanh(y W + b) . v; the result is the sum of softmax(scores) y over the steps."
        source.define(f"static void attend({source.state} *s, const {real} *y)", lines, about)
        return [f"attend(s, {y});"]

    def value(self, y):
        return "s->total[j] / s->weight"


def _infinity(source):
    return "HUGE_VALF" if source.dtype == "float32" else "HUGE_VAL"


POOLINGS = {"last": Pooling, "steps": Pooling, "mean": Mean, "max": Max, "attention": Attention}
