"""Classification of sequences."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import keep
from ..cells import get_cell
from ..losses import BinomialLogLoss, MultinomialLogLoss
from ..metrics import step_accuracy_score
from ..optimizers import get_optimizer
from ..persistence._estimators import saved
from ._class_weight import class_factors
from ._documentation import document_parameters
from ._predictor import BasePredictor, takes_steps
from ._restored import check_classes
from .tasks._read import UNITS, codes_of, distinct, given_classes

AUTO_DROPOUT = 0.3  # chosen by experiment, see docs/defaults.rst
NOT_GIVEN = object()


@saved
@document_parameters
class RNNClassifier(ClassifierMixin, BasePredictor):
    """Recurrent network that classifies sequences.

    The task is read from y: two classes, several classes, or several labels at a time (a 0-1 indicator matrix). The
    loss is the log-loss, between the classes or of each label.

    Parameters
    ----------
    {parameters}
    class_weight : dict or "balanced", default=None
        Weights of the classes, in the form ``{{class: weight}}``, 1 for those that it does not name; "balanced" weighs
        inversely to their frequency in the training part, by ``sample_weight``. For an indicator matrix, a list of
        dicts ``{{0: weight, 1: weight}}``, one per label. Multiplied with ``sample_weight``. A name that is no class of
        y brings a warning, and an error if all are such.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the fit before, with its classes and its scales of channels. Another
        network or another treatment of X is refused.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, or numbers of the labels for an indicator matrix.
    {attributes}

    See Also
    --------
    RNNRegressor : The same for numbers.
    SequenceTransformer : Features of sequences for other estimators.

    References
    ----------
    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 1)) for n in rng.integers(5, 15, size=200)]  # sequences of 5 to 14 steps
    >>> y = ["up" if x.mean() > 0 else "down" for x in X]
    >>> clf = RNNClassifier(hidden_layer_sizes=16, max_iter=30, tol=0.01, random_state=0).fit(X[:150], y[:150])
    >>> clf.score(X[150:], y[150:]) > 0.9
    True
    >>> clf.predict([np.ones((7, 1)), -np.ones((3, 1))])
    array(['up', 'down'], dtype='<U4')
    """

    _auto_pooling = "max"
    _parameter_constraints = {
        **BasePredictor._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    _needed_in_files = frozenset({"classes_", "multilabel_"})

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        cell="gru",
        *,
        bidirectional="auto",
        pooling="auto",
        targets="auto",
        categorical_features=None,
        embedding_dim="auto",
        min_count=1,
        missing="error",
        time_channel=None,
        convolution=None,
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
        alpha=1e-3,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=1e-2,
        max_iter="auto",
        clip_norm=1.0,
        shuffle=True,
        tol=None,
        n_iter_no_change=10,
        early_stopping="auto",
        validation_fraction=0.1,
        validation_split="random",
        standardize=True,
        truncation=None,
        max_memory=1.0,
        class_weight=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    @available_if(takes_steps)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train one epoch more, on these sequences.

        The first call learns what `fit` learns of all data, means and scales of channels and vocabularies, from the
        sequences that it gets, so these should be many. No end of training is in sight: schedules that need one are not
        followed, and the learning rate is `learning_rate_init`. What the solver remembers is kept from call to call, in
        ``solver_state_``.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels), or ragged
            Targets.
        sample_weight : array-like of shape (n_sequences,), or ragged, default=None
            Weight of each sequence, or step, in the loss.
        classes : array-like of shape (n_classes,), default=None
            All classes that there will ever be: needed in the first call, unless y is a matrix of label indicators.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used, or if y holds a class that is not among `classes`. What was
            fitted before stays as it was.
        """
        job = self._part(X, y, sample_weight, NOT_GIVEN if classes is None else classes)
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all of y: pass a dict to partial_fit, or sample_weight.')
        return self._learn(job)

    def _dropout(self):
        if self.dropout != "auto":
            return self.dropout
        has_units_to_leave_out = self._bidirectional() or not get_cell(self.cell).is_output
        return AUTO_DROPOUT if has_units_to_leave_out and get_optimizer(self.solver).stochastic else 0.0

    def predict(self, X):
        """Predict classes, or 0-1 indicators of labels.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_labels)
            Predicted classes or indicators; where steps have targets, an object array with those of the steps of each
            sequence, (n_steps,) or (n_steps, n_labels).
        """
        return self._predict(X, self._labels)

    def predict_proba(self, X):
        """Predict probabilities.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.

        Returns
        -------
        p : ndarray of shape (n_sequences, n_classes)
            Probability of each class in the order of ``classes_``, or of each label; where steps have targets, an
            object array with one such array (n_steps, n_classes) for each sequence.
        """
        return self._predict(X, lambda raw: self._loss().predict(self._of_classes(raw)))

    def predict_log_proba(self, X):
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.

        Returns
        -------
        log_p : ndarray of shape (n_sequences, n_classes)
            Log-probabilities, in the shape of the probabilities.
        """
        return self._predict(X, lambda raw: self._loss().log_predict(self._of_classes(raw)))

    def score(self, X, y, sample_weight=None):
        """Accuracy; where each step has a target, the share of steps that are right.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels), or ragged
            True classes or indicators.
        sample_weight : array-like of shape (n_sequences,), or ragged, default=None
            Weights of sequences or steps.

        Returns
        -------
        float
            Between 0 and 1.
        """
        check_is_fitted(self)
        y, sample_weight = self._to_score(y, sample_weight)
        if self.per_step_:
            return step_accuracy_score(y, self.predict(X), sample_weight=sample_weight)
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)

    def _labels(self, raw):
        """Classes or indicators from raw predictions."""
        return (raw > 0).astype(np.int64) if self.multilabel_ else self.classes_[self._decide(raw)]

    def _of_classes(self, raw):
        """Raw predictions with a column for each class or label: of two classes, the first has the opposite sign."""
        return raw if self.multilabel_ or raw.shape[1] > 1 else np.hstack([-raw, raw])

    def _loss(self):
        return BinomialLogLoss() if self.multilabel_ or self.n_outputs_ == 1 else MultinomialLogLoss()

    @staticmethod
    def _decide(raw):
        """Number of the class that each row of raw predictions speaks for."""
        return raw.argmax(axis=1) if raw.shape[1] > 1 else (raw[:, 0] > 0).astype(np.intp)

    def _strata(self, y):
        return column_or_1d(y) if type_of_target(y, input_name="y") in ("binary", "multiclass") else None

    def _is_multilabel(self, y):
        """Whether y is a matrix of label indicators; refuses rows that are neither indicators nor one class."""
        if y.ndim > 2:
            raise ValueError(f"y has shape {y.shape}, but labels are (n, n_labels): pass y.reshape(len(y), -1).")
        is_of_labels = type_of_target(y, input_name="y") == "multilabel-indicator"
        if not is_of_labels and y[:1].size > 1:
            raise ValueError(
                f"y has {y[:1].size} targets for each {UNITS[self.per_step_]}, which are no label indicators (0 "
                "and 1). If they are labels of steps, they must be as many as the steps of the sequence, in rows that "
                'are as long as the sequences of X, or with targets="step" in a matrix.'
            )
        return is_of_labels

    def _encode_target(self, y, sample_weight, trained):
        self.multilabel_ = self._is_multilabel(y)
        if self.multilabel_:
            y = self._check_labels(y)
            self._describe_labels(y.shape[1])
            return self._loss(), y, self._weighted(y, sample_weight, trained)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        classes, codes = distinct(y, "y")
        self._describe_classes(classes)
        only_held_out = np.setdiff1d(codes, codes[trained])
        if len(only_held_out):
            raise ValueError(
                f"All sequences of the classes {self.classes_[only_held_out].tolist()} are held out for early "
                "stopping: they must be among those to train on."
            )
        target = codes[:, np.newaxis].astype(np.float64)
        sample_weight = self._weighted(target, sample_weight, trained)
        present = np.unique(codes[trained & (sample_weight > 0)])
        if len(present) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes among the targets to train on, of a weight above 0; "
                + (f"there is only one class: {self.classes_[present].tolist()}." if len(present) else "there is none.")
            )
        return self._loss(), target, sample_weight

    def _set_classes(self, y, classes, goes_on):
        """Set the attributes that describe the target from the classes that there will be, or compare them with it."""
        given = None if classes is NOT_GIVEN else given_classes(classes).tolist()
        if goes_on:
            if given not in (None, self.classes_.tolist()):
                raise ValueError(
                    f"classes={given} are not those of the calls before, {self.classes_.tolist()}: leave them out, or "
                    "start anew with a clone."
                )
            return
        self.multilabel_ = self._is_multilabel(y)
        if self.multilabel_:
            self._describe_labels(np.shape(y)[1])
            if given not in (None, self.classes_.tolist()):
                raise ValueError(
                    f"classes={given} are not the numbers of the labels that a matrix y of indicators has, "
                    f"{self.classes_.tolist()}: leave out classes."
                )
            return
        if given is None:
            raise ValueError("The first call of partial_fit needs classes, all that there will ever be.")
        self._describe_classes(given_classes(classes))
        if len(self.classes_) < 2:
            raise ValueError(f"classes must name at least 2 classes; got {self.classes_.tolist()}.")

    def _describe_classes(self, classes):
        self.classes_, self.n_outputs_ = classes, 1 if len(classes) == 2 else len(classes)

    def _describe_labels(self, n_labels):
        self.classes_, self.n_outputs_ = np.arange(n_labels), n_labels

    def _target_weight(self, target, weight, trained):
        if self.class_weight is None:
            return 1.0
        codes = target.astype(np.intp)
        return class_factors(self.class_weight, self.classes_, codes, weight, trained, self.multilabel_)

    @staticmethod
    def _check_labels(y):
        y = check_array(y, dtype=np.float64, input_name="y")
        if not np.isin(y, (0, 1)).all():
            raise ValueError(f"A matrix of label indicators holds 0 and 1 only; y holds {np.unique(y)[:5].tolist()}.")
        return y

    def _known_target(self, y):
        self._check_width(y)
        if self.multilabel_:
            return self._loss(), self._check_labels(y)
        codes = codes_of(column_or_1d(y, warn=True), self.classes_)
        return self._loss(), codes[:, np.newaxis].astype(np.float64)

    def _check_width(self, y):
        unit = UNITS[self.per_step_]
        if self.multilabel_ and y.ndim != 2:
            raise ValueError(
                f"y must be a matrix of label indicators, as fit saw it; got an array of shape {np.shape(y)}."
            )
        if self.multilabel_ and y.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {y.shape[1]} labels for each {unit}, but fit saw {self.n_outputs_}.")
        if not self.multilabel_ and y[:1].size > 1:
            raise ValueError(f"y has {y[:1].size} targets for each {unit}, but fit saw one.")

    def _validation_score(self, raw, target, sample_weight):
        if self.multilabel_:
            return accuracy_score(target, raw > 0, sample_weight=sample_weight)
        return accuracy_score(target[:, 0], self._decide(raw), sample_weight=sample_weight)

    def _check_attributes_of_files(self, require):
        check_classes(self, require)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
