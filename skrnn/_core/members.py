"""Fitted estimators of several networks: what they have a list of, and what is of one network only."""

# Attributes of a fit of which several networks have a list each, with one entry for each network, in their order.
OF_EACH_NETWORK = frozenset(
    {
        *("weights_", "loss_curve_", "loss_", "best_loss_", "validation_scores_", "best_validation_score_"),
        *("gradient_norm_curve_", "n_iter_", "t_", "solver_state_", "solver_t_"),
    }
)


def count_members(attributes):
    """How many networks a fitted estimator with these attributes has."""
    weights = attributes["weights_"]
    return len(weights) if isinstance(weights, list) else 1


def split_members(attributes):
    """For each network the attributes of a fitted estimator that has this one alone, as dicts."""
    if not isinstance(attributes["weights_"], list):
        return [dict(attributes)]
    own = OF_EACH_NETWORK & attributes.keys()
    return [attributes | {name: attributes[name][k] for name in own} for k in range(count_members(attributes))]


def join_members(members):
    """The attributes of a fitted estimator whose networks have these; the contrary of `split_members`."""
    if len(members) == 1:
        return members[0]
    own = OF_EACH_NETWORK & members[0].keys()
    return members[0] | {name: [member[name] for member in members] for name in own}


def refuse_several(estimator, what="This"):
    """Refuse a fitted estimator of several networks where the one that is meant is not known."""
    if isinstance(getattr(estimator, "weights_", None), list):
        raise ValueError(
            f"{what} is of one network, but this {type(estimator).__name__} has {len(estimator.weights_)}, whose raw "
            "predictions are averaged: take one of its networks(), or fit with n_networks=1. Predictions, scores, "
            "stages, streams, attention_weights, skrnn.inspection.attribute, skrnn.export.to_onnx and skrnn.save are "
            "of all of them."
        )
