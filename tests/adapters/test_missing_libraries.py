"""Adapters where the other library is not installed."""

import subprocess
import sys

import pytest

import skrnn

WITHOUT = "import sys, skrnn; sys.modules['sktime'] = None"  # as if it were not installed


def test_an_adapter_names_the_extra_that_it_needs():
    code = f"{WITHOUT}; from skrnn.adapters import SktimeForecaster"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        'ImportError: SktimeForecaster needs sktime, which is not installed: pip install "skrnn[sktime]"' in run.stderr
    )


def test_names_of_adapters():
    assert "SktimeForecaster" in dir(skrnn.adapters)
    with pytest.raises(AttributeError, match=r"'skrnn\.adapters' has no attribute 'Sktime'"):
        skrnn.adapters.Sktime  # noqa: B018
