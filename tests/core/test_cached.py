"""Properties that are computed once: what they keep, and that a fork in the middle does no harm."""

import os
import re
import subprocess
import sys
import threading

import pytest
from faults import PACKAGE, PATIENCE, environment

from skrnn._core.cached import cached_property

FORK = """
import os, signal, sys, threading, warnings
warnings.simplefilter("ignore")
from skrnn._core.cached import cached_property

computes, may_end = threading.Event(), threading.Event()

class Slow:
    @cached_property
    def value(self):
        computes.set()
        may_end.wait()
        return 1

thread = threading.Thread(target=lambda: Slow().value)
thread.start()
computes.wait()
child = os.fork()
if child == 0:
    signal.alarm(int(sys.argv[1]))  # ends the child if it hangs
    may_end.set()
    os._exit(0 if Slow().value == 1 else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
may_end.set()
thread.join()
"""


class Counted:
    def __init__(self):
        self.n_computed = 0

    @cached_property
    def value(self):
        """What it is."""
        self.n_computed += 1
        return [self.n_computed]


def test_a_value_is_computed_once_for_each_object():
    one, other = Counted(), Counted()
    assert one.value is one.value
    assert one.n_computed == 1
    assert other.value is not one.value
    assert Counted.value.__doc__ == "What it is."


def test_threads_get_the_same_value():
    meet = threading.Barrier(2)

    class Both:
        @cached_property
        def value(self):
            meet.wait(PATIENCE)  # both compute
            return object()

    both, found = Both(), []
    threads = [threading.Thread(target=lambda: found.append(both.value)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1] is both.value


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_is_forked_in_the_middle_computes_its_own():
    command = [sys.executable, "-c", FORK, str(PATIENCE // 4)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_no_other_is_used():
    of_functools = re.compile(r"functools import [^\n]*cached_property|functools\.cached_property[^`]")
    assert [path for path in PACKAGE.rglob("*.py") if of_functools.search(path.read_text(encoding="utf-8"))] == []
