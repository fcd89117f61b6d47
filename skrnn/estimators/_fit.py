"""A fit, in the order in which its parts need each other: target, split, inputs, network, training, results."""

from dataclasses import dataclass

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.utils import check_consistent_length, check_random_state

from .._core.output import say
from .._core.parameters import described
from .._core.warn import warn_user
from ..initializers import Scheme, get_bias_initializer, get_initializer
from ..optimizers import get_optimizer
from ..schedules import Constant, get_schedule
from ..sequences._ragged import is_ragged
from ._ahead import warn_if_answer_is_read
from ._callbacks import CallbackObserver
from ._going_on import check_same_model, remembered
from ._scaling import best_constant
from ._target_names import check_target_names
from .tasks._read import complete

# batch_size="auto" and max_iter="auto": batches large enough for the processor to work well and small enough for many
# updates in an epoch, and epochs enough for updates enough; chosen by experiment, see docs/defaults.rst.
SMALLEST_BATCH, LARGEST_BATCH, BATCHES_PER_EPOCH = 16, 64, 16
FEWEST_EPOCHS, MOST_EPOCHS, UPDATES = 20, 200, 1500
NOT_OF_THE_RESULT = {"n_jobs", "verbose"}  # parameters that do not change what a fit computes


@dataclass(frozen=True)
class Job:
    """What a call of `fit` or `partial_fit` is given.

    X, y, sample_weight : as users pass them; validation : X, y and weights to hold out, or None; groups : of the
    sequences, for the split, or None; goes_on : whether to start from the weights and encodings of the fit before;
    classes : those of the target, where they are not to be read from y; partial : whether to train one epoch only, and
    to keep what the optimizer remembers.
    """

    X: object
    y: object
    sample_weight: object
    validation: tuple | None = None
    groups: object = None
    goes_on: bool = False
    classes: object = None
    partial: bool = False


def learn(estimator, sequences, job, verbose=False):
    """Train the network of an estimator and set its attributes; returns the text of a warning, or None."""
    from ..network.data import Data  # noqa: PLC0415 (brings the compiler)
    from ..network.memory import check_memory  # noqa: PLC0415
    from ..network.network import Network  # noqa: PLC0415
    from ..training.run import Training  # noqa: PLC0415

    if not job.partial:
        _forget(estimator, "solver_state_", "solver_t_", "solver_name_")
    if not job.goes_on:
        _forget(estimator, "learning_rate_init_")
    check_target_names(estimator, job.y, reset=not job.goes_on)
    _check_groups(estimator, sequences, job)
    given, n_sequences = estimator._target(sequences, job.y, job.sample_weight, job.goes_on), len(sequences)
    parts = [sequences]
    if job.validation is not None:
        parts, given = estimator._append(sequences, given, *job.validation)
    lengths = np.concatenate([part.lengths for part in parts])
    checkpoint = _checkpoint(estimator, parts, given, job)
    seed = checkpoint["seed"] if checkpoint else int(check_random_state(estimator.random_state).randint(2**31 - 1))
    rows, held_out = np.arange(n_sequences), np.arange(n_sequences, len(lengths))
    if job.validation is None and not job.partial:
        rows, held_out = _split(estimator, given, job.groups, seed)
    estimator.per_step_ = given.per_step
    trained = np.isin(np.arange(len(lengths)), rows)
    if not job.goes_on:
        estimator._fit_inputs(sequences, _weight_of_inputs(estimator, sequences, given, trained, job))
    trained = np.repeat(trained, lengths) if given.per_step else trained
    loss, target, weight = _encoded_target(estimator, given, trained, job)
    _check_weights(weight, trained)
    if not weight.all():  # what does not count may be anything, also what would overflow
        target = np.where(weight[:, np.newaxis] > 0, target, 0.0)

    _set_structure(estimator, sequences, loss, job)
    if given.per_step and not job.goes_on:
        warn_if_answer_is_read(estimator.structure_, sequences, given.rows)
    network, optimizer = Network(estimator.structure_), _optimizer(estimator)
    check_memory(network, lengths, estimator._max_bytes, estimator.truncation)
    raw = best_constant(loss, target, weight, trained, network.n_outputs, estimator.dtype)
    data = Data.of(parts, estimator.inputs_, estimator.dtype, target, weight, estimator._max_bytes)
    n_steps = network.n_steps(data.longest(rows))
    rows = rows[data.weight[rows] > 0]  # as if the others were not there, in mini-batches too
    settings = _settings(estimator, len(rows), estimator.alpha / data.mean_targets(rows), job, verbose)
    state = _start(estimator, network, job, checkpoint, seed, n_steps, raw, optimizer)

    def attributes():
        return results(network, state, job.partial)

    observer = CallbackObserver(estimator, settings.max_iter, job.X, job.y, job.sample_weight, attributes)
    estimator._training = Training(network, state, data, loss, estimator._validation_score, settings, observer)
    problem = estimator._training.run(optimizer, rows, held_out)
    vars(estimator).update(attributes())
    observer.end_fit(estimator._training.interrupted)
    return problem


