"""Sequences as a generator trains on them: moved down by one step, and long ones cut into parallel streams."""

import copy

from ._moved import Moved
from .tasks._generation import NUMBERS, TOKENS, GenerationTask, content_of

# truncation="auto": sequences of more steps are worked off in pieces; long ones as so many streams side by side, if
# batch_size is "auto"; and what max_iter="auto" means then. Chosen by experiment, see docs/defaults.rst.
LONG, PIECE, STREAMS = 1000, 64, 32
UPDATES, MOST_EPOCHS = 4000, 200


def arranged(spec, given, last):
    """A `FitSpec` and `Given` with moved sequences, and with what depends on their content and lengths."""
    sequences, parameters = given.sequences, copy.copy(spec.parameters)
    if last is None:
        content = content_of(sequences, parameters.notes)
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
    longest = _set_pieces(parameters, sequences.lengths + 1)
    held_out = None if given.held_out is None else Moved.of(given.held_out, longest)
    given = given._replace(sequences=Moved.of(sequences, longest), held_out=held_out)
    return spec._replace(task=task, parameters=parameters), given


def _set_pieces(parameters, lengths):
    """Set what is "auto" for sequences of these lengths; returns the length of a stream, None where none are cut."""
    if parameters.truncation == "auto":
        parameters.truncation = PIECE if lengths.max() > LONG else None
    if parameters.truncation is None:
        return None
    is_auto = parameters.batch_size == "auto"
    n_streams = STREAMS if is_auto else parameters.batch_size
    longest = max(parameters.truncation, -(-int(lengths.sum()) // n_streams))
    n = int((-(-lengths // longest)).sum())
    if is_auto:
        parameters.batch_size = min(STREAMS, n)
    if parameters.max_iter == "auto":
        n_pieces = -(-min(longest, int(lengths.max())) // parameters.truncation) * -(-n // parameters.batch_size)
        parameters.max_iter = min(max(1, -(-UPDATES // n_pieces)), MOST_EPOCHS)
    return longest
