"""A small fit for clusters to which things happen."""

import dask
import joblib
import numpy as np
from sklearn.base import clone

from skrnn import RNNClassifier
from skrnn.distributed import _patience, _pool, _worker

CLF = RNNClassifier(4, max_iter=8, tol=None, random_state=0, batch_size=20)
X, Y = np.random.default_rng(0).normal(size=(60, 5, 2)), np.repeat([0, 1, 2], 20)


def parts(n=4):
    return [dask.delayed(part) for part in np.split(X, n)]


class AfterEpoch:
    """Does something after an epoch."""

    def __init__(self, epoch, what):
        self.left, self.what = epoch, what

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context, **given): ...

    def on_fit_task_end(self, estimator, context, **given):
        self.left -= 1
        if self.left == 0:
            self.what()


def check_same(there, clf=CLF):
    here = clone(clf).fit(X, Y)
    for name in ("weights_", "loss_curve_"):
        assert joblib.hash(getattr(here, name)) == joblib.hash(getattr(there, name))


def make_impatient(monkeypatch):
    """Let clients and workers give up others soon."""
    monkeypatch.setattr(_pool, "LOOK", 0.05)
    monkeypatch.setattr(_patience, "PATIENCE", 2.0)
    monkeypatch.setattr(_worker, "WAIT", 0.5)


def drop_all(dask_worker):
    """Let a worker forget all that it keeps; for ``client.run``."""
    for plugin in dask_worker.plugins.values():
        if isinstance(plugin, _worker.Keeper):
            plugin._drop()
