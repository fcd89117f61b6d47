"""The small kernel and cell tests for other vector units and with bounds checks; `.ci/run` turns the compiler off."""

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from numba.core import config

from skrnn.kernels._jit import VECTOR_BYTES

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
LANES = ["lanes", "activations"]
NETWORKS = ["gemm", "masks", "convolution", "normalization", "pooling", "cells", "network", "noise"]
NETWORKS += ["steps", "fronts", "inputs"]
AVX2 = (
    "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+cx8,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,+popcnt,+sse,+sse2,+sse3,+sse4.1,"
    "+sse4.2,+ssse3,+xsave,-avx512bw,-avx512cd,-avx512dq,-avx512f,-avx512vl"
)
TARGETS = {  # name: environment, bytes of a vector register, names of test files
    "avx2": ({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": AVX2}, 32, LANES + NETWORKS),
    "generic": ({"NUMBA_CPU_NAME": "generic"}, 16, LANES + NETWORKS),
    "bounds checks": ({"NUMBA_BOUNDSCHECK": "1"}, None, NETWORKS),  # lanes are not checked
}
if VECTOR_BYTES == 32:
    del TARGETS["avx2"]  # all tests run with these vectors anyway

pytestmark = [pytest.mark.long, pytest.mark.skipif(config.DISABLE_JIT, reason="runs once, from the compiled tests")]


def environment_of(config, folder, target):
    """With a cache of its own, which pytest keeps for the next run if it keeps anything."""
    kept = getattr(config, "cache", None)
    cache = kept.mkdir(f"kernels-{target.replace(' ', '-')}") if kept else folder
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    return clean | TARGETS[target][0] | {"NUMBA_CACHE_DIR": str(cache)}


def is_possible(target):
    return target != "avx2" or llvm.get_host_cpu_features().get("avx2")


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """Environment, process and its output for each target that is asked for; all at once, since most is compiling."""
    started = {}
    asked = {item.callspec.params["target"] for item in request.session.items if item.path == Path(__file__)}
    for target in filter(is_possible, sorted(asked)):
        folder = tmp_path_factory.mktemp(target.replace(" ", "_"))
        environment, output = environment_of(request.config, folder, target), folder / "output"
        files = [str(*TESTS.rglob(f"test_{name}.py")) for name in TARGETS[target][2]]
        selection = ["-m", "small"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *selection, *files]
        with output.open("w") as file:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
        started[target] = environment, process, output
    yield started
    for _, process, _ in started.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("target", TARGETS)
def test_small_tests(target, runs):
    if not is_possible(target):
        pytest.skip("this CPU has no AVX2")
    environment, process, output = runs[target]
    vector_bytes = TARGETS[target][1]
    if vector_bytes:
        command = [sys.executable, "-c", "from skrnn.kernels._jit import VECTOR_BYTES; print(VECTOR_BYTES)"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
        assert int(done.stdout) == vector_bytes
    assert process.wait() == 0, output.read_text()[-5000:]
    assert "passed" in output.read_text()
