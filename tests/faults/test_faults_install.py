"""Faults of installation and start-up: where the package lies, what may be written, and how Python is started."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from faults import PACKAGE, PATIENCE, environment, run_program
from numba.core import caching, config

from skrnn.kernels import _jit
from skrnn.kernels._jit import kernel

compiled_only = pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")

# All three estimators in small; prints what they predict.
SMOKE = """
import sys
import numpy as np
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
X = [np.random.default_rng(n).normal(size=(n, 2)) for n in (1, 3, 2, 4, 2, 3)]
settings = {"hidden_layer_sizes": 3, "cell": "elman", "tol": 10.0, "n_iter_no_change": 1, "random_state": 0}
print(RNNClassifier(**settings).fit(X, list("ababab")).predict_proba(X).ravel().tolist())
print(RNNRegressor(**settings).fit(X, np.arange(6.0)).predict(X).tolist())
print(SequenceTransformer(**settings).fit_transform(X).ravel().tolist())
"""
ISOLATED = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); exec(sys.argv[1])"
WAYS = {  # options of Python, environment
    "warnings are errors": (("-W", "error", "-c"), {}),
    "no assertions, no docstrings": (("-OO", "-c"), {}),
    "no compiler": (("-c",), {"NUMBA_DISABLE_JIT": "1"}),
    "isolated, no home": (("-I", "-c", ISOLATED), {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}),
}


@pytest.fixture(scope="module")
def smoke():
    """What the same program prints, by the way in which Python was started."""
    running = {}
    for way, (options, changes) in WAYS.items():
        command = [sys.executable, *options, SMOKE]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running[way] = subprocess.Popen(command, env=environment(**changes), **pipes)
    printed = {way: process.communicate(timeout=PATIENCE) for way, process in running.items()}
    for way, process in running.items():
        assert process.returncode == 0, (way, printed[way][1][-3000:])
    return {way: [np.array(eval(line)) for line in out.splitlines()] for way, (out, _) in printed.items()}


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_python_may_be_started_in_any_way(smoke, way):
    """-W error, -OO, -I, no home directory, no compiler: the same predictions, without the compiler up to rounding."""
    assert len(smoke[way]) == 3
    for found, expected in zip(smoke[way], smoke["warnings are errors"], strict=True):
        if "NUMBA_DISABLE_JIT" in WAYS[way][1]:
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(found, expected)


def copy_of_the_package(folder):
    return Path(shutil.copytree(PACKAGE, folder / "skrnn", ignore=shutil.ignore_patterns("__pycache__")))


def zip_of_the_package(path):
    with zipfile.ZipFile(path, "w") as archive:
        for source in PACKAGE.rglob("*.py"):
            archive.write(source, source.relative_to(PACKAGE.parent))
    return path


# One kernel of the package that is found at sys.argv[1]: the result, and how often it was found on disk.
ONE_KERNEL = """
import sys
sys.path.insert(0, sys.argv[1])
import skrnn
assert skrnn.__file__.startswith(sys.argv[1]), skrnn.__file__
import numpy as np
from skrnn.kernels.losses import huber
print(huber(np.array([[3.0]]), 1, np.zeros((1, 1)), np.ones(1), np.zeros((1, 1)), 2.0))
print(sum(huber.stats.cache_hits.values()))
"""
BEFORE, AFTER = "return c * (r - 0.5 * c), c", "return c * (r - 0.5 * c) + 1, c"  # of the loss of Huber


def without_the_other_one(**changes):
    env = environment(**changes)
    env.pop("PYTHONPATH")
    return env


@pytest.mark.long
@compiled_only
def test_a_path_with_spaces_and_letters_of_other_alphabets(tmp_path):
    """The package, its cache and the working directory."""
    folder = tmp_path / "Über die Größe 長さ"
    folder.mkdir()
    copy_of_the_package(folder)
    env = without_the_other_one(NUMBA_CACHE_DIR="", XDG_CACHE_HOME=str(folder / "cache"))
    env["LOCALAPPDATA"] = env["XDG_CACHE_HOME"]
    for n_found in ("0", "1"):
        assert run_program(ONE_KERNEL, folder, env=env, cwd=folder) == ["4.0", n_found]
    assert list((folder / "cache" / "skrnn").glob("*/*.nbi"))


@pytest.mark.long
def test_a_whole_fit_from_a_path_with_spaces(tmp_path):
    folder = tmp_path / "Über die Größe 長さ"
    folder.mkdir()
    copy_of_the_package(folder)
    program = "import sys; sys.path.insert(0, sys.argv[1])" + SMOKE
    assert len(run_program(program, folder, env=without_the_other_one(NUMBA_DISABLE_JIT="1"))) == 3


@pytest.mark.long
@compiled_only
def test_an_upgrade_in_place_runs_the_new_code(tmp_path):
    """The cache of the version before is there, and its files are newer than the sources of this one."""
    package = copy_of_the_package(tmp_path)
    env = without_the_other_one(NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert run_program(ONE_KERNEL, tmp_path, env=env) == ["4.0", "0"]
    source = package / "kernels" / "losses.py"
    text, times = source.read_text(encoding="utf-8"), source.stat()
    assert BEFORE in text
    source.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")
    os.utime(source, (times.st_atime, times.st_mtime - 1000))  # as archives keep times
    assert run_program(ONE_KERNEL, tmp_path, env=env) == ["5.0", "0"]


@pytest.mark.long
@compiled_only
def test_a_zip_is_imported_and_its_new_version_too(tmp_path):
    """Without files to look at, the archive itself tells versions apart."""
    path, env = tmp_path / "skrnn.zip", without_the_other_one(NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    zip_of_the_package(path)
    assert run_program(ONE_KERNEL, path, env=env) == ["4.0", "0"]
    changed = tmp_path / "changed"
    changed.mkdir()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(changed)
    source = changed / "skrnn" / "kernels" / "losses.py"
    source.write_text(source.read_text(encoding="utf-8").replace(BEFORE, AFTER), encoding="utf-8")
    path.unlink()
    shutil.make_archive(path.with_suffix(""), "zip", changed)
    assert run_program(ONE_KERNEL, path, env=env) == ["5.0", "0"]


# ------------------------------------------------------------------------- a cache that was filled and is read-only
def _double(x):
    return 2 * x


@pytest.fixture
def read_only(tmp_path, monkeypatch):
    """Directories below which nothing can be written; permissions would not stop root."""
    places = []
    touch, mkdir = Path.touch, Path.mkdir

    def guarded(method):
        def call(path, *args, **options):
            if any(path.is_relative_to(place) for place in places) and not path.is_dir():
                raise PermissionError(path)
            return method(path, *args, **options)

        return call

    monkeypatch.setattr(Path, "touch", guarded(touch))
    monkeypatch.setattr(Path, "mkdir", guarded(mkdir))
    return places


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The two places of the cache, each with a file in it."""
    paths = [tmp_path / name / "skrnn" / _jit._build() for name in ("given", "user")]
    for path in paths:
        path.mkdir(parents=True)
        (path / "a.nbi").touch()
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "given"))
    monkeypatch.setattr(_jit, "_user_cache", lambda: paths[1].parent)
    return paths