def _forget(estimator, *names):
    for name in names:
        vars(estimator).pop(name, None)


def warn(problem):
    """Warn that training ended badly, if it did."""
    if problem:
        warn_user(problem, ConvergenceWarning)


def results(network, state, partial=False):
    """The fitted attributes that a state of training gives."""
    losses, scores, watched = list(state.loss_curve), state.validation_scores, state.watched(state.first_epoch)
    run = losses if partial else losses[state.first_epoch :]
    attributes = {
        "weights_": weights_of(network, state.result),
        "loss_curve_": losses,
        "validation_scores_": None if scores is None else list(scores),
        "gradient_norm_curve_": np.array(state.gradient_norms),
        "n_iter_": max(len(run), 1),
        "t_": state.n_updates,
        "loss_": losses[-1] if losses else np.nan,
        "best_loss_": None if state.validates else min(run, default=np.nan),
        "best_validation_score_": max(watched, default=np.nan) if state.validates else None,
    }
    if partial:
        attributes["solver_state_"] = [slot.copy() for slot in state.slots or []]
        attributes["solver_t_"] = state.n_updates - state.n_forgotten
    return attributes


def weights_of(network, theta):
    """Parameters by name, as the public attribute has them."""
    return {name: view.copy() for name, view in network.layout.views(theta).items()}


# ----------------------------------------------------------------------------------------------------- rows to train on
def _check_groups(estimator, sequences, job):
    """Refuse groups that nothing would look at."""
    if job.groups is None:
        return
    if job.validation is not None:
        raise ValueError("groups say what is held out of X, but X_val is held out in its place: leave out one of them.")
    if estimator.early_stopping is False:
        raise ValueError("groups say what early_stopping holds out: set early_stopping=True, or leave them out.")
    if estimator.validation_split == "last":
        raise ValueError('validation_split="last" may cut through a group: use "random", or a splitter of groups.')
    groups = complete(job.groups, "groups")
    check_consistent_length(sequences, groups)
    if groups.ndim != 1:
        raise ValueError(f"groups must have one entry for each sequence; got an array of shape {groups.shape}.")


def _split(estimator, given, groups, seed):
    """Rows to train on, and rows to hold out."""
    rows = np.arange(n_sequences := len(given.sequence_weight))
    if not (estimator.early_stopping is True or (estimator.early_stopping == "auto" and groups is not None)):
        return rows, rows[:0]
    strata = None if given.per_step else estimator._strata(given.rows)
    try:
        rows, held_out = _parts(estimator, rows, strata, groups, seed)
    except ValueError as error:
        raise ValueError(
            f"validation_fraction={estimator.validation_fraction} of {len(rows)} sequences cannot be held out for "
            f"early_stopping: {error}"
        ) from error
    if len(held_out) < 2 or not len(rows):
        raise ValueError(
            f"The validation part has {len(held_out)} sequences and the training part {len(rows)}: change "
            "validation_fraction or validation_split, or set early_stopping=False."
        )
    if estimator.verbose and estimator.early_stopping == "auto":
        say(f"Early stopping is on, since groups are passed: {len(held_out)} of {n_sequences} sequences are held out.")
    return np.sort(rows), np.sort(held_out)


