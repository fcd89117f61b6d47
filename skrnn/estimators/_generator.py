"""Density of sequences, and samples of it."""

from numbers import Integral

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from .._core.jobs import n_threads_of
from .._core.parameters import keep
from ..persistence._estimators import saved
from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from ._documentation import ARGUMENTS, FITTED, SHARED, documented, table
from ._fit import FitRequest
from ._moved import Moved
from ._streams import arranged
from ._trained import BaseTrained, takes_steps
from ._unfinished import CountsUnfinished, count_unfinished
from ._validation import check_count, validate_inputs, warn_if_not_finite
from .tasks._generation import TOKENS, GenerationTask, check_restored, restored

PARAMETERS = table("""\
notes : {"independent", "dependent"}
    For sequences of 0 and 1, like piano rolls: whether the notes of a step are independent given the steps before, or
    each also depends on the lower ones (channels of smaller number) of its step.
n_components : int
    For sequences of numbers: how many Gaussians the distribution of a step is a mixture of. Their covariances are
    diagonal.
dropout : float or "auto"
    Fraction of the units to drop in training, between layers and before the readout. "auto" is 0.3, or 0.1 with
    `truncation`, but 0 with "lbfgs" and if there are no such units.
recurrent_dropout : float or "auto"
    Fraction of the state to drop in training in the products of a cell, the same units at all steps of a sequence [2]_.
    "auto" is 0.3, but 0 with `truncation`, with "lbfgs", for cells without such products ("indrnn", "mingru",
    "linoss"), and if `dropout` is a number.
batch_size : int or "auto"
    Number of sequences in a mini-batch, and of streams that long sequences are cut into (see `truncation`). "auto"
    takes n_sequences / 64, but at least 16 and at most 64; with `truncation` 32.
max_iter : int or "auto"
    Maximum number of epochs, or of iterations of "lbfgs". "auto" takes as many epochs as make 1500 updates, but at
    least 20 and at most 200; with `truncation` as many as make 3500 of full batches, at most 200.
early_stopping : bool or "auto"
    Whether to hold out `validation_fraction` of the sequences, to stop when their mean log-likelihood does not improve,
    and to keep the best weights. "auto" does so if `X_val` is passed to `fit`, or if X has 100 sequences or more. Of
    long sequences streams are held out.
standardize : bool
    Whether to scale numbers to mean 0 and standard deviation 1 over the steps of the training sequences. 0-1 notes
    stay what they are.
truncation : int, "auto" or None
    Number of steps through which the gradient flows back; None means all steps. A batch is processed in pieces of so
    many steps, with an update after each, and the states are carried over. Sequences much longer than the others, or a
    single long one, are cut into streams of about equal length, as many in all as a batch has. A stream begins with
    states of 0, and reads first the true step before. "auto" is 64 if sequences have more than 1000 steps on average,
    else None.
warm_start : bool
    Whether `fit` resumes from the weights of the previous fit, with its vocabulary or the scales of its channels.
    Another network, or sequences of another content, raise an error.""")

# Parameters of the other estimators that have one value here.
FIXED = (
    "bidirectional",
    "pooling",
    "targets",
    "convolution",
    "differences",
    "subwords",
    "categorical_features",
    "missing",
    "time_channel",
)

ATTRIBUTES = table("""\
content_ : {"tokens", "notes", "numbers"}
    What the sequences hold.
has_end_ : bool
    Whether the end of a sequence is part of the distribution: for tokens, if `fit` got several sequences.
has_unknown_ : bool
    Whether tokens without a code of their own have a probability, which is so with `min_count` above 1. Defined only
    for tokens.
n_components_ : int
    Gaussians of the mixture. Defined only for numbers.
target_mean_ : ndarray of shape (n_channels,)
    Mean of each channel that the mixture is shifted by. Defined only for numbers.
target_scale_ : ndarray of shape (n_channels,)
    Scale of each channel that the mixture is stretched by. Defined only for numbers.""")


