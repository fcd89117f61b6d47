"""Faults of class_weight: refused by the name of the class, a warning, or the documented result; for labels alike."""

import numpy as np
import pytest
from faults import QUICK, assert_refused, cube, targets
from numpy.testing import assert_allclose, assert_array_equal

from skrnn import RNNClassifier

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")
LABELS = np.column_stack([targets(cube()), 1 - targets(cube()), np.zeros(8, int)])
NO_WEIGHTS = {
    "negative": (-1, "but is -1 for the class 1"),
    "NaN": (np.nan, "but is nan for the class 1"),
    "infinite": (np.inf, "but is inf for the class 1"),
    "a float of NumPy": (np.float32(-0.5), r"but is .*-0\.5.* for the class 1"),
    "text": ("5", "but is '5' for the class 1"),
    "None": (None, "but is None for the class 1"),
    "complex": (1 + 0j, r"but is \(1\+0j\) for the class 1"),
    "a list": ([1], r"but is \[1\] for the class 1"),
    "beyond floating point": (10**400, r"but is 10+ for the class 1"),
}


@pytest.mark.parametrize("fault", NO_WEIGHTS)
@pytest.mark.parametrize("kind", ["classes", "labels", "steps", "labels of steps"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "warm start"])
def test_what_is_no_weight_of_a_class(kind, fault, method):
    value, message = NO_WEIGHTS[fault]
    X, labels = cube(), LABELS if "labels" in kind else targets(cube())
    y = [np.repeat(row[np.newaxis], 4, axis=0) for row in labels] if "steps" in kind else labels
    weights, place = {0: 1, 1: value}, ""
    if "labels" in kind:
        weights, place = [{}, weights, {}], " of label 1"
    model = RNNClassifier(**QUICK, warm_start=method == "warm start")
    if method == "warm start":
        model.fit(X, y)
    model.set_params(class_weight=weights)
    options = {"classes": None if "labels" in kind else [0, 1]} if method == "partial_fit" else {}
    learn = model.partial_fit if method == "partial_fit" else model.fit
    assert_refused(
        model, lambda e: learn(X, y, **options), f"class_weight must be finite and not negative, {message}{place}"
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1}, r"classes of y, \[0, 1\], are not in class_weight, which names \['a'\]"),
        ([{0: 1}], "class_weight is a list, which is for an indicator matrix"),
        ("large", "class_weight"),
        ({0: 1, 1: 0}, r"of a weight above 0; there is only one class: \[0\]"),
        ({0: 0, 1: 0}, "of a weight above 0; there is none"),
    ],
)
def test_class_weights_that_are_refused(weights, message):
    model = RNNClassifier(class_weight=weights, **QUICK)
    assert_refused(model, lambda e: e.fit(cube(), targets(cube())), message)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({0: 1, 1: 2}, "class_weight is a dictionary, but y is an indicator matrix"),
        ([{0: 1}], "class_weight has 1 entries, but y has 3 labels"),
        ([{0: 1}, "balanced", {}], "class_weight of label 1 is 'balanced'"),
        ([{0: 1}, {"a": 1}, {}], r"classes of y of label 1, \[0, 1\], are not in class_weight"),
    ],
)
def test_class_weights_of_labels_that_are_refused(weights, message):
    model = RNNClassifier(class_weight=weights, **QUICK)
    assert_refused(model, lambda e: e.fit(cube(), LABELS), message)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("weights", "labels", "named"),
    [
        ({0: 1, 1: 2, "1": 2}, targets(cube()), r" names \['1'\]"),  # of the wrong type, or misspelt
        ({1: 5, 2: 3}, targets(cube()), r" names \[2\]"),
        ([{1: 5, 2: 3}, {}, {}], LABELS, r" of label 0 names \[2\]"),
    ],
)
def test_a_class_weight_for_no_class_warns(weights, labels, named, method):
    """The others hold."""
    clf, options = RNNClassifier(class_weight=weights, **QUICK), {}
    if method == "partial_fit" and labels.ndim == 1:
        options = {"classes": [0, 1]}
    with pytest.warns(UserWarning, match=rf"class_weight{named}, which are not among the classes of y: \[0, 1\]") as w:
        getattr(clf, method)(cube(), labels, **options)
    assert w[0].filename == __file__
    known = [{1: 5}, {}, {}] if labels.ndim == 2 else {k: v for k, v in weights.items() if k in (0, 1)}
    other = getattr(RNNClassifier(class_weight=known, **QUICK), method)(cube(), labels, **options)
    assert_array_equal(clf.predict_proba(cube()), other.predict_proba(cube()))


def test_a_weight_for_a_label_that_never_occurs():
    clf = RNNClassifier(class_weight=[{}, {}, {1: 5}], **QUICK).fit(cube(), LABELS)
    assert_array_equal(clf.predict_proba(cube()), RNNClassifier(**QUICK).fit(cube(), LABELS).predict_proba(cube()))
    absent = RNNClassifier(class_weight="balanced", **QUICK).fit(cube(), LABELS)
    assert_allclose(absent.predict_proba(cube()), clf.predict_proba(cube()), rtol=1e-5)  # all rows weigh the same


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (np.array([3, 7]), [np.int64(3), np.float64(7)]),
        (np.array([3, 7], np.uint8), [3, np.int16(7)]),
        (np.array(["a", "b"]), ["a", np.str_("b")]),
        (np.array([False, True]), [np.False_, True]),
        (np.array([0.0, 1.0]), [0, 1]),
        (np.array(["2020-01-01", "2020-02-01"], "M8[D]"), np.array(["2020-01-01", "2020-02-01"], "M8[D]")),
        (np.array(["2020-01-01", "2020-02-01"], "M8[D]"), np.array(["2020-01-01", "2020-02-01"], "M8[D]").tolist()),
    ],
    ids=str,
)
def test_names_of_classes_in_any_type(classes, names):
    y, weights = classes[targets(cube())], [np.float32(2), np.int8(5)]
    named = RNNClassifier(**QUICK, class_weight=dict(zip(names, weights, strict=True))).fit(cube(), y)
    coded = RNNClassifier(**QUICK, class_weight={0: 2.0, 1: 5.0}).fit(cube(), targets(cube()))
    assert_array_equal(named.predict_proba(cube()), coded.predict_proba(cube()))
