"""Recurrent modules of PyTorch."""

import numpy as np

from .. import cells
from ._layers import RecurrentLayers, check_layers, from_two_biases, one_size, refuse_backward_only, to_two_biases

GATES = {
    "RNN": "h",
    "GRU": "rzg",
    "LSTM": "ifgo",
}  # order of the gates' rows; g is the candidate, n in its documentation


def _import_torch():
    try:
        import torch  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'PyTorch could not be imported ({error}): pip install "skrnn[torch]"') from error
    return torch


def from_torch(module):
    """Convert a recurrent module of PyTorch.

    The two biases of each gate in PyTorch are added, except those of the candidate of a GRU, where the second bias is
    multiplied by the reset gate. Dropout and ``batch_first`` are ignored. If the module computes its weights, because
    of pruning, weight or spectral normalisation, or another parametrization, the weights are those computed in
    evaluation mode.

    Parameters
    ----------
    module : torch.nn.RNN, torch.nn.GRU or torch.nn.LSTM
        Module with any number of layers, in one or both directions, with or without biases. Projections
        (``proj_size``) raise an error.

    Returns
    -------
    RecurrentLayers
        Layers with the cell `Elman`, `GRU` or `LSTM`.
    """
    torch = _import_torch()
    kinds = {"RNN": torch.nn.RNN, "GRU": torch.nn.GRU, "LSTM": torch.nn.LSTM}
    kind = next((kind for kind, cls in kinds.items() if isinstance(module, cls)), None)
    if kind is None:
        raise ValueError(
            f"module is a {type(module).__name__}; it must be a torch.nn.RNN, torch.nn.GRU or torch.nn.LSTM."
        )
    if module.proj_size:
        raise ValueError(f"proj_size={module.proj_size} is not supported: no cell of skrnn projects its state.")
    cell = cells.Elman(module.nonlinearity) if kind == "RNN" else getattr(cells, kind)()

    tensors, weights = _tensors(torch, module), {}

    def array(name):
        tensor = tensors[name]
        return (tensor if tensor.dtype == torch.float64 else tensor.float()).numpy()

    for layer in range(module.num_layers):
        for direction, end in (("forward", ""), ("backward", "_reverse"))[: 1 + module.bidirectional]:
            W_x, W_h = array(f"weight_ih_l{layer}{end}").T, array(f"weight_hh_l{layer}{end}").T
            no_bias = np.zeros(W_x.shape[1], W_x.dtype)
            b = [array(f"bias_{part}_l{layer}{end}") if module.bias else no_bias for part in ("ih", "hh")]
            named = from_two_biases(cell, GATES[kind], W_x, W_h, *b)
            weights |= {f"layers.{layer}.{direction}.{name}": w for name, w in named.items()}
    return RecurrentLayers(cell, weights)


def _tensors(torch, module):
    """Copies of the weights that the module computes with in evaluation mode; it is left as it was."""
    from torch.nn.utils.parametrize import is_parametrized  # noqa: PLC0415 (an extra)

    names, hooked = module._flat_weights_names, _hooked(module)
    if any(parameter.is_meta for parameter in module.parameters()):
        raise ValueError(
            "The weights of the module are on PyTorch's device 'meta', which holds no values: load them first."
        )
    for name in names:
        if name not in module._parameters and name not in hooked and not is_parametrized(module, name):
            raise ValueError(
                f"{name} is not a parameter of the module, and skrnn does not know how it is computed: copy its values "
                f"to a plain torch.nn.{type(module).__name__}."
            )
    modes = {part: part.training for part in module.modules()}
    before = {name: getattr(module, name) for name in hooked}
    try:
        module.eval()  # in training, spectral norms move each time that they are computed
        with torch.no_grad():
            for hook in hooked.values():
                hook(module, None)
            return {name: getattr(module, name).detach().clone().cpu() for name in names}
    finally:
        for name, tensor in before.items():
            setattr(module, name, tensor)
        for part, training in modes.items():
            part.training = training


def _hooked(module):
    """The hooks of pruning and of the older norms, by the name of what they compute just before each call."""
    from torch.nn.utils.prune import BasePruningMethod  # noqa: PLC0415 (an extra)
    from torch.nn.utils.spectral_norm import SpectralNorm  # noqa: PLC0415 (an extra)
    from torch.nn.utils.weight_norm import WeightNorm  # noqa: PLC0415 (an extra)

    named = {}
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, BasePruningMethod):
            named[hook._tensor_name] = hook
        elif isinstance(hook, (SpectralNorm, WeightNorm)):
            named[hook.name] = hook
    return named


def to_torch(layers):
    """Convert to a recurrent module of PyTorch.

    Parameters
    ----------
    layers : RecurrentLayers
        Layers of equal size with the cell ``Elman()``, ``Elman("relu")``, ``GRU()`` or ``LSTM()``.

    Returns
    -------
    torch.nn.RNN, torch.nn.GRU or torch.nn.LSTM
        Module with these weights, in their dtype, and defaults of PyTorch otherwise: ``batch_first=False``.
    """
    torch = _import_torch()
    check_layers(layers)
    cell = layers.cell
    kind, options = _kind(cell)
    refuse_backward_only(layers, "PyTorch")
    n_hidden = one_size(layers, "A module of PyTorch")
    options |= {"num_layers": layers.n_layers, "bidirectional": layers.bidirectional}
    options["dtype"] = torch.float64 if layers.dtype == np.float64 else torch.float32
    # Made without memory first, so that no random numbers are drawn for weights that are replaced.
    module = getattr(torch.nn, kind)(layers.n_inputs, n_hidden, device="meta", **options).to_empty(device="cpu")
    with torch.no_grad():
        for layer in range(layers.n_layers):
            for direction in layers.directions:
                end = f"_l{layer}" + ("_reverse" if direction == "backward" else "")
                W_x, W_h, *b = to_two_biases(cell, GATES[kind], layers.of(layer, direction))
                for name, w in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), (W_x.T, W_h.T, *b), strict=True):
                    getattr(module, name + end).copy_(torch.from_numpy(np.ascontiguousarray(w)))
    return module


def _kind(cell):
    """Class of PyTorch and its options for a cell."""
    if type(cell) is cells.Elman and cell.activation in ("tanh", "relu"):
        return "RNN", {"nonlinearity": cell.activation}
    if type(cell) is cells.GRU and cell.reset == "after":
        return "GRU", {}
    if type(cell) is cells.LSTM and not cell.peepholes:
        return "LSTM", {}
    raise ValueError(
        f"PyTorch has no module for {cell!r}, only for Elman('tanh'), Elman('relu'), GRU(reset='after') and "
        "LSTM(peepholes=False)."
    )
