"""Archives: what goes in comes out exactly, and nothing damaged or malicious comes out at all."""

import hashlib
import io
import json
import os
import pickle
import resource
import stat
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from saved_estimators import same

from skrnn.persistence import _zip as zip_module
from skrnn.persistence._plain import pack, unpack
from skrnn.persistence._zip import FORMAT_VERSION, read_archive, write_archive

CONTENT = {"a": np.arange(12.0).reshape(3, 4), "b": np.array(["x", "yz"]), "n": [1, 2.5, None, (True, "t")]}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.text(),
    st.sampled_from([-0.0, np.inf, -np.inf, np.nan, np.float32(0.1), np.int8(-3), np.bool_(True), np.str_("s")]),
    st.sampled_from([np.uint64(2**64 - 1), np.float16(0.1), np.float64(0.1), np.float32("nan"), "$array", "\ud800"]),
)
DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.unicode_string_dtypes(endianness="?", max_len=5),
    hnp.datetime64_dtypes(endianness="?"),
    hnp.timedelta64_dtypes(endianness="?"),
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
OBJECT_ARRAYS = hnp.arrays(object, hnp.array_shapes(max_dims=2, min_side=0, max_side=3), elements=SCALARS)
KEYS = SCALARS | st.tuples(SCALARS)
PLAIN = st.recursive(
    SCALARS | ARRAYS | OBJECT_ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
@settings(deadline=None, max_examples=300)
def test_plain_values_come_back_exactly(value):
    packed, arrays = pack(value)
    read = json.loads(json.dumps(packed, allow_nan=False))
    assert same(value, unpack(read, arrays))


@given(PLAIN)
@settings(deadline=None, max_examples=40)
def test_archives_hold_values_exactly(value):
    with tempfile.TemporaryDirectory() as directory:
        path, again = Path(directory, "a.skrnn"), Path(directory, "b.skrnn")
        write_archive(path, value)
        read, versions = read_archive(path)
        write_archive(again, read)
        # A second copy has the same bytes: nothing depends on time, place or chance.
        assert path.read_bytes() == again.read_bytes()
    assert same(value, read)
    assert versions["numpy"] == np.__version__


def test_the_same_array_twice_is_one_array(tmp_path):
    array = np.arange(5)
    write_archive(tmp_path / "a", [array, {"again": array}, array.copy()])
    (first, second, other), _ = read_archive(tmp_path / "a")
    assert first is second["again"]
    assert first is not other
    assert len(zipfile.ZipFile(tmp_path / "a").namelist()) == 3


def test_large_arrays_cross_the_borders_of_pieces(tmp_path):
    array = np.random.default_rng(0).normal(size=(3, zip_module.CHUNK // 8 - 5)).astype(">f8")
    write_archive(tmp_path / "a", array[:, ::-1])
    assert np.array_equal(read_archive(tmp_path / "a")[0], array[:, ::-1])


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        np.array([[1], "a", object()], dtype=object),
        np.array([np.arange(2), [1]], dtype=object),
        np.ma.masked_array([1.0], [True]),
        np.array([1], "m8"),
        np.array([1j]),
        np.array([b"bytes"]),
        np.longdouble(1) if np.dtype(np.longdouble).itemsize > 8 else 1j,
        np.zeros(1, [("a", int)]),
        {"a": {(1, lambda: 0): 1}},
        b"bytes",
        1j,
        np.datetime64("2020"),
        type("Text", (str,), {})("a"),
        type("Number", (int,), {})(1),
    ],
)
def test_what_is_not_plain_is_refused_by_place(value, tmp_path):
    with pytest.raises(TypeError, match=r"^(a key of )*content\['deep'\]\[0\].*cannot be saved"):
        write_archive(tmp_path / "a", {"deep": [value]})
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------------- bad files
def parts(path):
    """The document and the other members of an archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(members.pop("skrnn.json")), members


def rebuild(path, document, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("skrnn.json", document if isinstance(document, str) else json.dumps(document))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "good.skrnn"
    write_archive(path, CONTENT)
    return path


def refused(path, match):
    """Check that reading fails with a ValueError, and takes little memory; 10 MB are room for messages and buffers."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=match):
            read_archive(path)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def with_array(document, members, data, **about):
    """Put other bytes in the place of the first array, with their hash."""
    members["0.npy"] = data
    document["arrays"]["0.npy"] |= {"sha256": hashlib.sha256(data).hexdigest()} | about


def change(**changes):
    return lambda document, members: document.update(changes)


def describe(**about):
    return lambda document, members: document["arrays"]["0.npy"].update(about)


BAD = {
    "newer format": (change(format_version=FORMAT_VERSION + 1), "upgrade skrnn"),
    "format version 0": (change(format_version=0), "format_version is 0"),
    "format version True": (change(format_version=True), "format_version is True"),
    "other format": (change(format="other"), "does not say"),
    "extra key": (change(more=1), "has the keys"),
    "versions": (change(versions=[1]), "versions are not strings"),
    "arrays is a list": (change(arrays=[]), "arrays is no object"),
    "missing key": (lambda document, members: document.pop("versions"), "has the keys"),
    "extra member": (lambda document, members: members.update({"9.npy": b""}), "speaks of"),
    "missing member": (lambda document, members: members.pop("0.npy"), "speaks of"),
    "undescribed": (lambda document, members: document["arrays"].pop("0.npy"), "speaks of"),
    "not used": (change(content=1), "nothing refers to"),
    "unknown array": (change(content={"$array": "7.npy"}), "there is no array"),
    "path outside": (lambda document, members: members.update({"../1.npy": b""}), "which is no array"),
    "absolute path": (lambda document, members: members.update({"/etc/passwd": b""}), "which is no array"),
    "directory": (lambda document, members: members.update({"0.npy/": b""}), "which is no array"),
    "10 GB in the shape": (describe(shape=[10 * 2**30 // 8]), "which are not <f8"),
    "shape over 2**63": (describe(shape=[2**40, 2**40]), "which are not <f8"),
    "negative shape": (describe(shape=[-1, 4]), "is no shape"),
    "product of zero and much": (describe(shape=[0, 2**61, 2**61]), "which are not|cannot be read"),
    "shape of bool": (describe(shape=[True]), "is no shape"),
    "shape of many": (describe(shape=[1] * 65), "is no shape"),
    "shape lies": (describe(shape=[4, 3]), "says"),
    "dtype lies": (describe(dtype="<i8"), "says"),
    "object dtype": (describe(dtype="|O"), "is no dtype of stored"),
    "structured dtype": (describe(dtype="f8,f8"), "is no dtype of stored"),
    "dtype by list": (describe(dtype=[["a", "f8"]]), "is no dtype of stored"),
    "text of 4 GB": (describe(dtype="<U999999999", shape=[1]), "which are not|is no dtype"),
    "hash": (describe(sha256="0" * 64), "sha256"),
    "no hash": (lambda document, members: document["arrays"]["0.npy"].pop("sha256"), "does not describe"),
    "description": (lambda document, members: document["arrays"].update({"0.npy": 1}), "does not describe"),
    "pickle in an array": (
        lambda document, members: with_array(document, members, npy(np.array([print], object), allow_pickle=True)),
        "which are not|says",
    ),
    "fortran order": (lambda d, m: with_array(d, m, npy(np.asfortranarray(CONTENT["a"]))), "says"),
    "header of code": (
        lambda d, m: with_array(d, m, m["0.npy"].replace(b"'<f8'", b"f()  ")),
        "cannot be read",
    ),
    "array too short": (lambda d, m: with_array(d, m, m["0.npy"][:-8]), "is shorter"),
    "array too long": (lambda d, m: with_array(d, m, m["0.npy"] + bytes(8)), "is longer"),
    "no array at all": (lambda d, m: with_array(d, m, bytes(97)), "cannot be read"),
}
BAD_CONTENT = {
    "kind": ({"$unknown": 1}, "there is no kind"),
    "two kinds": ({"$tuple": [], "$items": []}, "there is no kind"),
    "kind and key": ({"$tuple": [], "a": 1}, "there is no kind"),
    "old way": ({"$float": "1e999"}, "is no number"),
    "float": ({"$float": 1.0}, "has a value of type float"),
    "scalar range": ({"$scalar": ["|i1", 300]}, "is no number of dtype"),
    "scalar type": ({"$scalar": ["|i1", 1.5]}, "has a value of type float"),
    "scalar dtype": ({"$scalar": ["|O", 1]}, "is no dtype"),
    "scalar alone": ({"$scalar": ["<f8"]}, "is no pair"),
    "duplicate pair": ({"$items": [[1, 2], [1.0, 3]]}, "comes twice"),
    "list as key": ({"$items": [[[1], 2]]}, "is the key of a dict"),
    "no pair": ({"$items": [[1, 2, 3]]}, "is no pair"),
    "objects": ({"$objects": {"shape": [3], "items": [1]}}, "has 1 items"),
    "nested objects": ({"$objects": {"shape": [1], "items": [[1]]}}, "no scalars"),
    "objects keys": ({"$objects": {"shape": [1]}}, "has the keys"),
    "many objects": ({"$objects": {"shape": [2**40], "items": []}}, "has 0 items"),
}


@pytest.mark.parametrize("name", BAD)
def test_contradictions_are_refused(path, name):
    (spoil, match), (document, members) = BAD[name], parts(path)
    spoil(document, members)
    rebuild(path, document, members)
    refused(path, match)


@pytest.mark.parametrize("name", BAD_CONTENT)
def test_content_that_nothing_packs_is_refused(path, name):
    content, match = BAD_CONTENT[name]
    document, members = parts(path)
    document["content"]["n"] = content
    rebuild(path, document, members)
    refused(path, match)


def test_what_is_rebuilt_without_a_change_is_read(path):
    """Else the tests above would say nothing."""
    rebuild(path, *parts(path))
    assert same(read_archive(path)[0], CONTENT)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"format": "skrnn", "format": "skrnn"}', "comes twice"),
        ('{"format": "skrnn", "format_version": NaN}', "is not JSON"),
        ("[" * 100_000, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "does not say"),
        ("", "cannot be read"),
        ('{"format": "skrnn", "format_version": 2, "versions": null}', "upgrade skrnn"),
        ('{"format": "skrnn", "format_version": 1' + "0" * 5000 + "}", "cannot be read"),
    ],
)
def test_documents_that_are_none_are_refused(path, text, match):
    rebuild(path, text, parts(path)[1])
    refused(path, match)


def test_two_members_of_one_name_are_refused(path):
    _, members = parts(path)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("0.npy", members["0.npy"])
    refused(path, "twice")


def test_symbolic_links_are_refused(path):
    document, members = parts(path)
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("0.npy")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("1.npy", members["1.npy"])
        archive.writestr("skrnn.json", json.dumps(document))
    refused(path, "no ordinary file")


def test_a_zip_bomb_is_refused(path):
    document, members = parts(path)
    members["0.npy"] = bytes(2**27)
    rebuild(path, document, members, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**6
    refused(path, "is compressed")


def test_10_gigabytes_declared_for_a_member_are_refused(path):
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    for place in (entry + 20, entry + 24):  # sizes, compressed and not, of the first entry of the directory
        data[place : place + 4] = (2**32 - 2**20).to_bytes(4, "little")
    path.write_bytes(data)
    refused(path, "are said to have")


def test_a_pickle_of_that_name_is_not_unpickled(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/ran",)

    (tmp_path / "model.skrnn").write_bytes(pickle.dumps(Payload()))
    refused(tmp_path / "model.skrnn", "Pickles are not read")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"\x93NUMPY", b"{}"])
def test_files_of_another_kind_are_refused(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    refused(tmp_path / "a", "not a file of skrnn.save|cannot be read")


def test_files_over_max_bytes_are_refused(path):
    size = path.stat().st_size
    assert same(read_archive(path, max_bytes=size)[0], CONTENT)
    with pytest.raises(ValueError, match="max_bytes"):
        read_archive(path, max_bytes=size - 1)


def test_a_file_is_refused_wherever_it_is_cut(path):
    data = path.read_bytes()
    for end in range(0, len(data), 7):
        path.write_bytes(data[:end])
        with pytest.raises(ValueError, match=r"good\.skrnn"):
            read_archive(path)


@given(st.data())
@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_is_noticed_or_changes_nothing(path, data):
    """It changes nothing in dates and such like of the archive."""
    good = path.read_bytes()
    position, bit = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 7))
    spoilt = bytearray(good)
    spoilt[position] ^= 1 << bit
    other = path.parent / "spoilt"
    other.write_bytes(spoilt)
    try:
        content, _ = read_archive(other)
    except ValueError:
        return
    assert same(content, CONTENT)


