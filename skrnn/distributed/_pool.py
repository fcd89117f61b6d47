"""The workers of a cluster as the client of a fit sees them: which there are, what they are told, what they answer."""

import asyncio
import time
import uuid
from contextlib import suppress

from distributed.protocol import to_serialize

from . import _worker
from ._check import check_workers, differing
from ._worker import Keeper

LOOK = 5.0  # seconds after which the scheduler is asked again which workers there are
PAUSE = 0.1  # seconds before what has failed is tried again


class WorkerPool:
    """Workers with a `Keeper` each, from ``__enter__`` to ``__exit__``.

    Parameters
    ----------
    client : distributed.Client

    Attributes
    ----------
    name : str
        Of the fit.
    threads : dict
        How many each worker has that can be used, by addresses.
    refused : dict
        Why others cannot be used.
    silent : str or None
        The worker that was the last not to answer.
    """

    def __init__(self, client):
        self.client, self.name = client, f"skrnn-{uuid.uuid4().hex}"
        self.threads, self.refused, self._told = {}, {}, {}
        self.silent = self._looked = self._staying = None

    def __enter__(self):
        self.threads = check_workers(self.client)
        try:
            self.client.register_plugin(Keeper(self.name), name=self.name)
            self.client.sync(self._begin)
        except BaseException:
            with suppress(Exception):  # of plugins that have not begun
                self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        if self._staying is not None:
            with suppress(RuntimeError):  # of a loop that has ended
                self.client.loop.add_callback(self._staying.cancel)
        if self.client.status == "running":
            with suppress(OSError):  # of a worker that is gone, with all that it kept
                self.client.unregister_worker_plugin(self.name)

    async def _begin(self):
        await self.look()
        self._staying = asyncio.ensure_future(self._stay())

    async def _stay(self):
        """Let workers know from time to time that the fit has not ended: see `STAY`."""
        while True:
            await asyncio.sleep(_worker.STAY / 10)
            messages = [self._message(address, {"what": "stay"}) for address in self.threads]
            await asyncio.gather(*messages, return_exceptions=True)  # which others will meet, too

    # ----------------------------------------------------------------------------------------------- which there are
    async def look(self):
        """Ask the scheduler which workers there are; those that cannot give the same bits are left alone."""
        self._looked = time.monotonic()
        known = await self.client.scheduler.ncores()
        new = [address for address in known if address not in self.threads and address not in self.refused]
        if new:
            self.refused |= await differing(self.client, new)
        self.threads = {address: n for address, n in known.items() if address not in self.refused}
        self._told = {key: told for key, told in self._told.items() if key[0] in self.threads}

    async def _look_again(self):
        if time.monotonic() - self._looked > LOOK:
            await self.look()

    async def running(self):
        """Workers that take tasks, with their threads: not those that Dask has paused, nor those that are leaving."""
        running = await self.client.scheduler.ncores_running()
        return {address: n for address, n in running.items() if address in self.threads}

    async def goes_on(self, keys):
        """Whether some of these tasks, or of those that they wait for, run, or may soon.

        Where a worker takes tasks, and has some, these may wait behind others; one that takes none ends what it runs.
        """
        waiting = await self.client.scheduler.processing()
        if any(waiting.get(address) for address in await self.running()):
            return True
        try:
            return bool(await self.client.scheduler.call_stack(keys=keys))
        except KeyError:  # of tasks that are on their way to the scheduler
            return True
        except OSError:  # of a worker that is gone
            return False

    async def pause(self):
        """Wait a little before what has failed is tried again, with the workers that there are then."""
        await asyncio.sleep(PAUSE)
        await self.look()

    async def wait(self, tasks, until=asyncio.ALL_COMPLETED):
        """Wait for asyncio's tasks, for some seconds; returns those that have not ended."""
        _, waiting = await asyncio.wait(tasks, timeout=LOOK, return_when=until)
        if waiting:
            await self._look_again()
        return waiting

    # ------------------------------------------------------------------------------------------------------ messages
    async def ask(self, messages):
        """The answers of workers, by their addresses; None of one that is gone."""
        running = {
            address: asyncio.ensure_future(self._message(address, message)) for address, message in messages.items()
        }
        waiting = set(running.values())
        try:
            while waiting:
                waiting = await self.wait(waiting)
                for address, one in running.items():
                    if address not in self.threads and not one.done():
                        one.cancel()
        finally:
            for one in waiting:
                one.cancel()
        for one in running.values():  # all are looked at, as asyncio reports errors that nobody has seen
            if not one.cancelled():
                one.exception()
        return {address: None if one.cancelled() else one.result() for address, one in running.items()}

    async def _message(self, address, message):
        """The answer of a worker; None if it is gone."""
        try:
            return await getattr(self.client.rpc(address), self.name)(**message)
        except OSError:
            return None
        except Exception as error:
            error.add_note(f"This happened on worker {address}.")
            raise

    async def told(self, **news):
        """Workers that know all of these news, with their threads; they are told what they do not know.

        news : what the messages ``take_...`` of a `Keeper` take
        """
        await self._look_again()
        for what, value in news.items():
            late = [each for each in self.threads if not self._knows(each, what, value)]
            answers = await self.ask({each: {"what": f"take_{what}", what: to_serialize(value)} for each in late})
            for each, answer in answers.items():
                if answer is not None:
                    self._told[each, what] = value
        return {
            each: n
            for each, n in self.threads.items()
            if all(self._knows(each, what, value) for what, value in news.items())
        }

    def _knows(self, address, what, value):
        return self._told.get((address, what)) is value

    def forget(self, address):
        """Forget what a worker has been told: it has been started anew, with the address of one before."""
        self._told = {key: told for key, told in self._told.items() if key[0] != address}
