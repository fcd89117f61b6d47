"""Shared functions of the benchmarks: interleaved timing, FMA peak of the machine, goals, tables, docs/benchmarks.rst.

Other programs and the clock rate of the CPU disturb all measurements. So programs that are compared run in turns in one
process, and are compared within each round; the result is the median over rounds. This includes the FMA peak.
"""

import argparse
import functools
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # "one thread" of skrnn means one: NumPy's dot would take more

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # measure this checkout, whatever is installed

DOCUMENT = ROOT / "docs" / "benchmarks.rst"
SECTIONS = {
    "train_step": "Training steps",
    "vocabulary": "Large vocabularies",
    "cells": "Cells and directions",
    "inference": "Prediction",
    "streams": "Streams",
    "attribution": "Attributions",
    "cold_start": "Import and first fit",
    "grid_search": "Grid search on threads",
    "distributed_plan": "Plan for many machines",
    "several_networks": "Several networks",
    "search": "Searches",
    "clusters": "Clusters",
    "larger_than_memory": "More sequences than memory, on a cluster",
    "memory": "Peak memory of a fit",
    "long": "Long sequences, and more than memory",
    "c_step": "Steps in C",
    "containers": "Packing and indexing sequences",
    "accuracy": "Accuracy on real data",
    "sequences_out": "Sequences out",
    "forecast": "Forecasts",
    "outliers": "Outliers",
    "early": "Early decisions",
    "flagship": "Columns and sequences together",
}
LIBRARIES = ("numpy", "numba", "llvmlite", "scikit-learn", "joblib", "torch", "onnxruntime")
BUSY = " Others used the machine too: minima of interleaved rounds; of CPU time, except where two threads run."
INTRODUCTION = """\
Benchmarks
==========

Scripts in ``benchmarks/`` generate the sections of this page. Each section names the machine of the measurement. Run a
script with ``--write`` to replace its section with figures of your machine.

Times are medians, and ratios are medians of ratios, where a section does not say that they are minima. The programs
that are compared run in turns in one process. A ratio compares times of the same round, so that changes of the clock
rate and other programs affect both sides alike. Between turns there is a pause, in which spinning threads of the
previous library fall asleep, and then an untimed call. Each of the other libraries runs with the better of one and two
threads. The tables show all goals, whether met or missed.
"""


COMPILE = """
import numpy as np
from skrnn import RNNClassifier
from skrnn.cells import *
X, y = np.random.default_rng(0).standard_normal((30, 5, 3)), np.arange(30) % 10
for cell in {cells}:
    for dtype in {dtypes}:
        RNNClassifier(8, cell, max_iter=1, dtype=dtype).fit(X, y).predict(X)
        RNNClassifier((8, 8), cell, bidirectional=True, max_iter=1, dtype=dtype).fit(X, y).predict(X)
"""


def compile_kernels(cells, dtypes=("float32",)):
    """Compile in another process what these cells, names or instances, need and is not on disk yet.

    Every process but the one that compiles a kernel loads it from disk, and LLVM may have made other code for that one.
    """
    progress("compile kernels")
    code = COMPILE.format(cells=list(cells), dtypes=list(dtypes))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, check=True)


# -------------------------------------------------------------------------------------------------------- timing
@dataclass
class Contender:
    """Something to be timed; `prepare` is called before its turn, untimed. A run makes `n_steps` steps."""

    run: Callable
    prepare: Callable = lambda: None
    n_steps: int = 1


PAUSE = 0.02  # seconds: idle OpenMP threads spin for up to 16 ms, on a core that the next contender may need
TURN = 0.02  # seconds of timed calls in a turn, at least one call
LONG = 0.05  # seconds from which a call is so long that waking up does not matter


@dataclass
class Statistic:
    """What becomes of the times of turns and rounds: the median, or on a busy machine the minimum."""

    busy: bool = False

    def __call__(self, values):
        return float(np.min(values) if self.busy else np.median(values))

    def clock(self, name):
        """What times a contender of this name: on a busy machine CPU time, if it does not run on two threads."""
        return time.process_time if self.busy and not name.endswith(" 2") else time.perf_counter


