"""What classifier and regressor share: the target that is passed, and raw predictions."""

import copy
from numbers import Integral

from sklearn.base import clone
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .._core.members import OF_EACH_NETWORK, refuse_several, split_members
from ..augmentation import Augmentation
from ..sequences._containers import items_of
from ..sequences._ragged import is_ragged, split_steps
from ..sequences._steps import check_container
from ..streaming._decoder import Decoder
from ._amount import STRONGEST_PENALTY
from ._base import FEATURE_POOLINGS, ways_of_prediction
from ._step_by_step import staged, stream_of
from ._trained import BaseTrained
from ._transformer import SequenceTransformer
from ._validation import warn_if_not_finite, warn_of_weights
from .tasks._read import as_numbers, complete, given_steps, one_target_for_each, rows_of_sequences, rows_of_steps
from .tasks._scaling import check_size


class BaseSupervised(BaseTrained):
    """Base of the estimators that map a sequence to a target, or each of its steps."""

    _parameter_constraints = {
        **BaseTrained._parameter_constraints,
        "augmentation": [Augmentation, None],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
    }

    @property
    def _fit_saw(self):
        return f"fit saw {one_target_for_each(self.per_step_)}"

    def _to_score(self, y, sample_weight):
        """A y like that of `fit`, and weights, in the form that metrics take."""
        self._check_target_names(y)
        y, sample_weight = items_of(y, "y"), items_of(sample_weight, "sample_weight")
        check_container(y, "y")
        if self.per_step_:
            return given_steps(y, self._fit_saw), sample_weight
        if sample_weight is not None and is_ragged(sample_weight):
            raise ValueError(f"sample_weight has a row for each step, but {self._fit_saw}.")
        if sample_weight is not None:
            sample_weight = as_numbers(complete(sample_weight, "sample_weight"), "sample_weight")
        rows = rows_of_sequences(y, self._fit_saw)
        self._restored_task().check_width(rows)
        return rows.reshape(len(rows), -1) if rows.ndim > 2 else rows, sample_weight

    def attention_weights(self, X):
        """Compute the attention weights of the steps.

        The readout gets the mean of the outputs of the last layer with these weights. Those of several networks are
        averaged.

        Returns
        -------
        weights : list of ndarray of shape (n_steps,)
            One array for each sequence; it sums to 1. n_steps : of the sequence, or of its convolution.

        Raises
        ------
        ValueError
            If the network was not trained with ``pooling="attention"``.
        """
        self._check_is_fitted()
        if self.structure_.pooling != "attention":
            raise ValueError(
                f'attention_weights needs a network with pooling="attention"; this one was trained with '
                f"pooling={self.structure_.pooling!r}."
            )
        predictor = self._mean_predictor(X)
        with predictor.executor:
            return warn_of_weights(predictor.attention())

    def gradient_norms(self, X, y):
        """Measure how far back in time the gradient of the loss reaches.

        If the norms fall to 0 towards the first steps, the network cannot learn from these steps; if they grow, the
        gradient explodes [1]_.

        Returns
        -------
        norms : list of ndarray of shape (n_steps, n_layers)
            Euclidean norm of the derivative of the loss of each sequence with respect to the state h_t of each layer
            at each step of the sequence, or of its convolution. The state is what the layer carries through time,
            before normalisation; both directions are combined. The state of a Jordan network is its output as context,
            which affects the loss from the next step on.

        References
        ----------
        .. [1] R. Pascanu, T. Mikolov, Y. Bengio,
           "On the difficulty of training recurrent neural networks", ICML 2013. :arxiv:`1211.5063`
        """
        check_is_fitted(self)
        refuse_several(self, "gradient_norms")
        from ..training.back_propagation import gradient_norms  # noqa: PLC0415

        self._check_target_names(y)
        y = items_of(y, "y")
        check_container(y, "y")
        predictor = self._predictor(X)
        with predictor.executor:
            data = predictor.data
            check_consistent_length(data.lengths, y)
            of_steps = self.per_step_
            rows = rows_of_steps(y, self._fit_saw, data.offsets) if of_steps else rows_of_sequences(y, self._fit_saw)
            task = self._restored_task()
            target = task.encode(rows)
            check_size(target, self.structure_.dtype)
            data.set_target(target)
            return gradient_norms(predictor, task.loss)

    def networks(self):
        """Give each network as an estimator of its own.

        Returns
        -------
        list of estimators
            One for each of `n_networks`, fitted, with copies of the weights and with ``n_networks=1``. The mean of
            their raw predictions is that of this estimator.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn import RNNRegressor
        >>> X = np.random.default_rng(0).normal(size=(100, 7, 1))
        >>> reg = RNNRegressor(8, n_networks=3, max_iter=5, random_state=0).fit(X, X.sum(axis=(1, 2)))
        >>> mean = np.mean([each.predict(X) for each in reg.networks()], axis=0)
        >>> bool(np.abs(mean - reg.predict(X)).max() < 1e-5)
        True
        """
        check_is_fitted(self)
        return [self._with_member(attributes) for attributes in split_members(vars(self))]

    def _with_member(self, attributes):
        """A copy with the attributes of one network."""
        one = copy.copy(self)  # which has an encoder of its own, too
        vars(one).update(copy.deepcopy({name: attributes[name] for name in OF_EACH_NETWORK & attributes.keys()}))
        one.n_networks = 1
        return one

    def _mean_predictor(self, X):
        """What the networks make of the sequences in X, as long as its executor is open."""
        return ways_of_prediction().mean_predictor_of(self, X)

    def _predict(self, X, what):
        """Predictions of the kind that the task calls `what`; where steps have them, one array for each sequence."""
        self._check_is_fitted()
        decode, predictor = getattr(self._restored_task(), what), self._mean_predictor(X)
        with predictor.executor:
            raw, offsets = predictor.predict_raw(), predictor.data.offsets
        rows = decode(warn_if_not_finite(raw, offsets, "predictions"))
        return split_steps(rows, offsets) if self.per_step_ else rows

    def _decoders(self):
        """What a stream makes of raw predictions, a `Decoder` by the names of its methods."""
        task = self._restored_task()
        return {"step": Decoder(task.numbers, task.link())}

    def stream(self, n_streams=1):
        """Give what predicts step by step, as the steps of sequences come in.

        Parameters
        ----------
        n_streams : int, default=1
            Number of sequences that come side by side.

        Returns
        -------
        Stream
            Its `step` takes a step of each sequence, and predicts from all so far.

        Raises
        ------
        ValueError
            If the network reads backward in time, or reads steps that have not come.
        """
        from ..network.results import Raw  # noqa: PLC0415 (brings the compiler)

        return stream_of(self, n_streams, Raw, self._decoders)

    def staged_predict(self, X):
        """Predict after each step, as if the sequences ended there.

        A network that reads backward, too, reads the steps so far anew for each stage. Others take one step more.

        Returns
        -------
        stages : generator of ndarray
            What `predict` gives for the first 1, 2, ... steps of the sequences, until the longest has ended. Sequences
            that have ended keep their prediction.

        Raises
        ------
        ValueError
            If steps have targets.
        """
        return staged(self, X, "step")

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
            without the weights of classes and without `augmentation`, and with the squared error for numbers and
            ``alpha=0.003`` in place of "auto".

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
        refuse_several(self, "as_transformer")
        if pooling is None:
            trained = self.structure_.pooling
            pooling = trained if trained in FEATURE_POOLINGS else "last"
        known = SequenceTransformer._get_param_names()
        parameters = {name: value for name, value in clone(self).get_params(deep=False).items() if name in known}
        parameters |= {name: getattr(self.structure_, name) for name in ("bidirectional", "dropout", "convolution")}
        if parameters["alpha"] == "auto":
            parameters["alpha"] = STRONGEST_PENALTY
        transformer = SequenceTransformer(**parameters | {"objective": "supervised", "pooling": pooling})
        transformer._validate_params()
        vars(transformer).update((name, value) for name, value in vars(self).items() if name.endswith("_"))
        return transformer
