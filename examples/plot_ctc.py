"""
Words in a spectrogram, found without alignment
===============================================

Four made-up words, each a row of tones, are said one after the other, at any speed and in noise. For training it is
known which words a recording holds, but not when they were said. A network learns to read them off, and ``align``
shows at which steps it does.

The script prints a table of results and writes the figure ``ctc.png``.
"""

# %%
# Data
# ----
# A word is a row of two or three tones out of twelve bands. A recording holds 1 to 6 words, with pauses in between, and
# is the energy in each band at each step. Each word is said at a speed of its own.
import matplotlib.pyplot as plt
import numpy as np

from skrnn import CTCClassifier
from skrnn.metrics import sequence_accuracy_score, token_error_rate

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

WORDS = {"ama": [2, 8, 2], "bo": [5, 9], "ola": [9, 5, 2], "um": [8, 5]}
N_BANDS = 12
rng = np.random.default_rng(0)


def say(word):
    """Energies (n_steps, N_BANDS) of a word, and steps of silence behind it."""
    speed = rng.uniform(3, 7)
    tones = np.concatenate([np.full(round(speed * rng.uniform(0.8, 1.2)), tone) for tone in WORDS[word]])
    glide = np.convolve(np.pad(tones, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    energy = np.exp(-0.5 * (np.arange(N_BANDS) - glide[:, np.newaxis]) ** 2)
    return np.concatenate([energy, np.zeros((rng.integers(1, 6), N_BANDS))])


def record(n):
    """N recordings, and the words in each."""
    words = [rng.choice(list(WORDS), rng.integers(1, 7)) for _ in range(n)]
    clean = [np.concatenate([say(word) for word in of_one]) for of_one in words]
    return [x + 0.35 * rng.normal(size=x.shape) for x in clean], words


X, y = record(400)
X_test, y_test = record(200)
print(f"{len(X)} recordings of {min(map(len, X))} to {max(map(len, X))} steps, with {sum(map(len, y))} words")

# %%
# Training
# --------
# The output of each step is a word or a blank. The loss is the sum over all ways to place the words.
clf = CTCClassifier(hidden_layer_sizes=32, batch_size=16, max_iter=30, random_state=0).fit(X, y)

print(f"{'search':12s} {'error rate':>10s} {'exact':>6s} {'mean log p':>10s}")
for name, width in {"best path": 1, "beam of 10": 10}.items():
    found = clf.set_params(beam_width=width).predict(X_test)
    log_p = clf.score_samples(X_test, found).mean()
    exact = sequence_accuracy_score(y_test, found)
    print(f"{name:12s} {token_error_rate(y_test, found):10.3f} {exact:6.3f} {log_p:10.3f}")

# %%
# Figure
# ------
# The network puts out a word for a few steps, and blanks at all others. Nobody has told it when: it chooses steps at
# which it can tell the word from the others. The lines are the first of these steps.
i = max(range(50), key=lambda i: (len(set(y_test[i])), len(y_test[i])))
probabilities, steps = clf.predict_proba(X_test[i : i + 1])[0], clf.align(X_test[i : i + 1], y_test[i : i + 1])[0]

fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 4.8), sharex=True, height_ratios=[3, 2], layout="constrained")
top.imshow(X_test[i].T, origin="lower", aspect="auto", cmap="Greys", vmin=-0.5, vmax=1.5)
top.set(ylabel="band", title="Energy in each band, and the words where the network puts them out")
for step, word in zip(steps, y_test[i], strict=True):
    color = f"C{clf.classes_.tolist().index(word)}"
    top.axvline(step, color=color, lw=2)
    box = {"facecolor": "w", "edgecolor": "none", "pad": 1}
    top.text(step + 0.7, N_BANDS - 1, word, color=color, weight="bold", va="top", bbox=box)
for k, (word, style) in enumerate(zip(clf.classes_, ("-", "--", "-.", (0, (1, 1))), strict=True)):
    bottom.plot(probabilities[:, k], color=f"C{k}", linestyle=style, label=word)
bottom.plot(probabilities[:, -1], color="0.6", ls=":", label="blank")
bottom.set(xlabel="step", ylabel="probability", ylim=(-0.02, 1.05))
bottom.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.28), frameon=False)
fig.savefig("ctc.png", dpi=120)
print("figure: ctc.png")
