"""Weights that a module of PyTorch computes from others are read as it computes them."""

import pytest
from other_libraries import assert_close, random_sequences, run_torch, torch_modules

from skrnn.interchange import from_torch

torch = pytest.importorskip("torch")


def changed_modules():
    """How weights of a module come to be computed from others, by name."""
    from torch.nn.utils import parametrizations, parametrize, prune

    class Double(torch.nn.Module):
        def forward(self, w):
            return 2 * w

    def pruned_twice(module, name):
        prune.l1_unstructured(module, name, 0.4)
        prune.random_structured(module, name, 1, dim=0)

    def pruned_for_good(module, name):
        prune.l1_unstructured(module, name, 0.4)
        prune.remove(module, name)

    def normed_and_left(module, name):
        parametrizations.weight_norm(module, name)
        parametrize.remove_parametrizations(module, name)

    return {
        "weight norm": parametrizations.weight_norm,
        "spectral norm": parametrizations.spectral_norm,
        "orthogonal": parametrizations.orthogonal,
        "own parametrization": lambda module, name: parametrize.register_parametrization(module, name, Double()),
        "older weight norm": torch.nn.utils.weight_norm,
        "older spectral norm": torch.nn.utils.spectral_norm,
        "pruned": lambda module, name: prune.l1_unstructured(module, name, 0.4),
        "pruned twice": pruned_twice,
        "pruned for good": pruned_for_good,
        "normed and left": normed_and_left,
    }


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
@pytest.mark.parametrize(
    "how",
    [
        *("weight norm", "spectral norm", "orthogonal", "own parametrization", "older weight norm"),
        *("older spectral norm", "pruned", "pruned twice", "pruned for good", "normed and left"),
    ],
)
def test_weights_that_a_module_of_torch_computes(how, kind, training):
    torch.manual_seed(0)
    module = torch_modules(torch)[kind](3, 4, num_layers=2, bidirectional=True, dtype=torch.float64)
    change = changed_modules()[how]
    names = "weight_ih_l0", "weight_hh_l0", "weight_hh_l1_reverse"
    for name in names:
        change(module, name)
    with torch.no_grad():  # a step of training: what was computed before is of no use any more
        for p in module.parameters():
            p.add_(0.3 * torch.randn_like(p))
    module.train(training)
    before = {name: w.clone() for name, w in module.state_dict().items()}
    stale = module.weight_hh_l0 if module._forward_pre_hooks else None
    sequences = random_sequences()
    outputs, h, _ = from_torch(module).run(sequences)
    assert [part.training for part in module.modules()] == [training] * len(list(module.modules()))
    assert all(torch.equal(w, before[name]) for name, w in module.state_dict().items())
    assert stale is None or module.weight_hh_l0 is stale
    expected, expected_h, _ = run_torch(torch, module.eval(), sequences)
    assert_close([*outputs, h], [*expected, expected_h], 1e-12)


def test_weights_that_something_unknown_computes():
    module = torch.nn.LSTM(3, 4)
    raw = module.weight_hh_l0
    del module.weight_hh_l0
    module.raw = raw
    module.weight_hh_l0 = raw.detach()
    module.register_forward_pre_hook(lambda m, _: setattr(m, "weight_hh_l0", 2 * m.raw))
    with pytest.raises(ValueError, match="weight_hh_l0 is not a parameter of the module, and skrnn does not know how"):
        from_torch(module)


def test_weights_without_values():
    with pytest.raises(ValueError, match="device 'meta', which holds no values"):
        from_torch(torch.nn.GRU(3, 4, device="meta"))
