"""Sequences of labels out of sequences."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from .._core.parameters import keep, usable
from ..metrics import sequence_accuracy_score
from ..persistence._estimators import saved
from ..sequences._layout import offsets_of
from ..sequences._ragged import split_steps
from ._documentation import ARGUMENTS, documented, table
from ._documentation import REFERENCES as SHARED_REFERENCES
from ._fit import FitRequest
from ._seq2seq import ATTRIBUTES, PARAMETERS, REFERENCES, BaseSeq2Seq
from ._trained import takes_steps
from ._unfinished import CountsUnfinished, count_unfinished
from ._validation import check_count, warn_if_not_finite
from .tasks._output_labels import OutputLabelsTask, check_restored_outputs, restored_outputs

OWN_PARAMETERS = table("""\
beam_width : int
    Number of hypotheses that `predict` keeps for each sequence. 1 takes the most probable label at each step.
length_penalty : float
    Hypotheses are ranked by their log-probability divided by the number of their labels, the end mark included, to this
    power. 0 ranks by log-probability, which prefers short outputs; 1 by the mean for each label.
max_output_length : int or "auto"
    Maximum number of labels that are put out for a sequence; "auto" is twice that of the longest output in training.
    It may be set anew after `fit`. Outputs that reach it without an end mark are cut off there, and counted in
    ``n_unfinished_``.
label_smoothing : float
    Share of the probability that training spreads evenly over all labels, in place of the true one.
validation_scoring : {"output", "likelihood"}
    What `early_stopping` looks at: 1 minus the token error rate of the outputs for held-out sequences, which the
    network makes without seeing the true ones; or the mean log-likelihood of their labels, given the true ones before.
    """)

OWN_ATTRIBUTES = table("""\
classes_ : ndarray of shape (n_classes,)
    Labels that may be put out.
max_output_length_ : int
    Maximum number of labels that are put out for a sequence.""")

OWN_ARGUMENTS = table("""\
y : list of lists or arrays of labels, object array, Series, or array of shape (n_sequences, n_labels)
    A sequence of labels for each sequence, of any length from 1 on.
sample_weight : array-like of shape (n_sequences,)
    Weight of each sequence. None gives all the same weight.
n : int
    Number of outputs for each sequence, with as many hypotheses or more if `beam_width` is larger.
