"""Whether sequences to train on are changed from epoch to epoch, and how."""

from sklearn.base import clone

from ..augmentation import Augmentation
from ._settings import max_bytes, n_networks_of

FEW_SEQUENCES = 200  # to train on: up to so many, "auto" changes them
FEW_CONVOLVED = 500  # the same, where it has put a convolution in front of the network
FEW_NUMBERS = 6_000_000  # in all of these: copies of more would take much of the memory of a machine


def check_augmentation(parameters, columns, per_step, optimizer):
    """Refuse an augmentation that a user asked for where it does not go with the rest."""
    if (how := _asked(parameters)) is None:
        return
    how._validate_params()
    if not columns.only_numbers:
        raise ValueError(
            "augmentation changes channels of numbers, but X has tokens or categories, time stamps "
            '(time_channel), or gaps that missing="mask" or "decay" marks: leave out augmentation.'
        )
    if per_step and how.moves_steps:
        raise ValueError(
            f"augmentation={how!r} moves values to other steps, but y has a target for each step: use "
            f"Augmentation(time_warp=1, crop=1, scale={how.scale!r}), or leave out augmentation."
        )
    if not optimizer.stochastic:
        raise ValueError(
            f"solver={parameters.solver!r} needs a loss that does not change from one evaluation to the next, so it "
            'does not go with augmentation: use solver="adam", or leave out augmentation.'
        )


def are_few(lengths, n_channels, most):
    """Whether there are at most so many sequences of these lengths, and few numbers in them."""
    return len(lengths) <= most and lengths.sum() * n_channels <= FEW_NUMBERS


def augmentation_of(parameters, structure, encoder, has_epochs, lengths):
    """The `Augmentation` of a training on sequences of these lengths, or None.

    "auto" changes sequences that are few, and so long that it has put a convolution in front of the network, or so
    smooth that the network reads their changes, too; in trainings of epochs: neither in a single one, nor in iterations
    of a solver that needs the same loss each time.
    """
    if getattr(parameters, "augmentation", None) != "auto":
        return _asked(parameters)
    is_convolved = parameters.convolution == "auto" and structure.convolution is not None
    is_smooth = encoder.differences and parameters.differences == "auto" and structure.pooling != "steps"
    few = are_few(lengths, encoder.n_channels, FEW_CONVOLVED if is_convolved else FEW_SEQUENCES)
    return Augmentation() if has_epochs and (is_convolved or is_smooth) and few else None


def augmenter_of(augmentation, parameters, data, encoder):
    """What changes the sequences of `Data` in training; refuses copies that memory has no room for."""
    from ..network.data import SHARES  # noqa: PLC0415 (brings the compiler)
    from ..network.memory import enough_gib  # noqa: PLC0415
    from ..training.augmented import Augmenter  # noqa: PLC0415

    if augmentation is None:
        return None
    needed = SHARES * (1 + n_networks_of(parameters)) * data.bytes_to_vary
    if needed > max_bytes(parameters):
        goes_along = parameters.augmentation == parameters.convolution == "auto"
        raise MemoryError(
            "Sequences that change from epoch to epoch are kept twice, for which "
            f"max_memory={parameters.max_memory} GiB is not enough: use max_memory={enough_gib(needed)} or more, or "
            "augmentation=None" + (', with which convolution="auto" puts none in front.' if goes_along else ".")
        )
    return Augmenter(augmentation, encoder.n_channels)


def _asked(parameters):
    """A copy of the `Augmentation` among the parameters, or None, also for "auto"."""
    how = getattr(parameters, "augmentation", None)
    return clone(how) if isinstance(how, Augmentation) else None
