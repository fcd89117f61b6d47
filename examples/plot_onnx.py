"""
A pipeline in ONNX Runtime alone
================================

A network makes features of made-up gestures, and a random forest of scikit-learn decides between them. The whole
pipeline, with scaling, network, forest and names of the classes, becomes one ONNX model. Another process, which loads
neither skrnn nor scikit-learn, reads it in ONNX Runtime and makes the same predictions.

The script prints how close they are, and writes the figure ``onnx.png``. It needs the extra ``export``.
"""

# %%
# A pipeline from a notebook
# --------------------------
# Circles, waves and jerks of different lengths, seen by two sensors.
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import SequenceTransformer
from skrnn.export import to_onnx
from skrnn.preprocessing import PerStep

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

rng = np.random.default_rng(0)
NAMES = np.array(["circle", "wave", "jerk"])


def gesture(name):
    """Values of two sensors, (n_steps, 2)."""
    t = np.arange(rng.integers(15, 35)) * rng.uniform(0.25, 0.4) + rng.uniform(0, 6)
    paths = {
        "circle": (np.cos(t), np.sin(t)),
        "wave": (np.cos(t), 0 * t),
        "jerk": (np.sign(np.cos(t)), 0.5 * np.sin(2 * t)),
    }
    return np.column_stack(paths[name]) + rng.normal(0, 0.3, (len(t), 2))


y = NAMES[np.arange(360) % 3]
X = [gesture(name) for name in y]
features = SequenceTransformer(16, objective="supervised", pooling=("last", "mean"), max_iter=15, random_state=0)
forest = RandomForestClassifier(30, random_state=0)
pipeline = make_pipeline(PerStep(StandardScaler()), features, forest).fit(X[:240], y[:240])
print(f"accuracy on other gestures: {pipeline.score(X[240:], y[240:]):.3f}")

# %%
# One model
# ---------
# It is checked at once: with ``check``, an error would say how far its predictions in ONNX Runtime are from those here.
folder = Path(tempfile.mkdtemp())
to_onnx(pipeline, folder / "gestures.onnx", check=X[240:260])
print(f"size of the model: {(folder / 'gestures.onnx').stat().st_size / 1024:.0f} KiB")

# %%
# Another process
# ---------------
# Sequences are padded to one length, and their lengths are told.
X_new = X[240:]
lengths = np.array([len(x) for x in X_new])
padded = np.zeros((len(X_new), lengths.max(), 2))
for row, x in zip(padded, X_new, strict=True):
    row[: len(x)] = x
np.savez(folder / "new.npz", X=padded, lengths=lengths)

READER = """
import json, sys
import numpy as np
import onnxruntime
folder = sys.argv[1]
session = onnxruntime.InferenceSession(folder + "/gestures.onnx")
types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
given = np.load(folder + "/new.npz")
feed = {each.name: given[each.name].astype(types[each.type]) for each in session.get_inputs()}
labels, proba = session.run(None, feed)[:2]
assert not {"skrnn", "sklearn", "numba"} & set(sys.modules)
print(json.dumps({"labels": labels.tolist(), "proba": np.asarray(proba).tolist()}))
"""
said = subprocess.run([sys.executable, "-c", READER, folder], capture_output=True, text=True, check=True).stdout
read = json.loads(said)
proba = pipeline.predict_proba(X_new)
print(f"equal labels: {np.mean(np.array(read['labels']) == pipeline.predict(X_new)):.0%}")
print(f"largest difference of probabilities: {np.abs(np.array(read['proba']) - proba).max():.0e}")

# %%
# Figure
# ------
# Three gestures, and the probabilities of all classes: bars from here, crosses from ONNX Runtime.
figure, axes = plt.subplots(2, 3, figsize=(7.5, 4.8), layout="constrained", height_ratios=(2, 1))
for k, name in enumerate(pipeline.classes_):
    i = int(np.flatnonzero(y[240:] == name)[0])
    above, below = axes[:, k]
    above.plot(*X_new[i].T, color="0.3", linewidth=1.2)
    above.plot(*X_new[i][0], "o", color="C3", markersize=5)
    above.set(title=name, aspect="equal", xlim=(-2, 2), ylim=(-2, 2))
    below.barh(pipeline.classes_, proba[i], color="0.75", label="scikit-learn")
    below.plot(read["proba"][i], pipeline.classes_, "x", color="C3", label="ONNX Runtime")
    below.set(xlim=(-0.03, 1.03), xlabel="probability")
    if k:
        below.tick_params(labelleft=False)
figure.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
figure.savefig("onnx.png", dpi=150)
