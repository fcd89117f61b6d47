"""Waiting times: ``import skrnn``, the first fit ever, the first fit with kernels on disk, and the layout of a fit.

*Import* is timed in a new process, in turns with ``import sklearn.neural_network``, with bytecode on disk. *First fit
ever* starts with an empty kernel cache: it loads Numba and compiles the kernels of the fit. *First fit in a new
process* loads them from disk; *later fit* is the second fit of the same process. The fit runs one epoch on 64 sequences
of 20 steps and 4 channels, with default parameters.

*Layout*: what a later fit takes to allocate all buffers and to write the instructions of its programs, that is, to
construct `Objective` and `Epochs`; median of 20 fits in a process.

With ``--busy``, fits are timed by the CPU time of the process, which is less than the time that one waits.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from _harness import ROOT, at_most, goals, parse_arguments, progress, ratio, report, table, typical

CELLS = ("lstm", "gru", "elman", "mgu", "jordan", "indrnn")
IMPORT_RATIO, FIRST_EVER_SECONDS, FIRST_EXTRA_SECONDS, LAYOUT_MS = 1.3, 8, 0.4, 2
AIMS = {"ever": 5, "extra": 0.2, "layout": 0.5}
IMPORT = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""
FIT = """
import json
from time import {clock} as clock
import numpy as np
from skrnn import RNNClassifier
rng = np.random.default_rng(0)
X, y = rng.standard_normal((64, 20, 4)), np.arange(64) % 3
seconds = []
for _ in range(2):
    start = clock()
    RNNClassifier(cell="{cell}", max_iter=1).fit(X, y)
    seconds.append(clock() - start)

import skrnn.training.run as run

def timed(name):
    make, layout[name] = getattr(run, name), []
    def make_timed(*args, **kwargs):
        start = clock()
        made = make(*args, **kwargs)
        layout[name].append(clock() - start)
        return made
    setattr(run, name, make_timed)

layout = {{}}
timed("Objective"), timed("Epochs")
for _ in range(20):
    RNNClassifier(cell="{cell}", max_iter=1).fit(X, y)
print(json.dumps([*seconds, *layout.values()]))
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
    seconds = {module: np.array(values) for module, values in seconds.items()}
    return [typical(values) for values in seconds.values()], ratio(seconds, *modules)


def measure_fits(cell, directory, n_cold, n_warm):
    """Seconds of the first fit ever, the first fit in a new process and a later fit, the difference of the two, and the
    construction of `Objective` and `Epochs`.
    """
    code = FIT.format(cell=cell, clock="process_time" if typical.busy else "perf_counter")
    first_ever, warm = [], []
    for k in range(n_cold):
        progress(f"{cell}, first fit ever")
        first_ever.append(run(code, directory, f"{cell}{k}")[0])
    for _ in range(n_warm):
        progress(f"{cell}, first fit in a new process")
        warm.append(run(code, directory, f"{cell}0"))
    first, later, objective, epochs = zip(*warm, strict=True)
    extra = typical([a - b for a, b in zip(first, later, strict=True)])
    layout = [typical(np.concatenate(seconds)) for seconds in (objective, epochs)]
    return typical(first_ever), typical(first), typical(later), extra, *layout


def fit_parts(fits):
    """Tables of the fits of all cells, and rows of goals."""
    header = ("fit, s", "first ever", "first in a new process", "later", "extra of the first")
    tables = [table(header, [[cell, *(f"{s:.3f}" for s in seconds[:4])] for cell, seconds in fits.items()])]
    header, rows, wanted = ("layout of a later fit, ms", "Objective", "Epochs", "both"), [], []
    for cell, (first_ever, _, _, extra, *layout) in fits.items():
        layout = [1e3 * seconds for seconds in layout]
        rows.append([cell, *(f"{ms:.2f}" for ms in (*layout, sum(layout)))])
        wanted.append(at_most(f"{cell}: first fit ever", first_ever, FIRST_EVER_SECONDS, "s", AIMS["ever"]))
        what = f"{cell}: first fit in a new process, more than a later one"
        wanted.append(at_most(what, extra, FIRST_EXTRA_SECONDS, "s", AIMS["extra"]))
        wanted.append(at_most(f"{cell}: layout of a later fit", sum(layout), LAYOUT_MS, "ms", AIMS["layout"]))
    return [*tables, table(header, rows)], wanted


def main():
    arguments = parse_arguments(__doc__, cells=CELLS)
    n_import, n_cold, n_warm = (2, 1, 2) if arguments.quick else (15, 3, 7)
    with tempfile.TemporaryDirectory() as directory:
        imports, times_slower = measure_imports(directory, n_import)
        fits = {cell: measure_fits(cell, directory, n_cold, n_warm) for cell in arguments.cells}
    header = ("import, s", "skrnn", "sklearn.neural_network", "ratio")
    tables, wanted = fit_parts(fits)
    parts = [table(header, [["", *(f"{s:.3f}" for s in imports), f"{times_slower:.2f}"]]), *tables]
    wanted.insert(0, at_most("import, skrnn over sklearn.neural_network", times_slower, IMPORT_RATIO))
    report("cold_start", __doc__, [*parts, goals(wanted)], arguments.write)


if __name__ == "__main__":
    main()
