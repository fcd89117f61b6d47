"""Recurrent layers with random weights, and layers of PyTorch and Keras: made, run and compared."""

import numpy as np

from skrnn.cells._base import Sizes
from skrnn.interchange import RecurrentLayers

LENGTHS = (5, 1, 7, 3)
BOTH = ("forward", "backward")


def random_layers(cell, n_inputs=3, sizes=(4, 4), directions=BOTH, dtype=np.float64, seed=0):
    rng, weights = np.random.default_rng(seed), {}
    for k, H in enumerate(sizes):
        D = n_inputs if k == 0 else sizes[k - 1] * len(directions)
        for direction in directions:
            for name, shape in cell.shapes(Sizes(D, H, H)).items():
                weights[f"layers.{k}.{direction}.{name}"] = rng.normal(0, 0.6, shape).astype(dtype)
    return RecurrentLayers(cell, weights)


def random_sequences(n_inputs=3, dtype=np.float64, lengths=LENGTHS):
    rng = np.random.default_rng(1)
    return [rng.normal(size=(T, n_inputs)).astype(dtype) for T in lengths]


def random_state(layers, seed=2):
    rng = np.random.default_rng(seed)
    shape = layers.n_layers * len(layers.directions), len(LENGTHS), layers.hidden_layer_sizes[0]
    return rng.normal(size=shape).astype(layers.dtype)


def assert_same_layers(layers, others):
    assert repr(layers) == repr(others)
    assert layers.weights.keys() == others.weights.keys()
    for name, w in layers.weights.items():
        assert w.dtype == others.weights[name].dtype
        np.testing.assert_array_equal(w, others.weights[name], err_msg=name)


def assert_close(results, expected, atol):
    for result, wanted in zip(results, expected, strict=True):
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=0, atol=atol * max(1, abs(wanted).max()))


def run_torch(torch, module, sequences, *initial):
    """Outputs by sequence, h and c of a module of PyTorch, on packed sequences."""
    packed = torch.nn.utils.rnn.pack_sequence([torch.from_numpy(x) for x in sequences], enforce_sorted=False)
    initial = [torch.from_numpy(s) for s in initial]
    with torch.no_grad():
        outputs, last = module(packed, *((tuple(initial),) if len(initial) == 2 else initial))
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs)
    outputs = [padded[: len(x), n].numpy() for n, x in enumerate(sequences)]
    h, c = last if isinstance(last, tuple) else (last, None)
    return outputs, h.numpy(), None if c is None else c.numpy()


def torch_modules(torch):
    return {
        "tanh": lambda *a, **k: torch.nn.RNN(*a, **k),
        "relu": lambda *a, **k: torch.nn.RNN(*a, nonlinearity="relu", **k),
        "gru": torch.nn.GRU,
        "lstm": torch.nn.LSTM,
    }


KERAS_LAYERS = {
    "LSTM": ("LSTM", {}),
    "LSTM without bias": ("LSTM", {"use_bias": False}),
    "GRU": ("GRU", {}),
    "GRU without bias": ("GRU", {"use_bias": False}),
    "GRU before": ("GRU", {"reset_after": False}),
    "GRU before without bias": ("GRU", {"reset_after": False, "use_bias": False}),
    "SimpleRNN": ("SimpleRNN", {}),
    "SimpleRNN relu": ("SimpleRNN", {"activation": "relu"}),
    "SimpleRNN linear": ("SimpleRNN", {"activation": "linear", "use_bias": False}),
}


def run_keras(keras, stack, x):
    """Output of a stack of layers of Keras for one sequence."""
    x = x[None]
    for layer in stack:
        x = layer(x)
    return keras.ops.convert_to_numpy(x)[0]


def keras_layer(keras, name, n_hidden, n_inputs, bidirectional=False, rng=None, **options):
    kind, more = KERAS_LAYERS[name]
    layer = getattr(keras.layers, kind)(n_hidden, return_sequences=True, **more, **options)
    layer = keras.layers.Bidirectional(layer) if bidirectional else layer
    layer.build((None, None, n_inputs))
    rng = rng or np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.6, w.shape) for w in layer.get_weights()])
    return layer
