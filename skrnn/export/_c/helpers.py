"""Functions that generated code calls: only those that it does are written."""

import re

from .expressions import library
from .layers import normalize_helper
from .text import number


def helpers_for(code, source):
    """Lines of the helper functions whose names are in some lines of code."""
    text, made = "\n".join(line for line in code if not line.startswith(("/*", " *"))), []
    for name, lines in _helpers(source).items():
        if re.search(rf"\b{name}\(", text):
            made += lines
    return made


def _helpers(source):
    dtype, real = source.dtype, source.real
    one, zero, exp = number(1, dtype), number(0, dtype), library("exp", dtype)
    return {
        "sigmoid": [
            "/* 1 / (1 + exp(-x)); where exp(-x) is infinite, this is 0. */",
            f"static {real} sigmoid({real} x)",
            "{",
            f"    return {one} / ({one} + {exp}(-x));",
            "}",
            "",
        ],
        "maximum": _choice(real, "maximum", "a > b"),
        "minimum": _choice(real, "minimum", "a < b"),
        "normalize": normalize_helper(dtype, real),
        "softmax": [
            "/* Turn x into exp(x) / (sum of exp(x)); gives the index of the largest. */",
            f"static int softmax({real} *x, int n)",
            "{",
            "    int top = 0;",
            f"    {real} largest, total = {zero};",
            "    for (int j = 1; j < n; j++) {",
            "        if (x[j] > x[top]) {",
            "            top = j;",
            "        }",
            "    }",
            "    largest = x[top];",
            "    for (int j = 0; j < n; j++) {",
            f"        x[j] = {exp}(x[j] - largest);",
            "        total += x[j];",
            "    }",
            "    for (int j = 0; j < n; j++) {",
            "        x[j] /= total;",
            "    }",
            "    return top;",
            "}",
            "",
        ],
        "code_of": [
            "/* The code of a value: its place, from 1, among n that rise; 0 if it is not there, -1 if it is none. */",
            f"static int code_of({real} x, const {real} *values, int n)",
            "{",
            "    int low = 0, high = n;",
            f"    if (!(x >= {zero}) || isinf(x) || {library('floor', dtype)}(x) < x) {{",
            "        return -1;",
            "    }",
            "    while (low < high) {",
            "        const int middle = low + (high - low) / 2;",
            "        if (values[middle] < x) {",
            "            low = middle + 1;",
            "        } else {",
            "            high = middle;",
            "        }",
            "    }",
            "    return low < n && !(values[low] > x) ? low + 1 : 0;",
            "}",
            "",
        ],
        "find_token": [
            "/* The place, from 1, of a token among n in the order of their bytes; 0 if it is not there. */",
            "static int find_token(const char *token, const char *const *tokens, int n)",
            "{",
            "    int low = 0, high = n;",
            "    while (low < high) {",
            "        const int middle = low + (high - low) / 2;",
            "        const unsigned char *a = (const unsigned char *)token;",
            "        const unsigned char *b = (const unsigned char *)tokens[middle];",
            "        while (*a != 0 && *a == *b) {",
            "            a++;",
            "            b++;",
            "        }",
            "        if (*a == *b) {",
            "            return middle + 1;",
            "        }",
            "        if (*a < *b) {",
            "            high = middle;",
            "        } else {",
            "            low = middle + 1;",
            "        }",
            "    }",
            "    return 0;",
            "}",
            "",
        ],
    }


def _choice(real, name, condition):
    return [
        f"static {real} {name}({real} a, {real} b)",
        "{",
        f"    return {condition} ? a : b;",
        "}",
        "",
    ]
