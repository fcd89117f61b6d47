"""What the docstrings of the estimators share, and how it gets there."""

import re
from functools import update_wrapper
from inspect import Parameter, cleandoc, signature
from types import FunctionType

from .._core.members import OF_EACH_NETWORK


def table(text):
    """Entries of a section of numpydoc, without defaults, as a dict of name to (type, text)."""
    entries = re.findall(r"^(\w+) : (.*)\n((?: +.*(?:\n|$))+)", text, re.MULTILINE)
    return {name: (kind, text.rstrip()) for name, kind, text in entries}


SHARED = table("""\
hidden_layer_sizes : int or sequence of int
    Number of units of each recurrent layer, starting with the layer that reads the input.
cell : {"elman", "gru", "indrnn", "jordan", "linoss", "lstm", "mgu", "mingru"} or BaseCell
    Recurrent cell. Pass an instance to set its parameters, for example ``Elman(activation="relu")``. `register_cell`
    adds names.
bidirectional : bool or "auto"
    Whether each layer also reads sequences from end to start, with units of its own. "auto" does so if each sequence
    has one target, except with `truncation` and for cells that output the predictions ("jordan"). If each step has a
    target, "auto" reads forward only, so that a prediction depends on its step and earlier steps only. Set it to True
    if later steps are known at prediction time, as for the words of a sentence.
pooling : {"auto", "last", "mean", "max", "attention"}
    How to combine the outputs of the last layer at all steps into one vector: the outputs after the last step (of each
    direction), their mean, the maximum of each unit, or a mean with learned weights (see `attention_weights`). "auto"
    is "max" for classes and "last" for numbers, and "last" with `truncation`. If each step has a target, nothing is
    pooled.
targets : {"auto", "sequence", "step"}
    Whether y has a target, or a row of targets, for each sequence or for each step. "auto" chooses "step" if y holds
    one row per sequence that is as long as the sequence, else "sequence"; it reads a matrix as one row per sequence.
    "step" also reads arrays of shape (n, T) and (n, T, k) as targets of steps. "sequence" reads rows as targets of the
    sequence even if they are as long as the sequence, and also reads arrays of shape (n, horizon, k).
categorical_features : array-like of int, str or bool
    Channels of codes, given by number, name or mask. Codes are integers from 0 on; the network learns a vector for
    each. All codes that are not seen in training share one vector.
embedding_dim : int or "auto"
    Length of the vector of a code or token. "auto" takes 1.6 n^0.56 for n codes or tokens, but at most 64.
min_count : int or "auto"
    Minimum number of occurrences in training for a token (X of str) to have its own vector; all rarer tokens share
    one. With 2, the tokens that occur once train the shared vector. Occurrences are weighted by ``sample_weight``; with
    1, each token of positive weight has its own vector. "auto" is 2 if subwords are read and any token occurs twice,
    else 1.
subwords : bool or "auto"
    Whether the network also reads parts of each token (X of str), so that unknown and rare words are like words that
    are written alike: its first three and its last two and three characters, and its shape ("Xx" for "Paris", "d.d" for
    "3.14"). Each part that two tokens or more have gets a vector, of at most 16 numbers, which stands beside that of
    the token. "auto" does so for words: if 1000 tokens or more have vectors of their own (see `min_count`), and most of
    them have four characters or more. Programs that are exported to ONNX or C cannot read subwords.
differences : bool or "auto"
    Whether the network also reads the change of each channel since the step before, divided by its root mean square
    (with ``standardize=False``: as it is). X must then hold numbers only, without gaps and time stamps. "auto" does so
    if there is one target for each sequence and the series are smooth: if most channels that change do so by less than
    0.25 standard deviations from step to step, and tend to go on as they did. That is decided by the training part, and
    with `partial_fit` by the sequences of the first call.
augmentation : Augmentation or None; for classifiers also "auto"
    Random changes of the sequences to train on, drawn anew in each epoch; X must then hold numbers only. "auto" is
    ``Augmentation()``, which changes their speed, where ``differences="auto"`` has found that the series are smooth
    and there are at most 200 to train on, with at most 6 million numbers in all, or where ``convolution="auto"`` takes
    a convolution; it is None elsewhere, with `partial_fit` and with "lbfgs". Each network needs a second copy of the
    encoded sequences; a MemoryError says so if a quarter of `max_memory` is too little for all.
missing : {"error", "mask", "decay"}
    How to treat NaN. "error" raises an error. "mask" replaces it by the mean of the channel, and adds for each channel
    whether it was measured and the time since its last measurement. "decay" replaces it by the last measured value,
    which decays to the mean at a learned rate [4]_, and adds whether it was measured; not available with `convolution`.
time_channel : int or str
    Channel that holds the time of each step, given by number or name, in any unit. The network reads the time since
    the previous step. None treats the steps as equally spaced.
convolution : Conv or None
    Convolution over time in front of the recurrent layers.
layer_norm : bool
    Whether to normalise the outputs of each layer at each step to mean 0 and standard deviation 1, followed by a
    learned gain and shift [1]_.
residual : bool
    Whether each layer but the first adds its input to its output. All layers then need the same number of units.
dropout : float
    Fraction of the units to drop in training, between layers and before the readout.
input_dropout : float
    Fraction of the inputs of the first recurrent layer to drop in training: the channels of X, or if there are any, the
    outputs of a convolution or the vectors of codes.
recurrent_dropout : float
    Fraction of the state to drop in training in the products of a cell. Like `dropout` and `input_dropout`, it drops
    the same units at all steps of a sequence [2]_.
zoneout : float
    Fraction of the state that keeps its value from one step to the next in training, drawn at each step [3]_. For
    cells that carry their state ("lstm", "gru", "mgu", "mingru").
input_init : str or BaseInitializer
    Initial weights of the inputs and of the readout: "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "orthogonal", "identity", "uniform", "zeros", or an instance.
recurrent_init : str or BaseInitializer
    Initial recurrent weights, with the same options as `input_init`. It does not apply to weights of single units.
bias_init : {"cell", "chrono"} or BaseBias
    Initial biases. "cell" takes those of the cell, "chrono" lets gates remember for as long as the sequences last.
solver : {"adam", "adamw", "rmsprop", "sgd", "lbfgs"} or BaseOptimizer
    Optimiser. "lbfgs" uses all sequences in each iteration and is meant for small data.
alpha : float
    Strength of the L2 penalty: alpha / 2 times the sum of squares of the weight matrices is added to the mean loss.
    Biases and weights of single units, like peepholes, are not penalised. If steps have targets, alpha is divided by
    the mean number of steps of positive weight in a sequence.
batch_size : int or "auto"
    Number of sequences in a mini-batch. "auto" takes n_sequences / 16, but at least 16 and at most 64.
learning_rate : {"constant", "warmup", "cosine", "one_cycle", "plateau"} or BaseSchedule
    Schedule of the learning rate. Pass an instance to set its parameters, for example ``Cosine(warmup=0.1)``. Not used
    by "lbfgs".
learning_rate_init : float
    Learning rate, or the maximum of its schedule. Not used by "lbfgs".
max_iter : int or "auto"
    Maximum number of epochs, or of iterations of "lbfgs". "auto" takes as many epochs as make 1500 updates, but at
    least 20 and at most 200.
clip_norm : float or None
    Maximum norm of the gradient over all parameters; larger gradients are scaled down to it. None does not clip. Not
    used by "lbfgs".
shuffle : bool
    Whether to shuffle the sequences before each epoch.
tol : float or None
    Training stops when the loss, or with `early_stopping` the validation score, does not improve by more than `tol`
    for `n_iter_no_change` epochs. None runs all epochs, or with `early_stopping` means 0. For "lbfgs", training stops
    when the largest element of the gradient is at most `tol`, where None means 1e-4.
n_iter_no_change : int
    Number of epochs without improvement after which training stops. With `early_stopping` and a schedule that falls to
    almost 0 ("cosine", "one_cycle"), training then goes on from the best epoch for half as many epochs as have led
    there, while the learning rate falls to its end.
early_stopping : bool or "auto"
    Whether to hold out `validation_fraction` of the sequences, to stop when the score on them does not improve, and to
    keep the best weights. "auto" does so if held-out sequences or groups are passed to `fit`; for groups, `verbose`
    reports it.
validation_fraction : float
    Fraction of the sequences to hold out.
validation_split : {"random", "last"} or splitter
    Which sequences to hold out. "random" draws them, stratified by class, or draws whole groups if `fit` is given
    `groups`. "last" takes the last ones, for sequences in the order of time. A splitter of scikit-learn holds out its
    first test set; one without a `random_state` draws by that of the estimator.
standardize : bool
    Whether to scale each channel of X to mean 0 and standard deviation 1 over the steps of the training sequences. It
    does not affect the target.
truncation : int or None
    Number of steps through which the gradient flows back; None means all steps. If steps have targets, a batch is
    processed in pieces of so many steps, with an update after each, and the states are carried over. Otherwise the
    gradient is that of the last steps of each sequence. For networks of one direction with ``pooling="last"`` and
    without a convolution.
max_memory : float
    Memory in GiB for the computations of training and prediction, in addition to X, y and the results. Sequences that
    need more go through the network in segments, which are computed twice. If the encoded sequences take more than a
    quarter of it, they are encoded again in each epoch: they may be memory-mapped, and larger than the memory of the
    machine. If segments are needed, the rounding of gradients depends on it.
n_networks : int
    Number of networks to train on the same data, with initial weights, mini-batches and dropped units of their own;
    their raw predictions are averaged. The first one is that of ``n_networks=1``. They share `max_memory` and the
    held-out sequences of `early_stopping`, and each stops on its own. Attributes like ``weights_`` are lists then, of
    what they are for one network. Not with "lbfgs".
random_state : int, RandomState instance or None
    Determines the initial weights, the mini-batches, the dropped units and the held-out sequences. Pass an int for
    reproducible results.
n_jobs : int or None
    Number of threads. None means 1 unless in a ``joblib.parallel_config`` context, -1 means all processors; within a
    job of joblib or a task of Dask, both mean 1. The result does not depend on it.
dtype : {"float32", "float64"}
    Data type of weights and computations.
verbose : bool or int
    Verbosity. 1 shows a progress bar, or outside of a terminal or without `rich` a line with the loss for each epoch.
    2 prints the lines in any case.""")

