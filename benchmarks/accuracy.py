"""Accuracy on real data: default and tuned networks, a PyTorch loop, floors and published results.

*default*: ``RNNClassifier(random_state=seed)`` or ``RNNRegressor(random_state=seed)``. Only parameters that the data
require are set: ``missing="mask"`` or ``"decay"`` for missing values, and both directions if each word of a sentence
has a tag (ATIS, UD). The score is the median over three seeds, with the range. *fit*: seconds on two threads.
:doc:`defaults` describes how the defaults were chosen, without the test sets. *tuned*: the best network on held-out
parts of the training set, ``-`` if this is the default; median over the same seeds. ``benchmarks/_tasks.py`` lists the
choices.

*PyTorch*: a loop over batches of the same size for the same number of updates, with the network, loss, penalty,
dropout, clipping, Adam and learning rates of the fitted default, ``pack_padded_sequence``, data that are padded once
and ``Adam(fused=True)``, on the faster of one and two threads (in brackets); one seed. *times*: its time divided by the
time of a fit of skrnn on two threads just before.

*floor*: a simple, untuned method on exactly the same training and test sets: a linear model or SVC on summaries, flat
series, words or n-grams, or the most common tag of each word. *published*: a recurrent network, if its result could be
confirmed. A star marks another split of the data, or word vectors that were trained on other data, so that the
comparison is not exact. For most sets of the archive, the published result is the mean of repeated runs of an echo
state network. For PenDigits, UWaveGestureLibrary and IndoorMovement, it is the best of several runs of a network with
recurrent and convolutional layers side by side.

The digits are part of scikit-learn. All other data are loaded by the ``load.py`` in the folder given by the environment
variable SKRNN_DATA (default: ``../shared/data`` beside the project). C-MAPSS: windows of 30 cycles, remaining life
capped at 125 in training and test. ETTh1: z-scores of oil temperature, 24 hours from 96. Exchange rates: eight at once
from 168 days. For these two, sunspots and the series after it (one step ahead, mean absolute error on the last fifth),
the networks read and predict differences from the last value. JapaneseVowels, reservoir:
``SequenceTransformer(objective="reservoir")``, scaling and logistic regression. PhysioNet: trained on set a, tested on
set b; means of 4 hours, quantiles of each variable on a normal scale, the static variables as channels,
``missing="decay"``; *mean of 5*: the mean probability of five tuned networks (``VotingClassifier``).

Results are stored in ``build/accuracy.jsonl``, or in the file given by ``--results``, and are not computed again.
Remove the file to start anew.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from _harness import ROOT, at_least, at_most, geometric_mean, goals, parse_arguments, progress, report, table
from _sets import DATA
from _tasks import GOALS, TASKS

from skrnn import RNNClassifier, RNNRegressor

DEFAULTED = RNNClassifier, RNNRegressor
N_SEEDS, N_SEEDS_QUICK = 3, 1
N_JOBS = 2
WARM_UP = 64  # sequences of the fit that compiles
RESULTS = ROOT / "build" / "accuracy.jsonl"


class Results:
    """Runs, kept in a file so that those which are there need not be made again."""

    def __init__(self, path):
        self.path, self.runs = path, {}
        if path.exists():
            self.runs = {run["key"]: run for run in map(json.loads, path.read_text().splitlines())}

    def get(self, key, make):
        """The run of this name, from ``make()`` if there is none yet."""
        if key not in self.runs:
            progress(key)
            self.runs[key] = make() | {"key": key}
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(self.runs[key]) + "\n")
        return self.runs[key]


class Row:
    """What was measured of a task."""

    def __init__(self, name, n_seeds, results):
        self.name, self.task, self.results = name, TASKS[name], results
        self._data = self._last = None
        runs = [self._run(seed, tuned=False) for seed in range(n_seeds)]
        self.scores, self.seconds = np.array([run["scores"] for run in runs]), [run["seconds"] for run in runs]
        self.medians, self.tuned, self.torch = np.median(self.scores, axis=0), None, None
        if self.task.tuned:
            runs = [self._run(seed, tuned=True) for seed in range(n_seeds)]
            self.tuned = np.median([run["scores"] for run in runs], axis=0)
        if self.task.torch:
            self.torch = results.get(f"{name}, PyTorch", self._torch)
        self._data = self._last = None

    def _read(self):
        """The data, after a short fit that compiles."""
        if self._data is None:
            self._data = X, y, *_ = self.task.read()
            kept = range(0, len(X), max(len(X) // WARM_UP, 1))
            self.task.model(0, N_JOBS).fit([X[k] for k in kept], [y[k] for k in kept])
        return self._data

    def _run(self, seed, tuned):
        """Scores and seconds of a fit."""
        choice = f"tuned {self.task.tuned}" if tuned else "default"
        return self.results.get(f"{self.name}, {choice}, seed {seed}", lambda: self._fitted(seed, tuned)[1])

    def _fitted(self, seed, tuned=False):
        X, y, X_test, y_test = self._read()
        start = time.perf_counter()
        model = self.task.model(seed, N_JOBS, tuned).fit(X, y)
        seconds = time.perf_counter() - start
        scores = [float(measure.function(model, X_test, y_test)) for measure in self.task.measures]
        progress(f"{scores}, {seconds:.1f} s")
        return model, {"scores": scores, "seconds": seconds}

    def _torch(self):
        """PyTorch beside the default, fitted anew just before: the clock and other programs change."""
        from _torch_classifier import fit_twin

        model, run = self._fitted(0)
        twin = fit_twin(model, *self._read())
        progress(f"{twin}")
        return twin | {"ratio": twin["seconds"] / run["seconds"]}

    def lines(self):
        """Rows of the table, one for each measure."""
        for k, measure in enumerate(self.task.measures):
            values = self.scores[:, k]
            form = (lambda value: f"{value:.2f}") if measure.is_share else (lambda value: f"{value:.4g}")
            yield (
                self.name,
                measure.name,
                form(self.medians[k]),
                f"{form(values.min())} .. {form(values.max())}",
                f"{np.median(self.seconds):.1f}",
                "-" if self.tuned is None else form(self.tuned[k]),
                *self._of_torch(measure, form),
                measure.floor or "-",
                measure.published or "-",
            )

    def _of_torch(self, measure, form):
        if self.torch is None or measure.name.startswith("span"):
            return "-", "-"
        score = 100 * self.torch["score"] if measure.is_share else self.torch["score"]
        return form(score), f"{self.torch['ratio']:.1f} ({self.torch['threads']})"


# --------------------------------------------------------------------------------------------------------- goals
def goal_rows(rows):
    """What the defaults must reach over all tasks."""
    judged = [
        (row.name, measure, value)
        for row in rows
        if row.task.estimator in DEFAULTED and not row.name.endswith("of 5")
        for measure, value in zip(row.task.measures, row.medians, strict=True)
    ]
    yield from _shares(judged, "published", "as good as published", 2 / 3)
    yield from _shares(judged, "floor", "as good as the floor", 1 / 2)
    gaps = {name: measure.floor.value - value for name, measure, value in judged if measure.floor and measure.is_share}
    if gaps:
        worst = max(gaps, key=gaps.get)
        yield at_most(f"farthest below its floor: {worst}", gaps[worst], 5, "points")
    times = {row.name: max(row.seconds) for row in rows if row.task.estimator is RNNClassifier}
    if times:
        longest = max(times, key=times.get)
        yield at_most(f"longest fit of a classifier: {longest}", times[longest], 60, "s")
    ratios = [row.torch["ratio"] for row in rows if row.torch]
    if ratios:
        text = f"PyTorch's time over skrnn's, geometric mean of {len(ratios)}, the least {min(ratios):.2f}"
        yield at_least(text, geometric_mean(ratios), 3)


def _shares(judged, which, text, share):
    """How many defaults reach a figure of others: all, and those without a star."""
    compared = [(getattr(measure, which), measure.reaches, value) for _, measure, value in judged]
    compared = [(figure.note, reaches(value, figure)) for figure, reaches, value in compared if figure]
    strict = [reached for note, reached in compared if not note]
    for kept, which_ones in (([reached for _, reached in compared], ""), (strict, ", without a star")):
        if kept and (not which_ones or len(strict) < len(compared)):
            yield at_least(f"{text}{which_ones}: {sum(kept)} of {len(kept)}", 100 * np.mean(kept), 100 * share, "%")


def goal_rows_of_tasks(rows):
    """Goals of single tasks: of the tuned network where there is one, else of the default."""
    for row in rows:
        for k, measure in enumerate(row.task.measures):
            limit = GOALS.get((row.name, measure.name))
            if limit is not None:
                value = row.medians[k] if row.tuned is None else row.tuned[k]
                yield (at_least if measure.higher else at_most)(f"{row.name}: {measure.name}", value, limit, "")


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--results", type=Path, default=RESULTS)
    own, sys.argv[1:] = parser.parse_known_args()
    arguments = parse_arguments(__doc__, tasks=list(TASKS))
    rows, results = [], Results(own.results)
    for name in arguments.tasks:
        if not TASKS[name].present:
            progress(f"{name}: not found in {DATA}, left out")
            continue
        rows.append(Row(name, N_SEEDS_QUICK if arguments.quick else N_SEEDS, results))
    header = "data", "measure", "default", "range", "fit, s", "tuned", "PyTorch", "times", "floor", "published"
    parts = table(header, [line for row in rows for line in row.lines()])
    report("accuracy", __doc__, [parts, goals([*goal_rows(rows), *goal_rows_of_tasks(rows)])], arguments.write)


if __name__ == "__main__":
    main()
