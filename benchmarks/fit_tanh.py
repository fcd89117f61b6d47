"""Fit the rational tanh of `skrnn.kernels.activations` for float32 and print its coefficients and its error.

tanh(x) = x P(x^2) / Q(x^2) on [-LIMIT, LIMIT] with degrees 4 and 4 in x^2: a linear least-squares problem for the
coefficients once the equation is multiplied by Q, solved again and again with weights 1 / Q (so that the quotient
counts, not the product) and with more weight where the relative error was largest (Lawson's iteration towards the
minimax fit). Run: ``python benchmarks/fit_tanh.py``.
"""

import numpy as np

LIMIT = 7.6  # tanh(7.6) = 1 - 5.0e-7: more than all rounding together, so that no result is ever above 1
DEGREE_P, DEGREE_Q = 4, 4


def fit(n_points=4000, n_iterations=300):
    """Coefficients of P (lowest first) and of Q without its leading 1, and the largest relative error."""
    x = LIMIT * np.sqrt((np.arange(n_points) + 0.5) / n_points).astype(np.longdouble)
    z, target = x * x, np.tanh(x) / x
    powers = z[:, None] ** np.arange(max(DEGREE_P, DEGREE_Q) + 1)
    A = np.hstack([powers[:, : DEGREE_P + 1], -target[:, None] * powers[:, 1 : DEGREE_Q + 1]])
    scale = np.abs(A).max(axis=0)
    weight, q = np.ones(n_points), np.ones(n_points)
    best = None
    for _ in range(n_iterations):
        w = np.sqrt(weight) / (q * target)
        solution = np.linalg.lstsq((A / scale * w[:, None]).astype(float), (target * w).astype(float), rcond=None)[0]
        c = solution / scale
        p_values = powers[:, : DEGREE_P + 1] @ c[: DEGREE_P + 1]
        q = 1 + powers[:, 1 : DEGREE_Q + 1] @ c[DEGREE_P + 1 :]
        error = np.abs(p_values / q / target - 1)
        if best is None or error.max() < best[2]:
            best = c[: DEGREE_P + 1], c[DEGREE_P + 1 :], error.max()
        weight *= 0.5 + 0.5 * (error / error.max()).astype(float)
        weight /= weight.mean()
    return best


if __name__ == "__main__":
    p, q, error = fit()
    print("P", ", ".join(f"{v:.9g}" for v in p.astype(float)))
    print("Q 1,", ", ".join(f"{v:.9g}" for v in q.astype(float)))
    print(f"largest relative error before rounding: {float(error):.2e}")
    x = np.linspace(-12, 12, 4_000_001, dtype=np.float32)
    c = np.clip(x, np.float32(-LIMIT), np.float32(LIMIT))
    z = c * c
    P, Q = np.float32(p[-1]), np.float32(q[-1])
    for v in p[-2::-1]:
        P = P * z + np.float32(v)
    for v in q[-2::-1]:
        Q = Q * z + np.float32(v)
    y = c * P / (Q * z + np.float32(1))
    exact = np.tanh(x.astype(float))
    print(f"float32: absolute {np.abs(y - exact).max():.2e}, largest value 1 - {1 - float(np.abs(y).max()):.2e}")
    print(
        f"         {np.max(np.abs(y - exact)[x != 0] / np.spacing(np.abs(exact.astype(np.float32)))[x != 0]):.1f} ulp"
    )
