"""What a search has found, as columns beside those of scikit-learn's searches."""

import numpy as np


def rows_of(rungs, done):
    """Rung, number of the candidate, and runs on all splits, for each row of ``cv_results_``."""
    # no more than are done, where the user has ended a search
    return [(rung, candidate, runs) for rung, each in zip(rungs, done, strict=False) for candidate, runs in each]


def columns(rows):
    """The columns of ``cv_results_`` that other searches do not have."""
    return {
        "iter": [rung.number for rung, _, _ in rows],
        "candidate": [candidate for _, candidate, _ in rows],
        "n_resources": [max(rung.n_epochs(run.n_most) for run in runs) for rung, _, runs in rows],
        "n_epochs": [np.mean([run.n_epochs for run in runs]) for _, _, runs in rows],
    }


def sizes(results):
    """Candidates and epochs of each rung, from ``cv_results_``."""
    rungs = [results["iter"] == number for number in range(results["iter"].max() + 1)]
    return {
        "n_iterations_": len(rungs),
        "n_candidates_": [int(rung.sum()) for rung in rungs],
        "n_resources_": [int(results["n_resources"][rung].max()) for rung in rungs],
    }