# Of the estimators that count targets and tokens.
COUNTED = table("""\
max_iter : int or "auto"
    Maximum number of epochs, or of iterations of "lbfgs". "auto" takes as many epochs as make 1500 updates, but at
    least 20 and at most 200; with L targets for each sequence, 1500 and 200 are divided by the fourth root of L. With a
    vocabulary of 1000 tokens or more, it takes 5 to 20 epochs, for 200 updates, or 10 to 20, for 500 updates, if each
    token has a target. "lbfgs" counts neither targets nor tokens.""")

FITTED = table("""\
weights_ : dict of str to ndarray
    Trained weights: ``"layers.{l}.forward.W_x"`` (D, G H), ``".W_h"`` (H, G H), ``".b"`` (G H,) and further weights of
    the cell, in the gate order of its documentation; the same with ``backward`` for the other direction;
    ``"layers.{l}.norm.gain"``, ``".norm.shift"`` (H,); ``"convolution.W"``, ``".b"``; ``"embedding.{c}"`` (codes,
    numbers) for column c of the encoded X, with the vector of unknown codes in row 0; ``"decay.w"``, ``".b"``, one for
    each variable: a value measured d ago counts exp(-max(0, w d + b)); ``"pooling.W"`` (H, H), ``".b"``, ``".v"``
    (H,); ``"readout.W"`` (H, K), ``"readout.b"`` (K,).
structure_ : Structure
    Structure of the trained network: cell, layers, pooling.
vocabulary_ : dict of str to int
    Code of each token; all other tokens have code 0. A list of dicts if each step has several tokens. Defined only for
    sequences of tokens.
per_step_ : bool
    Whether y had a target for each step.
inputs_ : InputEncoder
    Encoding of the channels: means, scales, and the codes of each channel of categories or tokens
    (``inputs_.categories``) and of parts of tokens (``inputs_.subwords``, None if they are not read).
input_mean_ : ndarray of shape (n_channels,)
    Mean that is subtracted from each channel; for the time channel, from the time between steps.
input_scale_ : ndarray of shape (n_channels,)
    Scale by which each channel is divided.
loss_curve_ : list of float
    Training loss of each epoch, including the penalty; with `partial_fit` and `warm_start` also of previous fits.
loss_ : float
    Last value of `loss_curve_`.
best_loss_ : float or None
    Minimum loss of the last fit; None with `early_stopping`.
validation_scores_ : list of float or None
    Score on the held-out sequences after each epoch: accuracy, R^2, or D^2 for losses that are robust to outliers.
    None without `early_stopping`.
best_validation_score_ : float or None
    Maximum validation score of the last fit; None without `early_stopping`.
gradient_norm_curve_ : ndarray of shape (n_updates,)
    Norm of the gradient before clipping for each update, or for each evaluation of the loss by "lbfgs".
n_iter_ : int
    Number of epochs of the last `fit`, or of all calls of `partial_fit`.
t_ : int
    Number of updates, or of evaluations of the loss by "lbfgs"; with `partial_fit` and `warm_start` including previous
    fits.
solver_state_ : list of ndarray of shape (n_parameters,)
    State of the solver. Another solver drops it, with a warning. Defined only after `partial_fit`.
solver_t_ : int
    Number of updates that `solver_state_` has seen. Defined only after `partial_fit`.
solver_name_ : str
    Class of the solver that left `solver_state_`. Defined only after `partial_fit`.
learned_with_ : dict
    Parameters that determined the encoding of X and y, like `standardize`. `partial_fit` and `warm_start` require the
    same values.
learning_rate_init_ : float or None
    Learning rate found by a `LearningRateFinder`; None if no rate lowered the loss. Defined only with this callback.
n_outputs_ : int
    Number of raw predictions for a sequence, or for a step if steps have targets.
n_channels_ : int
    Number of channels of a step.
n_features_in_ : int
    Number of columns of a table or frame, otherwise number of channels.
feature_names_in_ : ndarray of shape (n_features_in,)
    Names of the columns of a frame, otherwise of the channels. Defined only if X has names that are all strings.
channel_names_ : ndarray of shape (n_channels,)
    Names of the channels. A frame with sequences in a column may have more channels than columns. Defined only if
    channels have names.
target_names_ : ndarray of shape (n_targets,)
    Names of the targets. Defined only if y is a frame, or holds frames, with names that are all strings.""")

