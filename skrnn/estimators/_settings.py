"""From the parameters of an estimator to a structure, a solver, initial weights and the settings of training.

`parameters` are those of an estimator, with Python's own values; `auto` says what "auto" means for its class.
"""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from .._core.jobs import n_threads_of
from .._core.parameters import LARGEST, plain
from ..cells import get_cell
from ..initializers import Scheme, get_bias_initializer, get_initializer
from ..network.structure import Structure
from ..optimizers import get_optimizer
from ..schedules import Constant, get_schedule
from ._amount import batch_size_of, n_epochs_of

MOST_BYTES = 2.0**62  # more than any machine has, and few enough for sums of them in 64 bits


class Auto(NamedTuple):
    """What "auto" means for dropout, and for pooling, without and with truncation.

    counts_all : whether targets of steps and tokens have a say in the number of epochs.
    """

    dropout: float = 0.0
    pooling: str = "last"
    truncated_pooling: str = "last"
    counts_all: bool = False


# ------------------------------------------------------------------------------------------------------- the structure
def structure_of(parameters, auto, columns, n_raw, per_step):
    """The `Structure` that reads these `InputColumns` and gives so many raw predictions."""
    return Structure(
        cell=get_cell(parameters.cell),
        n_inputs=columns.n_columns,
        hidden_layer_sizes=layer_sizes(parameters),
        n_outputs=n_raw,
        dtype=parameters.dtype,
        bidirectional=is_bidirectional(parameters, per_step),
        pooling=_pooling(parameters, auto, per_step),
        convolution=_convolution(parameters.convolution),
        embeddings=columns.embeddings(parameters.embedding_dim),
        decay=columns.decays,
        layer_norm=parameters.layer_norm,
        residual=parameters.residual,
        input_dropout=parameters.input_dropout,
        dropout=_dropout(parameters, auto, per_step),
        recurrent_dropout=parameters.recurrent_dropout,
        zoneout=parameters.zoneout,
    )


def layer_sizes(parameters):
    """Units of each layer."""
    sizes = np.atleast_1d(np.asarray(parameters.hidden_layer_sizes, dtype=object))
    sizes = tuple(plain(size) for size in sizes) if sizes.ndim == 1 else ()
    if not sizes or not all(type(size) is int and 1 <= size <= LARGEST for size in sizes):
        raise InvalidParameterError(
            "hidden_layer_sizes must be a positive number of units, or one for each layer; got "
            f"{parameters.hidden_layer_sizes!r}."
        )
    return sizes


def is_bidirectional(parameters, per_step):
    """Whether layers run in both directions: "auto" does where the whole sequence is there to be read."""
    if parameters.bidirectional != "auto":
        return bool(parameters.bidirectional)
    return not per_step and parameters.truncation is None and not get_cell(parameters.cell).is_output


def _pooling(parameters, auto, per_step):
    """How the network makes one vector of the outputs of its last layer."""
    pooling = parameters.pooling
    if per_step and pooling not in ("auto", "last"):
        raise ValueError(
            f"pooling={pooling!r} makes one vector of all steps, but y has a target for each step: leave out "
            "pooling, or pass one target for each sequence."
        )
    if per_step:
        return "steps"
    if pooling != "auto":
        return pooling
    return auto.pooling if parameters.truncation is None else auto.truncated_pooling


def _dropout(parameters, auto, per_step):
    """Share of the units that are left out between layers and before the readout."""
    if parameters.dropout != "auto":
        return parameters.dropout
    has_units_to_leave_out = is_bidirectional(parameters, per_step) or not get_cell(parameters.cell).is_output
    return auto.dropout if has_units_to_leave_out and get_optimizer(parameters.solver).stochastic else 0.0


def _convolution(convolution):
    if convolution is None or convolution == "auto":  # which is decided when X is known
        return None
    convolution._validate_params()
    return clone(convolution)


# ------------------------------------------------------------------------------------------------------------- training
def max_bytes(parameters):
    """`max_memory` in bytes."""
    return int(min(parameters.max_memory * 2.0**30, MOST_BYTES))


def n_networks_of(parameters):
    """How many networks are trained on the same data."""
    return getattr(parameters, "n_networks", 1)


def bytes_of_network(parameters):
    """The share of `max_memory` that the training of each network has, in bytes."""
    return max_bytes(parameters) // n_networks_of(parameters)


def optimizer_of(parameters, structure):
    """The solver; refuses one that cannot train such a network."""
    optimizer = get_optimizer(parameters.solver)
    if n_networks_of(parameters) > 1 and not optimizer.stochastic:
        raise ValueError(
            f"solver={parameters.solver!r} takes no epochs, in which n_networks={parameters.n_networks} are trained "
            'side by side: use solver="adam", or n_networks=1.'
        )
    if parameters.truncation is not None and not optimizer.stochastic:
        raise ValueError(
            f"solver={parameters.solver!r} needs the whole gradient, which truncation={parameters.truncation} cuts "
            'off: use solver="adam", or truncation=None.'
        )
    changes = f"solver={parameters.solver!r} needs a loss that does not change from one evaluation to the next, so it "
    if structure.is_noisy and not optimizer.stochastic:
        raise ValueError(changes + 'does not go with dropout or zoneout: use solver="adam", or set them to 0.')
    if structure.decoder is not None and parameters.teacher_forcing < 1 and not optimizer.stochastic:
        raise ValueError(changes + 'does not go with teacher_forcing below 1: use solver="adam", or set it to 1.')
    return optimizer


def scheme_of(parameters, structure, n_steps=0):
    """How the network gets its initial weights; n_steps: of the longest training sequence, if it is known."""
    biases = get_bias_initializer(parameters.bias_init)
    if biases is not None and not structure.cell.remembers:
        raise ValueError(
            f"bias_init={parameters.bias_init!r} sets biases of gates that remember, but {structure.cell!r} has none: "
            'use bias_init="cell", or another cell, like "lstm", "gru" or "mgu".'
        )
    inputs, recurrent = get_initializer(parameters.input_init), get_initializer(parameters.recurrent_init)
    return Scheme(inputs, recurrent, biases, int(n_steps))


def settings_of(parameters, amount, alpha, one_epoch, verbose):
    """How to train on so much data."""
    from ..training.state import Settings  # noqa: PLC0415 (brings the compiler)

    schedule, batch_size = get_schedule(parameters.learning_rate), batch_size_of(parameters, amount.n_sequences)
    return Settings(
        alpha=alpha,
        batch_size=batch_size,
        learning_rate=parameters.learning_rate_init,
        max_iter=1 if one_epoch else n_epochs_of(parameters, amount, batch_size),
        clip_norm=np.inf if parameters.clip_norm is None else parameters.clip_norm,
        shuffle=parameters.shuffle,
        tol=parameters.tol,
        n_iter_no_change=parameters.n_iter_no_change,
        n_threads=n_threads_of(parameters.n_jobs),
        max_bytes=bytes_of_network(parameters),
        truncation=parameters.truncation,
        verbose=verbose,
        schedule=Constant() if one_epoch and schedule.needs_end else schedule,
        open_ended=one_epoch,
        own_share=1.0 - getattr(parameters, "teacher_forcing", 1.0),
    )
