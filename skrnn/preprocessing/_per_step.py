"""``PerStep``: applies a transformer or predictor of rows to the time steps of sequences."""

from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ..sequences import SequenceArray, check_sequences
from ..sequences._containers import items_of
from ..sequences._ragged import (
    TwoReadingsError,
    check_same_lengths,
    has_steps,
    ragged_values,
    rows_in,
    step_weights,
)
from ..sequences._validate import pack, validate_sequences
from ._base import BaseSequenceTransformer
from ._step_predictions import StepPredictions, inner_has

NEEDS_STEP_TARGETS = (
    "the transformer requires y to be passed, with a target for each step, but y is None or has one for each sequence: "
    "pass rows as long as the sequences of X, in a list or a SequenceArray."
)


class PerStep(StepPredictions, BaseSequenceTransformer, auto_wrap_output_keys=None):
    """Apply a transformer, classifier or regressor of scikit-learn to the time steps of sequences.

    For the transformer, each time step is a sample and each channel a feature. It is fitted on the steps of all
    sequences, one below the other, without padding. Its output is split into sequences of the same lengths. It does not
    know where sequences begin.

    Parameters
    ----------
    transformer : estimator
        A transformer with ``fit`` and ``transform`` that returns one row per input row, or at the end of a pipeline a
        classifier or regressor, which is fitted on targets of steps. It is cloned before it is fitted.
    washout : int, default=0
        Number of first steps of each sequence that ``fit`` and ``score`` leave out. Shorter sequences do not take part.
        For the readout of an echo state network, whose states still depend there on where it started: see
        `skrnn.SequenceTransformer`.

    Attributes
    ----------
    transformer_ : estimator
        The fitted transformer.
    n_channels_ : int
        Number of channels.
    n_features_in_ : int
        Number of columns of a table or data frame seen in `fit`; otherwise the number of channels.
    feature_names_in_ : ndarray of str of shape (n_features_in,)
        Names of the columns of a data frame, otherwise of the channels, if `X` had names that are str.
    channel_names_ : ndarray of str of shape (n_channels,)
        Names of the channels, if `X` had names.

    See Also
    --------
    SlidingWindow : From the rows of a series to sequences.

    Notes
    -----
    ``set_output`` has no effect, because sequences do not fit into a table of numbers. Sparse output of the transformer
    is converted to a dense array.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skrnn.preprocessing import PerStep
    >>> X = [[[1.0, 10.0], [3.0, 30.0]], [[2.0, 20.0], [2.0, 20.0], [2.0, 20.0]]]
    >>> scaler = PerStep(StandardScaler(with_std=False)).fit(X)
    >>> scaler.transform(X)
    SequenceArray(2 sequences, 2 to 3 steps, 2 channels, float64)
    >>> scaler.transform(X)[0]
    array([[ -1., -10.],
           [  1.,  10.]])

    A regressor predicts each step:

    >>> from sklearn.linear_model import LinearRegression
    >>> y = [[11.0, 33.0], [22.0, 22.0, 22.0]]
    >>> [steps.round(6) for steps in PerStep(LinearRegression()).fit(X, y).predict(X)]
    [array([11., 33.]), array([22., 22., 22.])]
    """

    _parameter_constraints = {
        "transformer": [HasMethods(["fit", "transform"]), HasMethods(["fit", "predict"])],
        "washout": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(self, transformer, *, washout=0):
        self.transformer = transformer
        self.washout = washout

    def __setstate__(self, state):
        super().__setstate__({"washout": 0} | state)  # of earlier versions

    def fit(self, X, y=None, **params):
        """Fit the transformer on the steps of all sequences.

        Parameters
        ----------
        X : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps, n_channels), frame, 2-D table}
            Sequences.
        y : {SequenceArray, list of arrays} or array-like of shape (n_sequences,), default=None
            Passed to the transformer if it contains targets of steps, but not if it contains targets of sequences. One
            that requires y reads an array of shape (n_sequences, n_steps) as targets of steps, too.
        **params : dict
            Parameters of ``transformer.fit``, such as `sample_weight`. Values of sequences are repeated for each step;
            values of steps are concatenated. With metadata routing, only requested parameters are passed.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If X is invalid, or the transformer requires targets of steps and y contains none. The message names the
            sequence. Errors of the transformer about NaN and infinity name the place.
        """
        self._fit("fit", X, y, params)
        return self

    @available_if(inner_has("transform"))
    def fit_transform(self, X, y=None, **params):
        """Fit the transformer and transform the sequences, by its ``fit_transform`` if it has one.

        Parameters
        ----------
        X : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps, n_channels), frame, 2-D table}
            Sequences.
        y : {SequenceArray, list of arrays} or array-like of shape (n_sequences,), default=None
            As in `fit`.
        **params : dict
            As in `fit`.

        Returns
        -------
        SequenceArray
            The transformed sequences, of the same lengths.
        """
        if self.washout or not hasattr(self.transformer, "fit_transform"):
            return self.fit(X, y, **params).transform(X)
        sequences, output = self._fit("fit_transform", X, y, params)
        return self._packed(output, sequences, self._names_out(sequences))

    @available_if(inner_has("transform"))
    def transform(self, X):
        """Transform the steps of sequences.

        Parameters
        ----------
        X : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps, n_channels), frame, 2-D table}
            Sequences with the same channels as in `fit`.

        Returns
        -------
        SequenceArray
            The transformed sequences, of the same lengths.
        """
        check_is_fitted(self)
        sequences = self._validated(X)
        return self._packed(self._rows_through("transform", sequences), sequences, self._names_out(sequences))

    @available_if(inner_has("inverse_transform"))
    def inverse_transform(self, X):
        """Apply ``inverse_transform`` of the transformer.

        Parameters
        ----------
        X : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps, n_channels), frame, 2-D table}
            Sequences as `transform` returns them.

        Returns
        -------
        SequenceArray
            The transformed sequences, of the same lengths.
        """
        check_is_fitted(self)
        sequences = pack(X)
        with _fault_located(sequences):
            output = self.transformer_.inverse_transform(sequences.values)
        return self._packed(output, sequences, getattr(self, "channel_names_", None))

    @available_if(inner_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features=None):
        """Get the names of the output channels.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input channels. If None, ``channel_names_`` if it exists, else "x0", "x1" and so on.

        Returns
        -------
        ndarray of str
            One name per channel.
        """
        check_is_fitted(self)
        if input_features is None and hasattr(self, "channel_names_"):
            return self.transformer_.get_feature_names_out(self.channel_names_)
        names = _check_feature_names_in(self, input_features, generate_names=False)
        # The columns of a table are steps, not channels.
        names = names if names is not None and len(names) == self.n_channels_ else None
        return self.transformer_.get_feature_names_out(names)

    def get_metadata_routing(self):
        """Get the metadata routing of this object.

        Returns
        -------
        MetadataRouter
            The routes to ``transformer.fit``.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit").add(caller="fit_transform", callee="fit")
        return MetadataRouter(owner=self).add(transformer=self.transformer, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        if hasattr(self.transformer, "__sklearn_tags__"):
            inner = get_tags(self.transformer)
            tags.input_tags.allow_nan = inner.input_tags.allow_nan
            tags.input_tags.positive_only = inner.input_tags.positive_only
            tags.target_tags.required = inner.target_tags.required
            tags.transformer_tags = inner.transformer_tags or tags.transformer_tags
            self._add_tags_of_predictor(tags)
        return tags

    def _validated(self, X):
        return validate_sequences(self, X, reset=False)

    def _rows_through(self, method, sequences):
        """What a method of the fitted transformer gives for all steps."""
        with _fault_located(sequences):
            return getattr(self.transformer_, method)(sequences.values)

    def _required_targets(self, y, offsets):
        """Targets of all steps; of a matrix, too, which nothing else can be where each step needs one."""
        if y is None or (rows_in(y, "y") is None and len(getattr(y, "shape", ())) < 2):
            raise ValueError(NEEDS_STEP_TARGETS)
        return _step_values(y, "y", offsets)

    def _fit(self, method, X, y, params):
        """The sequences in X, and what ``transformer.fit`` or ``transformer.fit_transform`` returns for their steps."""
        self._validate_params()
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, method, **params).transformer.fit
        transformer = clone(self.transformer)
        with self._unchanged_by_errors():
            sequences = validate_sequences(self, X, reset=True)
            offsets, rows = sequences.offsets, self._rows_of_fit(sequences.offsets)
            required = get_tags(self).target_tags.required
            targets = self._required_targets(y, offsets) if required else _step_targets(y, offsets)
            params = {name: _rows(value, name, offsets, rows) for name, value in params.items()}
            given = [sequences.values[rows], *([] if targets is None else [targets[rows]])]
            with _fault_located(sequences):
                output = getattr(transformer, method)(*given, **params)
            self.transformer_ = transformer
        return sequences, output

    def _names_out(self, sequences):
        """Names of the channels that the transformer makes of those of the sequences; None if it cannot tell."""
        names = sequences.channel_names
        if names is None or not hasattr(self.transformer_, "get_feature_names_out"):
            return None
        try:
            made = self.transformer_.get_feature_names_out(np.array(names, dtype=object))
        except (AttributeError, TypeError, ValueError):  # a step of a pipeline, for one, that has no names
            return None
        return made if all(isinstance(name, str) for name in made) else None

    def _packed(self, output, sequences, names):
        steps = np.asarray(output.toarray() if hasattr(output, "toarray") else output)
        if len(steps) != len(sequences.values):
            raise ValueError(
                f"{type(self.transformer_).__name__} made {len(steps)} rows of {len(sequences.values)} time steps: "
                "PerStep needs a transformer that returns one row for each."
            )
        made = SequenceArray(steps, sequences.offsets)
        # A transformer may give names of other columns than it makes, those of `set_output` for one.
        return SequenceArray(made.values, made.offsets, names) if np.shape(names) == (made.n_channels,) else made


@contextmanager
def _fault_located(sequences):
    """Let errors of a transformer say what they mean for sequences; those about NaN and infinity, where they stand."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if "requires y to be passed" in str(error) or "required positional argument: 'y'" in str(error):
            raise ValueError(NEEDS_STEP_TARGETS) from error
        if "NaN" in str(error) or "infinity" in str(error):
            check_sequences(sequences, sequences.values.dtype)
        raise


def _step_targets(y, offsets):
    """Targets of all steps, if y has them; None if they are others, or nothing tells.

    Others are those of sequences, or sequences of labels that are not those of the steps.
    """
    if y is None:
        return None
    try:
        of_steps = has_steps(y, offsets)
    except TwoReadingsError:
        of_steps = False
    except ValueError:
        of_steps = False
        if not _are_of_other_lengths(y, offsets):
            raise
    if of_steps:
        return _step_values(y, "y", offsets)
    check_consistent_length(offsets[1:], items_of(y, "y"))
    return None


def _are_of_other_lengths(y, offsets):
    """Whether y has rows of labels that are not those of the steps: most are not as long as their sequence."""
    rows = rows_in(y, "y")
    lengths = np.array([len(row) for row in rows or []])
    return len(lengths) == len(offsets) - 1 and bool(np.mean(lengths != np.diff(offsets)) > 0.5)


def _step_values(values, name, offsets):
    """`values`, of which each step has one or a row, one below the other."""
    steps, found = ragged_values(values, name)
    check_same_lengths(found, offsets, name, "X")
    return steps


def _rows(value, name, offsets, rows):
    """`value` for each of some steps, if it has one for each sequence or for each step; otherwise as it is."""
    if name.split("__")[-1] == "sample_weight":
        weights = step_weights(value, offsets, "X")
        return None if weights is None else weights[rows]
    value = items_of(value, name)
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__") or len(value) != len(offsets) - 1:
        return value
    if has_steps(value, offsets):
        return _step_values(value, name, offsets)[rows]
    return np.repeat(np.asarray(value), np.diff(offsets), axis=0)[rows]
