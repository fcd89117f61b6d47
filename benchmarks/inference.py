"""Predictions of a trained network, float32, skrnn against the better of PyTorch and ONNX Runtime.

*Batches*: all sequences of a batch at once. *predict_proba* is ``RNNClassifier.predict_proba`` on a float32 array of
shape (sequences, steps, channels), with its checks, scaling and softmax. *raw* is the function behind it, on numbers
that the network reads. PyTorch runs under ``inference_mode``, with oneDNN; ONNX Runtime runs an LSTM, GRU or RNN node
and a Gemm node. Both have time in the first dimension and give raw predictions. *ratio* is the time of the better of
the two divided by that of ``predict_proba``, each of the three with the better of one and two threads (in brackets);
*two threads* is the time of ``predict_proba`` with one thread divided by that with two.

*One sequence*: 100 steps of 8 channels, 32 hidden units, or 256. *network* is the compiled program alone.
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
from skrnn.network.inference import RAW, Predictor
from skrnn.network.shards import ThreadExecutor

RATIO_LEAST, RATIO_MEAN = 1, 1.5
THREADS_LEAST = 0.95  # two threads must not be slower than one, but for noise
ONE_SEQUENCE = {(1, 100, 8, 32): 100, (1, 100, 8, 256): 1000}  # and goals in microseconds


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


def fitted_classifier(problem, n_jobs=1):
    """A classifier with the weights of a problem, and X."""
    _, T, D, H = problem.shape
    x = np.ascontiguousarray(problem.x.transpose(1, 0, 2))
    few = np.random.default_rng(0).standard_normal((2 * N_CLASSES, T, D))
    options = {"bidirectional": False, "pooling": "last", "standardize": False, "max_iter": 1, "random_state": 0}
    model = RNNClassifier(H, problem.cell, n_jobs=n_jobs, **options)
    model.fit(few, np.arange(len(few)) % N_CLASSES)
    model.weights_ = {name: array.copy() for name, array in problem.weights.items()}
    return model, x


def check_same_classes(model, x, problem, raw):
    """The classifier must predict the same, too."""
    shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
    if not np.allclose(model.predict_proba(x), shifted / shifted.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-5):
        raise RuntimeError(f"predict_proba and raw predictions differ: {problem.cell}, {problem.shape}")


def measure_batch(cell, shape, executors, quick):
    """One row of the table, the ratio to the others, and that of one thread to two."""
    problem = Problem(cell, shape)
    data = problem.data()
    contenders = {
        f"raw {n}": Contender(Predictor(problem.network, problem.theta, data, executor).predict_raw)
        for n, executor in executors.items()
    }
    contenders |= others(problem)
    check_same(contenders)
    for n in executors:
        model, x = fitted_classifier(problem, n)
        check_same_classes(model, x, problem, contenders["raw 1"].run())
        contenders[f"predict_proba {n}"] = Contender(lambda model=model, x=x: model.predict_proba(x))
    seconds = interleave(contenders, quick)
    names = [best(seconds, library) for library in ("predict_proba", "raw", "PyTorch", "ONNX")]
    times = [f"{np.median(seconds[name]) * 1e3:.3f} ({name[-1]})" for name in names]
    against = best({name: seconds[name] for name in names[2:]}, "")
    times_faster = ratio(seconds, against, names[0])
    two_threads = ratio(seconds, "predict_proba 1", "predict_proba 2")
    return [shape, *times, f"{times_faster:.2f}", f"{two_threads:.2f}"], times_faster, two_threads


def batches(cells, points, quick):
    """Tables of all cells, and rows of goals."""
    parts, wanted = [], []
    with ThreadExecutor(1) as one, ThreadExecutor(2) as two:
        for cell in cells:
            rows, ratios, threads = [], {}, {}
            for shape in grid(points, quick):
                progress(f"{cell}, {shape}")
                row, ratios[shape], threads[shape] = measure_batch(cell, shape, {1: one, 2: two}, quick)
                rows.append(row)
            mean, worst = geometric_mean(list(ratios.values())), min(ratios, key=ratios.get)
            rows.append(["geometric mean", "", "", "", "", f"{mean:.2f}", ""])
            header = ("batch, T, inputs, hidden", "predict_proba ms", "raw ms", "PyTorch ms", "ONNX Runtime ms")
            parts.append(f"{cell}, batches\n\n{table((*header, 'ratio', 'two threads'), rows)}")
            wanted.append(at_least(f"{cell}: smallest ratio, at {worst}", ratios[worst], RATIO_LEAST))
            wanted.append(at_least(f"{cell}: ratio, geometric mean", mean, RATIO_MEAN))
            slowest = min(threads, key=threads.get)
            wanted.append(at_least(f"{cell}: two threads over one, at {slowest}", threads[slowest], THREADS_LEAST))
    return parts, wanted


# ------------------------------------------------------------------------------------------------- one sequence
def network_alone(problem, executor):
    """The compiled program of one sequence, everything else prepared by a prediction before it."""
    predictor = Predictor(problem.network, problem.theta, problem.data(), executor)
    raw = predictor.predict_raw()
    workspace = problem.network.memory.spare[RAW].pop()
    workspace.set_out(raw)
    workspace.set_theta(problem.theta)

    def run():
        workspace.run(predictor.data.values, 1, False, executor, 1)
        return raw

    return run


def measure_one_sequence(cell, shape, quick):
    """Microseconds of each contender, and how many times faster the network is than ONNX Runtime."""
    problem = Problem(cell, shape)
    with ThreadExecutor(1) as executor:
        contenders = {"network": Contender(network_alone(problem, executor)), **others(problem)}
        check_same(contenders)
        model, x = fitted_classifier(problem)
        check_same_classes(model, x, problem, contenders["network"].run())
        contenders["predict_proba"] = Contender(lambda: model.predict_proba(x))
        seconds = interleave(contenders, quick)
    names = ("predict_proba", "network", best(seconds, "PyTorch"), best(seconds, "ONNX"))
    return [1e6 * np.median(seconds[name]) for name in names], ratio(seconds, names[3], "predict_proba")


def one_sequence(cells, quick):
    """Table, and rows of goals."""
    rows, wanted = [], []
    for cell in cells:
        for shape, most in ONE_SEQUENCE.items():
            progress(f"{cell}, one sequence, {shape}")
            microseconds, times_faster = measure_one_sequence(cell, shape, quick)
            rows.append([f"{cell}, {shape[-1]} units", *(f"{us:.0f}" for us in microseconds), f"{times_faster:.2f}"])
            wanted.append(at_most(f"{cell}, one sequence, {shape[-1]} units", microseconds[0], most, "us"))
    header = ("one sequence, us", "predict_proba", "network", "PyTorch", "ONNX Runtime", "ONNX Runtime / predict_proba")
    return table(header, rows), wanted


def main():
    arguments = parse_arguments(__doc__, cells=CELLS, points=POINTS)
    compile_kernels(CELLS)
    parts, wanted = batches(arguments.cells, arguments.points, arguments.quick)
    single, wanted_single = one_sequence(arguments.cells, arguments.quick)
    report("inference", __doc__, [*parts, single, goals(wanted + wanted_single)], arguments.write)


if __name__ == "__main__":
    main()
