"""Streams: the time of a step, with its call from Python, checks and the link, float32, one thread.

The network is a GRU of 64 units that reads 8 channels; a step is an array of float32. *last* and *max* are poolings.
Figures are of one step of one stream: of 1000 streams the time of a call, divided by 1000.
"""

import numpy as np
from _harness import Contender, at_most, compile_kernels, goals, interleave, parse_arguments, report, table, typical

from skrnn import RNNClassifier, RNNRegressor

N_CHANNELS, H, POOLINGS, STREAMS = 8, 64, ("last", "max"), (1, 1000)
TASKS = {"regression": (RNNRegressor, 0), "2 classes": (RNNClassifier, 2), "5 classes": (RNNClassifier, 5)}
GOALS = {1: (10, 5), 1000: (1, 0.5)}  # microseconds: bar, aim
REPEATS = 50  # calls of a turn: a single one is as short as its measurement


def call_of(task, pooling, n_streams):
    """A function that takes a step, `REPEATS` times for a single stream."""
    rng, (kind, n_classes) = np.random.default_rng(0), TASKS[task]
    X = rng.normal(size=(64, 20, N_CHANNELS)).astype(np.float32)
    y = np.arange(64) % n_classes if n_classes else rng.normal(size=64)
    estimator = kind(H, pooling=pooling, bidirectional=False, max_iter=1, random_state=0).fit(X, y)
    stream, x = estimator.stream(n_streams), rng.normal(size=(n_streams, N_CHANNELS)).astype(np.float32)
    step, x = stream.step_proba if n_classes else stream.step, x[0] if n_streams == 1 else x
    n_calls = REPEATS if n_streams == 1 else 1

    def run():
        for _ in range(n_calls):
            step(x)

    return Contender(run, n_steps=n_calls * n_streams)


def main():
    arguments = parse_arguments(__doc__, streams=STREAMS)
    compile_kernels(["gru"])
    rows, wanted = [], []
    for n_streams in arguments.streams:
        calls = {f"{task}, {pooling}": call_of(task, pooling, n_streams) for task in TASKS for pooling in POOLINGS}
        seconds = interleave(calls, arguments.quick, total=10)
        micro = {name: 1e6 * typical(each) for name, each in seconds.items()}
        rows += [[str(n_streams), name, f"{each:.2f}"] for name, each in micro.items()]
        bar, aim = GOALS[n_streams]
        what = f"microseconds of a step, {n_streams} stream{'s' if n_streams > 1 else ''}, the slowest"
        wanted.append(at_most(what, max(micro.values()), bar, unit="", aim=aim))
    report("streams", __doc__, [table(("streams", "", "microseconds"), rows), goals(wanted)], arguments.write)


if __name__ == "__main__":
    main()
