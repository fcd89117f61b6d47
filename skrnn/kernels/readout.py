"""The affine map from the last hidden state to the raw predictions, and its gradients."""

from .._jit import kernel
from .gemm import product, product_t


@kernel
def readout(Z, starts, H, W, K, last, raw):
    """raw = last W, where last[n] = [h, 1] after the last step of sequence n; see `recurrence` for Z and starts."""
    n_steps, N = starts.shape[0] - 2, starts[1]
    for t in range(n_steps):
        longer = starts[t + 3] - starts[t + 2] if t + 1 < n_steps else 0
        for n in range(longer, starts[t + 2] - starts[t + 1]):
            for j in range(H):
                last[n, j] = Z[starts[t + 1] + n, j]
            last[n, H] = 1
    product(raw, 0, raw.shape[1], last, 0, last.shape[1], W, 0, W.shape[1], N, K, H + 1, False)


@kernel
def readout_gradient(last, H, W_T, K, d_raw, N, dW, dh):
    """dW = last^T d_raw and dh = d_raw W_T, where W_T has a row for each of K raw predictions."""
    ldd = d_raw.shape[1]
    product_t(dW, 0, dW.shape[1], last, 0, last.shape[1], d_raw, 0, ldd, H + 1, K, N, False)
    product(dh, 0, dh.shape[1], d_raw, 0, ldd, W_T, 0, W_T.shape[1], N, H, K, False)
