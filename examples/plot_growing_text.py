"""
A text that grows, character by character
=========================================

This example fits ``SequenceGenerator`` to the descriptions of scikit-learn's data sets, and lets it write after 1, 10
and 60 epochs. One long text is a single sequence: it is cut into parallel streams whose states are carried on.

The script prints what was written and writes the figure ``growing_text.png``.
"""

# %%
# Data
# ----
# The texts, one after the other, as characters, without rules and tables. The last tenth of each is held out.
import re
import textwrap

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_linnerud, load_wine

from skrnn import SequenceGenerator

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

loaders = load_breast_cancer, load_diabetes, load_digits, load_iris, load_linnerud, load_wine
lines = [[line for line in load().DESCR.splitlines() if re.match(r"[\w\s.,:;()'-]*$", line)] for load in loaders]
texts = [re.sub(r"[-.:]{2,}|\s+", " ", " ".join(each)) for each in lines]
known = set("".join(text[: len(text) * 9 // 10] for text in texts))
train = list("".join(text[: len(text) * 9 // 10] for text in texts))
held_out = [[c for c in text[len(text) * 9 // 10 :] if c in known] for text in texts]
print(f"{len(train)} characters, {len(known)} kinds")

# %%
# Training, with samples in between
# ---------------------------------
# ``partial_fit`` trains for one epoch. The same seed draws each sample, so what changes is the network. ``score`` is in
# nats per character; guessing among all characters would have minus the logarithm of their number.
generator = SequenceGenerator(128, dropout=0.2, random_state=0)
scores, written = [], {}
for epoch in range(1, 61):
    generator.partial_fit([train])
    scores.append([-generator.loss_curve_[-1], generator.score(held_out)])
    if epoch in (1, 10, 60):
        (characters,) = generator.sample(prompt="The data set ", max_length=200, temperature=0.6)
        written[epoch] = "".join(characters)
        print(f"\nAfter {epoch} epochs:\n{textwrap.fill(written[epoch], 80)}")

# %%
# How sure it is
# --------------
# So little text is soon learned by heart: the likelihood of held-out text falls again, and what is written is pieced
# together from the training text. The colour of the last text shows how probable each character was to the network.
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), width_ratios=(1, 2), layout="constrained")
left.plot(np.arange(1, 61), scores, label=["training, with dropout", "held-out text"])
left.lines[1].set_linestyle("--")
left.axhline(-np.log(len(known)), color="0.7", linestyle=":", label="guessing")
left.set(xlabel="epoch", title="Mean log-likelihood of a character")
left.legend(frameon=False, fontsize="small")

text = written[60]
log_p = np.diff(generator.score_samples([list(text[:n]) for n in range(1, len(text) + 1)]), prepend=np.nan)
width = 50
for place, (character, p) in enumerate(zip(text, np.exp(log_p), strict=True)):
    row, column = divmod(place, width)
    color = "0.5" if place < len("The data set ") else plt.cm.viridis(0.8 * (1 - p))
    right.text(column, -row, character, family="monospace", ha="center", va="center", color=color, fontsize=12)
right.set(xlim=(-1, width), ylim=(-len(text) / width, 1), title="Written after 60 epochs (green: improbable)")
right.axis("off")
figure.savefig("growing_text.png", dpi=120)