def _parts(estimator, rows, strata, groups, seed):
    """Rows to train on, and rows to hold out."""
    split, fraction = estimator.validation_split, estimator.validation_fraction
    if split == "last":
        n_held_out = int(np.ceil(fraction * len(rows)))
        return rows[: len(rows) - n_held_out], rows[len(rows) - n_held_out :]
    if split == "random" and groups is None:
        return train_test_split(rows, test_size=fraction, random_state=seed, stratify=strata)
    if split == "random":
        split = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
    y = np.zeros(len(rows)) if strata is None else strata
    parts = next(iter(split.split(np.zeros((len(rows), 1)), y, groups)), None)
    if parts is None:
        raise ValueError(f"validation_split={split!r} gives no part.")
    return parts


def _weight_of_inputs(estimator, sequences, given, trained, job):
    """Weight of each sequence in what is learned of X; or of each step, where nothing reads those at the end."""
    weight, offsets = (given.sequence_weight * trained)[: len(sequences)], sequences.offsets
    reads_ahead = estimator._bidirectional() or estimator.convolution is not None
    if reads_ahead or job.sample_weight is None or not is_ragged(job.sample_weight):
        return weight
    steps = np.arange(offsets[-1])
    last = np.maximum.reduceat(np.where(given.weight[: offsets[-1]] > 0, steps, -1), offsets[:-1])
    return np.repeat(weight, sequences.lengths) * (steps <= np.repeat(last, sequences.lengths))


def _check_weights(weight, trained):
    """Refuse weights that leave nothing to train on or to score."""
    for part, name in ((weight[trained], "to train on"), (weight[~trained], "held out for early stopping")):
        if len(part) and part.sum() == 0:
            raise ValueError(
                f"All sequences {name} have weight zero (sample_weight times class_weight), or no known target."
            )


# ------------------------------------------------------------------------------------------------------ what is learned
def _encoded_target(estimator, given, trained, job):
    """Loss, target (n, k) and weights."""
    if job.classes is not None:
        estimator._set_classes(given.rows, job.classes, job.goes_on)
    elif not job.goes_on:
        return estimator._encode_target(given.rows, given.weight, trained)
    if job.goes_on:
        estimator._renew_loss()
    loss, target = estimator._known_target(given.rows)
    return loss, target, estimator._weighted(target, given.weight, trained)


def _set_structure(estimator, sequences, loss, job):
    """Set what network is trained; refuse to go on with another one than was fitted."""
    structure = estimator._structure(loss.n_raw(estimator.n_outputs_))
    if job.goes_on:
        check_same_model(estimator, sequences, structure)
    estimator.structure_ = structure


# --------------------------------------------------------------------------------------------------------- how to train
def _optimizer(estimator):
    optimizer = get_optimizer(estimator.solver)
    if estimator.truncation is not None and not optimizer.stochastic:
        raise ValueError(
            f"solver={estimator.solver!r} needs the whole gradient, which truncation={estimator.truncation} cuts off: "
            'use solver="adam", or truncation=None.'
        )
    if estimator.structure_.is_noisy and not optimizer.stochastic:
        raise ValueError(
            f"solver={estimator.solver!r} needs a loss that does not change from one evaluation to the next, so it "
            'does not go with dropout or zoneout: use solver="adam", or set them to 0.'
        )
    return optimizer


def scheme_of(estimator, n_steps):
    """How the network gets its initial weights; n_steps: of the longest training sequence."""
    biases = get_bias_initializer(estimator.bias_init)
    cell = estimator.structure_.cell
    if biases is not None and not cell.remembers:
        raise ValueError(
            f"bias_init={estimator.bias_init!r} sets biases of gates that remember, but {cell!r} has none: use "
            'bias_init="cell", or another cell, like "lstm", "gru" or "mgu".'
        )
    inputs, recurrent = get_initializer(estimator.input_init), get_initializer(estimator.recurrent_init)
    return Scheme(inputs, recurrent, biases, int(n_steps))


