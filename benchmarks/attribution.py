"""Integrated gradients of a trained network, float32, skrnn against PyTorch.

The attributions of 100 sequences of 100 steps and 3 channels to a classifier of two classes with one layer of 64 units,
by 32 Gauss-Legendre nodes. PyTorch has the same weights, time in the first dimension, and takes the gradient by
``torch.autograd.grad``: of all nodes as one batch, as captum does by default, or of one node after the other. The
better of the two counts, each with the better of one and two threads. *ratio* is its time divided by that of
``skrnn.inspection.attribute``, from arrays to a ``SequenceArray``, with its checks, with the better of one and two
threads.

*error* is the gap between the sum of the attributions of a sequence and the difference of the margins that they
explain, the largest of all sequences, divided by the median of these differences: for skrnn, and for the same nodes in
PyTorch. Where a network pools by the maximum, its gradient jumps on the way from the baseline, and the quadrature of
skrnn goes around the jumps.
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
from _models import torch_contender

from skrnn import RNNClassifier
from skrnn.inspection import attribute
from skrnn.interchange import from_estimator, to_torch

CELLS, POOLINGS = ("gru", "lstm", "elman"), ("last", "max")
N, T, C, H, NODES = 100, 100, 3, 64, 32
SPEED, SPEED_AIM, ERROR, ERROR_AIM = 5, 10, 1e-3, 1e-4


def problem(cell, pooling):
    """Sequences, and a classifier that was trained on which of two channels has the larger mean."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, T, C)).astype(np.float32)
    X += rng.normal(size=(N, 1, C)).astype(np.float32)
    y = X[:, :, 0].mean(axis=1) > X[:, :, 1].mean(axis=1)
    options = {"bidirectional": False, "pooling": pooling, "dropout": 0.0, "early_stopping": False}
    return X, RNNClassifier(H, cell, max_iter=20, tol=0.0, standardize=False, random_state=0, **options).fit(X, y)


def torch_twin(clf, X):
    """Functions of copies of the sequences, (T, n, C): the margins; and integrated gradients in the two ways."""
    rnn, readout = to_torch(from_estimator(clf)), torch.nn.Linear(H, 1)
    rnn.batch_first = False
    with torch.no_grad():
        readout.weight[:] = torch.tensor(clf.weights_["readout.W"].T)
        readout.bias[:] = torch.tensor(clf.weights_["readout.b"])
    x = torch.tensor(np.ascontiguousarray(X.transpose(1, 0, 2)))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = torch.tensor((nodes + 1) / 2, dtype=x.dtype), torch.tensor(weights / 2, dtype=x.dtype)

    def margin(x):
        out = rnn(x)[0]
        return readout(out.amax(dim=0) if clf.structure_.pooling == "max" else out[-1])[:, 0]

    def gradient(x):
        x = x.requires_grad_()
        return torch.autograd.grad(margin(x).sum(), x)[0]

    def at_once():
        copies = (x[:, None] * nodes[:, None, None]).reshape(T, NODES * N, C)
        return x * (gradient(copies).reshape(T, NODES, N, C) * weights[:, None, None]).sum(dim=1)

    def one_by_one():
        return x * sum(weight * gradient(x * node) for node, weight in zip(nodes, weights, strict=True))

    return {"batch": at_once, "loop": one_by_one}


def measure(cell, pooling, threads, quick):
    X, clf = problem(cell, pooling)
    result, ways = attribute(clf, X, target=True), torch_twin(clf, X)
    found, theirs = result.attributions.values.reshape(X.shape), ways["batch"]().numpy().transpose(1, 0, 2)
    if pooling == "last" and np.abs(found - theirs).max() > 1e-4 * np.abs(theirs).max():
        raise AssertionError("skrnn and PyTorch find other attributions")
    contenders = {f"skrnn {n}": _ours(clf, X, n) for n in threads}
    contenders |= {f"PyTorch {way} {n}": torch_contender(run, n) for way, run in ways.items() for n in threads}
    seconds = interleave(contenders, quick, total=40)
    ours, other = best(seconds, "skrnn"), best(seconds, "PyTorch")
    size = np.median(np.abs(result.difference))
    errors = [np.abs(gap).max() / size for gap in (result.error, theirs.sum(axis=(1, 2)) - result.difference)]
    row = [f"{cell}, {pooling}", f"{1e3 * np.min(seconds[ours]):.0f} [{ours[-1]}]"]
    row += [f"{1e3 * np.min(seconds[other]):.0f} [{other.removeprefix('PyTorch ')}]"]
    speed = ratio(seconds, other, ours)
    return [*row, f"{speed:.1f} x", *(f"{error:.0e}" for error in errors)], speed, errors[0]


def _ours(clf, X, n):
    return Contender(lambda: attribute(clf, X), prepare=lambda: clf.set_params(n_jobs=n))


def main():
    arguments = parse_arguments(__doc__, cell=CELLS, pooling=POOLINGS, threads=(1, 2))
    compile_kernels(arguments.cell)
    rows, speeds, errors = [], [], []
    for cell in arguments.cell:
        for pooling in arguments.pooling:
            progress(f"{cell}, {pooling}")
            row, speed, error = measure(cell, pooling, arguments.threads, arguments.quick)
            rows.append(row)
            speeds.append(speed)
            errors.append(error)
    header = ("", "skrnn, ms [threads]", "PyTorch, ms [threads]", "ratio", "error", "error of PyTorch")
    wanted = [
        at_least("times as fast, geometric mean", geometric_mean(speeds), SPEED, aim=SPEED_AIM),
        at_most("largest error of completeness, of the margin", max(errors), ERROR, unit="", aim=ERROR_AIM),
    ]
    report("attribution", __doc__, [table(header, rows), goals(wanted)], arguments.write)


if __name__ == "__main__":
    main()
