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
