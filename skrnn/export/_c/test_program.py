"""The C file that tests another: inputs and expected outputs, and a comparison."""

import numpy as np

from .source import Source
from .text import comment

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}


def test_program(name, file_name, dtype, output, gives_steps, has_labels, is_text, expected):
    """Write the test of a program.

    Parameters
    ----------
    name, file_name : str
        Prefix of what the program makes public, and its file.
    dtype : str
        Of its numbers.
    output : Output
    gives_steps, has_labels, is_text : bool
        Whether each step has an output, whether outputs are probabilities of classes, whether steps are of tokens.
    expected : Expected
    """
    source, macro = Source(name, dtype), name.upper()
    ctype, in_dtype = ("int", np.int32) if is_text else (source.real, dtype)
    n_rows = expected.lengths.max() if gives_steps else 1
    source.vector("test_lengths", expected.lengths, "steps of each sequence", "int", np.int32)
    source.vector("test_steps", expected.steps, "steps of all sequences", ctype, in_dtype)
    source.vector("test_so_far", expected.so_far, "expected after each step")
    source.vector("test_whole", expected.whole, "expected of each sequence" + ", for each step" * gives_steps)
    source.vector("test_unit", output.unit, "differences may be a small part of this and of the number itself")
    head = [
        f"Test of {file_name}: compares what it gives with what the estimator gave.",
        "",
        f"    cc -std=c99 -O2 {file_name.removesuffix('.c')}_test.c -lm -o {name}_test && ./{name}_test",
    ]
    lines = [
        *comment(head[0]),
        f"/*{head[2][1:]} */".replace("/*   ", "/*"),
        f"#define {macro}_API static",
        f'#include "{file_name}"',
        "",
        "#include <stdio.h>",
        "",
        *source.constants,
        *_body(source, n_rows, gives_steps, has_labels, is_text, len(expected.lengths)),
    ]
    return "\n".join(lines) + "\n"


def _body(source, n_rows, gives_steps, has_labels, is_text, n_sequences):
    name, macro, real = source.name, source.macro, source.real
    tolerance = TOLERANCE[source.dtype]
    check_index = [
        f"    if (index < 0 || index >= {macro}_N_OUT || expected[index] < (1 - {tolerance}) * largest) {{",
        "        far = 2;",
        "    }",
    ]
    others = []
    if has_labels:
        others.append(f"    (void){name}_label(0);")
    if is_text:
        others.append(f'    (void){name}_code(0, "");')
    rows = "length" if gives_steps else "1"
    text = f"""\
/* The largest difference from what is expected, in units of what is allowed; not finite numbers are far. */
static double compare(const {real} *found, const {real} *expected, int index)
{{
    double far = index < 0 ? 2 : 0{", largest = 0" if has_labels else ""};
    for (int j = 0; j < {macro}_N_OUT; j++) {{
        const double allowed = {tolerance} * ((double)test_unit[j] + fabs((double)expected[j]));
        const double d = fabs((double)found[j] - (double)expected[j]) / allowed;
        if (!(d <= far)) {{
            far = d <= 1e9 ? d : 1e9;
        }}
{"        largest = largest > (double)expected[j] ? largest : (double)expected[j];" if has_labels else ""}
    }}
{chr(10).join(line.replace("expected[index]", "(double)expected[index]") for line in check_index) if has_labels else ""}
    return far;
}}

int main(void)
{{
    static {real} out[{n_rows}][{macro}_N_OUT];
    {name}_state s;
    double worst = 0;
    int first = 0, row = 0;
    for (int n = 0; n < {n_sequences}; n++) {{
        const int length = test_lengths[n];
        int index;
        {name}_reset(&s);
        for (int t = first; t < first + length; t++) {{
            index = {name}_step(&s, test_steps[t], out[0]);
            worst = fmax(worst, compare(out[0], test_so_far[t], index));
        }}
        index = {name}_run(test_steps[first], length, out[0]);
        for (int k = 0; k < {rows}; k++) {{
            worst = fmax(worst, compare(out[k], test_whole[row + k], {"k + 1 < length ? 0 : 0" if gives_steps else "index"}));
        }}
        first += length;
        row += {rows};
    }}
{chr(10).join(others)}
    printf("{name}: largest difference %.3f of what is allowed\\n", worst);
    return worst <= 1 ? 0 : 1;
}}"""
    return [line for line in text.split("\n") if line.strip() or not line]
