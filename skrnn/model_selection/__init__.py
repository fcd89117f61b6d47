"""Model selection: a search that goes on where training stopped, and splits in time."""

from ._search import RNNSearchCV
from ._time_blocks import TimeBlockSplit

__all__ = ["RNNSearchCV", "TimeBlockSplit"]
