"""What the docstrings of the estimators share."""

import inspect
from functools import update_wrapper
from types import FunctionType

from ..cells import CELLS

# With names in braces for defaults that differ, for the names of cells, and for texts that follow.
PARAMETERS = """\
hidden_layer_sizes : int or sequence of int, default=(64,)
    Units of each recurrent layer, from the input up.
cell : {{{cells}}} or BaseCell, default="{cell}"
    Recurrent cell; `register_cell` adds names. An instance sets its parameters, for example
    ``Elman(activation="relu")``.
{bidirectional}
{pooling}
targets : {{"auto", "sequence", "step"}}, default="auto"
    What has a target, or a row of targets, in y. "auto": each step, if y holds one row per sequence that is as long as
    the sequence, else each sequence; a matrix always has one row per sequence. "step" reads arrays (n, T) and
    (n, T, k), too, as targets of steps. "sequence" reads rows as targets of the sequence even if they are as long, and
    arrays (n, horizon, k).
categorical_features : array-like of int, str or bool, default=None
    Channels of codes, by number, name or mask: integers from 0 on, each of which becomes a vector that is
    learned. Codes that were not seen in training share one vector.
embedding_dim : int or "auto", default="auto"
    Numbers in the vector of a code or token; "auto" takes 1.6 n^0.56 for n of them, at most 64.
min_count : int, default=1
    How often a token (X of str) must occur in training to get a vector of its own; all others share one. With 2, that
    one is trained, on the tokens that occur once. Occurrences are summed by their ``sample_weight``; with 1 each token
    of a weight above 0 has a vector.
missing : {{"error", "mask", "decay"}}, default="error"
    What becomes of NaN. "error" refuses them. "mask" sets them to the mean, and adds for each channel whether it was
    measured, and the time since it last was. "decay" takes the last value that was measured, which decays to the mean
    as fast as is learned [4]_, and adds whether it was measured; it does not go with a `convolution`.
time_channel : int or str, default=None
    Channel that holds the time of each step, by number or name, in any unit; the network reads the time since the step
    before. None takes the steps to be equally far apart.
convolution : Conv or None, default=None
    Convolution over time that the sequences go through first.
layer_norm : bool, default=False
    Whether to bring the outputs of each layer at each step to mean 0 and standard deviation 1, followed by a learned
    gain and shift [1]_.
residual : bool, default=False
    Whether each layer but the first adds what it read to what it puts out; they need the same number of units.
{dropout}
input_dropout : float, default=0.0
    Share of the channels that the first recurrent layer reads (those of a convolution or of vectors of codes, if
    there are any) that are left out in training.
recurrent_dropout : float, default=0.0
    Share of the state that is left out in training in the products of a cell. This and the two above leave out the
    same units at all steps of a sequence [2]_.
zoneout : float, default=0.0
    Share of the state that keeps its value from one step to the next in training, drawn at each step [3]_; for cells
    that carry their state ("lstm", "gru", "mgu").
input_init : str or BaseInitializer, default="glorot_uniform"
    Initial weights of what reads inputs, and of the readout: "glorot_uniform", "glorot_normal", "he_uniform",
    "he_normal", "orthogonal", "identity", "uniform", "zeros", or an instance.
recurrent_init : str or BaseInitializer, default="orthogonal"
    The same for what reads the state, but for the weights of single units.
bias_init : {{"cell", "chrono"}} or BaseBias, default="cell"
    Initial biases: those of the cell, or such that gates remember for as long as the sequences last.
solver : {{"adam", "adamw", "rmsprop", "sgd", "lbfgs"}} or instance, default="adam"
    Optimiser. "lbfgs" uses all sequences in each iteration: for small data.
alpha : float, default={alpha}
    Strength of the L2 penalty: alpha / 2 times the sum of squares of the weight matrices is added to the mean loss;
    biases and weights of single units, like peepholes, are left out. Where steps have targets, alpha is divided by the
    mean number of steps that have a weight above 0.
batch_size : int or "auto", default="auto"
    Sequences in a mini-batch; "auto" takes n_sequences / 16, but at least 16 and at most 64.
learning_rate : {{"constant", "warmup", "cosine", "one_cycle", "plateau"}} or BaseSchedule, default="cosine"
    What becomes of the step size in the course of training; not used by "lbfgs". An instance sets parameters, for
    example ``Cosine(warmup=0.1)``.
learning_rate_init : float, default=1e-2
    Step size of the optimiser, the largest one if it changes; not used by "lbfgs".
max_iter : int or "auto", default="auto"
    Largest number of epochs, or of iterations of "lbfgs". "auto" takes as many epochs as have 1500 updates, but at
    least 20 and at most 200.
clip_norm : float or None, default=1.0
    Gradients with a larger norm (over all parameters) are scaled down to it; not used by "lbfgs".
shuffle : bool, default=True
    Whether to draw the mini-batches anew in each epoch.
tol : float or None, default=None
    Training ends when the loss (with `early_stopping` the validation score) has not improved by more than this for
    `n_iter_no_change` epochs. None runs all epochs, or with `early_stopping` is 0. For "lbfgs" the largest element of
    the gradient at which it ends, None being 1e-4.
n_iter_no_change : int, default=10
    Epochs without improvement that are waited for.
early_stopping : bool or "auto", default={early_stopping}
    Whether to hold out `validation_fraction` of the sequences, stop by the score on them, and keep the best weights.
    "auto" does if sequences to hold out, or groups, are passed to `fit`; with groups, `verbose` says so.
validation_fraction : float, default=0.1
    Share of the sequences that is held out.
validation_split : {{"random", "last"}} or splitter, default="random"
    Which ones: drawn at random (in the shares of the classes, or whole groups if `fit` is given `groups`), the last
    ones, for sequences in the order of time, or the first test part of a splitter of scikit-learn.
standardize : bool, default=True
    Whether to bring each channel of X to mean 0 and standard deviation 1, by the steps of the training sequences. What
    the network learns to predict is not touched by it.
truncation : int or None, default=None
    Steps through which the gradient flows back; None: all. If steps have targets, a batch is worked off in pieces of so
    many steps, with an update after each, and the states are carried on; else the gradient is that of the last steps of
    each sequence. For networks of one direction with ``pooling="last"``, without a convolution.
max_memory : float, default=1.0
    Memory in GiB for what training and prediction compute, beside X, y and results. Long sequences then go through the
    network in segments, which are computed twice, and sequences that would take more than a quarter of it once they are
    encoded are read again in each epoch: they may be memory-mapped, and larger than all memory. Gradients of networks
    that need segments differ in rounding with it.
random_state : int, RandomState instance or None, default=None
    Determines initial weights, mini-batches, what is left out at random, and the held-out part.
n_jobs : int or None, default=None
    Threads; None means 1 unless in a ``joblib.parallel_config`` context, -1 all. The result does not depend on it.
dtype : {{"float32", "float64"}}, default="float32"
    Of weights and arithmetic.
verbose : bool or int, default=False
    1 shows a progress bar, or on no terminal or without `rich` a line with the loss for each epoch; 2 the lines in any
    case."""

