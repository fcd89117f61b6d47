"""Sequences at other speeds, in part, and with other amplitudes, by linear interpolation between steps."""

from ._jit import kernel


@kernel
def _speed(speeds, share):
    """The speed after a share of the sequence: linear between the `speeds`, which stand at equal distances."""
    at = share * (len(speeds) - 1)
    k = min(int(at), len(speeds) - 2)
    return speeds[k] + (at - k) * (speeds[k + 1] - speeds[k])


@kernel
def augment(values, begins, lengths, rows, speeds, windows, factors, out):
    """Write the sequences `rows` of `values` to `out`, changed.

    Step t of sequence n is read at the position ``tau_t`` of its window, which moves on with the speeds; what is read
    there is multiplied by the factor of the channel. Columns behind those of the C channels are changes since the step
    before, per step: they are as large as ``tau_t - tau_{t-1}`` says, and 0 in the first step.

    values, out : (n_steps, C) or (n_steps, 2 C); speeds : (len(rows), n), positive; windows : (len(rows), 2), shares of
    the steps at which a window begins and ends; factors : (len(rows), C)
    """
    C = factors.shape[1]
    for n in range(len(rows)):
        first, T = begins[rows[n]], lengths[rows[n]]
        if T == 1:
            for c in range(values.shape[1]):
                out[first, c] = factors[n, c % C] * float(values[first, c])
            continue
        total = 0.0
        for t in range(1, T):
            total += _speed(speeds[n], (t - 0.5) / (T - 1))
        begin, end = windows[n, 0] * (T - 1), windows[n, 1] * (T - 1)
        gone, before = 0.0, begin
        for t in range(T):
            if t > 0:
                gone += _speed(speeds[n], (t - 0.5) / (T - 1))
            tau = begin + (end - begin) * (gone / total)
            k = min(int(tau), T - 2)
            w = min(tau - k, 1.0)
            for c in range(values.shape[1]):
                x, y = float(values[first + k, c]), float(values[first + k + 1, c])
                factor = factors[n, c % C] * (1.0 if c < C else tau - before)
                out[first + t, c] = factor * ((1.0 - w) * x + w * y)
            before = tau
