"""What classifier and regressor share: parameters, fit and raw predictions."""

import inspect
from abc import ABCMeta, abstractmethod
from itertools import pairwise
from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ..cells import CELLS, BaseCell, get_cell
from ..optimizers import OPTIMIZERS, BaseOptimizer, get_optimizer
from ..sequences import SequenceArray, check_sequences
from ._validation import validate_sequences

# batch_size="auto": large enough for the processor to work well, small enough for a hundred updates in an epoch.
SMALLEST_BATCH, LARGEST_BATCH, UPDATES_PER_EPOCH = 32, 256, 128

# With {alpha} for the default that differs.
PARAMETERS = """\
hidden_layer_sizes : int or sequence of int, default=(64,)
    Units of each recurrent layer, from the input up.
cell : {{"lstm", "gru", "elman"}} or BaseCell, default="lstm"
    Recurrent cell. An instance sets its parameters, for example ``Elman(activation="relu")``.
solver : {{"adam", "adamw", "rmsprop", "sgd", "lbfgs"}} or instance, default="adam"
    Optimiser. "lbfgs" uses all sequences in each iteration: for small data.
alpha : float, default={alpha}
    Strength of the L2 penalty: alpha / 2 times the sum of squares of the weights (not the biases) is added to the mean
    loss.
batch_size : int or "auto", default="auto"
    Sequences in a mini-batch; "auto" takes n_sequences / 128, but at least 32 and at most 256.
learning_rate_init : float, default=3e-3
    Step size of the optimiser; not used by "lbfgs".
max_iter : int, default=100
    Largest number of epochs, or of iterations of "lbfgs".
clip_norm : float or None, default=1.0
    Gradients with a larger norm (over all parameters) are scaled down to it; not used by "lbfgs".
shuffle : bool, default=True
    Whether to draw the mini-batches anew in each epoch.
tol : float, default=1e-3
    Training ends when the loss (with `early_stopping` the validation score) has not improved by more than this for
    `n_iter_no_change` epochs.
n_iter_no_change : int, default=10
    Epochs without improvement that are waited for.
early_stopping : bool, default=False
    Whether to hold out `validation_fraction` of the sequences, stop by the score on them, and keep the best weights.
validation_fraction : float, default=0.1
    Share of the sequences that is held out.
standardize : bool, default=True
    Whether to bring each channel to mean 0 and standard deviation 1, by the steps of the training sequences.
random_state : int, RandomState instance or None, default=None
    Determines initial weights, mini-batches and the held-out part.
n_jobs : int or None, default=None
    Threads; None means 1 unless in a ``joblib.parallel_config`` context, -1 all. The result does not depend on it.
dtype : {{"float32", "float64"}}, default="float32"
    Of weights and arithmetic.
verbose : bool or int, default=False
    Whether to print the loss of each epoch."""

ATTRIBUTES = """\
weights_ : dict of str to ndarray
    The trained network: ``"layers.{l}.forward.W_x"`` (D, G H), ``".W_h"`` (H, G H), ``".b"`` (G H,) and what else the
    cell has, in the gate order of its documentation; ``"readout.W"`` (H, K), ``"readout.b"`` (K,).
cell_ : str or BaseCell
    The cell that was trained.
input_mean_ : ndarray of shape (n_channels,)
    Subtracted from the channels.
input_scale_ : ndarray of shape (n_channels,)
    By which the channels are divided.
loss_curve_ : list of float
    Training loss of each epoch, penalty included.
loss_ : float
    Last of them.
best_loss_ : float or None
    Smallest of them; None with `early_stopping`.
validation_scores_ : list of float or None
    Score on the held-out part after each epoch (accuracy or R^2); None without `early_stopping`.
best_validation_score_ : float or None
    Largest of them.
n_iter_ : int
    Epochs run.
t_ : int
    Updates made.
n_outputs_ : int
    Raw predictions of the network for a sequence.
n_channels_ : int
    Channels of a time step.
n_features_in_ : int
    Columns of a table or frame, else channels.
feature_names_in_ : ndarray of shape (n_features_in,)
    Column names, if X was a frame whose column names are all strings."""


