"""
Dates in words, and where the network looks
===========================================

A `Seq2SeqClassifier` learns to write dates in ISO form from dates in many forms, character by character. Nothing tells
it which characters belong together. The figure shows the weights of its attention: for each character that it writes,
the characters that it looked at.

The script prints training progress, some outputs and their probabilities, and writes the figure ``translation.png``.
"""

# %%
# Data
# ----
# Days between 1950 and 2050, each written in one of six forms. A form with two readings, like 03/04/2021, would put a
# limit to what can be learned, so there is none.
import matplotlib.pyplot as plt
import numpy as np

from skrnn import Seq2SeqClassifier
from skrnn.metrics import token_error_rate

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
rng = np.random.default_rng(0)


def written(date, form):
    """A date as people write it."""
    day, month, year = int(str(date)[8:]), MONTHS[int(str(date)[5:7]) - 1], str(date)[:4]
    weekday = DAYS[(date - np.datetime64("1950-01-02")).astype(int) % 7]
    forms = (
        f"{day} {month} {year}",
        f"{month} {day}, {year}",
        f"{weekday}, {month} {day}, {year}",
        f"{day}-{month[:3]}-{year}",
        f"{year} {month[:3].lower()} {day:02d}",
        f"the {day}. of {month}, {year}",
    )
    return forms[form]


dates = np.datetime64("1950-01-01") + rng.permutation(36525)[:3000]
sources = [written(date, form) for date, form in zip(dates, rng.integers(6, size=len(dates)), strict=True)]
X, y = [list(source) for source in sources], [list(str(date)) for date in dates]
print(f"{len(X)} dates, for example {sources[0]!r}: {''.join(y[0])}")

# %%
# Training
# --------
model = Seq2SeqClassifier(max_iter=12, random_state=0, verbose=2).fit(X[:2000], y[:2000])
outputs = model.predict(X[2000:])
exact = np.mean(["".join(output) == "".join(true) for output, true in zip(outputs, y[2000:], strict=True)])
print(f"\nof 1000 other days {exact:.1%} exact; {token_error_rate(y[2000:], outputs):.2%} of the characters are wrong")

# %%
# Outputs and their probabilities
# -------------------------------
# A form that the network has never seen: probabilities fall, and other outputs come close.
unseen = ["Feb. the 3rd in 1999", "12 December 2012", "the year 2001, May, day 30"]
for source, best in zip(unseen, model.predict_n_best([list(source) for source in unseen], 3), strict=True):
    print(f"\n{source}")
    for labels, log_probability in best:
        print(f"    {''.join(labels):<12} {np.exp(log_probability):.3f}")

# %%
# Figure
# ------
# A row for each character that is written, a column for each that is read. The year is found wherever it stands; to
# write the month, the network looks at the letters that tell it from other months.
shown = [next(k for k in range(2000, 3000) if sources[k].startswith(start)) for start in ("the ", "Wednesday, ")]
figure, panels = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
weights = model.attention_weights([X[k] for k in shown])
for axes, k, of_one in zip(panels, shown, weights, strict=True):
    picture = axes.imshow(of_one, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set(xticks=range(len(X[k])), xticklabels=X[k], xlabel="reads")
    axes.set(yticks=range(len(of_one)), yticklabels=model.predict([X[k]])[0], ylabel="writes")
    axes.tick_params(length=0)
figure.colorbar(picture, ax=panels, shrink=0.8, label="weight of attention")
figure.savefig("translation.png", dpi=120)
print("\nfigure written to translation.png")
