"""Estimators in files: `skrnn.save` and `skrnn.load`, pickle, joblib and skops."""

import contextlib
import copy
import json
import os
import pickle
import random
import threading
import tracemalloc
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from saved_estimators import LABELS, MAKE, SHORT, TOKENS, X, fitted, outputs, same
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from write_release_files import FILES, SEQUENCES, predict

import skrnn
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer, cells
from skrnn.cells import GRU, register_cell
from skrnn.losses import BinomialLogLoss, SquaredError
from skrnn.optimizers import Adam
from skrnn.persistence._attributes import STATE_FORMAT, plain_attributes
from skrnn.persistence._estimators import (
    ESTIMATORS,
    TRUSTED_TYPES,
    estimator_from_plain,
    estimator_to_plain,
    read_estimator,
    write_estimator,
)
from skrnn.persistence._zip import read_archive, write_archive
from skrnn.preprocessing import PerStep, TokenEncoder

each = pytest.mark.parametrize("name", MAKE)


def assert_same(one, other, X):
    """The same class, parameters, attributes and predictions."""
    assert type(one) is type(other)
    assert repr(one) == repr(other).replace("memmap(", "array(")
    assert same(attributes(one), attributes(other))
    for a, b in zip(outputs(one, X), outputs(other, X), strict=True):
        assert_array_equal(a, b)


def attributes(estimator):
    """Fitted attributes; of a structure and so on the plain form, where all parts are the package's."""
    return plain_attributes({name: value for name, value in vars(estimator).items() if name.endswith("_")})


# --------------------------------------------------------------------------------------------------- save and load
@each
def test_a_loaded_estimator_is_the_one_that_was_saved(name, tmp_path):
    estimator, X = fitted(name)
    skrnn.save(estimator, tmp_path / "a.skrnn")
    loaded = skrnn.load(tmp_path / "a.skrnn")
    assert_same(estimator, loaded, X)
    skrnn.save(loaded, str(tmp_path / "b.skrnn"))
    assert (tmp_path / "a.skrnn").read_bytes() == (tmp_path / "b.skrnn").read_bytes()


@pytest.mark.parametrize("name", ["instances", "tokens", "several numbers of Huber", "reservoir"])
def test_a_loaded_estimator_can_be_fitted_again(name, tmp_path):
    estimator, X = fitted(name)
    skrnn.save(estimator, tmp_path / "a")
    y = LABELS if isinstance(estimator, RNNClassifier) else np.column_stack([LABELS, LABELS])
    again, expected = (clone(one).fit(X, y) for one in (skrnn.load(tmp_path / "a"), estimator))
    assert_same(expected, again, X)


def test_partial_fit_goes_on_after_loading(tmp_path):
    estimator, X = fitted("part by part")
    skrnn.save(estimator, tmp_path / "a")
    copies = [skrnn.load(tmp_path / "a"), pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)]
    one, *others = (duplicate.partial_fit(X, LABELS) for duplicate in copies)
    for other in others:
        assert_same(one, other, X)


@pytest.mark.parametrize("cls", ESTIMATORS.values())
def test_an_estimator_that_is_not_fitted(cls, tmp_path):
    estimator = cls(7, GRU(), solver=Adam(beta_1=0.5), random_state=3)
    has_categories = "categorical_features" in estimator.get_params()
    if has_categories:
        estimator.set_params(categorical_features=np.array([True, False]))
    if cls is RNNClassifier:
        estimator.set_params(class_weight={True: 2.0, False: 1})
    skrnn.save(estimator, tmp_path / "a")
    loaded = skrnn.load(tmp_path / "a")
    assert repr(loaded) == repr(estimator)
    assert not {name for name in vars(loaded) if name.endswith("_")}
    if has_categories:
        assert_array_equal(loaded.categorical_features, [True, False])


