"""Labels of sequences that nobody has aligned with their steps."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import keep, usable
from ..losses import MultinomialLogLoss
from ..metrics import token_error_rate
from ..network.codes import padded
from ..persistence._estimators import saved
from ..sequences._ragged import split_steps
from ._documentation import ARGUMENTS, FITTED, REFERENCES, SHARED, documented, table
from ._fit import FitRequest
from ._settings import Auto
from ._trained import BaseTrained, takes_steps
from ._validation import check_count, warn_if_not_finite
from .tasks._ctc import (
    UnalignedTask,
    check_restored_labels,
    refuse_infeasible,
    restored_labels,
    rows_of_labels,
    steps_needed,
)

PARAMETERS = table("""\
bidirectional : bool or "auto"
    Whether each layer also reads sequences from end to start, with units of its own. "auto" does so, except for cells
    that output the predictions ("jordan").
convolution : Conv or None
    Convolution over time in front of the recurrent layers. With a stride above 1 there are fewer steps: they must still
    be enough for the labels (see `infeasible`).
dropout : float or "auto"
    Fraction of the units to drop in training, between layers and before the readout. "auto" is 0.5, but 0 with "lbfgs"
    and if there are no such units.
input_dropout : float or "auto"
    Fraction of the inputs of the first recurrent layer to drop in training: the channels of X, or if there are any, the
    outputs of a convolution or the vectors of codes. "auto" is 0.2 if there are 8 channels or outputs or more, else 0,
    and 0 for codes and with "lbfgs".
beam_width : int
    Number of prefixes that `predict` and `predict_n_best` keep in their search. 1 takes the best path instead: the most
    probable symbol of each step.
infeasible : {"error", "drop"}
    What to do with sequences that have fewer steps than their labels need: one for each label, and one more between
    equal neighbours. "error" raises an error that names the first; "drop" leaves them out, and counts them in
    ``n_infeasible_``.
alpha : float
    Strength of the L2 penalty: alpha / 2 times the sum of squares of the weight matrices is added to the mean loss.
    Biases and weights of single units, like peepholes, are not penalised.
tol : float or None
    Training stops when the loss, or with `early_stopping` the validation score, does not improve by more than `tol`
    for `n_iter_no_change` epochs. None runs all epochs, or with `early_stopping` means 0. For "lbfgs", training stops
    when the largest element of the gradient is at most `tol`, where None means 1e-4.
early_stopping : bool or "auto"
    Whether to hold out `validation_fraction` of the sequences, to stop when the score on them does not improve, and to
    keep the best weights. Networks of this kind put out blanks only for many epochs; training does not stop before
    they put out labels. "auto" does so if held-out sequences or groups are passed to `fit`; for groups, `verbose`
    reports it.
validation_split : {"random", "last"} or splitter
    Which sequences to hold out. "random" draws them, or draws whole groups if `fit` is given `groups`. "last" takes the
    last ones, for sequences in the order of time. A splitter of scikit-learn holds out its first test set.
warm_start : bool
    Whether `fit` resumes from the weights of the previous fit, with its classes and the scales of its channels.
    Another network or another encoding of X raises an error.""")

OWN_ATTRIBUTES = table("""\
classes_ : ndarray of shape (n_classes,)
    The labels, sorted. The blank is none of them.
n_infeasible_ : int
    Number of sequences that the last fit has left out (see `infeasible`).""")
ATTRIBUTES = table("""\
validation_scores_ : list of float or None
    Score on the held-out sequences after each epoch, 1 - token error rate of the best paths. None without
    `early_stopping`.
n_outputs_ : int
    Number of raw predictions for a step: one for each label, and one for the blank.
per_step_ : bool
    Whether y had a target for each step: False.""")

ARGUMENTS_OF_LABELS = table("""\
y : {list of lists or arrays, object array of arrays, Series, SequenceArray} of n_sequences
    Labels of each sequence, of any type, in the order in which they occur in it; a sequence may have none.
sample_weight : array-like of shape (n_sequences,)
    Weight of each sequence. None gives all the same weight.
classes : array-like of shape (n_classes,)
    All labels that can occur in any call. Required in the first call.""")

REFERENCES_OF_LABELS = f"""\
{REFERENCES}
.. [5] A. Graves, S. Fernandez, F. Gomez, J. Schmidhuber, "Connectionist temporal classification: labelling unsegmented
   sequence data with recurrent neural networks", ICML 2006. :doi:`10.1145/1143844.1143891`"""


