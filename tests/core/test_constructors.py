"""Constructors store their arguments: of the package's classes by `keep`, of users' subclasses as they like."""

import inspect
import pickle

import pytest
from sklearn.base import clone

from skrnn import (
    CTCClassifier,
    RNNClassifier,
    RNNRegressor,
    Seq2SeqClassifier,
    Seq2SeqRegressor,
    SequenceGenerator,
    SequenceTransformer,
)
from skrnn._core.parameters import keep
from skrnn.callbacks import Checkpoint, EarlyStopping, LearningRateFinder
from skrnn.convolution import Conv
from skrnn.estimators._base import BaseRNN
from skrnn.optimizers import Adam, AdamW
from skrnn.schedules import OneCycle, Plateau

OUT = (CTCClassifier, Seq2SeqClassifier, Seq2SeqRegressor, SequenceGenerator)
ESTIMATORS = (RNNClassifier, RNNRegressor, SequenceTransformer, *OUT)
KEEPING = (*ESTIMATORS, Adam, AdamW, Checkpoint, Conv, EarlyStopping, LearningRateFinder, OneCycle, Plateau)


class Inheriting(RNNClassifier):
    """Without a constructor."""


class Narrow(RNNClassifier):
    """With fewer parameters, of which it hands one on by position."""

    def __init__(self, hidden_layer_sizes=8, *, dropout=0.25):
        super().__init__(hidden_layer_sizes, dropout=dropout)


class Wide(RNNRegressor):
    """With a parameter more, which it sets after the others."""

    def __init__(self, hidden_layer_sizes=(64,), *, alpha=3e-3, horizon=3):
        super().__init__(hidden_layer_sizes=hidden_layer_sizes, alpha=alpha)
        self.horizon = horizon


class Keeping(Wide):
    """One that keeps its arguments like the package does, although it calls super, too."""

    def __init__(self, hidden_layer_sizes=(64,), *, alpha=3e-3, horizon=3, season=7):
        super().__init__(hidden_layer_sizes)
        keep(locals())


OF_USERS = [
    (Inheriting, {"cell": "lstm", "class_weight": {0: 2.0}}, {"dropout": "auto"}),
    (Narrow, {"dropout": 0.5}, {"hidden_layer_sizes": 8, "cell": "gru", "alpha": 1e-3}),
    (Wide, {"horizon": 5, "alpha": 0.5}, {"hidden_layer_sizes": (64,), "cell": "gru", "loss": "squared_error"}),
    (Keeping, {"season": 12, "alpha": 0.5}, {"horizon": 3, "cell": "gru"}),
]


@pytest.mark.parametrize("cls", KEEPING, ids=lambda c: c.__name__)
def test_a_constructor_only_stores_its_arguments(cls):
    last_line = inspect.getsource(cls.__init__).splitlines()[-1].strip()
    assert last_line == "keep(locals())"
    marks = {name: object() for name in inspect.signature(cls).parameters}
    assert vars(cls(**marks)) == marks


def test_the_base_hands_no_arguments_on():
    assert BaseRNN.__init__ is object.__init__
    code = [line for cls in ESTIMATORS for line in inspect.getsource(cls.__init__).splitlines()]
    assert len(code) <= 50 * len(ESTIMATORS)


@pytest.mark.parametrize(("cls", "given", "others"), OF_USERS)
def test_subclasses_of_users_have_their_own_parameters(cls, given, others):
    estimator = cls(**given)
    for one in (estimator, clone(estimator), pickle.loads(pickle.dumps(estimator))):
        assert type(one) is cls
        assert {name: getattr(one, name) for name in given | others} == given | others
        assert set(one.get_params()) == set(inspect.signature(cls).parameters)
        assert one.get_params() == estimator.get_params()
    shown = ", ".join(f"{name}={given[name]!r}" for name in sorted(given))
    assert repr(estimator) == f"{cls.__name__}({shown})"


@pytest.mark.parametrize(("cls", "given", "others"), OF_USERS)
def test_subclasses_of_users_fit(cls, given, others):
    X, y = [[[0.0], [1.0]], [[1.0], [0.0], [1.0]]] * 5, [0, 1] * 5
    estimator = cls(**given | {"hidden_layer_sizes": 2} if cls is not Inheriting else given)
    estimator.max_iter, estimator.random_state = 1, 0
    assert estimator.fit(X, y).predict(X).shape == (10,)
    assert pickle.loads(pickle.dumps(estimator)).predict(X).tolist() == estimator.predict(X).tolist()


def test_a_constructor_refuses_names_that_it_does_not_have():
    for cls in ESTIMATORS:
        with pytest.raises(TypeError, match="unexpected keyword argument 'hiden_layer_sizes'"):
            cls(hiden_layer_sizes=3)
        with pytest.raises(TypeError, match="from 1 to 3 positional arguments"):
            cls(8, "gru", "other")


def test_subclasses_may_change_the_names_that_they_are_given():
    class Narrow(Conv):
        @classmethod
        def _get_param_names(cls):
            names = super()._get_param_names()
            names.remove("width")
            return names

    for _ in range(2):
        assert list(Narrow().get_params()) == ["activation", "n_channels", "stride"]
    assert list(Conv().get_params()) == ["activation", "n_channels", "stride", "width"]


def test_a_constructor_that_is_put_in_place_of_another_is_read(monkeypatch):
    class Own(Conv):
        def __init__(self, n_channels=32):
            super().__init__(n_channels)

    def init(self, stride=1):
        Conv.__init__(self, stride=stride)

    assert Own._get_param_names() == ["n_channels"]
    monkeypatch.setattr(Own, "__init__", init)
    assert Own._get_param_names() == ["stride"]
