"""Classes, and labels of which several may be true at once."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ..._core.cached import cached_property
from ...losses import BinomialLogLoss, MultinomialLogLoss
from ...streaming._decoder import Link
from ._class_weight import class_factors
from ._read import (
    UNITS,
    SuppliedTask,
    are_classes,
    check_sum,
    codes_of,
    distinct,
    given_classes,
    refuse_other_classes,
)
from ._task import FittedTask


@dataclass(frozen=True)
class Classes(FittedTask):
    """One class for each row, of those in `classes` (n_classes,), which are sorted."""

    classes: np.ndarray
    per_step: bool

    @property
    def n_outputs(self):
        """One for two classes, else one for each."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    @cached_property
    def loss(self):
        """Of two classes, or of several."""
        return BinomialLogLoss() if self.n_outputs == 1 else MultinomialLogLoss()

    def encode(self, rows):
        self.check_width(rows)
        return codes_of(column_or_1d(rows, warn=True), self.classes)[:, np.newaxis].astype(np.float64)

    def check_width(self, rows):
        """Refuse rows of several targets."""
        if rows[:1].size > 1:
            raise ValueError(f"y has {rows[:1].size} targets for each {UNITS[self.per_step]}, but fit saw one.")

    def labels(self, raw_prediction):
        """The class of each row."""
        return self.classes[_decide(raw_prediction)]

    def probabilities(self, raw_prediction):
        """Probability of each class, (n, n_classes)."""
        return self.loss.predict(raw_prediction) if self.n_outputs > 1 else self.loss.predict_both(raw_prediction)

    def link(self):
        """What gives `probabilities`, as a kernel."""
        from ...kernels import links  # noqa: PLC0415 (brings the compiler)

        kernel = links.softmax if self.n_outputs > 1 else links.logistic_of_both
        return Link(kernel, shape=(len(self.classes),))

    def link_of_labels(self):
        """What gives `labels`, as a kernel."""
        from ...kernels.links import decide  # noqa: PLC0415

        return Link(decide, dtype=np.int64, finish=self.classes.__getitem__)

    def log_probabilities(self, raw_prediction):
        """Their logarithms."""
        return self.loss.log_predict(_with_opposite(raw_prediction))

    def validation_score(self, raw_prediction, y, weight):
        return accuracy_score(y[:, 0], _decide(raw_prediction), sample_weight=weight)

    def attributes(self):
        return {"classes_": self.classes, "multilabel_": False}


@dataclass(frozen=True)
class Labels(FittedTask):
    """0-1 indicators of `n_outputs` labels for each row."""

    n_outputs: int
    per_step: bool
    loss = BinomialLogLoss()

    @property
    def classes(self):
        """Numbers of the labels."""
        return np.arange(self.n_outputs)

    def encode(self, rows):
        self.check_width(rows)
        y = check_array(rows, dtype=np.float64, input_name="y")
        if not np.isin(y, (0, 1)).all():
            raise ValueError(f"A matrix of label indicators holds 0 and 1 only; y holds {np.unique(y)[:5].tolist()}.")
        return y

    def check_width(self, rows):
        """Refuse rows of other labels."""
        if rows.ndim != 2:
            raise ValueError(
                f"y must be a matrix of label indicators, as fit saw it; got an array of shape {np.shape(rows)}."
            )
        if rows.shape[1] != self.n_outputs:
            unit = UNITS[self.per_step]
            raise ValueError(f"y has {rows.shape[1]} labels for each {unit}, but fit saw {self.n_outputs}.")

    def labels(self, raw_prediction):
        """Indicators (n, n_labels)."""
        return (raw_prediction > 0).astype(np.int64)

    def probabilities(self, raw_prediction):
        """Probability of each label, (n, n_labels)."""
        return self.loss.predict(raw_prediction)

    def link(self):
        """What gives `probabilities`, as a kernel."""
        from ...kernels.links import logistic  # noqa: PLC0415 (brings the compiler)

        return Link(logistic, shape=(self.n_outputs,))

    def link_of_labels(self):
        """There is no kernel that gives `labels`."""

    def log_probabilities(self, raw_prediction):
        """Their logarithms."""
        return self.loss.log_predict(raw_prediction)

    def validation_score(self, raw_prediction, y, weight):
        return accuracy_score(y, raw_prediction > 0, sample_weight=weight)

    def attributes(self):
        return {"classes_": self.classes, "multilabel_": True}


