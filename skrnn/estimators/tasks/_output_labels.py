"""Sequences of labels that a decoder puts out, one after the other, until it puts out an end mark."""

from dataclasses import dataclass, replace

import numpy as np

from ...losses import MultinomialLogLoss
from ...metrics import token_error_rate
from ...network.encoding import default_embedding_dim
from ...sequences._layout import offsets_of
from ...sequences._ragged import split_steps
from ._label_sequences import codes_of_sequences, read_label_sequences
from ._output_sequences import FittedOutputs, OutputTask
from ._read import are_classes, distinct, given_classes, refuse_other_classes


@dataclass(frozen=True)
class OutputLabels(FittedOutputs):
    """Labels of `classes`, which are sorted.

    The decoder reads codes: 0 at the start, else one more than the number of the label before. It puts out numbers of
    labels, and ``len(classes)`` as the end mark.
    """

    classes: np.ndarray
    label_smoothing: float
    max_output_length: int
    free_running: bool
    n_columns = added_to_read = 1

    @property
    def n_outputs(self):
        """One for each label, and one for the end."""
        return len(self.classes) + 1

    @property
    def end(self):
        """Number of the end mark."""
        return len(self.classes)

    @property
    def loss(self):
        """Of the labels, and of the end mark."""
        return MultinomialLogLoss(self.label_smoothing)

    def embeddings(self, parameters):
        n_codes, n_dims = len(self.classes) + 1, parameters.embedding_dim
        return ((0, n_codes, default_embedding_dim(n_codes) if n_dims == "auto" else n_dims),)

    def encode(self, rows):
        labels = np.concatenate(rows) if len(rows) else np.empty(0)
        codes = codes_of_sequences(labels, offsets_of([len(row) for row in rows]), self.classes)
        ends = np.cumsum([len(row) for row in rows])
        return np.insert(codes.astype(np.float64), ends, float(self.end))[:, np.newaxis]

    def score_held_out(self, predictor, rows):
        data = predictor.data
        if not self.free_running:
            return super().score_held_out(predictor, rows)
        from ...network.generation import Beams, NotFiniteError, best_outputs  # noqa: PLC0415 (brings the compiler)

        offsets, codes = data.target_offsets, data.target[:, 0]
        true = [codes[offsets[i] : offsets[i + 1] - 1] for i in rows]
        try:
            found = best_outputs(predictor, Beams(self.end, self.max_output_length), rows)
        except NotFiniteError:
            return -np.inf
        weight = data.row_weight[offsets[rows]]  # all rows of a sequence have its weight
        return 1 - token_error_rate(true, [best[0].labels for best in found], sample_weight=weight)

    def validation_score(self, raw_prediction, y, weight):
        log_p = MultinomialLogLoss().log_predict(raw_prediction)
        return np.average(np.take_along_axis(log_p, y.astype(np.intp), axis=1)[:, 0], weights=weight)

    def labels(self, codes):
        """The labels with these numbers."""
        return self.classes[np.asarray(codes, np.intp)]

    def attributes(self):
        return {"classes_": self.classes, "max_output_length_": self.max_output_length}


class OutputLabelsTask(OutputTask):
    """Sequences of labels.

    Parameters
    ----------
    owner : str
        See `OutputTask`.
    label_smoothing : float
    max_output_length : int or "auto"
    free_running : bool
        Whether held-out outputs are scored as the network makes them, without seeing the true ones.
    """

    n_marks = 1

    def __init__(self, owner, label_smoothing, max_output_length, free_running):
        super().__init__(owner)
        self.label_smoothing, self.free_running = label_smoothing, free_running
        self.max_output_length = max_output_length

    def read_outputs(self, y):
        labels, offsets = read_label_sequences(y)
        if not len(labels):
            raise ValueError("y has no label in any sequence: there is nothing to learn.")
        return split_steps(labels, offsets)

    def read_given(self, sequences, y):
        return self._target(sequences, split_steps(*read_label_sequences(y)), None)

    def learn(self, target, trained, columns, request):
        if request.one_epoch and request.classes is None:
            raise ValueError("The first call of partial_fit needs classes, all labels that there will ever be.")
        classes = given_classes(request.classes) if request.one_epoch else distinct(np.concatenate(target.rows), "y")[0]
        return OutputLabels(classes, self.label_smoothing, self._longest(), self.free_running)

    def _longest(self):
        """Most labels to put out."""
        return 2 * int(self.lengths.max()) if self.max_output_length == "auto" else self.max_output_length

    def resumed(self, fitted, request):
        """The task that was fitted before, with what may be changed; refuses other `classes`."""
        refuse_other_classes(fitted.classes, request)
        longest = self._longest()
        if self.max_output_length == "auto":
            longest = max(longest, fitted.max_output_length)
        return replace(
            fitted, label_smoothing=self.label_smoothing, max_output_length=longest, free_running=self.free_running
        )


def restored_outputs(estimator):
    """The fitted task that the public attributes and the parameters of an estimator describe."""
    parameters = estimator.label_smoothing, estimator.max_output_length_, estimator.validation_scoring == "output"
    return OutputLabels(estimator.classes_, *parameters)


def check_restored_outputs(estimator, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    require("classes_", are_classes)
    require("max_output_length_", lambda v: isinstance(v, (int, np.integer)) and v > 0)
    require("n_outputs_", lambda v: v == len(estimator.classes_) + 1)
    return restored_outputs(estimator)
