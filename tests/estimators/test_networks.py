"""Estimators of several networks: what is of each, what is of all, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import skrnn
from skrnn import RNNClassifier, RNNRegressor
from skrnn._core.members import OF_EACH_NETWORK
from skrnn.convolution import Conv
from skrnn.export import to_c, to_onnx
from skrnn.inspection import attribute
from skrnn.interchange import from_estimator
from skrnn.persistence._zip import read_archive, write_archive
from skrnn.training.run import DivergenceError, Training
from skrnn.training.state import Monitor

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in RNG.integers(3, 9, size=60)]
NUMBERS = np.array([x[:, 0].sum() for x in X])
CLASSES = np.array(["a", "b", "c"])[np.digitize(NUMBERS, [-1, 1])]
SMALL = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0}


def fitted(n_networks=3, cls=RNNClassifier, **options):
    y = CLASSES if cls is RNNClassifier else NUMBERS
    return cls(**SMALL | options, n_networks=n_networks).fit(X, y)


def assert_same_weights(one, other):
    for weights, expected in zip(one, other, strict=True):
        assert weights.keys() == expected.keys()
        for name, array in weights.items():
            assert_array_equal(array, expected[name])


# ------------------------------------------------------------------------------------------------------------- the fit
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"dropout": 0.5, "solver": "sgd"}], ids=str)
def test_the_first_network_is_the_one_that_is_trained_alone(options):
    alone, several = fitted(1, **options), fitted(**options)
    assert isinstance(alone.weights_, dict)
    assert_same_weights([several.weights_[0]], [alone.weights_])
    of_first = several.networks()[0]
    assert of_first.get_params() == alone.get_params()
    for name in OF_EACH_NETWORK & vars(alone).keys() - {"weights_"}:
        assert_array_equal(getattr(several, name)[0], getattr(alone, name))
        assert_array_equal(getattr(of_first, name), getattr(alone, name))
    assert_array_equal(of_first.predict_proba(X), alone.predict_proba(X))


def test_each_network_has_weights_batches_and_masks_of_its_own(monkeypatch):
    starts, seeds = [], []
    begin = Training.begin_epochs

    def recorded(self):
        starts.append(self.state.theta.copy())
        seeds.append(self.state.seed)
        begin(self)

    monkeypatch.setattr(Training, "begin_epochs", recorded)
    fitted(4)
    assert len({start.tobytes() for start in starts}) == len(set(seeds)) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "max_iter": 12, "n_iter_no_change": 2}], ids=str)
def test_the_result_does_not_depend_on_threads(options):
    """Nor on how many networks are left over for the last of them, which shards share."""
    expected = fitted(3, **options)
    for n_jobs in (2, 3, 7):
        model = fitted(3, n_jobs=n_jobs, **options)
        assert_same_weights(model.weights_, expected.weights_)
        assert model.loss_curve_ == expected.loss_curve_


def test_threads_that_are_left_over_take_shards(monkeypatch):
    """5 networks on 3 threads: three side by side, then two, with a thread each."""
    sizes, epoch = [], Training.epoch

    def recorded(self):
        sizes.append(self.objective.executor.n_workers)
        return epoch(self)

    monkeypatch.setattr(Training, "epoch", recorded)
    fitted(5, n_jobs=3, max_iter=1)
    fitted(2, n_jobs=5, max_iter=1)
    assert sizes == [1, 1, 1, 1, 1, 2, 2]


def test_each_network_stops_on_its_own(monkeypatch):
    end_epoch, seeds = Monitor.end_epoch, []

    def stopping(self, loss, theta):
        if self.state.seed not in seeds:
            seeds.append(self.state.seed)
        end_epoch(self, loss, theta)
        return self.state.n_epochs == 2 + seeds.index(self.state.seed)

    monkeypatch.setattr(Monitor, "end_epoch", stopping)
    model = fitted(4, early_stopping=True, max_iter=4, learning_rate="constant")
    assert model.n_iter_ == [2, 3, 4, 4]
    assert [len(scores) for scores in model.validation_scores_] == model.n_iter_


def test_lines_say_which_network(capsys):
    fitted(2, verbose=2, max_iter=2)
    heads = [line.partition(", loss")[0] for line in capsys.readouterr().out.splitlines()]
    assert heads == [f"Network {k}: Epoch {epoch}" for epoch in (1, 2) for k in (0, 1)]


def test_a_network_that_diverges_does_not_stop_the_others(monkeypatch):
    epoch, seeds = Training.epoch, []

    def diverging(self):
        seeds.append(self.state.seed)
        if len(seeds) > 3 and self.state.seed == seeds[1]:
            raise DivergenceError("epoch 2, batch 1")
        return epoch(self)

    monkeypatch.setattr(Training, "epoch", diverging)
    with pytest.warns(ConvergenceWarning, match=r"^Network 1: Training diverged in epoch 2, batch 1: .*clip_norm\.$"):
        model = fitted(3)
    assert model.n_iter_ == [3, 1, 3]
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_interrupted_fit_keeps_what_all_have_reached(monkeypatch):
    epoch, n_calls = Training.epoch, []

    def interrupted(self):
        n_calls.append(self)
        if len(n_calls) == 5:
            raise KeyboardInterrupt
        return epoch(self)

    monkeypatch.setattr(Training, "epoch", interrupted)
    with pytest.warns(ConvergenceWarning, match="^Training interrupted by user"):
        model = fitted(3)
    assert model.n_iter_ == [2, 1, 1]


# ---------------------------------------------------------------------------------------------------------- prediction
def test_raw_predictions_are_averaged():
    """Those of numbers in the unit of the target; of classes before the link, which is what their logarithms show."""
    reg, clf = fitted(cls=RNNRegressor), fitted()
    mean = np.mean([each.predict(X) for each in reg.networks()], axis=0)
    np.testing.assert_allclose(reg.predict(X), mean, rtol=1e-5, atol=1e-5)
    logs = np.mean([each.predict_log_proba(X) for each in clf.networks()], axis=0)
    expected = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-5)
    assert_array_equal(clf.predict(X), clf.classes_[expected.argmax(axis=1)])
    assert clf.score(X, CLASSES) == (clf.predict(X) == CLASSES).mean()


def test_a_prediction_depends_neither_on_neighbours_nor_on_threads():
    model = fitted(9)  # NumPy adds more than eight rows in another order than one
    expected = model.predict_proba(X)
    assert_array_equal(np.vstack([model.predict_proba(X[k : k + 1]) for k in range(len(X))]), expected)
    assert_array_equal(model.set_params(n_jobs=2).predict_proba(X), expected)


def test_changed_weights_are_seen():
    model = fitted(2)
    before = model.predict_proba(X)
    model.weights_[1]["readout.b"] += 1.5
    changed = model.predict_proba(X)
    assert not np.array_equal(before, changed)
    model.weights_.reverse()
    np.testing.assert_allclose(model.predict_proba(X), changed, rtol=1e-6)
    model.weights_.pop()
    assert_array_equal(model.predict_proba(X), model.networks()[0].predict_proba(X))


def test_targets_of_steps():
    y = [np.cumsum(x[:, 0]) for x in X]
    model = RNNRegressor(**SMALL, n_networks=2).fit(X, y)
    mean = [np.mean(each, axis=0) for each in zip(*(each.predict(X) for each in model.networks()), strict=True)]
    np.testing.assert_allclose(np.concatenate(list(model.predict(X))), np.concatenate(mean), rtol=1e-5, atol=1e-5)


FORWARD = {"bidirectional": False}
STREAMED = [FORWARD, FORWARD | {"convolution": Conv(4, 3), "pooling": "last"}, FORWARD | {"pooling": "attention"}]


@pytest.mark.parametrize("options", [*STREAMED, {"bidirectional": True}], ids=str)
def test_stages_and_streams_have_the_bits_of_predictions(options):
    model, lengths = fitted(**options), np.array([len(x) for x in X])
    expected = model.predict_proba(X)
    for t, proba in enumerate(model.staged_predict_proba(X)):
        assert_array_equal(proba[lengths == t + 1], expected[lengths == t + 1])
    if options.get("bidirectional"):
        return
    stream, other = model.stream(2), model.stream(2)
    for step in np.stack([X[0][:3], X[1][:3]], axis=1):
        proba = stream.step_proba(step)
    assert_array_equal(proba, model.predict_proba([X[0][:3], X[1][:3]]))
    other.state = stream.state
    stream.reset(0)
    for each in (stream, other):
        each.step(X[0][3:4] if len(X[0]) > 3 else X[0][:1], index=[1])
    assert_array_equal(stream.state["networks.2.steps"], [0, 4])
    assert_array_equal(other.state["networks.2.steps"], [3, 4])


def test_a_state_of_fewer_than_no_steps_is_refused():
    stream = fitted(**FORWARD).stream()
    state = stream.state
    state["networks.1.steps"][:] = -1
    with pytest.raises(ValueError, match=r"fewer than 0 networks\.1\.steps"):
        stream.state = state


def test_weights_of_attention_are_averaged():
    model = fitted(pooling="attention")
    each = [one.attention_weights(X)[0] for one in model.networks()]
    np.testing.assert_allclose(model.attention_weights(X)[0], np.mean(each, axis=0), rtol=1e-6)


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient", "occlusion"])
def test_attributions_are_averaged_for_the_class_of_all(method):
    model = fitted()
    apart = [k for k, x in enumerate(X) if len({each.predict([x])[0] for each in model.networks()}) > 1]
    assert apart  # networks that do not agree: the class is that of their mean
    for k in apart[:3]:
        together, target = attribute(model, [X[k]], method=method), model.predict([X[k]])[0]
        each = [attribute(one, [X[k]], target=target, method=method) for one in model.networks()]
        for name in ("error", "difference"):
            np.testing.assert_allclose(together[name], np.mean([one[name] for one in each], axis=0), atol=1e-5)
        expected = np.mean([one.attributions.values for one in each], axis=0)
        np.testing.assert_allclose(together.attributions.values, expected, atol=1e-5)


@pytest.mark.parametrize("options", [*STREAMED, {"bidirectional": True}, FORWARD | {"dtype": "float64"}], ids=str)
def test_onnx_gives_the_mean(options):
    """`check` compares with the predictions; states have the names of streams."""
    pytest.importorskip("onnxruntime")
    model = fitted(**options)
    to_onnx(model, check=X)
    if options.get("bidirectional"):
        return
    inputs = {each.name for each in to_onnx(model, step=True, check=X).graph.input}
    assert inputs - {"X"} == model.stream().state.keys() - {"network"}


def test_onnx_reads_what_each_network_has_learned_of_inputs():
    """Rates of decay and vectors of tokens are those of a network, what was seen before is that of all."""
    pytest.importorskip("onnxruntime")
    holes = [np.where(np.arange(x.size).reshape(x.shape) % 3 == 1, np.nan, x) for x in X]
    tokens = [["ab"[k % 2], *"cd"[: k % 3]] for k in range(len(X))]
    for sequences, options in ((holes, {"missing": "decay"}), (tokens, {})):
        model = RNNRegressor(**SMALL | options, n_networks=2).fit(sequences, NUMBERS)
        to_onnx(model, check=sequences)
        to_onnx(model, step=True, check=sequences)


# ------------------------------------------------------------------------------------------------ going on, and files
def test_partial_fit_trains_each_network_for_an_epoch():
    options = {"cls": RNNRegressor, "learning_rate": "constant"}
    expected, online = fitted(2, **options), RNNRegressor(**SMALL, n_networks=2)
    for _ in range(3):
        online.partial_fit(X, NUMBERS)
    assert_same_weights(online.weights_, expected.weights_)
    assert online.n_iter_ == [3, 3]
    assert [len(slots) for slots in online.solver_state_] == [2, 2]
    again = pickle.loads(pickle.dumps(online)).partial_fit(X, NUMBERS)
    assert_same_weights(again.weights_, online.partial_fit(X, NUMBERS).weights_)


def test_warm_start_resumes_each_network():
    model = fitted(2, warm_start=True)
    before, curves = model.networks(), copy.deepcopy(model.loss_curve_)
    model.fit(X, CLASSES)
    assert [curve[:3] for curve in model.loss_curve_] == curves
    assert [len(curve) for curve in model.loss_curve_] == [6, 6]
    assert_same_weights([model.weights_[0]], [before[0].fit(X, CLASSES).weights_])


@pytest.mark.parametrize(("then", "now"), [(2, 3), (1, 2), (2, 1)])
def test_training_does_not_go_on_with_another_number_of_networks(then, now):
    model = fitted(then, warm_start=True)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=rf"n_networks: {then}, now {now}"):
        model.set_params(n_networks=now).fit(X, CLASSES)
    assert_array_equal(model.predict_proba(X), before)


def test_files_and_copies_have_all_networks(tmp_path):
    model = RNNClassifier(**SMALL, n_networks=3).partial_fit(X, CLASSES, classes=["a", "b", "c"])
    expected = model.predict_proba(X)
    skrnn.save(model, tmp_path / "model.skrnn")
    for same in (skrnn.load(tmp_path / "model.skrnn"), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_array_equal(same.predict_proba(X), expected)
        further = copy.deepcopy(model).partial_fit(X, CLASSES)
        assert_same_weights(same.partial_fit(X, CLASSES).weights_, further.weights_)


FILE = RNNClassifier(**SMALL, n_networks=2).partial_fit(X, CLASSES, classes=["a", "b", "c"])
BROKEN = {
    "no networks": lambda attributes: attributes.update(weights_=[]),
    "one more": lambda attributes: attributes["weights_"].append(attributes["weights_"][0]),
    "one curve": lambda attributes: attributes.update(loss_curve_=attributes["loss_curve_"][0]),
    "one count": lambda attributes: attributes.update(t_=4),
    "not finite": lambda attributes: attributes["weights_"][1]["readout.b"].fill(np.nan),
    "another shape": lambda attributes: attributes["weights_"][1].update({"readout.b": np.zeros(7, np.float32)}),
    "slots of one": lambda attributes: attributes["solver_state_"].__setitem__(1, [np.zeros(3)]),
    "no slots of one": lambda attributes: attributes["solver_state_"].pop(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_contradict_themselves_are_refused(name, tmp_path):
    skrnn.save(FILE, tmp_path / "model.skrnn")
    content = read_archive(tmp_path / "model.skrnn")[0]
    BROKEN[name](content["estimator"]["attributes"])
    write_archive(tmp_path / "model.skrnn", content)
    with pytest.raises(ValueError, match=r"model\.skrnn cannot be loaded"):
        skrnn.load(tmp_path / "model.skrnn")


# ------------------------------------------------------------------------------------------------------------ refusals
OF_ONE = {
    "hidden_states": lambda model, path: model.hidden_states(X),
    "gradient_norms": lambda model, path: model.gradient_norms(X, CLASSES),
    "as_transformer": lambda model, path: model.as_transformer(),
    "to_c": lambda model, path: to_c(model, path / "model.c"),
    "from_estimator": lambda model, path: from_estimator(model),
}


@pytest.mark.parametrize("name", OF_ONE)
def test_what_is_of_one_network_is_refused_with_what_to_do(name, tmp_path):
    model = fitted(2, **FORWARD)
    with pytest.raises(ValueError, match=r"is of one network, but this RNNClassifier has 2.*networks\(\)"):
        OF_ONE[name](model, tmp_path)
    OF_ONE[name](model.networks()[1], tmp_path)


def test_displays_of_one_network_are_refused():
    pytest.importorskip("matplotlib")
    from skrnn.inspection import GateDisplay, LossCurveDisplay

    model = fitted(2)
    for display in (lambda: LossCurveDisplay.from_estimator(model), lambda: GateDisplay.from_estimator(model, X[0])):
        with pytest.raises(ValueError, match=r"Display is of one network, .*networks\(\)"):
            display()


def test_solvers_without_epochs_are_refused():
    with pytest.raises(ValueError, match=r"solver='lbfgs' takes no epochs.*n_networks=2.*solver=\"adam\""):
        fitted(2, solver="lbfgs", dropout=0.0)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2", None])
def test_a_number_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="'n_networks' parameter"):
        fitted(value)


def test_memory_is_shared():
    with pytest.raises(MemoryError, match=r"^Each of n_networks=2 has an equal share of max_memory: multiply .* by 2"):
        fitted(2, max_memory=1e-6)


# ------------------------------------------------------------------------------------------------------- scikit-learn
def test_a_search_over_the_number_of_networks():
    search = GridSearchCV(RNNRegressor(**SMALL), {"n_networks": [1, np.int64(2)]}, cv=2).fit(X, NUMBERS)
    assert search.best_params_["n_networks"] in (1, 2)
    assert clone(fitted(2)).n_networks == 2