def chosen():
    return Path(_jit._cache_directory.__wrapped__())


def test_a_filled_cache_that_is_given_is_read_even_where_nothing_can_be_written(places, read_only):
    """As in the image of a container that another user has built."""
    read_only.append(places[0])
    assert chosen() == places[0]
    (places[0] / "a.nbi").unlink()
    assert chosen() == places[1]


def test_another_filled_cache_is_read_where_none_can_be_written(places, read_only):
    read_only += places
    (places[0] / "a.nbi").unlink()
    assert chosen() == places[1]


@compiled_only
def test_kernels_are_found_in_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(_jit, "_cache_directory", lambda: str(tmp_path))

    def use(function):
        compiled = kernel(function)
        assert compiled(4) == 8
        return sum(compiled.stats.cache_hits.values())

    assert use(_double) == 0

    def refuse(*args, **options):
        raise PermissionError(*args)

    for module, name in ((caching.tempfile, "TemporaryFile"), (caching.os, "replace"), (caching.os, "makedirs")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr("builtins.open", guarded_open(tmp_path))
    assert use(_double) == 1
    assert use(_triple_of_half) == 0  # compiled for this process only


def _triple_of_half(x):
    return x + x // 2 + x // 2


def guarded_open(folder):
    """`open` that refuses to write below a folder."""
    original = open

    def call(path, mode="r", *args, **options):
        if set(mode) & set("wax+") and str(path).startswith(str(folder)):
            raise PermissionError(path)
        return original(path, mode, *args, **options)

    return call


# --------------------------------------------- the two commands of the README, one after the other, and what they leave
USED = """
import numpy as np
import skrnn
X = np.random.default_rng(0).normal(size=(8, 3, 2))
settings = {"cell": "elman", "tol": 10.0, "n_iter_no_change": 1, "random_state": 0}
assert np.isfinite(skrnn.RNNRegressor(3, **settings).fit(X, X[:, 0, 0]).predict(X)).all()
print(skrnn.__file__)
"""
SOUGHT = "import importlib.util; print(importlib.util.find_spec('skrnn'))"


class Environment:
    """A virtual environment that finds what is installed here, except the package; it needs no network."""

    def __init__(self, folder):
        venv.create(folder / "venv")
        scheme = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
        self.python = Path(sysconfig.get_path("scripts", "venv", scheme)) / "python"
        self.packages = Path(sysconfig.get_path("purelib", "venv", scheme))
        self.elsewhere, others = folder / "elsewhere", folder / "others"
        self.elsewhere.mkdir()
        others.mkdir()
        for place in (Path(place) for place in sys.path if place.endswith("-packages")):
            for path in place.iterdir():
                if not path.name.startswith(("skrnn", "__editable__")) and not (others / path.name).exists():
                    (others / path.name).symlink_to(path)
        (self.packages / "others.pth").write_text(str(others))

    def run(self, *arguments, python=None):
        """Lines that are printed from a folder that is neither the checkout nor the environment."""
        command = [python or self.python, *arguments]
        env = without_the_other_one(PYTHONNOUSERSITE="1")
        done = subprocess.run(command, cwd=self.elsewhere, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.splitlines()

    def pip(self, *arguments):
        self.run("-m", "pip", "--python", self.python, *arguments, python=sys.executable)

    def install(self, *source):
        self.pip("install", "--no-index", "--no-deps", "--no-build-isolation", *source)


def can_install():
    """Whether pip can build the package without fetching anything."""
    if os.name == "nt" or not importlib.util.find_spec("pip") or not importlib.util.find_spec("setuptools"):
        return False
    return int(importlib.metadata.version("setuptools").split(".")[0]) >= 77


@pytest.mark.long
@pytest.mark.skipif(not can_install(), reason="needs pip, setuptools and links to files")
def test_the_two_commands_of_the_readme_in_one_environment(tmp_path):
    """Installed from the checkout and in it, in both orders, used after each from another folder, then uninstalled."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    copy_of_the_package(checkout)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PACKAGE.parent / name, checkout)
    environment, installed = Environment(tmp_path), str(checkout / "skrnn" / "__init__.py")
    leftover = environment.packages / "skrnn"
    (leftover / "__pycache__" / "kernels").mkdir(parents=True)  # as an installed package may leave it
    environment.install("-e", checkout)
    assert environment.run("-c", USED) == [installed]
    shutil.rmtree(leftover)
    environment.install(checkout)
    assert environment.run("-c", USED) == [str(leftover / "__init__.py")]
    environment.install("-e", checkout)
    assert not leftover.exists()
    assert environment.run("-c", "import skrnn; print(skrnn.__file__)") == [installed]
    environment.pip("uninstall", "-y", "skrnn")
    assert environment.run("-c", SOUGHT) == ["None"]
