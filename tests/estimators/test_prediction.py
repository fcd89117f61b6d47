"""Predictions of small inputs go a short way, which must give what the long one gives; what is kept is never stale."""

import copy
import cProfile
import gc
import pickle
import pstats
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skrnn import Conv, RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.estimators import _prediction
from skrnn.network.inference import Predictor
from skrnn.sequences import SequenceArray

RNG = np.random.default_rng(5)
A = RNG.normal(size=(12, 6, 3))
Y = np.arange(12) % 3
SMALL = {"hidden_layer_sizes": 3, "max_iter": 1, "random_state": 0}
FRAMES = [pd.DataFrame(a, columns=list("abc")) for a in A]
ESTIMATORS = {
    "classes": RNNClassifier(**SMALL).fit(A, Y),
    "two classes": RNNClassifier(**SMALL).fit(A, Y > 1),
    "labels": RNNClassifier(**SMALL).fit(A, np.column_stack([Y > 1, Y < 1]).astype(int)),
    "steps": RNNClassifier(**SMALL).fit(A, list(A[:, :, 0] > 0)),
    "named": RNNClassifier(**SMALL).fit(FRAMES, Y),
    "large scales": RNNClassifier(**SMALL).fit(10 * A, Y),
    "numbers": RNNRegressor(**SMALL, dtype="float64").fit(A, A[:, 0]),
    "features": SequenceTransformer(**SMALL).fit(A),
    "mask": RNNClassifier(**SMALL, missing="mask").fit(A, Y),
    "codes": RNNClassifier(**SMALL, categorical_features=[2]).fit(np.floor(np.abs(A)), Y),
    "convolution": RNNClassifier(**SMALL, convolution=Conv(4)).fit(A, Y),
    "univariate": RNNClassifier(**SMALL).fit(A[:, :, :1], Y),
    "tables": RNNClassifier(**SMALL).fit(A[:, :, 0], Y),
    "named tables": RNNClassifier(**SMALL).fit(pd.DataFrame(A[:, :, 0], columns=list("abcdef")), Y),
    "no memory": RNNClassifier(**SMALL).fit(A, Y).set_params(max_memory=1e-7),
    "streamed": RNNClassifier(**SMALL, max_memory=5e-5).fit(A, Y),
}
STEPS, OFFSETS = A.reshape(-1, 3), np.arange(13) * 6


def with_value(value, dtype="float32", at=(5, 3, 1)):
    changed = A.astype(dtype)
    changed[at] = value
    return changed


def container(steps=STEPS, offsets=OFFSETS, names=None):
    return SequenceArray(steps, offsets, names)


def edited(**attributes):
    sequences = container()
    vars(sequences).update(attributes)
    return sequences


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


