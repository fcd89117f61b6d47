"""The small kernel and cell tests for other vector units, with bounds checks, and without the compiler."""

import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from numba.core import config

ROOT = Path(__file__).parent.parent
LANES = ["lanes", "activations"]
NETWORKS = ["gemm", "masks", "convolution", "normalization", "pooling", "cells", "network", "noise"]
AVX2 = (
    "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+cx8,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,+popcnt,+sse,+sse2,+sse3,+sse4.1,"
    "+sse4.2,+ssse3,+xsave,-avx512bw,-avx512cd,-avx512dq,-avx512f,-avx512vl"
)
TARGETS = {  # name: environment, bytes of a vector register, names of test files
    "avx2": ({"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": AVX2}, 32, LANES + NETWORKS),
    "generic": ({"NUMBA_CPU_NAME": "generic"}, 16, LANES + NETWORKS),
    "bounds checks": ({"NUMBA_BOUNDSCHECK": "1"}, None, NETWORKS),  # lanes are not checked
    "no compiler": ({"NUMBA_DISABLE_JIT": "1"}, None, NETWORKS),  # lanes have a test of their own
}

pytestmark = pytest.mark.skipif(config.DISABLE_JIT, reason="runs once, from the compiled tests")


def environment_of(request, tmp_path, target):
    """With a cache of its own, which pytest keeps for the next run if it keeps anything."""
    kept = getattr(request.config, "cache", None)
    cache = kept.mkdir(f"kernels-{target.replace(' ', '-')}") if kept else tmp_path
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    return clean | TARGETS[target][0] | {"NUMBA_CACHE_DIR": str(cache)}


@pytest.mark.parametrize("target", TARGETS)
def test_small_tests(target, request, tmp_path):
    if target == "avx2" and not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("this CPU has no AVX2")
    environment = environment_of(request, tmp_path, target)
    _, vector_bytes, names = TARGETS[target]

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    if vector_bytes:
        program = "from skrnn._jit import VECTOR_BYTES; print(VECTOR_BYTES)"
        assert int(run("-c", program).stdout) == vector_bytes
    files = [f"tests/test_{name}.py" for name in names]
    selection = ["-m", "small", "-k", "not meaning_in_numpy"]
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *selection, *files)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
