"""Waiting times of a new process: ``import skrnn``, the first fit ever, and the first fit with kernels on disk.

*Import* is timed in a new process, in turns with ``import sklearn.neural_network``, with bytecode on disk. *First fit
ever* starts with an empty kernel cache: it loads Numba and compiles the kernels of the fit. *First fit in a new
process* loads them from disk; *later fit* is the second fit of the same process. The fit runs one epoch on 64 sequences
of 20 steps and 4 channels, with default parameters.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

from _harness import ROOT, at_most, goals, parse_arguments, progress, report, table

CELLS = ("lstm", "gru", "elman", "mgu", "jordan", "indrnn")
IMPORT_RATIO, FIRST_EVER_SECONDS, FIRST_EXTRA_SECONDS = 1.3, 8, 0.5
IMPORT = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""
FIT = """
import json, time
import numpy as np
from skrnn import RNNClassifier
rng = np.random.default_rng(0)
X, y = rng.standard_normal((64, 20, 4)), np.arange(64) % 3
seconds = []
for _ in range(2):
    start = time.perf_counter()
    RNNClassifier(cell="{cell}", max_iter=1).fit(X, y)
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds))
"""


def run(code, directory, kernels):
    """What a new process prints, as JSON; bytecode in `directory`, kernels in its subdirectory of the given name."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": f"{directory}/bytecode"}
    environment |= {"NUMBA_CACHE_DIR": f"{directory}/{kernels}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-W", "ignore", "-c", code]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def measure_imports(directory, n_rounds):
    """Seconds of each import, and the median ratio of the rounds."""
    modules = ("skrnn", "sklearn.neural_network")
    seconds = {module: [] for module in modules}
    for k in range(-1, n_rounds):  # the first round compiles bytecode
        for module in modules:
            progress(f"import {module}")
            took = run(IMPORT.format(module=module), directory, "kernels")
            if k >= 0:
                seconds[module].append(took)
    ratios = [own / other for own, other in zip(*seconds.values(), strict=True)]
    return [statistics.median(values) for values in seconds.values()], statistics.median(ratios)


def measure_fits(cell, directory, n_cold, n_warm):
    """Medians: first fit ever, first fit in a new process, later fit, difference of the two."""
    first_ever, warm = [], []
    for k in range(n_cold):
        progress(f"{cell}, first fit ever")
        first_ever.append(run(FIT.format(cell=cell), directory, f"{cell}{k}")[0])
    for _ in range(n_warm):
        progress(f"{cell}, first fit in a new process")
        warm.append(run(FIT.format(cell=cell), directory, f"{cell}0"))
    first, later = (statistics.median(values) for values in zip(*warm, strict=True))
    return statistics.median(first_ever), first, later, statistics.median(a - b for a, b in warm)


def main():
    arguments = parse_arguments(__doc__, cells=CELLS)
    n_import, n_cold, n_warm = (2, 1, 2) if arguments.quick else (15, 3, 7)
    with tempfile.TemporaryDirectory() as directory:
        imports, times_slower = measure_imports(directory, n_import)
        fits = {cell: measure_fits(cell, directory, n_cold, n_warm) for cell in arguments.cells}
    header = ("import, s", "skrnn", "sklearn.neural_network", "ratio")
    parts = [table(header, [["", *(f"{s:.3f}" for s in imports), f"{times_slower:.2f}"]])]
    header = ("fit, s", "first ever", "first in a new process", "later", "extra of the first")
    parts.append(table(header, [[cell, *(f"{s:.3f}" for s in fits[cell])] for cell in fits]))
    wanted = [at_most("import, skrnn over sklearn.neural_network", times_slower, IMPORT_RATIO)]
    for cell, (first_ever, _, _, extra) in fits.items():
        wanted.append(at_most(f"{cell}: first fit ever", first_ever, FIRST_EVER_SECONDS, "s"))
        wanted.append(
            at_most(f"{cell}: first fit in a new process, more than a later one", extra, FIRST_EXTRA_SECONDS, "s")
        )
    report("cold_start", __doc__, [*parts, goals(wanted)], arguments.write)


if __name__ == "__main__":
    main()
