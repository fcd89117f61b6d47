"""Classification of sequences."""

from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import keep
from ..metrics import step_accuracy_score
from ..persistence._estimators import saved
from ..streaming._decoder import Decoder
from ._documentation import ARGUMENTS, COUNTED, FITTED_OF_SEVERAL, SHARED, documented, table
from ._fit import FitRequest
from ._settings import Auto
from ._step_by_step import staged
from ._supervised import BaseSupervised
from ._trained import takes_steps
from .tasks._classes import ClassificationTask, check_restored_classes, restored_classes

PARAMETERS = table("""\
convolution : Conv, None or "auto"
    Convolution over time in front of the recurrent layers. "auto" is ``Conv(32, 9, stride=4)`` for at most 500
    sequences to train on that have 100 steps or more (their median), and at most 6 million numbers in all, else None.
    The stride is 8 above 320 steps, 16 above 640, and so on, and the width is twice the stride and 1. That is so for
    channels of numbers and a target for each sequence, in networks of both directions, if `differences` and
    `augmentation` are "auto", too; but not with `partial_fit` and "lbfgs". A training that goes on keeps what it began
    with.
dropout : float or "auto"
    Fraction of the units to drop in training, between layers and before the readout. "auto" is 0.3, but 0 with "lbfgs"
    and if there are no such units.
class_weight : dict, list of dict or "balanced"
    Weights of the classes in the form ``{class: weight}``; classes that it does not name have weight 1. "balanced" uses
    weights inversely proportional to the class frequencies in the training part, weighted by ``sample_weight``. For an
    indicator matrix, pass a list with a dict ``{0: weight, 1: weight}`` for each label. The weights are multiplied with
    ``sample_weight``. Names that are no classes of y raise a warning, and an error if no name is a class.
warm_start : bool
    Whether `fit` resumes from the weights of the previous fit, with its classes and the scales of its channels.
    Another network or another encoding of X raises an error.""")

ATTRIBUTES = table("""\
classes_ : ndarray of shape (n_classes,)
    Class labels, or for an indicator matrix the numbers of the labels.
multilabel_ : bool
    Whether y was an indicator matrix.""")

ARGUMENTS_OF_CLASSES = table("""\
y : array-like of shape (n_sequences,) or (n_sequences, n_labels), or ragged
    Classes, or label indicators. Ragged: a row for each sequence, as long as the sequence, with a class for each step
    (see `targets`).""")


@saved
@documented(SHARED | COUNTED | PARAMETERS, FITTED_OF_SEVERAL | ATTRIBUTES, arguments=ARGUMENTS | ARGUMENTS_OF_CLASSES)
class RNNClassifier(ClassifierMixin, BaseSupervised):
    """Recurrent network that classifies sequences.

    The target y determines the task: two classes, several classes, or several labels for each sequence (a 0-1 indicator
    matrix). The loss is the log-loss over the classes, or of each label.

    See Also
    --------
    RNNRegressor : Regression on sequences.
    SequenceTransformer : Features of sequences for other estimators.

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
        "augmentation": [*BaseSupervised._parameter_constraints["augmentation"], StrOptions({"auto"})],
        "convolution": [*BaseSupervised._parameter_constraints["convolution"], StrOptions({"auto"})],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    _target_attributes = frozenset(ATTRIBUTES)
    _auto = Auto(dropout=0.3, pooling="max", counts_all=True)  # chosen by experiment, see docs/defaults.rst

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
        min_count="auto",
        subwords="auto",
        differences="auto",
        augmentation="auto",
        missing="error",
        time_channel=None,
        convolution="auto",
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
        n_networks=1,
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
        """Train for one epoch on these sequences.

        The first call learns the means and scales of the channels and the vocabularies from its sequences, so it should
        get many. As the end of training is not known, schedules that need it are not used, and the learning rate is
        `learning_rate_init`. The state of the solver is kept between calls, in ``solver_state_``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if y holds a class that is not in `classes`. The result of the
            previous call is kept.
        """
        self._validate_params()
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all of y: pass a dict to partial_fit, or sample_weight.')
        return self._train_on(FitRequest(X, y, sample_weight, classes=classes, one_epoch=True))

    def predict(self, X):
        """Predict classes, or label indicators.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_labels)
            Predicted classes or indicators. If steps have targets, an object array with one array of shape (n_steps,)
            or (n_steps, n_labels) for each sequence.
        """
        return self._predict(X, "labels")

    def predict_proba(self, X):
        """Predict probabilities.

        Returns
        -------
        p : ndarray of shape (n_sequences, n_classes)
            Probability of each class, in the order of ``classes_``, or of each label. If steps have targets, an object
            array with one array of shape (n_steps, n_classes) for each sequence.
        """
        return self._predict(X, "probabilities")

    def predict_log_proba(self, X):
        """Predict logarithms of probabilities.

        Returns
        -------
        log_p : ndarray of shape (n_sequences, n_classes)
            Log-probabilities, in the shape of `predict_proba`.
        """
        return self._predict(X, "log_probabilities")

    def score(self, X, y, sample_weight=None):
        """Return the accuracy, over all steps if steps have targets.

        Returns
        -------
        float
            Fraction of correct predictions, between 0 and 1.
        """
        check_is_fitted(self)
        y, sample_weight = self._to_score(y, sample_weight)
        if self.per_step_:
            return step_accuracy_score(y, self.predict(X), sample_weight=sample_weight)
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)

    def staged_predict_proba(self, X):
        """Predict probabilities after each step, as if the sequences ended there.

        Returns
        -------
        stages : generator of ndarray of shape (n_sequences, n_classes)
            What `predict_proba` gives for the first 1, 2, ... steps of the sequences, until the longest has ended.
            Sequences that have ended keep their prediction.

        Raises
        ------
        ValueError
            If steps have targets.
        """
        return staged(self, X, "step_proba")

    def _decoders(self):
        task = self._restored_task()
        return {
            "step": Decoder(task.labels, task.link_of_labels()),
            "step_proba": Decoder(task.probabilities, task.link()),
        }

    def _task(self):
        return ClassificationTask(type(self).__name__, self.targets, self.class_weight)

    def _restored_task(self):
        return restored_classes(self)

    def _check_attributes_of_files(self, require):
        return check_restored_classes(self, require)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