@saved
@documented(
    SHARED | PARAMETERS,
    FITTED | OWN_ATTRIBUTES | ATTRIBUTES,
    references=REFERENCES_OF_LABELS,
    arguments=ARGUMENTS | ARGUMENTS_OF_LABELS,
)
class CTCClassifier(BaseTrained):
    """Recurrent network that reads labels off sequences, without knowing at which steps they occur.

    For recordings of speech and handwriting, or any X whose sequences hold several events in a known order. The network
    puts out a label or a blank at each step; its predictions are what is left if equal neighbours are merged and then
    blanks removed. It learns the sum over all ways to place the labels ("connectionist temporal classification" [5]_).

    The loss of a sequence is ``-log p(y | x)``, not divided by the number of its labels, and that of a mini-batch the
    weighted mean over its sequences.

    See Also
    --------
    RNNClassifier : One label for each sequence, or for each of its steps.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import CTCClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = [rng.choice(["dot", "dash"], n) for n in rng.integers(1, 5, size=200)]
    >>> signals = {"dot": [0, 1, 0], "dash": [0, 1, 1, 1, 0]}
    >>> X = [np.concatenate([signals[label] for label in labels])[:, np.newaxis] for labels in y]
    >>> clf = CTCClassifier(hidden_layer_sizes=16, max_iter=30, random_state=0).fit(X[:150], y[:150])
    >>> clf.score(X[150:], y[150:]) > 0.9
    True
    >>> clf.predict([np.array([[0], [1], [0], [0], [1], [1], [1], [0]])])[0]
    array(['dot', 'dash'], dtype='<U4')
    """

    _parameter_constraints = {
        **BaseTrained._parameter_constraints,
        "beam_width": [Interval(Integral, 1, None, closed="left")],
        "infeasible": [StrOptions({"error", "drop"})],
        "input_dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
    }

    _target_attributes = frozenset(OWN_ATTRIBUTES)
    _auto = Auto(dropout=0.5)  # chosen by experiment, see docs/ctc.rst
    pooling, targets, truncation = "auto", "auto", None  # what other estimators leave to the user

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        cell="gru",
        *,
        bidirectional="auto",
        beam_width=1,
        infeasible="error",
        categorical_features=None,
        embedding_dim="auto",
        min_count="auto",
        subwords=False,
        missing="error",
        time_channel=None,
        convolution=None,
        layer_norm=False,
        residual=False,
        dropout="auto",
        input_dropout="auto",
        recurrent_dropout=0.0,
        zoneout=0.0,
        input_init="glorot_uniform",
        recurrent_init="orthogonal",
        bias_init="cell",
        solver="adam",
        alpha=1e-3,
        batch_size=16,
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
        max_memory=1.0,
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
            If a parameter or the data are invalid, or if y holds a label that is not in `classes`. The result of the
            previous call is kept.
        """
        self._validate_params()
        return self._train_on(FitRequest(X, y, sample_weight, classes=classes, one_epoch=True))

    def predict(self, X):
        """Predict the labels of sequences.

        Returns
        -------
        y : ndarray of shape (n_sequences,) of ndarrays
            The labels of each sequence; an array may be empty. With ``beam_width=1`` those of the best path, else the
            first of `predict_n_best`.
        """
        self._check_is_fitted()
        if usable(self, "beam_width") > 1:
            return _objects([found[0][0] for found in self.predict_n_best(X, 1)])
        from ..network.paths import best_paths  # noqa: PLC0415 (brings the compiler)

        raw, offsets = self._raw(X)
        return _objects([self.classes_[codes] for codes in best_paths(raw, offsets[:-1])])

    def predict_n_best(self, X, n):
        """Predict the n most probable sequences of labels.

        A search extends prefixes of labels step by step, and keeps the `beam_width` most probable ones, or n if that is
        more. What it finds, and the labels of the best path, are scored exactly. So a wider beam can find what a
        narrower one has missed, but most probable are only the sequences among those that were found.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.
        n : int
            How many; there are fewer if the search has not found as many.

        Returns
        -------
        n_best : list of list of tuple
            For each sequence pairs of labels, an array, and their log-probability, as of `score_samples`; best first.
        """
        self._check_is_fitted()
        check_count(n, "n")
        from ..network.paths import most_probable  # noqa: PLC0415 (brings the compiler)

        raw, offsets = self._raw(X)
        found = most_probable(raw, offsets[:-1], np.diff(offsets), max(n, usable(self, "beam_width")))
        return [[(self.classes_[codes], log_p) for codes, log_p in of_sequence[:n]] for of_sequence in found]

    def predict_proba(self, X):
        """Predict the probability of each symbol at each step.

        Returns
        -------
        p : ndarray of shape (n_sequences,) of ndarrays of shape (n_steps, n_classes + 1)
            Probabilities of the labels, in the order of ``classes_``, and of the blank, which is last. A convolution
            with a stride leaves fewer steps than X has.
        """
        self._check_is_fitted()
        raw, offsets = self._raw(X)
        return split_steps(MultinomialLogLoss().predict(raw), offsets)

    def score_samples(self, X, y):
        """Compute the log-probability of given labels: the sum over all ways to place them.

        Returns
        -------
        log_p : ndarray of shape (n_sequences,)
            Natural logarithm of p(y | x) of each sequence; -infinity if it has too few steps for its labels.

        Raises
        ------
        ValueError
            If y holds labels that `fit` has not seen.
        """
        self._check_is_fitted()
        from ..network.paths import log_probabilities  # noqa: PLC0415 (brings the compiler)

        rows = rows_of_labels(y)
        raw, offsets = self._raw(X)
        check_consistent_length(offsets[1:], rows)
        targets = padded(self._restored_task().codes(rows))
        return log_probabilities(raw, offsets[:-1], np.diff(offsets), targets)

    def align(self, X, y):
        """Find at which steps given labels are put out, along the most probable path that spells them.

        Returns
        -------
        steps : ndarray of shape (n_sequences,) of ndarrays of int
            For each label the first step of the path at which it is put out. A convolution with a stride s keeps every
            s-th step: multiply by s for steps of X.

        Raises
        ------
        ValueError
            If y holds labels that `fit` has not seen, or a sequence has too few steps for its labels.
        """
        self._check_is_fitted()
        from ..network.generation import refuse_not_finite  # noqa: PLC0415 (brings the compiler)
        from ..network.paths import alignment  # noqa: PLC0415

        rows = rows_of_labels(y)
        raw, offsets = self._raw(X)
        check_consistent_length(offsets[1:], rows)
        n_steps = np.diff(offsets)
        is_infeasible = steps_needed(rows) > n_steps
        if is_infeasible.any():
            i = int(is_infeasible.argmax())
            refuse_infeasible(i, rows[i], n_steps[i], 1, "or leave it out")
        targets = padded(self._restored_task().codes(rows))
        steps = alignment(raw, offsets[:-1], n_steps, targets)
        for i, of_sequence in enumerate(steps):
            if len(of_sequence) and of_sequence.min() < 0:
                refuse_not_finite(f"sequence {i}")
        return _objects(steps)

    def score(self, X, y, sample_weight=None):
        """Return 1 - token error rate: the edits that turn predictions into y, over the number of labels in y.

        Returns
        -------
        float
            At most 1. It is 0 if nothing is predicted, and may be negative if too many labels are.
        """
        check_is_fitted(self)
        return 1.0 - token_error_rate(rows_of_labels(y), self.predict(X), sample_weight=sample_weight)

    def _raw(self, X):
        """Raw predictions of all steps that the network has, and where those of each sequence begin."""
        predictor = self._predictor(X)
        with predictor.executor:
            raw = predictor.predict_raw()
            offsets = np.append(0, np.cumsum(predictor.network.n_steps(predictor.data.lengths)))
        return warn_if_not_finite(raw, offsets, "predictions"), offsets

    def _task(self):
        convolution = self.convolution
        return UnalignedTask(type(self).__name__, self.infeasible, 1 if convolution is None else convolution.stride)

    def _restored_task(self):
        return restored_labels(self)

    def _check_attributes_of_files(self, require):
        return check_restored_labels(self, require)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _objects(arrays):
    """An array of objects, one array for each sequence."""
    result = np.empty(len(arrays), dtype=object)
    for i, array in enumerate(arrays):
        result[i] = array
    return result