classes : array-like of shape (n_classes,)
    All labels that can occur in any call. Required in the first call.""")


@saved
@documented(
    PARAMETERS | OWN_PARAMETERS,
    ATTRIBUTES | OWN_ATTRIBUTES,
    arguments=ARGUMENTS | OWN_ARGUMENTS,
    references=f"{SHARED_REFERENCES}\n{REFERENCES}",
)
class Seq2SeqClassifier(CountsUnfinished, BaseSeq2Seq):
    """Recurrent network that puts out a sequence of labels for each sequence, of a length of its own.

    An encoder reads the sequence. A decoder starts from the states in which the encoder has ended, reads the label
    before each label, attends to all outputs of the encoder, and ends with a mark of its own. In training it reads the
    true labels before each label. It serves for translation, pronunciation, summaries, and for one thing into a
    sequence: of sequences of a single step, ``X[:, np.newaxis]``, the decoder starts from a row of numbers.

    See Also
    --------
    Seq2SeqRegressor : Sequences of numbers.
    RNNClassifier : A class for each sequence, or for each step.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import Seq2SeqClassifier
    >>> rng = np.random.default_rng(0)
    >>> words = ["".join(rng.choice(list("abc"), size=n)) for n in rng.integers(1, 5, size=200)]
    >>> X, y = [list(word) for word in words], [list(reversed(word.upper())) for word in words]
    >>> seq2seq = Seq2SeqClassifier(hidden_layer_sizes=24, max_iter=40, random_state=0).fit(X, y)
    >>> seq2seq.predict([["a", "b", "b"]])[0]
    array(['B', 'B', 'A'], dtype='<U1')
    """

    _parameter_constraints = {
        **BaseSeq2Seq._parameter_constraints,
        "beam_width": [Interval(Integral, 1, None, closed="left")],
        "length_penalty": [Interval(Real, 0, None, closed="left")],
        "max_output_length": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "validation_scoring": [StrOptions({"output", "likelihood"})],
    }

    _target_attributes = frozenset(OWN_ATTRIBUTES)

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        cell="lstm",
        *,
        attention="additive",
        teacher_forcing=1.0,
        bidirectional="auto",
        beam_width=1,
        length_penalty=0.0,
        max_output_length="auto",
        label_smoothing=0.1,
        categorical_features=None,
        embedding_dim="auto",
        min_count="auto",
        subwords=False,
        missing="error",
        time_channel=None,
        convolution=None,
        layer_norm=False,
        residual=False,
        dropout=0.3,
        input_dropout=0.0,
        recurrent_dropout=0.0,
        zoneout=0.0,
        input_init="glorot_uniform",
        recurrent_init="orthogonal",
        bias_init="cell",
        solver="adam",
        alpha=1e-5,
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
        validation_scoring="output",
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

        The first call learns the means and scales of the channels and the vocabulary of X from its sequences, so it
        should get many. The learning rate is `learning_rate_init`. The state of the solver is kept between calls, in
        ``solver_state_``.

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
        """Predict the sequence of labels for each sequence.

        Returns
        -------
        y : ndarray of object of shape (n_sequences,)
            An array of labels for each sequence, without marks.

        Raises
        ------
        ValueError
            If the network has no finite output for a sequence, which the message names.
        """
        best, task = self._best(X, 1), self._restored_task()
        count_unfinished(self, sum(not found[0].is_finished for found in best))
        labels = [found[0].labels for found in best]
        return split_steps(task.labels(np.concatenate(labels)), offsets_of([len(each) for each in labels]))

    def predict_n_best(self, X, n):
        """Predict several sequences of labels for each sequence.

        Returns
        -------
        outputs : list of list of tuple (labels, log_probability)
            For each sequence up to n different outputs, the best first by `length_penalty`. The log-probability is that
            of `score_samples`.
        """
        check_count(n, "n")
        best, task = self._best(X, int(n)), self._restored_task()
        return [[(task.labels(each.labels), each.log_probability) for each in found] for found in best]

    def _best(self, X, n):
        """The n best outputs for each sequence."""
        self._check_is_fitted()
        from ..network.generation import Beams, best_outputs  # noqa: PLC0415 (brings the compiler)

        width, penalty = usable(self, "beam_width"), usable(self, "length_penalty")
        longest = usable(self, "max_output_length")
        task, predictor = self._restored_task(), self._predictor(X)
        longest = task.max_output_length if longest == "auto" else longest
        with predictor.executor:
            return best_outputs(predictor, Beams(task.end, longest, max(width, n), n, penalty))

    def score_samples(self, X, y):
        """Compute the log-probability of sequences of labels, of any length from 0 on.

        Returns
        -------
        log_p : ndarray of shape (n_sequences,)
            ``log p(y_i | x_i)``, the end included.
        """
        predictor, _ = self._given_outputs(X, y)
        from ..network.generation import log_probabilities  # noqa: PLC0415 (brings the compiler)

        with predictor.executor:
            raw = predictor.predict_raw()
        warn_if_not_finite(raw, predictor.data.target_offsets, "predictions")
        return log_probabilities(predictor, raw)

    def attention_weights(self, X, y=None):
        """Compute how each step of the decoder weighs the steps of the sequence.

        Returns
        -------
        weights : list of ndarray of shape (n_out, n_in)
            For each sequence a row for each label, which sums to 1. With a convolution, n_in is the number of its
            steps.

        Raises
        ------
        ValueError
            If the network was trained with ``attention=None``.
        """
        self._check_is_fitted()
        # the last step of the decoder puts out the end
        return [weights[:-1] for weights in self._attention(X, self.predict(X) if y is None else y)]

    def score(self, X, y, sample_weight=None):
        """Return the share of sequences that are predicted exactly.

        Returns
        -------
        float
            Between 0 and 1.
        """
        return sequence_accuracy_score(y, self.predict(X), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        """Those of no kind of estimator: of a classifier scikit-learn refuses lists of lists as y where it splits."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required, tags.target_tags.one_d_labels = True, False
        return tags

    def _task(self):
        free_running = self.validation_scoring == "output"
        return OutputLabelsTask(type(self).__name__, self.label_smoothing, self.max_output_length, free_running)

    def _restored_task(self):
        return restored_outputs(self)

    def _check_attributes_of_files(self, require):
        return check_restored_outputs(self, require)
