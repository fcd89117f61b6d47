"""Accuracy on real data: default and tuned networks, a PyTorch loop, floors and published results.

*default*: ``RNNClassifier(random_state=seed)`` or ``RNNRegressor(random_state=seed)`` with nothing set but what the data
demand: ``missing="mask"`` or ``"decay"`` where values are missing, and one direction where a network that reads from
both ends would see what it is to predict (JSB chorales). Median over seeds, and range. *fit*: seconds on two threads.
How the defaults were chosen, without the test parts, is told in :doc:`defaults`. *tuned*: the best network that was
found on held-out parts of the training part, ``-`` where that is the default; median over the same seeds. The choices
are in ``benchmarks/_tasks.py``.

*PyTorch*: a loop over the same batches of the same size for the same number of updates, with the network, loss, penalty,
dropout, clipping, Adam and learning rates of the fitted default, ``pack_padded_sequence``, data that were padded once
and ``Adam(fused=True)``, on the faster of one and two threads; one seed. *times*: its seconds over those of skrnn.

*floor*: a simple method on exactly these parts, untuned: a linear model or SVC on summaries, flat series, words or
n-grams, or the commonest tag of each word. *published*: a recurrent network, where a result could be confirmed; with a
star it had another split of the data, or vectors of words that were trained elsewhere, so that it cannot be compared
quite. The mean of repeated runs of an echo state network is what is published for most sets of the archive; for
PenDigits, UWaveGestureLibrary and IndoorMovement there is only a network of recurrent and convolutional layers side by
side, the best of several runs.

The digits come with scikit-learn. All others are read with the ``load.py`` in the folder that the environment variable
SKRNN_DATA names (default: ``../shared/data`` beside the project). C-MAPSS: windows of 30 cycles, remaining life capped
at 125 in training and test. ETTh1: z-scores of oil temperature, 24 hours from 96. Exchange rates: eight at once from
168 days. Of both, and of the series below PM2.5, the networks get and predict differences from the last value, one
step ahead for the latter. JapaneseVowels, reservoir: ``SequenceTransformer(objective="reservoir")``, scaling and
logistic regression. PhysioNet: trained on set a, tested on set b; means of 4 hours, quantiles of each variable on a
normal scale, the static variables as channels, ``missing="decay"``; *mean of 5*: the mean probability of five such
networks (``VotingClassifier``).
"""

import time

import numpy as np
from _harness import at_least, at_most, geometric_mean, goals, parse_arguments, progress, report, table
from _sets import DATA
from _tasks import TASKS

from skrnn import RNNClassifier, RNNRegressor

DEFAULTED = RNNClassifier, RNNRegressor
GOALS = {  # of single tasks, of the tuned network where there is one
    ("digits", "accuracy, %"): 96.0,
    ("JapaneseVowels", "accuracy, %"): 97.0,
    ("JapaneseVowels, reservoir", "accuracy, %"): 96.0,
    ("C-MAPSS FD001", "RMSE"): 16.41,
    ("ATIS slots", "span F1, %"): 93.0,
    ("UD English-LinES", "accuracy, %"): 92.0,
    ("names", "accuracy, %"): 83.3,
    ("TREC questions", "accuracy, %"): 85.0,
    ("PhysioNet 2012", "AUROC"): 0.84,
    ("PhysioNet 2012, mean of 5", "AUROC"): 0.84,
}
N_SEEDS, N_SEEDS_QUICK = 5, 1
N_JOBS = 2
WARM_UP = 64  # sequences of the fit that compiles


