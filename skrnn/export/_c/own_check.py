"""The C file that tests another: inputs and expected outputs, and a comparison."""

from typing import NamedTuple

import numpy as np

from .source import Source
from .text import comment, loop

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}


class Tested(NamedTuple):
    """A program that is tested.

    name, file_name : str
        Prefix of what it makes public, and its file.
    dtype : str
        Of its numbers.
    output : Output
    gives_steps, has_labels, is_text : bool
        Whether each step has an output, whether outputs are probabilities of classes, whether steps are of tokens.
    """

    name: str
    file_name: str
    dtype: str
    output: object
    gives_steps: bool
    has_labels: bool
    is_text: bool


def test_program(tested, expected):
    """Write the test of a program; `expected`: an `Expected`."""
    source, macro, name = Source(tested.name, tested.dtype), tested.name.upper(), tested.name
    ctype, dtype = ("int", np.int32) if tested.is_text else (source.real, tested.dtype)
    source.vector("test_lengths", expected.lengths, "steps of each sequence", "int", np.int32)
    source.vector("test_steps", expected.steps, "steps of all sequences, one behind the other", ctype, dtype)
    source.vector("test_so_far", expected.so_far, "what is expected after each step")
    of_steps = ", for each of its steps" if tested.gives_steps else ""
    source.vector("test_whole", expected.whole, f"what is expected of each sequence{of_steps}")
    source.vector("test_unit", tested.output.unit, "size of each number")
    _define_functions(source, tested, expected)
    command = f"cc -std=c99 -O2 {tested.file_name.removesuffix('.c')}_test.c -lm -o {name}_test && ./{name}_test"
    lines = [
        *comment(f"Test of {tested.file_name}: compares what it gives with what the estimator gave."),
        *comment(command),
        f"#define {macro}_API static",
        f'#include "{tested.file_name}"',
        "",
        "#include <stdio.h>",
        "",
        *source.constants,
        *source.functions[:-1],
    ]
    return "\n".join(lines) + "\n"


def _define_functions(source, tested, expected):
    real, tolerance = source.real, TOLERANCE[tested.dtype]
    distance = [
        "double most = 0;",
        *loop(
            "j",
            f"{source.macro}_N_OUT",
            [
                "const double e = (double)expected[j], d = fabs((double)found[j] - e);",
                f"const double far = d / ({tolerance} * ((double)test_unit[j] + fabs(e)));",
                "if (!(far <= most)) {",
                "    most = far < 1e9 ? far : 1e9;",
                "}",
            ],
        ),
        "return most;",
    ]
    about = "The largest difference from what is expected, as a multiple of what rounding may make of it."
    source.define(f"static double distance(const {real} *found, const {real} *expected)", distance, about)
    if tested.has_labels:
        top = [
            *loop("j", f"{source.macro}_N_OUT", ["if (p[j] > p[index]) {", "    return 0;", "}"]),
            "return 1;",
        ]
        source.define(
            f"static int is_top(const {real} *p, int index)", top, "Whether no class has a larger probability."
        )
    source.define("int main(void)", _main(source, tested, expected))


def _main(source, tested, expected):
    name, macro = source.name, source.macro
    n_rows, rows = (int(expected.lengths.max()), "length") if tested.gives_steps else (1, "1")
    is_wrong = "index < 0 || !is_top(out[{0}], index)" if tested.has_labels else "index < 0"

    def compared(found, wanted, call):
        return [
            f"index = {call};",
            f"wrong += {is_wrong.format(found)};",
        ], [f"worst = fmax(worst, distance(out[{wanted[0]}], {wanted[1]}));"]

    stepped, step_distance = compared(0, (0, "test_so_far[t]"), f"{name}_step(&s, test_steps[t], out[0])")
    last = "length - 1" if tested.gives_steps else "0"
    ran, run_distance = compared(last, ("k", "test_whole[row + k]"), f"{name}_run(test_steps[first], length, out[0])")
    each = [
        "const int length = test_lengths[n];",
        "int index;",
        f"{name}_reset(&s);",
        "for (int t = first; t < first + length; t++) {",
        *(f"    {line}" for line in [*stepped, *step_distance]),
        "}",
        *ran,
        *loop("k", rows, run_distance),
        "first += length;",
        f"row += {rows};",
    ]
    return [
        f"static {source.real} out[{n_rows}][{macro}_N_OUT];",
        f"{name}_state s;",
        "double worst = 0;",
        "int first = 0, row = 0, wrong = 0;",
        *loop("n", len(expected.lengths), each),
        *([f"(void){name}_label(0);"] if tested.has_labels else []),
        *([f'wrong += {name}_code(-1, "") != 0;'] if tested.is_text else []),
        f'printf("{name}: %d wrong, largest difference %.3f of what is allowed\\n", wrong, worst);',
        "return wrong == 0 && worst <= 1 ? 0 : 1;",
    ]
