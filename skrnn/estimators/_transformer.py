"""Features of fixed length from sequences."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from .._core.parameters import keep, plain, usable
from ..persistence._estimators import saved
from ..sequences import SequenceArray
from ..streaming._decoder import Decoder
from ._base import FEATURE_POOLINGS, BaseRNN
from ._documentation import ARGUMENTS, FITTED, REFERENCES, SHARED, documented, table
from ._exclusive import exclusive
from ._fit import FitRequest
from ._given import read_given
from ._reservoir import draw_reservoir
from ._settings import Auto, layer_sizes, max_bytes
from ._step_by_step import stream_of
from ._validation import warn_if_not_finite
from .tasks._own import AnySuppliedTask, NextStepTask, ReconstructionTask, check_restored_points
from .tasks._task import Task


def _can_invert(transformer):
    """Whether there is an `inverse_transform`, by what was fitted, else by the parameters; AttributeError if not."""
    reconstructs = transformer.objective == "reconstruct"
    if hasattr(transformer, "weights_"):
        reconstructs = hasattr(transformer, "reconstruction_mean_")
    if not reconstructs or "last" not in np.atleast_1d(transformer.pooling):
        raise AttributeError(
            'inverse_transform needs a fit with objective="reconstruct", and "last" among pooling, because sequences '
            f"are reconstructed from the last state; got {transformer.objective!r} and {transformer.pooling!r}."
        )
    return True


def _gives_tables(transformer):
    """Whether features are tables; without the method that this is asked for, scikit-learn makes no frames of them."""
    if transformer._keeps_steps():
        raise AttributeError('With pooling="steps" features are sequences: their channel_names are the names.')
    return True


PARAMETERS = table("""\
pooling : {"last", "mean", "max", "steps"} or sequence of them
    How to combine the outputs of the last layer at all steps into features: the outputs after the last step (of each
    direction), their mean, the maximum of each unit, or several of these side by side. With ``objective="supervised"``
    the readout is trained on the first one. "steps", alone, does not combine them: the features are sequences, with a
    row for each step, for `skrnn.preprocessing.PerStep`; a readout of y for sequences is trained on "last".
objective : {"forecast", "reconstruct", "supervised", "reservoir"}
    What the network learns to predict. "forecast": at each step, the numbers of the next step, or its token or category
    if X has only tokens or a single categorical channel; missing numbers are left out. It reads the past only, so
    `bidirectional` and a wide `convolution` raise an error. "reconstruct": from the last state, the numbers of the
    whole sequence at `n_points` points. "supervised": y, classes as with `RNNClassifier` and other numbers as with
    `RNNRegressor`; numbers without a fraction count as classes. "reservoir": nothing, the weights stay random [5]_.
    This takes no time; the solver and all parameters of training are not used.
n_points : int
    Number of points to which "reconstruct" resamples a sequence by linear interpolation, including its first and last
    step.
spectral_radius : float
    Largest absolute eigenvalue of the recurrent weights of each gate of a "reservoir". Below 1 the network forgets its
    initial state; the closer to 1, the more slowly.
input_scale : float
    Factor of the input weights of the first layer of a "reservoir". The larger it is, the less linear is the network.
connectivity : float
    Share of the recurrent weights of each gate of a "reservoir" that are not 0. They are scaled to the
    `spectral_radius` afterwards.
input_bias : float
    Largest absolute value of random numbers that are added to the biases of all layers of a "reservoir". With biases
    of 0, ``cell="elman"`` answers -x with minus what it answers x.
leak_rate : float
    Share of the new state that the units of a "reservoir" take over at each step: h is ``(1 - leak_rate)`` times the h
    of the step before plus `leak_rate` times what the cell makes of it; likewise the other states of a cell. The
    smaller it is, the more slowly the states move.
washout : int
    Number of first steps of each sequence that the means and maxima of a "reservoir" leave out.
standardize_target : bool
    Whether to scale the numbers that the network learns to predict, y or those of X, to mean 0 and standard deviation
    1. `standardize` is for its input.""")

ATTRIBUTES = table("""\
reconstruction_mean_ : ndarray of shape (n_numbers,)
    Mean of each channel of numbers over the points of the resampled sequences, or 0 without `standardize_target`.
    Defined only for "reconstruct".
