"""What classifier and regressor share: the target that is passed, and raw predictions."""

from abc import abstractmethod
from contextlib import contextmanager

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from ..optimizers import OPTIMIZERS
from ..sequences._containers import items_of
from ..sequences._ragged import is_ragged, split_steps
from ..sequences._steps import check_container, is_text
from ._base import FEATURE_POOLINGS, BaseRNN
from ._fit import Job
from ._scaling import check_size
from ._target_names import check_target_names
from ._validation import validate_inputs, warn_if_not_finite
from .tasks._read import (
    UNITS,
    Target,
    as_numbers,
    check_sum,
    complete,
    given_steps,
    given_target,
    kind_of,
    rows_of_sequences,
    rows_of_steps,
)


def takes_steps(estimator):
    """Whether the solver takes a step per mini-batch; AttributeError if not."""
    solver = OPTIMIZERS.get(estimator.solver) if isinstance(estimator.solver, str) else estimator.solver
    if not getattr(solver, "stochastic", True):  # what is no solver is refused by the call
        raise AttributeError(f"partial_fit needs a solver that takes mini-batches; got solver={estimator.solver!r}.")
    return True


@contextmanager
def naming(what):
    """Say in errors which arguments they are about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


class BasePredictor(BaseRNN):
    """Base of the estimators that map a sequence to a target."""

    _parameter_constraints = {**BaseRNN._parameter_constraints, "warm_start": ["boolean"]}
    _auto_pooling = "last"
    # Groups are mostly meant for the splitter of a search; set_fit_request(groups=True) asks for them.
    __metadata_request__fit = {"groups": False}

    @abstractmethod
    def _known_target(self, y):
        """Loss, and y in the form that it reads, for a y like that of `fit`."""

    @abstractmethod
    def _check_width(self, y):
        """Refuse rows of y that have other targets than those of `fit`."""

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None, groups=None):
        """Fit the network to sequences and their targets.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Training sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), or ragged
            Targets; ragged: for each sequence a row as long as it, with a target for each of its steps (see `targets`).
        sample_weight : array-like of shape (n_sequences,), or ragged, default=None
            Weight of each sequence, or step, in the loss; None weighs all alike.
        X_val, y_val, sample_weight_val : default=None
            What `early_stopping` holds out, in the place of a share of X: sequences of other patients, or of a later
            time.
        groups : array-like of shape (n_sequences,), default=None
            To which group each sequence belongs, a patient for example: what is held out for early stopping shares no
            group with what is trained on.

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
        parts = X_val, y_val, sample_weight_val
        validation = None if all(part is None for part in parts) else parts
        goes_on = self.warm_start and hasattr(self, "weights_")
        return self._learn(Job(X, y, sample_weight, validation, items_of(groups, "groups"), goes_on))

    def _part(self, X, y, sample_weight, classes=None):
        """What a call of `partial_fit` is to do."""
        self._validate_params()
        if self.early_stopping is True:
            raise ValueError("partial_fit trains on all that it gets: early_stopping=True does not go with it.")
        goes_on = hasattr(self, "weights_")
        return Job(X, y, sample_weight, goes_on=goes_on, classes=classes, partial=True)

    def _append(self, sequences, given, X_val, y_val, sample_weight_val):
        """The sequences and those to hold out, and the target with theirs behind it."""
        if self.early_stopping is False:
            raise ValueError("X_val is what early stopping looks at: set early_stopping=True, or leave it out.")
        if X_val is None or y_val is None:
            raise ValueError("X_val and y_val go together: one of them is None.")
        text = is_text(sequences.values)
        with naming("X_val"):
            held_out = validate_inputs(self, X_val, self.dtype, missing=self.missing, text=text)
        with naming("y_val, sample_weight_val"):
            other = given_target(
                self, held_out, y_val, sample_weight_val, given.per_step, "y_val must be like y, which has"
            )
            check_target_names(self, y_val)
        if len(held_out) < 2:
            raise ValueError("X_val has 1 sequence: a score of early stopping needs 2 at least.")
        if np.shape(other.rows)[1:] != np.shape(given.rows)[1:]:
            raise ValueError("y_val must be like y, with as many targets for each sequence or step.")
        kinds = kind_of(given.rows), kind_of(other.rows)
        if kinds[0] != kinds[1]:
            raise ValueError(f"y_val must be like y, which holds {kinds[0]}, but holds {kinds[1]}.")
        joined = (np.concatenate(parts) for parts in zip(given[:3], other[:3], strict=True))
        return [sequences, held_out], Target(*joined, given.per_step)

    def _target_weight(self, target, weight, trained):
        """By what the weights of the rows of the encoded target are multiplied."""
        return 1.0

    def _weighted(self, target, weight, trained):
        """The weights of the rows in the loss."""
        weight = weight * self._target_weight(target, weight, trained)
        check_sum(weight)
        return weight

    def _target(self, sequences, y, sample_weight, goes_on):
        return given_target(self, sequences, y, sample_weight, self.per_step_ if goes_on else None)

    @property
    def _fit_saw(self):
        return f"fit saw one target for each {UNITS[self.per_step_]}"

    def _to_score(self, y, sample_weight):
        """A y like that of `fit`, and weights, in the form that metrics take."""
        check_target_names(self, y)
        y, sample_weight = items_of(y, "y"), items_of(sample_weight, "sample_weight")
        check_container(y, "y")
        if self.per_step_:
            return given_steps(y, self._fit_saw), sample_weight
        if sample_weight is not None and is_ragged(sample_weight):
            raise ValueError(f"sample_weight has a row for each step, but {self._fit_saw}.")
        if sample_weight is not None:
            sample_weight = as_numbers(complete(sample_weight, "sample_weight"), "sample_weight")
        rows = rows_of_sequences(y, self._fit_saw)
        self._check_width(rows)
        return rows.reshape(len(rows), -1) if rows.ndim > 2 else rows, sample_weight

    def _renew_loss(self):
        """Take the loss that the parameters name now, or refuse to go on with it."""

    def _pooling(self):
        if self.per_step_ and self.pooling not in {"auto", "last"}:
            raise ValueError(
                f"pooling={self.pooling!r} makes one vector of all steps, but y has a target for each step: leave out "
                "pooling, or pass one target for each sequence."
            )
        if self.per_step_:
            return "steps"
        if self.pooling != "auto":
            return self.pooling
        return self._auto_pooling if self.truncation is None else "last"

    def attention_weights(self, X):
        """Find the weights of the steps in the mean that the readout gets.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.

        Returns
        -------
        weights : list of ndarray of shape (n_steps,)
            One array for each sequence; its sum is 1.

        Raises
        ------
        ValueError
            If the network was not trained with ``pooling="attention"``.
        """
        check_is_fitted(self)
        from ..network.inference import attention_weights  # noqa: PLC0415

        if self.structure_.pooling != "attention":
            raise ValueError(
                f'attention_weights needs a network with pooling="attention"; this one was trained with '
                f"pooling={self.structure_.pooling!r}."
            )
        return self._run_network(X, attention_weights)

    def gradient_norms(self, X, y):
        """Measure how far back in time the gradient of the loss reaches.

        Where these norms fall to 0 towards the first steps, the network cannot learn what depends on them; where they
        grow, the gradient explodes [1]_.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), or ragged
            Their targets, as in `fit`.

        Returns
        -------
        norms : list of ndarray of shape (n_steps, n_layers)
            For each sequence the Euclidean norm of the derivative of its loss by the state h_t of each layer, which is
            what is carried through time, before normalisation; of both directions together. For a Jordan network
            the state is the output as context, which the loss reaches from the step after.

        References
        ----------
        .. [1] R. Pascanu, T. Mikolov, Y. Bengio,
           "On the difficulty of training recurrent neural networks", ICML 2013. :arxiv:`1211.5063`
        """
        check_is_fitted(self)
        from ..training.objective import gradient_norms  # noqa: PLC0415

        check_target_names(self, y)
        y = items_of(y, "y")
        check_container(y, "y")

        def run(network, theta, data, pool, max_bytes):
            check_consistent_length(data.lengths, y)
            of_steps = self.per_step_
            rows = rows_of_steps(y, self._fit_saw, data.offsets) if of_steps else rows_of_sequences(y, self._fit_saw)
            loss, target = self._known_target(rows)
            check_size(target, self.structure_.dtype)
            data.set_target(target)
            return gradient_norms(network, theta, data, loss, max_bytes)

        return self._run_network(X, run)

    def _predict(self, X, decode):
        """What `decode` makes of raw predictions (n, K); where steps have predictions, one array for each sequence."""
        check_is_fitted(self)
        from ..network.inference import predict_raw  # noqa: PLC0415

        def run(network, theta, data, pool, max_bytes):
            raw = predict_raw(network, theta, data, pool, max_bytes=max_bytes)
            rows = decode(warn_if_not_finite(raw, data.offsets, "predictions"))
            return split_steps(rows, data.offsets) if self.per_step_ else rows

        return self._run_network(X, run)

    def as_transformer(self, pooling=None):
        """Give the network as a transformer, which makes features of sequences.

        Parameters
        ----------
        pooling : {"last", "mean", "max"} or sequence of them, default=None
            How the states of the last layer at all steps become features: see `SequenceTransformer`. None pools as
            the readout was trained, or "last" if it has attention or predictions at each step.

        Returns
        -------
        SequenceTransformer
            Fitted, with the weights of this estimator. To keep them where a meta-estimator would clone and fit it, wrap
            it in `sklearn.frozen.FrozenEstimator`. Fitted again, it trains anew with ``objective="supervised"``, but
            without the weights of classes, and with the squared error for numbers.

        See Also
        --------
        SequenceTransformer : The same without an estimator that was fitted before.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.frozen import FrozenEstimator
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> from skrnn import RNNClassifier
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(100, 7, 1))
        >>> y = X.mean(axis=(1, 2)) > 0
        >>> clf = RNNClassifier(hidden_layer_sizes=8, tol=0.01, random_state=0).fit(X, y)
        >>> features = FrozenEstimator(clf.as_transformer(pooling=("last", "max")))
        >>> make_pipeline(features, LogisticRegression()).fit(X, y).score(X, y) > 0.9
        True
        """
        check_is_fitted(self)
        from ._transformer import SequenceTransformer  # noqa: PLC0415 (it trains like these estimators)

        if pooling is None:
            trained = self.structure_.pooling
            pooling = trained if trained in FEATURE_POOLINGS else "last"
        known = SequenceTransformer._get_param_names()
        parameters = {name: value for name, value in clone(self).get_params(deep=False).items() if name in known}
        parameters |= {name: getattr(self.structure_, name) for name in ("bidirectional", "dropout")}
        transformer = SequenceTransformer(**parameters | {"objective": "supervised", "pooling": pooling})
        transformer._validate_params()
        vars(transformer).update((name, value) for name, value in vars(self).items() if name.endswith("_"))
        return transformer
