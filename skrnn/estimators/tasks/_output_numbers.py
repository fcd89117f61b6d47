"""Sequences of numbers that a decoder puts out, row after row."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import r2_score

from ...losses import BaseLoss, DistributionLoss
from ...sequences._containers import items_of
from ...sequences._ragged import ragged_values, rows_in, split_steps
from ...sequences._steps import count
from ._numbers import Numbers, RegressionTask, check_restored_numbers, restored_numbers
from ._output_sequences import FittedOutputs, OutputTask
from ._read import kind_of


@dataclass(frozen=True)
class OutputNumbers(FittedOutputs):
    """Rows of numbers, as `of_rows` describes them.

    n_steps : the number of rows of each sequence, or None if they differ.
    """

    of_rows: Numbers
    n_steps: int | None

    @property
    def loss(self):
        """Of a row."""
        return self.of_rows.loss

    @property
    def n_outputs(self):
        """Numbers of a row."""
        return self.of_rows.n_outputs

    n_columns = n_outputs

    def encode(self, rows):
        rows = np.concatenate(rows)
        self.check_width(rows)
        return self.of_rows.encode(rows)

    def check_width(self, rows):
        """Refuse rows of another number of numbers."""
        if (found := rows[:1].size) != self.n_outputs:
            raise ValueError(f"y has rows of {count(found, 'number')}, but fit saw rows of {self.n_outputs}.")

    def numbers(self, predictor, n_steps, indices=None):
        """What the decoder puts out, `n_steps` rows for each sequence, one below the other, in units of the loss."""
        from ...network.generation import next_numbers  # noqa: PLC0415 (brings the compiler)

        return np.concatenate(next_numbers(predictor, n_steps, self.loss.predict, indices))

    def score_held_out(self, predictor, rows):
        data = predictor.data
        predicted = self.numbers(predictor, np.diff(data.target_offsets)[rows], rows)
        if not np.isfinite(predicted).all():
            return -np.inf
        target_rows = data.target_rows(rows)
        return r2_score(data.target[target_rows], predicted, sample_weight=data.row_weight[target_rows])

    def in_units(self, predicted):
        """Rows of `numbers` in the unit and shape of the target."""
        of_rows = self.of_rows
        return (predicted * of_rows.scale + of_rows.mean).reshape(len(predicted), *of_rows.shape)

    def attributes(self):
        return self.of_rows.attributes() | {"n_out_steps_": self.n_steps}


class OutputNumbersTask(OutputTask):
    """Sequences of numbers.

    Parameters
    ----------
    owner : str
        See `OutputTask`.
    loss : str or BaseLoss
    standardize_target : bool
    """

    def __init__(self, owner, loss, standardize_target):
        super().__init__(owner)
        self._of_rows = RegressionTask(owner, loss=loss, standardize_target=standardize_target)

    def check(self, parameters):
        super().check(parameters)
        self._of_rows.check(parameters)
        if isinstance(parameters.loss, DistributionLoss):
            raise ValueError(
                f"loss={parameters.loss!r} predicts several numbers for each target, but the decoder reads one: use a "
                "loss of single numbers, such as 'squared_error', or RNNForecaster for quantiles and distributions."
            )
        if parameters.teacher_forcing < 1 and not self._of_rows.make_loss().scales_target:
            raise ValueError(
                f"teacher_forcing={parameters.teacher_forcing} lets the decoder read raw predictions, but those of "
                f"loss={parameters.loss!r} are in other units than y: use teacher_forcing=1.0."
            )

    def read_outputs(self, y):
        y = items_of(y, "y")
        values, offsets = ragged_values(y)
        if kind_of(values) == "texts":
            advice = "if they are labels, use Seq2SeqClassifier"
            raise ValueError(
                f"{self.owner} puts out numbers, but y holds texts like {str(values.flat[0])!r}: {advice}."
            )
        rows = rows_in(y, "y")
        if values.ndim == 1 and rows is not None and np.ndim(rows[0]) == 2:
            values = values[:, np.newaxis]  # a column of its own in y, and in predictions
        return split_steps(values, offsets)

    def learn(self, target, trained, columns, request):
        of_all = target._replace(rows=np.concatenate(target.rows), offsets=None)
        return OutputNumbers(self._of_rows.learn(of_all, trained, columns, request), self._n_steps())

    def _n_steps(self):
        """The number of rows of each output, or None if they differ."""
        n_steps = int(self.lengths[0])
        return n_steps if (self.lengths == n_steps).all() else None

    def resumed(self, fitted, request):
        """The task that was fitted before, with the loss of now."""
        n_steps = fitted.n_steps if fitted.n_steps == self._n_steps() else None
        return OutputNumbers(self._of_rows.resumed(fitted.of_rows, request), n_steps)


def restored_output_numbers(attributes):
    """The fitted task that public attributes describe."""
    return OutputNumbers(restored_numbers(attributes), attributes.n_out_steps_)


def check_restored_output_numbers(attributes, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    require("n_out_steps_", lambda v: v is None or (isinstance(v, (int, np.integer)) and v > 0))
    require("loss_function_", lambda v: isinstance(v, BaseLoss))
    check_restored_numbers(attributes, require)
    return restored_output_numbers(attributes)