F4 = A.astype("float32")
QUICK = {
    "float32": F4,
    "float64": A,
    "one": F4[:1],
    "reversed in time": A[:, ::-1],
    "Fortran": np.asfortranarray(F4),
    "read-only": read_only(A),
    "list": list(F4),
    "tuple of one": (F4[0],),
    "two precisions": [F4[0], A[1]],
    "unequal": [F4[0, :2], F4[1], F4[2, :1]],
    "container": container(),
    "part of a container": container()[3:7],
    "container in Fortran": container(np.asfortranarray(STEPS)),
}
QUICK_OF_ONE_CHANNEL = {
    "one channel": A[:, :, :1],
    "list of one channel": list(F4[:, :, :1]),
    "list without channels": list(F4[:, :, 0]),
    "unequal without channels": [F4[0, :, 0], A[1, :3, 0]],
}
LONG = {
    "table of five steps": A[:, :5, 0],
    "table of one step": A[:, :1, 0],
    "table of NaN": with_value(np.nan)[:, :, 1],
    "table of integers": (A[:, :, 0] * 9).astype(int),
    "lists of numbers": A[:, :, 0].tolist(),
    "integers": (A * 9).astype(int),
    "big endian": F4.astype(">f4"),
    "half": A.astype("float16"),
    "complex": A + 0j,
    "objects": A.astype(object),
    "two dimensions": A[0],
    "table of arrays": A[:, :, 0],
    "one dimension": A[0, 0],
    "padded": with_value(np.nan, at=(5, slice(3, None))),
    "NaN": with_value(np.nan),
    "infinite": with_value(np.inf),
    "both infinities": np.where(np.abs(A) < 0.1, np.inf * np.sign(A), A),
    "too large for float32": with_value(1e39, "float64"),
    "a little too large for float32": with_value(3.5e38, "float64"),
    "large": np.full((2, 6, 3), 3e38, "float32"),
    "two channels": A[:, :, :2],
    "no step": A[:, :0],
    "no sequence": A[:0],
    "no list": [],
    "empty sequence": [A[0], A[1, :0]],
    "list of integers": list((A * 9).astype("int8")),
    "list of complex": list(A + 0j),
    "list of masked": [np.ma.array(A[0], mask=A[0] > 1), A[1]],
    "list of wrong channels": [A[0], A[1, :, :2]],
    "list of two channels": list(A[:, :, :2]),
    "list of numbers": [np.array(1.0), np.array(2.0)],
    "list of batches": [A, A],
    "list of NaN": list(with_value(np.nan)),
    "frames": FRAMES,
    "frames in another order": [frame[["b", "a", "c"]] for frame in FRAMES],
    "table": pd.DataFrame(A[:, :, 0]),
    "names": container(names=["a", "b", "c"]),
    "other names": container(names=["a", "b", "d"]),
    "empty sequence in a container": container(offsets=np.array([0, 6, 6, 72])),
    "no sequence in a container": container(np.zeros((0, 3)), np.array([0])),
    "container of NaN": container(with_value(np.nan, at=(5, -1)).reshape(-1, 3)),
    "replaced by integers": edited(values=(A * 9).astype(int).reshape(-1, 3)),
    "replaced by complex": edited(values=STEPS + 0j),
    "replaced by a list": edited(values=STEPS.tolist()),
    "fewer steps than offsets say": edited(values=STEPS[:40]),
    "offsets from 3 on": edited(offsets=np.append(3, OFFSETS[1:])),
    "falling offsets": edited(offsets=np.array([0, 12, 6, 72])),
    "tokens": [list("abc"), list("ba")],
}
ALL = QUICK | QUICK_OF_ONE_CHANNEL | LONG


def method_of(estimator):
    names = "predict_proba", "predict", "transform"
    return next(getattr(estimator, name) for name in names if hasattr(estimator, name))


def outcome(estimator, X):
    """What the estimator makes of X, or its error; and all warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = method_of(estimator)(X)
        except Exception as error:
            result = type(error), str(error)
    return result, [(each.category, str(each.message), each.filename) for each in caught]


def assert_same(one, other):
    """Equal, bit for bit, also where each sequence has an array."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray) and one.dtype != object:
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    elif isinstance(one, (np.ndarray, tuple, list)):
        assert len(one) == len(other)
        for each, of_other in zip(one, other, strict=True):
            assert_same(each, of_other)
    else:
        assert one == other


def refuse(*args, **kwargs):
    raise AssertionError("this X has gone the long way")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_short_way_gives_what_the_long_way_gives(name, monkeypatch):
    """Results, errors and warnings."""
    found = {what: outcome(ESTIMATORS[name], X) for what, X in ALL.items()}
    monkeypatch.setattr(_prediction, "quick_steps", lambda estimator, X: None)
    for what, X in ALL.items():
        assert_same(found[what], outcome(ESTIMATORS[name], X))


@pytest.mark.parametrize("what", QUICK)
@pytest.mark.parametrize("name", ["classes", "labels", "steps", "numbers", "features", "convolution"])
def test_common_inputs_go_the_short_way(name, what, monkeypatch):
    monkeypatch.setattr(_prediction, "validate_inputs", refuse)
    method_of(ESTIMATORS[name])(QUICK[what])