ONE_POOLING = """\
pooling : {"auto", "last", "mean", "max", "attention"}, default="auto"
    How the outputs of the last layer at all steps become one vector: those after the last step (of each direction),
    their mean, the largest of each unit, or their mean with learned weights (`attention_weights`). "auto" is "max" for
    classes and "last" for numbers, and with `truncation`; where each step has a target there is no pooling."""

SEVERAL_POOLINGS = """\
pooling : {"last", "mean", "max"} or sequence of them, default=("last", "mean", "max")
    How the outputs of the last layer at all steps become features: those after the last step (of each direction), their
    mean, the largest of each unit, or several of these side by side. With ``objective="supervised"`` the first one is
    what the readout is trained on."""

BIDIRECTIONAL = """\
bidirectional : bool or "auto", default={default}
    Whether each layer also runs from the end of a sequence to its start, with units of its own. "auto" does where there
    is one target for each sequence, but for cells that put out the predictions ("jordan") and with `truncation`. Where
    each step has a target, "auto" reads forward only, so that a prediction depends on its step and those before it; set
    it to True if the steps after it are known, too, when a prediction is needed, as for the words of a sentence."""

DROPOUT = """\
dropout : float, default=0.0
    Share of the units that are left out in training between layers and before the readout."""

DROPOUT_OR_AUTO = """\
dropout : float or "auto", default="auto"
    Share of the units that are left out in training between layers and before the readout; "auto" is 0.3, but 0 with
    "lbfgs" and where there are no such units."""

