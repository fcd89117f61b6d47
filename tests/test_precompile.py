"""Kernels that were compiled before are all that a prediction needs, also where nothing can be written."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skrnn
from skrnn import CTCClassifier, RNNClassifier, RNNForecaster, SequenceGenerator, SequenceOutlierDetector
from skrnn._precompile import _networks_in
from skrnn.kernels import _jit
from skrnn.preprocessing import PerStep

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in [4, 7, 9] * 6]
Y = [0, 1, 1] * 6
SMALL = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}

PREDICT = """
import sys
from pathlib import Path

def refuse(path, *args, **options):
    raise PermissionError(path)

Path.touch = Path.mkdir = refuse  # permissions would not stop root
import skrnn
from skrnn.kernels import _jit
clf = skrnn.load(sys.argv[1])
X = [[[0.0, 1.0]] * n for n in (3, 8)]
clf.predict_proba(X)
clf.stream().step_proba([0.0, 1.0])
kernels = Path(_jit.cache_folder()).rglob("*.nbc")
print(_jit.cache_folder(), sum(1 for _ in kernels))
"""


class Holder:
    """What is no estimator of scikit-learn, but has parameters, as those of other libraries."""

    def __init__(self, inside):
        self.inside = inside

    def get_params(self):
        return {"inside": self.inside}


@pytest.mark.long
def test_a_server_with_a_cache_that_cannot_be_written_compiles_nothing(tmp_path, monkeypatch):
    model, kernels = tmp_path / "model.skrnn", tmp_path / "kernels"
    skrnn.save(RNNClassifier(**SMALL, bidirectional=False).fit(X, Y), model)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(kernels))
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    command = [sys.executable, "-m", "skrnn", "precompile", str(model)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"{model}: kernels in {kernels}")
    n_kernels = sum(1 for _ in kernels.rglob("*.nbc"))
    assert n_kernels > 10
    command = [sys.executable, "-W", "error", "-c", PREDICT, str(model)]
    folder, found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert folder.startswith(str(kernels))
    assert int(found) == n_kernels


def test_estimators_of_all_kinds():
    words = [[f"w{k}" for k in RNG.integers(0, 4, 6)] for _ in range(12)]
    gaps = [np.where(RNG.random(x.shape) < 0.2, np.nan, x) for x in X]
    for estimator in (
        RNNClassifier(**SMALL).fit(words, [0, 1] * 6),
        RNNClassifier(**SMALL, missing="decay", bidirectional=False).fit(gaps, Y),
        RNNClassifier(**SMALL, time_channel=1).fit([np.c_[x[:, 0], np.arange(len(x))] for x in X], Y),
        CTCClassifier(**SMALL).fit(X, [["a", "b"]] * len(X)),
        SequenceGenerator(**SMALL).fit(words),
        SequenceOutlierDetector(**SMALL).fit(X),
        RNNForecaster(2, **SMALL).fit(np.arange(60.0)),
    ):
        assert skrnn.precompile(estimator) == _jit.cache_folder()


def test_what_is_found_inside_of_others():
    clf = RNNClassifier(**SMALL)
    pipeline = make_pipeline(PerStep(StandardScaler()), clf)
    search = GridSearchCV(pipeline, {"rnnclassifier__alpha": [0, 1]}, cv=2).fit(X, Y)
    assert not _networks_in(pipeline)
    assert _networks_in(search) == [search.best_estimator_[-1]]
    assert skrnn.precompile(search)
    fitted, deep = search.best_estimator_[-1], []
    assert _networks_in(Holder([{1}, {"a": fitted}])) == [fitted]
    for _ in range(3000):
        deep = [deep]
    deep.append(deep)
    assert _networks_in(deep) == []


def test_what_is_refused(monkeypatch):
    for estimator in (RNNClassifier(), LogisticRegression().fit([[0], [1]], [0, 1]), make_pipeline(RNNClassifier())):
        with pytest.raises(ValueError, match=f"{type(estimator).__name__} holds no fitted estimator of skrnn"):
            skrnn.precompile(estimator)
    monkeypatch.setattr(_jit, "_cache_directory", lambda: None)
    with pytest.raises(OSError, match="set the environment variable NUMBA_CACHE_DIR"):
        skrnn.precompile(RNNClassifier(**SMALL).fit(X, Y))


def test_the_command_says_what_it_wants(tmp_path):
    said = subprocess.run([sys.executable, "-m", "skrnn"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "COMMAND" in said.stderr
    command = [sys.executable, "-m", "skrnn", "precompile", str(tmp_path / "missing")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "missing: " in said.stderr
    assert "Traceback" not in said.stderr
