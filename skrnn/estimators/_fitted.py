"""The result of a fit, as a value that an estimator takes over."""

from dataclasses import dataclass

import numpy as np

from ..network.encoding import InputEncoder
from ..network.structure import Structure
from ._documentation import FITTED
from .tasks._task import FittedTask

OF_X = "n_features_in_", "n_channels_", "feature_names_in_", "channel_names_"
OF_TARGETS = frozenset(
    {
        *("classes_", "multilabel_", "loss_function_", "target_mean_", "target_scale_", "target_shape_"),
        *("reconstruction_mean_", "reconstruction_scale_", "n_infeasible_"),
        *("max_output_length_", "n_out_steps_"),
        *("content_", "has_end_", "has_unknown_", "n_components_"),
        *("offset_", "step_offset_", "smoothing_", "usual_score_", "usual_channel_scores_", "channel_mean_"),
        *("channel_scale_", "lag_weights_", "network_share_", "error_scale_", "error_covariance_", "n_trained_steps_"),
    }
)
# All attributes that any fit sets; those of the fit before go when a new result is taken over.
NAMES = OF_TARGETS.union(FITTED)


@dataclass(frozen=True)
class Fitted:
    """What a fit gives.

    of_X : dict of the attributes `OF_X`; target_names : of targets with names, or None; encoder : of the channels;
    task : what was learned of the target; learned_with : see `_description.learned_with`; training : dict of the
    attributes that say how training went, the weights among them.
    """

    of_X: dict
    target_names: list | None
    encoder: InputEncoder
    task: FittedTask
    structure: Structure
    learned_with: dict
    training: dict

    def attributes(self):
        """The public attributes of the fit by name."""
        encoder, task = self.encoder, self.task
        attributes = {
            "inputs_": encoder,
            "input_mean_": encoder.mean,
            "input_scale_": encoder.scale,
            "structure_": self.structure,
            "learned_with_": self.learned_with,
            "n_outputs_": task.n_outputs,
            "per_step_": task.per_step,
        }
        if self.target_names is not None:
            attributes["target_names_"] = np.array(self.target_names, dtype=object)
        if encoder.is_text:
            codes = list(encoder.categories.values())
            attributes["vocabulary_"] = codes[0] if len(codes) == 1 else codes
        return self.of_X | attributes | task.attributes() | self.training


def training_attributes(network, state, one_epoch):
    """The attributes that a state of training gives."""
    losses, scores, watched = list(state.loss_curve), state.validation_scores, state.watched(state.first_epoch)
    run = losses if one_epoch else losses[state.first_epoch :]
    attributes = {
        "weights_": {name: view.copy() for name, view in network.layout.views(state.result).items()},
        "loss_curve_": losses,
        "validation_scores_": None if scores is None else list(scores),
        "gradient_norm_curve_": np.array(state.gradient_norms),
        "n_iter_": max(len(run), 1),
        "t_": state.n_updates,
        "loss_": losses[-1] if losses else np.nan,
        "best_loss_": None if state.validates else min(run, default=np.nan),
        "best_validation_score_": max(watched, default=np.nan) if state.validates else None,
    }
    if one_epoch:
        attributes["solver_state_"] = [slot.copy() for slot in state.slots or []]
        attributes["solver_t_"] = state.n_updates - state.n_forgotten
    return attributes
