"""Sequences as a generator trains on them: moved down by one step, and long ones cut into parallel streams."""

import copy

from ..cells import get_cell
from ..network.structure import multiplies_state
from ..optimizers import get_optimizer
from ._moved import Moved
from ._settings import Auto
from .tasks._generation import NUMBERS, TOKENS, GenerationTask, content_of

# What "auto" means; chosen by experiment, see docs/generation.rst. truncation: where sequences have more steps than
# `LONG` on average, `PIECE`. With it, batches of `STREAMS`, and epochs enough for so many updates of full batches;
# without, batches of a `BATCHES_PER_EPOCH`th of the sequences. Dropout is more for sequences than for streams.
LONG, PIECE, STREAMS = 1000, 64, 32
UPDATES, MOST_EPOCHS = 3500, 200
SMALLEST_BATCH, LARGEST_BATCH, BATCHES_PER_EPOCH = 16, 64, 64
DROPOUT_OF_STREAMS, DROPOUT, RECURRENT_DROPOUT = 0.1, 0.3, 0.3
ENOUGH_TO_HOLD_OUT = 100  # sequences


def arranged(spec, given, last):
    """A `FitSpec` and `Given` with moved sequences, and with what depends on their content and lengths."""
    sequences, parameters = given.sequences, copy.copy(spec.parameters)
    if last is None:
        content = content_of(sequences)
        has_end = content == TOKENS and len(sequences) > 1
    else:
        content, has_end = last.task.content, last.task.has_end
    parameters.missing = "error" if content == TOKENS else "blank"
    parameters.standardize = parameters.standardize and content == NUMBERS
    task = GenerationTask(
        content,
        has_end,
        dependent=parameters.notes == "dependent",
        n_components=parameters.n_components,
        standardize=parameters.standardize,
        min_count=parameters.min_count,
    )
    task.check_sequences(given.all_sequences)
    if parameters.early_stopping == "auto" and given.held_out is None:
        parameters.early_stopping = len(sequences) >= ENOUGH_TO_HOLD_OUT
    longest = _set_pieces(parameters, sequences.lengths + 1)
    _set_recurrent_dropout(parameters)
    auto = Auto(dropout=DROPOUT if longest is None else DROPOUT_OF_STREAMS)
    held_out = None if given.held_out is None else Moved.of(given.held_out, longest)
    given = given._replace(sequences=Moved.of(sequences, longest), held_out=held_out)
    return spec._replace(task=task, parameters=parameters, auto=auto), given


def _set_pieces(parameters, lengths):
    """Set what is "auto" for sequences of these lengths; returns the length of a stream, None where none are cut."""
    if parameters.truncation == "auto":
        pays = lengths.mean() > LONG and get_optimizer(parameters.solver).stochastic
        parameters.truncation = PIECE if pays else None
    is_auto = parameters.batch_size == "auto"
    if parameters.truncation is None:
        if is_auto:
            parameters.batch_size = min(max(len(lengths) // BATCHES_PER_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)
        return None
    n_streams = STREAMS if is_auto else parameters.batch_size
    longest = max(parameters.truncation, -(-int(lengths.sum()) // n_streams))
    if is_auto:
        parameters.batch_size = min(STREAMS, int((-(-lengths // longest)).sum()))
    if parameters.max_iter == "auto":
        n_updates = max(1, int(lengths.sum()) // (parameters.batch_size * parameters.truncation))
        parameters.max_iter = min(-(-UPDATES // n_updates), MOST_EPOCHS)
    return longest


def _set_recurrent_dropout(parameters):
    """Set what is "auto": none in streams, which are long enough, or where users say how much is to be dropped."""
    if parameters.recurrent_dropout != "auto":
        return
    cell, is_stochastic = get_cell(parameters.cell), get_optimizer(parameters.solver).stochastic
    drops = parameters.truncation is None and parameters.dropout == "auto" and is_stochastic
    parameters.recurrent_dropout = RECURRENT_DROPOUT if drops and multiplies_state(cell) else 0.0
