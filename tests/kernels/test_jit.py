"""Compilation: the disk cache and all that can happen to it, bound kernels, no compiler, one place for flags."""

import ast
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core import config

from skrnn import __version__
from skrnn.kernels import _jit
from skrnn.kernels._jit import KERNEL_SOURCES, bind, kernel

PACKAGE = Path(__file__).parents[2] / "skrnn"
compiled_only = pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")

# Everything below is run as a program: `python -c PROGRAM package ...`, with a package that is not yet imported, and
# whose __init__ is left out because it would import much that no kernel needs.
START = """
import sys, types
package = types.ModuleType("skrnn")
package.__path__ = [sys.argv[1]]
sys.modules["skrnn"] = package
"""
# One kernel and its callees; prints how often it was found on disk and how often it was compiled.
ONE_KERNEL = (
    START
    + """
import numpy as np
from skrnn.kernels.losses import huber
raw, d_raw = np.array([[1.0, 3.0, 0.5]]), np.zeros((1, 3))
value = huber(raw, 3, np.zeros((1, 3)), np.ones(1), d_raw, 2.0)
assert value == 0.5 + 4.0 + 0.125 and d_raw.tolist() == [[1.0, 2.0, 0.5]], (value, d_raw)
stats = huber.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""
)
# A whole training and prediction; prints how many functions were compiled.
FIT = """
import sys
sys.path.insert(0, sys.argv[1] + "/..")
import numpy as np
from numba.core import event
from skrnn import RNNRegressor
X, y = np.random.default_rng(0).normal(size=(9, 4, 2)), np.arange(9.0)
with event.install_recorder("numba:compile") as recorder:
    model = RNNRegressor(hidden_layer_sizes=(5, 3), cell="elman", max_iter=2, tol=0, n_iter_no_change=9, batch_size=4)
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are not enough
        assert np.isfinite(model.fit(X, y).predict(X)).all()
print(len(recorder.buffer))
"""


def run(program, cache=None, package=PACKAGE, cwd=None, **environment):
    """Numbers that the program prints; warnings are errors."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    if cache is not None:
        clean["NUMBA_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(package)],
        env=clean | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(word) for word in done.stdout.split()]


def copy_package(target):
    return Path(shutil.copytree(PACKAGE, target / "skrnn", ignore=shutil.ignore_patterns("__pycache__")))


def files(directory):
    return {path.name for path in Path(directory).rglob("*") if path.suffix in (".nbi", ".nbc")}


@pytest.fixture
def a_file(tmp_path):
    """Where a directory is wanted: nothing can be made below it, not even by root."""
    path = tmp_path / "file"
    path.touch()
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache of this process in an empty directory."""
    path = tmp_path / "cache"
    path.mkdir()
    monkeypatch.setattr(_jit, "_cache_directory", lambda: str(path))
    return path


def _triple(x):
    return 3 * x


def use_kernel():
    """Compile `_triple` as a new process would and use it; whether it was found on disk."""
    function = kernel(_triple)
    assert function(5) == 15
    stats = function.stats
    hits, misses = sum(stats.cache_hits.values()), sum(stats.cache_misses.values())
    assert hits + misses == 1
    return hits == 1


# ----------------------------------------------------------------------------------------------------- disk cache
@pytest.mark.long
@compiled_only
def test_second_process_compiles_nothing(tmp_path):
    (n_compiled,) = run(FIT, tmp_path)
    assert n_compiled > 10
    assert run(FIT, tmp_path) == [0]


@compiled_only
def test_kernels_are_found_on_disk(cache):
    assert not use_kernel()
    before = files(cache)
    assert {name.rpartition(".")[2] for name in before} == {"nbi", "nbc"}
    assert use_kernel()
    assert files(cache) == before


DAMAGE = {
    "empty": lambda content: b"",
    "first byte": lambda content: content[:1],
    "half": lambda content: content[: len(content) // 2],
    "all but one byte": lambda content: content[:-1],
    "garbage": lambda content: b"\x93garbage\x00" * 99,
    "garbage at the end": lambda content: content[: len(content) // 2] + b"\x00" * (len(content) // 2),
    "another pickle": lambda content: pickle.dumps({"of": "someone else"}),
    "pickle of what is gone": lambda content: b"cskrnn.gone\nGone\n.",
}


@compiled_only
@pytest.mark.parametrize("suffixes", [(".nbi",), (".nbc",), (".nbi", ".nbc")], ids="+".join)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_replaced(damage, suffixes, cache):
    use_kernel()
    for path in cache.iterdir():
        if path.suffix in suffixes:
            path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert not use_kernel()
    assert use_kernel()


@compiled_only
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_files_that_are_gone_or_cannot_be_read(suffix, cache):
    use_kernel()
    for path in [p for p in cache.iterdir() if p.suffix == suffix]:
        path.unlink()
    assert not use_kernel()
    for path in [p for p in cache.iterdir() if p.suffix == suffix]:
        path.unlink()
        path.mkdir()
    assert not use_kernel()
    assert not use_kernel()


@compiled_only
@pytest.mark.parametrize("then", [None, Path.touch], ids=["gone", "now a file"])
def test_directory_that_vanishes_while_running(then, cache):
    use_kernel()
    functions = kernel(_triple), kernel(_square.py_func)
    shutil.rmtree(cache)
    if then:
        then(cache)
    assert [function(2) for function in functions] == [6, 4]


@pytest.mark.long
@compiled_only
def test_several_processes_at_once_on_an_empty_cache(tmp_path):
    command = [sys.executable, "-W", "error", "-c", ONE_KERNEL, str(PACKAGE)]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    processes = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert run(ONE_KERNEL, tmp_path) == [1, 0]


@compiled_only
def test_without_a_place_for_the_cache(tmp_path, a_file):
    package, home = copy_package(tmp_path), str(a_file)
    assert run(ONE_KERNEL, a_file, package, HOME=home, XDG_CACHE_HOME=home, LOCALAPPDATA=home) == [0, 1]
    assert not files(tmp_path)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The two places for the cache."""
    given, user = tmp_path / "given", tmp_path / "user"
    monkeypatch.setattr(config, "CACHE_DIR", str(given))
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(user))
    return given, user