def _settings(estimator, n_sequences, alpha, job, verbose):
    """How to train on so many sequences."""
    from ..training.state import Settings  # noqa: PLC0415

    schedule, batch_size = get_schedule(estimator.learning_rate), _batch_size(estimator, n_sequences)
    return Settings(
        alpha=alpha,
        batch_size=batch_size,
        learning_rate=estimator.learning_rate_init,
        max_iter=1 if job.partial else _n_epochs(estimator, -(-n_sequences // batch_size)),
        clip_norm=np.inf if estimator.clip_norm is None else estimator.clip_norm,
        shuffle=estimator.shuffle,
        tol=estimator.tol,
        n_iter_no_change=estimator.n_iter_no_change,
        n_threads=joblib.effective_n_jobs(estimator.n_jobs),
        max_bytes=estimator._max_bytes,
        truncation=estimator.truncation,
        verbose=verbose,
        schedule=Constant() if job.partial and schedule.needs_end else schedule,
        open_ended=job.partial,
    )


def _batch_size(estimator, n_sequences):
    size = estimator.batch_size
    if size == "auto":
        size = min(max(n_sequences // BATCHES_PER_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)
    return min(size, n_sequences)


def _n_epochs(estimator, n_batches):
    if estimator.max_iter != "auto":
        return estimator.max_iter
    return min(max(-(-UPDATES // n_batches), FEWEST_EPOCHS), MOST_EPOCHS)


def _start(estimator, network, job, checkpoint, seed, n_steps, raw, optimizer):
    """State of training to start from: a checkpoint, the fit before, or new weights, which predict `raw` at first."""
    from ..training.state import TrainingState  # noqa: PLC0415

    if checkpoint:
        return TrainingState.from_plain(checkpoint, network)
    if not job.goes_on:
        rng = np.random.default_rng(seed)
        return TrainingState(network.initialize(rng, scheme_of(estimator, n_steps), raw), seed)
    scores, slots = estimator.validation_scores_, remembered(estimator, optimizer)
    if job.partial:
        estimator.solver_name_ = type(optimizer).__name__
    return TrainingState(
        network.flatten(estimator.weights_),
        seed,
        slots=slots,
        n_updates=estimator.t_,
        # files of earlier versions do not say how many updates the solver remembers: all
        n_forgotten=estimator.t_ - (0 if slots is None else getattr(estimator, "solver_t_", estimator.t_)),
        loss_curve=list(estimator.loss_curve_),
        validation_scores=None if scores is None else list(scores),
        gradient_norms=estimator.gradient_norm_curve_.tolist(),
        first_epoch=len(estimator.loss_curve_),
    )


# ---------------------------------------------------------------------------------------------------------- checkpoints
def _checkpoint(estimator, parts, given, job):
    """Where an earlier run of this very fit got to, as a callback of the estimator knows it; None if none does."""
    for callback in getattr(estimator, "_skl_callbacks", []):
        if hasattr(callback, "training_state"):
            if job.partial:
                raise ValueError(
                    f"{type(callback).__name__} is for fit, which has an end: between calls of partial_fit, save the "
                    "estimator with skrnn.save; it can go on with partial_fit when it is loaded."
                )
            state = callback.training_state(estimator, fingerprint(estimator, parts, given, job))
            if state is not None:
                return state
    return None


def fingerprint(estimator, parts, given, job):
    """What a fit depends on: class and parameters as plain values, and hashes of the data."""
    parameters = estimator.get_params(deep=False).items()
    of_X = tuple(array for part in parts for array in (part.values, part.offsets))
    arrays = {"X": of_X, "y": (np.asarray(given.rows), given.weight)}
    if job.groups is not None:
        arrays["groups"] = (np.asarray(job.groups),)
    if job.goes_on:
        arrays["weights_"] = tuple(estimator.weights_.values())
    values = {name: described(value) for name, value in parameters if name not in NOT_OF_THE_RESULT}
    marks = {name: joblib.hash(hashed, coerce_mmap=True) for name, hashed in arrays.items()}
    return {"estimator": type(estimator).__name__} | values | marks
