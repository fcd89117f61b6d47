"""All cells at the speed of the LSTM, IndRNN over many steps, and both directions: training steps, float32.

A training step consists of forward pass, loss, back-propagation through time, clipping and Adam, on random sequences,
with a readout of 10 classes. skrnn runs epochs of 8 batches or more; the time of a step is that of an epoch, divided by
the number of batches. Sizes are batch, T, inputs and hidden units of a layer.

**Share of the FMA peak**: one layer, one thread. GFLOP/s only count the matrix products of the cell: per step of a
sequence, 6 operations per weight, for the forward pass and the gradients of weights and states, but 4 per input weight,
because nothing needs the gradients of the inputs. *gru_before* and *mgu* have two products with states, one after the
other; *jordan* has one from the outputs, which are its state, and one to the outputs. Its outputs are those of the
network, which has no other readout: the 10 classes, and in *jordan_wide* as many classes as hidden units. *indrnn*,
*mingru* and *linoss* have no product with the state, and so few operations. The peak is the speed of a loop of
multiply-adds in registers. The loop and all cells are timed in turns; *below lstm* is the difference to the LSTM of the
same round, in points of the peak, median over rounds. The section on one training step contains the goals of *gru* and
*elman*; the goal of *indrnn* is below.

**IndRNN**: two layers of 128 units, T = 1000. PyTorch has no such layer, so it runs the obvious code: the product with
the inputs of all steps at once, then a loop over steps of ``h = relu(a_t + w * h)``, whose outputs are stacked, in
plain Python (*loop*) and with ``torch.jit.script`` (*script*). The ratio compares with the better one. Both sides clip
w to its bound after the update.

**Both directions**: an LSTM of two layers, compared with ``nn.LSTM(num_layers=2, bidirectional=True)``. The readout
uses the last state of each direction of the upper layer. *ragged*: lengths uniform in 10 .. T; PyTorch reads sorted,
packed sequences, because otherwise the backward direction would start in the padding.

In the last two parts, *ratio* is PyTorch's time divided by skrnn's, each with the better of one and two threads (in
brackets). PyTorch has time in the first dimension, ``Adam(fused=True)``, and gradients set to None. Before the timing,
the loss and the gradients of both sides are compared.

``--parts`` selects parts, ``--cells`` selects cells of the first part, besides the LSTM.
"""

import warnings

import numpy as np
import torch
from _epochs import OwnTraining, check_same_epoch
from _harness import (
    at_least,
    at_most,
    best,
    compile_kernels,
    fma_peak,
    goals,
    interleave,
    parse_arguments,
    progress,
    ratio,
    report,
    table,
    typical,
)
from _models import Problem, TorchIndRNN, TorchModel, batches_of_epoch, torch_contender, torch_step

from skrnn.cells import GRU, LSTM
from skrnn.network.shards import ThreadExecutor

PARTS = ("shares", "indrnn", "bidirectional")
VARIANTS = {
    "lstm": "lstm",
    "lstm_peepholes": LSTM(peepholes=True),
    "gru": "gru",
    "gru_before": GRU(reset="before"),
    "mgu": "mgu",
    "jordan": "jordan",
    "jordan_wide": "jordan",
    "elman": "elman",
    "indrnn": "indrnn",
    "mingru": "mingru",
    "linoss": "linoss",
}
SHAPES = (64, 100, 16, 128), (32, 50, 8, 32), (128, 30, 12, 64)  # batch, T, inputs, hidden
WITH_GOAL = ("lstm_peepholes", "gru_before", "mgu", "jordan", "jordan_wide")
MOST_BELOW = 15  # points of the peak
SECONDS = 10  # for the turns of one shape: there are many contenders

LONG = (32, 1000, 16, 128)
LONG_QUICK = (32, 100, 16, 128)
INDRNN_RATIO, N_BATCHES = 10, 8
BIDIRECTIONAL_SHAPES = (64, 100, 16, 64), (32, 50, 8, 32)
BIDIRECTIONAL_RATIO = 2


# -------------------------------------------------------------------------------------------------------- shares
def measure_shares(cells, shape, executor, quick):
    """For each cell milliseconds, GFLOP/s, share of the peak and how much it is below the LSTM's; and the peak."""
    peak_flops, peak = fma_peak("float32")
    contenders, flops = {"peak": peak}, {}
    for name in dict.fromkeys(["lstm", *cells]):
        outputs = {"n_classes": shape[3]} if name == "jordan_wide" else {}
        problem = Problem(VARIANTS[name], shape, n_batches=batches_of_epoch(shape, quick), **outputs)
        contenders[name], flops[name] = OwnTraining(problem, executor).contender, problem.flops()
    seconds = interleave(contenders, quick, SECONDS)
    shares = {name: 100 * n / peak_flops * seconds["peak"] / seconds[name] for name, n in flops.items()}
    results = {}
    for name, share in shares.items():
        median = typical(seconds[name])
        results[name] = 1e3 * median, flops[name] / median / 1e9, np.median(share), np.median(shares["lstm"] - share)
    return results, peak_flops / np.median(seconds["peak"]) / 1e9