typical = Statistic()  # `parse_arguments` sets which


def interleave(contenders, quick, total=4):
    """Time the contenders in turns; returns a dict of name to array of seconds of a step, `typical` of each turn.

    total: about how many seconds to take, with no fewer than 7 rounds and no more than 25.
    """
    estimates = {name: _estimate(contender) for name, contender in contenders.items()}
    clocks = {name: typical.clock(name) for name in contenders}
    round_seconds = sum(PAUSE + max(2 * TURN, estimate) for estimate in estimates.values())
    n_rounds = 2 if quick else int(np.clip(total / round_seconds, 7, 25))
    seconds = {name: [] for name in contenders}
    for _ in range(n_rounds):
        for name, contender in contenders.items():
            seconds[name].append(_turn(contender, estimates[name], clocks[name]))
    return {name: np.array(values) for name, values in seconds.items()}


def _estimate(contender):
    contender.prepare()
    contender.run()
    return min(seconds_of(contender.run) for _ in range(2))


def _turn(contender, estimate, clock):
    contender.prepare()
    time.sleep(PAUSE)
    if estimate < LONG:
        awake = time.perf_counter() + TURN / 4
        contender.run()
        while time.perf_counter() < awake:
            contender.run()
    n_runs = max(1, int(TURN / estimate))
    return typical([seconds_of(contender.run, clock) for _ in range(n_runs)]) / contender.n_steps


def seconds_of(function, clock=time.perf_counter):
    """How long one call takes."""
    start = clock()
    function()
    return clock() - start


def best(seconds, prefix):
    """Of the contenders whose names start with `prefix`, the name of the one that takes least."""
    return min((name for name in seconds if name.startswith(prefix)), key=lambda name: typical(seconds[name]))


def ratio(seconds, slower, faster):
    """How many times faster: the median of the ratios of the rounds, or the ratio of the minima."""
    if typical.busy:
        return typical(seconds[slower]) / typical(seconds[faster])
    return typical(seconds[slower] / seconds[faster])


def geometric_mean(values):
    return float(np.exp(np.mean(np.log(values))))


# ------------------------------------------------------------------------------------------------------ FMA peak
PEAK_CHAINS = 12  # independent chains of multiply-adds: two units times four cycles of latency need eight
PEAK_TURNS = 500_000


@functools.cache
def fma_peak(dtype):
    """A loop of multiply-adds in registers, on one core: floating-point operations per call, and the contender.

    Its vectors are as wide as those of skrnn's kernels.
    """
    import numba
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    from skrnn.kernels._jit import VECTOR_BYTES

    bits = np.dtype(dtype).itemsize * 8
    count = VECTOR_BYTES * 8 // bits
    element, i64 = (ir.FloatType() if bits == 32 else ir.DoubleType()), ir.IntType(64)
    vector = ir.VectorType(element, count)

    def splat(value):
        return ir.Constant(vector, [ir.Constant(element, value)] * count)

    @intrinsic
    def multiply_add(typing_context, n):
        def generate(context, builder, signature, args):
            name, shape = f"llvm.fmuladd.v{count}f{bits}", ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, shape, name)
            entry, loop, end = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(i64)
            chains = [builder.phi(vector) for _ in range(PEAK_CHAINS)]
            # The values stay finite and normal: others would take longer.
            results = [builder.call(fma, [chain, splat(0.999), splat(1e-3)]) for chain in chains]
            for i, (chain, result) in enumerate(zip(chains, results, strict=True)):
                chain.add_incoming(splat(float(i)), entry)
                chain.add_incoming(result, loop)
            following = builder.add(k, i64(1))
            k.add_incoming(i64(0), entry)
            k.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, args[0]), loop, end)
            builder.position_at_end(end)
            total = results[0]
            for result in results[1:]:  # else the loop would be deleted
                total = builder.fadd(total, result)
            return builder.extract_element(total, ir.IntType(32)(0))

        return (types.float32 if bits == 32 else types.float64)(types.intp), generate

    @numba.njit
    def loop(n):
        return multiply_add(n)

    return 2 * count * PEAK_CHAINS * PEAK_TURNS, Contender(lambda: loop(PEAK_TURNS))


