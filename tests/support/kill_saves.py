"""Kill processes while they save: ``python kill_saves.py DIRECTORY N_KILLS [in-place]``; prints counts as JSON.

Children are forked, so that none of them has to import anything. "in-place" writes without a temporary file, to show
that the kills would be noticed.
"""

import json
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from skrnn.persistence import _zip
from skrnn.persistence._zip import read_archive, write_archive

SIZE = 2**15
CONTENTS = {
    name: {"name": name, "values": [np.full(SIZE, k, float), np.full(SIZE, -k, float)]} for k, name in enumerate("ab")
}


def save_until_killed(path):
    while True:
        for content in CONTENTS.values():
            write_archive(path, content)


def state(path):
    """Which of the two contents the file has, all of it, or what is wrong."""
    try:
        content, _ = read_archive(path)
    except (ValueError, OSError) as error:
        return f"damaged: {error}"
    expected = CONTENTS[content["name"]]["values"]
    return content["name"] if all(map(np.array_equal, content["values"], expected)) else "mixed"


def kill_one(path, delay):
    child = os.fork()
    if not child:
        try:
            save_until_killed(path)
        finally:
            os._exit(1)  # an error must not run what belongs to the parent
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the child ended by itself"


def main(directory, n_kills, *options):
    if options == ("in-place",):
        _zip.replacing = partial(open, mode="wb")
    path, rng = Path(directory, "model.skrnn"), random.Random(0)
    write_archive(path, CONTENTS["b"])  # the first takes longer
    started = time.perf_counter()
    for content in CONTENTS.values():
        write_archive(path, content)
    one_save = (time.perf_counter() - started) / 2
    found, left_behind, most_files = {}, 0, 0
    for _ in range(int(n_kills)):
        kill_one(path, rng.uniform(0, 3 * one_save))
        now = state(path)
        found[now] = found.get(now, 0) + 1
        files = len(os.listdir(directory))
        left_behind, most_files = left_behind + (files > 1), max(most_files, files)
    write_archive(path, CONTENTS["a"])
    print(json.dumps({"found": found, "left": left_behind, "most": most_files, "last": os.listdir(directory)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