def measure_all_shares(cells, quick):
    """Tables of all shapes, and rows of goals."""
    parts, wanted = [], []
    with ThreadExecutor(1) as executor:
        for shape in SHAPES:
            progress(f"shares of the peak, {shape}")
            results, peak = measure_shares(cells, shape, executor, quick)
            rows = [
                [name, f"{ms:.3f}", f"{gflops:.0f}", f"{share:.0f} %", f"{below:.0f}"]
                for name, (ms, gflops, share, below) in results.items()
            ]
            parts.append(
                f"{shape}; peak {peak:.0f} GFLOP/s\n\n{table(('', 'ms', 'GFLOP/s', 'of peak', 'below lstm'), rows)}"
            )
            for name in [name for name in WITH_GOAL if name in cells]:
                wanted.append(
                    at_most(f"{name} {shape}: share of peak below LSTM's", results[name][3], MOST_BELOW, "points")
                )
    return parts, wanted


# ---------------------------------------------------------------------------------------------- against PyTorch
def own_steps(problem, executors):
    """Training steps of skrnn for each number of threads, as contenders."""
    return {f"skrnn {n}": OwnTraining(problem, executor).contender for n, executor in executors.items()}


def compare(title, contenders, quick):
    """One row of a table, and the ratio."""
    progress(title)
    seconds = interleave(contenders, quick)
    names = best(seconds, "skrnn"), best(seconds, "torch")
    times_faster = ratio(seconds, names[1], names[0])
    kinds = dict.fromkeys(name.rpartition(" ")[0] for name in contenders)
    fastest = [best(seconds, kind) for kind in kinds]
    times = [f"{1e3 * typical(seconds[name]):.2f} ({name[-1]})" for name in fastest]
    return [title, *times, f"{times_faster:.2f}"], times_faster


def scripted(model):
    """The model compiled by TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        return torch.jit.script(model)


def measure_indrnn(executors, quick):
    """Table, and rows of goals."""
    problem = Problem("indrnn", LONG_QUICK if quick else LONG, n_layers=2, n_batches=N_BATCHES)
    contenders = own_steps(problem, executors)
    bound = 2 ** (1 / problem.shape[1])
    for kind, prepared in (("loop", lambda model: model), ("script", scripted)):
        model = TorchIndRNN(problem)
        step = torch_step(prepared(model), problem, bounds=[(layer.w, bound) for layer in model.layers])
        check_same_epoch(problem, model, step)
        contenders |= {f"torch {kind} {n}": torch_contender(step, n) for n in (1, 2)}
    title = f"indrnn {problem.shape}, 2 layers"
    row, times_faster = compare(title, contenders, quick)
    header = ("", "skrnn ms", "PyTorch loop ms", "PyTorch script ms", "ratio")
    return table(header, [row]), [at_least(f"{title}: ratio", times_faster, INDRNN_RATIO)]


def measure_bidirectional(executors, quick):
    """Table, and rows of goals."""
    rows, wanted = [], []
    for ragged in (False, True):
        for shape in BIDIRECTIONAL_SHAPES:
            n_batches = batches_of_epoch(shape, quick)
            problem = Problem("lstm", shape, ragged=ragged, n_batches=n_batches, n_layers=2, bidirectional=True)
            model = TorchModel(problem)
            step = torch_step(model, problem, packed=ragged)
            check_same_epoch(problem, model, step)
            contenders = own_steps(problem, executors) | {f"torch {n}": torch_contender(step, n) for n in (1, 2)}
            title = f"lstm {shape}, 2 layers, both directions{', ragged' if ragged else ''}"
            row, times_faster = compare(title, contenders, quick)
            rows.append(row)
            wanted.append(at_least(f"{title}: ratio", times_faster, BIDIRECTIONAL_RATIO))
    return table(("", "skrnn ms", "PyTorch ms", "ratio"), rows), wanted


def main():
    arguments = parse_arguments(__doc__, cells=tuple(VARIANTS), parts=PARTS)
    compile_kernels(VARIANTS.values())
    parts, wanted = [], []
    if "shares" in arguments.parts:
        parts, wanted = measure_all_shares(arguments.cells, arguments.quick)
    with ThreadExecutor(1) as one, ThreadExecutor(2) as two:
        for name, measure in (("indrnn", measure_indrnn), ("bidirectional", measure_bidirectional)):
            if name in arguments.parts:
                part, goal_rows = measure({1: one, 2: two}, arguments.quick)
                parts.append(part)
                wanted += goal_rows
    report("cells", __doc__, [*parts, *([goals(wanted)] if wanted else [])], arguments.write)


if __name__ == "__main__":
    main()