@pytest.mark.parametrize("what", QUICK_OF_ONE_CHANNEL)
@pytest.mark.parametrize("name", ["univariate", "tables"])
def test_common_inputs_of_one_channel_go_the_short_way(name, what, monkeypatch):
    monkeypatch.setattr(_prediction, "validate_inputs", refuse)
    ESTIMATORS[name].predict_proba(QUICK_OF_ONE_CHANNEL[what])


def test_tables_go_the_short_way(monkeypatch):
    monkeypatch.setattr(_prediction, "validate_inputs", refuse)
    ESTIMATORS["tables"].predict_proba(LONG["table of arrays"])


def test_containers_with_the_names_of_the_fit_go_the_short_way(monkeypatch):
    monkeypatch.setattr(_prediction, "validate_inputs", refuse)
    ESTIMATORS["named"].predict(LONG["names"])


def test_a_prediction_takes_few_calls(monkeypatch):
    """Of one sequence around the network; a validation at length makes 500 more."""
    monkeypatch.setattr(Predictor, "predict_raw", lambda self: np.zeros((1, 3), "float32"))
    classifier, one = ESTIMATORS["classes"], F4[:1]
    classifier.predict_proba(one)
    profile = cProfile.Profile()
    profile.runcall(classifier.predict_proba, one)
    assert pstats.Stats(profile).total_calls < 150


def anew(estimator, X=F4):
    """What a copy predicts, for which nothing has been kept."""
    return method_of(pickle.loads(pickle.dumps(estimator)))(X)


SQUARE, BIAS = "layers.0.forward.W_h", "readout.b"
# Each in place, or gives new weights.
CHANGES = {
    "new arrays": lambda weights: {name: 2 * array for name, array in weights.items()},
    "new arrays in the old dict": lambda weights: weights.update(
        {name: array + 0.1 for name, array in weights.items()}
    ),
    "one array": lambda weights: weights[BIAS].__imul__(2),
    "one number": lambda weights: weights[SQUARE].__setitem__((0, 1), 5),
    "a row": lambda weights: weights[SQUARE][2].fill(0.25),
    "transposed, of the same memory": lambda weights: weights.update({SQUARE: weights[SQUARE].T}),
    "in Fortran": lambda weights: weights.update({SQUARE: np.asfortranarray(weights[SQUARE] + 1)}),
    "that in place": lambda weights: weights[SQUARE].__isub__(1),
    "of other precision": lambda weights: weights.update({SQUARE: weights[SQUARE].astype("float64") + 0.5}),
    "that one in place": lambda weights: weights[SQUARE].__isub__(1),
    "a list": lambda weights: weights.update({SQUARE: (weights[SQUARE] * 2).tolist()}),
    "an item of the list": lambda weights: weights[SQUARE][0].__setitem__(0, 2.0),
    "bytes swapped": lambda weights: weights.update({BIAS: (weights[BIAS] + 1).astype(">f4")}),
    "zeros": lambda weights: weights.update({BIAS: 0 * weights[BIAS]}),
}


def test_predictions_follow_weights_that_are_replaced_or_edited():
    estimator = RNNRegressor(**SMALL, cell="elman").fit(A, Y)
    seen = {estimator.predict(F4).tobytes()}
    for what, change in CHANGES.items():
        changed = change(estimator.weights_)
        if isinstance(changed, dict):
            estimator.weights_ = changed
        expected = anew(estimator)
        for _ in range(2):
            assert_array_equal(estimator.predict(F4), expected, err_msg=what)
        assert expected.tobytes() not in seen, what
        seen.add(expected.tobytes())
    estimator.weights_ = dict(reversed(estimator.weights_.items()))
    assert_array_equal(estimator.predict(F4), expected)


def test_wrong_weights_are_refused_after_a_prediction_too():
    estimator = RNNRegressor(**SMALL).fit(A, Y)
    expected, weights = estimator.predict(F4), dict(estimator.weights_)
    for wrong in (weights | {"readout.b": np.zeros(2)}, weights | {"other": np.zeros(1)}, {"readout.b": np.zeros(1)}):
        estimator.weights_ = wrong
        with pytest.raises(ValueError, match="weights_"):
            estimator.predict(F4)
    estimator.weights_ = weights
    assert_array_equal(estimator.predict(F4), expected)
    array = estimator.weights_["readout.W"]
    array.shape = array.shape[::-1]
    with pytest.raises(ValueError, match=r"readout\.W"):
        estimator.predict(F4)


