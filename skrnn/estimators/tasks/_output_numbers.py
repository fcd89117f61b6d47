"""Sequences of numbers that a decoder puts out, row after row."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import r2_score

from ...losses import BaseLoss
from ...sequences._containers import items_of
from ...sequences._ragged import ragged_values, rows_in, split_steps
from ._numbers import Numbers, RegressionTask, check_restored_numbers, restored_numbers
from ._output_sequences import FittedOutputs, OutputTask


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
        return self.of_rows.encode(np.concatenate(rows))

    def attach(self, data):
        from ...network.data import Data  # noqa: PLC0415 (brings the compiler)

        read, offsets = np.zeros_like(data.target), data.target_offsets
        read[1:] = data.target[:-1]
        read[offsets[:-1]] = 0
        data.outputs = Data(read, offsets)

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
        self._of_rows.check(parameters)
        if parameters.teacher_forcing < 1 and not self._of_rows.make_loss().scales_target:
            raise ValueError(
                f"teacher_forcing={parameters.teacher_forcing} lets the decoder read raw predictions, but those of "
                f"loss={parameters.loss!r} are in other units than y: use teacher_forcing=1.0."
            )

    def read_outputs(self, y):
        y = items_of(y, "y")
        values, offsets = ragged_values(y)
        rows = rows_in(y, "y")
        if values.ndim == 1 and rows is not None and np.ndim(rows[0]) == 2:
            values = values[:, np.newaxis]  # a column of its own in y, and in predictions
        return split_steps(values, offsets)

    def learn(self, target, trained, columns, request):
        of_all = target._replace(rows=np.concatenate(target.rows), offsets=None)
        lengths = set(np.diff(target.offsets).tolist())
        fitted = self._of_rows.learn(of_all, trained, columns, request)
        return OutputNumbers(fitted, lengths.pop() if len(lengths) == 1 else None)

    def resumed(self, fitted, request):
        """The task that was fitted before, with the loss of now."""
        return dataclasses.replace(fitted, of_rows=self._of_rows.resumed(fitted.of_rows, request))


def restored_output_numbers(attributes):
    """The fitted task that public attributes describe."""
    return OutputNumbers(restored_numbers(attributes), attributes.n_out_steps_)


def check_restored_output_numbers(attributes, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    require("n_out_steps_", lambda v: v is None or (isinstance(v, (int, np.integer)) and v > 0))
    require("loss_function_", lambda v: isinstance(v, BaseLoss))
    check_restored_numbers(attributes, require)
    return restored_output_numbers(attributes)
