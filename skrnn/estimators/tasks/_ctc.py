"""Labels that are not aligned with the steps, learned by the sum over all alignments."""

from dataclasses import dataclass, replace

import numpy as np

from ...metrics import token_error_rate
from ...network.codes import LabelSequenceLoss, count_equal_neighbours, padded, unpadded
from ...optimizers import get_optimizer
from ...sequences._layout import offsets_of
from ...sequences._ragged import split_steps
from ...sequences._validate import check_as_many
from ._label_sequences import codes_of_sequences, read_label_sequences
from ._read import (
    are_classes,
    distinct,
    given_classes,
    kind_of,
    refuse_no_target,
    refuse_other_classes,
    row_weights,
)
from ._task import FittedTask, Target, Task

# Probability of the blank to start from: paths that spell few labels are mostly blanks, and such a start says nothing
# at first. Labels that a random start happens to say would count as skill.
FIRST_BLANKS = 0.9
MANY_INPUTS = 8


@dataclass(frozen=True)
class Unaligned(FittedTask):
    """Sequences of labels, of those in `classes` (n_classes,), which are sorted; the blank is no class.

    A row of an encoded target holds the codes of a sequence, and -1 behind the last one.
    """

    classes: np.ndarray
    n_infeasible: int = 0

    loss, per_step, no_skill = LabelSequenceLoss(), False, 0.0  # nothing but blanks: each label is left out

    @property
    def n_outputs(self):
        """Labels and blank."""
        return len(self.classes) + 1

    def encode(self, rows):
        return padded(self.codes(rows))

    def codes(self, rows, name="y"):
        """Codes of the labels of each sequence; none of one that is None."""
        given = [row for row in rows if row is not None and len(row)]
        offsets = offsets_of(np.array([0 if row is None else len(row) for row in rows], np.int64))
        if not given:
            return [np.empty(0, np.intp)] * len(rows)
        return np.split(codes_of_sequences(np.concatenate(given), offsets, self.classes, name), offsets[1:-1])

    def structure(self, structure, parameters):
        dropped = structure.input_dropout
        if dropped == "auto":
            dropped = _share_of_inputs(structure) if get_optimizer(parameters.solver).stochastic else 0.0
        return replace(structure, pooling="unaligned", input_dropout=dropped)

    def raw_prediction(self, target, n_raw, dtype):
        codes, weight = target.y[target.trained], target.weight[target.trained]
        of_labels = np.broadcast_to(weight[:, np.newaxis], codes.shape)[codes >= 0]
        share = np.bincount(codes[codes >= 0].astype(np.intp), weights=of_labels, minlength=n_raw - 1)
        share = (1 + share / share.sum()) / n_raw if share.any() else np.ones(n_raw - 1)  # also of labels to come
        return np.log(np.append((1 - FIRST_BLANKS) * share / share.sum(), FIRST_BLANKS))

    def score_held_out(self, predictor, rows):
        from ...network.paths import best_paths  # noqa: PLC0415 (brings the compiler)

        data, raw = predictor.data, predictor.predict_raw(rows)
        if not np.isfinite(raw).all():
            return -np.inf
        ends = np.cumsum(predictor.network.n_steps(data.lengths[rows]))
        found, truth = best_paths(raw, np.append(0, ends[:-1])), unpadded(data.target[rows])
        return 1.0 - token_error_rate(truth, found, sample_weight=data.weight[rows])

    def attributes(self):
        return {"classes_": self.classes, "n_infeasible_": self.n_infeasible}


@dataclass(frozen=True)
class UnalignedTask(Task):
    """Sequences of labels.

    Parameters
    ----------
    owner : str
        Name of the estimator, for errors.
    infeasible : {"error", "drop"}
        What is done with sequences whose labels need more steps than there are.
    stride : int
        Of the convolution.
    n_infeasible : int, default=0
        How many sequences of a target are dropped.
    """

    owner: str
    infeasible: str
    stride: int
    n_infeasible: int = 0

    def read(self, sequences, y, sample_weight, roles, per_step=None, seen=None):
        """The `Target`: for each sequence an array of labels, None for one that is dropped."""
        refuse_no_target(y, self.owner)
        rows = rows_of_labels(y)
        check_as_many(sequences, rows)
        _, weight = row_weights(sample_weight, sequences.offsets, False)
        n_steps = -(-sequences.lengths // self.stride)
        is_infeasible = (steps_needed(rows) > n_steps) & (weight > 0)
        if is_infeasible.any() and self.infeasible == "error":
            i = int(is_infeasible.argmax())
            refuse_infeasible(i, rows[i], sequences.lengths[i], self.stride, 'or set infeasible="drop"')
        rows[is_infeasible] = None
        weight = np.where(is_infeasible, 0.0, weight)
        return Target(rows, weight, weight, False)

    def for_target(self, target):
        return replace(self, n_infeasible=sum(row is None for row in target.rows))

    def learn(self, target, trained, columns, request):
        if request.one_epoch:
            if request.classes is None:
                raise ValueError("The first call of partial_fit needs classes, all that there will ever be.")
            return Unaligned(given_classes(request.classes), self.n_infeasible)
        known = [row for row in target.rows if row is not None and len(row)]
        if not known:
            raise ValueError("y holds no label: there is nothing to learn.")
        kinds = sorted({kind_of(row) for row in known})
        if len(kinds) > 1:
            raise ValueError(f"The labels of y and y_val must be of one kind; they are {' and '.join(kinds)}.")
        return Unaligned(distinct(np.concatenate(known), "y")[0], self.n_infeasible)

    def resumed(self, fitted, request):
        """The task that was fitted before; refuses other `classes`."""
        refuse_other_classes(fitted.classes, request)
        return replace(fitted, n_infeasible=self.n_infeasible)


def rows_of_labels(y):
    """For each sequence in y an array of labels, in an array of objects."""
    return split_steps(*read_label_sequences(y))


def steps_needed(rows):
    """Steps that labels need at least: one for each, and a blank between equal neighbours."""
    return np.array([len(labels) + count_equal_neighbours(labels) for labels in rows], np.int64)


def refuse_infeasible(i, labels, n_steps, stride, advice):
    """Refuse labels that need more steps than sequence i has."""
    n_left, n_equal = -(-n_steps // stride), count_equal_neighbours(labels)
    steps = f"{n_steps} steps" + (f", of which the convolution leaves {n_left}" if stride > 1 else "")
    needed = f"{len(labels)} labels" + (f" with {n_equal} equal neighbours" if n_equal else "")
    less = ", a smaller stride" if stride > 1 else ""
    raise ValueError(
        f"sequence {i} has {steps}, but y has {needed} for it, which need {len(labels) + n_equal} steps at least: give "
        f"it more steps{less} or fewer labels, {advice}."
    )


def _share_of_inputs(structure):
    """Share of the inputs to leave out: none where there are few, which others do not make up for."""
    convolution = structure.convolution
    n_inputs = structure.n_inputs if convolution is None else convolution.n_channels
    return 0.2 if n_inputs >= MANY_INPUTS and not structure.embeddings else 0.0


def restored_labels(attributes):
    """The fitted task that public attributes describe."""
    return Unaligned(attributes.classes_, int(attributes.n_infeasible_))


def check_restored_labels(attributes, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    require("classes_", lambda v: are_classes(v) and len(v) > 0)
    require("n_infeasible_", lambda v: isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= 0)
    require("n_outputs_", lambda v: v == len(attributes.classes_) + 1)
    return restored_labels(attributes)