def test_predictions_follow_other_attributes():
    classifier = RNNClassifier(**SMALL, cell="elman").fit(A, Y)
    codes, before = classifier.predict(F4), classifier.predict_proba(F4)
    classifier.classes_ = np.array(["a", "b", "c"])
    assert_array_equal(classifier.predict(F4), classifier.classes_[codes])
    classifier.input_mean_ += 1  # the array of `inputs_`
    assert not np.array_equal(classifier.predict_proba(F4), before)
    assert_array_equal(classifier.predict_proba(F4), anew(classifier))
    between = classifier.predict_proba(F4)
    classifier.structure_.cell.set_params(activation="relu")
    assert not np.array_equal(classifier.predict_proba(F4), between)
    assert_array_equal(classifier.predict_proba(F4), anew(classifier))
    convolving = RNNClassifier(**SMALL, convolution=Conv(4)).fit(A, Y)
    before = convolving.predict_proba(F4)
    convolving.structure_.convolution.set_params(activation="tanh")
    assert not np.array_equal(convolving.predict_proba(F4), before)
    assert_array_equal(convolving.predict_proba(F4), anew(convolving))


def test_theta_is_the_same_object_until_a_weight_changes():
    estimator = RNNRegressor(**SMALL).fit(A, Y)
    network, theta = _prediction.network_and_theta(estimator)
    again = _prediction.network_and_theta(estimator)
    assert again[0] is network
    assert again[1] is theta
    estimator.weights_["readout.b"] += 1
    assert _prediction.network_and_theta(estimator)[0] is network
    assert _prediction.network_and_theta(estimator)[1] is not theta


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_do_not_carry_what_is_kept(how):
    estimator = RNNRegressor(**SMALL).fit(A, Y)
    attributes, pickled = set(vars(estimator)), len(pickle.dumps(estimator))
    expected = estimator.predict(F4)
    assert (set(vars(estimator)), len(pickle.dumps(estimator))) == (attributes, pickled)
    copied = how(estimator)
    assert copied.inputs_ not in _prediction._KEPT
    assert_array_equal(copied.predict(F4), expected)
    copied.weights_ = {name: 2 * array for name, array in copied.weights_.items()}
    assert not np.array_equal(copied.predict(F4), expected)
    assert_array_equal(estimator.predict(F4), expected)
    assert set(vars(clone(estimator))) < attributes


def test_what_is_kept_goes_with_the_fit():
    estimator = RNNRegressor(**SMALL).fit(A, Y)
    estimator.predict(F4)
    gone, theta = weakref.ref(estimator.inputs_), weakref.ref(_prediction._KEPT[estimator.inputs_].thetas[0])
    estimator.fit(A, Y)
    gc.collect()
    assert gone() is None
    assert theta() is None


def test_transformers_of_one_fit_do_not_mix():
    classifier = RNNClassifier(**SMALL).fit(A, Y)
    transformer = classifier.as_transformer()
    before = classifier.predict_proba(F4), transformer.transform(F4)
    transformer.weights_ = {name: 2 * array for name, array in transformer.weights_.items()}
    for _ in range(2):
        assert not np.array_equal(transformer.transform(F4), before[1])
        assert_array_equal(classifier.predict_proba(F4), before[0])


def test_threads_predict_on_one_estimator():
    estimators = [ESTIMATORS["classes"], RNNRegressor(**SMALL).fit(A, Y)]
    tasks = [(estimator, X) for estimator in estimators for X in (F4, list(A), F4[3:4], container())] * 20
    expected = [method_of(estimator)(X) for estimator, X in tasks]
    _prediction._KEPT.clear()
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda task: method_of(task[0])(task[1]), tasks))
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)
