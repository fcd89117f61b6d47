"""Raw predictions of a trained network, float32, skrnn against the better of PyTorch and ONNX Runtime.

*Batches*: all sequences of a batch at once. skrnn runs the function behind ``predict``, which packs the weights and
allocates its buffers in each call; PyTorch runs under ``inference_mode``, with oneDNN; ONNX Runtime runs an LSTM, GRU
or RNN node and a Gemm node. The latter two have time in the first dimension. *ratio* is the time of the better of the
two divided by skrnn's, each of the three with the better of one and two threads (in brackets).

*One sequence*: 100 steps of 8 channels, 32 hidden units. *predict_proba* is ``RNNClassifier.predict_proba`` on an array
of shape (1, 100, 8), including its checks. *network* is the network alone, with packed weights and allocated buffers,
like the sessions of ONNX Runtime.
"""

import numpy as np
import torch
from _harness import (
    Contender,
    at_least,
    at_most,
    best,
    compile_kernels,
    geometric_mean,
    goals,
    interleave,
    parse_arguments,
    progress,
    ratio,
    report,
    table,
)
from _models import CELLS, N_CLASSES, POINTS, Problem, TorchModel, grid, onnx_session, torch_contender

from skrnn import RNNClassifier
from skrnn.network.inference import Predictor
from skrnn.network.plan import Mode
from skrnn.network.shards import ThreadExecutor

RATIO_LEAST, RATIO_MEAN = 1, 1.5
ONE_SEQUENCE = (1, 100, 8, 32)
PREDICT_PROBA_US, NETWORK_RATIO = 250, 1


# ------------------------------------------------------------------------------------------------------ batches
def others(problem):
    """PyTorch and ONNX Runtime with one and two threads: functions without arguments, as contenders."""
    model, x = TorchModel(problem).eval(), torch.tensor(problem.x)

    def run_torch():
        with torch.inference_mode():
            return model(x).numpy()

    contenders = {f"PyTorch {n}": torch_contender(run_torch, n) for n in (1, 2)}
    for n in (1, 2):
        session = onnx_session(problem, n)
        contenders[f"ONNX Runtime {n}"] = Contender(lambda session=session: session.run(None, {"x": problem.x})[0])
    return contenders


def check_same(contenders):
    """All must predict the same, or there is nothing to compare."""
    expected = contenders["PyTorch 1"].run()
    for name, contender in contenders.items():
        raw = contender.run()
        if not np.allclose(raw, expected, rtol=1e-4, atol=1e-5):
            raise RuntimeError(f"{name} and PyTorch differ: {raw} and {expected}")


def measure_batch(cell, shape, executors, quick):
    """One row of the table, and the ratio."""
    problem = Problem(cell, shape)
    data = problem.data()
    contenders = {
        f"skrnn {n}": Contender(Predictor(problem.network, problem.theta, data, executor).predict_raw)
        for n, executor in executors.items()
    }
    contenders |= others(problem)
    check_same(contenders)
    seconds = interleave(contenders, quick)
    names = [best(seconds, library) for library in ("skrnn", "PyTorch", "ONNX")]
    times = [f"{np.median(seconds[name]) * 1e3:.3f} ({name[-1]})" for name in names]
    against = best({name: seconds[name] for name in names[1:]}, "")
    times_faster = ratio(seconds, against, names[0])
    return [shape, *times, f"{times_faster:.2f}"], times_faster


def batches(cells, points, quick):
    """Tables of all cells, and rows of goals."""
    parts, wanted = [], []
    with ThreadExecutor(1) as one, ThreadExecutor(2) as two:
        for cell in cells:
            rows, ratios = [], {}
            for shape in grid(points, quick):
                progress(f"{cell}, {shape}")
                row, ratios[shape] = measure_batch(cell, shape, {1: one, 2: two}, quick)
                rows.append(row)
            mean, worst = geometric_mean(list(ratios.values())), min(ratios, key=ratios.get)
            rows.append(["geometric mean", "", "", "", f"{mean:.2f}"])
            header = ("batch, T, inputs, hidden", "skrnn ms", "PyTorch ms", "ONNX Runtime ms", "ratio")
            parts.append(f"{cell}, batches\n\n{table(header, rows)}")
            wanted.append(at_least(f"{cell}: smallest ratio, at {worst}", ratios[worst], RATIO_LEAST))
            wanted.append(at_least(f"{cell}: ratio, geometric mean", mean, RATIO_MEAN))
    return parts, wanted


# ------------------------------------------------------------------------------------------------- one sequence
def fitted_classifier(cell):
    """A classifier of the size of `ONE_SEQUENCE`; how well it fits does not matter."""
    _, T, D, H = ONE_SEQUENCE
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4 * N_CLASSES, T, D))
    return RNNClassifier(H, cell, max_iter=1, random_state=0).fit(X, np.arange(len(X)) % N_CLASSES)


def network_alone(problem):
    """The forward pass on one sequence, everything else prepared."""
    network, data = problem.network, problem.data()
    packed = network.pack(problem.theta, network.memory.allocate_packed())
    buffers = network.memory.allocate_buffers(len(data.values), 1, Mode())
    raw = buffers.group("pooled")["raw"]

    def run():
        network.forward(packed, buffers, data.values, data.begins, data.lengths)
        return raw[:1, :N_CLASSES]

    return run


def measure_one_sequence(cell, quick):
    """Microseconds of each contender, and how many times faster the network is than ONNX Runtime."""
    problem = Problem(cell, ONE_SEQUENCE)
    contenders = {"network": Contender(network_alone(problem)), **others(problem)}
    check_same(contenders)
    classifier, x = fitted_classifier(cell), problem.x.transpose(1, 0, 2).astype(np.float64)
    contenders["predict_proba"] = Contender(lambda: classifier.predict_proba(x))
    seconds = interleave(contenders, quick)
    names = ("predict_proba", "network", best(seconds, "PyTorch"), best(seconds, "ONNX"))
    return [1e6 * np.median(seconds[name]) for name in names], ratio(seconds, names[3], "network")


def one_sequence(cells, quick):
    """Table, and rows of goals."""
    rows, wanted = [], []
    for cell in cells:
        progress(f"{cell}, one sequence")
        microseconds, times_faster = measure_one_sequence(cell, quick)
        rows.append([cell, *(f"{us:.0f}" for us in microseconds), f"{times_faster:.2f}"])
        wanted.append(at_most(f"{cell}, one sequence: predict_proba", microseconds[0], PREDICT_PROBA_US, "us"))
        wanted.append(
            at_least(f"{cell}, one sequence: network, ONNX Runtime's time over it", times_faster, NETWORK_RATIO)
        )
    header = ("one sequence, us", "predict_proba", "network", "PyTorch", "ONNX Runtime", "ONNX Runtime / network")
    return table(header, rows), wanted


def main():
    arguments = parse_arguments(__doc__, cells=CELLS, points=POINTS)
    compile_kernels(CELLS)
    parts, wanted = batches(arguments.cells, arguments.points, arguments.quick)
    single, wanted_single = one_sequence(arguments.cells, arguments.quick)
    report("inference", __doc__, [*parts, single, goals(wanted + wanted_single)], arguments.write)


if __name__ == "__main__":
    main()
