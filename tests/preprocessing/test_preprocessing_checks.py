"""scikit-learn's common checks of the transformers of ``skrnn.preprocessing``."""

import inspect

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn.preprocessing import PerStep, SlidingWindow, TokenEncoder

TRANSFORMERS = [
    PerStep(StandardScaler()),
    PerStep(make_pipeline(StandardScaler(), PCA())),
    SlidingWindow(3),
]
SUBTRACTS = "compares outputs by subtracting them, which sequences of unequal length cannot"
NO_TABLE_COMES_OUT = {
    "check_pipeline_consistency": SUBTRACTS,
    "check_estimators_pickle": SUBTRACTS,
    "check_transformer_data_not_an_array": SUBTRACTS,
    "check_transformer_general": SUBTRACTS,
    "check_methods_sample_order_invariance": SUBTRACTS,
    "check_methods_subset_invariance": SUBTRACTS,
    "check_fit_idempotent": SUBTRACTS,
    "check_transformer_preserve_dtypes": "reads the attribute dtype, which a SequenceArray must not have",
    "check_array_api_input": "wants an array of a known library to come out",
}
WINDOWS_LOOK_BACK = {
    "check_methods_sample_order_invariance": "a window holds the rows before it, so their order counts",
    "check_methods_subset_invariance": "a window holds the rows before it, so it matters which there are",
}
NOT_YIELDED = [
    checks.check_dataframe_column_names_consistency,
    checks.check_param_validation,
    checks.check_inplace_ensure_writeable,
]


@parametrize_with_checks(TRANSFORMERS, expected_failed_checks=lambda _: NO_TABLE_COMES_OUT, xfail_strict=True)
def test_common_checks(estimator, check):
    check(estimator)


class AsTable(BaseEstimator):
    """Before a transformer, lets a table come out, so that the checks can compare: sequences padded with 0."""

    def transform(self, X):
        return self._table(super().transform(X))

    def fit_transform(self, X, y=None):
        return self._table(super().fit_transform(X))

    def _table(self, sequences):
        if isinstance(sequences, np.ndarray):  # fit_transform may call transform
            return sequences
        return sequences.to_padded(fill_value=0).reshape(len(sequences), -1)


class PerStepTable(AsTable, PerStep, auto_wrap_output_keys=None):
    pass


class SlidingWindowTable(AsTable, SlidingWindow, auto_wrap_output_keys=None):
    pass


TABLES = [*(PerStepTable(t.transformer) for t in TRANSFORMERS[:2]), SlidingWindowTable(3)]


@parametrize_with_checks(
    TABLES,
    expected_failed_checks=lambda t: WINDOWS_LOOK_BACK if isinstance(t, SlidingWindow) else {},
    xfail_strict=True,
)
def test_common_checks_with_output_as_a_table(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", TRANSFORMERS, ids=str)
@pytest.mark.parametrize("check", NOT_YIELDED, ids=lambda c: c.__name__)
def test_checks_that_are_not_yielded(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_parameters_default_constructible,
        checks.check_estimator_cloneable,
        checks.check_estimator_repr,
        checks.check_no_attributes_set_in_init,
        checks.check_do_not_raise_errors_in_init_or_set_params,
        checks.check_get_params_invariance,
        checks.check_set_params,
        checks.check_mixin_order,
        checks.check_valid_tag_types,
    ],
    ids=lambda c: c.__name__,
)
def test_checks_of_a_token_encoder_that_need_no_table(check):
    """The others fit on tables of numbers, which have no tokens."""
    check("TokenEncoder", TokenEncoder())


@pytest.mark.parametrize("cls", [PerStep, SlidingWindow, TokenEncoder])
def test_only_the_first_parameter_is_positional(cls):
    first, *others = inspect.signature(cls).parameters.values()
    assert first.kind is first.POSITIONAL_OR_KEYWORD
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in others)
