"""The ragged batch: where every accepted input becomes one packed array of time steps."""

from ._array import SequenceArray
from ._convert import as_sequence_array, check_sequences
from ._ragged import ragged_array
from ._steps import Sequence

__all__ = ["Sequence", "SequenceArray", "as_sequence_array", "check_sequences", "ragged_array"]
