"""Functions that generated code calls: only those that it does are written."""

import re

from .expressions import library
from .text import TYPES

# In C, but that `real` is the type of numbers, whose literals end with R, and functions of <math.h> are those for it.
HELPERS = {
    "sigmoid": """\
/* 1 / (1 + exp(-x)); where exp(-x) is infinite, this is 0. */
static real sigmoid(real x)
{
    return 1.0R / (1.0R + exp(-x));
}
""",
    "maximum": """\
static real maximum(real a, real b)
{
    return a > b ? a : b;
}
""",
    "minimum": """\
static real minimum(real a, real b)
{
    return a < b ? a : b;
}
""",
    "normalize": """\
/* y = (x - mean) / sqrt(variance + 1e-5) * gain + shift, over the n units of a layer. */
static void normalize(const real *x, const real *gain, const real *shift, int n, real *y)
{
    real mean = 0.0R, variance = 0.0R, rate;
    for (int j = 0; j < n; j++) {
        mean += x[j];
    }
    mean /= (real)n;
    for (int j = 0; j < n; j++) {
        variance += (x[j] - mean) * (x[j] - mean);
    }
    rate = 1.0R / sqrt(variance / (real)n + 1e-5R);
    for (int j = 0; j < n; j++) {
        y[j] = (x[j] - mean) * rate * gain[j] + shift[j];
    }
}
""",
    "softmax": """\
/* Turn x into exp(x) / (sum of exp(x)); gives the index of the largest. */
static int softmax(real *x, int n)
{
    int top = 0;
    real largest, total = 0.0R;
    for (int j = 1; j < n; j++) {
        if (x[j] > x[top]) {
            top = j;
        }
    }
    largest = x[top];
    for (int j = 0; j < n; j++) {
        x[j] = exp(x[j] - largest);
        total += x[j];
    }
    for (int j = 0; j < n; j++) {
        x[j] /= total;
    }
    return top;
}
""",
    "code_of": """\
/* The code of a value: its place, from 1, among n that rise; 0 if it is not there, -1 if it is no code. */
static int code_of(real x, const real *values, int n)
{
    int low = 0, high = n;
    if (!(x >= 0.0R) || isinf(x) || floor(x) < x) {
        return -1;
    }
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (values[middle] < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < n && !(values[low] > x) ? low + 1 : 0;
}
""",
    "find_token": """\
/* The place, from 1, of a token among n in the order of their bytes; 0 if it is not there. */
static int find_token(const char *token, const char *const *tokens, int n)
{
    int low = 0, high = n;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        const unsigned char *a = (const unsigned char *)token;
        const unsigned char *b = (const unsigned char *)tokens[middle];
        while (*a != 0 && *a == *b) {
            a++;
            b++;
        }
        if (*a == *b) {
            return middle + 1;
        }
        if (*a < *b) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return 0;
}
""",
}


def helpers_for(code, dtype):
    """Lines of the helper functions that some lines of code call, for numbers of a dtype."""
    text, made = "\n".join(line for line in code if not line.startswith(("/*", " *"))), []
    for name, helper in HELPERS.items():
        if re.search(rf"\b{name}\(", text):
            made += _for_type(helper, dtype).split("\n")
    return made


def _for_type(helper, dtype):
    about, _, code = helper.partition("static")
    code = re.sub(r"\breal\b", TYPES[dtype], f"static{code}")
    code = re.sub(r"\b(exp|floor|sqrt)\(", lambda found: f"{library(found[1], dtype)}(", code)
    return about + re.sub(r"(?<=\d)R\b", "f" if dtype == "float32" else "", code)