def test_a_cell_with_a_name_is_saved_by_it(tmp_path):
    class Mine(GRU):
        """A cell of one's own."""

    clf = RNNClassifier(**SHORT, cell=Mine(reset="before")).fit(X, LABELS)
    with pytest.raises(TypeError, match=r"^cell=Mine.*register_cell"):
        skrnn.save(clf, tmp_path / "a")
    assert not list(tmp_path.iterdir())
    register_cell("mine", Mine)
    try:
        skrnn.save(clf, tmp_path / "a")
        loaded = skrnn.load(tmp_path / "a")
        assert type(loaded.structure_.cell) is type(loaded.cell) is Mine
        assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    finally:
        cells._registered.pop("mine")
        cells.CELL_NAMES.options.discard("mine")
    with pytest.raises(ValueError, match=r"no cell of the name 'mine'.*register_cell"):
        skrnn.load(tmp_path / "a")


class Derived(RNNClassifier):
    """An estimator of one's own."""


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (RNNClassifier(random_state=np.random.RandomState(0)), "^random_state=RandomState.*give a number"),
        (RNNRegressor(loss=BinomialLogLoss()), "^loss=BinomialLogLoss"),
        (RNNRegressor(loss=type("Mine", (SquaredError,), {})()), "^loss=Mine"),
        (RNNClassifier(solver=print), "^solver=<built-in function print> cannot be saved"),
        (RNNClassifier(class_weight={object(): 1}), "key of .*class_weight"),
        (RNNClassifier(hidden_layer_sizes={1, 2}), r"\['hidden_layer_sizes'\] is of type builtins.set"),
        (Derived(), "not Derived"),
        (make_pipeline(FunctionTransformer(print)), "not FunctionTransformer.*skops"),
        (3, "not int"),
    ],
)
def test_what_cannot_be_saved_is_named(estimator, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        skrnn.save(estimator, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_holds_more_and_loads_all_the_same(tmp_path):
    clf, X = fitted("classes of numbers")
    training = {"epoch": 3, "moments": [np.arange(4.0), np.float32(2)], "rng": {"state": 2**100}}
    write_estimator(clf, tmp_path / "a", training)
    assert_same(clf, skrnn.load(tmp_path / "a"), X)
    assert same(read_estimator(tmp_path / "a")[1], training)
    skrnn.save(clf, tmp_path / "a")
    assert read_estimator(tmp_path / "a")[1] is None


def test_numbers_in_the_place_of_weights_are_saved(tmp_path):
    clf = copy.deepcopy(fitted("classes of numbers")[0])
    clf.weights_["readout.b"] = np.array([1.0, 2.0, 3.0])  # float64 in a network of float32
    skrnn.save(clf, tmp_path / "a")
    assert_array_equal(skrnn.load(tmp_path / "a").predict_proba(X), clf.predict_proba(X))


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    clf = copy.deepcopy(fitted("classes of numbers")[0])
    clf.weights_["readout.b"][1] = np.nan
    with pytest.raises(ValueError, match=r"readout\.b.*not finite"):
        skrnn.save(clf, tmp_path / "a")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------------- bad files
def set_in(*path, value):
    """A change of a plain value: put `value` at the place `path`, or call it with what is there."""

    def change(plain):
        for key in path[:-1]:
            plain = plain[key]
        plain[path[-1]] = value(plain[path[-1]]) if callable(value) else value

    return change


def attribute(name, *path, value):
    return set_in("attributes", name, *path, value=value)


def structure(name, value):
    return attribute("structure_", name, value=value)


def weight(change):
    return attribute("weights_", "readout.W", value=change)


W = "layers.0.forward.W_x"
BAD = {
    "class": ("tokens", set_in("class", value="os.system"), "no estimator 'os.system'"),
    "part": ("tokens", set_in("more", value=1), "has the parts"),
    "parameter": ("tokens", set_in("parameters", "n_layers", value=3), "no parameters"),
    "parameters": ("tokens", set_in("parameters", value=[]), "parameters are no dict"),
    "output": ("reservoir", set_in("output", value="numpy.load"), "no output"),
    "kind": ("instances", set_in("components", "solver", "kind", value="os"), "no os of the name"),
    "component": ("instances", set_in("components", "cell", "name", value="GRU"), "no cell of the name"),
    "component name": ("instances", set_in("components", "cell", "name", value=["gru"]), "no cell of the name"),
    "component parts": ("instances", set_in("components", "cell", value={"name": 1}), "no component"),
    "component parameter": ("instances", set_in("components", "cell", "parameters", "x", value=1), "no parameters"),
    "attribute of the class": ("tokens", attribute("predict", value=1), "no attribute of a fitted"),
    "special attribute": ("tokens", attribute("__class__", value=1), "no attribute of a fitted"),
    "private attribute": ("tokens", attribute("_fit_", value=1), "no attribute of a fitted"),
    "short solver state": ("part by part", attribute("solver_state_", value=[np.zeros(3)] * 2), "solver_state_ is"),
    "solver state of text": (
        "part by part",
        attribute("solver_state_", 0, value=lambda s: s.astype(str)),
        "not of floats",
    ),
    "no solver state": ("part by part", attribute("solver_state_", value=None), "solver_state_ is"),
    "NaN weight": ("tokens", weight(lambda w: w * np.nan), "not finite"),
    "infinite weight": ("tokens", weight(lambda w: w + np.inf), "not finite"),
    "weights of text": ("tokens", weight(lambda w: w.astype(str)), "not finite, or not of floats"),
    "shape of a weight": ("tokens", weight(lambda w: w.T), "has shape"),
    "weight is a list": ("tokens", weight(lambda w: w.tolist()), "no dict of arrays"),
    "weight too many": ("tokens", attribute("weights_", "more", value=np.zeros(3)), "has shape"),
    "no weight": ("tokens", set_in("attributes", "weights_", value=lambda _: {}), "more layers than weights|has shape"),
    "huge layer": ("tokens", structure("hidden_layer_sizes", (10**12,)), "has shape"),
    "many layers": ("tokens", structure("hidden_layer_sizes", (5,) * 10**5), "more layers"),
    "no layer": ("tokens", structure("hidden_layer_sizes", ()), "cannot be hidden_layer_sizes"),
    "units": ("tokens", structure("hidden_layer_sizes", (5.0,)), "cannot be hidden_layer_sizes"),
    "dtype": ("tokens", structure("dtype", "object"), "cannot be dtype"),
    "pooling": ("tokens", structure("pooling", "sum"), "cannot be pooling"),
    "steps": ("classes of steps", structure("pooling", "mean"), "per_step_ cannot be"),
    "field": ("tokens", attribute("structure_", "more", value=1), "has the fields"),
    "no cell": ("tokens", structure("cell", None), "cannot be cell"),
    "cell is a solver": (
        "tokens",
        structure("cell", {"kind": "optimizer", "name": "adam", "parameters": {}}),
        "be cell",
    ),
    "option of a cell": ("instances", structure("cell", lambda c: c | {"parameters": {"reset": 3}}), "reset"),
    "stride": ("instances", attribute("structure_", "convolution", "parameters", "stride", value=-1), "stride"),
    "columns": ("tokens", structure("n_inputs", 3), "does not read"),
    "table too small": ("tokens", structure("embeddings", lambda e: ((e[0][0], 2, e[0][2]),)), "does not read"),
    "column of codes": ("tokens", structure("embeddings", lambda e: ((7, *e[0][1:]),)), "does not read"),
    "numbers of a code": ("tokens", structure("embeddings", lambda e: ((*e[0][:2], 0),)), "cannot be embeddings"),
    "code": ("tokens", attribute("inputs_", "categories", 0, "w1", value=99), "codes are not"),
    "channel of codes": ("tokens", attribute("inputs_", "categories", value=lambda c: {5: c[0]}), "do not exist"),
    "missing": ("mask", attribute("inputs_", "missing", value="zero"), "no policy"),
    "time channel": ("decay", attribute("inputs_", "time_channel", value=9), "no time channel"),
    "time scale": ("decay", attribute("inputs_", "time_scale", value=np.ones(1)), "time_scale of the inputs"),
    "mean": ("numbers", attribute("inputs_", "mean", value=np.zeros(3)), "no array of 2 floats"),
    "NaN mean": ("numbers", attribute("inputs_", "mean", value=lambda m: m * np.nan), "not finite"),
    "inputs": ("numbers", attribute("inputs_", value=3), "inputs are described by"),
    "channels": ("numbers", attribute("inputs_", "n_channels", value=10**12), "no array of"),
    "classes": ("tokens", attribute("classes_", value=np.arange(2)), "n_outputs_ cannot be"),
    "one class": ("two classes of text", attribute("classes_", value=np.array(["up"])), "n_outputs_ cannot be"),
    "scale of 0": ("numbers", attribute("inputs_", "scale", value=np.zeros(2)), "not above 0"),
    "classes in rows": ("tokens", attribute("classes_", value=np.zeros((3, 1))), "classes_ cannot be"),
    "outputs": ("tokens", attribute("n_outputs_", value=2), "n_outputs_ cannot be"),
    "outputs of the network": ("tokens", structure("n_outputs", 4), "not those of 3 targets"),
    "missing attribute": ("tokens", lambda plain: plain["attributes"].pop("classes_"), "classes_.* missing"),
    "mean of y": ("numbers", attribute("target_mean_", value=np.zeros(2)), "target_mean_ cannot be"),
    "loss": ("numbers", attribute("loss_function_", "name", value="log"), "no loss of the name"),
    "no loss": ("numbers", attribute("loss_function_", value=3), "loss_function_ cannot be"),
    "parameter of a loss": (
        "several numbers of Huber",
        attribute("loss_function_", "parameters", "delta", value=-1),
        "delta",
    ),
    "reconstruction": (
        "reconstruct",
        attribute("reconstruction_mean_", value=np.zeros(3)),
        "reconstruction_mean_ cannot",
    ),
    "half": ("reconstruct", lambda p: p["attributes"].pop("reconstruction_mean_"), "do not belong together"),
}


@pytest.mark.parametrize("case", BAD)
def test_contents_that_contradict_themselves_are_refused(case, tmp_path):
    name, change, message = BAD[case]
    skrnn.save(fitted(name)[0], tmp_path / "a")
    content, _ = read_archive(tmp_path / "a")
    change(content["estimator"])
    write_archive(tmp_path / "a", content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            skrnn.load(tmp_path / "a")
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()


# What may come in the place of anything.
STRANGE = [
    *(None, True, -1, 0, 1, 2, 10**12, 1.5, np.nan, "", "gru", [], (), {}, {"a": 1}, {1: 2}, [1], (1,)),
    *(np.zeros(3), np.array(["a"]), np.array([None, 1], object), np.float32(1), np.int64(3), np.array(2.0)),
    {"kind": "cell", "name": "lstm", "parameters": {}},
]


def places(value, path=()):
    """Paths of all that is nested in a plain value."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, (list, tuple)) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


def replaced(value, path, new):
    """A plain value with another one at a place in it."""
    if not path:
        return new
    if isinstance(value, dict):
        return {key: replaced(one, path[1:], new) if key == path[0] else one for key, one in value.items()}
    return type(value)(replaced(one, path[1:], new) if k == path[0] else one for k, one in enumerate(value))


@pytest.mark.parametrize("name", ["tokens", "decay", "instances", "quantile", "classes of steps", "reconstruct"])
def test_whatever_stands_anywhere_is_refused_or_harmless(name):
    """With attributes that pass the checks an estimator predicts, or refuses the sequences by a ValueError."""
    (estimator, X), rng = fitted(name), random.Random(0)
    plain = estimator_to_plain(estimator)
    n_loaded = 0
    for _ in range(150):
        path = rng.choice(list(places(plain)))
        try:
            changed = estimator_from_plain(replaced(plain, path, rng.choice(STRANGE)))
        except (ValueError, TypeError, OverflowError):
            continue
        n_loaded += 1
        if path[0] == "attributes" and hasattr(changed, "weights_"):
            with contextlib.suppress(ValueError):  # of time stamps, for one, where there was no time channel
                outputs(changed, X)
    assert 20 < n_loaded < 130


@pytest.mark.parametrize("content", [None, {}, {"estimator": 1}, {"training": {}}, [1]])
def test_archives_of_other_things_are_refused(content, tmp_path):
    write_archive(tmp_path / "a", content)
    with pytest.raises(ValueError, match=r"an estimator has the parts|no estimator in it"):
        skrnn.load(tmp_path / "a")


def test_something_beside_the_estimator_is_refused(tmp_path):
    skrnn.save(RNNClassifier(), tmp_path / "a")
    content, _ = read_archive(tmp_path / "a")
    write_archive(tmp_path / "a", content | {"more": 1})
    with pytest.raises(ValueError, match="something besides"):
        skrnn.load(tmp_path / "a")


def test_a_file_without_a_parameter_has_its_default(tmp_path):
    """As files of earlier versions have none that came later."""
    skrnn.save(RNNClassifier(cell="gru"), tmp_path / "a")
    content, _ = read_archive(tmp_path / "a")
    del content["estimator"]["parameters"]["min_count"]
    write_archive(tmp_path / "a", content)
    assert repr(skrnn.load(tmp_path / "a")) == "RNNClassifier()"


def test_max_bytes(tmp_path):
    skrnn.save(RNNClassifier(), tmp_path / "a")
    with pytest.raises(ValueError, match="max_bytes=100"):
        skrnn.load(tmp_path / "a", max_bytes=100)
    with pytest.raises(FileNotFoundError):
        skrnn.load(tmp_path / "b")


# ------------------------------------------------------------------------------------------ files of all versions
@pytest.mark.parametrize("path", sorted(FILES.glob("*/*.skrnn")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_files_of_all_versions_load(path):
    expected = json.loads((path.parent / "expected.json").read_text(encoding="utf-8"))[path.stem]
    assert path.stat().st_size < 20_000
    loaded = skrnn.load(path)
    # Not to the bit: this CPU may not be the one that wrote the file.
    assert_allclose(predict(loaded, SEQUENCES[path.stem]), expected, rtol=1e-4, atol=1e-5)


def test_there_are_files_of_this_version():
    assert {path.stem for path in (FILES / skrnn.__version__).glob("*.skrnn")} == set(SEQUENCES)


# ------------------------------------------------------------------------------------ pickle, copy, joblib, skops
@each
def test_copies_are_the_same(name, tmp_path):
    estimator, X = fitted(name)
    joblib.dump(estimator, tmp_path / "a")
    for duplicate in (
        copy.copy(estimator),
        copy.deepcopy(estimator),
        pickle.loads(pickle.dumps(estimator)),
        joblib.load(tmp_path / "a", mmap_mode="r"),
    ):
        assert_same(estimator, duplicate, X)


@each
def test_skops_has_to_trust_one_type(name):
    io = pytest.importorskip("skops.io")
    estimator, X = fitted(name)
    data = io.dumps(estimator)
    of_estimator = f"{type(estimator).__module__}.{type(estimator).__name__}"
    instances = [value for value in estimator.get_params(deep=False).values() if hasattr(value, "get_params")]
    of_instances = {f"{type(value).__module__}.{type(value).__name__}" for value in instances}
    assert set(io.get_untrusted_types(data=data)) == {of_estimator} | of_instances
    assert of_estimator in TRUSTED_TYPES
    assert_same(estimator, io.loads(data, trusted=TRUSTED_TYPES + sorted(of_instances)), X)


def test_skops_saves_pipelines(tmp_path):
    io = pytest.importorskip("skops.io")
    pipelines = [
        (make_pipeline(PerStep(StandardScaler()), RNNClassifier(**SHORT)), X),
        (make_pipeline(SequenceTransformer(**SHORT), StandardScaler(), LogisticRegression()), X),
        (make_pipeline(TokenEncoder(), RNNClassifier(**SHORT)), TOKENS),
    ]
    for pipeline, sequences in pipelines:
        pipeline.fit(sequences, LABELS)
        io.dump(pipeline, tmp_path / "a")
        untrusted = io.get_untrusted_types(file=tmp_path / "a")
        assert all(name.startswith("skrnn.") for name in untrusted)
        loaded = io.load(tmp_path / "a", trusted=untrusted)
        assert_array_equal(loaded.predict_proba(sequences), pipeline.predict_proba(sequences))


def test_the_state_of_an_estimator_that_is_not_fitted():
    estimator = RNNClassifier(cell=GRU(), random_state=3)
    for duplicate in (copy.deepcopy(estimator), pickle.loads(pickle.dumps(estimator)), clone(estimator)):
        assert repr(duplicate) == repr(estimator)


def test_a_pickle_of_another_version_warns():
    clf, X = fitted("tokens")
    for version in ("0.0.1", "99.0", None):
        state = clf.__getstate__()
        assert state.pop("_skrnn_version") == skrnn.__version__
        loaded = RNNClassifier.__new__(RNNClassifier)
        with pytest.warns(InconsistentVersionWarning, match=rf"version skrnn {version or 'unknown'} when using"):
            loaded.__setstate__(state | ({"_skrnn_version": version} if version else {}))
        assert_same(clf, loaded, X)
        assert not {name for name in vars(loaded) if name.startswith("_skrnn")}


def test_a_pickle_of_a_newer_format_is_refused():
    state = fitted("tokens")[0].__getstate__() | {"_skrnn_state_format": STATE_FORMAT + 1, "_skrnn_version": "7.0"}
    loaded = RNNClassifier.__new__(RNNClassifier)
    with pytest.raises(ValueError, match=r"pickled by skrnn 7\.0.*upgrade"):
        loaded.__setstate__(state)
    assert not vars(loaded)


def test_a_pickle_from_a_machine_of_the_other_byte_order():
    def swapped(value):
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            return value.astype(value.dtype.newbyteorder())
        return {key: swapped(one) for key, one in value.items()} if isinstance(value, dict) else value

    for name in ("decay", "numbers", "reconstruct"):
        estimator, X = fitted(name)
        loaded = type(estimator).__new__(type(estimator))
        loaded.__setstate__(pickle.loads(pickle.dumps(swapped(estimator.__getstate__()))))
        for a, b in zip(outputs(estimator, X), outputs(loaded, X), strict=True):
            assert_array_equal(a, b)


def test_what_is_pickled_is_plain():
    """No compiled function, lock, thread pool, or object of a class that a later version might rename."""
    for name in MAKE:
        estimator, _ = fitted(name)
        state = estimator.__getstate__()
        instances = {key for key, value in estimator.get_params(deep=False).items() if hasattr(value, "get_params")}
        plain = {key: value for key, value in state.items() if key not in instances}
        write = pickle.dumps(plain)
        assert b"skrnn." not in write, name


def test_copies_can_be_made_during_fit(monkeypatch):
    clf = RNNClassifier(**SHORT | {"tol": 0.0, "max_iter": 60, "n_iter_no_change": 60})
    failed, done = [], threading.Event()

    def fit():
        try:
            clf.fit(X, LABELS)
        except Exception as error:  # the warning that it did not converge
            failed.append(error)
        done.set()

    thread = threading.Thread(target=fit)
    thread.start()
    n_copies = 0
    while not done.is_set() or n_copies < 3:
        pickle.loads(pickle.dumps(clf))
        copy.deepcopy(clf)
        clone(clf)
        n_copies += 1
    thread.join()
    assert [type(error).__name__ for error in failed] in ([], ["ConvergenceWarning"])


def test_a_file_names_nothing_that_could_be_imported(tmp_path):
    skrnn.save(fitted("instances")[0], tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as archive:
        content = json.loads(archive.read("skrnn.json"))["content"]
    assert "skrnn." not in json.dumps(content)
    assert os.path.getsize(tmp_path / "a") < 20_000
    assert Path(tmp_path / "a").read_bytes().startswith(b"PK")
