"""The archive: arrays as ``.npy`` files, and ``skrnn.json``, which says what they are and what stands around them.

Reading trusts nothing: sizes and names are compared with one another before memory is taken for anything, and nothing
in a file is ever run, imported or unpickled.
"""

import errno
import hashlib
import json
import math
import os
import re
import stat
import struct
import zipfile

import numpy as np
import sklearn

from .._core.version import __version__
from ._atomic import replacing
from ._plain import dtype_of, pack, shape_of, unpack

FORMAT, FORMAT_VERSION = "skrnn", 1
DOCUMENT = "skrnn.json"
KEYS = {"format", "format_version", "versions", "arrays", "content"}
LARGEST_DOCUMENT = 2**27  # bytes; a file of lists in lists becomes some twenty times as large in memory
LARGEST_HEADER = 4096  # bytes in front of the values of an array
CHUNK = 2**20
# What zipfile raises for files that are not as they should be.
DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, IndexError, KeyError, NotImplementedError),
    *(OverflowError, RecursionError, RuntimeError, ValueError, struct.error),
)


def write_archive(path, content):
    """Write a plain value to a file, which is there completely or not at all.

    content : None, bool, int, float, str, NumPy scalars and arrays, and lists, tuples and dicts of them.
    Raises a TypeError that names the place of anything else, an OSError if the file cannot be written.
    """
    packed, arrays = pack(content)
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        described = {name: _write_array(archive, name, array) for name, array in arrays.items()}
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "versions": {"skrnn": __version__, "numpy": np.__version__, "scikit-learn": sklearn.__version__},
            "arrays": described,
            "content": packed,
        }
        text = json.dumps(document, allow_nan=False).encode()
        if len(text) > LARGEST_DOCUMENT:
            raise ValueError(
                f"What is not in arrays takes {len(text)} bytes; {LARGEST_DOCUMENT} can be saved. Raise min_count for "
                "fewer tokens, or use pickle."
            )
        archive.writestr(_member(DOCUMENT, len(text)), text)


def _member(name, size):
    """Entry of an archive that is the same on all days and systems."""
    member = zipfile.ZipInfo(name)
    member.file_size, member.create_system, member.external_attr = size, 3, (stat.S_IFREG | 0o644) << 16
    return member


def _write_array(archive, name, array):
    """Add an array to the archive; what the document says of it."""
    digest = hashlib.sha256()
    values = memoryview(array.reshape(-1).view(np.uint8)) if array.nbytes else b""
    with archive.open(_member(name, LARGEST_HEADER + array.nbytes), "w") as file:
        both = _Both(file, digest)
        np.lib.format.write_array_header_1_0(both, np.lib.format.header_data_from_array_1_0(array))
        for start in range(0, len(values), CHUNK):
            both.write(values[start : start + CHUNK])
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": digest.hexdigest()}


class _Both:
    """A file together with the hash of what is written to it or read from it."""

    def __init__(self, file, digest):
        self.file, self.digest = file, digest

    def write(self, data):
        self.digest.update(data)
        self.file.write(data)

    def read(self, size):
        data = self.file.read(size)
        self.digest.update(data)
        return data


