"""pandas' own tests of extension arrays; which of them cannot apply, and why."""

import numpy as np
import pandas as pd
import pytest

from skrnn.sequences import Sequence, SequenceDtype, SequenceExtensionArray

if int(pd.__version__.split(".")[0]) < 3:
    pytest.skip("the tests of older versions of pandas want fixtures of pandas' own", allow_module_level=True)

from pandas.tests.extension.base import ExtensionTests
from pandas.tests.extension.conftest import (  # noqa: F401 (fixtures)
    all_arithmetic_operators,
    all_boolean_reductions,
    all_data,
    all_numeric_accumulations,
    all_numeric_reductions,
    all_reductions,
    as_array,
    as_frame,
    as_series,
    box_in_series,
    comparison_op,
    data_for_twos,
    data_repeated,
    fillna_method,
    groupby_apply_op,
    invalid_scalar,
    na_cmp,
    na_value,
    use_numpy,
    using_nan_is_na,
)

NOT_APPLICABLE = {
    "sequences have no order": {
        *("test_argmin_argmax", "test_argreduce_series", "test_argsort", "test_argsort_missing"),
        *("test_argsort_missing_array", "test_combine_le", "test_is_monotonic_decreasing"),
        *("test_is_monotonic_increasing", "test_nargsort", "test_rank", "test_rank_method", "test_rank_missing"),
        *("test_searchsorted", "test_sort_inplace", "test_sort_inplace_descending", "test_sort_inplace_na_position"),
        *("test_sort_values", "test_sort_values_frame", "test_sort_values_missing"),
    },
    "the test sorts the cells that it counts or groups by, and sequences have no order": {
        *("test_groupby_extension_agg", "test_groupby_extension_apply", "test_groupby_extension_transform"),
        *("test_value_counts", "test_value_counts_with_normalize"),
    },
    "a cell that is set may have another length, so that all are packed anew and no view sees it": {
        *("test_setitem_preserves_views", "test_transpose", "test_view"),
    },
    "the test expects NaN for a missing cell among objects, here it is None": {"test_unstack"},
    "pandas believes that a dtype of kind O becomes objects without a copy, and locks the copy": {
        "test_readonly_propagates_to_numpy_array_method",
    },
    "there is no number to plot": {"test_plot_on_y_axis"},
    "JSON has no sequences": {"test_json_roundtrip"},
}


def cells(*items):
    return SequenceExtensionArray._from_sequence(items)


A, B, C = Sequence([[1.0, 2.0]]), Sequence([[3.0, 4.0], [5.0, 6.0]]), Sequence([[7.0, 8.0]] * 3)


@pytest.fixture(autouse=True)
def applicable(request):
    for reason, names in NOT_APPLICABLE.items():
        if request.function.__name__ in names:
            pytest.skip(reason)


@pytest.fixture
def dtype():
    return SequenceDtype()


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return cells(*(rng.normal(size=(length, 2)) for length in range(1, 11)))


@pytest.fixture
def data_missing():
    return cells(None, A)


@pytest.fixture
def data_for_sorting():
    return cells(B, C, A)


@pytest.fixture
def data_missing_for_sorting():
    return cells(B, None, A)


@pytest.fixture
def data_for_grouping():
    return cells(B, B, None, None, A, A, B, C)


class TestSequenceDtype(ExtensionTests):
    pass


def test_what_is_left_out_exists():
    assert set.union(*NOT_APPLICABLE.values()) <= set(dir(ExtensionTests))
