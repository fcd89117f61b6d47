"""Classification of sequences."""

from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import keep
from ..metrics import step_accuracy_score
from ..persistence._estimators import saved
from ._documentation import document_parameters
from ._fit import FitRequest
from ._settings import Auto
from ._supervised import BaseSupervised, takes_steps
from .tasks._classes import ClassificationTask, check_restored_classes, restored_classes


@saved
@document_parameters
class RNNClassifier(ClassifierMixin, BaseSupervised):
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

    _parameter_constraints = {
        **BaseSupervised._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    _target_attributes = frozenset({"classes_", "multilabel_"})
    _auto = Auto(dropout=0.3, pooling="max")  # chosen by experiment, see docs/defaults.rst

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
        self._validate_params()
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all of y: pass a dict to partial_fit, or sample_weight.')
        return self._train_on(FitRequest(X, y, sample_weight, classes=classes, one_epoch=True))

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
        return self._predict(X, "labels")

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
        return self._predict(X, "probabilities")

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
        return self._predict(X, "log_probabilities")

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

    def _task(self):
        return ClassificationTask(type(self).__name__, self.targets, self.class_weight)

    def _restored_task(self):
        return restored_classes(vars(self))

    def _check_attributes_of_files(self, require):
        return check_restored_classes(vars(self), require)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
