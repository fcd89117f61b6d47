"""What a worker does for a fit: it keeps parts of the sequences, and answers messages.

Its parts are files in its local directory, of which it reads what it needs, so that they may be larger than memory.
They are not mapped: what is mapped counts as memory of a process, for which Dask would end it. Workers give each other
the sequences that a shard has of several parts. All goes through a handler, as in Dask's own shuffle, so that there are
no connections that Dask does not know of.

While shards run, the sequences of those that will follow are brought. That is a hint: what is missing when it is needed
is brought then.
"""

import asyncio
import shutil
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from distributed import WorkerPlugin
from distributed.protocol import pickle, to_serialize

from ._programs import Programs
from ._ranges import put
from ._row_file import RowFile

DONE = "done"
LOST = "lost"  # a worker has not the rows that it should have
UNREACHED = "unreached"  # a worker that should have rows does not answer
UNTOLD = "untold"  # the worker has been started anew, and knows of nothing
STAY = 600.0  # seconds after which a worker that hears nothing takes the client for dead, and deletes what it keeps
CACHED = 0.1  # of the memory of a worker, for sequences that were needed lately
WAIT = 10.0  # seconds after which a worker gives up another, which may be dead; else it would try to connect for longer


class Keeper(WorkerPlugin):
    """Keeps parts of the sequences of a fit on a worker, and works on shards.

    Parameters
    ----------
    name : str
        Of the fit, and of the handler.
    """

    def __init__(self, name):
        self.name, self.parts, self._places, self._programs = name, {}, None, None
        self._has_ended, self._coming = False, None

    def setup(self, worker):
        """Begin on a worker."""
        self._worker = worker
        self._folder = Path(worker.local_directory) / f"{self.name}-{uuid.uuid4().hex}"
        self._turn, self._heard = asyncio.Lock(), time.monotonic()
        self._watching = asyncio.ensure_future(self._watch())
        worker.handlers[self.name] = self.answer

    def teardown(self, worker):
        """Leave the worker as it was."""
        worker.handlers.pop(self.name, None)
        self._watching.cancel()
        if self._coming is not None:
            self._coming.cancel()
        self._has_ended = True
        self._drop()

    def _drop(self):
        """Delete all that is kept; it is brought again if the client asks for it."""
        parts, programs = self.parts, self._programs
        self.parts, self._programs, self._places = {}, None, None
        if programs is not None:
            programs.close()
        for part in parts.values():
            part.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _watch(self):
        while True:
            await asyncio.sleep(STAY / 10)
            if time.monotonic() - self._heard > STAY:
                self._drop()

    def keep(self, number, pieces):
        """Keep the rows of a part, which `pieces` gives as arrays one after the other; returns the address."""
        self._heard = time.monotonic()
        with self._writing():
            self._folder.mkdir(exist_ok=True)
            part = RowFile(self._folder / f"{number}-{uuid.uuid4().hex}")
        try:
            for values in pieces:
                self._heard = time.monotonic()
                with self._writing():
                    part.append(values)
        except BaseException:
            part.close()
            raise
        before, self.parts[number] = self.parts.get(number), part
        if before is not None:  # it was read again, because this worker seemed to be lost
            before.close()
        if self._has_ended:  # while this was written
            self._drop()
        return self._worker.address

    @contextmanager
    def _writing(self):
        try:
            yield
        except OSError as error:
            raise RuntimeError(f"Worker {self._worker.address} cannot write to {self._folder}: {error}") from error

    # ------------------------------------------------------------------------------------------------------- messages
    async def answer(self, what, **given):
        """Answer a message: a dict with a ``status``."""
        self._heard = time.monotonic()
        if what == "stay":
            return {"status": DONE}
        is_untold = self._places is None or (what == "run" and self._programs is None)
        if is_untold and not what.startswith("take_"):
            return {"status": UNTOLD}
        try:
            return await getattr(self, f"_{what}")(**given)
        except OSError as error:  # which the client would take for one of the connection
            where = f"Worker {self._worker.address} cannot read what it keeps in {self._folder}"
            raise RuntimeError(f"{where}: {error}") from error

    async def _take_places(self, places):
        self._places = places
        return {"status": DONE}

    async def _take_recipe(self, recipe):
        if self._programs is not None:
            self._programs.close()
        limit = self._worker.memory_manager.memory_limit
        n_bytes = recipe.n_bytes if limit is None else min(recipe.n_bytes, int(CACHED * limit))
        self._programs = await asyncio.to_thread(Programs, recipe, self._worker.state.nthreads, n_bytes)
        return {"status": DONE}

    async def _rows(self, rows):
        answer = await self._own_rows(rows)
        return answer | {"values": to_serialize(answer["values"])} if answer["status"] == DONE else answer

    async def _map(self, given):
        function, pieces = given
        turns = asyncio.Semaphore(self._worker.state.nthreads + 1)  # one is read while others are looked at

        async def result(piece, rows):
            async with turns:
                values = await self._collect(rows)
                if isinstance(values, dict):
                    return values
                return {"status": DONE, "result": await asyncio.to_thread(_result, function, piece, values)}

        answers = await asyncio.gather(*(result(*one) for one in pieces))
        missing = [answer for answer in answers if answer["status"] != DONE]
        return missing[0] if missing else {"status": DONE, "results": to_serialize([one["result"] for one in answers])}

    async def _run(self, parameters, shards):
        programs, shards = self._programs, pickle.loads(shards)
        if self._coming is not None:
            await asyncio.wait([self._coming])
        sequences = await self._sequences(programs, shards.sequences)
        if isinstance(sequences, dict):
            return sequences
        if shards.ahead:
            self._coming = asyncio.ensure_future(self._bring(programs, np.concatenate(shards.ahead)))
        async with self._turn:
            losses, gradients, carries = await asyncio.to_thread(programs.run, parameters, shards, sequences)
        given = {"losses": losses, "gradients": to_serialize(gradients), "carries": to_serialize(carries)}
        return {"status": DONE} | given

    async def _sequences(self, programs, numbers):
        """Encoded sequences, in a list; an answer instead that says why, if some cannot be had."""
        found = programs.cache.get(numbers)
        missing = [k for k, values in enumerate(found) if values is None]
        if missing:
            rows = programs.rows(numbers[missing])
            values = await self._collect(rows)
            if isinstance(values, dict):
                return values
            encoded = await asyncio.to_thread(programs.encode, values, rows.offsets)
            programs.cache.put(numbers[missing], encoded)
            for k, values in zip(missing, encoded, strict=True):
                found[k] = values
        return found

    async def _bring(self, programs, numbers):
        """Bring sequences that will be needed, as many as there is memory for."""
        with suppress(Exception):  # which comes again where they are needed
            await self._sequences(programs, programs.cacheable(numbers))

    # ----------------------------------------------------------------------------------------------------------- rows
    async def _own_rows(self, rows):
        """The answer to who asks for rows of the parts that should be here."""
        values = await asyncio.to_thread(self._own, rows, self.parts, self._places)
        if values is None:
            return {"status": LOST, "owner": self._worker.address}
        return {"status": DONE, "values": values}

    @staticmethod
    def _own(rows, parts, places):
        """Rows of the parts that are kept here; None if some are not, or are given up while they are read."""
        if places is None:
            return None
        out = np.empty((int(rows.offsets[-1]), places.n_channels), places.dtype)
        place = 0
        for k, begin, end in zip(places.parts_of(rows).tolist(), rows.begins.tolist(), rows.ends.tolist(), strict=True):
            wanted = out[place : place + end - begin]
            if k not in parts or not parts[k].read(begin - int(places.firsts[k]), wanted):
                return None
            place += end - begin
        return out

    async def _collect(self, rows):
        """Rows, wherever they are; an answer instead that says why, if some cannot be had."""
        offsets, places = rows.offsets, self._places
        if places is None:  # all has been deleted since the message came
            return {"status": UNTOLD}
        groups = places.by_owner(rows)
        answers = await asyncio.gather(*(self._rows_of(owner, rows.take(which)) for owner, which in groups.items()))
        out = np.empty((int(offsets[-1]), places.n_channels), places.dtype)
        for answer, which in zip(answers, groups.values(), strict=True):
            if answer["status"] != DONE:
                return answer
            put(answer["values"], which, offsets, out)
        return out

    async def _rows_of(self, owner, rows):
        """The answer of a worker that is asked for rows."""
        if owner == self._worker.address:
            return await self._own_rows(rows)
        ask = getattr(self._worker.rpc(owner), self.name)(what="rows", rows=to_serialize(rows))
        try:
            answer = await asyncio.wait_for(ask, WAIT)
        except (OSError, TimeoutError):
            answer = None
        if answer is None:  # also of a worker that has only just begun
            return {"status": UNREACHED, "owner": owner}
        return {"status": LOST, "owner": owner} if answer["status"] == UNTOLD else answer


def _result(function, piece, values):
    """What the function says of a piece; its error, which the client raises if none of the pieces before has one."""
    try:
        return piece.apply(function, values)
    except Exception as error:
        return error
