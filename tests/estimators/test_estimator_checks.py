"""scikit-learn's common checks, those it yields and those it has but does not yield."""

import pytest
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import RNNClassifier, RNNRegressor, SequenceGenerator, SequenceOutlierDetector, SequenceTransformer

OBJECTIVES = "forecast", "reconstruct", "supervised"

# Small and quick to train. One check compares weights of samples with copies of samples to 1e-7: therefore float64, one
# batch, and no dropout, which leaves out other units for a copy.
SMALL = {"hidden_layer_sizes": 8, "max_iter": 60, "learning_rate": "cosine", "learning_rate_init": 0.05}
SMALL |= {"dtype": "float64", "random_state": 0, "batch_size": 32, "dropout": 0.0, "tol": 1e-3}
FEW = SMALL | {"max_iter": 5}  # no check asks how good features or densities are
TRANSFORMERS = [SequenceTransformer(objective=name, **FEW) for name in (*OBJECTIVES, "reservoir")]
DETECTORS = [SequenceOutlierDetector(objective=name, **FEW) for name in ("forecast", "reconstruct")]
ESTIMATORS = [RNNClassifier(**SMALL), RNNRegressor(**SMALL), *TRANSFORMERS, SequenceGenerator(**FEW), *DETECTORS]
NOT_YIELDED = [
    checks.check_dataframe_column_names_consistency,
    checks.check_param_validation,
    checks.check_inplace_ensure_writeable,
]
NOT_YIELDED_OF_TRANSFORMERS = [
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
    checks.check_get_feature_names_out_error,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_set_output_transform_polars,
    checks.check_global_output_transform_pandas,
    checks.check_global_set_output_transform_polars,
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS, xfail_strict=True)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@pytest.mark.parametrize("check", NOT_YIELDED, ids=lambda c: c.__name__)
def test_checks_that_are_not_yielded(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")  # some checks do this on purpose
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: t.objective)
@pytest.mark.parametrize("check", NOT_YIELDED_OF_TRANSFORMERS, ids=lambda c: c.__name__)
def test_checks_of_transformers_that_are_not_yielded(transformer, check):
    check(type(transformer).__name__, transformer)
