"""What ``import skrnn`` alone gives: all public parts, and the dtype of pandas, without anything heavy."""

import subprocess
import sys

import pytest

import skrnn

PARTS = [
    *["adapters", "callbacks", "cells", "checks", "convolution", "initializers", "inspection", "interchange"],
    *["losses", "metrics", "model_selection", "optimizers", "persistence", "preprocessing", "schedules"],
    *["sequences", "structure"],
]
SERIES = "assert pd.Series([[1.0], None], dtype='sequence').dtype.name == 'sequence'"
HEAVY = "import sys; assert not {'numba', 'torch', 'matplotlib', 'sktime', 'skrnn.kernels'} & set(sys.modules)"


def run(code):
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_every_part_is_found_without_an_import_of_its_own():
    uses = "; ".join(f"assert skrnn.{part}.__name__ == 'skrnn.{part}'" for part in PARTS)
    run(f"import skrnn; {HEAVY}; assert set(dir(skrnn)) >= {set(PARTS)}; {uses}")


def test_exports_import_nothing_of_onnx_before_it_is_needed():
    onnx = "assert not {'onnx', 'skl2onnx', 'onnxruntime', 'google.protobuf'} & set(sys.modules)"
    run(f"import skrnn.export; {HEAVY}; {onnx}")


ORDERS = [
    "import skrnn.export; import skl2onnx",
    "import skl2onnx; import skrnn.export",
    "import skrnn.export; from importlib.util import find_spec; find_spec('skl2onnx'); import skl2onnx.common",
    "import skrnn.export; import importlib; importlib.reload(skrnn.export); import skl2onnx",
]


@pytest.mark.parametrize("order", ORDERS)
def test_skl2onnx_knows_the_estimators_in_either_order(order):
    pytest.importorskip("skl2onnx")
    code = "from skl2onnx._supported_operators import sklearn_operator_name_map as known"
    # other packages warn at import
    warnings = "import warnings; warnings.simplefilter('ignore')"
    run(f"{warnings}; {order}; {code}; assert known[skrnn.RNNClassifier] == 'SkrnnRNNClassifier'")


@pytest.mark.parametrize("order", ["import skrnn; import pandas as pd", "import pandas as pd; import skrnn"])
def test_pandas_finds_the_dtype_in_either_order(order):
    run(f"{order}; {HEAVY}; {SERIES}; import importlib; importlib.reload(skrnn); {SERIES}")


def test_pandas_may_be_imported_by_another_thread():
    other = "import threading; other = threading.Thread(target=__import__, args=['pandas']); other.start()"
    run(f"{other}; import skrnn; other.join(); import pandas as pd; {SERIES}")


def test_what_is_no_part_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skrnn' has no attribute 'layer'"):
        skrnn.layer  # noqa: B018
    assert not hasattr(skrnn, "kernel")
