"""Density of sequences, and samples of it."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import keep
from ..persistence._estimators import saved
from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from ..sequences._steps import is_text
from ._base import BaseRNN
from ._fit import FitRequest
from ._moved import Moved
from ._settings import Auto
from .tasks._generation import NOTES, NUMBERS, TOKENS, GenerationTask, NextNotes, NextNumbers, NextToken

LONG, PIECE, STREAMS = 1000, 64, 32


class SequenceGenerator(DensityMixin, BaseRNN):
    """Recurrent network that learns a distribution of sequences."""

    _parameter_constraints = {
        **BaseRNN._parameter_constraints,
        "notes": [StrOptions({"independent", "dependent"})],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "truncation": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), None],
    }
    _target_attributes = frozenset({"content_", "has_end_", "has_unknown_", "n_components_", "target_mean_", "target_scale_"})
    _needed_in_files = frozenset({"content_", "has_end_"})
    _auto = Auto(dropout=0.2)
    # what an estimator that reads its own steps has no choice of
    bidirectional, pooling, targets, convolution = False, "auto", "step", None
    categorical_features, missing, time_channel = None, "error", None

    def __init__(
        self,
        hidden_layer_sizes=(128,),
        cell="lstm",
        *,
        notes="independent",
        n_components=5,
        embedding_dim="auto",
        min_count=1,
        layer_norm=False,
        residual=False,
        dropout="auto",
        input_dropout=0.0,
        recurrent_dropout=0.0,
        zoneout=0.0,
        input_init="glorot_uniform",
        recurrent_init="orthogonal",
        bias_init="cell",
        solver="adam",
        alpha=0.0,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=5e-3,
        max_iter="auto",
        clip_norm=1.0,
        shuffle=True,
        tol=None,
        n_iter_no_change=10,
        early_stopping="auto",
        validation_fraction=0.1,
        validation_split="random",
        standardize=True,
        truncation="auto",
        max_memory=1.0,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    # --------------------------------------------------------------------------------------------------- fitting
    def fit(self, X, y=None, sample_weight=None, *, X_val=None, sample_weight_val=None):
        """Fit the network to sequences.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._validate_params()
        validation = None if X_val is None else (X_val, (), sample_weight_val)
        return self._run(FitRequest(X, None, sample_weight, validation))

    def _task(self):
        return GenerationTask(None, False, self.n_components, self.standardize, self.min_count)

    def _arranged(self, spec, given, last):
        """Sequences moved down by one step and cut into streams, and parameters that depend on their lengths."""
        sequences, parameters = given.sequences, spec.parameters
        content = self._content(sequences)
        has_end = content == TOKENS and len(sequences) > 1
        parameters.missing = "blank" if content != TOKENS else "error"
        parameters.standardize = self.standardize and content == NUMBERS
        task = GenerationTask(content, has_end, self.n_components, self.standardize, self.min_count)
        lengths, size = sequences.lengths + 1, parameters.batch_size
        if parameters.truncation == "auto":
            parameters.truncation = PIECE if lengths.max() > LONG else None
        longest = None
        if parameters.truncation is not None:
            n_streams = STREAMS if size == "auto" else size
            longest = max(parameters.truncation, -(-int(lengths.sum()) // n_streams))
        moved = Moved.of(sequences, longest)
        if parameters.truncation is not None and size == "auto":
            parameters.batch_size = size = min(STREAMS, len(moved))
        if parameters.truncation is not None and parameters.max_iter == "auto":
            n_pieces = -(-int(moved.lengths.max()) // parameters.truncation) * -(-len(moved) // size)
            parameters.max_iter = max(1, min(200, -(-6000 // n_pieces)))
        held_out = None if given.held_out is None else Moved.of(given.held_out, longest)
        return spec._replace(task=task), given._replace(sequences=moved, held_out=held_out)

    def _content(self, sequences):
        values = sequences.values
        if is_text(values):
            return TOKENS
        return NOTES if np.isin(values, (0, 1)).all() else NUMBERS

    def _restored_task(self):
        if self.content_ == TOKENS:
            (known,) = self.inputs_.categories.values()
            return NextToken(known, self.has_end_, self.has_unknown_)
        if self.content_ == NOTES:
            return NextNotes(self.n_outputs_)
        return NextNumbers(self.n_outputs_, self.n_components_, False, self.target_mean_, self.target_scale_)

    def _check_attributes_of_files(self, require):
        return self._restored_task()

    # ---------------------------------------------------------------------------------------------------- density
    def score_samples(self, X):
        """Compute the log-likelihood of each sequence."""
        log_p, offsets = self._log_likelihood(X)
        return np.add.reduceat(log_p, offsets[:-1])

    def _log_likelihood(self, X):
        from ..network.data import Data
        from ..network.inference import Predictor
        from ..network.shards import ThreadExecutor
        from ._prediction import network_and_theta, validate_inputs
        from joblib import effective_n_jobs

        self._check_is_fitted()
        network, theta = network_and_theta(self)
        sequences = validate_inputs(self, X, network.dtype, missing="error", text=self.inputs_.is_text)
        moved, task = Moved.of(sequences), self._restored_task()
        read = GenerationTask(self.content_, self.has_end_, 1, False, 1).read(moved, None, None, None)
        y = task.encode(read.rows)
        data = Data.of(moved, self.inputs_, network.dtype, max_bytes=self._max_bytes)
        with ThreadExecutor(effective_n_jobs(self.n_jobs)) as executor:
            raw = Predictor(network, theta, data, executor, self._max_bytes).predict_raw()
        log_p = task.log_likelihood(raw, np.maximum(y, 0))
        if not self.has_end_:
            keep_rows = np.ones(len(log_p), bool)
            keep_rows[moved.last_rows] = False
            return log_p[keep_rows], sequences.offsets
        return log_p, moved.offsets

    def score(self, X, y=None):
        """Mean log-likelihood of a step."""
        return float(self._log_likelihood(X)[0].mean())

    def perplexity(self, X):
        """exp(-score(X))."""
        return float(np.exp(-self.score(X)))
