"""
Melodies from a piano roll
==========================

This example makes up melodies with chords, fits ``SequenceGenerator`` to their piano rolls, and lets it go on from the
first steps of a melody that it has not seen.

The notes of a chord belong together: a model whose notes are independent given the past plays wrong chords, one with
``notes="dependent"`` does not. The script prints the scores of both and writes the figure ``melody.png``.
"""

# %%
# Data
# ----
# 200 melodies of 24 to 48 steps over 30 notes: a walk over the scale, and below it at each beat one of three chords.
import matplotlib.pyplot as plt
import numpy as np

from skrnn import SequenceGenerator

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

rng = np.random.default_rng(0)
scale = np.array([12, 14, 16, 17, 19, 21, 23, 24, 26, 28, 29])  # notes of the melody
chords = np.array([[0, 4, 7], [5, 9, 12], [2, 7, 11]])


def melody(n_steps):
    roll, place, chord = np.zeros((n_steps, 30)), rng.integers(len(scale)), 0
    for t in range(n_steps):
        place = np.clip(place + rng.integers(-2, 3), 0, len(scale) - 1)
        if t % 4 == 0:
            chord = rng.choice(3, p=[0.6, 0.2, 0.2]) if t else 0
        roll[t, scale[place]] = 1
        roll[t, chords[chord]] = 1
    return roll


rolls = [melody(n_steps) for n_steps in rng.integers(24, 49, size=240)]
train, test = rolls[:200], rolls[200:]

# %%
# Independent and dependent notes
# -------------------------------
# The score is the mean log-likelihood of a step. The two models differ in the distribution of a step only.
generators = {
    notes: SequenceGenerator(64, notes=notes, max_iter=60, learning_rate_init=0.01, random_state=0).fit(train)
    for notes in ("independent", "dependent")
}
for notes, generator in generators.items():
    print(f"{notes:<12} {generator.score(test):.2f} nats per step")

# %%
# Going on with a melody
# ----------------------
# The first 12 steps are given. A chord counts as wrong if it is none of the three.
prompt, continued = test[0][:12], {}
known = {tuple(np.bincount(chord, minlength=13)[:12]) for chord in chords}
for notes, generator in generators.items():
    samples = generator.sample(20, prompt=prompt, max_length=48, random_state=0)
    played = samples.values[:, :12].astype(int)
    wrong = np.mean([tuple(step) not in known for step in played])
    print(f"{notes:<12} {100 * wrong:.0f} % of the chords are wrong")
    continued[notes] = samples[0]

figure, axes = plt.subplots(3, 1, figsize=(9, 7), sharex=True, layout="constrained")
shown = {"a melody of the test part": test[0], **{f"continued, notes {name}": roll for name, roll in continued.items()}}
for ax, (title, roll) in zip(axes, shown.items(), strict=True):
    ax.imshow(roll.T, origin="lower", aspect="auto", cmap="Blues", interpolation="nearest")
    ax.set(title=title, ylabel="note")
    if title.startswith("continued"):
        ax.axvline(len(prompt) - 0.5, color="tab:red")
axes[-1].set(xlabel="step", xlim=(-0.5, 47.5))
figure.savefig("melody.png", dpi=120)
