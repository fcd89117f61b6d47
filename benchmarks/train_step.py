"""A whole training step, skrnn against PyTorch: forward, loss, back-propagation through time, clipping, Adam.

One layer and a readout of 10 classes, on random sequences, in *float32*, in *float64*, and *ragged* (float32, lengths
uniform in 10 .. T). PyTorch runs ``nn.LSTM``, ``nn.GRU`` or ``nn.RNN`` with oneDNN, batch in the second dimension,
``Adam(fused=True)`` and gradients set to None, and sorted ``pack_padded_sequence`` for ragged batches. *ratio* is
PyTorch's time divided by skrnn's, each with the better of one and two threads (in brackets). *or padded* compares with
the better of packing and padding; it has no goal.

GFLOP/s and the share of the peak are measured with one thread and only count the matrix products of the layer: with G
gates, 6 G H (H + D) - 2 G H D operations per step of a sequence. The peak is the speed of a loop of multiply-adds in
registers, timed in turns with the training step. *2 threads* is the speed-up of skrnn from one to two threads.
"""

import numpy as np
from _harness import (
    Contender,
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
)
from _models import (
    CELLS,
    POINTS,
    PaddedTorchModel,
    Problem,
    TorchModel,
    check_same_step,
    grid,
    skrnn_step,
    torch_contender,
    torch_step,
)

from skrnn.network.shards import ThreadExecutor

KINDS = ("float32", "float64", "ragged")
LEAST, MEAN = {"lstm": 2, "gru": 3, "elman": 3}, {"lstm": 3, "gru": 8, "elman": 6}
MEAN_OTHER_KINDS = 4
PEAK_SHARES = {(64, 100, 16, 128): 70, (32, 50, 8, 32): 55}
TWO_THREADS, TWO_THREADS_FROM = 1.8, 64  # speed-up, and the batch size from which it is wanted
HEADER = ("batch, T, inputs, hidden", "skrnn ms", "PyTorch ms", "ratio", "GFLOP/s", "of peak", "2 threads")


def measure(cell, shape, kind, executors, quick):
    """Seconds of each contender in each round, and the operations of a step and of a call of the peak loop."""
    ragged = kind == "ragged"
    problem = Problem(cell, shape, "float64" if kind == "float64" else "float32", ragged)
    model = TorchModel(problem)
    step = torch_step(model, problem, packed=ragged)
    check_same_step(problem, skrnn_step(problem, executors[1]), model, step)
    peak_flops, peak = fma_peak(problem.x.dtype)
    contenders = {"peak": peak}
    for n, executor in executors.items():
        contenders[f"skrnn {n}"] = Contender(skrnn_step(problem, executor))
        contenders[f"torch {n}"] = torch_contender(step, n)
        if ragged:
            contenders[f"padded torch {n}"] = torch_contender(torch_step(PaddedTorchModel(problem), problem), n)
    return interleave(contenders, quick), problem.flops(), peak_flops


def evaluate(seconds, flops, peak_flops):
    """The figures of one row of the table."""
    own, other = best(seconds, "skrnn"), best(seconds, "torch")
    padded = best(seconds, "padded") if "padded torch 1" in seconds else other
    return {
        "own": (np.median(seconds[own]) * 1e3, own[-1]),
        "other": (np.median(seconds[other]) * 1e3, other[-1]),
        "ratio": ratio(seconds, other, own),
        "ratio or padded": min(ratio(seconds, other, own), ratio(seconds, padded, own)),
        "gflops": flops / np.median(seconds["skrnn 1"]) / 1e9,
        "share": 100 * flops / peak_flops * ratio(seconds, "peak", "skrnn 1"),
        "two threads": ratio(seconds, "skrnn 1", "skrnn 2"),
        "peak": peak_flops / np.median(seconds["peak"]) / 1e9,
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
            f"{r['two threads']:.2f}",
        ]
        rows.append([*row, f"{r['ratio or padded']:.2f}"] if ragged else row)
    means = [geometric_mean([r[key] for r in results.values()]) for key in ("ratio", "ratio or padded")]
    empty = [""] * 3
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
        at_least(f"{name}smallest ratio, at {worst}", ratios[worst], LEAST[cell]),
        at_least(f"{name}ratio, geometric mean", mean, MEAN[cell]),
    ]
    for shape, r in results.items():
        if shape in PEAK_SHARES:
            rows.append(at_least(f"{name}share of FMA peak at {shape}", r["share"], PEAK_SHARES[shape], "%"))
    for shape, r in results.items():
        if shape[0] >= TWO_THREADS_FROM:
            rows.append(at_least(f"{name}2 threads over 1 at {shape}", r["two threads"], TWO_THREADS))
    return rows


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
    report("train_step", __doc__, [*parts, goals(wanted)], arguments.write)


if __name__ == "__main__":
    main()
