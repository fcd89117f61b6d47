"""Recurrent layers, normalisation and sums over layers, as functions of C."""

import re

import numpy as np

from .._equations import trace_cell
from .expressions import written
from .text import loop, number, place


def write_level(source, level, weights, x, y=None):
    """Write the functions of a level of a stack; gives lines that call them, and the expression for its output.

    x : what it reads; y : where an output goes that is not a state
    """
    name, layer = f"layer{level.number}", level.directions["forward"]
    _write_recurrent(source, name, layer, *weights.of(level.name_of("forward")))
    calls, out = [f"advance_{name}(s, {x});"], f"s->{name}_{_state_names(layer.cell)[0 if layer.raw else -1]}"
    if level.normalization:
        affine, _ = weights.of(level.name_of("norm"))
        for part in ("gain", "shift"):
            source.vector(f"{name}_{part}", affine[part])
        calls.append(f"normalize({out}, {name}_gain, {name}_shift, {level.n_outputs}, {y});")
        out = y
    if level.residual:
        calls += loop("j", level.n_outputs, [f"{y}[j] = {out}[j] + {x}[j];"])
        out = y
    return calls, out


def _write_recurrent(source, name, layer, weights, scales):
    """The function that takes the states of a layer a step further."""
    H, n_columns = layer.n_state, layer.n_columns
    W, W_u = _packed(layer, weights)
    (h0, h1, x0, x1), inner_name = layer.fed, layer.cell._inner_names[0]
    for state in _state_names(layer.cell):
        source.remember(f"{name}_{state}", H, f"{layer.cell!r}, {state}")
    source.vector(f"{name}_b", W[H], f"{name}, {layer.cell!r}: biases of {_columns(layer)}")
    # a = b + h W_h + x W_x
    lines = [source.local("a", n_columns)]
    lines += loop("j", n_columns, [f"a[j] = {name}_b[j];"])
    from_h = f"{name}: from h to a[{h0} .. {h1 - 1}]"
    lines += source.product(W[:H, h0:h1], f"{name}_W_h", f"s->{name}_h", place("a", h0), from_h, scales.get("W_h"))
    from_x = f"{name}: from x to a[{x0} .. {x1 - 1}]"
    lines += source.product(W[H + 1 :, x0:x1], f"{name}_W_x", "x", place("a", x0), from_x, scales.get("W_x"))
    equations = trace_cell(layer.cell)
    if equations.inner:
        lines += [source.local("u", layer.sizes.n_hidden), *_inner(source, name, layer, equations.inner)]
        u0 = n_columns - H
        from_u = f"{name}: from u to a[{u0} .. {n_columns - 1}]"
        lines += source.product(W_u, f"{name}_W_u", "u", place("a", u0), from_u, scales.get(inner_name))
    lines += _outer(source, name, layer, equations.outer, weights)
    about = f"A step of {name}, {layer.cell!r}: {layer.n_inputs} inputs, {H} units; a = b + h W_h + x W_x."
    signature = f"static void advance_{name}({source.state} *s, const {source.real} *x)"
    source.define(signature, lines, about)


def _packed(layer, weights):
    """The matrices of a layer that products read: [W_h; b; W_x], and W_u of an inner stage."""
    dtype = next(iter(weights.values())).dtype
    W = np.zeros((layer.n_rows, layer.n_columns), dtype)
    W_u = np.zeros((layer.sizes.n_hidden, layer.n_state), dtype)
    for public, piece in layer.cell.public_pieces(layer.sizes):
        target = W_u if piece.matrix == "W_u" else W
        target[piece.rows, piece.columns] = np.atleast_2d(weights[piece.name])[:, public]
    return W, W_u


def _columns(layer):
    """Where in a each gate lies, in words."""
    inner, columns = len(layer.cell.inner), []
    start = 0
    for k, (gate, _) in enumerate(layer.cell.columns):
        size = layer.sizes.n_hidden if k < inner else layer.n_state
        columns.append(f"{gate} (a[{start} .. {start + size - 1}])")
        start += size
    return ", ".join(columns)


