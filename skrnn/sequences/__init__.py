"""The ragged batch: where every accepted input becomes one packed array of time steps."""

from ._array import Sequence, SequenceArray
from ._convert import as_sequence_array, check_sequences

__all__ = ["Sequence", "SequenceArray", "as_sequence_array", "check_sequences"]
