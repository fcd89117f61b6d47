"""Sequences of numbers out of sequences."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from .._core.parameters import keep
from ..losses import REGRESSION_LOSSES, BaseLoss
from ..persistence._estimators import saved
from ..sequences._containers import items_of
from ..sequences._layout import offsets_of
from ..sequences._ragged import split_steps, step_weights
from ._documentation import ARGUMENTS, documented, table
from ._documentation import REFERENCES as SHARED_REFERENCES
from ._fit import FitRequest
from ._regressor import ATTRIBUTES as OF_NUMBERS
from ._regressor import PARAMETERS as OF_LOSSES
from ._seq2seq import ATTRIBUTES, PARAMETERS, REFERENCES, BaseSeq2Seq
from ._trained import takes_steps
from ._validation import warn_if_not_finite
from .tasks._output_numbers import OutputNumbersTask, check_restored_output_numbers, restored_output_numbers

OWN_PARAMETERS = {"standardize_target": OF_LOSSES["standardize_target"]} | table("""\
loss : {"squared_error", "absolute_error", "huber", "poisson"} or BaseLoss
    Loss function. It selects the statistic to predict: the mean, the median, a compromise between both, or the mean of
    counts (through an exponential, so it is positive). Pass an instance to set its parameters, for example
    ``Huber(delta=2.0)``, or ``Quantile(0.9)`` for a quantile.""")

OWN_ATTRIBUTES = OF_NUMBERS | table("""\
n_out_steps_ : int or None
    Number of rows of each output in training; None if they differed.""")

OWN_ARGUMENTS = table("""\
y : list of arrays of shape (n_out,) or (n_out, n_outputs), object array, or array of shape (n_sequences, n_out)
    A sequence of numbers, or of rows of numbers, for each sequence, of any length from 1 on. Where it may be None, it
    is what `predict` gives.
sample_weight : array-like of shape (n_sequences,)
    Weight of each sequence. None gives all the same weight.
n_steps : int or array-like of int of shape (n_sequences,)
    Number of rows to put out, for all sequences or for each. None takes that of the training, where it was the same for
    all sequences.""")


@saved
@documented(
    PARAMETERS | OWN_PARAMETERS,
    ATTRIBUTES | OWN_ATTRIBUTES,
    arguments=ARGUMENTS | OWN_ARGUMENTS,
    references=f"{SHARED_REFERENCES}\n{REFERENCES}",
)
class Seq2SeqRegressor(RegressorMixin, BaseSeq2Seq):
    """Recurrent network that puts out a sequence of numbers for each sequence, of a length of its own.

    An encoder reads the sequence. A decoder starts from the states in which the encoder has ended, reads the row of
    numbers before each row, and attends to all outputs of the encoder. In training it reads the true rows.

    See Also
    --------
    Seq2SeqClassifier : Sequences of labels.
    RNNRegressor : Numbers for each sequence, or for each step.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import Seq2SeqRegressor
    >>> phase = np.random.default_rng(0).uniform(0, 6, size=200)
    >>> wave = np.sin(phase[:, np.newaxis] + 0.4 * np.arange(30))
    >>> X, y = wave[:, :20], wave[:, 20:]
    >>> seq2seq = Seq2SeqRegressor(hidden_layer_sizes=16, max_iter=30, random_state=0).fit(X[:150], y[:150])
    >>> seq2seq.score(X[150:], y[150:]) > 0.9
    True
    >>> len(seq2seq.predict(X[:1], n_steps=5)[0])
    5
    """

    _parameter_constraints = {
        **BaseSeq2Seq._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES) - {"quantile"}), BaseLoss],
        "standardize_target": ["boolean"],
    }

    _target_attributes = frozenset(OWN_ATTRIBUTES)

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        cell="gru",
        *,
        loss="squared_error",
        attention="additive",
        teacher_forcing=1.0,
        bidirectional="auto",
        categorical_features=None,
        embedding_dim="auto",
        min_count="auto",
        subwords=False,
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
        standardize=True,
        standardize_target=True,
        max_memory=1.0,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    @available_if(takes_steps)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on these sequences.

        The first call learns the means and scales of X and y and the vocabulary of X from its sequences, so it should
        get many. The learning rate is `learning_rate_init`. The state of the solver is kept between calls, in
        ``solver_state_``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The result of the previous call is kept.
        """
        self._validate_params()
        return self._train_on(FitRequest(X, y, sample_weight, one_epoch=True))

    def predict(self, X, n_steps=None):
        """Predict the sequence of numbers for each sequence.

        Returns
        -------
        y : ndarray of object of shape (n_sequences,)
            An array of shape (n_out,) or (n_out, n_outputs) for each sequence, as in the fitted y.

        Raises
        ------
        ValueError
            If `n_steps` is None, and the outputs in training had different lengths.
        """
        self._check_is_fitted()
        task, predictor = self._restored_task(), self._predictor(X)
        lengths = _lengths(task, n_steps, len(predictor.data.lengths))
        with predictor.executor:
            rows = task.in_units(task.numbers(predictor, lengths))
        offsets = offsets_of(lengths)
        warn_if_not_finite(rows.reshape(len(rows), -1), offsets, "predictions")
        return split_steps(rows, offsets)

    def attention_weights(self, X, y=None):
        """Compute how each step of the decoder weighs the steps of the sequence.

        Returns
        -------
        weights : list of ndarray of shape (n_out, n_in)
            For each sequence a row for each row of y; each sums to 1. With a convolution, n_in is the number of its
            steps.

        Raises
        ------
        ValueError
            If the network was trained with ``attention=None``; or if y is None, and the outputs in training had
            different lengths.
        """
        self._check_is_fitted()
        return self._attention(X, self.predict(X) if y is None else y)

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination R^2 over all rows of all outputs.

        Returns
        -------
        float
            At most 1; 0 for a constant prediction of the mean of y.
        """
        self._check_is_fitted()
        self._check_target_names(y)
        rows = self._task().read_outputs(y)
        self._restored_task().check_width(np.concatenate(rows))
        lengths = np.array([len(row) for row in rows])
        predicted = self.predict(X, lengths)
        weight = step_weights(items_of(sample_weight, "sample_weight"), offsets_of(lengths))
        return r2_score(np.concatenate(rows), np.concatenate(predicted), sample_weight=weight)

    def _task(self):
        return OutputNumbersTask(type(self).__name__, self.loss, self.standardize_target)

    def _restored_task(self):
        return restored_output_numbers(self)

    def _check_attributes_of_files(self, require):
        return check_restored_output_numbers(self, require)


def _lengths(task, n_steps, n_sequences):
    """Rows to put out for each sequence."""
    if n_steps is None:
        if task.n_steps is None:
            raise ValueError(
                "The outputs in training had different lengths: say by n_steps how many rows to put out, for all "
                "sequences or for each."
            )
        n_steps = task.n_steps
    lengths = np.asarray(n_steps)
    if lengths.dtype.kind not in "iu" or lengths.ndim > 1 or lengths.size == 0 or lengths.min() < 1:
        raise ValueError(
            f"n_steps must be a number of rows, 1 or more, or one for each sequence; got {n_steps!r:.100}."
        )
    if lengths.ndim:
        check_consistent_length(np.empty(n_sequences), lengths)
    return np.broadcast_to(lengths, (n_sequences,)).astype(np.int64)
