"""What all estimators share: parameters, fit, and running the network."""

from abc import ABCMeta, abstractmethod
from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import LARGEST, PlainEstimator, plain, usable
from ..cells import CELL_NAMES, BaseCell, get_cell
from ..convolution import Conv
from ..initializers import (
    BIAS_INITIALIZERS,
    INITIALIZERS,
    BaseBias,
    BaseInitializer,
)
from ..network.encoding import fit_inputs
from ..network.structure import Structure
from ..optimizers import OPTIMIZERS, BaseOptimizer
from ..persistence._attributes import pickled_state, unpickled_attributes
from ..schedules import SCHEDULES, BaseSchedule
from ..sequences._steps import is_text
from ._callbacks import CallbackSupportMixin, progress_shown, with_callbacks
from ._exclusive import exclusive
from ._fit import learn, warn
from ._going_on import learned_with
from ._validation import channel_roles, validate_inputs

FEATURE_POOLINGS = ("last", "mean", "max")  # those without weights
MOST_BYTES = 2.0**62  # more than any machine has, and few enough for sums of them in 64 bits


class BaseRNN(CallbackSupportMixin, PlainEstimator, metaclass=ABCMeta):
    """Base of the estimators."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "cell": [CELL_NAMES, BaseCell],
        "bidirectional": ["boolean", StrOptions({"auto"})],
        "pooling": [StrOptions({"auto", "last", "mean", "max", "attention"})],
        "targets": [StrOptions({"auto", "sequence", "step"})],
        "categorical_features": ["array-like", Integral, str, None],
        "embedding_dim": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "missing": [StrOptions({"error", "mask", "decay"})],
        "time_channel": [Integral, str, None],
        "convolution": [Conv, None],
        "layer_norm": ["boolean"],
        "residual": ["boolean"],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "zoneout": [Interval(Real, 0, 1, closed="left")],
        "input_init": [StrOptions(set(INITIALIZERS)), BaseInitializer],
        "recurrent_init": [StrOptions(set(INITIALIZERS)), BaseInitializer],
        "bias_init": [StrOptions({"cell", *BIAS_INITIALIZERS}), BaseBias],
        "solver": [StrOptions(set(OPTIMIZERS)), BaseOptimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES)), BaseSchedule],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "shuffle": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "validation_split": [StrOptions({"random", "last"}), HasMethods(["split", "get_n_splits"])],
        "standardize": ["boolean"],
        "truncation": [Interval(Integral, 1, None, closed="left"), None],
        "max_memory": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "n_jobs": [None, Interval(Integral, 1, None, closed="left"), Interval(Integral, None, -1, closed="right")],
        "dtype": [StrOptions({"float32", "float64"})],
        "verbose": ["verbose"],
    }

    _needed_in_files = frozenset()

    # ------------------------------------------------------------------------------ what differs between tasks
    @abstractmethod
    def _target(self, sequences, y, sample_weight, goes_on):
        """What to learn, a `Target`; goes_on: whether it must be one like that of the fit before."""

    @abstractmethod
    def _encode_target(self, y, sample_weight, trained):
        """Check y and set the attributes that describe it; return loss, target (n, k) and weights.

        `trained`: which rows are trained on; what is learned of y, like its mean, is learned of them.
        """

    @abstractmethod
    def _pooling(self):
        """How the network is trained to make one vector of the outputs of its last layer."""

    def _bidirectional(self):
        """Whether layers run in both directions: "auto" does where the whole sequence is there to be read."""
        if self.bidirectional != "auto":
            return bool(self.bidirectional)
        return not self.per_step_ and self.truncation is None and not get_cell(self.cell).is_output

    def _dropout(self):
        """Share of the units that are left out between layers and before the readout."""
        return 0.0 if self.dropout == "auto" else self.dropout

    @abstractmethod
    def _validation_score(self, raw, target, sample_weight):
        """Score of raw predictions, higher is better."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self):
        return pickled_state(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(unpickled_attributes(state, type(self)))

    # --------------------------------------------------------------------------------------------------- fitting
    def _fit(self, X, fit, reset=True):
        """Check X, then ``fit(sequences, verbose)``; an error leaves all as it was."""
        with exclusive(self):
            before = dict(vars(self))
            try:
                with progress_shown(self) as verbose:
                    problem = self._fit_observed(X, fit, reset, verbose)
            except BaseException:
                vars(self).clear()
                vars(self).update(before)
                raise
        warn(problem)
        return self

    @with_callbacks
    def _fit_observed(self, X, fit, reset, verbose):
        try:
            return fit(validate_inputs(self, X, self.dtype, missing=self.missing, reset=reset), verbose)
        finally:
            vars(self).pop("_training", None)

    def _learn(self, job):
        """Fit as the job says."""
        return self._fit(job.X, lambda sequences, verbose: learn(self, sequences, job, verbose), reset=not job.goes_on)

    def _check_parameters_of_files(self):
        """Refuse parameters that no fit looks at again before a prediction does."""

    def _check_attributes_of_files(self, require):
        """Refuse fitted attributes that do not belong together; ``require(name, holds)`` checks one."""

    def _structure(self, n_raw):
        """What the parameters describe."""
        return Structure(
            cell=get_cell(self.cell),
            n_inputs=self.inputs_.n_columns,
            hidden_layer_sizes=self._layer_sizes(),
            n_outputs=n_raw,
            dtype=self.dtype,
            bidirectional=self._bidirectional(),
            pooling=self._pooling(),
            convolution=self._convolution(),
            embeddings=self.inputs_.embeddings(self.embedding_dim),
            decay=self.inputs_.decays,
            layer_norm=self.layer_norm,
            residual=self.residual,
            input_dropout=self.input_dropout,
            dropout=self._dropout(),
            recurrent_dropout=self.recurrent_dropout,
            zoneout=self.zoneout,
        )

    def _convolution(self):
        if self.convolution is None:
            return None
        self.convolution._validate_params()
        return clone(self.convolution)

    @property
    def _max_bytes(self):
        return int(min(usable(self, "max_memory") * 2.0**30, MOST_BYTES))

    def _layer_sizes(self):
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object))
        sizes = tuple(plain(size) for size in sizes) if sizes.ndim == 1 else ()
        if not sizes or not all(type(size) is int and 1 <= size <= LARGEST for size in sizes):
            raise InvalidParameterError(
                "hidden_layer_sizes must be a positive number of units, or one for each layer; got "
                f"{self.hidden_layer_sizes!r}."
            )
        return sizes

    def _strata(self, y):
        """Labels that the validation part holds in the same shares, or None."""

    def _fit_inputs(self, sequences, sequence_weight):
        """Learn from the sequences that have a weight how channels become numbers."""
        text = is_text(sequences.values)
        categorical, time_channel = channel_roles(self, sequences)
        self.inputs_ = fit_inputs(
            sequences,
            sequence_weight,
            standardize=self.standardize,
            missing=self.missing,
            time_channel=time_channel,
            categorical=categorical,
            min_count=self.min_count if text else 1,
        )
        self.input_mean_, self.input_scale_ = self.inputs_.mean, self.inputs_.scale
        self.learned_with_ = learned_with(self, text, len(self.inputs_.numbers) > 0)
        vars(self).pop("vocabulary_", None)
        if text:
            codes = list(self.inputs_.categories.values())
            self.vocabulary_ = codes[0] if len(codes) == 1 else codes

    # ------------------------------------------------------------------------------------------------ prediction
    def hidden_states(self, X):
        """Hidden states of the last recurrent layer at each step.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.

        Returns
        -------
        states : list of ndarray of shape (n_steps, n_units)
            One array for each sequence, as long as it is (after a convolution), with the units of both directions side
            by side: what the layer hands on, so with normalisation and residual sum if it has them. The last layer of
            a Jordan network hands on its raw predictions.
        """
        check_is_fitted(self)
        from ..network.inference import hidden_states  # noqa: PLC0415

        return self._run_network(X, hidden_states)

    def _run_network(self, X, run):
        """``run(network, theta, data, pool, max_bytes)`` on the sequences in X."""
        from .._core.threads import ShardPool  # noqa: PLC0415
        from ..network.data import Data  # noqa: PLC0415
        from ..network.network import network_of  # noqa: PLC0415

        network = network_of(self.structure_)
        theta = network.flatten(self.weights_)
        sequences = validate_inputs(self, X, network.dtype, missing=self.inputs_.missing, text=self.inputs_.is_text)
        data = Data.of(sequences, self.inputs_, network.dtype, max_bytes=self._max_bytes)
        with ShardPool(effective_n_jobs(usable(self, "n_jobs"))) as pool:
            return run(network, theta, data, pool, self._max_bytes)
