"""Whether clients and workers can be used, and compute the same bits."""

import platform

from distributed import Client, get_client

from .._core.version import __version__


def usable_client(client):
    """The client to be used; None: the one that is there."""
    if client is None:
        try:
            client = get_client()
        except ValueError:
            raise ValueError(
                "There is no client of Dask: pass client=distributed.Client(address), or start one before, with "
                "distributed.Client()."
            ) from None
    if not isinstance(client, Client):
        raise TypeError(f"client must be a distributed.Client, got {type(client).__name__}.")
    if client.asynchronous:
        raise ValueError("client is asynchronous, fit is not: pass a client that was made with asynchronous=False.")
    if client.status != "running":
        raise ValueError(gone(client))
    return client


def gone(client):
    """What to say of a client that cannot be used any more."""
    return f"client is {client.status}, its cluster was closed or is gone: connect a new one."


def described_here():
    """What the bits of a fit depend on, in this process: versions, and what kernels are compiled for."""
    import llvmlite  # noqa: PLC0415
    import numba  # noqa: PLC0415
    import numpy  # noqa: PLC0415 (asked of workers, by name)
    from numba.core.registry import cpu_target  # noqa: PLC0415

    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    versions = {"skrnn": __version__, "numba": numba.__version__, "llvmlite": llvmlite.__version__}
    found = versions | {"numpy": numpy.__version__, "Python": platform.python_version()}
    compilation = "off" if numba.config.DISABLE_JIT else "on"
    return found | {"machine": triple, "CPU features": features, "compilation": compilation}


def check_workers(client):
    """The workers and their threads; refuses none at all, and any that would not compute the bits of this process."""
    known = client.nthreads()
    if not known:
        raise ValueError("The cluster has no workers: start some, for example with cluster.scale(2).")
    answers = client.run(described_here, on_error="return", workers=list(known))
    wrong = _differences(answers)
    if wrong:
        raise ValueError(next(iter(wrong.values())))
    return dict(known)


async def differing(client, addresses):
    """Those of some workers that would not compute the same bits, with an error text for each."""
    answers = await client._run(described_here, on_error="return", workers=list(addresses))
    return _differences(answers)


def _differences(answers):
    here, wrong = described_here(), {}
    for address, found in answers.items():
        if isinstance(found, BaseException):
            wrong[address] = f"Worker {address} cannot import skrnn, as it is here: {found!r}. Install it there."
            continue
        for what, value in here.items():
            if found.get(what) != value:
                mine, its = _shown(what, value, str(found.get(what)))
                wrong[address] = (
                    f"Worker {address} would compute other bits: its {what} is {its}, here it is {mine}. Use workers "
                    "like this machine, or run the client on one like them."
                )
                break
    return wrong


def _shown(what, mine, its):
    """Two values for an error; of features those that differ."""
    if what != "CPU features":
        return mine, its
    one, other = set(mine.split(",")), set(its.split(","))
    return ",".join(sorted(one - other)), ",".join(sorted(other - one))
