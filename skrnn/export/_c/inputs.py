"""From the channels of a step to what the first layer reads."""

import numpy as np

from .expressions import library
from .text import check_string, comment, loop, number, string


def write_inputs(source, structure, encoder, weights):
    """Write the function ``encode``; gives how many numbers it fills in, and the C type of a channel.

    It returns 0, or -1 for a step that cannot be read, which changes nothing.
    """
    n, is_text = _n_read(structure, encoder), encoder.is_text
    ctype = "int" if is_text else source.real
    lines = ["(void)s;"] if encoder.sees_one_step else []
    stores, column = [], 0
    if len(encoder.numbers):
        numbers, stores, column = _numbers(source, encoder, weights)
        lines += numbers
    if encoder.categories:
        lines += _codes(source, structure, encoder, weights, column)
    about = "What the first layer reads of a step; -1 if x cannot be read, which leaves the state as it was."
    signature = f"static int encode({source.state} *s, const {ctype} *x, {source.real} *v)"
    source.define(signature, [*lines, *stores, "return 0;"], about)
    return n, ctype


def _n_read(structure, encoder):
    """Columns behind decay and embeddings."""
    n_columns = encoder.n_columns - len(encoder.categories) - (len(encoder.numbers) if structure.decay else 0)
    return n_columns + sum(n_dims for _, _, n_dims in structure.embeddings)


# --------------------------------------------------------------------------------------------------------- numbers
def _numbers(source, encoder, weights):
    """Lines that read the channels of numbers, lines that remember them, and how many columns they are."""
    n, time, stores, n_columns = len(encoder.numbers), encoder.time_channel, [], len(encoder.numbers)
    _write_scales(source, encoder)
    lines = _times(source, time) if time is not None else []
    is_wrong = "!isfinite(v[k])" if encoder.missing == "error" else "isinf(v[k])"
    lines += loop("k", n, [_standardized(encoder), f"if ({is_wrong}) {{", "    return -1;", "}"])
    if encoder.missing != "error":
        stores += loop("k", n, _gap(source, encoder, weights))
        n_columns *= 2 if encoder.missing == "decay" else 3
    if time is not None:
        stores.append(f"s->time = x[{time}];")
    if stores:
        stores += [f"if ({_steps(source)} < UINT32_MAX) {{", f"    {_steps(source)}++;", "}"]
    return lines, stores, n_columns


def _write_scales(source, encoder):
    """Means in two parts, so that the difference of numbers far from 0 is not rounded more than they are."""
    numbers, dtype = encoder.numbers, np.dtype(source.dtype)
    mean, rate = encoder.mean[numbers], 1 / encoder.scale[numbers]
    high = mean.astype(dtype)
    for k, channel in enumerate(numbers):
        if not (np.isfinite(high[k]) and np.finfo(dtype).tiny < rate[k] < np.finfo(dtype).max):
            raise ValueError(
                f"The numbers of channel {channel}, with the scale {encoder.scale[channel]:g}, are too large or too "
                f'small for {source.real} in C: bring them to another unit and fit again, or fit with dtype="float64".'
            )
    source.vector(
        "x_mean", high, "channels become (x - mean) / scale; x_mean_rest is what rounding takes from the mean"
    )
    source.vector("x_mean_rest", mean - high)
    source.vector("x_rate", rate, "1 / scale")
    if not np.array_equal(numbers, np.arange(encoder.n_channels)):
        source.vector("x_channels", numbers, "channels of numbers", "int", np.int32)


def _standardized(encoder):
    numbers = encoder.numbers
    value = "x[k]" if np.array_equal(numbers, np.arange(encoder.n_channels)) else "x[x_channels[k]]"
    if encoder.time_channel is not None:
        value = f"(k == {len(numbers) - 1} ? gap : {value})"
    return f"v[k] = (({value} - x_mean[k]) - x_mean_rest[k]) * x_rate[k];"


def _steps(source):
    return source.remember("n_steps", 0, "steps so far", "uint32_t")


def _times(source, channel):
    """Lines that find the time since the step before, 0 at the first step; times have to rise."""
    before = source.remember("time", 0, "time stamp of the last step")
    time, zero, steps = f"x[{channel}]", number(0, source.dtype), _steps(source)
    return [
        f"const {source.real} gap = {steps} > 0 ? {time} - {before} : {zero};",
        f"if (!isfinite({time}) || ({steps} > 0 && !(gap > {zero}))) {{",
        "    return -1;",
        "}",
    ]


