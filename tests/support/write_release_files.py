"""Write the files of this version that all later ones must load: ``python tests/support/write_release_files.py``.

It is run once for a release, and what it writes is never changed afterwards.
"""

import json
from pathlib import Path

import numpy as np

import skrnn
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.cells import GRU
from skrnn.losses import Huber
from skrnn.optimizers import AdamW

FILES = Path(__file__).parents[1] / "files"
LENGTHS = [4 + k % 5 for k in range(24)]
NUMBERS = [np.sin(0.3 * k + np.outer(np.arange(n), [0.5, 0.9])).round(3) for k, n in enumerate(LENGTHS)]
TOKENS = [[f"w{(k * t + t) % 5}" for t in range(n)] for k, n in enumerate(LENGTHS)]
SEQUENCES = {"classifier": TOKENS, "regressor": NUMBERS, "transformer": NUMBERS}
COMMON = {"hidden_layer_sizes": 4, "tol": 10.0, "n_iter_no_change": 2, "random_state": 0}


def predict(estimator, X):
    """What is compared, as a matrix."""
    for method in ("predict_proba", "transform", "predict"):
        if hasattr(estimator, method):
            return np.asarray(getattr(estimator, method)(X))
    raise TypeError(estimator)


def main():
    estimators = {
        "classifier": RNNClassifier(cell=GRU(), solver=AdamW(), bidirectional=True, class_weight={"a": 2.0}, **COMMON),
        "regressor": RNNRegressor(pooling="attention", loss=Huber(), time_channel=None, **COMMON),
        "transformer": SequenceTransformer(objective="reconstruct", n_points=3, **COMMON),
    }
    targets = {
        "classifier": np.array(list("abc") * 8),
        "regressor": [float(x.sum()) for x in NUMBERS],
        "transformer": None,
    }
    directory, expected = FILES / skrnn.__version__, {}
    directory.mkdir(parents=True)
    for name, estimator in estimators.items():
        estimator.fit(SEQUENCES[name], targets[name])
        skrnn.save(estimator, directory / f"{name}.skrnn")
        expected[name] = predict(estimator, SEQUENCES[name]).round(6).tolist()
    (directory / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
