"""The start of a fit: the first arithmetic on X and y, and how to train; what is prepared becomes what is fitted."""

from dataclasses import dataclass, replace

import numpy as np

from .._core.members import join_members
from ..network.encoding import InputEncoder, learn_scales
from ._amount import Amount, penalty_of
from ._augmented import augmentation_of, augmenter_of
from ._description import learned_with
from ._fit import Prepared
from ._fitted import Fitted, training_attributes
from ._settings import max_bytes, settings_of
from ._states import initial_state, states_of
from .tasks._task import FittedTask


@dataclass(frozen=True)
class Started:
    """A fit that is ready to train, or has trained: `state` says where it is.

    rows : numbers of the sequences to train on, of those that have a weight; state : a `JointState` where there are
    several networks.
    """

    prepared: Prepared
    task: FittedTask
    encoder: InputEncoder
    data: object
    rows: np.ndarray
    settings: object
    state: object

    def training(self, observer):
        """What trains, and changes the state: a `Training`, or of several networks a `JointTraining`."""
        from ..training.joint import JointTraining, MemberObserver  # noqa: PLC0415 (brings the compiler)
        from ..training.run import Training  # noqa: PLC0415

        task, settings, states = self.task, self.settings, states_of(self.state)

        def training_of(state, settings, observer):
            what = self.prepared.network, state, self.data, task.loss, task.score_held_out
            return Training(*what, settings, observer)

        if states[0] is self.state:
            return training_of(self.state, settings, observer)
        member, quiet = MemberObserver(observer.needs_predictions), replace(settings, verbose=False)
        return JointTraining([training_of(state, quiet, member) for state in states], self.state, settings, observer)

    def fitted(self):
        """The result if training ended now."""
        prepared = self.prepared
        last, one_epoch = prepared.last, prepared.request.one_epoch
        states = states_of(self.state)
        training = join_members([training_attributes(prepared.network, state, one_epoch) for state in states])
        if last:
            kept = vars(last.attributes)
            training |= {name: kept[name] for name in ("learning_rate_init_", "learned_with_") if name in kept}
        if one_epoch:
            training["solver_name_"] = type(prepared.optimizer).__name__
        of_X, learned = prepared.given.of_X, learned_with(prepared.spec.parameters, self.encoder)
        what = prepared.target_names, self.encoder, self.task, prepared.network.structure
        return Fitted(of_X, *what, learned, training)


def start(prepared, verbose=False):
    """Learn means and scales, encode the sequences, and find how to train and the weights to start from."""
    encoder = prepared.columns
    if not prepared.last:
        standardize = prepared.spec.parameters.standardize
        encoder = learn_scales(encoder, prepared.given.sequences, prepared.input_weight, standardize)
    task, target, raw_prediction = _target_in_units(prepared)
    data = _data(prepared, encoder, target)
    task.attach(data)
    rows = prepared.split.rows
    rows = rows[data.weight[rows] > 0]  # as if the others were not there, in mini-batches too
    settings = _settings(prepared, task, encoder, data, rows, verbose)
    state = initial_state(prepared, prepared.network.n_steps(data.longest(rows)), raw_prediction)
    return Started(prepared, task, encoder, data, rows, settings, state)


def _target_in_units(prepared):
    """The task with means and scales, the target in their units, and the raw prediction to start from."""
    task, target, raw_prediction = prepared.task, prepared.target, prepared.raw_prediction
    if task.is_of_X:
        task, y = task.standardized(target.y, prepared.target_weight, target.trained)
        target = target._replace(y=y).counted
        raw_prediction = task.raw_prediction(target, prepared.network.n_outputs, prepared.network.dtype)
    return task, target, raw_prediction


def _data(prepared, encoder, target):
    """The sequences and their target as the network reads them."""
    from ..network.data import Data  # noqa: PLC0415 (brings the compiler)

    parameters = prepared.spec.parameters
    what = prepared.given.all_sequences, encoder, parameters.dtype, target.y, target.weight
    return Data.of(*what, max_bytes(parameters), target.offsets)


def _settings(prepared, task, encoder, data, rows, verbose):
    """How to train on the sequences `rows`, as parameters say or the data decide."""
    parameters, one_epoch = prepared.spec.parameters, prepared.request.one_epoch
    n_targets = data.mean_targets(rows)
    alpha = _penalty(prepared, task, encoder, data, rows) / n_targets
    amount = Amount(len(rows))
    if prepared.spec.auto.counts_all and prepared.optimizer.stochastic:
        n_tokens = max(map(len, encoder.categories.values())) if encoder.is_text else 0
        amount = Amount(len(rows), n_targets, n_tokens)
    settings = settings_of(parameters, amount, alpha, one_epoch, verbose)
    structure = prepared.network.structure
    augmentation = augmentation_of(parameters, structure, encoder, prepared.has_epochs, data.lengths[rows])
    augmenter = augmenter_of(augmentation, parameters, data, encoder)
    return replace(settings, no_skill=task.no_skill, augmenter=augmenter)


def _penalty(prepared, task, encoder, data, rows):
    """The strength of the penalty; the strongest for losses that measure distances by the noise themselves."""
    from ._neighbours import Neighbours  # noqa: PLC0415 (brings the compiler)
    from ._noise import share_of_noise  # noqa: PLC0415
    from ._repeats import repeats_of_targets  # noqa: PLC0415

    def is_distance():  # losses of label sequences, whose penalty is a number, do not know
        return task.loss.scales_target and task.loss.n_raw(1) == 1 and not prepared.request.one_epoch

    neighbours = Neighbours(data, rows, encoder.n_channels if encoder.only_numbers else 0)
    return penalty_of(
        prepared.spec.parameters,
        lambda: share_of_noise(neighbours) if is_distance() else 1.0,
        lambda: repeats_of_targets(neighbours) if is_distance() else 1.0,
    )
