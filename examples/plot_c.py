"""
A network in C
==============

A gated recurrent unit that hears which of two tones is played is written as one file of C99, for a microcontroller: no
library but the mathematical one, no allocation, weights as constants. It is compiled here, with warnings as errors, and
reads the same sequences, a step at a time. Rounded to 8 bits, the weights take a quarter of the room.

The script prints sizes, times and differences, and writes the figure ``c.png``. It needs a C compiler called ``cc``.
"""

# %%
# A network
# ---------
# Tones of two frequencies, with noise.
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNClassifier
from skrnn.export import to_c

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

rng = np.random.default_rng(0)
N_STEPS = 60


def tones(n):
    """Sequences (n, N_STEPS, 1), and which are high."""
    is_high = rng.random(n) < 0.5
    phase, pitch = rng.uniform(0, 6, n), np.where(is_high, 0.9, 0.7)
    return np.sin(phase[:, np.newaxis] + pitch[:, np.newaxis] * np.arange(N_STEPS))[:, :, np.newaxis] + rng.normal(
        0, 0.8, (n, N_STEPS, 1)
    ), np.where(is_high, "high", "low")


X, y = tones(800)
clf = RNNClassifier(16, bidirectional=False, max_iter=30, random_state=0).fit(X, y)
X_new, y_new = tones(400)
print(f"accuracy on other tones: {clf.score(X_new, y_new):.3f}")

# %%
# Two files of C
# --------------
folder = Path(tempfile.mkdtemp())
whole = to_c(clf, folder / "tone.c")
small = to_c(clf, folder / "tone8.c", quantize=True, check=X_new)
print(f"labels that change with 8 bits: {small.changed_labels:.1%}")

# %%
# A program around them
# ---------------------
# It reads numbers, and writes the probability after each step.
MAIN = """
#include <stdio.h>
#include "{name}.c"

int main(void)
{{
    static {name}_state state;
    float x[1], out[2];
    int n_steps;
    while (scanf("%d", &n_steps) == 1) {{
        {name}_reset(&state);
        for (int t = 0; t < n_steps && scanf("%f", x) == 1; t++) {{
            {name}_step(&state, x, out);
            printf("%.9g\\n", (double)out[0]);
        }}
    }}
    return 0;
}}
"""


def run(name):
    """Probabilities after each step, as a compiled program finds them, (n, N_STEPS)."""
    (folder / f"main_{name}.c").write_text(MAIN.format(name=name), encoding="utf-8")
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror"]
    program = folder / name
    subprocess.run(["cc", *flags, folder / f"main_{name}.c", "-o", program, "-lm"], check=True)
    lines = (f"{N_STEPS} " + " ".join(f"{value:.9g}" for value in x.ravel()) for x in X_new)
    said = subprocess.run([program], input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    return np.array(said.split(), dtype=float).reshape(len(X_new), N_STEPS)


found = {"float": run("tone"), "8 bits": run("tone8")}
expected = np.stack([proba[:, 0] for proba in clf.staged_predict_proba(X_new)], axis=1)
for name, proba in found.items():
    print(f"{name:<7}  largest difference from predict_proba: {np.abs(proba - expected).max():.0e}")

# %%
# Figure
# ------
# What the programs say of two tones, step by step.
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for name, style in (("high", "C3"), ("low", "C0")):
    i = int(np.flatnonzero(y_new == name)[0])
    steps = np.arange(1, N_STEPS + 1)
    ax.plot(steps, expected[i], color="0.75", linewidth=5, label="Python" if name == "high" else None)
    ax.plot(steps, found["float"][i], color=style, linewidth=1.5, label=f"C, a {name} tone")
    ax.plot(steps, found["8 bits"][i], color=style, linewidth=1.5, linestyle=":", label=f"C with 8 bits, a {name} tone")
ax.set(xlabel="step", ylabel=f"probability of a {clf.classes_[0]} tone", ylim=(-0.02, 1.02))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
figure.savefig("c.png", dpi=150)
