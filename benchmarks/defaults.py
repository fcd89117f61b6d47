"""Trials of default parameters on the training parts of real data: what a change is worth, and what it costs.

A change is one of ``CHANGES``: parameters that differ from the defaults. Each training part (2000 sequences at most) is
cut into three folds, stratified by class; the engines of C-MAPSS stay whole, and series are cut in time. Networks are
trained on two folds and score on the third: all three in turn for sets of up to 200 sequences, else one. With
``--seeds 3``, this is repeated with other folds and other networks. With ``--networks 5``, each fold has five networks
of other ``random_state``, which show how much scores owe to it. Test parts are never read
(telemetry is divided for outliers only).

*score*: accuracy or R², in percent. *points*: difference of the scores, mean over sets and standard error of this mean;
differences of less than two standard errors may be chance. *better, worse*: number of sets. *errors*: factor of 101
less the score, geometric mean over sets. *time*: factor of the CPU time of a fit on one thread, geometric mean.
*spread*: standard deviation of the scores of the networks of a fold, mean over folds and sets; by defaults, changed.
``--only smooth`` keeps the sets whose networks read differences by default, ``--only rough`` the other series.
``--few`` trains on about six sequences of each class, at most half of the training part, and scores on all others: more
than folds of small sets have. It is for one class for each sequence.

Results are stored in ``build/defaults.jsonl``, or in the file given by ``--results``, and are not computed again while
the parameters are the same; remove the file where the package has changed. The last line says how many changes the
file holds: with many of them, the best one owes something to chance.
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from _harness import ROOT, geometric_mean, progress, table
from _sets import DATA
from _trials import NUMBERS, SERIES, TRIALS
from sklearn.base import clone

from skrnn import Augmentation
from skrnn._core.parameters import described
from skrnn.convolution import Conv
from skrnn.schedules import Cosine

RESULTS = ROOT / "build" / "defaults.jsonl"
FEW_TO_COMPILE = 48  # sequences of a fit that compiles


def previous(n_sequences, trial):
    """The defaults before networks read differences, penalties knew of noise, and epochs of words and of targets."""
    n_batches = -(-n_sequences // min(max(n_sequences // 16, 16), 64))
    parameters = {"differences": False, "max_iter": min(max(-(-1500 // n_batches), 20), 200)}
    return parameters | ({"augmentation": None} if trial.is_classification else {"alpha": 3e-3})


CHANGES = {
    "previous defaults": previous,
    "convolution=None": {"convolution": None},
    "convolution with a stride": {"convolution": Conv(32, 9, stride=4), "augmentation": None},
    "convolution with a stride, warps": {"convolution": Conv(32, 9, stride=4), "augmentation": Augmentation()},
    "augmentation=None": {"augmentation": None},
    "augmentation": {"augmentation": Augmentation()},
    "augmentation, more time": {"augmentation": Augmentation(time_warp=4)},
    "augmentation by crops": {"augmentation": Augmentation(time_warp=1, crop=0.7)},
    "augmentation by scales": {"augmentation": Augmentation(time_warp=1, scale=1.2)},
    "differences=False": {"differences": False},
    "differences=True": {"differences": True},
    "convolution=Conv(32, 5)": {"convolution": Conv(32, 5)},
    "hidden_layer_sizes=(64, 64)": {"hidden_layer_sizes": (64, 64)},
    "hidden_layer_sizes=128": {"hidden_layer_sizes": 128},
    "learning_rate=Cosine(warmup=0.3)": {"learning_rate": Cosine(warmup=0.3)},
    "input_dropout=0.1": {"input_dropout": 0.1},
    "subwords=False": {"subwords": False},
    "subwords=True": {"subwords": True},
    "subwords=False, min_count=2": {"subwords": False, "min_count": 2},
    "subwords=True, min_count=1": {"subwords": True, "min_count": 1},
    "input_dropout=0.3": {"input_dropout": 0.3},
    "alpha=0.003": {"alpha": 3e-3},
    "alpha=0.0003": {"alpha": 3e-4},
    "early_stopping=True": {"early_stopping": True},
    "n_networks=4": {"n_networks": 4},
    "n_networks=4, hidden_layer_sizes=32": {"n_networks": 4, "hidden_layer_sizes": 32},
}


class Results:
    """Scores and seconds by set, change, seed and fold, kept in a file."""

    def __init__(self, path, n_networks=1, few=False):
        self.path, self.n_networks, self.few, self.runs = path, n_networks, few, {}
        if path.exists():
            self.runs = {tuple(run["key"]): run for run in map(json.loads, path.read_text().splitlines())}

    def run(self, name, change, seed):
        """Make the runs of a set that are not there yet; returns scores and seconds: (folds, networks, 2)."""
        trial, found = TRIALS[name], []
        for fold, data in enumerate(trial.few(seed) if self.few else trial.folds(seed)):
            changed = CHANGES[change] if change else {}
            changed = changed(len(data[0]), trial) if callable(changed) else changed
            of_fold = []
            for network in range(self.n_networks):
                state = 10 * seed + fold + 1000 * network
                model = trial.estimator(random_state=state, n_jobs=1, **trial.required | changed)
                key = name, change or "defaults", seed, "few" if self.few else fold, joblib.hash(repr(described(model)))
                if key not in self.runs:
                    self._keep({"key": key} | trained(trial, model, *data))
                of_fold.append((self.runs[key]["score"], self.runs[key]["seconds"]))
            found.append(of_fold)
        return np.array(found)

    def _keep(self, run):
        self.runs[run["key"]] = run
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(run) + "\n")


def trained(trial, model, X, y, X_scored, y_scored):
    """Seconds of a fit, and the score; all kernels are compiled before."""
    few = slice(None, None, max(len(X) // FEW_TO_COMPILE, 1))
    clone(model).set_params(max_iter=1).fit(X[few], y[few])
    start = time.process_time()
    model.fit(X, y)
    return {"seconds": time.process_time() - start, "score": float(trial.score(model, X_scored, y_scored))}


def compared(of_sets):
    """Row of a table from the scores and seconds of defaults and of a change, for each set."""
    before, after = (np.array([found[k].mean(axis=(0, 1)) for found in of_sets]) for k in (0, 1))
    several = of_sets[0][0].shape[1] > 1
    spread = [np.mean([found[k][:, :, 0].std(axis=1, ddof=1).mean() for found in of_sets]) for k in (0, 1) if several]
    points = after[:, 0] - before[:, 0]
    error = f" ± {points.std(ddof=1) / np.sqrt(len(points)):.1f}" if len(points) > 1 else ""
    return (
        len(points),
        f"{points.mean():+.1f}{error}",
        f"{(points > 0).sum()}, {(points < 0).sum()}",
        f"{geometric_mean((101 - after[:, 0]) / (101 - before[:, 0])):.2f}",
        f"{geometric_mean(after[:, 1] / before[:, 1]):.2f}",
        ", ".join(f"{value:.1f}" for value in spread),
    )


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=["previous defaults"])
    parser.add_argument("--sets", nargs="+", choices=TRIALS, default=list(TRIALS))
    parser.add_argument("--only", choices=["smooth", "rough"])
    parser.add_argument("--few", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--networks", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def main():
    arguments = parsed()
    if not (DATA / "load.py").exists():
        sys.exit("the data are not there: set SKRNN_DATA to the folder of load.py")
    warnings.simplefilter("ignore", UserWarning)
    names = [name for name in arguments.sets if not arguments.only or name in SERIES | NUMBERS]
    if arguments.only:
        names = [name for name in names if TRIALS[name].is_smooth() == (arguments.only == "smooth")]
    results, rows, summary = Results(arguments.results, arguments.networks, arguments.few), [], []
    for change in arguments.changes:
        found = []
        for name in names:
            try:
                both = [
                    np.concatenate([results.run(name, which, seed) for seed in range(arguments.seeds)])
                    for which in (None, change)
                ]
            except ValueError as error:  # such data do not go with the change
                progress(f"{name}, {change}: left out, {error}")
                continue
            found.append(both)
            scores = [f"{of_all[..., 0].mean():.1f}" for of_all in both]
            rows.append([name, change, *scores, f"{both[1][..., 0].mean() - both[0][..., 0].mean():+.1f}"])
            progress(f"{rows[-1]}")
        if found:
            summary.append([change, *compared(found)])
    print(table(("set", "change", "defaults", "changed", "points"), rows))
    print(table(("change", "sets", "points", "better, worse", "errors", "time", "spread"), summary))
    print(f"{len({run[1] for run in results.runs} - {'defaults'})} changes in {arguments.results}")


if __name__ == "__main__":
    main()