# ------------------------------------------------------------------------------------------------------- reports
def table(header, rows):
    """Aligned plain text: the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in cells
    )


def at_least(what, value, limit, unit="x", aim=None):
    """A goal, as a row for `goals`; `aim`: what would be still better."""
    met = "met" if value >= limit else "MISSED"
    if aim is not None:
        met += f", {'' if value >= aim else 'not '}the aim of {aim:.3g}"
    return what, f"{value:.3g} {unit}", f"at least {limit:.3g} {unit}", met


def at_most(what, value, limit, unit="x", aim=None):
    """A goal, as a row for `goals`; `aim`: what would be still better."""
    met = "met" if value <= limit else "MISSED"
    if aim is not None:
        met += f", {'' if value <= aim else 'not '}the aim of {aim:.3g}"
    return what, f"{value:.3g} {unit}", f"at most {limit:.3g} {unit}", met


def goals(rows):
    return table(("goal", "measured", "wanted", ""), rows)


def machine():
    """CPU, cores, vector width and versions of what is installed."""
    import llvmlite.binding

    from skrnn.kernels._jit import VECTOR_BYTES

    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    versions = [f"Python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    name = names[0] if names else platform.processor()
    return (
        f"{name} ({llvmlite.binding.get_host_cpu_name()}), {os.cpu_count()} cores, {8 * VECTOR_BYTES}-bit vectors; "
        f"{platform.system()}; {', '.join(versions)}."
    )


def progress(text):
    """Say what is being measured, apart from the results."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def parse_arguments(description, **choices):
    """Arguments of a script: ``--quick``, ``--write``, and a filter for each of `choices` (name to allowed values).

    A filter that is not given holds all values; ``--write`` takes complete runs only.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repeats and no large sizes: to try the script")
    parser.add_argument("--write", action="store_true", help=f"write the section of {DOCUMENT.relative_to(ROOT)}")
    parser.add_argument("--busy", action="store_true", help="compare minima, of CPU time for one thread")
    for name, values in choices.items():
        parser.add_argument(f"--{name}", nargs="+", choices=values, default=list(values), type=type(values[0]))
    arguments = parser.parse_args()
    filtered = any(getattr(arguments, name) != list(values) for name, values in choices.items())
    if arguments.write and (arguments.quick or filtered):
        parser.error("--write needs a complete run, without --quick and filters")
    typical.busy = arguments.busy
    warnings.filterwarnings("ignore", category=UserWarning)  # sklearn's ConvergenceWarning: fits are short on purpose
    return arguments


def report(section, description, parts, write):
    """Print the parts (tables and notes) of a section, and `write` them into the document."""
    busy = BUSY if typical.busy else ""
    where = textwrap.fill(f"Measured {date.today()}: {machine()}{busy}", 120)
    print(SECTIONS[section], where, *parts, sep="\n\n")
    if write:
        tables = "\n\n".join(parts).replace("\n", "\n    ").replace("\n    \n", "\n\n")
        _write_section(section, f"{description.strip()}\n\n{where}\n\n.. code-block:: text\n\n    {tables}\n")


def _write_section(section, text):
    document = DOCUMENT.read_text() if DOCUMENT.exists() else INTRODUCTION
    begin, end = f".. begin {section}", f".. end {section}"
    if begin not in document:
        title = SECTIONS[section]
        document += f"\n{title}\n{'-' * len(title)}\n\n{begin}\n{end}\n"
    before, rest = document.split(begin)
    after = rest.split(end)[1]
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")
