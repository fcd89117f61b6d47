"""Matrix products alone: share of one core's FMA peak for the shapes of an LSTM of H units, D = 16 inputs, M sequences.

*forward* is (M, 4H) = (M, H + 17) (H + 17, 4H) for one step after the other, *back* is (M, H) += (M, 4H) (4H, H), and
*weights* is the one product (H + 17, 4H) = (H + 17, 50 M) (50 M, 4H) at the end. Matrices lie as in a fit. The peak is
the speed of a loop of multiply-adds in registers; a share is the median over rounds, and *best* the largest of a round.
"""

import argparse
import functools

import numpy as np
from _harness import Contender, fma_peak, interleave, progress, table

from skrnn.kernels._jit import kernel
from skrnn.kernels.gemm import product, product_t
from skrnn.network.arena import Arena

UNITS, SEQUENCES, STEPS, INPUTS = (32, 64, 128, 256), (1, 2, 4, 7, 8, 16, 32), 50, 16
HUGE_PAGES = 1 << 20  # elements from which NumPy asks for huge pages, as the memory of a fit is


@kernel
def multiply_forward(A, Z, W, M, N, K, n_steps):
    for t in range(n_steps):
        product((A, t * M * A.shape[1]), (Z, t * M * Z.shape[1]), (W, 0), M, N, K, False)


@kernel
def multiply_back(d, A, W_T, M, N, K, n_steps):
    for t in range(n_steps - 1, -1, -1):
        product((d, 0), (A, t * M * A.shape[1]), (W_T, 0), M, N, K, True)


@kernel
def multiply_weights(dW, Z, A, M, N, K):
    product_t((dW, 0), (Z, 0), (A, 0), M, N, K, False)


def contenders(H, M):
    """Name to (operations, contender)."""
    K, N, rows = H + 1 + INPUTS, 4 * H, M * STEPS
    shapes = {"A": (rows, N), "Z": (rows, K), "W": (K, N), "W_T": (N, H), "d": (M, H), "dW": (K, N)}
    a = Arena(shapes | {"spare": (1, HUGE_PAGES)}, np.float32).arrays
    rng = np.random.default_rng(0)
    for name in ("A", "Z", "W", "W_T"):
        a[name][...] = rng.standard_normal(a[name].shape) / H
    calls = {
        "forward": (K, functools.partial(multiply_forward, a["A"], a["Z"], a["W"], M, N, K, STEPS)),
        "back": (H, functools.partial(multiply_back, a["d"], a["A"], a["W_T"], M, H, N, STEPS)),
        "weights": (K, functools.partial(multiply_weights, a["dW"], a["Z"], a["A"], K, N, rows)),
    }
    return {name: (2 * rows * N * other, Contender(call)) for name, (other, call) in calls.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    quick = parser.parse_args().quick
    peak_flops, peak = fma_peak("float32")
    rows = []
    for H in UNITS:
        for M in SEQUENCES:
            progress(f"{H} units, {M} sequences")
            products = contenders(H, M)
            seconds = interleave({"peak": peak} | {name: c for name, (_, c) in products.items()}, quick)
            row = [f"H = {H}, M = {M}"]
            for name, (flops, _) in products.items():
                shares = 100 * flops / peak_flops * seconds["peak"] / seconds[name]
                row += [f"{np.median(shares):.0f}", f"{shares.max():.0f}"]
            rows.append(row)
    print(table(("% of the peak", "forward", "best", "back", "best", "weights", "best"), rows))


if __name__ == "__main__":
    main()
