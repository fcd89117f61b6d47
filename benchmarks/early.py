"""Early decisions: accuracy and share of the steps read, on fourteen sets of the time-series archive.

*all*: accuracy of ``RNNClassifier(bidirectional=False, random_state=0)``, which reads whole sequences. *early*, *read*:
accuracy of ``EarlyClassifier`` around the same network with ``cv=3`` and else default parameters, and the mean share of
the steps that it reads. *mean*: harmonic mean of the accuracy and of the share that was not read. *prefixes*: whether
cross-validation chose to train on prefixes, too. *fixed*: accuracy of the calibrated network inside at the same step
for all sequences, the one nearest to the mean share read.

The official training and test parts. The default parameters were chosen by cross-validation on training parts of nine
sets (all but Epilepsy, Handwriting, UWaveGestureLibrary, ECG5000 and SwedishLeaf). Test parts were read at the end, and
again when small samples of these training parts had made the choice of the threshold more careful, and when networks
had come to read changes of smooth series. Read from the folder that the environment variable SKRNN_DATA names (default:
``../shared/data`` beside the project).
"""

import sys
import time

import numpy as np
from _harness import at_least, at_most, goals, parse_arguments, progress, report, table
from _sets import DATA, archive

from skrnn import EarlyClassifier, RNNClassifier

QUICK = "ItalyPowerDemand", "JapaneseVowels", "BasicMotions", "Libras", "SyntheticControl"
OTHERS = "GunPoint", "ArrowHead", "PenDigits", "MelbournePedestrian", "Handwriting", "Epilepsy"
SLOW = "SwedishLeaf", "ECG5000", "UWaveGestureLibrary"
MOST_LOST, MOST_READ, AIM = 2.0, 60.0, 40.0


def at_fixed_share(early, X, y, share):
    """Accuracy where each sequence is read up to the same share, which needs to know its length."""
    lengths = np.array([len(x) for x in X])
    ends, right = np.maximum(np.rint(share * lengths), 1), np.zeros(len(X), bool)
    for t, proba in enumerate(early.estimator_.staged_predict_proba(X), 1):
        now = ends == t
        right[now] = early.estimator_.classes_[proba[now].argmax(axis=1)] == y[now]
    return float(right.mean())


def measure(name):
    """What the test part of a set says: all, early, share read, harmonic mean, fixed; and prefixes and CPU seconds."""
    X, y, X_test, y_test = archive(name)
    missing = "mask" if any(np.isnan(x).any() for x in (*X, *X_test)) else "error"
    network = RNNClassifier(bidirectional=False, missing=missing, random_state=0)
    start = time.process_time()
    whole = network.fit(X, y).score(X_test, y_test)
    early = EarlyClassifier(network, cv=3, random_state=0).fit(X, y)
    result, seconds = early.evaluate(X_test, y_test), time.process_time() - start
    fixed = at_fixed_share(early, X_test, y_test, result.share_read)
    numbers = whole, result.accuracy, result.share_read, result.harmonic_mean, fixed
    progress(f"{name}: {numbers}, prefixes {early.prefixes_}, {seconds:.0f} s")
    return 100 * np.array(numbers), early.prefixes_, seconds


def main():
    arguments = parse_arguments(__doc__, sets=(*QUICK, *OTHERS, *SLOW))
    if not (DATA / "load.py").exists():
        sys.exit("the data are not there: set SKRNN_DATA to the folder of load.py")
    names = [name for name in arguments.sets if name in QUICK or not arguments.quick]
    rows, found = [], []
    for name in names:
        numbers, prefixes, seconds = measure(name)
        found.append(numbers)
        rows.append([name, *(f"{x:.1f}" for x in numbers), "yes" if prefixes else "no", f"{seconds:.0f}"])
    means = np.mean(found, axis=0)
    rows.append([f"mean of {len(names)}", *(f"{x:.1f}" for x in means), "", ""])
    wanted = [
        at_least("accuracy lost, points", means[1] - means[0], -MOST_LOST, ""),
        at_most("share read, %", means[2], MOST_READ, "", AIM),
        at_least("accuracy at a fixed share", means[1], means[4], ""),
    ]
    heads = "set", "all %", "early %", "read %", "mean %", "fixed %", "prefixes", "CPU s"
    report("early", __doc__, [table(heads, rows), goals(wanted)], arguments.write)


if __name__ == "__main__":
    main()
