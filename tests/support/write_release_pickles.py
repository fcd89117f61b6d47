"""Write the pickles of this version that later ones must load: ``python tests/support/write_release_pickles.py``.

It is run once for a release, and what it writes is never changed afterwards. Pickles name modules and classes, so they
show whether a module that has moved can still be found.
"""

import json
import pickle
from pathlib import Path

import numpy as np
from sklearn.preprocessing import StandardScaler
from write_release_files import COMMON, NUMBERS, TOKENS, predict

import skrnn
from skrnn import Conv, RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.callbacks import Checkpoint, EarlyStopping, LearningRateFinder
from skrnn.cells import GRU, LSTM, Elman, IndRNN, Jordan
from skrnn.initializers import Chrono, GlorotUniform, Orthogonal
from skrnn.losses import Huber, Quantile
from skrnn.optimizers import AdamW, RMSprop
from skrnn.preprocessing import PerStep, SlidingWindow, TokenEncoder
from skrnn.schedules import OneCycle

FILES = Path(__file__).parents[1] / "files" / skrnn.__version__ / "pickles"
LABELS, SUMS = np.array(list("abc") * 8), [float(x.sum()) for x in NUMBERS]


def fitted():
    """Fitted estimators by name, each with the sequences that it predicts."""
    components = {
        "cell": LSTM(peepholes=True),
        "convolution": Conv(3, 2),
        "solver": AdamW(),
        "learning_rate": OneCycle(),
        "recurrent_init": Orthogonal(0.9),
        "input_init": GlorotUniform(),
        "bias_init": Chrono(5),
    }
    steps = [x > x.mean() for x in (x[:, 0] for x in NUMBERS)]
    return {
        "components": (RNNClassifier(**components, **COMMON).fit(NUMBERS, LABELS), NUMBERS),
        "tokens": (RNNClassifier(cell=GRU(), **COMMON).fit(TOKENS, LABELS), TOKENS),
        "steps": (RNNClassifier(cell=Elman(), **COMMON).fit(NUMBERS, steps), NUMBERS),
        "huber": (RNNRegressor(cell=Jordan(), loss=Huber(), solver=RMSprop(), **COMMON).fit(NUMBERS, SUMS), NUMBERS),
        "quantile": (RNNRegressor(cell=IndRNN(), loss=Quantile(0.3), **COMMON).fit(NUMBERS, SUMS), NUMBERS),
        "forecast": (SequenceTransformer(**COMMON).fit(NUMBERS), NUMBERS),
        "reconstruct": (SequenceTransformer(objective="reconstruct", n_points=3, **COMMON).fit(NUMBERS), NUMBERS),
        "supervised": (SequenceTransformer(objective="supervised", **COMMON).fit(NUMBERS, LABELS), NUMBERS),
        "reservoir": (SequenceTransformer(objective="reservoir", **COMMON).fit(NUMBERS), NUMBERS),
    }


def others():
    """What else is pickled."""
    return {
        "sequences": SequenceArray.from_list(NUMBERS),
        "texts": SequenceArray.from_list(TOKENS),
        "per_step": PerStep(StandardScaler()).fit(NUMBERS),
        "windows": SlidingWindow(3),
        "token_encoder": TokenEncoder().fit(TOKENS),
        "callbacks": [EarlyStopping(NUMBERS, LABELS), Checkpoint("checkpoint.skrnn"), LearningRateFinder()],
    }


def rows(estimator, X):
    """What is compared: a row for each sequence, or for each step."""
    of_steps = getattr(estimator, "per_step_", False) and hasattr(estimator, "predict_proba")
    return np.concatenate(estimator.predict_proba(X)) if of_steps else predict(estimator, X)


def main():
    FILES.mkdir(parents=True)
    expected = {}
    for name, (estimator, X) in fitted().items():
        (FILES / f"{name}.pickle").write_bytes(pickle.dumps(estimator, protocol=5))
        expected[name] = rows(estimator, X)
    for name, value in others().items():
        (FILES / f"{name}.pickle").write_bytes(pickle.dumps(value, protocol=5))
    plain = {name: value.astype(float).round(6).tolist() for name, value in expected.items()}
    (FILES / "expected.json").write_text(json.dumps(plain) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
