"""Files of plain nested values: a zip archive of one JSON document and arrays. No estimator is known here."""

from ._zip import FORMAT_VERSION, read_archive, write_archive

__all__ = ["FORMAT_VERSION", "read_archive", "write_archive"]
