"""Steps of streams that are not as usual: NAB (12 series) and SMAP and MSL (12 channels), with default parameters.

Of NAB the first 15 % of a series, at most 750 steps, are for training, and the others are scored; of SMAP and MSL there
is a training part without marked steps. Read from the folder that the environment variable SKRNN_DATA names (default:
``../shared/data`` beside the project). Labels are for scoring only; the design was chosen on the first four series of
NAB and on A-1, D-1, E-1, C-1, D-14 and F-7 of the others.

*AUROC*: of all scored steps of a series, the mean over series; in brackets the range over three seeds (one seed for
"reconstruct"). *VUS-PR*: volume under the precision-recall surface (Paparrizos et al., VLDB 2022), with buffers of 0,
25, 50, 75 and 100 steps around anomalies. *alarms*: share of the other and of the marked steps with a score below
``step_offset_``.

Floors, in standard deviations of the training part, with means of the last 100 steps as the detector takes them:
*linear*, squared errors of a linear forecast from five lags of all channels; *PCA* and *k-means*, errors of windows of
20 steps (90 % of the variance; 10 centres); *distance*, mean absolute distance from the median.
"""

import sys
import time

import numpy as np
from _harness import at_least, goals, parse_arguments, progress, report, table
from _sets import DATA, loaders
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from skrnn import SequenceOutlierDetector

WINDOW, SMOOTHING, LAGS, BUFFERS, N_SEEDS = 20, 100, 5, (0, 25, 50, 75, 100), 3
OBJECTIVES = "forecast", "reconstruct"
FLOORS = "linear", "PCA", "k-means", "distance"
BARS = {"NAB": 0.66, "SMAP, MSL": 0.68}


class Series:
    """A series to score: the part for training, what is scored, and which of its steps are marked."""

    def __init__(self, name, train, stream, marked, n_warm_up=0):
        self.name, self.train, self.stream, self.marked = name, train, stream, marked[n_warm_up:]
        self.n_warm_up = n_warm_up

    def measures(self, abnormality):
        """AUROC and VUS-PR of what is higher where a step is less usual."""
        scored = abnormality[self.n_warm_up :]
        return roc_auc_score(self.marked, scored), vus_pr(self.marked, scored)


def nab():
    load = loaders()
    for name in load.nab():
        values, marked, _ = load.nab(name)
        n = min(int(0.15 * len(values)), 750)
        stream = values[:, np.newaxis].astype(float)
        yield Series(name, stream[:n], stream, marked, n)


def smap_msl():
    load = loaders()
    for channel in load.SMAP_MSL:
        train, test, marked = load.smap_msl(channel)
        yield Series(channel, train.astype(float), test.astype(float), marked)


# ------------------------------------------------------------------------------------------------------------ measures
def vus_pr(marked, abnormality):
    """Mean over the buffers of the area under the precision-recall curve of steps and events."""
    return float(np.mean([_range_pr(marked, abnormality, buffer) for buffer in BUFFERS]))


