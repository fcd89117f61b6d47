"""The numbers that a network reads of a step, where steps come one by one: those of `network.encoding`, to the bit."""

import numpy as np

from ..kernels.program import Instruction, Program
from ..kernels.stepping import difference_step, standardize_step
from ..network.vocabularies import are_no_codes
from ..sequences._steps import are_finite

# What is too large is refused; without the compiler NumPy would also warn of it.
IS_COMPILED = hasattr(standardize_step, "overloads")
QUIETLY = np.errstate(over="ignore", invalid="ignore")
STANDARDIZE = standardize_step if IS_COMPILED else QUIETLY(standardize_step)
DIFFERENCE = difference_step if IS_COMPILED else QUIETLY(difference_step)


class StepEncoder:
    """Encodes a step of each of some streams at a time.

    Parameters
    ----------
    encoder : InputEncoder
    values : ndarray of shape (n_streams, n_columns)
        What the network reads; to be written to.
    steps : ndarray of shape (n_streams,)
        How many steps each stream has had.

    Attributes
    ----------
    given : ndarray of shape (n_streams, n_channels)
        With ``is_plain`` the numbers of the next step; to be written to.
    is_plain : bool
        Whether there are numbers only, of which the network reads nothing but the step, and at most its changes.
    program : Program
        With ``is_plain``, fills `values` from `given`; FloatingPointError if one of them is not finite.
    states : dict of str to ndarray
        What a step leaves for the next: see `Stepper`.
    """

    def __init__(self, encoder, values, steps):
        self.encoder, self.values, self.steps, n = encoder, values, steps, len(values)
        self.is_plain, self.given = encoder.only_numbers, np.zeros((n, encoder.n_channels))
        self._which = np.arange(n)
        self.states, n_numbers = {}, len(encoder.numbers)
        if encoder.time_channel is not None:
            self.states["inputs.time"] = np.zeros(n)
        if encoder.differences:
            self.states["inputs.before"] = np.zeros((n, n_numbers))
        if encoder.missing in ("mask", "decay") and n_numbers:
            self.states |= {"inputs.last": np.zeros((n, n_numbers)), "inputs.seen_at": np.zeros((n, n_numbers))}
        if self.is_plain:
            self.program = Program([self._instruction()])

    def _instruction(self):
        encoder = self.encoder
        scales = self.given, encoder.mean.copy(), encoder.scale.copy()
        if not encoder.differences:
            return Instruction("standardize", STANDARDIZE, (*scales, self.values))
        what = *scales, encoder.difference_scale.copy(), self.states["inputs.before"], self.steps, self.values
        return Instruction("difference", DIFFERENCE, what)

    def encode(self, step, which=None):
        """Fill `values` from a step (n_streams, n_channels) of numbers or tokens, and keep what later steps need.

        Nothing is kept of a step that raises an error. which : numbers of the streams, for errors.
        """
        encoder = self.encoder
        self._which = np.arange(len(step)) if which is None else which
        states, columns = self._numbers(step) if len(encoder.numbers) else ({}, [])
        for channel in encoder.categories:
            if not encoder.is_text:
                self._check_codes(step[:, channel], channel)
            columns.append(encoder.codes(step[:, channel], channel))
        with np.errstate(over="ignore"):
            encoded = np.hstack(columns).astype(self.values.dtype)
        if not are_finite(encoded):
            self._refuse_infinite(encoded)
        self.values[:] = encoded
        for name, state in states.items():
            self.states[name][:] = state

    def _numbers(self, step):
        """What is to be kept, and the columns of numbers and what comes with them; see `InputEncoder`."""
        encoder, numbers, begins, kept = self.encoder, self.encoder.numbers, self.steps == 0, {}
        values, times = step[:, numbers].astype(np.float64), self.steps.astype(np.float64)
        if encoder.time_channel is not None:
            times = kept["inputs.time"] = self._times(values[:, -1].copy(), begins)
            values[:, -1] = np.where(begins, 0, times - self.states["inputs.time"])
        values = encoder.standardized(values)
        is_missing = np.isnan(values)
        if encoder.missing == "error" and is_missing.any():
            self._refuse(is_missing, numbers, 'is missing (NaN): fit with missing="mask" or "decay"')
        if encoder.differences:
            changes = np.where(begins[:, np.newaxis], 0, values - self.states["inputs.before"])
            return {"inputs.before": values}, [values, changes / encoder.difference_scale]
        if encoder.missing in ("error", "blank"):
            return kept, encoder.columns_of_numbers(values)
        begins = begins[:, np.newaxis]
        before = np.where(begins, np.nan, self.states["inputs.last"])
        kept["inputs.last"] = np.where(is_missing, before, values)
        at = np.where(is_missing & ~begins, self.states["inputs.seen_at"], times[:, np.newaxis])
        kept["inputs.seen_at"] = at
        return kept, encoder.columns_of_numbers(values, kept["inputs.last"], times[:, np.newaxis] - at)

    def _times(self, times, begins):
        """Time stamps of the step, which must be later than those before."""
        with np.errstate(invalid="ignore"):
            wrong = ~np.isfinite(times) | (~begins & ~(times > self.states["inputs.time"]))
        if wrong.any():
            i = int(wrong.argmax())
            before = "" if begins[i] else f" after {self.states['inputs.time'][i]}"
            raise ValueError(
                f"The time stamps in channel {self.encoder.time_channel} must be finite and rise from step to step; "
                f"stream {self._which[i]} has {times[i]}{before}."
            )
        return times

    def _refuse(self, wrong, channels, why):
        """Raise a ValueError that names the first stream and channel with a number that is `wrong`."""
        i, k = (int(place) for place in np.argwhere(wrong)[0])
        raise ValueError(f"x of stream {self._which[i]}, channel {channels[k]}, {why}.")

    def _refuse_infinite(self, encoded):
        """Raise a ValueError that names a number which is not finite, or else a change which is not."""
        numbers = self.encoder.numbers
        wrong, what = ~np.isfinite(encoded[:, : len(numbers)]), "is"
        if not wrong.any():
            wrong, what = ~np.isfinite(encoded[:, len(numbers) : 2 * len(numbers)]), "changes by what is"
        self._refuse(wrong, numbers, f"{what} not finite, or too large for {encoded.dtype} once it is standardised")

    def _check_codes(self, codes, channel):
        wrong = are_no_codes(codes)
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(
                f"The categorical channel {channel} must hold integers from 0 on; stream {self._which[i]} has "
                f"{codes[i]}."
            )