ARGUMENTS_OF_DENSITIES = table("""\
X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, list of lists of str, SequenceArray, frame}
    Sequences: of tokens (str, one for each step), of 0-1 notes, or of other numbers.
y : None
    Not used.
sample_weight : array-like of shape (n_sequences,)
    Weight of each sequence. None gives all the same weight.
X_val : like X
    Sequences to hold out for `early_stopping`, instead of a fraction of X. Tokens that no training sequence has do not
    count.
sample_weight_val : array-like of shape (n_sequences,)
    Weights of `X_val`.""")


@saved
@documented(SHARED | PARAMETERS, FITTED | ATTRIBUTES, arguments=ARGUMENTS | ARGUMENTS_OF_DENSITIES)
class SequenceGenerator(CountsUnfinished, DensityMixin, BaseTrained):
    """Recurrent network that learns a distribution of sequences, and draws new ones from it.

    The network reads a sequence and predicts at each step the distribution of the next one; the first one is predicted
    from nothing. What X holds decides on the distribution: of tokens (str) one of those of the training sequences, or
    the end, if `fit` got several sequences; of values that are all 0 or 1 (notes) a probability for each channel; of
    other numbers a mixture of Gaussians.

    See Also
    --------
    SequenceTransformer : Features of sequences for other estimators.
    sklearn.mixture.GaussianMixture : Density of rows of a table.

    Examples
    --------
    >>> from skrnn import SequenceGenerator
    >>> words = ["banana", "bandana", "cabana", "havana"] * 10
    >>> X = [list(word) for word in words]
    >>> gen = SequenceGenerator(hidden_layer_sizes=32, dropout=0.0, random_state=0).fit(X)
    >>> ["".join(tokens) for tokens in gen.sample(prompt="hav", temperature=0)]
    ['havana']
    >>> log_p = gen.score_samples([list("banana"), list("nabana")])
    >>> bool(log_p[0] > log_p[1])
    True
    >>> gen.perplexity(X) < 2
    True
    """

    _parameter_constraints = {
        **{name: of for name, of in BaseTrained._parameter_constraints.items() if name not in FIXED},
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "notes": [StrOptions({"independent", "dependent"})],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "recurrent_dropout": [StrOptions({"auto"}), *BaseTrained._parameter_constraints["recurrent_dropout"]],
        "truncation": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), None],
    }
    _target_attributes = frozenset(ATTRIBUTES)
    _needed_in_files = frozenset({"content_", "has_end_"})
    # What an estimator has no choice of that reads its own steps.
    bidirectional, pooling, targets, convolution = False, "auto", "step", None
    categorical_features, missing, time_channel = None, "error", None

    def __init__(
        self,
        hidden_layer_sizes=(256,),
        cell="lstm",
        *,
        notes="independent",
        n_components=5,
        embedding_dim="auto",
        min_count=1,
        layer_norm=False,
        residual=False,
        dropout="auto",
        input_dropout=0.0,
        recurrent_dropout="auto",
        zoneout=0.0,
        input_init="glorot_uniform",
        recurrent_init="orthogonal",
        bias_init="cell",
        solver="adam",
        alpha=0.0,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=4e-3,
        max_iter="auto",
        clip_norm=1.0,
        shuffle=True,
        tol=None,
        n_iter_no_change=10,
        early_stopping="auto",
        validation_fraction=0.1,
        validation_split="random",
        standardize=True,
        truncation="auto",
        max_memory=1.0,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    # --------------------------------------------------------------------------------------------------- fitting
    def fit(self, X, y=None, sample_weight=None, *, X_val=None, sample_weight_val=None):
        """Fit the network to sequences.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. For data, the message names the sequence, step and channel. The
            result of the previous fit is kept.
        """
        self._validate_params()
        validation = None if X_val is None else (X_val, (), sample_weight_val)
        request = FitRequest(X, None, sample_weight, validation)
        return self._run(request, self._last_fit) if self.warm_start else self._run(request)

    @available_if(takes_steps)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch on these sequences.

        The first call decides what the sequences hold, and learns the vocabulary or the means and scales of the
        channels from its sequences, so it should get many. In later calls other tokens count for nothing. As the end of
        training is not known, schedules that need it are not used, and the learning rate is `learning_rate_init`.

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
        return self._train_on(FitRequest(X, None, sample_weight, one_epoch=True))

    def _task(self):
        return GenerationTask(None, False)  # what it is of is known when X is read: see `_arranged`

    def _arranged(self, spec, given, last):
        return arranged(spec, given, last)

    def _restored_task(self):
        return restored(self)

    def _check_attributes_of_files(self, require):
        return check_restored(self, require)

    # ---------------------------------------------------------------------------------------------------- density
    def score_samples(self, X):
        """Compute the log-likelihood of each sequence.

        Returns
        -------
        log_p : ndarray of shape (n_sequences,)
            Logarithm of the probability, or for numbers of the density in the units of X, of each sequence: the sum
            over its steps, and where sequences have an end (``has_end_``) that it ends there.

        Raises
        ------
        ValueError
            If X is invalid, or holds a token that no training sequence has.
        """
        log_p, offsets = self._log_likelihood(X)
        return np.add.reduceat(log_p, offsets[:-1])

    def score(self, X, y=None):
        """Compute the mean log-likelihood of a step, in nats.

        Returns
        -------
        float
            Mean of the log-likelihood over all steps of all sequences, the ends among them where there are any. Minus
            this is the loss of training, without dropout and penalty.
        """
        return float(self._log_likelihood(X)[0].mean())

    def perplexity(self, X):
        """Compute the perplexity of a step.

        Returns
        -------
        float
            ``exp(-score(X))``: among so many equally likely tokens the network has to guess at each step, on average.
        """
        return float(np.exp(-self.score(X)))

    def _log_likelihood(self, X):
        """That of each step of all sequences, and where those of each begin."""
        self._check_is_fitted()
        from ..network.shards import ThreadExecutor  # noqa: PLC0415 (brings the compiler)
        from ._likelihood import Likelihood  # noqa: PLC0415
        from ._prediction import network_and_theta  # noqa: PLC0415

        sequences, task = self._validated(X), self._restored_task()
        moved, reader = Moved.of(sequences), GenerationTask(self.content_, self.has_end_)
        reader.check_sequences([sequences])
        y, (network, theta) = task.encode_known(reader.read(moved).rows, moved), network_and_theta(self)
        with ThreadExecutor(n_threads_of(self.n_jobs)) as executor:
            what = task, network, theta, self.inputs_, executor, self._max_bytes
            log_p = Likelihood(*what).of_rows(moved, y)
        if not self.has_end_:
            log_p = np.delete(log_p, moved.last_rows)
        offsets = (moved if self.has_end_ else sequences).offsets
        warn_if_not_finite(log_p[:, np.newaxis], offsets, "log-likelihoods")
        return log_p, offsets

    def _validated(self, X):
        """The sequences in X, of what was fitted."""
        return validate_inputs(self, X, self.structure_.dtype, missing="error", text=self.content_ == TOKENS)

    def _predictor(self, X):
        """See `BaseRNN`; the network reads one step more, which is blank and the first."""
        from ..network.data import Data  # noqa: PLC0415 (brings the compiler)
        from ..network.inference import Predictor  # noqa: PLC0415
        from ..network.shards import ThreadExecutor  # noqa: PLC0415
        from ._prediction import network_and_theta  # noqa: PLC0415

        network, theta = network_and_theta(self)
        data = Data.of(Moved.of(self._validated(X)), self.inputs_, network.dtype, max_bytes=self._max_bytes)
        executor = ThreadExecutor(n_threads_of(self.n_jobs))
        return Predictor(network, theta, data, executor, self._max_bytes)

    def hidden_states(self, X):
        """Compute the outputs of the last recurrent layer when it has read each step.

        Returns
        -------
        states : list of ndarray of shape (n_steps, n_units)
            One array for each sequence. Row t belongs to the distribution of step t + 1.
        """
        return [states[1:] for states in super().hidden_states(X)]

    # ---------------------------------------------------------------------------------------------------- samples
    def sample(
        self, n_samples=1, *, prompt=None, max_length=None, temperature=1.0, top_k=None, top_p=None, random_state=None
    ):
        """Draw sequences from the distribution.

        Parameters
        ----------
        n_samples : int, default=1
            Number of sequences.
        prompt : sequence, list of sequences or str, default=None
            What each sample begins with: one sequence for all samples, or one for each. For tokens a sequence is a list
            of str; a str is read as its characters. A prompt is part of the sample that is returned.
        max_length : int, default=None
            Most steps of a sample, the prompt among them. None allows 200 steps behind the prompt. Sequences without an
            end (``has_end_`` is False) have so many steps.
        temperature : float, default=1.0
            Logits of tokens and notes are divided by it: below 1, likely steps become likelier. 0 takes the likeliest
            token, notes with a probability above 1/2, or the mean of the likeliest component. For numbers it divides
            the logits of the components and multiplies their variances.
        top_k : int, default=None
            Draw from the `top_k` likeliest tokens only.
        top_p : float, default=None
            Draw from the smallest set of the likeliest tokens that has at least this probability; one token at least.
        random_state : int, RandomState instance or None, default=None
            Determines what is drawn. None takes that of the estimator. Sample number i does not depend on `n_samples`
            and `n_jobs`.

        Returns
        -------
        samples : list of list of str, or SequenceArray
            Lists of tokens, or for notes and numbers a `SequenceArray`. How many of them stopped at `max_length`
            without having come to an end, where sequences have one, is in ``n_unfinished_``.

        Raises
        ------
        ValueError
            If an argument is invalid, for example if a prompt holds a token that no training sequence has.
        """
        self._check_is_fitted()
        from ._choices import check_choice, choice_of  # noqa: PLC0415
        from ._prompts import read_prompts, steps_left  # noqa: PLC0415 (brings the compiler)

        check_count(n_samples, "n_samples")
        if max_length is not None:
            check_count(max_length, "max_length")
        check_choice(self.content_, temperature, top_k, top_p)
        choice = choice_of(self._restored_task(), self.inputs_, self.weights_, temperature, top_k, top_p)
        random_state = self.random_state if random_state is None else random_state
        seed = check_random_state(random_state).randint(2**31 - 1)
        prompts = read_prompts(self, prompt, n_samples)
        steps, ended = self._draw(choice, prompts, steps_left(prompts, max_length, n_samples), seed)
        count_unfinished(self, n_samples - ended.sum() if self.has_end_ else 0)
        return self._as_samples(prompts, steps)

    def _draw(self, choice, prompts, n_steps, seed):
        """Steps of samples behind their prompts, and whether each has ended."""
        from ..network.shards import ThreadExecutor  # noqa: PLC0415 (brings the compiler)
        from ._prediction import network_and_theta  # noqa: PLC0415
        from ._prompts import start_of  # noqa: PLC0415
        from ._sampling import draw_samples  # noqa: PLC0415

        (network, theta), n_threads = network_and_theta(self), n_threads_of(self.n_jobs)
        with ThreadExecutor(n_threads) as executor:
            start = start_of(network, theta, self.inputs_, prompts, n_steps, executor, self._max_bytes)
        packed = network.pack(theta, network.memory.allocate_packed())
        return draw_samples(network, packed, choice, start, seed, n_threads)

    def _as_samples(self, prompts, steps):
        """Prompts and steps as users get them."""
        if prompts is None:
            before = [np.empty((0, self.n_channels_))] * len(steps)
        else:
            before = list(prompts) * (len(steps) // len(prompts))
        if self.content_ == TOKENS:
            tokens = list(self.vocabulary_)
            return [
                [*first.ravel().tolist(), *(tokens[k] for k in behind)]
                for first, behind in zip(before, steps, strict=True)
            ]
        rows = [
            np.concatenate([first, np.reshape(behind, (-1, self.n_channels_))])
            for first, behind in zip(before, steps, strict=True)
        ]
        return SequenceArray(
            np.concatenate(rows), offsets_of([len(each) for each in rows]), getattr(self, "channel_names_", None)
        )
