"""
Columns and sequences together
==============================

This example predicts which patients deteriorate. Simulated patients have an age, a ward, and hourly measurements of
pulse and blood pressure, some of which are missing. Deterioration depends on all of them: on the age and the ward, and
on whether the pulse rises while the pressure falls within a few hours.

A ``ColumnTransformer`` turns the sequences into features, scales the age and encodes the ward. Gradient boosting makes
the prediction. ``GridSearchCV`` tunes the whole pipeline, including the objective of the sequence features. The result
is compared with the table alone and the sequences alone.

The script prints the areas under the ROC curves and writes the figure ``patients.png``.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skrnn import SequenceArray, SequenceTransformer

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

# %%
# A table of patients, and a long frame of measurements with one row per hour
# ---------------------------------------------------------------------------

rng = np.random.default_rng(0)
n_patients = 1500
patients = pd.DataFrame(
    {"age": rng.integers(20, 90, n_patients), "ward": rng.choice(["surgery", "cardiology", "neurology"], n_patients)}
)
hours = rng.integers(12, 37, n_patients)


def signals(n_hours, is_crisis):
    """Random walks of pulse and pressure. In a crisis, for some hours, the pulse is higher and the pressure lower."""
    pulse, pressure = 80 + np.cumsum(rng.normal(0, 3, n_hours)), 120 + np.cumsum(rng.normal(0, 3, n_hours))
    start = rng.integers(0, n_hours - 7)
    bump = 20 * np.sin(np.linspace(0, np.pi, 8))
    pulse[start : start + 8] += bump
    pressure[start : start + 8] += -bump if is_crisis else bump
    measured = np.column_stack([pulse, pressure])
    measured[rng.random(measured.shape) < 0.1] = np.nan
    return measured


crises = rng.random(n_patients) < 0.5
risk = 0.06 * (patients["age"] - 55) + 1.0 * (patients["ward"] == "cardiology") + 3.0 * (crises - 0.5)
deteriorates = (risk + rng.logistic(size=n_patients) > 0.3).to_numpy().astype(int)
measurements = pd.concat(
    [
        pd.DataFrame(signals(n_hours, crisis), columns=["pulse", "pressure"]).assign(
            patient=patient, hour=range(n_hours)
        )
        for patient, (n_hours, crisis) in enumerate(zip(hours, crises, strict=True))
    ],
    ignore_index=True,
)
print(measurements.head(3))

# %%
# The sequences become a column of the table.

sequences, ids = SequenceArray.from_long(measurements, instance="patient", time="hour")
patients["signals"] = sequences.to_series(index=ids)
print(patients.head(3))
X_train, X_test, y_train, y_test = train_test_split(patients, deteriorates, random_state=0, stratify=deteriorates)

# %%
# One pipeline for columns and sequences
# --------------------------------------

table = [("scaled", StandardScaler(), ["age"]), ("one_hot", OneHotEncoder(sparse_output=False), ["ward"])]
features = SequenceTransformer(16, "gru", missing="mask", tol=0.01, max_iter=200, random_state=0)
boosting = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.05, random_state=0)
columns = {
    "table": ColumnTransformer(table),
    "sequences": ColumnTransformer([("features", features, ["signals"])]),
    "both": ColumnTransformer([*table, ("features", features, ["signals"])]),
}
grids = {
    "table": {"boosting__max_depth": [2, 4]},
    "sequences": {"columns__features__objective": ["reservoir", "supervised"]},
    "both": {"columns__features__objective": ["reservoir", "supervised"], "boosting__max_depth": [2, 4]},
}
curves = {}
for name, transformer in columns.items():
    pipeline = Pipeline([("columns", transformer), ("boosting", boosting)])
    search = GridSearchCV(pipeline, grids[name], scoring="roc_auc", cv=3).fit(X_train, y_train)
    curves[name] = search.predict_proba(X_test)[:, 1]
    print(f"{name:10} AUROC {roc_auc_score(y_test, curves[name]):.3f}  {search.best_params_}")

# %%
# The names of the features show their origin.

print(search.best_estimator_["columns"].get_feature_names_out()[:6])

# %%
# Who deteriorates?
# -----------------

_, axes = plt.subplots(figsize=(5, 5), layout="constrained")
for (name, predicted), style in zip(curves.items(), (":", "--", "-"), strict=True):
    RocCurveDisplay.from_predictions(y_test, predicted, name=name, ax=axes, curve_kwargs={"linestyle": style})
axes.set_title("Who deteriorates?")
plt.savefig("patients.png", dpi=150)