def cache_directory():
    """The place of the cache, in which there is one folder, named by this build, and nothing in it."""
    directory = _jit._cache_directory.__wrapped__()
    if directory is None:
        return None
    assert os.path.isdir(directory)
    assert not os.listdir(directory)
    path = Path(directory)
    assert path.name.startswith(f"{__version__}-")
    return path.parent


def test_places_for_the_cache_in_turn(places):
    given, user = places
    assert cache_directory() == given / "skrnn"
    shutil.rmtree(given)
    given.touch()  # nothing can be made below a file, not even by root
    assert cache_directory() == user / "skrnn"
    shutil.rmtree(user)
    user.touch()
    assert cache_directory() is None


def test_no_directory_for_numba_is_given(places, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", "")
    assert cache_directory() == places[1] / "skrnn"


@pytest.mark.skipif(os.name == "nt", reason="there is no XDG_CACHE_HOME")
@pytest.mark.parametrize("given", ["", "relative"])
def test_only_an_absolute_user_cache_is_used(given, places, tmp_path, monkeypatch):
    """The specification says so; the working directory may belong to others, and what is cached is unpickled."""
    places[0].touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    assert cache_directory() == tmp_path / "home" / ".cache" / "skrnn"


def test_only_folders_of_builds_that_are_long_unused_are_removed(places):
    place = places[0] / "skrnn"
    names = {"old": "0.0.1-haswell-0123456789ab", "new": "0.0.2-haswell-0123456789ab", "other": "of-somebody-else"}
    for name in names.values():
        (place / name).mkdir(parents=True)
        (place / name / "a.nbi").touch()
    for name in ("old", "other"):
        os.utime(place / names[name], (0, 0))
    assert cache_directory() == place
    assert {path.name for path in place.iterdir()} == {names["new"], names["other"], _jit._build()}


@pytest.mark.long
@compiled_only
def test_copies_of_the_package_share_what_is_compiled(tmp_path):
    """One build is compiled once on a machine, in however many environments it is installed."""
    for folder, counts in (("a", [0, 1]), ("b", [1, 0])):
        (tmp_path / folder).mkdir()
        assert run(ONE_KERNEL, tmp_path / "cache", copy_package(tmp_path / folder)) == counts


@compiled_only
def test_nothing_is_written_into_the_package(tmp_path):
    """What pip does not know of outlives the package, and Python takes it for one."""
    package = copy_package(tmp_path)
    run(ONE_KERNEL, tmp_path / "cache", package)
    assert {path.suffix for path in package.rglob("*") if path.is_file()} <= {".py", ".pyc"}


@compiled_only
def test_changed_callee_is_compiled_anew(tmp_path):
    package, cache = copy_package(tmp_path), tmp_path / "cache"
    run(ONE_KERNEL, cache, package)
    source = package / "kernels" / "losses.py"
    before = "return c * (r - 0.5 * c), c"
    assert before in source.read_text()
    source.write_text(source.read_text().replace(before, "return c * (r - 0.5 * c) + 1, c"))
    assert run(ONE_KERNEL.replace("0.5 + 4.0 + 0.125", "3 + 0.5 + 4.0 + 0.125"), cache, package) == [0, 1]


@compiled_only
def test_changed_constant_of_a_users_kernel_is_compiled_anew(tmp_path):
    """Numba compares the byte code, which a constant is no part of."""
    program = START + "sys.path.insert(0, '.')\nfrom users import function\nprint(function(10))"
    for factor in (2, 3):
        text = f"from skrnn.kernels._jit import kernel\n@kernel\ndef function(x):\n    return {factor} * x\n"
        (tmp_path / "users.py").write_text(text)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        assert run(program, tmp_path / "cache", cwd=tmp_path) == [10 * factor]
    assert files(tmp_path / "cache")


@compiled_only
def test_a_changed_helper_of_a_users_kernel_is_compiled_anew(tmp_path):
    """The helper stands in another file than the function that is bound."""
    program = (
        START
        + """sys.path.insert(0, '.')
from skrnn.kernels._jit import bind
from users import function
import users
print(bind(users.loop, "users", f=function)(10))
"""
    )
    (tmp_path / "users.py").write_text(
        "from skrnn.kernels._jit import kernel\nfrom helpers import helper\n"
        "@kernel\ndef function(x):\n    return helper(x)\ndef loop(x):\n    return f(x)\n"
    )
    for factor in (2, 3):
        text = f"from skrnn.kernels._jit import kernel\n@kernel\ndef helper(x):\n    return {factor} * x\n"
        (tmp_path / "helpers.py").write_text(text)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        assert run(program, tmp_path / "cache", cwd=tmp_path) == [10 * factor]


@compiled_only
def test_functions_of_one_name_in_one_file_are_kept_apart(tmp_path):
    """Two cells in one file, both with a function `forward`; each in a process of its own."""
    (tmp_path / "users.py").write_text(
        "from skrnn.kernels._jit import bind, kernel\n"
        "@kernel\ndef forward(x):\n    return 2 * x\nfirst = forward\n"
        "@kernel\ndef forward(x):\n    return 3 * x\nsecond = forward\n"
        "def loop(x):\n    return f(x)\n"
    )
    for name, factor in (("first", 2), ("second", 3)):
        program = (
            START + f"sys.path.insert(0, '.')\nimport users\nprint(users.bind(users.loop, 'n', f=users.{name})(10))"
        )
        assert run(program, tmp_path / "cache", cwd=tmp_path) == [10 * factor]


@compiled_only
def test_kernels_with_bounds_checks_are_kept_apart(cache, monkeypatch):
    """Else one run with checks would slow down all later ones, or checks would not happen."""
    use_kernel()
    monkeypatch.setattr(config, "BOUNDSCHECK", 1)
    assert not use_kernel()
    assert use_kernel()
    monkeypatch.setattr(config, "BOUNDSCHECK", None)
    assert use_kernel()


@compiled_only
def test_function_from_a_prompt_is_compiled():
    namespace = {}
    exec("def double(x):\n    return 2 * x", namespace)
    assert kernel(namespace["double"])(3) == 6


# -------------------------------------------------------------------------------------------- kernels and bound ones
SCALE = 1


def _scaled(x):
    return SCALE * step(x)  # noqa: F821 (bound)


@kernel
def _plus_one(x):
    return x + 1


@kernel
def _square(x):
    return x * x


@pytest.mark.usefixtures("cache")
def test_bound_kernels_differ_in_their_constants_and_functions():
    kernels = {
        (scale, name): bind(_scaled, f"{name}_{scale}", SCALE=scale, step=step)
        for scale in (2, 3)
        for name, step in (("plus_one", _plus_one), ("square", _square))
    }
    for (scale, name), function in kernels.items():
        assert function(5) == scale * {"plus_one": 6, "square": 25}[name]
    sources = [getattr(function, "py_func", function) for function in kernels.values()]
    assert len({source.__qualname__ for source in sources}) == 4
    assert SCALE == 1
    assert "step" not in globals()


def _inner_of(x):
    return inner(x)  # noqa: F821 (bound)


@pytest.mark.usefixtures("cache")
def test_functions_of_one_factory_are_kept_apart():
    """They have the same name, file and code, and differ in what they close over."""

    def make(factor):
        @kernel
        def inner(x):
            return factor * x

        return inner

    for factor in (2.0, 3.0):
        assert bind(_inner_of, "made", inner=make(factor))(1.0) == factor


@pytest.mark.usefixtures("cache")
def test_kernel_of_a_kernel_is_bound_to_its_source():
    function = bind(kernel(_scaled), "of_kernel", SCALE=7, step=_square)
    assert function(2) == 28
    assert getattr(function, "py_func", function).__doc__ == _scaled.__doc__


@compiled_only
@pytest.mark.usefixtures("cache")
def test_flags():
    options = _square.targetoptions
    assert options["nogil"]
    assert options["error_model"] == "numpy"
    assert not options.get("fastmath")
    assert not options.get("parallel")
    division = kernel(lambda x: 1.0 / x)
    assert division(0.0) == np.inf


def test_without_the_compiler():
    program = """
import numba
from skrnn.kernels._jit import bind, kernel
from skrnn.kernels import gemm, losses, recurrence
f = lambda x: x
assert kernel(f) is f
functions = [bind(f, "other"), gemm.product, gemm.product_t, losses.huber]
assert all(type(function) is type(f) for function in functions)
from skrnn.network.layers.recurrent import bound_to
from skrnn.cells import LSTM
assert all(type(function) is type(f) for function in [*bound_to(LSTM()), LSTM().forward, LSTM().backward])
print(1)
"""
    assert run(START + program, NUMBA_DISABLE_JIT="1") == [1]


# ---------------------------------------------------------------------------------------------------- one place
COMPILERS = {"jit", "njit", "generated_jit", "vectorize", "guvectorize", "cfunc", "stencil", "jitclass", "prange"}


def names_used(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.alias):
            yield from (node.name.split(".")[-1], node.asname)


def keywords_used(tree):
    return {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_only_one_place_chooses_how_to_compile(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = COMPILERS & set(names_used(tree))
    assert found <= ({"njit"} if path.name == "_jit.py" else set())
    assert not {"parallel", "fastmath"} & keywords_used(tree)
    # The flags of LLVM that let NaN vanish, which one cannot rely on seeing in results.
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not {"fast", "nnan"} & strings


def test_the_place_is_found():
    assert len(SOURCES) > 20
    tree = ast.parse((PACKAGE / "kernels" / "_jit.py").read_text(encoding="utf-8"))
    assert "njit" in set(names_used(tree))
    assert {"nogil", "error_model"} <= keywords_used(tree)


def test_every_kernel_is_in_the_hash():
    """An edited kernel whose file is not hashed would go on running in its old form."""
    hashed = {pattern: set(PACKAGE.glob(pattern)) for pattern in KERNEL_SOURCES}
    assert all(hashed.values())
    compiles = {path for path in SOURCES if "_jit import" in path.read_text(encoding="utf-8")}
    assert len(compiles) > 10
    assert compiles <= set().union(*hashed.values())
