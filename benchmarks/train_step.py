"""A training step in the middle of a fit, skrnn against PyTorch: forward, loss, back-propagation, clipping, Adam.

One layer and a readout of 10 classes, on random sequences, in *float32*, in *float64*, and *ragged* (float32, lengths
uniform in 10 .. T). skrnn runs whole epochs of 8 to 64 batches, as a fit does, and the time of a step is that of an
epoch divided by the number of batches. PyTorch goes through the same batches in a loop, with ``nn.LSTM``, ``nn.GRU`` or
``nn.RNN`` and oneDNN, batch in the second dimension, ``Adam(fused=True)`` and gradients set to None, and sorted
``pack_padded_sequence`` for ragged batches. Before the timing, losses, gradients and the changes of the parameters
after an epoch of both sides are compared. *ratio* is PyTorch's time divided by skrnn's, each with the better of one and
two threads (in brackets). *or padded* compares with the better of packing and padding; it has no goal.

GFLOP/s and the share of the peak are measured with one thread and only count the matrix products of the layer: with G
gates, 6 G H (H + D) - 2 G H D operations per step of a sequence. The peak is the speed of a loop of multiply-adds in
registers, timed in turns with the training step. *2 threads* is the speed-up of skrnn from one to two threads; *shards*
are the parts of a batch that threads share.

*Where the time goes*: each instruction of the programs of a step, run alone by a loop in Python instead of the driver,
on one thread; time of a run times the number of its runs in a step, without the time of calling nothing.
Indented: parts of the instruction above, which are the same kernel without its other parts; what remains is
element-wise work. *at peak* is what the matrix products would take at the speed of the peak, *lost* is the rest of the
time. *share* and *lost* are parts of the step as the driver runs it.
"""

import numpy as np
from _epochs import OwnTraining, check_same_epoch
from _harness import (
    at_least,
    best,
    compile_kernels,
    fma_peak,
    geometric_mean,
    goals,
    interleave,
    parse_arguments,
    progress,
    ratio,
    report,
    table,
    typical,
)
from _models import (
    CELLS,
    POINTS,
    PaddedTorchModel,
    Problem,
    TorchModel,
    batches_of_epoch,
    grid,
    torch_contender,
    torch_step,
)
from _profile import Profile

from skrnn.network.shards import ThreadExecutor

KINDS = ("float32", "float64", "ragged")
LEAST, MEAN = {"lstm": 2.5, "gru": 3, "elman": 3}, {"lstm": 5, "gru": 14, "elman": 12}
AIM_LEAST, AIM_MEAN = {"lstm": 3, "gru": 4, "elman": 4}, {"lstm": 6, "gru": 18, "elman": 16}
MEAN_OTHER_KINDS = 4
PEAK_SHARES = {(64, 100, 16, 128): (65, 75), (32, 50, 8, 32): (45, 55)}  # goal and aim
TWO_THREADS = 1.7, 1.9  # wanted where there are two shards
PROFILED = (32, 50, 8, 32), (64, 100, 16, 128)  # of the LSTM
HEADER = ("batch, T, inputs, hidden", "skrnn ms", "PyTorch ms", "ratio", "GFLOP/s", "of peak", "shards", "2 threads")


def measure(cell, shape, kind, executors, quick):
    """Seconds of a step of each contender in each round, operations of a step and of the peak loop, and shards."""
    ragged = kind == "ragged"
    dtype, n_batches = "float64" if kind == "float64" else "float32", batches_of_epoch(shape, quick)
    problem = Problem(cell, shape, dtype, ragged, n_batches=n_batches)
    model = TorchModel(problem)
    step = torch_step(model, problem, packed=ragged)
    check_same_epoch(problem, model, step)
    peak_flops, peak = fma_peak(problem.x.dtype)
    contenders = {"peak": peak}
    for n, executor in executors.items():
        own = OwnTraining(problem, executor)
        contenders[f"skrnn {n}"] = own.contender
        contenders[f"torch {n}"] = torch_contender(step, n)
        if ragged:
            contenders[f"padded torch {n}"] = torch_contender(torch_step(PaddedTorchModel(problem), problem), n)
    return interleave(contenders, quick), problem.flops(), peak_flops, own.n_shards