def _range_pr(marked, abnormality, buffer, n_thresholds=250):
    """As Paparrizos et al. define it: marks fade out over half a buffer on each side; recall counts events, too."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
    events, soft = edges.reshape(-1, 2), marked.astype(float)
    half, n = buffer // 2, len(marked)
    for begin, end in events:
        near = np.sqrt(1 - np.arange(1, half + 1) / max(buffer, 1))
        after, before = np.arange(end, min(n, end + half)), np.arange(begin - 1, max(-1, begin - 1 - half), -1)
        soft[after] = np.minimum(1, soft[after] + near[: len(after)])
        soft[before] = np.minimum(1, soft[before] + near[: len(before)])
    positive = (marked.sum() + soft.sum()) / 2
    thresholds = np.sort(abnormality)[::-1][np.linspace(0, n - 1, n_thresholds).astype(int)]
    best = np.array([abnormality[max(0, a - half) : b + half].max() for a, b in events])
    area, last = 0.0, 0.0
    for threshold in thresholds:
        found = abnormality >= threshold
        true = soft[found].sum()
        recall = min(true / positive, 1) * (best >= threshold).mean()
        area, last = area + (recall - last) * true / found.sum(), recall
    return area


def smooth(values):
    sums = np.cumsum(np.concatenate([[0.0], values]))
    steps = np.arange(1, len(values) + 1)
    first = np.maximum(steps - SMOOTHING, 0)
    return (sums[steps] - sums[first]) / (steps - first)


# -------------------------------------------------------------------------------------------------------------- floors
def floors(series):
    """How unusual the steps are to simple methods, by name, smoothed."""
    mean, scale = series.train.mean(axis=0), series.train.std(axis=0)
    scale[scale < 1e-8] = 1
    train, stream = ((values - mean) / scale for values in (series.train, series.stream))
    linear = Ridge(1.0).fit(_windows(train, LAGS)[LAGS - 1 : -1], train[LAGS:])
    predicted = np.concatenate([stream[:1], linear.predict(_windows(stream, LAGS)[:-1]).reshape(-1, train.shape[1])])
    known, seen = _windows(train, WINDOW)[WINDOW - 1 :], _windows(stream, WINDOW)
    pca = PCA(0.9).fit(known)
    rebuilt = pca.inverse_transform(pca.transform(seen))
    centres = KMeans(10, n_init=3, random_state=0).fit(known)
    found = {
        "linear": ((stream - predicted) ** 2).mean(axis=1),
        "PCA": ((seen - rebuilt) ** 2).mean(axis=1),
        "k-means": centres.transform(seen).min(axis=1),
        "distance": np.abs(stream - np.median(train, axis=0)).mean(axis=1),
    }
    return {name: smooth(values) for name, values in found.items()}


def _windows(values, n):
    """The last n steps of each step side by side; before the first one there is the first one."""
    padded = np.concatenate([np.repeat(values[:1], n - 1, axis=0), values])
    return np.lib.stride_tricks.sliding_window_view(padded, n, axis=0).reshape(len(values), -1)


# ---------------------------------------------------------------------------------------------------------------- main
def measure(series, objective, seeds):
    """Measures (n_seeds, 2), shares of alarms among other and marked steps, seconds of a fit."""
    measured, alarms, seconds = [], [], []
    for seed in seeds:
        start = time.perf_counter()
        detector = SequenceOutlierDetector(objective=objective, random_state=seed).fit([series.train])
        seconds.append(time.perf_counter() - start)
        (scores,) = detector.step_scores([series.stream])
        measured.append(series.measures(-scores))
        alarm = (scores < detector.step_offset_)[series.n_warm_up :]
        alarms.append([alarm[~series.marked].mean(), alarm[series.marked].mean()])
    return np.array(measured), np.mean(alarms, axis=0), np.median(seconds)


def run(name, series, seeds):
    """Rows of a table of series, rows of the means, and the AUROC of the detector and of the hardest floor."""
    rows, of_floors, of_detectors = [], [], {objective: [] for objective in OBJECTIVES}
    for one in series:
        progress(f"{name}: {one.name}")
        simple = {floor: one.measures(values) for floor, values in floors(one).items()}
        of_floors.append([simple[floor] for floor in FLOORS])
        found = {
            objective: measure(one, objective, seeds[: None if objective == "forecast" else 1])
            for objective in OBJECTIVES
        }
        for objective, (measured, _, _) in found.items():
            of_detectors[objective].append(measured)
        measured, (other, marked), seconds = found["forecast"]
        own = [f"{found[objective][0][:, 0].mean():.3f}" for objective in OBJECTIVES]
        rows.append(
            [
                one.name,
                *own,
                *(f"{simple[f][0]:.3f}" for f in FLOORS),
                f"{other:.2f}",
                f"{marked:.2f}",
                f"{seconds:.1f}",
            ]
        )
    means = []
    for objective, measured in of_detectors.items():
        by_seed = np.mean(measured, axis=0)
        means.append([name, objective, *(f"{by_seed[:, k].mean():.3f} ({np.ptp(by_seed[:, k]):.3f})" for k in (0, 1))])
    by_floor = np.mean(of_floors, axis=0)
    means += [[name, floor, *(f"{value:.3f}" for value in by_floor[k])] for k, floor in enumerate(FLOORS)]
    reached = np.mean(of_detectors["forecast"], axis=(0, 1))
    return (
        rows,
        means,
        [
            at_least(f"{name}: AUROC", reached[0], BARS[name], ""),
            at_least(f"{name}: AUROC of the hardest floor", reached[0], by_floor[:, 0].max(), ""),
            at_least(f"{name}: VUS-PR of PCA", reached[1], by_floor[FLOORS.index("PCA"), 1], ""),
        ],
    )


def main():
    sets = {"NAB": nab, "SMAP, MSL": smap_msl}
    arguments = parse_arguments(__doc__, sets=tuple(sets))
    if not (DATA / "load.py").exists():
        sys.exit("the data are not there: set SKRNN_DATA to the folder of load.py")
    seeds, parts, means, wanted = range(1 if arguments.quick else N_SEEDS), [], [], []
    for name in arguments.sets:
        series = list(sets[name]())[: 2 if arguments.quick else None]
        rows, of_set, goals_of_set = run(name, series, seeds)
        parts.append(table((name, *OBJECTIVES, *FLOORS, "alarms", "of marked", "fit s"), rows))
        means, wanted = means + of_set, wanted + goals_of_set
    report(
        "outliers",
        __doc__,
        [table(("mean", "method", "AUROC", "VUS-PR"), means), *parts, goals(wanted)],
        arguments.write,
    )


if __name__ == "__main__":
    main()
