"""X as a fit is given it, read without a trace in the estimator."""

from typing import NamedTuple

from ..sequences import SequenceArray
from ..sequences._steps import is_text
from ._fitted import NAMES, OF_X
from ._validation import channel_roles, naming, validate_inputs
from .tasks._task import Roles


class Given(NamedTuple):
    """Sequences of X, and of X_val or None; roles of channels; dict of the attributes `OF_X`."""

    sequences: SequenceArray
    held_out: SequenceArray | None
    roles: Roles
    of_X: dict

    @property
    def all_sequences(self):
        """X and X_val."""
        return [self.sequences] if self.held_out is None else [self.sequences, self.held_out]


def read_given(estimator, spec, request, resumes):
    """What the request gives as X and X_val; must be like the X of the last fit if that is resumed."""
    parameters = spec.parameters
    reader = estimator if resumes else _unfitted(estimator)
    how = {"dtype": parameters.dtype, "missing": parameters.missing}
    sequences, held_out = validate_inputs(reader, request.X, reset=not resumes, **how), None
    if request.validation is not None:
        X_val, y_val, _ = request.validation
        if parameters.early_stopping is False:
            raise ValueError("X_val is what early stopping looks at: set early_stopping=True, or leave it out.")
        if X_val is None or y_val is None:
            raise ValueError("X_val and y_val go together: one of them is None.")
        with naming("X_val"):
            held_out = validate_inputs(reader, X_val, text=is_text(sequences.values), **how)
    of_X = {name: vars(reader)[name] for name in OF_X if name in vars(reader)}
    return Given(sequences, held_out, Roles(*channel_roles(parameters, of_X, sequences)), of_X)


def _unfitted(estimator):
    """The estimator without what fits have set; scikit-learn's checks of X write to it."""
    unfitted = type(estimator).__new__(type(estimator))
    vars(unfitted).update((name, value) for name, value in vars(estimator).items() if name not in NAMES)
    return unfitted