def document_parameters(cls):
    """Put the shared parameters and attributes into the docstring of an estimator."""
    if cls.__doc__:  # there is none with python -OO
        alpha = inspect.signature(cls).parameters["alpha"].default
        parameters, attributes = PARAMETERS.format(alpha=alpha), ATTRIBUTES
        indented = (text.replace("\n", "\n    ") for text in (parameters, attributes))
        cls.__doc__ = cls.__doc__.format(**dict(zip(("parameters", "attributes"), indented, strict=True)))
    return cls


class BaseRNN(BaseEstimator, metaclass=ABCMeta):
    """Base of the estimators that map a sequence to a target."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions(set(CELLS)), BaseCell],
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
        random_state,
        n_jobs,
        dtype,
        verbose,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.cell = cell
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
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.dtype = dtype
        self.verbose = verbose

    # ------------------------------------------------------------------------------ what differs between tasks
    @abstractmethod
    def _encode_target(self, y, sample_weight):
        """Check y and set the attributes that describe it; return loss, target (n, k), weights, strata.

        Strata are labels that the validation part holds in the same shares, or None.
        """

    @abstractmethod
    def _validation_score(self, raw, target, sample_weight):
        """Score of raw predictions, higher is better."""

    # --------------------------------------------------------------------------------------------------- fitting
    def fit(self, X, y, sample_weight=None):
        """Fit the network to sequences and their targets.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Training sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss; None weighs all alike.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used; for data, the message names the sequence, step and channel.
            What was fitted before stays as it was.
        """
        self._validate_params()
        before = dict(vars(self))
        try:
            return self._fit(X, y, sample_weight)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    def _fit(self, X, y, sample_weight):
        from ..network import Network  # noqa: PLC0415 (brings the compiler)
        from ..training import Data, Training  # noqa: PLC0415

        sequences = validate_sequences(self, X, self.dtype, reset=True)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        check_consistent_length(sequences, y)
        y = _one_target_each(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, sequences.lengths, dtype=np.float64, ensure_non_negative=True
            )
        else:
            sample_weight = np.ones(len(sequences))
        loss, target, weight, strata = self._encode_target(y, sample_weight)
        random_state = check_random_state(self.random_state)
        rows, held_out = self._split(len(sequences), strata, random_state)
        _check_weights(weight, rows, held_out)
        self._fit_standardization(sequences, sample_weight, rows)

        n_raw = loss.n_raw(self.n_outputs_)
        self.cell_ = self.cell if isinstance(self.cell, str) else clone(self.cell)
        network = Network(get_cell(self.cell_), self.n_channels_, self._layer_sizes(), n_raw, self.dtype)
        rng = np.random.default_rng(random_state.randint(2**31 - 1))
        raw = loss.initial_raw(target[rows], weight[rows], n_raw)
        data = Data(self._standardize(sequences, self.dtype), sequences.offsets, target, weight)
        training = Training(network, network.initialize(rng, raw), data, loss, self._validation_score)
        training.run(
            get_optimizer(self.solver),
            rows,
            held_out,
            rng,
            alpha=self.alpha,
            batch_size=min(self._batch_size(len(rows)), len(rows)),
            learning_rate=self.learning_rate_init,
            max_iter=self.max_iter,
            clip_norm=np.inf if self.clip_norm is None else self.clip_norm,
            shuffle=self.shuffle,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            n_threads=effective_n_jobs(self.n_jobs),
            verbose=self.verbose,
        )
        self._set_result(network, training)
        return self

    def _set_result(self, network, training):
        self.weights_ = {name: view.copy() for name, view in network.layout.views(training.theta).items()}
        self.loss_curve_, self.validation_scores_ = training.monitor.loss_curve, training.monitor.validation_scores
        self.n_iter_, self.t_ = max(len(self.loss_curve_), 1), training.n_updates
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        if self.validation_scores_ is None:
            self.best_loss_, self.best_validation_score_ = min(self.loss_curve_, default=np.nan), None
        else:
            self.best_loss_, self.best_validation_score_ = None, max(self.validation_scores_, default=np.nan)

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
        return sizes.tolist()

    def _split(self, n_sequences, strata, random_state):
        """Rows to train on, and rows held out for early stopping."""
        rows = np.arange(n_sequences)
        if not self.early_stopping:
            return rows, rows[:0]
        fraction = self.validation_fraction
        rows, held_out = train_test_split(rows, test_size=fraction, random_state=random_state, stratify=strata)
        if len(held_out) < 2:
            raise ValueError(
                f"The validation part has {len(held_out)} sequence: raise validation_fraction or set "
                "early_stopping=False."
            )
        return np.sort(rows), np.sort(held_out)

    # ------------------------------------------------------------------------------------------------ prediction
    def _fit_standardization(self, sequences, sample_weight, rows):
        """Mean and scale of each channel over the steps of the training rows, weighted as their sequences are."""
        self.input_mean_ = np.zeros(sequences.n_channels)
        self.input_scale_ = np.ones(sequences.n_channels)
        if self.standardize:
            in_rows = np.zeros(len(sequences))
            in_rows[rows] = sample_weight[rows]
            weight = np.repeat(in_rows, sequences.lengths)
            values = sequences.values.astype(np.float64, copy=False)
            with np.errstate(over="ignore", invalid="ignore"):
                self.input_mean_ = np.average(values, axis=0, weights=weight)
                scale = np.sqrt(np.average(np.square(values - self.input_mean_), axis=0, weights=weight))
            if not np.isfinite(scale).all():
                raise ValueError(
                    f"Input X: the values of channel {np.isfinite(scale).argmin()} are too large, their variance "
                    "overflows; rescale them or set standardize=False."
                )
            # A channel that is constant but for rounding must not be blown up.
            constant = scale <= 10 * np.finfo(sequences.values.dtype).eps * np.abs(self.input_mean_)
            self.input_scale_ = np.where(constant, 1.0, scale)

    def _standardize(self, sequences, dtype):
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray((sequences.values - self.input_mean_) / self.input_scale_, dtype)
        return check_sequences(SequenceArray(values, sequences.offsets), dtype, name="X, standardized,").values

    def hidden_states(self, X):
        """Hidden states of the last recurrent layer at each step.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.

        Returns
        -------
        states : list of ndarray of shape (n_steps, n_units)
            One array for each sequence, as long as it is.
        """
        check_is_fitted(self)
        from ..training import hidden_states  # noqa: PLC0415

        states, offsets = self._run_network(X, hidden_states)
        return [states[a:b] for a, b in pairwise(offsets)]

    def _predict_raw(self, X):
        """Raw predictions (n_sequences, K) of the fitted network."""
        check_is_fitted(self)
        from ..training import predict_raw  # noqa: PLC0415

        return self._run_network(X, predict_raw)[0]

    def _run_network(self, X, run):
        """``run(network, theta, data, pool)`` on the sequences in X; returns its result and their offsets."""
        from .._threads import ShardPool  # noqa: PLC0415
        from ..network import network_of  # noqa: PLC0415
        from ..training import Data  # noqa: PLC0415

        network, theta = network_of(get_cell(self.cell_), self.weights_)
        sequences = validate_sequences(self, X, network.dtype, reset=False)
        data = Data(self._standardize(sequences, network.dtype), sequences.offsets)
        with ShardPool(effective_n_jobs(self.n_jobs)) as pool:
            return run(network, theta, data, pool), sequences.offsets


def _check_weights(weight, rows, held_out):
    """Refuse weights that leave nothing to train on or to score."""
    for part, name in ((rows, "to train on"), (held_out, "held out for early stopping")):
        if len(part) and weight[part].sum() == 0:
            raise ValueError(f"All sequences {name} have weight zero (sample_weight times class_weight).")


def _one_target_each(y):
    """Refuse a y whose rows have different lengths."""
    if isinstance(y, (list, tuple)) and len({np.size(row) for row in y}) > 1:
        i = next(i for i, row in enumerate(y) if np.size(row) != np.size(y[0]))
        raise ValueError(
            f"y must have the same number of targets for each sequence, but has {np.size(y[0])} for sequence 0 and "
            f"{np.size(y[i])} for sequence {i}."
        )
    return y
