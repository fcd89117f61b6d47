"""A search in a file: the rungs that are done, and the states of training from which it goes on."""

from collections.abc import Mapping
from dataclasses import fields
from inspect import ismethod
from pathlib import Path
from pickle import PicklingError

import joblib
from sklearn import get_config
from sklearn.base import clone

from .._core.parameters import PYTHONS, described, plain
from .._core.version import __version__
from ..estimators._description import NOT_OF_THE_RESULT
from ..persistence._zip import read_archive, write_archive
from ._candidates import last_step, own_callbacks_of
from ._runs import DoneRung, Run

KEYS = {"search", "seed", "rungs"}
PARAMETERS = "factor", "min_resources", "scoring", "error_score", "return_train_score"  # that results depend on


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
            content, _ = read_archive(path, max_bytes=float("inf"))  # states of many candidates are what it is for
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
        try:
            self.done = [
                DoneRung(rung["candidates"], [[Run(None, *run) for run in runs] for runs in rung["runs"]])
                for rung in self._content["rungs"]
            ]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{self.path} is not the checkpoint of a search: {error}.") from error

    def write(self):
        """Keep the rungs that are done, with the states of the candidates that go on."""
        if self.path is None:
            return
        rungs = [
            {"candidates": rung.candidates, "runs": [[_plain(run) for run in runs] for runs in rung.runs]}
            for rung in self.done
        ]
        write_archive(self.path, {"search": self._description, "seed": self.seed, "rungs": rungs})


def _plain(run):
    """All fields of a run but the pipeline, whose transformers are fitted again."""
    return [getattr(run, each.name) for each in fields(run) if each.name != "pipeline"]


def describe_search(search, candidates, splits, data):
    """Description of a search, as text: what a run must have in common with the one that it goes on from.

    data : X, y and metadata by name.
    """
    estimator = clone(search.estimator)
    names = [name for name in estimator.get_params() if name.rpartition("__")[2] in NOT_OF_THE_RESULT]
    estimator.set_params(**dict.fromkeys(names))
    values = {"estimator": estimator, "candidates": candidates}
    values |= {name: getattr(search, name) for name in PARAMETERS}
    # the score that candidates are compared by
    values["refit"] = search.refit if isinstance(search.refit, str) else None
    values["routing"] = str(search.get_metadata_routing()) if get_config()["enable_metadata_routing"] else None
    values["callbacks"] = [callback._fingerprint() for callback in own_callbacks_of(last_step(search.estimator))]
    marks = {"cv": joblib.hash(splits)} | {name: joblib.hash(value, coerce_mmap=True) for name, value in data.items()}
    return {name: _text_of(name, value) for name, value in values.items()} | marks


def _text_of(name, value):
    """Description of what a search is given by this name."""
    try:
        return repr(_described(value))
    except PicklingError as error:
        raise ValueError(
            f"checkpoint cannot tell whether another run has the same {name}, since a part of it cannot be pickled "
            f"({error}): define functions at the top level of a module, in place of a lambda or a function inside of "
            "another, or search without a checkpoint."
        ) from error


def _described(value):
    """What a parameter means: plain values, functions and classes by their names, objects by what they hold."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {str(name): _described(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    if type(value) in PYTHONS or hasattr(value, "__array__"):
        return described(value)
    if "<" not in getattr(value, "__qualname__", "<") and not ismethod(value):  # which belongs to an object
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_params") and not isinstance(value, type):
        return [type(value).__qualname__, _described(value.get_params(deep=False))]
    try:
        return joblib.hash(value)
    except Exception as error:  # of pickle, of many types
        raise PicklingError(getattr(value, "__qualname__", type(value).__qualname__)) from error
