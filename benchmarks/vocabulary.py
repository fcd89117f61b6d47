"""Training steps on sequences of tokens: the time of a step must not depend on the number of tokens that there are.

Sequences of 5 tokens, drawn at random from a vocabulary, 64 numbers for each token, a GRU of 4 units, a readout of 10
classes, batches of 64 sequences, float32. skrnn runs whole epochs of so many sequences that each token comes once on
the average, and of 80 batches at least; the time of a step is that of an epoch divided by the number of batches.
PyTorch goes through the same batches in a loop, with ``nn.Embedding``, ``nn.GRU`` and ``Adam(fused=True)``, which is
dense: it changes the numbers of all tokens in each step. Before the timing, the losses, and the changes of all
parameters after a few batches, are compared: skrnn's Adam does what a dense one does. *ratio* is PyTorch's time divided
by skrnn's, each with the better of one and two threads (in brackets).
"""

import numpy as np
import torch
from _epochs import OwnTraining, check_same_epoch
from _harness import (
    at_least,
    at_most,
    best,
    compile_kernels,
    goals,
    interleave,
    parse_arguments,
    progress,
    ratio,
    report,
    table,
    typical,
)
from _models import Problem, TorchModel, load, torch_contender, torch_step

from skrnn.network.shards import ThreadExecutor

VOCABULARIES = 1_000, 24_000, 200_000
N, T, N_DIMS, H = 64, 5, 64, 4  # batch, steps, numbers for a token, hidden units
WITH_GOAL, RATIO, AIM = 24_000, 3, 6
GROWTH = 2  # of a step from the smallest to the largest vocabulary: caches hold less of a large table
N_BATCHES, N_CHECKED = 80, 8


class TokenProblem(Problem):
    """Random tokens and labels, and a network in its initial state."""

    def __init__(self, n_tokens, n_batches):
        super().__init__("gru", (N, T, 1, H), n_batches=n_batches, embeddings=((0, n_tokens, N_DIMS),))
        self.x = np.random.default_rng(0).integers(0, n_tokens, self.x.shape).astype(np.float32)

    def batches(self):
        for x, *others in super().batches():
            yield x[..., 0].long(), *others


class TorchTokenModel(torch.nn.Module):
    """The network of a problem; reads tokens (T, N)."""

    def __init__(self, problem):
        super().__init__()
        self.above, self.table = TorchModel(problem), torch.nn.Embedding(*problem.weights["embedding.0"].shape)
        load(self.pairs(problem.weights))

    def pairs(self, named):
        """Each parameter with what belongs to it among the `named` arrays."""
        yield self.table.weight, named["embedding.0"]
        yield from self.above.pairs(named)

    def forward(self, tokens):
        return self.above(self.table(tokens))


def contenders_of(problem, executors):
    """Training steps of both sides, with each number of threads."""
    step = torch_step(TorchTokenModel(problem), problem)
    contenders = {f"torch {n}": torch_contender(step, n) for n in executors}
    return contenders | {f"skrnn {n}": OwnTraining(problem, each).contender for n, each in executors.items()}


def measure(n_tokens, executors, quick):
    """Seconds of a step of each contender, in each round."""
    progress(f"{n_tokens} tokens")
    checked = TokenProblem(n_tokens, N_CHECKED)
    model = TorchTokenModel(checked)
    check_same_epoch(checked, model, torch_step(model, checked))
    n_batches = max(N_BATCHES, -(-n_tokens // (N * T)))
    return interleave(contenders_of(TokenProblem(n_tokens, n_batches), executors), quick)


def main():
    arguments = parse_arguments(__doc__, tokens=VOCABULARIES)
    compile_kernels(["gru"])
    rows, wanted, own = [], [], {}
    with ThreadExecutor(1) as one, ThreadExecutor(2) as two:
        for n_tokens in arguments.tokens:
            seconds = measure(n_tokens, {1: one, 2: two}, arguments.quick)
            names = best(seconds, "skrnn"), best(seconds, "torch")
            times = [f"{1e3 * typical(seconds[name]):.3f} ({name[-1]})" for name in names]
            own[n_tokens], times_faster = typical(seconds[names[0]]), ratio(seconds, names[1], names[0])
            rows.append([n_tokens, *times, f"{times_faster:.2f}"])
            if n_tokens == WITH_GOAL:
                wanted.append(at_least(f"{n_tokens} tokens: ratio", times_faster, RATIO, aim=AIM))
    if len(own) > 1:
        what = f"skrnn, {max(own)} tokens over {min(own)}"
        wanted.append(at_most(what, own[max(own)] / own[min(own)], GROWTH))
    header = ("tokens", "skrnn ms", "PyTorch ms", "ratio")
    report("vocabulary", __doc__, [table(header, rows), *([goals(wanted)] if wanted else [])], arguments.write)


if __name__ == "__main__":
    main()
