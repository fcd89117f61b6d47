"""The ragged batch: where every accepted input becomes one packed array of time steps."""

import sys

from ._array import SequenceArray
from ._convert import as_sequence_array, check_sequences
from ._ragged import ragged_array
from ._steps import Sequence

__all__ = [
    "Sequence",
    "SequenceArray",
    "SequenceDtype",
    "SequenceExtensionArray",
    "as_sequence_array",
    "check_sequences",
    "ragged_array",
]

# pandas finds the dtype "sequence" by its name once the class is there. scikit-learn loads pandas, and before this
# package, so that nothing slow is loaded for it here.
if sys.modules.get("pandas"):
    from . import _pandas  # noqa: F401 (registers the dtype)


def __getattr__(name):
    if name in ("SequenceDtype", "SequenceExtensionArray"):
        from . import _pandas  # noqa: PLC0415 (brings pandas)

        return getattr(_pandas, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
