"""What samples begin with: prompts as users pass them, and what a network has made of them."""

import numpy as np

from ..network.data import Data
from ..network.inference import Predictor
from ..network.stepper import no_carry
from ..sequences import SequenceArray
from ..sequences._layout import offsets_of, place
from ..sequences._steps import Sequence, check_container, is_sequence
from ..sequences._vocabulary import encode_tokens
from ._moved import Moved
from ._sampling import Start
from ._validation import naming, validate_inputs
from .tasks._generation import NOTES, TOKENS

MORE_STEPS = 200  # than the prompt, if nothing else is said


def read_prompts(estimator, prompt, n_samples):
    """The prompts as sequences, one for all samples or one for each; None if there is none."""
    items = _as_list(estimator, prompt)
    if items is None:
        return None
    if len(items) not in (1, n_samples):
        raise ValueError(
            f"prompt holds {len(items)} sequences for {n_samples} samples: pass one for all, or one for each."
        )
    dtype = estimator.structure_.dtype
    with naming("prompt"):
        prompts = validate_inputs(estimator, items, dtype, missing="error", text=estimator.content_ == TOKENS)
        _check_prompts(estimator, prompts)
    return prompts


def _as_list(estimator, prompt):
    """A container of sequences, not of one; None for no prompt."""
    if prompt is None:
        return None
    if not isinstance(prompt, str):
        check_container(prompt, "prompt")
    if len(prompt) == 0:
        return None
    if isinstance(prompt, SequenceArray) or len(getattr(prompt, "shape", ())) == 3:
        return prompt
    return SequenceArray.from_list(list(prompt) if _holds_sequences(estimator, prompt) else [_one(prompt)])


def _one(prompt):
    return list(prompt) if isinstance(prompt, str) else prompt


def _holds_sequences(estimator, prompt):
    """Whether a prompt is one for each sample, not one for all."""
    if isinstance(prompt, (str, Sequence)) or hasattr(prompt, "columns"):
        return False
    first = next(iter(prompt))
    if not is_sequence(first):
        return False
    # The steps of one sequence may be lists of their channels.
    return estimator.content_ == TOKENS or np.ndim(getattr(first, "values", first)) == 2


def _check_prompts(estimator, prompts):
    """Refuse steps that no training sequence can have had."""
    if estimator.content_ == NOTES and not np.isin(prompts.values, (0, 1)).all():
        raise ValueError("notes are 0 or 1.")
    if estimator.content_ != TOKENS or estimator.has_unknown_:
        return
    codes = encode_tokens(prompts.values[:, 0], estimator.vocabulary_)
    if not codes.all():
        row = int((codes == 0).argmax())
        i, step = place(prompts.offsets, row)
        raise ValueError(
            f"sequence {i}, step {step} is the token {str(prompts.values[row, 0])!r}, which no training sequence has: "
            "use tokens of vocabulary_ (of a text, its characters or words, as in fit), or fit with min_count=2."
        )


def steps_left(prompts, max_length, n_samples):
    """Most steps behind the prompt of each sample."""
    lengths = np.zeros(n_samples, np.int64) if prompts is None else np.broadcast_to(prompts.lengths, n_samples)
    if max_length is None:
        return np.full(n_samples, MORE_STEPS)
    left = max_length - lengths
    if (left < 1).any():
        raise ValueError(
            f"max_length={max_length} leaves no step to sample behind a prompt of {lengths.max()} steps: raise it."
        )
    return left


def start_of(network, theta, encoder, prompts, n_steps, executor, max_bytes):
    """The `Start` of samples behind prompts, of which the network reads all but the last step."""
    n_samples, begins = len(n_steps), prompts is None
    if prompts is None:
        n_channels = encoder.n_channels
        blank = np.full((1, n_channels), np.nan) if not encoder.is_text else np.full((1, n_channels), "")
        prompts = SequenceArray(blank[:0], [0, 0])
    moved = Moved.of(prompts)
    values, carry = encoder.encode(moved, network.dtype), no_carry(network, len(prompts))
    if prompts.lengths.any():
        is_read = np.ones(len(values), bool)
        is_read[moved.last_rows] = False
        data = Data(values[is_read], offsets_of(prompts.lengths))
        _, carry = Predictor(network, theta, data, executor, max_bytes).states_from(carry)
    which = np.arange(n_samples) if len(prompts) == n_samples else np.zeros(n_samples, np.intp)
    return Start(values[moved.last_rows][which], carry.take(which), n_steps, begins)
