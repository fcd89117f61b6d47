"""Random weights, states and masks of small networks, to prove the oracle with; builders only."""

import reference as ref

LENGTHS = [5, 1, 8, 3]  # ragged, unsorted, with a sequence of one step
D, H, K, CHANNELS, WIDTH = 3, 4, 2, 4, 3
DIRECTIONS = ("forward", "backward")
POOLINGS = ("last", "mean", "max", "attention")
STATES = {cell: ref.state_names(cell) for cell in ref.CELLS}
CARRYING = [cell for cell in ref.CELLS if cell.startswith(ref.CARRYING)]


def cell_shapes(cell, C, H, K=None):
    """Shapes of the weights of one layer; K, the outputs of a Jordan cell, is H but in the readout."""
    one = {"W_x": (C, H), "b": (H,)}
    if cell.startswith("indrnn"):
        return one | {"w_h": (H,)}
    if cell == "mingru" or cell.startswith("linoss"):
        vectors = {} if cell == "mingru" else {"w_A": (H,), "w_dt": (H,)}
        return {"W_x": (C, 2 * H), "b": (2 * H,)} | vectors
    if cell.startswith("jordan"):
        K = K or H
        return one | {"W_h": (K, H), "W_y": (H, K), "b_y": (K,)}
    if cell.startswith("mgu"):
        n_x = 2 if cell == "mgu" else 1
        n_h = 1 if cell == "mgu_bias_only" else 2
        n_b = 1 if cell == "mgu_no_input_no_bias" else 2
        return {"W_x": (C, n_x * H), "W_h": (H, n_h * H), "b": (n_b * H,)}
    G = {"l": 4, "g": 3, "e": 1}[cell[0]]
    shapes = {"W_x": (C, G * H), "W_h": (H, G * H), "b": (G * H,)}
    if cell == "gru":
        shapes["b_h"] = (H,)
    if cell == "lstm_peepholes":
        shapes["P"] = (3, H)
    return shapes


def random_weights(rng, cell, n_layers=2, bidirectional=True, norm=False, pooling="last", convolution=False):
    """Flat dict of random weights of a network with D inputs and H hidden units per layer and direction."""
    directions = DIRECTIONS if bidirectional else DIRECTIONS[:1]
    n_out, shapes = len(directions) * H, {}
    if convolution:
        shapes |= {"convolution.W": (WIDTH * D, CHANNELS), "convolution.b": (CHANNELS,)}
    for layer in range(n_layers):
        C = n_out if layer else CHANNELS if convolution else D
        for direction in directions:
            part = cell_shapes(cell, C, H)
            shapes |= {f"layers.{layer}.{direction}.{name}": shape for name, shape in part.items()}
        if norm:
            shapes |= {f"layers.{layer}.norm.{name}": (n_out,) for name in ("gain", "shift")}
    if pooling == "attention":
        shapes |= {"pooling.W": (n_out, n_out), "pooling.b": (n_out,), "pooling.v": (n_out,)}
    shapes |= {"readout.W": (n_out, K), "readout.b": (K,)}
    return {name: rng.normal(scale=0.6, size=shape) for name, shape in shapes.items()}


def random_initial(rng, cell, n_layers=2, directions=DIRECTIONS):
    names = [f"layers.{l}.{d}.{s}" for l in range(n_layers) for d in directions for s in STATES[cell]]
    return {name: rng.normal(size=H) for name in names}


def random_masks(rng, cell, T):
    """Every mask of a bidirectional network of two layers without convolution."""
    sizes = {"layers.0.input": D, "layers.1.input": 2 * H, "readout.input": 2 * H}
    sizes |= {f"layers.{l}.{d}.recurrent": H for l in (0, 1) for d in DIRECTIONS}
    masks = {name: rng.integers(2, size=size) / 0.5 for name, size in sizes.items()}
    if cell in CARRYING:
        names = [f"layers.{l}.{d}.zoneout.{s}" for l in (0, 1) for d in DIRECTIONS for s in STATES[cell]]
        masks |= {name: rng.integers(2, size=(T, H)) for name in names}
    return masks


def random_sequences(rng):
    return [rng.normal(size=(T, D)) for T in LENGTHS]
