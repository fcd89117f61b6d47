"""Why a network predicts what it predicts."""

from ._attribution import attribute

__all__ = ["attribute"]