ATTRIBUTES = """\
weights_ : dict of str to ndarray
    The trained network: ``"layers.{l}.forward.W_x"`` (D, G H), ``".W_h"`` (H, G H), ``".b"`` (G H,) and what else the
    cell has, in the gate order of its documentation; with ``backward`` for the other direction;
    ``"layers.{l}.norm.gain"``, ``".norm.shift"`` (H,); ``"convolution.W"``, ``".b"``; ``"embedding.{c}"`` (codes,
    numbers) for column c of what `inputs_` makes of X, row 0 being that of the unknown; ``"decay.w"``, ``".b"``, one
    for each variable: a value that was seen d ago counts exp(-max(0, w d + b)); ``"pooling.W"`` (H, H), ``".b"``,
    ``".v"`` (H,); ``"readout.W"`` (H, K), ``"readout.b"`` (K,).
structure_ : Structure
    The network that was trained, but for its weights: cell, layers, pooling.
vocabulary_ : dict of str to int
    Codes of the tokens, 0 being that of all others; only for sequences of tokens. A list of dicts if each step has
    several tokens.
per_step_ : bool
    Whether each step had a target.
inputs_ : InputEncoder
    How channels become numbers: means, scales, and for each channel of categories or tokens the codes
    (``inputs_.categories``).
input_mean_ : ndarray of shape (n_channels,)
    Subtracted from the channels; for the time channel, from the times between steps.
input_scale_ : ndarray of shape (n_channels,)
    By which the channels are divided.
loss_curve_ : list of float
    Training loss of each epoch, penalty included; with `partial_fit` and `warm_start` also of the fits before.
loss_ : float
    Last of them.
best_loss_ : float or None
    Smallest of them in the last fit; None with `early_stopping`.
validation_scores_ : list of float or None
    Score on the held-out part after each epoch (accuracy or R^2; D^2 for losses that outliers
    hardly move); None without `early_stopping`.
best_validation_score_ : float or None
    Largest of them in the last fit.
gradient_norm_curve_ : ndarray of shape (n_updates,)
    Norm of the gradient of each update, before it was clipped; of "lbfgs" of each evaluation of the loss.
n_iter_ : int
    Epochs run by the last `fit`; after `partial_fit` in all.
t_ : int
    Updates made, by "lbfgs" evaluations of the loss; with `partial_fit` and `warm_start` also in the fits before.
solver_state_ : list of ndarray of shape (n_parameters,)
    What the solver remembers; after `partial_fit` only. Another solver does not take it over: it starts anew, with a
    warning.
solver_t_ : int
    Of how many updates; after `partial_fit` only.
solver_name_ : str
    Class of that solver; after `partial_fit` only.
learned_with_ : dict
    Parameters of the fit by which X and y were encoded, like `standardize`; training that goes on refuses others.
learning_rate_init_ : float or None
    Rate that a `LearningRateFinder` has found, None if none made the loss fall; only with such a callback.
n_outputs_ : int
    Raw predictions of the network for a sequence, or for a step if steps have targets.
n_channels_ : int
    Channels of a time step.
n_features_in_ : int
    Columns of a table or frame, else channels.
feature_names_in_ : ndarray of shape (n_features_in,)
    Names of the columns of a frame, else of the channels, if X had names that are all strings.
channel_names_ : ndarray of shape (n_channels,)
    Names of the channels, if X had some: a frame with sequences in a column may have more channels than columns.
target_names_ : ndarray of shape (n_targets,)
    Names of the targets, if y was a frame, or frames, with such names."""

REFERENCES = """\
.. [1] J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016. :arxiv:`1607.06450`
.. [2] Y. Gal, Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural networks",
   NeurIPS 2016. :arxiv:`1512.05287`
.. [3] D. Krueger et al., "Zoneout: regularizing RNNs by randomly preserving hidden activations", ICLR 2017.
   :arxiv:`1606.01305`
.. [4] Z. Che et al., "Recurrent neural networks for multivariate time series with missing values", Scientific Reports
   8:6085, 2018. :arxiv:`1606.01865`"""


def document_parameters(cls):
    """Put the shared parameters and attributes into the docstring of an estimator."""
    if cls.__doc__:  # there is none with python -OO
        defaults = {name: parameter.default for name, parameter in inspect.signature(cls).parameters.items()}
        pooling = ONE_POOLING if isinstance(defaults["pooling"], str) else SEVERAL_POOLINGS
        directions = '"auto"' if defaults["bidirectional"] == "auto" else defaults["bidirectional"]
        dropout = DROPOUT_OR_AUTO if defaults["dropout"] == "auto" else DROPOUT
        cells = ", ".join(f'"{name}"' for name in CELLS)
        texts = {
            "parameters": PARAMETERS.format(
                alpha=defaults["alpha"],
                cell=defaults["cell"],
                early_stopping='"auto"' if defaults["early_stopping"] == "auto" else defaults["early_stopping"],
                cells=cells,
                pooling=pooling,
                bidirectional=BIDIRECTIONAL.format(default=directions),
                dropout=dropout,
            ),
            "attributes": ATTRIBUTES,
            "references": REFERENCES,
        }
        cls.__doc__ = cls.__doc__.format(**{name: text.replace("\n", "\n    ") for name, text in texts.items()})
    _name_methods_after(cls)
    return cls


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