def test_no_flipped_bit_of_the_directory_does_harm(path):
    """All of them: names, sizes and places of the members, some of which point in front of the file."""
    good = path.read_bytes()
    spoilt, other = bytearray(good), path.parent / "spoilt"
    for position in range(good.index(b"PK\x01\x02"), len(good)):
        for bit in range(8):
            spoilt[position] ^= 1 << bit
            other.write_bytes(spoilt)
            try:
                content, _ = read_archive(other)
            except ValueError:
                pass
            else:
                assert same(content, CONTENT)
            spoilt[position] ^= 1 << bit


# ------------------------------------------------------------------------------------------------------- writing
def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_archive(tmp_path / "a", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_full_disk_leaves_what_was_there(path):
    """A limit of the size of files stands for the disk."""
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 1000, 50_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                write_archive(path, np.arange(10_000.0))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]


def test_places_that_cannot_be_written_raise_an_os_error(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a directory"):
        write_archive(tmp_path, 1)
    with pytest.raises(FileNotFoundError, match=r"there is no directory '.*missing'"):
        write_archive(tmp_path / "missing" / "a", 1)
    with pytest.raises(OSError, match="not a regular file"):
        write_archive("/dev/null", 1)
    with pytest.raises(OSError, match="proc"):
        write_archive("/proc/model.skrnn", 1)  # read-only, for root too
    with pytest.raises(TypeError):
        write_archive(3, 1)
    assert not list(tmp_path.iterdir())


def test_an_error_or_an_interrupt_leaves_what_was_there(path, monkeypatch):
    before = path.read_bytes()
    for error in (KeyboardInterrupt, MemoryError, OSError):
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", lambda descriptor, error=error: (_ for _ in ()).throw(error("in fsync")))
            with pytest.raises(error):
                write_archive(path, 2)
        assert path.read_bytes() == before
        assert os.listdir(path.parent) == [path.name]


def test_a_document_that_could_not_be_read_is_not_written(path, monkeypatch):
    monkeypatch.setattr(zip_module, "LARGEST_DOCUMENT", 1000)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="1000 can be saved"):
        write_archive(path, list(range(1000)))
    assert path.read_bytes() == before


def test_a_link_stays_and_its_target_is_replaced(path):
    link = path.parent / "link"
    link.symlink_to(path.name)
    write_archive(link, 3)
    assert link.is_symlink()
    assert read_archive(path)[0] == 3
