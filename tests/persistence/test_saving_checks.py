"""What a file says is checked when it is read: what predictions need, and what training goes on from."""

import copy

import numpy as np
import pytest
from faults import assert_refused, cube, output, targets

import skrnn
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.convolution import Conv
from skrnn.persistence._zip import read_archive, write_archive

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = cube()
QUICK = {"hidden_layer_sizes": 3, "cell": "elman", "max_iter": 2, "random_state": 0}
MODELS = {
    "classifier": RNNClassifier(**QUICK, convolution=Conv(2, 3), solver="sgd").partial_fit(
        X, targets(X), classes=[0, 1]
    ),
    "regressor": RNNRegressor(**QUICK, missing="mask").partial_fit(X, targets(X)),
    "transformer": SequenceTransformer(**QUICK, objective="reconstruct").fit(X),
}
COMMON = [
    (("parameters", "max_memory"), "xy", "'max_memory' parameter"),
    (("parameters", "max_memory"), 0, "'max_memory' parameter"),
    (("parameters", "max_memory"), 2**63, "'max_memory' parameter"),
    (("parameters", "n_jobs"), 0, "'n_jobs' parameter"),
    (("parameters", "n_jobs"), "many", "'n_jobs' parameter"),
    (("attributes", "inputs_", "mean"), np.zeros(2, np.float16), "mean of the inputs"),
    (("attributes", "inputs_", "scale"), np.ones(2, np.float32), "scale of the inputs"),
    (("attributes", "inputs_", "n_channels"), 10**12, "the inputs"),
    (("attributes", "structure_", "hidden_layer_sizes"), (2**62,), ""),
    (("attributes", "structure_", "hidden_layer_sizes"), (10**9,) * 3, ""),
    (("attributes", "structure_", "n_outputs"), 10**12, ""),
    (("attributes", "structure_", "dropout"), "x", "dropout"),
    (("attributes", "t_"), "gru", "t_ cannot be"),
    (("attributes", "t_"), -1, "t_ cannot be"),
    (("attributes", "loss_curve_"), [None], "loss_curve_ cannot be"),
    (("attributes", "validation_scores_"), [], "validation_scores_ cannot be"),
    (("attributes", "gradient_norm_curve_"), 5, "gradient_norm_curve_ cannot be"),
    (("attributes", "learned_with_"), {"standardize": [1]}, "learned_with_ cannot be"),
]
OWN = {
    "classifier": [
        (("attributes", "classes_"), np.array([1, 0]), "classes_"),
        (("attributes", "structure_", "convolution", "parameters", "stride"), 2**63, "stride"),
        (("attributes", "structure_", "convolution", "parameters", "width"), 2**40, ""),
        (("attributes", "solver_state_"), [np.zeros(3)], "solver_state_"),
        (("attributes", "solver_name_"), 5, "solver_name_"),
    ],
    "regressor": [
        (("attributes", "target_scale_"), np.zeros(1), "target_scale_"),
        (("attributes", "target_mean_"), np.zeros(1, np.float16), "target_mean_"),
        (("attributes", "inputs_", "time_scale"), np.ones(2, np.float16), "time_scale of the inputs"),
    ],
    "transformer": [
        (("parameters", "pooling"), "median", "pooling"),
        (("parameters", "pooling"), [5], "pooling"),
        (("attributes", "reconstruction_mean_"), np.zeros(2, np.float16), "reconstruction_mean_"),
    ],
}


@pytest.mark.parametrize(("name", "path", "value", "message"), [(n, *case) for n in OWN for case in COMMON + OWN[n]])
def test_wrong_values_are_found_when_a_file_is_read(name, path, value, message, tmp_path):
    """Not at the first prediction, after seconds, or by another package; huge sizes before memory is taken for them."""
    file = tmp_path / "model.skrnn"
    skrnn.save(MODELS[name], file)
    content = copy.deepcopy(read_archive(file)[0])
    place = content["estimator"]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    write_archive(file, content)
    with pytest.raises(ValueError, match=rf"model\.skrnn cannot be loaded: .*{message}"):
        skrnn.load(file)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("max_memory", "1"),
        ("max_memory", -1),
        ("max_memory", None),
        ("max_memory", True),
        ("n_jobs", 0),
        ("n_jobs", 1.5),
    ],
)
def test_parameters_set_after_the_fit_are_checked_by_predictions(name, parameter, value):
    model = copy.deepcopy(MODELS[name]).set_params(**{parameter: value})
    assert_refused(model, lambda e: output(e, X), f"'{parameter}' parameter")
    assert_refused(model, lambda e: e.hidden_states(X), f"'{parameter}' parameter")
    with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
        skrnn.save(model, "nowhere.skrnn")


@pytest.mark.parametrize("pooling", [5, "median", [], ["last", "last"], np.array([1]), None, {"a": 1}])
def test_a_pooling_set_after_the_fit_is_checked_by_transform(pooling):
    model = copy.deepcopy(MODELS["transformer"]).set_params(pooling=pooling)
    assert_refused(model, lambda e: e.transform(X), "pooling")
    assert_refused(model, lambda e: e.get_feature_names_out(), "pooling")


@pytest.mark.parametrize("max_memory", [1e300, 1.7e308, 10**18, np.float32(3e38)])
def test_more_memory_than_there_can_be_is_all(max_memory):
    for model in MODELS.values():
        rich = copy.deepcopy(model).set_params(max_memory=max_memory)
        np.testing.assert_array_equal(output(rich, X), output(model, X))
        rich.fit(X, targets(X))
