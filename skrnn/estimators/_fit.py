"""A fit before its first arithmetic: a request and a specification become what is prepared, or are refused."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from ..convolution import Conv
from ..initializers import Scheme
from ..network.encoding import InputColumns, learn_columns
from ..optimizers import BaseOptimizer
from ..sequences._ragged import is_ragged
from ..sequences._steps import is_text
from ._ahead import warn_if_answer_is_read
from ._augmented import check_augmentation
from ._convolved import convolution_of
from ._description import describe_fitted_model, describe_model, describe_run, refuse_other_model
from ._given import Given
from ._settings import (
    Auto,
    bytes_of_network,
    is_bidirectional,
    n_networks_of,
    optimizer_of,
    scheme_of,
    structure_of,
)
from ._split import Split, check_groups, split_sequences
from ._validation import naming
from .tasks._names import check_target_names, target_names
from .tasks._read import kind_of
from .tasks._task import EncodedTarget, FittedTask, Target, Task


class FitRequest(NamedTuple):
    """What a call of `fit` or `partial_fit` is given.

    X, y, sample_weight : as users pass them; validation : X, y and weights to hold out, or None; groups : of the
    sequences, for the split, or None; classes : those of the target, where they are not to be read from y; one_epoch :
    whether to train one epoch only, and to keep what the optimizer remembers.
    """

    X: object
    y: object
    sample_weight: object
    validation: tuple | None = None
    groups: object = None
    classes: object = None
    one_epoch: bool = False


class FitSpec(NamedTuple):
    """What an estimator asks for.

    estimator : name of its class; passed : its parameters as users pass them; parameters : a namespace of them as
    Python's own values; auto : what "auto" means for the class.
    """

    estimator: str
    passed: dict
    parameters: SimpleNamespace
    task: Task
    auto: Auto


class LastFit(NamedTuple):
    """The fit that this one resumes: its attributes as a namespace, and its task."""

    attributes: SimpleNamespace
    task: FittedTask


@dataclass(frozen=True)
class Prepared:
    """A fit that nothing speaks against, before the first kernel has run.

    columns : known without arithmetic, or the encoder of the fit that is resumed; input_weight : of what is learned of
    X; target_names : those of y, or None; target_weight : of rows, as users pass them; scheme : of initial weights, or
    None if a fit is resumed; raw_prediction : (K,) to start from, None if it is yet to be found; checkpoint : a state
    of training in plain values, or None.
    """

    spec: FitSpec
    request: FitRequest
    last: LastFit | None
    given: Given
    split: Split
    columns: InputColumns
    input_weight: np.ndarray
    task: FittedTask
    target_names: list | None
    target: EncodedTarget
    target_weight: np.ndarray
    network: object
    optimizer: BaseOptimizer
    scheme: Scheme | None
    raw_prediction: np.ndarray | None
    seed: int
    checkpoint: dict | None

    @property
    def has_epochs(self):
        """Whether sequences are seen in epochs, which may differ."""
        return _has_epochs(self.optimizer, self.request)


class Read(NamedTuple):
    """What a request says before anything is learned of it.

    names : those of the targets, or None; task : that of this target; seed : of all that is drawn; lengths : of all
    sequences, those of X_val at the end; trained : which of them are trained on; checkpoint : see `Prepared`.
    """

    names: list | None
    target: Target
    task: Task
    seed: int
    split: Split
    lengths: np.ndarray
    trained: np.ndarray
    checkpoint: dict | None


def prepare(spec, request, given, last=None, find_checkpoint=lambda describe: None):
    """Read the target, split, and describe what is to be trained; what can be refused is refused before any arithmetic.

    find_checkpoint : ``find_checkpoint(describe)`` gives the state of training that the run which ``describe()``
    describes has reached before, or None.
    """
    parameters = spec.parameters
    check_groups(parameters, len(given.sequences), request)
    read = _read(spec, request, given, last, find_checkpoint)
    columns, input_weight = _columns(parameters, request, given, read, last)
    task, target = _learned(request, read, columns, last)
    structure, optimizer = _structure(spec, request, read, columns, task, target, last)
    if last:
        now = describe_model(structure, columns, given.roles, parameters)
        refuse_other_model(describe_fitted_model(last.attributes), now)
    elif task.per_step:
        warn_if_answer_is_read(structure, given.sequences, read.target.rows)
    n_out_steps = 0 if target.offsets is None else int(np.diff(target.offsets).max())
    network = _network(parameters, structure, read.lengths, n_out_steps)
    check_augmentation(parameters, columns, task.per_step, optimizer)
    scheme, raw_prediction = None if last else scheme_of(parameters, structure), None
    if not task.is_of_X:
        target = target.counted
        raw_prediction = task.raw_prediction(target, network.n_outputs, parameters.dtype)
    return _with_differences(
        Prepared(
            *(spec, request, last, given, read.split, columns, input_weight, task, read.names, target),
            *(read.target.weight, network, optimizer, scheme, raw_prediction, read.seed, read.checkpoint),
        )
    )


def _read(spec, request, given, last, find_checkpoint):
    """The target, and which sequences are held out."""
    parameters, weights = spec.parameters, last and last.attributes.weights_
    names = getattr(last.attributes, "target_names_", None) if last else target_names(request.y)
    target = _read_target(spec, request, given, last, names)
    task = spec.task.for_target(target)
    checkpoint = find_checkpoint(lambda: describe_run(spec, request, given.all_sequences, target, weights))
    seed = checkpoint["seed"] if checkpoint else int(check_random_state(parameters.random_state).randint(2**31 - 1))
    if request.validation is None:
        split = split_sequences(parameters, task, target, request, seed)
    else:
        rows = np.arange(len(given.sequences))
        split = Split(rows, np.arange(len(rows), len(rows) + len(given.held_out)))
    lengths = np.concatenate([part.lengths for part in given.all_sequences])
    return Read(names, target, task, seed, split, lengths, split.trains_on(len(lengths)), checkpoint)


def _columns(parameters, request, given, read, last):
    """What the columns of X are, and the weight of what is learned of X."""
    weight = _weight_of_inputs(parameters, given.sequences, read.target, read.trained, request)
    if last:
        return last.attributes.inputs_, weight
    differences = False if parameters.differences == "auto" else parameters.differences  # until all is checked
    return learn_columns_of(parameters, given, weight, differences), weight


def _learned(request, read, columns, last):
    """The task with what it learns of the target, and the `EncodedTarget`; refuses one that leaves nothing to learn."""
    target, trained = read.target, read.target.of_rows(read.trained, read.lengths)
    fitted = read.task.resumed(last.task, request) if last else read.task.learn(target, trained, columns, request)
    y = fitted.encode(target.rows)
    weight = read.task.weighted(fitted, y, target.weight, trained)
    if not (last or request.one_epoch):
        read.task.check_trained(fitted, y, weight, trained)
    _check_weights(weight, trained)
    return fitted, EncodedTarget(y, weight, trained, target.offsets)


def _structure(spec, request, read, columns, task, target, last):
    """The structure of the network, and the optimizer."""
    parameters = spec.parameters
    structure = structure_of(parameters, spec.auto, columns, task.loss.n_raw(task.n_outputs), task.per_step)
    structure = task.structure(structure, parameters)
    optimizer = optimizer_of(parameters, structure)
    if parameters.convolution == "auto":
        what = structure, columns, _has_epochs(optimizer, request), read.lengths, target.trained & (target.weight > 0)
        structure = replace(structure, convolution=_front(parameters, last, *what))
    return structure, optimizer


def _front(parameters, last, structure, columns, has_epochs, lengths, kept):
    """The convolution that "auto" puts in front; kept : which rows of y are trained on, and have a weight."""
    if last:
        return last.attributes.structure_.convolution
    if structure.pooling == "steps" or not columns.only_numbers:
        return None
    return convolution_of(parameters, structure, has_epochs, lengths[kept])  # here, each sequence has one row


def _with_differences(prepared):
    """What is prepared, with the changes of X if "auto" finds X smooth: the first kernel looks at X."""
    parameters, given, structure = prepared.spec.parameters, prepared.given, prepared.network.structure
    is_decided = prepared.last or parameters.differences != "auto" or prepared.task.per_step
    if is_decided or not prepared.columns.only_numbers:
        return prepared
    columns = learn_columns_of(parameters, given, prepared.input_weight, "auto")
    if not columns.differences:
        return prepared
    lengths = np.concatenate([part.lengths for part in given.all_sequences])
    structure = replace(structure, n_inputs=columns.n_columns)
    return replace(prepared, columns=columns, network=_network(parameters, structure, lengths, 0))


def _has_epochs(optimizer, request):
    """Whether sequences are seen in epochs, which may differ: not in a single one, nor by solvers like "lbfgs"."""
    return optimizer.stochastic and not request.one_epoch


def _read_target(spec, request, given, last, names):
    """The target of X, and behind it that of X_val; `names` are those that both must have, if they have any."""
    known = {}
    if last:
        check_target_names(names, request.y, spec.estimator)
        known = {"per_step": last.attributes.per_step_}
    target = spec.task.read(given.sequences, request.y, request.sample_weight, given.roles, **known)
    return target if request.validation is None else _with_held_out(spec, request, given, target)


def _with_held_out(spec, request, given, target):
    _, y_val, weight_val = request.validation
    with naming("y_val, sample_weight_val"):
        seen = "y_val must be like y, which has"
        other = spec.task.read(given.held_out, y_val, weight_val, given.roles, per_step=target.per_step, seen=seen)
        check_target_names(target_names(request.y), y_val, spec.estimator)
    if len(given.held_out) < spec.task.fewest_held_out:
        raise ValueError("X_val has 1 sequence: a score of early stopping needs 2 at least.")
    rows = [part.rows if part.offsets is None else np.concatenate(part.rows) for part in (target, other)]
    if np.shape(rows[1])[1:] != np.shape(rows[0])[1:]:
        raise ValueError("y_val must be like y, with as many targets for each sequence or step.")
    kinds = [kind_of(part) for part in rows]
    if kinds[0] != kinds[1]:
        raise ValueError(f"y_val must be like y, which holds {kinds[0]}, but holds {kinds[1]}.")
    joined = (np.concatenate(both) for both in zip(target[:3], other[:3], strict=True))
    offsets = None if target.offsets is None else np.append(target.offsets, target.offsets[-1] + other.offsets[1:])
    return Target(*joined, target.per_step, offsets)


def _weight_of_inputs(parameters, sequences, target, trained, request):
    """Weight of each sequence in what is learned of X; or of each step, where nothing reads those at the end."""
    weight, offsets = (target.sequence_weight * trained)[: len(sequences)], sequences.offsets
    # "auto" puts a convolution in front of networks that run in both directions only
    reads_ahead = is_bidirectional(parameters, target.per_step) or isinstance(parameters.convolution, Conv)
    if reads_ahead or request.sample_weight is None or not is_ragged(request.sample_weight):
        return weight
    steps = np.arange(offsets[-1])
    last = np.maximum.reduceat(np.where(target.weight[: offsets[-1]] > 0, steps, -1), offsets[:-1])
    return np.repeat(weight, sequences.lengths) * (steps <= np.repeat(last, sequences.lengths))


def learn_columns_of(parameters, given, weight, differences):
    """The `InputColumns` of what is given, as the parameters say but for `differences`."""
    return learn_columns(
        given.sequences,
        weight,
        missing=parameters.missing,
        time_channel=given.roles.time_channel,
        categorical=given.roles.categorical,
        min_count=parameters.min_count if is_text(given.sequences.values) else 1,
        differences=differences,
        subwords=parameters.subwords,
    )


def _check_weights(weight, trained):
    """Refuse weights that leave nothing to train on or to score."""
    for part, name in ((weight[trained], "to train on"), (weight[~trained], "held out for early stopping")):
        if len(part) and part.sum() == 0:
            raise ValueError(
                f"All sequences {name} have weight zero (sample_weight times class_weight), or no known target."
            )


def _network(parameters, structure, lengths, n_out_steps):
    """The network; refuses truncation that does not go with it, and sequences that memory has no room for."""
    from ..network.memory import check_memory  # noqa: PLC0415 (brings the compiler)
    from ..network.network import network_of  # noqa: PLC0415
    from ..training.objective import check_truncation  # noqa: PLC0415

    check_truncation(structure, parameters.truncation)
    network = network_of(structure)
    try:
        check_memory(network, lengths, bytes_of_network(parameters), parameters.truncation, n_out_steps)
    except MemoryError as error:
        if n_networks_of(parameters) == 1:
            raise
        how = f"Each of n_networks={parameters.n_networks} has an equal share of max_memory"
        raise MemoryError(f"{how}: multiply what follows by {parameters.n_networks}, or train fewer. {error}") from None
    return network