# Of estimators that may have several networks.
FITTED_OF_SEVERAL = {
    name: (f"{kind}; or list of them, one for each of `n_networks`" if name in OF_EACH_NETWORK else kind, text)
    for name, (kind, text) in FITTED.items()
}

ARGUMENTS = table("""\
X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
    Sequences.
y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), or ragged
    Targets. Ragged: a row for each sequence, as long as the sequence, with a target for each step (see `targets`).
sample_weight : array-like of shape (n_sequences,), or ragged
    Weight of each sequence, or of each step. None gives all the same weight.
X_val : like X
    Sequences to hold out for `early_stopping`, instead of a fraction of X: for example those of other patients, or of
    a later time.
y_val : like y
    Targets of `X_val`.
sample_weight_val : like sample_weight
    Weights of `X_val`.
groups : array-like of shape (n_sequences,)
    Group of each sequence, for example a patient. Held-out sequences and training sequences share no group.
classes : array-like of shape (n_classes,)
    All classes that can occur in any call. Required in the first call, unless y is a label indicator matrix.""")

REFERENCES = """\
.. [1] J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016. :arxiv:`1607.06450`
.. [2] Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural networks",
   NeurIPS 2016. :arxiv:`1512.05287`
.. [3] D. Krueger et al., "Zoneout: regularizing RNNs by randomly preserving hidden activations", ICLR 2017.
   :arxiv:`1606.01305`
.. [4] Z. Che et al., "Recurrent neural networks for multivariate time series with missing values", Scientific Reports
   8:6085, 2018. :arxiv:`1606.01865`"""


