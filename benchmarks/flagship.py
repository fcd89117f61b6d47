"""Columns and sequences together, on real data: each alone, and both, tuned by ``GridSearchCV`` from end to end.

**PhysioNet 2012**: predicts death in hospital from five columns (age, sex, height, weight, kind of ward) and the first
48 hours of 37 measurements, in steps of two hours, most of them missing. Trained on set a, tested on set b; area under
the ROC curve. **C-MAPSS FD001**: predicts the cycles until an engine fails, from columns (the number of past cycles,
and the present values of 24 settings and sensors) and the sequence of the last 30 cycles; remaining life capped at 125
in training and test; root mean squared error of the last windows of the test engines. Training windows end at every
fifth cycle; each engine is in one fold.

In each case a ``ColumnTransformer`` scales or encodes the columns and turns the sequences into features by a
``SequenceTransformer``, and ``HistGradientBoosting`` predicts. The grid contains objectives of the features and depths
of the trees, and is searched by cross-validation on the training set. The numbers of units and epochs, which are fixed
in the grid, were chosen in the same way. (The first configuration for C-MAPSS, without dropout, had been tested before
dropout was added: 17.1 cycles.) Measurements of PhysioNet are transformed to quantiles first, because their
distributions have long tails. The data are loaded by the ``load.py`` in the folder SKRNN_DATA.
"""

import time
import warnings

import numpy as np
import pandas as pd
from _harness import at_least, at_most, goals, parse_arguments, progress, report, table
from _tasks import CAP, DATA, WINDOW, loaders
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from skrnn import SequenceArray, SequenceTransformer
from skrnn.preprocessing import PerStep

N_STEPS, STEP_HOURS, STRIDE = 24, 2, 5
TREES = {"max_iter": 150, "learning_rate": 0.05, "l2_regularization": 1.0, "random_state": 0}


def patients(which):
    """Frame of set `which`, and who died."""
    X, static, died, _, names = loaders().physionet2012(which, STEP_HOURS)
    frame = pd.DataFrame(static, columns=names)
    frame["signals"] = SequenceArray.from_padded(X, np.full(len(X), N_STEPS)).to_series()
    return frame, died


def engines(split):
    """Frame of windows, remaining lives, and the engine of each window; of the test engines the last windows."""
    X, lives = loaders().cmapss(split, CAP)
    ends = [(i, end) for i, x in enumerate(X) for end in range(len(x), min(WINDOW, len(x)) - 1, -STRIDE)]
    if split == "test":
        ends = [(i, len(x)) for i, x in enumerate(X)]
    frame = pd.DataFrame([X[i][end - 1] for i, end in ends]).add_prefix("now ")
    frame["cycles"] = [end for _, end in ends]
    frame["window"] = SequenceArray.from_list([X[i][max(end - WINDOW, 0) : end] for i, end in ends]).to_series()
    return frame, np.array([lives[i][end - 1] for i, end in ends]), np.array([i for i, _ in ends])


def physionet():
    X, y = patients("a")
    X_test, y_test = patients("b")
    ward = [("ward", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["ICUType"])]
    columns = [*ward, ("columns", "passthrough", ["Age", "Gender", "Height", "Weight"])]
    normal = PerStep(QuantileTransformer(output_distribution="normal", random_state=0))
    features = SequenceTransformer(64, "gru", missing="decay", max_iter=5, random_state=0)
    sequences = [("signals", Pipeline([("normal", normal), ("features", features)]), ["signals"])]
    grid = [
        {
            "columns__signals__features__objective": ["supervised"],
            "columns__signals__features__pooling": ["last"],
        },
        {
            "columns__signals__features__objective": ["reservoir"],
            "columns__signals__features__cell": ["elman"],
            "columns__signals__features__hidden_layer_sizes": [200],
        },
    ]
    model = HistGradientBoostingClassifier(**TREES, max_depth=3)

    def measure(search):
        return float(roc_auc_score(y_test, search.predict_proba(X_test)[:, 1]))

    return columns, sequences, grid, model, {"scoring": "roc_auc", "cv": 3}, (X, y), measure, (at_least, "")


def cmapss():
    X, y, engine = engines("train")
    X_test, y_test, _ = engines("test")
    columns = [("columns", "passthrough", [name for name in X if name != "window"])]
    features = SequenceTransformer(32, "gru", max_iter=30, random_state=0)
    sequences = [("window", features, ["window"])]
    grid = [
        {
            "columns__window__objective": ["supervised"],
            "columns__window__pooling": ["last"],
            "columns__window__dropout": [0.3, 0.5],
        },
        {"columns__window__objective": ["forecast"]},
    ]
    folds = list(GroupKFold(3).split(X, y, engine))
    how = {"scoring": "neg_root_mean_squared_error", "cv": folds}

    def measure(search):
        return float(np.sqrt(np.mean((search.predict(X_test) - y_test) ** 2)))

    model = HistGradientBoostingRegressor(**TREES, max_depth=3)
    return columns, sequences, grid, model, how, (X, y), measure, (at_most, "cycles")


TASKS = {"PhysioNet 2012, a to b": physionet, "C-MAPSS FD001": cmapss}


def measure_task(name):
    """Rows of the table, and of the goals."""
    columns, sequences, grid, model, how, data, measure, (check, unit) = TASKS[name]()
    depths = {"model__max_depth": [2, 4]}
    contenders = {
        "columns": (columns, [depths]),
        "sequences": (sequences, [{**part, **depths} for part in grid]),
        "both": ([*columns, *sequences], [{**part, **depths} for part in grid]),
    }
    rows, found = [], {}
    for contender, (parts, parameters) in contenders.items():
        progress(f"{name}, {contender}")
        pipeline = Pipeline([("columns", ColumnTransformer(parts)), ("model", model)])
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs are meant
            search = GridSearchCV(pipeline, parameters, **how).fit(*data)
        seconds, found[contender] = time.perf_counter() - start, measure(search)
        chosen = next((v for k, v in search.best_params_.items() if k.endswith("objective")), "")
        rows.append((name, contender, f"{found[contender]:.4g}", chosen, f"{seconds:.0f}"))
    single = (max if check is at_least else min)(found["columns"], found["sequences"])
    return rows, check(f"{name}: both, against the better alone", found["both"], single, unit)


def main():
    arguments = parse_arguments(__doc__, tasks=list(TASKS))
    if not (DATA / "load.py").exists():
        progress(f"nothing found in {DATA}")
        return
    measured = [measure_task(name) for name in arguments.tasks]
    rows = [row for rows, _ in measured for row in rows]
    header = ("data", "from", "score", "features", "search, s")
    report("flagship", __doc__, [table(header, rows), goals([goal for _, goal in measured])], arguments.write)


if __name__ == "__main__":
    main()
