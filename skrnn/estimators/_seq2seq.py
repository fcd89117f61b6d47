"""What estimators share that put out a sequence of its own length for each sequence."""

from abc import abstractmethod
from numbers import Real

from sklearn.utils._param_validation import Interval, StrOptions

from ._documentation import FITTED, SHARED, table
from ._settings import Auto
from ._trained import BaseTrained
from ._validation import warn_of_weights

NOT_OURS = {"pooling", "targets", "truncation"}
PARAMETERS = {name: entry for name, entry in SHARED.items() if name not in NOT_OURS} | table("""\
bidirectional : bool or "auto"
    Whether each layer of the encoder also reads sequences from end to start, with units of its own. "auto" does so. The
    decoder runs forward only.
attention : {"additive", "dot"} or None
    How each step of the decoder weighs the outputs of the encoder: by ``v . tanh(h W_q + b + E W_k)`` [5]_, by the dot
    product ``h . E W_k`` divided by the square root of the number of units [6]_, or not at all: then the decoder knows
    of X only the states in which the encoder has ended.
teacher_forcing : float
    Share of the steps of the decoder that read the true output before, in the last epoch of training; in the first all
    do, and the share falls evenly. The others read what the network puts out there when it reads the true outputs, and
    are drawn step by step [7]_. Below 1 the decoder runs twice. With `partial_fit` all steps read the true output.
dropout : float
    Fraction of the units to drop in training, between layers and before the readout.
warm_start : bool
    Whether `fit` resumes from the weights of the previous fit. Another network or another encoding of X raises an
    error.""")

ATTRIBUTES = FITTED | table("""\
per_step_ : bool
    Whether y had a target for each step of X: False.
weights_ : dict of str to ndarray
    Trained weights, named as in `RNNClassifier`; those of the decoder begin with ``"decoder."``. ``"bridge.{l}.W"``,
    ``".b"`` lead from the final states of layer l of the encoder, those of both directions side by side, to the states
    that layer l of the decoder starts from; without them they are the same. ``"attention.W_k"`` (E, H), ``".W_q"`` (H,
    H), ``".b"``, ``".v"`` (H,), and ``".W_c"`` (H + E, H), ``".b_c"`` for what the readout reads, ``tanh([h, c] W_c +
    b_c)``.""")

REFERENCES = """\
.. [5] D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and translate",
   ICLR 2015. :arxiv:`1409.0473`
.. [6] M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based neural machine translation",
   EMNLP 2015. :arxiv:`1508.04025`
.. [7] S. Bengio et al., "Scheduled sampling for sequence prediction with recurrent neural networks", NeurIPS 2015.
   :arxiv:`1506.03099`; for all steps at once as in T. Mihaylova, A. Martins, "Scheduled sampling for transformers",
   ACL Student Research Workshop 2019. :arxiv:`1906.07651`"""


class BaseSeq2Seq(BaseTrained):
    """Base of the estimators with an encoder and a decoder."""

    _parameter_constraints = {
        **BaseTrained._parameter_constraints,
        "attention": [StrOptions({"additive", "dot"}), None],
        "teacher_forcing": [Interval(Real, 0, 1, closed="both")],
    }
    _auto = Auto()
    pooling, targets, truncation = "auto", "auto", None

    @abstractmethod
    def _restored_task(self):
        """See `BaseTrained`."""

    def _attention(self, X, y):
        """For each sequence the weights (n_out, n_in) along the outputs y."""
        if self.structure_.attention is None:
            raise ValueError(
                'attention_weights needs a network with attention="additive" or "dot"; this one was trained with '
                "attention=None."
            )
        from ..network.decoding import read_outputs  # noqa: PLC0415 (brings the compiler)

        predictor, _ = self._given_outputs(X, y)
        with predictor.executor:
            weights = read_outputs(predictor, wants_attention=True).attention
        return warn_of_weights(weights)

    def _given_outputs(self, X, y):
        """A predictor of the sequences in X, whose decoder is to read y; and the task."""
        self._check_is_fitted()
        self._check_target_names(y)
        task, predictor = self._restored_task(), self._predictor(X)
        target = self._task().read_given(predictor.data, y)
        predictor.data.set_target(task.encode(target.rows), None, target.offsets)
        task.attach(predictor.data)
        return predictor, task
