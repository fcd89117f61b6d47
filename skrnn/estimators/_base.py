"""What all estimators share: parameters, fit, and running the network."""

from abc import ABCMeta, abstractmethod
from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..cells import CELL_NAMES, BaseCell, get_cell
from ..convolution import Conv
from ..initializers import (
    BIAS_INITIALIZERS,
    INITIALIZERS,
    BaseBias,
    BaseInitializer,
    Scheme,
    get_bias_initializer,
    get_initializer,
)
from ..inputs import fit_inputs
from ..optimizers import OPTIMIZERS, BaseOptimizer, get_optimizer
from ..sequences._steps import is_text
from ..structure import Structure
from ._validation import channel_roles, validate_inputs

# batch_size="auto": large enough for the processor to work well, small enough for a hundred updates in an epoch.
SMALLEST_BATCH, LARGEST_BATCH, UPDATES_PER_EPOCH = 32, 256, 128
FEATURE_POOLINGS = ("last", "mean", "max")  # those without weights


class BaseRNN(BaseEstimator, metaclass=ABCMeta):
    """Base of the estimators."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "cell": [CELL_NAMES, BaseCell],
        "bidirectional": ["boolean"],
        "pooling": [StrOptions({"last", "mean", "max", "attention"})],
        "categorical_features": ["array-like", Integral, str, None],
        "embedding_dim": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "missing": [StrOptions({"error", "mask", "decay"})],
        "time_channel": [Integral, str, None],
        "convolution": [Conv, None],
        "layer_norm": ["boolean"],
        "residual": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "zoneout": [Interval(Real, 0, 1, closed="left")],
        "input_init": [StrOptions(set(INITIALIZERS)), BaseInitializer],
        "recurrent_init": [StrOptions(set(INITIALIZERS)), BaseInitializer],
        "bias_init": [StrOptions({"cell", *BIAS_INITIALIZERS}), BaseBias],
        "solver": [StrOptions(set(OPTIMIZERS)), BaseOptimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "shuffle": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "standardize": ["boolean"],
        "truncation": [Interval(Integral, 1, None, closed="left"), None],
        "max_memory": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "dtype": [StrOptions({"float32", "float64"})],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def __init__(
        self,
        hidden_layer_sizes,
        cell,
        bidirectional,
        pooling,
        categorical_features,
        embedding_dim,
        min_count,
        missing,
        time_channel,
        convolution,
        layer_norm,
        residual,
        dropout,
        input_dropout,
        recurrent_dropout,
        zoneout,
        input_init,
        recurrent_init,
        bias_init,
        solver,
        alpha,
        batch_size,
        learning_rate_init,
        max_iter,
        clip_norm,
        shuffle,
        tol,
        n_iter_no_change,
        early_stopping,
        validation_fraction,
        standardize,
        truncation,
        max_memory,
        random_state,
        n_jobs,
        dtype,
        verbose,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.cell = cell
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.categorical_features = categorical_features
        self.embedding_dim = embedding_dim
        self.min_count = min_count
        self.missing = missing
        self.time_channel = time_channel
        self.convolution = convolution
        self.layer_norm = layer_norm
        self.residual = residual
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout
        self.zoneout = zoneout
        self.input_init = input_init
        self.recurrent_init = recurrent_init
        self.bias_init = bias_init
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.clip_norm = clip_norm
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.standardize = standardize
        self.truncation = truncation
        self.max_memory = max_memory
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.dtype = dtype
        self.verbose = verbose

    # ------------------------------------------------------------------------------ what differs between tasks
    @abstractmethod
    def _target(self, sequences, y, sample_weight):
        """What to learn, a `Target`."""

    @abstractmethod
    def _encode_target(self, y, sample_weight, trained):
        """Check y and set the attributes that describe it; return loss, target (n, k) and weights.

        `trained`: which rows are trained on; what is learned of y, like its mean, is learned of them.
        """

    @abstractmethod
    def _pooling(self):
        """How the network is trained to make one vector of the outputs of its last layer."""

    @abstractmethod
    def _validation_score(self, raw, target, sample_weight):
        """Score of raw predictions, higher is better."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        tags.input_tags.three_d_array = True
        return tags

    # --------------------------------------------------------------------------------------------------- fitting
    def _fit(self, X, y, sample_weight, learn):
        """Check the parameters and X, then ``learn(sequences, y, sample_weight)``; an error leaves all as it was."""
        self._validate_params()
        before = dict(vars(self))
        try:
            learn(validate_inputs(self, X, self.dtype, missing=self.missing, reset=True), y, sample_weight)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _learn(self, sequences, y, sample_weight, validation=None):
        """Train a network; `validation`: X, y and weights to hold out instead of a part of the sequences."""
        from ..inference import Data  # noqa: PLC0415 (brings the compiler)
        from ..network import Network  # noqa: PLC0415
        from ..objective import check_memory  # noqa: PLC0415
        from ..training import Training  # noqa: PLC0415

        given, random_state = self._target(sequences, y, sample_weight), check_random_state(self.random_state)
        parts = [sequences]
        if validation is None:
            rows, held_out = self._split(given, random_state)
        else:
            parts, given = self._append(sequences, given, *validation)
            rows, held_out = np.split(np.arange(len(given.sequence_weight)), [len(sequences)])
        self.per_step_, lengths = given.per_step, np.concatenate([part.lengths for part in parts])
        trained = np.isin(np.arange(len(lengths)), rows)
        self._fit_inputs(sequences, (given.sequence_weight * trained)[: len(sequences)])
        trained = np.repeat(trained, lengths) if self.per_step_ else trained
        loss, target, weight = self._encode_target(given.rows, given.weight, trained)
        _check_weights(weight, trained)

        self.structure_ = self._structure(loss.n_raw(self.n_outputs_))
        network, optimizer = Network(self.structure_), self._optimizer()
        rng = np.random.default_rng(random_state.randint(2**31 - 1))
        check_memory(network, lengths, self._max_bytes, self.truncation)
        data = Data.of(parts, self.inputs_, self.dtype, target, weight, self._max_bytes)
        raw = loss.initial_raw(target[trained], weight[trained], network.n_outputs)
        theta = network.initialize(rng, self._scheme(network.n_steps(data.longest(rows))), raw)
        # The penalty stands against the loss of a sequence, which is that of all its steps if they have targets.
        alpha = self.alpha * given.sequence_weight[rows].sum() / given.weight[trained].sum()
        training = Training(network, theta, data, loss, self._validation_score, self._settings(len(rows), alpha))
        training.run(optimizer, rows, held_out, rng)
        self._set_weights(network, training.theta)
        self._set_history(training.monitor.loss_curve, training.monitor.validation_scores, training.gradient_norms)
        self.t_ = training.n_updates

    def _set_weights(self, network, theta):
        self.weights_ = {name: view.copy() for name, view in network.layout.views(theta).items()}

    def _set_history(self, loss_curve, validation_scores, gradient_norms):
        self.loss_curve_, self.validation_scores_ = loss_curve, validation_scores
        self.gradient_norm_curve_ = np.array(gradient_norms)
        self.n_iter_ = max(len(self.loss_curve_), 1)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        if self.validation_scores_ is None:
            self.best_loss_, self.best_validation_score_ = min(self.loss_curve_, default=np.nan), None
        else:
            self.best_loss_, self.best_validation_score_ = None, max(self.validation_scores_, default=np.nan)

    def _structure(self, n_raw):
        """What the parameters describe."""
        return Structure(
            cell=get_cell(self.cell),
            n_inputs=self.inputs_.n_columns,
            hidden_layer_sizes=self._layer_sizes(),
            n_outputs=n_raw,
            dtype=self.dtype,
            bidirectional=self.bidirectional,
            pooling=self._pooling(),
            convolution=self._convolution(),
            embeddings=self.inputs_.embeddings(self.embedding_dim),
            decay=self.inputs_.decays,
            layer_norm=self.layer_norm,
            residual=self.residual,
            input_dropout=self.input_dropout,
            dropout=self.dropout,
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
        return int(self.max_memory * 2**30)

    def _optimizer(self):
        optimizer = get_optimizer(self.solver)
        if self.truncation is not None and not optimizer.stochastic:
            raise ValueError(
                f"solver={self.solver!r} needs the whole gradient, which truncation={self.truncation} cuts off: use "
                'solver="adam", or truncation=None.'
            )
        if self.structure_.is_noisy and not optimizer.stochastic:
            raise ValueError(
                f"solver={self.solver!r} needs a loss that does not change from one evaluation to the next, so it does "
                'not go with dropout or zoneout: use solver="adam", or set them to 0.'
            )
        return optimizer

    def _scheme(self, n_steps):
        """How the network gets its initial weights; n_steps: of the longest training sequence."""
        biases = get_bias_initializer(self.bias_init)
        if biases is not None and not self.structure_.cell.remembers:
            raise ValueError(
                f"bias_init={self.bias_init!r} sets biases of gates that remember, but {self.structure_.cell!r} has "
                'none: use bias_init="cell", or another cell, like "lstm", "gru" or "mgu".'
            )
        return Scheme(get_initializer(self.input_init), get_initializer(self.recurrent_init), biases, int(n_steps))

    def _settings(self, n_sequences, alpha):
        """How to train on so many sequences."""
        from ..training import Settings  # noqa: PLC0415

        return Settings(
            alpha=alpha,
            batch_size=min(self._batch_size(n_sequences), n_sequences),
            learning_rate=self.learning_rate_init,
            max_iter=self.max_iter,
            clip_norm=np.inf if self.clip_norm is None else self.clip_norm,
            shuffle=self.shuffle,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            n_threads=effective_n_jobs(self.n_jobs),
            verbose=self.verbose,
            max_bytes=self._max_bytes,
            truncation=self.truncation,
        )

    def _batch_size(self, n_sequences):
        if self.batch_size == "auto":
            return min(max(n_sequences // UPDATES_PER_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)
        return self.batch_size

    def _layer_sizes(self):
        sizes = np.atleast_1d(self.hidden_layer_sizes)
        if sizes.ndim != 1 or len(sizes) == 0 or sizes.dtype.kind not in "iu" or (sizes < 1).any():
            raise InvalidParameterError(
                "hidden_layer_sizes must be a positive number of units, or one for each layer; got "
                f"{self.hidden_layer_sizes!r}."
            )
        return tuple(sizes.tolist())

    def _split(self, given, random_state):
        """Rows to train on, and rows held out for early stopping."""
        rows = np.arange(len(given.sequence_weight))
        if not self.early_stopping:
            return rows, rows[:0]
        fraction, strata = self.validation_fraction, None if given.per_step else self._strata(given.rows)
        rows, held_out = train_test_split(rows, test_size=fraction, random_state=random_state, stratify=strata)
        if len(held_out) < 2:
            raise ValueError(
                f"The validation part has {len(held_out)} sequence: raise validation_fraction or set "
                "early_stopping=False."
            )
        return np.sort(rows), np.sort(held_out)

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
        from ..inference import hidden_states  # noqa: PLC0415

        return self._run_network(X, hidden_states)

    def _run_network(self, X, run):
        """``run(network, theta, data, pool, max_bytes)`` on the sequences in X."""
        from .._threads import ShardPool  # noqa: PLC0415
        from ..inference import Data  # noqa: PLC0415
        from ..network import network_of  # noqa: PLC0415

        network = network_of(self.structure_)
        theta = network.flatten(self.weights_)
        sequences = validate_inputs(self, X, network.dtype, missing=self.inputs_.missing, text=self.inputs_.is_text)
        data = Data.of(sequences, self.inputs_, network.dtype, max_bytes=self._max_bytes)
        with ShardPool(effective_n_jobs(self.n_jobs)) as pool:
            return run(network, theta, data, pool, self._max_bytes)


def _check_weights(weight, trained):
    """Refuse weights that leave nothing to train on or to score."""
    for part, name in ((weight[trained], "to train on"), (weight[~trained], "held out for early stopping")):
        if len(part) and part.sum() == 0:
            raise ValueError(
                f"All sequences {name} have weight zero (sample_weight times class_weight), or no known target."
            )
