"""The tasks of ``accuracy.py``: data, models, measures, goals, and what others reach."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import _sets
import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.convolution import Conv
from skrnn.metrics import span_f1_score
from skrnn.preprocessing import PerStep


@dataclass(frozen=True)
class Figure:
    """What another method reaches; `note`: why it cannot be compared quite, if it cannot."""

    name: str
    value: float
    note: str = ""

    def __str__(self):
        return f"{self.name} {self.value:g}{'*' if self.note else ''}"


@dataclass(frozen=True)
class Measure:
    """A figure of a fitted model on the test part, and the figures of others."""

    name: str
    function: Callable  # of model, X and y
    floor: Figure | None = None
    published: Figure | None = None
    higher: bool = True

    @property
    def is_share(self):
        """Whether it is in percent."""
        return self.name.endswith("%")

    def reaches(self, value, figure):
        """Whether a value is as good as that of a figure."""
        return value >= figure.value if self.higher else value <= figure.value


@dataclass(frozen=True)
class Task:
    """Data and models of a task.

    required : parameters that the data require of any model; tuned : parameters of the best network on held-out parts
    of the training set; wrap : makes a model from a seed and an estimator; torch : whether to run PyTorch, too.
    """

    read: Callable  # returns X, y, X_test, y_test
    measures: tuple[Measure, ...]
    estimator: type = RNNClassifier
    required: dict = field(default_factory=dict)
    tuned: dict = field(default_factory=dict)
    wrap: Callable = lambda seed, estimator: estimator
    torch: bool = False

    @property
    def present(self):
        """Whether its data are there."""
        return self.read is _sets.digits or (_sets.DATA / "load.py").exists()

    def model(self, seed, n_jobs, tuned=False):
        """The model with default parameters, or the tuned one."""
        parameters = self.required | (self.tuned if tuned else {})
        if self.estimator is SequenceTransformer:
            return self.wrap(seed, SequenceTransformer(random_state=seed, **parameters))
        return self.wrap(seed, self.estimator(random_state=seed, n_jobs=n_jobs, **parameters))


# -------------------------------------------------------------------------------------------------------- models
def on_quantiles(seed, classifier):
    """Quantiles, because laboratory values have long tails."""
    quantiles = QuantileTransformer(output_distribution="normal", random_state=seed)
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -3, "a_max": 3})
    return make_pipeline(PerStep(make_pipeline(quantiles, clip)), classifier)


def five_on_quantiles(seed, classifier):
    networks = [(f"network_{k}", classifier.__class__(**classifier.get_params())) for k in range(5)]
    for k, (_, network) in enumerate(networks):
        network.set_params(random_state=5 * seed + k)
    return on_quantiles(seed, VotingClassifier(networks, voting="soft"))


def before_regression(seed, transformer):
    return make_pipeline(transformer, StandardScaler(), LogisticRegression(max_iter=1000))


# ------------------------------------------------------------------------------------------------------ measures
def accuracy(model, X, y):
    return 100 * model.score(X, y)


def rmse(model, X, y):
    return float(np.sqrt(mse(model, X, y)))


def mse(model, X, y):
    return float(np.mean((model.predict(X) - y) ** 2))


def mae(model, X, y):
    return float(np.mean(np.abs(model.predict(X) - y)))


def rse_of_rates(model, X, y):
    """Errors over the standard deviation of all rates of the test part."""
    values = _sets.loaders().exchange_rate()
    return rmse(model, X, y) / float(values[int(len(values) * 0.8) :].std())


def span_f1(model, X, y):
    return 100 * span_f1_score(y, model.predict(X))


def nll_of_frames(model, X, y):
    """Negative log-likelihood of the notes of a frame, mean over frames."""
    p, y = np.concatenate(list(model.predict_proba(X))).clip(1e-7, 1 - 1e-7), np.concatenate(y)
    return float(-np.where(y > 0, np.log(p), np.log1p(-p)).sum(axis=1).mean())


def auroc(model, X, y):
    return roc_auc_score(y, model.predict_proba(X)[:, 1])


def auprc(model, X, y):
    return average_precision_score(y, model.predict_proba(X)[:, 1])


# --------------------------------------------------------------------------------------------------------- tasks
SPLIT = "other split"


def archived(name, floor, published=None, **options):
    """A set of the time-series archive."""
    return Task(partial(_sets.archive, name), (Measure("accuracy, %", accuracy, floor, published),), **options)


def of_text(read, floor, published=None, **options):
    return Task(read, (Measure("accuracy, %", accuracy, floor, published),), **options)


def small(name, n_steps, ridge):
    measure = Measure("MAE", mae, Figure("ridge", ridge), higher=False)
    return Task(partial(_sets.small_series, name, n_steps), (measure,), RNNRegressor)


def echo(value):
    return Figure("echo state network", value)


OF_DEATHS = (
    Measure("AUROC", auroc, Figure("logistic reg.", 0.848), Figure("GRU-D", 0.818, SPLIT)),
    Measure("AUPRC", auprc, Figure("logistic reg.", 0.511)),
)
CONVOLUTION = {"convolution": Conv(32, 5)}
TWO_LAYERS = {"hidden_layer_sizes": (64, 64), "dropout": 0.0}
LESS_INPUT = {"input_dropout": 0.1}
OF_PATIENTS = {
    "bidirectional": False,
    "pooling": "last",
    "dropout": 0.5,
    "input_dropout": 0.3,
    "alpha": 1e-4,
    "batch_size": 32,
    "learning_rate": "constant",
    "learning_rate_init": 1e-3,
    "max_iter": 10,
}
FLAT, SUMMARY = partial(Figure, "SVC flat"), partial(Figure, "SVC summary")
TASKS = {
    "digits": Task(_sets.digits, (Measure("accuracy, %", accuracy),), torch=True),
    "BasicMotions": archived("BasicMotions", SUMMARY(95.0)),
    "Epilepsy": archived("Epilepsy", SUMMARY(92.8)),
    "Handwriting": archived("Handwriting", FLAT(27.1), tuned=TWO_LAYERS),
    "JapaneseVowels": archived("JapaneseVowels", SUMMARY(97.8), echo(96.5), tuned=CONVOLUTION, torch=True),
    "Libras": archived("Libras", SUMMARY(85.0), echo(79.4), tuned=CONVOLUTION, torch=True),
    "PenDigits": archived("PenDigits", FLAT(98.1), Figure("LSTM-FCN", 97.0, SPLIT), torch=True),
    "UWaveGestureLibrary": archived(
        "UWaveGestureLibrary", FLAT(88.8), Figure("LSTM-FCN", 97.0, SPLIT), tuned=LESS_INPUT
    ),
    "ArrowHead": archived("ArrowHead", FLAT(76.0), echo(68.9)),
    "ECG5000": archived("ECG5000", FLAT(93.7), echo(92.2), tuned=TWO_LAYERS),
    "GunPoint": archived("GunPoint", FLAT(96.0), echo(98.9), tuned=LESS_INPUT),
    "ItalyPowerDemand": archived(
        "ItalyPowerDemand",
        FLAT(95.7),
        echo(87.1),
        tuned={"pooling": "last", "dropout": 0.0, "learning_rate_init": 3e-3},
    ),
    "MelbournePedestrian": archived(
        "MelbournePedestrian", FLAT(92.0), echo(73.0), required={"missing": "mask"}, tuned=TWO_LAYERS, torch=True
    ),
    "SwedishLeaf": archived("SwedishLeaf", FLAT(92.5), echo(83.7), tuned=CONVOLUTION | {"dropout": 0.0}, torch=True),
    "SyntheticControl": archived("SyntheticControl", FLAT(98.3), echo(87.9), tuned=TWO_LAYERS, torch=True),
    "spoken digits": of_text(_sets.spoken_digits, SUMMARY(99.5), Figure("BiLSTM", 98.4, SPLIT), tuned=LESS_INPUT),
    "IndoorMovement": of_text(
        _sets.indoor_movement, Figure("logistic reg.", 64.2), Figure("MLSTM-FCN", 79.6, SPLIT), tuned=TWO_LAYERS
    ),
    "MNIST by rows": of_text(_sets.rows_of_images, Figure("SVC", 96.5), tuned=LESS_INPUT, torch=True),
    "names": of_text(_sets.names, Figure("n-gram SVC", 86.3)),
    "TREC questions": of_text(
        _sets.trec,
        Figure("tf-idf SVC", 89.0),
        Figure("LSTM-CNN", 96.1, "word vectors trained elsewhere"),
        tuned={"min_count": 2},
        torch=True,
    ),
    "SST-2": of_text(
        _sets.sst2,
        Figure("tf-idf SVC", 80.2),
        Figure("LSTM", 84.9, "word vectors trained elsewhere"),
        tuned={"max_iter": 4},
    ),
    "ATIS slots": Task(
        _sets.atis,
        (
            Measure("span F1, %", span_f1, None, Figure("attention BiRNN", 95.87)),
            Measure("tokens, %", accuracy, Figure("commonest tag", 84.7)),
        ),
        required={"bidirectional": True},
        tuned={"input_dropout": 0.3},
    ),
    "UD English-LinES": of_text(
        _sets.ud_en_lines,
        Figure("commonest tag", 88.1),
        required={"bidirectional": True},
        tuned={"max_iter": 6},
    ),
    "PhysioNet 2012": Task(
        _sets.physionet2012, OF_DEATHS, required={"missing": "decay"}, wrap=on_quantiles, tuned=OF_PATIENTS
    ),
    "PhysioNet 2012, mean of 5": Task(
        _sets.physionet2012, OF_DEATHS, required={"missing": "decay"} | OF_PATIENTS, wrap=five_on_quantiles
    ),
    "JSB chorales": Task(
        _sets.chorales,
        (Measure("NLL", nll_of_frames, Figure("Markov", 10.49), Figure("GRU", 8.43), higher=False),),
    ),
    "JapaneseVowels, reservoir": Task(
        partial(_sets.archive, "JapaneseVowels"),
        (Measure("accuracy, %", accuracy, SUMMARY(97.8), echo(96.5)),),
        SequenceTransformer,
        required={"objective": "reservoir"},
        wrap=before_regression,
    ),
    "sunspots": small("sunspots_monthly", 24, 13.7),
    "min. temperatures": small("min_temperatures", 24, 1.74),
    "heart rate": small("heart_rate", 12, 0.852),
    "Taylor load": small("taylor_load", 24, 298),
    "gas furnace": small("gas_furnace", 12, 0.358),
    "C-MAPSS FD001": Task(
        _sets.cmapss,
        (Measure("RMSE", rmse, Figure("ridge", 16.41), Figure("one-layer LSTM", 14.93), higher=False),),
        RNNRegressor,
        tuned={"bidirectional": True},
    ),
    "ETTh1, 24 hours": Task(
        _sets.oil_temperature,
        (Measure("MSE", mse, Figure("ridge", 0.026), Figure("LSTMa", 0.114), higher=False),),
        RNNRegressor,
    ),
    "exchange rates, 3 days": Task(
        _sets.exchange_rates,
        (Measure("RSE", rse_of_rates, Figure("last value", 0.0171), Figure("GRU", 0.0192), higher=False),),
        RNNRegressor,
    ),
}

GOALS = {  # of single tasks
    ("digits", "accuracy, %"): 96.0,
    ("JapaneseVowels", "accuracy, %"): 97.0,
    ("JapaneseVowels, reservoir", "accuracy, %"): 96.0,
    ("C-MAPSS FD001", "RMSE"): 16.41,
    ("ATIS slots", "span F1, %"): 93.0,
    ("UD English-LinES", "accuracy, %"): 92.0,
    ("names", "accuracy, %"): 83.3,
    ("TREC questions", "accuracy, %"): 85.0,
    ("PhysioNet 2012", "AUROC"): 0.84,
    ("PhysioNet 2012, mean of 5", "AUROC"): 0.84,
}
