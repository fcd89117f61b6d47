"""A search in a file: the rungs that are done, and the states of training from which it goes on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np

from .._core.parameters import described
from .._core.version import __version__
from ..persistence._zip import read_archive, write_archive
from ._runs import DoneRung, Run

KEYS = {"search", "seed", "rungs", "states"}


class Record:
    """The file of a search; none where `path` is None.

    Parameters
    ----------
    path : path-like or None

    Attributes
    ----------
    seed : int or None
        By which candidates were drawn, if the search has no `random_state`.
    done : list of DoneRung
        The rungs that are done.
    """

    def __init__(self, path):
        self.path, self.seed, self.done, self._content = path, None, [], None
        if path is None:
            return
        if not Path(path).parent.is_dir():
            raise FileNotFoundError(f"There is no directory for the checkpoint {path}.")
        if Path(path).exists():
            content, _ = read_archive(path)
            if not isinstance(content, dict) or set(content) != KEYS:
                raise ValueError(f"{path} is not the checkpoint of a search.")
            self._content, self.seed = content, content["seed"]

    def find(self, description):
        """Take the rungs that a run of the search with this description has done; refuses the file of another."""
        self._description = {"skrnn": __version__} | description
        if self._content is None:
            return
        then, now = self._content["search"], self._description
        names = [name for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]
        if names:
            raise ValueError(
                f"{self.path} is the checkpoint of another search: {', '.join(names)} differ. Restore them, or remove "
                "the file to start anew."
            )
        done = self.done = [
            DoneRung(rung["candidates"], [[_run(*run) for run in runs] for runs in rung["runs"]])
            for rung in self._content["rungs"]
        ]
        for candidate, states in self._content["states"]:
            runs = done[-1].runs[done[-1].candidates.index(candidate)]
            runs[:] = [replace(run, state=state) for run, state in zip(runs, states, strict=True)]

    def write(self, going_on):
        """Keep the rungs that are done, and the states of the candidates that go on."""
        if self.path is None:
            return
        last = self.done[-1]
        content = {
            "search": self._description,
            "seed": self.seed,
            "rungs": [
                {"candidates": rung.candidates, "runs": [[_plain(run) for run in runs] for runs in rung.runs]}
                for rung in self.done
            ],
            "states": [
                [candidate, [run.state for run in runs]]
                for candidate, runs in zip(last.candidates, last.runs, strict=True)
                if candidate in going_on
            ],
        }
        write_archive(self.path, content)


def _plain(run):
    return [run.n_epochs, run.n_most, run.ended, run.result]


def _run(n_epochs, n_most, ended, result):
    return Run(None, None, n_epochs, n_most, ended, result)


def describe_search(search, candidates, splits, data):
    """Description of a search, in plain values: what a run must have in common with the one that it goes on from.

    data : X, y and metadata by name.
    """
    values = {"estimator": _described(search.estimator), "candidates": [_described(one) for one in candidates]}
    for name in ("factor", "min_resources", "scoring", "error_score", "return_train_score"):
        values[name] = _described(getattr(search, name))
    values["refit"] = (
        search.refit if isinstance(search.refit, str) else None
    )  # the score that candidates are compared by
    marks = {"cv": joblib.hash(splits)} | {name: joblib.hash(value, coerce_mmap=True) for name, value in data.items()}
    return values | marks


def _described(value):
    """What a parameter means, in plain values; functions by their names, since they have no other description."""
    if isinstance(value, Mapping):
        return {str(name): _described(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    value = described(value)
    return repr(value) if isinstance(value, float) and np.isnan(value) else value