def runs(name, n_seeds, tuned=False):
    """Scores (n_seeds, n_measures) and seconds of fits with the seeds 0 .. n_seeds - 1, and the last model."""
    task, scores, seconds = TASKS[name], [], []
    X, y, X_test, y_test = task.read()
    kept = range(0, len(X), max(len(X) // WARM_UP, 1))
    task.model(0, N_JOBS, tuned).fit([X[k] for k in kept], [y[k] for k in kept])
    for seed in range(n_seeds):
        progress(f"{name}, {'tuned' if tuned else 'default'}, seed {seed}")
        start = time.perf_counter()
        model = task.model(seed, N_JOBS, tuned).fit(X, y)
        seconds.append(time.perf_counter() - start)
        scores.append([measure.function(model, X_test, y_test) for measure in task.measures])
    return np.array(scores), seconds, model


class Row:
    """What was measured of a task."""

    def __init__(self, name, n_seeds):
        self.name, self.task = name, TASKS[name]
        self.scores, self.seconds, model = runs(name, n_seeds)
        self.medians = np.median(self.scores, axis=0)
        self.tuned = np.median(runs(name, n_seeds, tuned=True)[0], axis=0) if self.task.tuned else None
        self.torch = None
        if self.task.torch:
            from _torch_classifier import fit_twin

            progress(f"{name}, PyTorch")
            self.torch = fit_twin(model, *self.task.read())

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
        return form(score), f"{self.ratio:.1f} ({self.torch['threads']})"

    @property
    def ratio(self):
        """Times of PyTorch over times of skrnn."""
        return self.torch["seconds"] / float(np.median(self.seconds))


def goal_rows(rows):
    """What the defaults must reach over all tasks."""
    judged = [
        (row, measure, row.medians[k])
        for row in rows
        for k, measure in enumerate(row.task.measures)
        if row.task.estimator in DEFAULTED and not row.name.endswith("of 5")
    ]
    yield from _shares(judged)
    gaps = {row.name: measure.floor.value - value for row, measure, value in judged if measure.floor and measure.is_share}
    if gaps:
        worst = max(gaps, key=gaps.get)
        yield at_most(f"farthest below its floor ({worst})", gaps[worst], 5, "points")
    times = {row.name: max(row.seconds) for row in rows if row.task.estimator is RNNClassifier}
    if times:
        longest = max(times, key=times.get)
        yield at_most(f"longest fit of a classifier ({longest})", times[longest], 60, "s")
    ratios = [row.ratio for row in rows if row.torch]
    if ratios:
        yield at_least(f"PyTorch's time over skrnn's, geometric mean of {len(ratios)}", geometric_mean(ratios), 3)


def _shares(judged):
    """How many tasks reach what is published, and their floors."""
    for which, text, share in (("published", "default at least as good as published", 2 / 3), ("floor", "as floor", 0.5)):
        figures = [(getattr(measure, which), measure, value) for _, measure, value in judged]
        for note, kept in (("", figures), (", without those with a star", [f for f in figures if f[0] and not f[0].note])):
            reached = [measure.reaches(value, figure) for figure, measure, value in kept if figure]
            if reached and (which == "published" or not note):
                yield at_least(f"{text}{note}: {sum(reached)} of {len(reached)}", 100 * np.mean(reached), 100 * share, "%")


def earlier_goal_rows(rows):
    """Goals of single tasks, of the tuned network where there is one, else of the default."""
    for row in rows:
        for k, measure in enumerate(row.task.measures):
            limit = GOALS.get((row.name, measure.name))
            if limit is not None:
                check = at_least if measure.higher else at_most
                value = row.medians[k] if row.tuned is None else row.tuned[k]
                yield check(f"{row.name}: {measure.name}", value, limit, "")


def main():
    arguments = parse_arguments(__doc__, tasks=list(TASKS))
    rows = []
    for name in arguments.tasks:
        if not TASKS[name].present:
            progress(f"{name}: not found in {DATA}, left out")
            continue
        rows.append(Row(name, N_SEEDS_QUICK if arguments.quick else N_SEEDS))
    header = ("data", "measure", "default", "range of seeds", "fit, s", "tuned", "PyTorch", "times", "floor", "published")
    parts = [table(header, [line for row in rows for line in row.lines()])]
    report("accuracy", __doc__, [*parts, goals([*goal_rows(rows), *earlier_goal_rows(rows)])], arguments.write)


if __name__ == "__main__":
    main()
