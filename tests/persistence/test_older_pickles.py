"""Pickles of estimators that were made before some parameters and attributes were there."""

import json
import pickle
import warnings

import numpy as np
import pytest
from faults import QUICK, cube, output, targets
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from write_release_files import FILES, SEQUENCES
from write_release_pickles import rows

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer

LATER = "targets", "standardize_target"  # parameters
X, Y = cube(), targets(cube())


def older(estimator):
    """The estimator as it is loaded from a pickle of before."""
    state = estimator.__getstate__()
    for name in LATER:
        state.pop(name, None)
    shape = state.pop("target_shape_", None)
    if shape is not None:
        state["two_dimensional_"] = shape != ()
    loaded = type(estimator).__new__(type(estimator))
    loaded.__setstate__(state)
    return loaded


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (RNNClassifier(**QUICK), Y),
        (RNNRegressor(**QUICK), Y),
        (RNNRegressor(**QUICK), Y[:, np.newaxis]),
        (RNNRegressor(**QUICK), np.column_stack([Y, 1 - Y])),
        (RNNRegressor(**QUICK), [x[:, 0] for x in X]),
        (SequenceTransformer(**QUICK), None),
    ],
)
def test_they_predict_score_and_learn_on(estimator, y):
    fitted = clone(estimator).fit(X, y)
    loaded = older(fitted)
    assert loaded.get_params() == fitted.get_params()
    if hasattr(fitted, "score"):
        assert loaded.score(X, y) == fitted.score(X, y)
        assert_array_equal(*(np.concatenate(list(e.partial_fit(X, y).predict(X)), axis=None) for e in (loaded, fitted)))
    else:
        assert_array_equal(output(loaded, X), output(fitted, X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(
            np.concatenate(list(output(older(fitted).fit(X, y), X)), axis=None),
            np.concatenate(list(output(clone(estimator).fit(X, y), X)), axis=None),
        )


RELEASES = sorted(path.parent for path in FILES.glob("*/pickles/expected.json"))


def unpickled(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that differ
        return pickle.loads(path.read_bytes())


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.parent.name)
def test_pickles_of_releases(release):
    expected = json.loads((release / "expected.json").read_text(encoding="utf-8"))
    assert expected
    loaded = {path.stem: unpickled(path) for path in release.glob("*.pickle")}
    for name, before in expected.items():
        X = SEQUENCES["classifier" if name == "tokens" else "regressor"]
        assert_allclose(rows(loaded[name], X), before, rtol=0, atol=1e-4, err_msg=name)
        clone(loaded[name])
    assert [len(x) for x in loaded["sequences"]] == [len(x) for x in loaded["texts"]]
    assert loaded["texts"] == loaded["token_encoder"].inverse_transform(
        loaded["token_encoder"].transform(loaded["texts"])
    )
    assert loaded["per_step"].transform(SEQUENCES["regressor"])[0].shape == (4, 2)
    assert loaded["windows"].get_params()
    assert len(loaded["callbacks"]) == 3