class ClassificationTask(SuppliedTask):
    """Classes or labels.

    Parameters
    ----------
    owner, targets :
        See `SuppliedTask`.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Factors of the weights of rows.
    """

    def __init__(self, owner, targets="auto", class_weight=None):
        super().__init__(owner, targets)
        self.class_weight = class_weight

    def strata(self, target):
        is_of_classes = type_of_target(target.rows, input_name="y") in ("binary", "multiclass")
        return column_or_1d(target.rows) if is_of_classes else None

    def learn(self, target, trained, columns, request):
        if _is_of_labels(target):
            fitted = Labels(target.rows.shape[1], target.per_step)
            _check_numbers_of_labels(fitted, request.classes)
            return fitted
        if not request.one_epoch:
            labels = column_or_1d(target.rows)
            check_classification_targets(labels)
            return Classes(distinct(labels, "y")[0], target.per_step)
        if request.classes is None:
            raise ValueError("The first call of partial_fit needs classes, all that there will ever be.")
        classes = given_classes(request.classes)
        if len(classes) < 2:
            raise ValueError(f"classes must name at least 2 classes; got {classes.tolist()}.")
        return Classes(classes, target.per_step)

    def resumed(self, fitted, request):
        """The task that was fitted before; refuses other `classes`."""
        refuse_other_classes(fitted.classes, request)
        return fitted

    def weighted(self, fitted, y, weight, trained):
        if self.class_weight is not None:
            codes, is_of_labels = y.astype(np.intp), isinstance(fitted, Labels)
            weight = weight * class_factors(self.class_weight, fitted.classes, codes, weight, trained, is_of_labels)
        check_sum(weight)
        return weight

    def check_trained(self, fitted, y, weight, trained):
        if isinstance(fitted, Labels):
            return
        codes = y[:, 0].astype(np.intp)
        only_held_out = np.setdiff1d(codes, codes[trained])
        if len(only_held_out):
            raise ValueError(
                f"All sequences of the classes {fitted.classes[only_held_out].tolist()} are held out for early "
                "stopping: they must be among those to train on."
            )
        present = np.unique(codes[trained & (weight > 0)])
        if len(present) < 2:
            found = f"only one class: {fitted.classes[present].tolist()}" if len(present) else "none"
            raise ValueError(
                f"{self.owner} needs at least 2 classes among the targets to train on, of a weight above 0; there is "
                f"{found}."
            )


def restored_classes(attributes):
    """The fitted task that public attributes describe."""
    if attributes.multilabel_:
        return Labels(attributes.n_outputs_, attributes.per_step_)
    return Classes(attributes.classes_, attributes.per_step_)


def check_restored_classes(attributes, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    require("multilabel_", lambda v: isinstance(v, (bool, np.bool_)))
    require("classes_", are_classes)
    n_classes = len(attributes.classes_)
    n_expected = n_classes if attributes.multilabel_ else {1: None, 2: 1}.get(n_classes, n_classes)
    require("n_outputs_", lambda v: v == n_expected)
    return restored_classes(attributes)


def _is_of_labels(target):
    """Whether rows are label indicators; refuses rows that are neither indicators nor one class."""
    y = target.rows
    if y.ndim > 2:
        raise ValueError(f"y has shape {y.shape}, but labels are (n, n_labels): pass y.reshape(len(y), -1).")
    is_of_labels = type_of_target(y, input_name="y") == "multilabel-indicator"
    if not is_of_labels and y[:1].size > 1:
        raise ValueError(
            f"y has {y[:1].size} targets for each {UNITS[target.per_step]}, which are no label indicators (0 "
            "and 1). If they are labels of steps, they must be as many as the steps of the sequence, in rows that "
            'are as long as the sequences of X, or with targets="step" in a matrix.'
        )
    return is_of_labels


def _check_numbers_of_labels(fitted, classes):
    given, known = None if classes is None else given_classes(classes).tolist(), fitted.classes.tolist()
    if given not in (None, known):
        raise ValueError(
            f"classes={given} are not the numbers of the labels that a matrix y of indicators has, "
            f"{known}: leave out classes."
        )


def _with_opposite(raw_prediction):
    """Raw predictions with a column for each class: of two classes, the first has the opposite sign."""
    return raw_prediction if raw_prediction.shape[1] > 1 else np.concatenate((-raw_prediction, raw_prediction), axis=1)


def _decide(raw_prediction):
    """Number of the class that each row of raw predictions speaks for."""
    if raw_prediction.shape[1] > 1:
        return raw_prediction.argmax(axis=1)
    return (raw_prediction[:, 0] > 0).astype(np.intp)