def documented(parameters, attributes, *, references=REFERENCES, arguments=ARGUMENTS):
    """Complete the docstrings of an estimator and its methods by tables.

    Parameters stand in the order of the signature, with its defaults. A method with a section of parameters keeps it.
    """

    def complete(cls):
        _name_methods_after(cls)
        if cls.__doc__:  # there is none with python -OO
            described = _section("Parameters", _described(cls, parameters))
            fitted = _section("Attributes", [f"{name} : {kind}\n{text}" for name, (kind, text) in attributes.items()])
            docstring = _insert(cleandoc(cls.__doc__), f"{described}\n\n{fitted}", before="See Also")
            cls.__doc__ = _insert(docstring, _section("References", [references]), before="Examples") + "\n"
            for name, method in vars(cls).items():
                if not name.startswith("_"):
                    _describe_arguments(method, arguments)
        return cls

    return complete


def _describe_arguments(method, arguments):
    function = getattr(method, "fn", method)  # of `available_if`
    if isinstance(function, FunctionType) and "Parameters\n" not in function.__doc__:
        section = _section("Parameters", _described(function, arguments))
        function.__doc__ = _insert(cleandoc(function.__doc__), section, before="Returns") + "\n"
        method.__doc__ = function.__doc__


def _described(function, entries):
    """Entries of the parameters of a function or class, with their defaults."""
    for name, parameter in signature(function).parameters.items():
        if name != "self":
            kind, text = entries[name]
            default = repr(parameter.default).replace("'", '"')
            yield f"{name} : {kind}{'' if parameter.default is Parameter.empty else f', default={default}'}\n{text}"


def _section(title, entries):
    return "\n".join([title, "-" * len(title), *entries])


def _insert(docstring, section, before):
    """A docstring with a section more, in front of that of the title `before`."""
    start, title, rest = docstring.partition(f"{before}\n{'-' * len(before)}\n")
    return f"{start}{section}\n\n{title}{rest}"


def _name_methods_after(cls):
    """Give a class copies of the methods that it has from private bases, so that errors name the class."""
    inherited = {}
    for base in reversed(cls.__mro__[1:]):
        if base.__module__.startswith(__package__):
            inherited |= {name: value for name, value in vars(base).items() if isinstance(value, FunctionType)}
    for name, method in inherited.items():
        if not name.startswith("_") and name not in vars(cls) and getattr(cls, name) is method:
            parts = (method.__code__, method.__globals__, name, method.__defaults__, method.__closure__)
            own = update_wrapper(FunctionType(*parts), method)
            own.__kwdefaults__, own.__qualname__ = method.__kwdefaults__, f"{cls.__qualname__}.{name}"
            del own.__wrapped__  # it is the same function, and has its signature
            setattr(cls, name, own)
