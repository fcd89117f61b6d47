"""What must be set before scipy and Keras are imported, and fixtures of several files.

The disk cache of kernels needs no care: it knows their sources.
"""

import gc
import os
import signal
import subprocess
import sys
import warnings

import pytest

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips its array API checks
os.environ.setdefault("KERAS_BACKEND", "torch")  # of those that Keras has, the one that is installed for these tests


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Nothing that is imported or collected can go before the end: looking for garbage in it takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With ``-n`` the tests of one file stay in one process: they use the same kernels and fixtures."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config, specs):
    """Compile the kernels of all cells before the workers start, a share in each process: else each compiles all."""
    environment = os.environ | {"PYTHONPATH": str(config.rootpath / "tests" / "support")}
    command = [sys.executable, "-m", "compile_kernels"]
    compiling = [
        subprocess.Popen([*command, str(k), str(len(specs))], cwd=config.rootpath, env=environment)
        for k in range(len(specs))
    ]
    for process in compiling:
        process.wait()  # a failure shows in the tests, too


@pytest.fixture
def ctrl_c():
    """Let Ctrl-C be an exception, as in a program in the foreground; one in the background is started to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def keras():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras", exc_type=ImportError)
