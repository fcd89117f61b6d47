"""Every warning of the package points at the line of the user, however deep it comes from."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import make_pipeline

import skrnn
from skrnn import RNNRegressor
from skrnn._core.warn import warn_user
from skrnn.callbacks import LearningRateFinder
from skrnn.persistence import _attributes

PACKAGE = Path(skrnn.__file__).parent
X = np.random.default_rng(0).normal(size=(12, 5, 1))
Y = X.mean(axis=(1, 2))
FRAMES = [pd.DataFrame(x, columns=["flow"]) for x in X]
QUICK = {"hidden_layer_sizes": 2, "max_iter": 1, "random_state": 0}


def fit_and_predict(fitted_on, predicted):
    make_pipeline(RNNRegressor(**QUICK)).fit(fitted_on, Y).predict(predicted)


def find_no_rate():
    reg = RNNRegressor(**QUICK).set_callbacks(LearningRateFinder(lowest=1e-300, highest=1e-299))
    make_pipeline(reg).fit(X, Y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_and_predict(FRAMES, X), "X does not have valid feature names"),
        (lambda: fit_and_predict(X, FRAMES), "X has feature names"),
        (find_no_rate, "No learning rate from 1e-300"),
    ],
    ids=["names at fit", "names at predict", "no rate"],
)
def test_a_warning_points_at_the_line_of_the_user(call, message):
    with pytest.warns(UserWarning, match=message) as record:
        call()
    assert [warning.filename for warning in record] == [__file__]


def test_the_warning_of_a_pickle_of_another_version_points_at_the_line_that_loads_it(monkeypatch):
    content = pickle.dumps(RNNRegressor())
    monkeypatch.setattr(_attributes, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning) as record:
        pickle.loads(content)
    assert [warning.filename for warning in record] == [__file__]


@pytest.mark.parametrize("name", ["skrnn_extras.cells", "sklearnex", ""])
def test_a_package_of_a_similar_name_is_the_users(name):
    names = {"warn_user": warn_user, "__name__": name, "__builtins__": __builtins__}
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        exec(compile("warn_user('hear')", "theirs.py", "exec"), names)
    assert record[0].filename == "theirs.py"


def test_all_warnings_go_the_same_way():
    files = [path for path in PACKAGE.rglob("*.py") if path.name != "warn.py"]
    assert not [path for path in files if "warnings.warn(" in (text := path.read_text("utf-8")) or "stacklevel" in text]
