"""What a network is made of, as a value: all but its weights."""

from dataclasses import dataclass, fields

import numpy as np

from ..cells import BaseCell
from ..convolution import Conv
from . import components


@dataclass(frozen=True, eq=False)
class Structure:
    """Everything that, with the weights, determines what a network computes.

    Parameters
    ----------
    cell : BaseCell
        Cell of all layers.
    n_inputs : int
        Channels of a time step.
    hidden_layer_sizes : tuple of int
        Units of each layer, from the input up.
    n_outputs : int
        Raw predictions for a sequence; 0 for layers without a readout.
    dtype : str
        "float32" or "float64".
    bidirectional : bool, default=False
        Whether each layer runs in both directions.
    pooling : {"last", "mean", "max", "attention", "steps", "unaligned"}, default="last"
        How the outputs of the last layer become one vector; with "steps" they do not, and each step has predictions;
        with "unaligned" targets are not those of the steps.
    convolution : Conv, default=None
        What the input goes through first.
    embeddings : tuple of (int, int, int), default=()
        Channels that hold codes: number of the channel, codes, and numbers that each code is turned into.
    decay : bool, default=False
        Whether the input has three columns for each variable (last value that was seen, whether it was now, time
        since) before those of codes, and the last values decay.
    layer_norm, residual : bool, default=False
        Whether outputs are normalised; whether each layer adds its output to its input.
    input_dropout, dropout, recurrent_dropout, zoneout : float, default=0.0
        Rates of what is left out at random in training.
    decoder : Structure, default=None
        What starts from the states that are reached, and puts out raw predictions for each step of a sequence of its
        own; with as many levels.
    attention : {"additive", "dot"}, default=None
        How the decoder attends to the outputs of the last layer.
    coupled : int, default=0
        Hidden units by which raw predictions depend on the targets before them in their row; the last of `n_outputs`
        are what these units start from. 0: they do not depend on them.

    Raises
    ------
    ValueError
        If two of them contradict each other.

    Examples
    --------
    >>> from skrnn.cells import GRU
    >>> from skrnn.network.structure import Structure
    >>> Structure(GRU(), n_inputs=3, hidden_layer_sizes=(16,), n_outputs=1, dtype="float32").pooling
    'last'
    """

    cell: BaseCell
    n_inputs: int
    hidden_layer_sizes: tuple
    n_outputs: int
    dtype: str = "float32"
    bidirectional: bool = False
    pooling: str = "last"
    convolution: Conv = None
    embeddings: tuple = ()
    decay: bool = False
    layer_norm: bool = False
    residual: bool = False
    input_dropout: float = 0.0
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    decoder: "Structure" = None
    attention: str = None
    coupled: int = 0

    def __post_init__(self):
        name = type(self.cell).__name__
        if self.decoder is not None and self.cell.is_output:
            raise ValueError(
                f"{name} layers put out predictions, so no decoder can start from their states: use another cell, like "
                '"gru" or "lstm".'
            )
        if self.convolution is not None and (self.embeddings or self.decay):
            raise ValueError(
                'A convolution, and vectors of codes (tokens, categorical_features) or missing="decay", want to read X '
                "first: use one of them."
            )
        if self.pooling == "steps" and not self.steps_are_kept:
            raise ValueError(
                f"convolution={self.convolution!r} leaves fewer steps than the targets have: use stride=1 for a target "
                "at each step."
            )
        if self.zoneout and not self.cell.carries_state:
            raise ValueError(
                f"zoneout={self.zoneout} keeps old values of a state h that is carried from step to step, but {name} "
                'computes its h anew at each step: use dropout, or a cell like "lstm", "gru" or "mgu".'
            )
        if self.recurrent_dropout and not multiplies_state(self.cell):
            raise ValueError(
                f"recurrent_dropout={self.recurrent_dropout} leaves out states in the products of a cell, but {name} "
                "has no product with the state: use dropout."
            )
        if self.residual and len(set(self.hidden_layer_sizes)) > 1:
            raise ValueError(
                "residual=True adds what a layer reads to what it puts out, so all layers need the same number of "
                f"units; got hidden_layer_sizes={self.hidden_layer_sizes}."
            )
        if self.layer_norm and min(self.hidden_layer_sizes) * (1 + self.bidirectional) == 1:
            raise ValueError("layer_norm=True brings the outputs of a layer to mean 0: it needs two units or more.")
        if self.puts_out_predictions and len(self.hidden_layer_sizes) == 1 and self.dropout:
            raise ValueError(
                f"dropout={self.dropout} leaves out units between layers and before the readout, but a single {name} "
                "layer has neither: use input_dropout or recurrent_dropout."
            )
        if self.coupled and self.puts_out_predictions:
            raise ValueError(
                f"Predictions that depend on each other are made by a readout, which a network of {name} layers has "
                "not: use another cell."
            )
        if self.puts_out_predictions and (self.residual or self.layer_norm):
            which = "residual" if self.residual else "layer_norm"
            raise ValueError(
                f"{which}=True would change the outputs of the last {name} layer, which are the predictions: set "
                f"{which}=False."
            )

    @property
    def puts_out_predictions(self):
        """Whether the last layer puts out the raw predictions, so that there is no readout."""
        return self.cell.is_output and not self.bidirectional and self.n_outputs > 0

    @property
    def has_front(self):
        """Whether the sequences go through anything before the recurrent layers."""
        return self.convolution is not None or bool(self.embeddings) or self.decay

    @property
    def steps_are_kept(self):
        """Whether the recurrent layers have the steps of the sequences."""
        return self.convolution is None or self.convolution.stride == 1

    @property
    def is_noisy(self):
        """Whether anything is left out at random in training."""
        return any((self.input_dropout, self.dropout, self.recurrent_dropout, self.zoneout))

    def key(self):
        """Give a hashable form, equal for structures that compute the same.

        Returns
        -------
        tuple
            The fields, cells and convolutions by class and parameters.

        Raises
        ------
        TypeError
            If a cell has a parameter that cannot be hashed, like a list.
        """
        values = tuple(_key_of(value) for value in vars(self).values())
        key = *values, *self.cell.equations().values()
        hash(key)
        return key

    def to_plain(self):
        """Give the fields as plain values, for files; a cell of your own stays an instance.

        Returns
        -------
        dict
            Fields by name, cell and convolution by kind, name and parameters.
        """
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.decoder is None:  # older versions know neither
            plain = {name: value for name, value in plain.items() if name not in ("decoder", "attention")}
        else:
            plain["decoder"] = self.decoder.to_plain()
        return plain | {name: components.to_plain(plain[name]) for name in ("cell", "convolution")}

    @classmethod
    def from_plain(cls, plain):
        """Make the structure that `to_plain` described.

        Parameters
        ----------
        plain : dict
            What `to_plain` gave; fields that have a default may be missing.

        Returns
        -------
        Structure
            An equal structure.

        Raises
        ------
        ValueError
            If a field is unknown, is not of its type, or contradicts another.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(plain, dict) or not set(plain) <= known:
            raise ValueError(f"a structure has the fields {sorted(known)}, not {plain!r:.500}")
        parts = {name: components.from_plain(plain.get(name)) for name in ("cell", "convolution")}
        if plain.get("decoder") is not None:
            parts["decoder"] = cls.from_plain(plain["decoder"])
        _check_fields(plain | parts)
        return cls(**plain | parts)


def _key_of(value):
    """What is equal for values that mean the same, of a field of a structure."""
    if isinstance(value, Structure):
        return value.key()
    return (type(value), *sorted(value.get_params().items())) if hasattr(value, "get_params") else value


def multiplies_state(cell):
    """Whether a cell has a product with the state, of which recurrent dropout leaves out units.

    Parameters
    ----------
    cell : BaseCell
        The cell.

    Returns
    -------
    bool
        Whether there is one.
    """
    return bool(cell.inner) or any("state" in feeds for _, feeds in cell.columns)


def _check_fields(values):
    """Refuse values that no fit has made; kernels rely on them."""
    are = {
        "cell": lambda v: isinstance(v, BaseCell),
        "convolution": lambda v: v is None or type(v) is Conv,
        "n_inputs": lambda v: _is_number(v, 1),
        "n_outputs": lambda v: _is_number(v, 0),
        "coupled": lambda v: _is_number(v, 0) and v < max(1, values["n_outputs"]),
        "hidden_layer_sizes": lambda v: isinstance(v, tuple) and v != () and all(_is_number(n, 1) for n in v),
        "decoder": lambda v: v is None or isinstance(v, Structure),
        "attention": lambda v: v in ("additive", "dot", None),
        "embeddings": lambda v: isinstance(v, tuple) and all(_is_embedding(e) for e in v),
        "dtype": lambda v: v in ("float32", "float64"),
        "pooling": lambda v: v in ("last", "mean", "max", "attention", "steps", "unaligned"),
        **dict.fromkeys(
            ("bidirectional", "decay", "layer_norm", "residual"), lambda v: isinstance(v, (bool, np.bool_))
        ),
        **dict.fromkeys(("input_dropout", "dropout", "recurrent_dropout", "zoneout"), _is_rate),
    }
    for name, value in values.items():
        if not are[name](value):
            raise ValueError(f"{value!r} cannot be {name} of a structure")
    for component in (values["cell"], values["convolution"]):
        if component is not None:
            component._validate_params()


def _is_number(value, least):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least


def _is_rate(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and 0 <= value < 1


def _is_embedding(value):
    return (
        isinstance(value, tuple)
        and len(value) == 3
        and _is_number(value[0], 0)
        and all(_is_number(n, 1) for n in value[1:])
    )
