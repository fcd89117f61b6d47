"""Clusters of Dask for tests."""

from contextlib import contextmanager

from distributed import Client, LocalCluster


@contextmanager
def cluster_of(n_workers, **how):
    """A client of a cluster of this process, on ports that are free; workers have a thread each."""
    settings = {"processes": False, "dashboard_address": ":0", "threads_per_worker": 1} | how
    with LocalCluster(n_workers=n_workers, **settings) as cluster, Client(cluster, set_as_default=False) as client:
        yield client