def read_archive(path, *, max_bytes=2**32):
    """Read a file of `write_archive`: its content, and the versions that wrote it by package.

    Raises a ValueError if the file is larger than `max_bytes`, is no such file, or is damaged.
    """
    with open(os.fspath(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ValueError(f"{path!s} has {size} bytes, and max_bytes={max_bytes}: raise it if you trust the file.")
        if file.read(4) != b"PK\x03\x04":
            raise ValueError(
                f"{path!s} is not a file of skrnn.save: it does not begin like a zip archive. Pickles are not read "
                "here, by whatever name."
            )
        try:
            return _read(file, size)
        except (*DAMAGE, OSError) as error:
            # A place in front of the file gives the error for an invalid argument; others are those of the disk.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise ValueError(f"{path!s} cannot be read: {error}.") from error


def _read(file, size):
    with zipfile.ZipFile(file) as archive:
        members = _checked_members(archive, size)
        document = _read_document(archive, members)
        arrays = document["arrays"]
        if set(arrays) != set(members) - {DOCUMENT}:
            raise ValueError(f"it holds the files {sorted(members)}, but {DOCUMENT} speaks of {sorted(arrays)}")
        kinds = {name: _checked_description(about, members[name]) for name, about in arrays.items()}
        read = {name: _read_array(archive, members[name], *kind) for name, kind in kinds.items()}
    return unpack(document["content"], read), document["versions"]


def _checked_members(archive, size):
    """Entries of the archive by name: stored files that fit into the file of this size."""
    members = {}
    for member in archive.infolist():
        name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
        if name in members:
            raise ValueError(f"it holds {name!r} twice")
        if name != DOCUMENT and not re.fullmatch(r"\d+\.npy", name, re.ASCII):
            raise ValueError(f"it holds {name!r}, which is no array")
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ValueError(f"{name!r} is compressed")
        if member.flag_bits & 1 or kind not in (0, stat.S_IFREG):
            raise ValueError(f"{name!r} is no ordinary file")
        members[name] = member
    total = sum(member.file_size for member in members.values())
    if total > size:
        raise ValueError(f"its files are said to have {total} bytes, and all together it has {size}")
    if DOCUMENT not in members:
        raise ValueError(f"it holds no {DOCUMENT}")
    return members


def _read_document(archive, members):
    if members[DOCUMENT].file_size > LARGEST_DOCUMENT:
        raise ValueError(f"{DOCUMENT} has {members[DOCUMENT].file_size} bytes")
    text = archive.read(members[DOCUMENT]).decode()
    document = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f'{DOCUMENT} does not say "format": "{FORMAT}"')
    version, versions = document.get("format_version"), document.get("versions")
    if type(version) is not int or version < 1:
        raise ValueError(f"format_version is {version!r}")
    if version > FORMAT_VERSION:
        by = versions.get("skrnn") if isinstance(versions, dict) else None
        raise ValueError(
            f"it has format version {version}, written by skrnn {by}, but skrnn {__version__} reads versions up to "
            f"{FORMAT_VERSION}: upgrade skrnn"
        )
    if set(document) != KEYS:
        raise ValueError(f"{DOCUMENT} has the keys {sorted(document)} instead of {sorted(KEYS)}")
    if not isinstance(versions, dict) or not all(isinstance(v, str) for v in versions.values()):
        raise ValueError("versions are not strings")
    if not isinstance(document["arrays"], dict):
        raise ValueError("arrays is no object")
    return document


def _without_duplicates(pairs):
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError(f"a key comes twice among {[key for key, _ in pairs][:10]}")
    return value


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _checked_description(about, member):
    """Dtype, shape and hash of an array; ValueError if they contradict the size of its file."""
    if not isinstance(about, dict) or set(about) != {"dtype", "shape", "sha256"}:
        raise ValueError(f"{DOCUMENT} does not describe {member.filename}")
    dtype, shape = dtype_of(about["dtype"]), shape_of(about["shape"])
    if not 0 < member.file_size - math.prod(shape) * dtype.itemsize <= LARGEST_HEADER:
        raise ValueError(f"{member.filename} has {member.file_size} bytes, which are not {dtype.str} of shape {shape}")
    return dtype, shape, about["sha256"]


def _read_array(archive, member, dtype, shape, sha256):
    """An array in native byte order."""
    digest = hashlib.sha256()
    with archive.open(member) as file:
        both = _Both(file, digest)
        if np.lib.format.read_magic(both) != (1, 0):
            raise ValueError(f"{member.filename} is an array file of another version")
        found = np.lib.format.read_array_header_1_0(both, max_header_size=LARGEST_HEADER)
        if found != (shape, False, dtype):
            raise ValueError(f"{member.filename} says {found}, {DOCUMENT} {(shape, False, dtype)}")
        array = np.empty(shape, dtype)
        room = memoryview(array.reshape(-1).view(np.uint8)) if array.nbytes else b""
        filled = 0
        while data := both.read(CHUNK):
            if len(data) > len(room) - filled:
                raise ValueError(f"{member.filename} is longer than an array of shape {shape}")
            room[filled : filled + len(data)] = data
            filled += len(data)
        if filled < len(room):
            raise ValueError(f"{member.filename} is shorter than an array of shape {shape}")
    if digest.hexdigest() != sha256:
        raise ValueError(f"{member.filename} is not what was written (sha256)")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
