"""What steppers and streams do at each step besides the kernels of their network."""

import numpy as np

from ._jit import kernel, stage


@kernel
def standardize_step(values, mean, scale, out):
    """Do as `statistics.standardize`; FloatingPointError, which stops a program, if a number of `out` is not finite."""
    n_wrong = 0
    for n in range(values.shape[0]):
        for c in range(values.shape[1]):
            out[n, c] = (values[n, c] - mean[c]) / scale[c]
            if not np.isfinite(out[n, c]):
                n_wrong += 1
    if n_wrong > 0:
        raise FloatingPointError("a number of the step is not finite")


@kernel
def difference_step(values, mean, scale, difference_scale, before, steps, out):
    """Do as `standardize_step`, and for changes since the values `before` as `statistics.difference`; keep the values.

    steps : how many steps each sequence has had; nothing is kept where an error is raised
    """
    C, n_wrong = values.shape[1], 0
    for n in range(values.shape[0]):
        for c in range(C):
            z = (values[n, c] - mean[c]) / scale[c]
            out[n, c] = z
            out[n, C + c] = (z - before[n, c]) / difference_scale[c] if steps[n] > 0 else 0.0
            if not (np.isfinite(out[n, c]) and np.isfinite(out[n, C + c])):
                n_wrong += 1
    if n_wrong > 0:
        raise FloatingPointError("a number of the step is not finite")
    for n in range(values.shape[0]):
        for c in range(C):
            before[n, c] = (values[n, c] - mean[c]) / scale[c]


@kernel
def count_step(steps):
    """Count a step more of each sequence."""
    for n in range(steps.shape[0]):
        steps[n] += 1


@kernel
def count_wrong(out, n_columns):
    """How many numbers in the first columns are not finite."""
    n_wrong = 0
    for n in range(out.shape[0]):
        for k in range(n_columns):
            if not np.isfinite(out[n, k]):
                n_wrong += 1
    return n_wrong


# ------------------------------------------------------------------------------------- steps before a convolution
@stage
def append_step(values, D, steps):
    """Move the last steps of each sequence, D numbers each, up by one, and write the new one behind them."""
    end = steps.shape[1] - D
    for n in range(steps.shape[0]):
        for j in range(end):
            steps[n, j] = steps[n, j + D]
        for j in range(D):
            steps[n, end + j] = values[n, j]


@stage
def fill_windows(steps, D, n_steps, positions, stride, ends, windows, has_come):
    """What the next position of each sequence reads of its last steps, and zeros where there are none.

    ends : how many steps a window has before its centre and behind it, and so many behind it must have come, for
    has_come[n] to be 1
    """
    left, right, needed = ends
    width = left + right + 1
    for n in range(steps.shape[0]):
        last, centre = n_steps[n] - 1, positions[n] * stride
        has_come[n] = int(centre + needed <= last)
        for k in range(width):
            place = centre - left + k - last + width - 1  # behind the last step, whose place is width - 1, is none
            is_there = 0 <= place < width
            for j in range(D):
                windows[n, k * D + j] = steps[n, place * D + j] if is_there else 0


@stage
def copy_some(source, target, table, flags, flag):
    """Copy what belongs to the sequences n with ``flags[n] == flag`` between flat arrays that are laid out alike.

    table : for each matrix in them its first element, the numbers of a sequence, and how far sequences and numbers are
    apart
    """
    for k in range(table.shape[0]):
        first, width, of_sequence, of_number = table[k, 0], table[k, 1], table[k, 2], table[k, 3]
        for n in range(flags.shape[0]):
            begin = first + n * of_sequence
            if flags[n] == flag and of_number == 1:
                # Slices, because an index that might be negative keeps LLVM from moving a vector at a time.
                from_n, to_n = source[begin : begin + width], target[begin : begin + width]
                for j in range(width):
                    to_n[j] = from_n[j]
            elif flags[n] == flag:
                for j in range(width):
                    target[begin + j * of_number] = source[begin + j * of_number]
