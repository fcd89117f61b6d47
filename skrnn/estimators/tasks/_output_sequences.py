"""What targets of their own length have in common: a decoder reads what stands before each output."""

import copy
from dataclasses import replace

import numpy as np
from sklearn.utils import check_consistent_length

from ...cells import get_cell
from ...network.structure import Structure
from ...sequences._layout import offsets_of
from ...sequences._validate import check_as_many
from ._read import refuse_no_target, row_weights
from ._task import FittedTask, Target, Task


class OutputTask(Task):
    """A sequence for each sequence.

    Parameters
    ----------
    owner : str
        Name of the estimator, for errors.

    Attributes
    ----------
    lengths : ndarray of int or None
        Of all outputs, once the target is known.
    """

    n_marks = 0  # that stand behind the outputs of a sequence
    lengths = None

    def __init__(self, owner):
        self.owner = owner

    def check(self, parameters):
        if get_cell(parameters.cell).is_output:
            raise ValueError(
                f"{self.owner} starts a decoder from the states of the encoder, but those of cell={parameters.cell!r} "
                'are predictions: use another cell, like "gru" or "lstm".'
            )

    def read_outputs(self, y):
        """An array for each sequence in y, in an object array."""
        raise NotImplementedError

    def read_given(self, sequences, y):
        """The `Target` of outputs that are not trained on: what a network can put out."""
        return self._target(sequences, self.read_outputs(y), None)

    def read(self, sequences, y, sample_weight, roles=None, per_step=None, seen="fit saw"):
        refuse_no_target(y, self.owner)
        rows = self.read_outputs(y)
        check_as_many(sequences, rows)
        return self._target(sequences, rows, sample_weight)

    def _target(self, sequences, rows, sample_weight):
        check_consistent_length(sequences.lengths, rows)
        weight, _ = row_weights(sample_weight, sequences.offsets, per_step=False)
        lengths = np.array([len(row) for row in rows]) + self.n_marks
        return Target(rows, np.repeat(weight, lengths), weight, False, offsets_of(lengths))

    def for_target(self, target):
        task = copy.copy(self)
        task.lengths = np.diff(target.offsets) - self.n_marks
        return task


class FittedOutputs(FittedTask):
    """What was learned of sequences that a decoder puts out.

    Attributes
    ----------
    n_columns : int
        Numbers that a step of the decoder reads.
    added_to_read : int
        What is added to an encoded target where the decoder reads it; at the start it reads 0.
    """

    per_step, added_to_read = False, 0

    def structure(self, structure, parameters):
        """With a decoder that has layers like those of the encoder, in one direction."""
        decoder = Structure(
            cell=structure.cell,
            n_inputs=self.n_columns,
            hidden_layer_sizes=structure.hidden_layer_sizes,
            n_outputs=structure.n_outputs,
            dtype=structure.dtype,
            pooling="steps",
            embeddings=self.embeddings(parameters),
            layer_norm=structure.layer_norm,
            residual=structure.residual,
            dropout=structure.dropout,
            recurrent_dropout=structure.recurrent_dropout,
            zoneout=structure.zoneout,
        )
        pooling = "last" if parameters.attention is None else "unaligned"
        return replace(structure, pooling=pooling, decoder=decoder, attention=parameters.attention)

    def attach(self, data):
        from ...network.data import Data  # noqa: PLC0415 (brings the compiler)

        read, offsets = np.zeros_like(data.target), data.target_offsets
        read[1:] = data.target[:-1] + self.added_to_read
        read[offsets[:-1]] = 0
        data.outputs = Data(read, offsets)

    def embeddings(self, parameters):
        """Those of what the decoder reads: see `Structure`."""
        return ()
