"""The public home of `Structure`, and the name under which pickles know it."""

from .network.structure import Structure

__all__ = ["Structure"]
