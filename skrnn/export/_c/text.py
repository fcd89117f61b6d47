"""Numbers, strings, names, comments and loops as they are written in C."""

import re
import textwrap

import numpy as np

WIDTH = 100
INDENT = "    "
# What a number becomes in its C type; a float has a letter behind it.
TYPES = {"float32": "float", "float64": "double"}
LONGEST_STRING = 4000  # bytes; compilers of C99 take 4095


def number(value, dtype):
    """A number as a literal of the C type that stands for `dtype`."""
    value = np.dtype(dtype).type(value)
    if value.dtype.kind in "iu":
        return str(int(value))
    if np.isnan(value):
        return "NAN"
    return f"{value}f" if value.dtype == np.float32 else str(float(value))


def string(text):
    """A text as a literal: in UTF-8, all but plain characters as octal numbers."""
    plain = range(32, 127)
    escaped = {ord('"'): '\\"', ord("\\"): "\\\\", ord("?"): "\\?"}
    codes = text.encode("utf-8")
    return '"' + "".join(escaped.get(c) or (chr(c) if c in plain else f"\\{c:03o}") for c in codes) + '"'


def check_string(text, what, advice):
    """Refuse a text that has no literal: ValueError with `what` it is, and the `advice`."""
    try:
        n_bytes = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        reason = "which is of UTF-8, since half of a surrogate pair has no form there"
    else:
        if "\0" not in text and n_bytes <= LONGEST_STRING:
            return
        reason = f"which ends at the first 0 and has up to {LONGEST_STRING} bytes"
    raise ValueError(f"{what} {text!r:.60} cannot be a string of C, {reason}: {advice}.")


def prefix_of(stem):
    """The prefix of names in a file that is called `stem`; ValueError if none can be made of it."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", stem):
        raise ValueError(
            f"The name of the file becomes that of functions in C, so it must be of letters, digits and underscores; "
            f'got "{stem}.c".'
        )
    name = re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_")
    return name if name[:1].isalpha() else f"model_{name}".rstrip("_")


def comment(text):
    """A comment, of several lines if need be."""
    text = plain(text)
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, WIDTH - 6) or [""]]
    if len(lines) == 1:
        return [f"/* {lines[0]} */"]
    return [f"/* {lines[0]}", *(f" * {line}".rstrip() for line in lines[1:]), " */"]


def plain(text):
    """A text as it may stand in a comment: without signs of comments, in ASCII."""
    return text.replace("*/", "* /").replace("/*", "/ *").encode("ascii", "backslashreplace").decode("ascii")


def listed(items, indent):
    """Items between commas, in lines of the usual width."""
    text = ", ".join(items)
    # Items may hold blanks (strings), so lines are not broken within them.
    lines, line = [], ""
    for item in items[:-1]:
        line = _extended(lines, line, f"{item}, ", indent)
    _extended(lines, line, items[-1], indent, last=True)
    return lines if len(text) + len(indent) > WIDTH else [indent + text]


def _extended(lines, line, item, indent, last=False):
    if line and len(indent) + len(line) + len(item) > WIDTH:
        lines.append((indent + line).rstrip())
        line = ""
    line += item
    if last:
        lines.append(indent + line)
    return line


def table(ctype, name, array, dtype):
    """The definition of a constant array of one or two dimensions."""
    sizes = "".join(f"[{n}]" for n in array.shape)
    lines = [f"static const {ctype} {name}{sizes} = {{"]
    if array.ndim == 1:
        return [*lines, *listed([number(x, dtype) for x in array], INDENT), "};"]
    for row in array:
        items = [number(x, dtype) for x in row]
        if len(items) == 1:
            lines.append(f"{INDENT}{{{items[0]}}},")
        else:
            first, *others = listed(items, f"{INDENT} ")
            lines += [f"{INDENT}{{{first.strip()}", *others]
            lines[-1] += "},"
    return [*lines, "};"]


def indented(lines, by=1):
    """Lines further to the right."""
    return [INDENT * by + line if line else line for line in lines]


def loop(index, n, body):
    """``for`` each of n: nothing for none of them."""
    return [f"for (int {index} = 0; {index} < {n}; {index}++) {{", *indented(body), "}"] if n else []


def place(array, start):
    """Element j of an array, counted from `start`."""
    return f"{array}[{start} + j]" if start else f"{array}[j]"


def function(signature, body, about=None):
    """The definition of a function."""
    return [*(comment(about) if about else ()), signature, "{", *indented(body), "}"]


def bytes_of(n):
    """A number of bytes in words."""
    return f"{n} bytes" if n < 10_000 else f"{n / 1000:.1f} kB ({n} bytes)"