def _gap(source, encoder, weights):
    """Lines that fill in the columns of channel k, which may be missing, and remember what later steps need.

    The time since a channel was seen counts from the first step on.
    """
    n, zero, one = len(encoder.numbers), number(0, source.dtype), number(1, source.dtype)
    since = source.remember("since", n, "time since each channel of numbers was last seen")
    passed = one if encoder.time_channel is None else "gap"
    source.vector("time_rate", 1 / encoder.time_scale, "1 / (mean time between two values of a channel)")
    lines = [
        "const int is_seen = !isnan(v[k]);",
        f"{since}[k] = is_seen || {_steps(source)} == 0 ? {zero} : {since}[k] + {passed};",
        f"v[{n} + k] = is_seen ? {one} : {zero};",
    ]
    if encoder.missing == "mask":
        return [*lines, f"v[{2 * n} + k] = {since}[k] * time_rate[k];", "if (!is_seen) {", f"    v[k] = {zero};", "}"]
    last = source.remember("last", n, "last value that was seen of each channel of numbers, standardised")
    front, _ = weights.of("decay")
    source.vector("decay_w", front["w"], "missing values: the last one times exp(-max(0, w (time since) + b))")
    source.vector("decay_b", front["b"])
    return [
        *lines,
        "if (is_seen) {",
        f"    {last}[k] = v[k];",
        "} else {",
        f"    const {source.real} a = decay_w[k] * ({since}[k] * time_rate[k]) + decay_b[k];",
        f"    v[k] = {last}[k] * {library('exp', source.dtype)}(a > {zero} ? -a : {zero});",
        "}",
    ]


# ----------------------------------------------------------------------------------------------------------- codes
def _codes(source, structure, encoder, weights, column):
    """Lines that look up the vectors of codes, from `column` of v on."""
    lines = []
    tables, scales = weights.of("embedding")
    for (channel, known), (number_, _, n_dims) in zip(encoder.categories.items(), structure.embeddings, strict=True):
        name, table, scale = f"vectors{channel}", tables[str(number_)], scales.get(str(number_))
        if encoder.is_text:
            order = _write_tokens(source, channel, known)
            code = [
                f"if (x[{channel}] < 0 || x[{channel}] > {len(known)}) {{",
                "    return -1;",
                "}",
            ]
            row = f"x[{channel}]"
        else:
            order = _write_values(source, channel, known)
            row = f"code{channel}"
            code = [
                f"const int {row} = code_of(x[{channel}], values{channel}, {len(known)});",
                f"if ({row} < 0) {{",
                "    return -1;",
                "}",
            ]
        rows = [0, *order]
        source.matrix(name, table[rows], f"channel {channel}: vectors of codes", None if scale is None else scale[rows])
        factor = "" if scale is None else f" * {name}_scale[{row}]"
        lines += code + loop("j", n_dims, [f"v[{column} + j] = {name}[{row}][j]{factor};"])
        column += n_dims
    return lines


def _write_values(source, channel, known):
    """Write the known values of a channel of codes, rising; gives their codes in this order."""
    values = np.array([float(value) for value in known], source.dtype)
    order = np.argsort(values, kind="stable")
    if len(np.unique(values)) < len(values):
        raise ValueError(
            f'Channel {channel} has codes that {source.real} cannot tell apart: fit with dtype="float64", or with '
            "codes below 16777216."
        )
    source.vector(
        f"values{channel}", values[order], f"channel {channel}: values that have a code: 1, 2, ...; others: 0"
    )
    return np.array(list(known.values()))[order]


def _write_tokens(source, channel, known):
    """Write the tokens of a channel in the order of their bytes; gives their codes in this order."""
    for token in known:
        check_string(token, f"Channel {channel}: the token", "fit without it")
    order = sorted(known, key=lambda token: token.encode())
    about = (
        f"channel {channel}: tokens that have a code, 1, 2, ..., in the order of their bytes; the code of others is 0"
    )
    source.strings(f"tokens{channel}", [string(token) for token in order], about)
    return [known[token] for token in order]


def token_codes(encoder, channel, tokens):
    """What `<name>_code` gives for tokens."""
    places = {token: k for k, token in enumerate(sorted(encoder.categories[channel], key=str.encode), start=1)}
    return [places.get(token, 0) for token in tokens]


def write_code_function(source, encoder):
    """Write the public function that finds the code of a token."""
    cases = [
        line
        for channel, known in encoder.categories.items()
        for line in (
            f"if (channel == {channel}) {{",
            f"    return find_token(token, tokens{channel}, {len(known)});",
            "}",
        )
    ]
    signature = f"int {source.name}_code(int channel, const char *token)"
    source.functions += [
        *comment(
            "The code of a token (UTF-8, ends with 0) of a channel; 0 if it has none, or there is no such channel."
        ),
        f"{source.macro}_API {signature}",
        "{",
        *(f"    {line}" for line in cases),
        "    return 0;",
        "}",
        "",
    ]
    return signature
