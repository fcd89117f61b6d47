"""Gates and states of a layer at each step, as a layer keeps them for the way back."""

from .plan import Mode, Stretch
from .programs import ShardPrograms


def trace(predictor, level, direction):
    """Gates and states of the only sequence of a `Predictor`, by name, each (n_steps, n_units), in the order of time.

    level : number of a level of recurrent layers; direction : "forward" or "backward".
    """
    network, data = predictor.network, predictor.data
    n_steps, mode = int(network.n_steps(data.lengths)[0]), Mode(training=True)
    packed = network.pack(predictor.theta, network.memory.allocate_packed())
    memory = network.memory.allocate_thread(max(n_steps, int(data.lengths[0])), 1, mode)
    ShardPrograms(network.stack, network.head, packed, memory, mode).run_forward(data, Stretch.whole(data, [0]))
    level = network.stack.levels[level]
    layer, arrays = level.directions[direction], memory.buffers.group(level.name_of(direction))
    found = {}
    if not layer.cell.saves_h:
        for (gate, _), columns in zip(layer.cell.columns, layer.cell._columns(layer.sizes), strict=True):
            found.setdefault(gate, arrays["A"][:n_steps, columns])  # a second part of a gate is no value of it
    # The row of a step holds the states before it.
    H = layer.n_state
    for k, name in enumerate(layer.cell.states):
        found[name] = arrays["S"][1 : n_steps + 1, k * H : (k + 1) * H]
    found["h"] = arrays["R" if layer.noisy else "Z"][1 : n_steps + 1, :H]
    return {name: (values[::-1] if direction == "backward" else values).copy() for name, values in found.items()}