def _inner(source, name, layer, equations):
    """The inner stage: from pre-activations to gates, which take their place, and u."""
    Q, gates = layer.sizes.n_hidden, layer.cell.inner
    inputs = {f"a{k}": name for k, name in enumerate(_distinct("a", gates))} | {"h": "h_before"}
    values = [_load(source, inputs[f"a{k}"], place("a", k * Q)) for k in range(len(gates))]
    values.append(_load(source, "h_before", f"s->{name}_h[j]"))
    lines, (*outputs, u) = written(equations, inputs, source.dtype)
    first = len(gates) - layer.cell.n_shared
    stores = [f"{place('a', k * Q)} = {out};" for k, out in enumerate(outputs) if k >= first]
    return loop("j", Q, _without_unused([*values, *lines, *stores, f"u[j] = {u};"]))


def _outer(source, name, layer, equations, weights):
    """The end of a step: from pre-activations to the new states."""
    H, cell = layer.n_state, layer.cell
    shared = cell.inner[len(cell.inner) - cell.n_shared :]
    outer = [gate for gate, _ in cell.columns[len(cell.inner) :]]
    start = (len(cell.inner) - cell.n_shared) * layer.sizes.n_hidden
    names = [*_distinct("gate", shared), *_distinct("a", outer)]
    inputs = {f"a{k}": name for k, name in enumerate(names)}
    values = [_load(source, text, place("a", start + k * H)) for k, text in enumerate(inputs.values())]
    for key, state in zip([*(f"s{k}" for k in range(len(cell.states))), "h"], _state_names(cell), strict=True):
        inputs[key] = f"{state}_before"
        values.append(_load(source, inputs[key], f"s->{name}_{state}[j]"))
    for k, row in enumerate(_vectors(cell, weights)):
        source.vector(f"{name}_p{k}", row, f"{name}: weights of single units, p{k}")
        inputs[f"p{k}"] = f"{name}_p{k}[j]"
    lines, outputs = written(equations, inputs, source.dtype)
    states = zip(_state_names(cell), outputs, strict=True)
    stores = [line for state, out in states for line in _stored(source, layer, f"{name}_{state}", state, out)]
    return loop("j", H, _without_unused([*values, *lines, *stores]))


def _stored(source, layer, place, state, out):
    """Lines that store a new state; with zoneout the mean of old and new, by the share of steps that keep the old."""
    if not layer.zoneout:
        return [f"s->{place}[j] = {out};"]
    share, new = number(layer.zoneout, source.dtype), f"{state}_new"
    return [
        f"const {source.real} {new} = {out};",
        f"s->{place}[j] = {share} * {state}_before + ({new} - {share} * {new});",
    ]


def _state_names(cell):
    """Names of the states of a cell in C, h last."""
    return [*(_safe(state, k) for k, state in enumerate(cell.states)), "h"]


def _vectors(cell, weights):
    return [row for name, n in cell.vectors.items() for row in np.atleast_2d(weights[name])[:n]]


def _load(source, name, place):
    return f"const {source.real} {name} = {place};"


def _without_unused(lines):
    """Leave out values that later lines do not need."""
    kept = []
    for line in reversed(lines):
        found = re.match(r"const \w+ (\w+) = ", line)
        if found is None or any(re.search(rf"\b{found[1]}\b", other) for other in kept):
            kept.insert(0, line)
    return kept


def _distinct(prefix, gates):
    """Names for gates, of which several may be called alike: one that x feeds, and one that h feeds."""
    names = []
    for k, gate in enumerate(gates):
        name = f"{prefix}_{_safe(gate, k)}"
        names.append(f"{name}{k}" if name in names else name)
    return names


def _safe(name, k):
    """A name as it may stand in C."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else f"g{k}"