def evaluate(seconds, flops, peak_flops, n_shards):
    """The figures of one row of the table."""
    own, other = best(seconds, "skrnn"), best(seconds, "torch")
    padded = best(seconds, "padded") if "padded torch 1" in seconds else other
    return {
        "own": (typical(seconds[own]) * 1e3, own[-1]),
        "other": (typical(seconds[other]) * 1e3, other[-1]),
        "ratio": ratio(seconds, other, own),
        "ratio or padded": min(ratio(seconds, other, own), ratio(seconds, padded, own)),
        "gflops": flops / typical(seconds["skrnn 1"]) / 1e9,
        "share": 100 * flops / peak_flops * ratio(seconds, "peak", "skrnn 1"),
        "shards": n_shards,
        # On a busy machine one is CPU time, the other is not.
        "two threads": np.nan if typical.busy else ratio(seconds, "skrnn 1", "skrnn 2"),
        "peak": peak_flops / typical(seconds["peak"]) / 1e9,
    }


def show(cell, kind, results):
    """Table of one cell and kind."""
    ragged = kind == "ragged"
    rows = []
    for shape, r in results.items():
        times = [f"{ms:.3f} ({threads})" for ms, threads in (r["own"], r["other"])]
        row = [
            shape,
            *times,
            f"{r['ratio']:.2f}",
            f"{r['gflops']:.0f}",
            f"{r['share']:.0f} %",
            r["shards"],
            f"{r['two threads']:.2f}",
        ]
        rows.append([*row, f"{r['ratio or padded']:.2f}"] if ragged else row)
    means = [geometric_mean([r[key] for r in results.values()]) for key in ("ratio", "ratio or padded")]
    empty = [""] * 4
    rows.append(["geometric mean", "", "", f"{means[0]:.2f}", *empty, *([f"{means[1]:.2f}"] if ragged else [])])
    peak = np.median([r["peak"] for r in results.values()])
    header = [*HEADER, "or padded"] if ragged else HEADER
    return f"{cell}, {kind}; peak {peak:.0f} GFLOP/s\n\n{table(header, rows)}"


def goal_rows(cell, kind, results):
    """What the table of one cell and kind should show."""
    name = f"{cell}, {kind}: "
    ratios = {shape: r["ratio"] for shape, r in results.items()}
    mean = geometric_mean(list(ratios.values()))
    if kind != "float32":
        return [at_least(f"{name}ratio, geometric mean", mean, MEAN_OTHER_KINDS)]
    worst = min(ratios, key=ratios.get)
    rows = [
        at_least(f"{name}smallest ratio, at {worst}", ratios[worst], LEAST[cell], aim=AIM_LEAST[cell]),
        at_least(f"{name}ratio, geometric mean", mean, MEAN[cell], aim=AIM_MEAN[cell]),
    ]
    for shape, r in results.items():
        if cell == "lstm" and shape in PEAK_SHARES:
            limit, aim = PEAK_SHARES[shape]
            rows.append(at_least(f"{name}share of FMA peak at {shape}", r["share"], limit, "%", aim))
    for shape, r in results.items():
        if r["shards"] > 1 and not typical.busy:
            limit, aim = TWO_THREADS
            rows.append(at_least(f"{name}2 threads over 1 at {shape}", r["two threads"], limit, aim=aim))
    return rows


def profiles(shapes, quick):
    """Tables of where the time of a step goes."""
    parts = []
    for shape in (shape for shape in PROFILED if shape in shapes):
        progress(f"where the time goes, {shape}")
        profile = Profile(Problem("lstm", shape, n_batches=batches_of_epoch(shape, quick)), 2 if quick else 15)
        parts.append(f"where the time goes: {profile}")
    return parts


def main():
    arguments = parse_arguments(__doc__, cells=CELLS, kinds=KINDS, points=POINTS)
    shapes = grid(arguments.points, arguments.quick)
    compile_kernels(CELLS, ("float32", "float64"))
    parts, wanted = [], []
    with ThreadExecutor(1) as one, ThreadExecutor(2) as two:
        for kind in arguments.kinds:
            for cell in arguments.cells:
                results = {}
                for shape in shapes:
                    progress(f"{cell}, {kind}, {shape}")
                    results[shape] = evaluate(*measure(cell, shape, kind, {1: one, 2: two}, arguments.quick))
                parts.append(show(cell, kind, results))
                wanted += goal_rows(cell, kind, results)
    if "lstm" in arguments.cells and "float32" in arguments.kinds:
        parts += profiles(shapes, arguments.quick)
    report("train_step", __doc__, [*parts, goals(wanted)], arguments.write)


if __name__ == "__main__":
    main()
