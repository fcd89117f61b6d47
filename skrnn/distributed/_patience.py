"""How long a fit waits for workers while nothing goes on, and what it says when it gives up."""

import time

from dask.utils import format_bytes

PATIENCE = 120.0  # seconds
NAMED = 3  # workers in an error
MORE_MEMORY = "Give workers more memory, or cut X into smaller partitions (row groups of Parquet)."
RESUME = "Then fit again; with the callback Checkpoint the fit goes on where it was."


class Patience:
    """Measures how long nothing has gone on, from when that is noticed.

    Parameters
    ----------
    pool : WorkerPool
    """

    def __init__(self, pool):
        self._pool, self._since = pool, None

    def reset(self):
        """Something has gone on."""
        self._since = None

    def leave_out(self, seconds):
        """Do not count some seconds, in which other things went on."""
        if self._since is not None:
            self._since += seconds

    async def check(self, what, if_running):
        """Nothing has gone on; give up if that is so for long.

        what : has not happened; if_running : what is to be done if all workers are running
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since <= PATIENCE:
            return
        known = (await self._pool.client.scheduler.identity())["workers"]
        statuses = {address: one["status"] for address, one in known.items() if one["status"] != "running"}
        if (silent := self._pool.silent) is not None:
            statuses = {silent: known[silent]["status"] if silent in known else "gone"} | statuses
        texts = [_described(address, status, known.get(address)) for address, status in statuses.items()]
        if len(texts) > NAMED:
            texts[NAMED:] = [f"{len(texts) - NAMED} more are not running."]
        texts += [*self._pool.refused.values(), _advice(known, set(statuses.values()), if_running), RESUME]
        raise RuntimeError(f"{what} for {PATIENCE:.0f} s. {' '.join(texts)}")


def _described(address, status, known):
    memory = ""
    if known is not None and known["memory_limit"]:
        used, limit = known["metrics"].get("memory", 0), known["memory_limit"]
        memory = f", with {format_bytes(used)} of {format_bytes(limit)} of its memory in use"
    return f"Worker {address} is {status.replace('_', ' ')}{memory}."


def _advice(known, statuses, if_running):
    if "paused" in statuses:
        return f"Dask pauses workers that are short of memory. {MORE_MEMORY}"
    return if_running if known and statuses <= {"running"} else "Start workers."