reconstruction_scale_ : ndarray of shape (n_numbers,)
    Standard deviation of each channel of numbers, or 1. Defined only for "reconstruct".""")

ARGUMENTS_OF_OBJECTIVES = table("""\
y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), or ragged
    Targets for ``objective="supervised"``; otherwise not used.
sample_weight : array-like of shape (n_sequences,), or ragged
    Weight of each sequence in the loss, and in the means and scales of the channels. None gives all the same weight.
    It can be ragged only if y is ragged.""")

ECHO_STATES = """\
.. [5] H. Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks", GMD report 148,
   German National Research Center for Information Technology, 2001."""


@saved
@documented(
    SHARED | PARAMETERS,
    FITTED | ATTRIBUTES,
    references=f"{REFERENCES}\n{ECHO_STATES}",
    arguments=ARGUMENTS | ARGUMENTS_OF_OBJECTIVES,
)
class SequenceTransformer(TransformerMixin, BaseRNN):
    """Recurrent network that turns sequences into features of fixed length.

    The features are the outputs of the last layer, pooled over the steps of each sequence. The `objective` selects what
    the network is trained for; only "supervised" needs y.

    See Also
    --------
    RNNClassifier : Classification of sequences; see its method `as_transformer`.
    RNNRegressor : Regression on sequences.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrnn import SequenceTransformer
    >>> rng = np.random.default_rng(0)
    >>> X = [np.sin(rng.uniform(0, 6) + speed * np.arange(n)) for n in range(20, 40) for speed in (0.5, 0.7)]
    >>> y = ["slow", "fast"] * 20
    >>> reservoir = SequenceTransformer(32, objective="reservoir", random_state=0)
    >>> make_pipeline(reservoir, LogisticRegression(C=100)).fit(X, y).score(X, y)
    1.0
    >>> reservoir.set_output(transform="pandas").fit_transform(X).iloc[:2, :3].columns.tolist()
    ['sequencetransformer_last0', 'sequencetransformer_last1', 'sequencetransformer_last2']
    """

    _parameter_constraints = {
        **BaseRNN._parameter_constraints,
        "objective": [StrOptions({"forecast", "reconstruct", "supervised", "reservoir"})],
        "pooling": [StrOptions({*FEATURE_POOLINGS, "steps"}), "array-like"],
        "n_points": [Interval(Integral, 2, None, closed="left")],
        "spectral_radius": [Interval(Real, 0, None, closed="neither")],
        "input_scale": [Interval(Real, 0, None, closed="neither")],
        "connectivity": [Interval(Real, 0, 1, closed="right")],
        "input_bias": [Interval(Real, 0, None, closed="left")],
        "leak_rate": [Interval(Real, 0, 1, closed="right")],
        "washout": [Interval(Integral, 0, None, closed="left")],
        "standardize_target": ["boolean"],
    }

    _target_attributes = frozenset(ATTRIBUTES)
    _needed_in_files = frozenset()

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        cell="gru",
        *,
        objective="forecast",
        n_points=16,
        spectral_radius=0.9,
        input_scale=1.0,
        connectivity=1.0,
        input_bias=0.0,
        leak_rate=1.0,
        washout=0,
        bidirectional=False,
        pooling=("last", "mean", "max"),
        targets="auto",
        categorical_features=None,
        embedding_dim="auto",
        min_count="auto",
        subwords=False,
        differences=False,
        missing="error",
        time_channel=None,
        convolution=None,
        layer_norm=False,
        residual=False,
        dropout=0.0,
        input_dropout=0.0,
        recurrent_dropout=0.0,
        zoneout=0.0,
        input_init="glorot_uniform",
        recurrent_init="orthogonal",
        bias_init="cell",
        solver="adam",
        alpha=1e-3,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=1e-2,
        max_iter="auto",
        clip_norm=1.0,
        shuffle=True,
        tol=None,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        validation_split="random",
        standardize=True,
        standardize_target=True,
        truncation=None,
        max_memory=1.0,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    # --------------------------------------------------------------------------------------------------- fitting
    def fit(self, X, y=None, sample_weight=None):
        """Fit the network to sequences.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. For data, the message names the sequence, step and channel. The
            result of the previous fit is kept.
        """
        self._validate_params()
        request = FitRequest(X, y, sample_weight)
        return self._run(request) if self.objective != "reservoir" else self._draw(request)

    def _task(self):
        self._poolings()
        if self.objective == "supervised":
            return AnySuppliedTask(type(self).__name__, self.targets, self.standardize_target)
        if self.objective == "forecast":
            return NextStepTask(self.standardize_target)
        if self.objective == "reconstruct":
            return ReconstructionTask(self.standardize_target, self.n_points, self._refuse_reconstructions)
        return Task()  # a reservoir is not trained

    def _spec(self):
        """Features may be pooled in several ways; a readout of y is trained on the first, others on the last state."""
        spec = super()._spec()
        pooling = self._poolings()[0] if self.objective == "supervised" and not self._keeps_steps() else "last"
        spec.parameters.pooling = "auto"
        return spec._replace(auto=Auto(pooling=pooling, truncated_pooling=pooling))

    def _refuse_reconstructions(self, n_sequences, n_targets):
        """Refuse reconstructions that would take too much memory, as targets or in the readout."""
        from ..network.memory import WEIGHT_COPIES, refuse_size  # noqa: PLC0415 (brings the compiler)

        n_weights, limit = n_targets * (1 + layer_sizes(self)[-1]), max_bytes(self)
        n_bytes = max(8 * n_sequences * n_targets, WEIGHT_COPIES * np.dtype(self.dtype).itemsize * n_weights)
        if n_bytes > limit:
            what = f"reconstructions at n_points={self.n_points}"
            refuse_size(what, n_bytes, limit, "take fewer points, sequences or units")

    def _draw(self, request):
        """Take random weights in place of trained ones."""
        with exclusive(self):
            spec = self._spec()
            given = read_given(self, spec, request, resumes=False)
            self.__dict__ = self._with(draw_reservoir(spec, given, request))
        return self

    def _check_parameters_of_files(self):
        self._poolings()

    def _check_attributes_of_files(self, require):
        check_restored_points(self, self.structure_.n_outputs, require)

    def _poolings(self):
        names = [plain(name) for name in np.atleast_1d(np.asarray(usable(self, "pooling"), dtype=object)).tolist()]
        known = all(type(name) is str and name in FEATURE_POOLINGS for name in names)
        if names != ["steps"] and (not names or not known or len(set(names)) < len(names)):
            raise InvalidParameterError(
                f"pooling must be one or several, each once, of {', '.join(map(repr, FEATURE_POOLINGS))}, or 'steps' "
                f"alone; got {self.pooling!r}."
            )
        return names

    def _exported_poolings(self):
        """Names of poolings, for other machines; refuses what has no form there."""
        if self._keeps_steps():
            raise ValueError('pooling="steps" has no form outside Python: set another pooling, like "last".')
        if self._washout():
            raise ValueError(
                f'washout={self.washout} has no form outside Python: set washout=0, or pooling="last", which has none.'
            )
        return self._poolings()

    def _keeps_steps(self):
        """Whether features are those of each step; False for poolings that are refused by whoever pools."""
        pooling = np.atleast_1d(np.asarray(vars(self).get("pooling"), dtype=object)).tolist()
        return [plain(name) for name in pooling] == ["steps"]

    # -------------------------------------------------------------------------------------------------- features
    def transform(self, X):
        """Compute the features of sequences.

        Returns
        -------
        features : ndarray of shape (n_sequences, n_features_out), or SequenceArray
            Outputs of all units of the last layer, of both directions side by side, for each way of `pooling`, in the
            dtype of the network. A row does not depend on the other sequences. With ``pooling="steps"``, the outputs at
            each step, as sequences of `n_features_out` channels.
        """
        self._check_is_fitted()
        predictor, poolings = self._predictor(X), self._poolings()
        with predictor.executor:
            if self._keeps_steps():
                return self._as_sequences(predictor.hidden_states())
            features = predictor.pooled(poolings, self._washout(predictor))
        return warn_if_not_finite(features, predictor.data.offsets, "features")

    def _washout(self, predictor=None):
        """How many steps means and maxima leave out; refuses sequences of a `Predictor` that have no more."""
        if self.objective != "reservoir" or self._poolings() == ["last"]:
            return 0
        washout = usable(self, "washout")
        if predictor is not None and washout:
            lengths = predictor.network.n_steps(predictor.data.lengths)
            if lengths.min() <= washout:
                i = int(lengths.argmin())
                raise ValueError(
                    f"washout={washout} leaves no step of sequence {i}, whose length is {lengths[i]}: take a smaller "
                    'washout, longer sequences, or pooling="last".'
                )
        return washout

    def _as_sequences(self, states):
        offsets = np.cumsum([0, *map(len, states)])
        rows = warn_if_not_finite(np.concatenate(states), offsets, "features")
        return SequenceArray(rows, offsets, list(self._names_out()))

    def stream(self, n_streams=1):
        """Give what computes features step by step, as the steps of sequences come in.

        Parameters
        ----------
        n_streams : int, default=1
            Number of sequences that come side by side.

        Returns
        -------
        Stream
            Its `step` takes a step of each sequence, and gives the features of all so far; with ``pooling="steps"``
            those of this step. In the first `washout` steps, means and maxima are the outputs of the last step.

        Raises
        ------
        ValueError
            If the network reads backward in time, or reads steps that have not come.
        """
        from ..network.results import Pooled  # noqa: PLC0415 (brings the compiler)

        poolings = ("last",) if self._keeps_steps() else tuple(self._poolings())
        kind = Pooled(poolings, 0 if self._keeps_steps() else self._washout())
        return stream_of(self, n_streams, lambda: kind, lambda: {"step": Decoder(np.copy)})

    @available_if(_can_invert)
    def inverse_transform(self, X):
        """Reconstruct sequences from features.

        Available only with ``objective="reconstruct"``, and "last" in `pooling`.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_features_out)
            Features from `transform`. Only those of the pooling "last" are used.

        Returns
        -------
        sequences : SequenceArray
            Reconstructed sequences of `n_points` equally spaced steps from the first to the last, with the channels of
            numbers of X in their units.
        """
        check_is_fitted(self)
        from ..network.inference import read_out  # noqa: PLC0415
        from ._prediction import network_and_theta  # noqa: PLC0415

        (network, theta), poolings = network_and_theta(self), self._poolings()
        features = check_array(X, dtype=network.dtype, input_name="X")
        if features.shape[1] != self._n_features_out:
            raise ValueError(f"X has {features.shape[1]} features, but transform gives {self._n_features_out}.")
        first = poolings.index("last") * network.stack.n_top_units
        raw = read_out(network, theta, features[:, first : first + network.stack.n_top_units])
        n_channels = len(self.reconstruction_mean_)
        values = raw.reshape(-1, n_channels) * self.reconstruction_scale_ + self.reconstruction_mean_
        names = getattr(self, "channel_names_", None)
        if names is not None:
            names = [name for c, name in enumerate(names) if c not in self.inputs_.categories]
        return SequenceArray(values, np.arange(len(raw) + 1) * (raw.shape[1] // n_channels), names)

    def set_output(self, *, transform=None):
        """Set the container of features. It has no effect with ``pooling="steps"``, which gives sequences.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Kind of table that `transform` returns; None leaves it as it is.

        Returns
        -------
        self : object
            This transformer.
        """
        return self if self._keeps_steps() else super().set_output(transform=transform)

    @available_if(_gives_tables)
    def get_feature_names_out(self, input_features=None):
        """Return names of the features: ``sequencetransformer_``, the pooling and the number of the unit.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X. They must equal the names seen in `fit`, or if there were none, match the number
            of columns.

        Returns
        -------
        ndarray of str of shape (n_features_out,)
            Names like "sequencetransformer_last0".
        """
        check_is_fitted(self)
        # To scikit-learn a container of sequences is one column, however many channels it has.
        names, channels = (getattr(self, name, None) for name in ("feature_names_in_", "channel_names_"))
        is_container = self.n_features_in_ == self.n_channels_ and np.array_equal(names, channels)
        if not (is_container and np.shape(input_features) == (1,)):
            _check_feature_names_in(self, input_features, generate_names=False)
        return self._names_out()

    def _names_out(self):
        poolings = self._poolings()
        units = range(self._n_features_out // len(poolings))
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}_{pooling}{unit}" for pooling in poolings for unit in units], dtype=object)

    @property
    def _n_features_out(self):
        from ..network.network import network_of  # noqa: PLC0415

        return len(self._poolings()) * network_of(self.structure_).stack.n_top_units

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.objective == "supervised"
        tags.transformer_tags.preserves_dtype = [self.dtype]
        return tags
