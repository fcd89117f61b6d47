"""A step of a network as a program in C.

GRU layers of an ``RNNClassifier`` that reads 8 channels, of 3 classes; by ``skrnn.export.to_c`` with weights as floats
and of 8 bits (*quantised*), compiled by ``gcc -O2`` for any processor of its kind. A step is everything from the
numbers of the channels to probabilities. The program times 2,000 steps in CPU time, and takes the best of 50 times.
*bytes*: constants and, by ``size``, machine code.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from _harness import at_most, goals, parse_arguments, progress, report, table

from skrnn import RNNClassifier
from skrnn.export import to_c

N_CHANNELS = 8
MAIN = """
#define _POSIX_C_SOURCE 199309L
#define NET_API static
#include "net.c"
#include <stdio.h>
#include <time.h>

int main(void)
{
    net_state s;
    float x[NET_N_CHANNELS], out[NET_N_OUT], sum = 0;
    double best = 1e9;
    net_reset(&s);
    for (int k = 0; k < 50; k++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
        for (int t = 0; t < 2000; t++) {
            for (int j = 0; j < NET_N_CHANNELS; j++) {
                x[j] = (float)((7 * t + 3 * j) % 11) / 5 - 1;
            }
            (void)net_step(&s, x, out);
            sum += out[0];
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        const double us = (double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) / 1e3;
        best = us / 2000 < best ? us / 2000 : best;
    }
    printf("%.4f %g", best, (double)sum);
    return net_label(0) != 0;
}
"""


def measure(sizes, quantize):
    """Microseconds of a step, and bytes of constants and of code."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 9, N_CHANNELS)).astype(np.float32), np.arange(60) % 3
    clf = RNNClassifier(sizes, bidirectional=False, max_iter=1, random_state=0).fit(X, y)
    with tempfile.TemporaryDirectory() as directory:
        program = to_c(clf, os.path.join(directory, "net.c"), quantize=quantize)
        Path(directory, "main.c").write_text(MAIN)
        subprocess.run(["gcc", "-std=c99", "-O2", "main.c", "-lm", "-o", "main"], cwd=directory, check=True)
        subprocess.run(["gcc", "-std=c99", "-O2", "-c", "net.c"], cwd=directory, check=True)
        printed = subprocess.run([os.path.join(directory, "main")], capture_output=True, text=True, check=True).stdout
        sections = subprocess.run(["size", "-A", "net.o"], cwd=directory, capture_output=True, text=True).stdout
    code = sum(map(int, re.findall(r"^\.text[\w.]* +(\d+)", sections, re.MULTILINE)))
    return float(printed.split()[0]), program.constant_bytes, code


def main():
    arguments, rows, goal_rows = parse_arguments(__doc__), [], []
    for sizes in ((32,),) if arguments.quick else ((16,), (32,), (64,), (32, 32)):
        for quantize in (False, True):
            what = f"{' and '.join(map(str, sizes))} units{', quantised' * quantize}"
            progress(what)
            us, constants, code = measure(sizes, quantize)
            rows.append((what, f"{us:.2f}", f"{constants:,}", f"{code:,}"))
            if sizes == (32,):
                goal_rows.append(at_most(f"a step of {what}", us, 8, "us", aim=4))
    header = ("network", "us of a step", "bytes of constants", "of code")
    report("c_step", __doc__, [table(header, rows), goals(goal_rows)], arguments.write)


if __name__ == "__main__":
    main()
