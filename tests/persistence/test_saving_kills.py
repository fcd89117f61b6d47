"""A process that is killed while it saves leaves the file as it was before, or as it was to be."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from faults import PATIENCE

from skrnn.persistence import _atomic
from skrnn.persistence._zip import read_archive, write_archive

SCRIPT = Path(__file__).parents[1] / "support" / "kill_saves.py"


def run(directory, *arguments):
    command = [sys.executable, str(SCRIPT), str(directory), *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout)


@pytest.mark.long
def test_200_kills_lose_nothing(tmp_path):
    counts = run(tmp_path, "200")
    assert set(counts["found"]) == {"a", "b"}, counts
    assert counts["left"] >= 20, "too few processes were killed in the middle of a save"
    assert counts["most"] == 2, "the next save removes what a killed one has left"
    assert counts["last"] == ["model.skrnn"]


def test_kills_would_be_noticed(tmp_path):
    found = run(tmp_path, "20", "in-place")["found"]
    assert set(found) - {"a", "b"}, found


def test_only_what_nobody_is_writing_is_removed(tmp_path):
    path = tmp_path / "model.skrnn"
    stale, live, other = (
        tmp_path / name for name in (".model.skrnn.0123abcd.tmp", ".model.skrnn.4567abcd.tmp", ".x.tmp")
    )
    for one in (stale, live, other):
        one.write_bytes(b"?")
    with open(live, "r+b") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        write_archive(path, 1)
        assert set(os.listdir(tmp_path)) == {path.name, live.name, other.name}
    write_archive(path, 2)
    assert set(os.listdir(tmp_path)) == {path.name, other.name}


def test_a_file_that_is_taken_for_a_stale_one_is_created_anew(tmp_path, monkeypatch):
    """Another process may remove it in the moment before it is locked."""
    lock, taken = _atomic._lock, []

    def too_late(file, wait):
        if wait and not taken:
            taken.append(file.name)
            os.remove(file.name)
        return lock(file, wait)

    monkeypatch.setattr(_atomic, "_lock", too_late)
    write_archive(tmp_path / "a", 1)
    assert taken
    assert read_archive(tmp_path / "a")[0] == 1


@pytest.mark.parametrize("name", ["model[1].skrnn", "*", "ü n.skrnn", ".hidden"])
def test_names_with_signs_of_patterns(tmp_path, name):
    stale = tmp_path / f".{name}.0123abcd.tmp"
    stale.write_bytes(b"?")
    write_archive(tmp_path / name, 1)
    assert os.listdir(tmp_path) == [name]


def test_threads_that_save_to_one_path_leave_one_of_their_files(tmp_path):
    path, failed = tmp_path / "a", []

    def save(k):
        try:
            for _ in range(10):
                write_archive(path, np.full(1000, k))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=save, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(set(read_archive(path)[0].tolist())) == 1
    assert os.listdir(tmp_path) == ["a"]
