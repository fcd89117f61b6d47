"""The workers of a fit as its client sees them: what they keep, what they are told, and what happens if one is lost."""

import asyncio
import time
import uuid
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from distributed.protocol import pickle, to_serialize

from ..sequences._layout import offsets_of
from . import _worker
from ._check import check_workers, differing
from ._ranges import Rows, by_owner, put, rows_between
from ._worker import DONE, LOST, UNREACHED, UNTOLD, Keeper, Places

LOOK = 5.0  # seconds after which the scheduler is asked again which workers there are
PATIENCE = 120.0  # seconds without any worker after which a fit gives up
PIECES = 64  # that a worker is asked to look at at a time, for each of its threads
NOTHING = slice(0)
PAUSE = 0.1  # seconds before what has failed is tried again


class Kept(NamedTuple):
    """What a task says of a part that it has put on a worker.

    owner : address of the worker; lengths : of its sequences; dtype, n_channels, names : of their values; y, weight :
    what goes with it, if that is in parts, too; example : its first sequence in the form of X; n_columns : of a table.
    """

    owner: str
    lengths: np.ndarray
    dtype: np.dtype
    n_channels: int
    names: tuple | None
    y: object
    weight: object
    example: object
    n_columns: int | None


class Fleet:
    """Workers that keep the parts of X, and run shards; to be used in a ``with`` statement.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client):
        self.client, self.name = client, f"skrnn-{uuid.uuid4().hex}"
        self._workers, self._told, self._refused, self._lost = {}, {}, {}, set()
        self._places = self._looked = self._troubled = self._staying = None

    def __enter__(self):
        self._workers = check_workers(self.client)
        try:
            self.client.register_plugin(Keeper(self.name), name=self.name)
            self.client.sync(self._begin)
        except BaseException:
            with suppress(Exception):  # of plugins that have not begun
                self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        if self.client.status == "running":
            if self._staying is not None:
                self.client.loop.add_callback(self._staying.cancel)
            with suppress(OSError):  # of a worker that is gone, with all that it kept
                self.client.unregister_worker_plugin(self.name)

    async def _begin(self):
        await self._look()
        self._staying = asyncio.ensure_future(self._stay())

    async def _stay(self):
        """Let workers know from time to time that the fit has not ended: see `STAY`."""
        while True:
            await asyncio.sleep(_worker.STAY / 10)
            await asyncio.gather(*(self._message(address, {"what": "stay"}) for address in self._workers))

    # ----------------------------------------------------------------------------------------------------- the parts
    def place(self, partitions):
        """Bring partitions to workers; returns a `Kept` for each.

        partitions : `Partitions`
        """
        self._partitions = partitions
        kept = self.client.sync(self._place, range(len(partitions)))
        self._owners = [one.owner for one in kept]
        return kept

    def have(self, kept, dtype, n_channels):
        """Say what the parts have in common, once that is known."""
        n_rows = [int(one.lengths.sum()) for one in kept]
        self._places = Places(offsets_of(n_rows), list(self._owners), n_channels, dtype)

    async def _place(self, numbers):
        """Bring the parts with these numbers to workers, so few at a time that these do not hold many in memory."""
        since, left, kept = time.monotonic(), list(numbers), {}
        while left:
            found = await self._bring(left[: 2 * sum(self._workers.values())]) if self._workers else {}
            kept |= found
            left = left[len(found) :]
            since = time.monotonic() if found else since
            if left and not found:
                await asyncio.sleep(PAUSE)
                await self._look()
                self._check_patience(since)
        return [kept[k] for k in numbers]

    async def _bring(self, numbers):
        """A `Kept` for each of some parts, brought by tasks to the workers that are there; less, if these are lost."""
        workers, futures, kept = sorted(self._workers), [], {}
        try:
            futures = await self._partitions.keep(self.client, self.name, numbers, workers)
            for k, future in zip(numbers, futures, strict=True):  # in this order: of several errors the first is raised
                kept[k] = await self._brought(k, future, workers)
        except BaseException as error:
            await self.client.cancel(futures, asynchronous=True)
            if not isinstance(error, LostWorkersError | CancelledError):
                raise
        return kept

    async def _brought(self, number, future, workers):
        """What a task says of a part; LostWorkersError if it is known that all its workers are gone."""
        waiting = asyncio.ensure_future(_result(future))
        while not waiting.done():
            await asyncio.wait([waiting], timeout=LOOK)
            if not waiting.done():
                await self._look()
                if self._workers.keys().isdisjoint(workers):
                    waiting.cancel()
                    raise LostWorkersError
        try:
            return waiting.result()
        except Exception as error:
            error.add_note(f"This happened when partition {number} of X was read.")
            raise

    def rows(self, rows):
        """The values of some rows of all steps, one range after the other."""
        return self.client.sync(self._rows, rows)

    async def _rows(self, rows):
        offsets = rows.offsets
        out = np.empty((int(offsets[-1]), self._places.n_channels), self._places.dtype)
        await self._ask_owners(
            rows,
            lambda which: {"what": "rows", "rows": to_serialize(rows.take(which))},
            lambda which, answer: put(answer["values"], which, offsets, out),
        )
        return out

    # -------------------------------------------------------------------------------------------------------- pieces
    @property
    def n_pieces(self):
        """How many pieces are asked for at a time."""
        return PIECES * max(1, sum(self._workers.values()))

    def map(self, function, pieces, firsts):
        """What a function says of each `Piece`, called by the worker that has the middle of the piece.

        firsts : first row of each part, and the end of the last
        """
        given = [(piece, rows_between(piece.begin, piece.end, firsts)) for piece in pieces]
        results = self.client.sync(self._map, function, given)
        for result in results:  # in this order, so that of several errors the first one is raised
            if isinstance(result, Exception):
                raise result
        return results

    async def _map(self, function, given):
        results = [None] * len(given)
        middles = np.array([(piece.begin + piece.end) // 2 for piece, _ in given])

        def take(which, answer):
            for k, result in zip(which.tolist(), answer["results"], strict=True):
                results[k] = result

        await self._ask_owners(
            Rows(middles, middles + 1),
            lambda which: {"what": "map", "given": to_serialize((function, [given[k] for k in which.tolist()]))},
            take,
        )
        return results

    async def _ask_owners(self, rows, message, take):
        """Ask the workers that have ranges of rows, until all are answered.

        message : ``message(which)`` says what a worker is asked that has the ranges `which`; take :
        ``take(which, answer)`` is called with what it answers
        """
        since, left = time.monotonic(), np.arange(len(rows.begins))
        while len(left):
            workers = await self._ready()
            groups = by_owner(rows.take(left), self._places.firsts, self._places.owners)
            asked = {owner: left[which] for owner, which in groups.items() if owner in workers}
            answers, n_done = await self._ask({owner: message(which) for owner, which in asked.items()}), 0
            for owner, which in asked.items():
                if not _is_done(answers[owner]):
                    self._note(owner, answers[owner])
                    continue
                take(which, answers[owner])
                left, n_done = np.setdiff1d(left, which), n_done + 1
            since = await self._recover(since, n_done, len(groups))

    # ------------------------------------------------------------------------------------------------------- shards
    def run(self, recipe, parameters, shards):
        """Run `Shards` on workers; returns loss, packed gradient and last states of each, in their order.

        The first ones may be added up, to one loss and gradient.
        """
        return self.client.sync(self._run, recipe, parameters, shards)

    async def _run(self, recipe, parameters, shards):
        since, left, results, lengths = time.monotonic(), shards.tasks, {}, recipe.data.lengths
        while left:
            workers, n_done, given = await self._ready(recipe), 0, {}
            ahead = _shared_out(shards.ahead, workers, lengths)
            for owner, share in _shared_out([task.sequences for task in left], workers, lengths).items():
                given[owner] = shards._replace(tasks=left[share], ahead=shards.ahead[ahead.get(owner, NOTHING)])
            what = {"what": "run", "parameters": to_serialize(parameters)}
            answers = await self._ask({owner: what | {"shards": pickle.dumps(one)} for owner, one in given.items()})
            for owner, one in given.items():
                answer = answers[owner]
                if not _is_done(answer):
                    self._note(owner, answer)
                    continue
                of_tasks = zip(answer["losses"], answer["gradients"], answer["carries"], strict=True)
                done = {task.number for task in one.tasks}
                results |= zip(sorted(done), of_tasks, strict=False)  # a sum goes by the number of its first shard
                left, n_done = [task for task in left if task.number not in done], n_done + 1
            since = await self._recover(since, n_done, len(given))
        return [results[number] for number in sorted(results)]

    # --------------------------------------------------------------------------------------------- workers and losses
    async def _ask(self, messages):
        """The answers of workers, by their addresses; None of one that is gone."""
        running = {
            address: asyncio.ensure_future(self._message(address, message)) for address, message in messages.items()
        }
        waiting = set(running.values())
        try:
            while waiting:
                _, waiting = await asyncio.wait(waiting, timeout=LOOK)
                if waiting:
                    await self._look()
                    for address, one in running.items():
                        if address not in self._workers and not one.done():
                            one.cancel()
        finally:
            for one in waiting:
                one.cancel()
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

    def _note(self, address, answer):
        """Note what an answer says that is none: whose parts are lost, or that a worker is to be told all again."""
        status = UNREACHED if answer is None else answer["status"]
        if status == LOST:
            self._lost.add(answer["owner"])
        elif status == UNTOLD:  # it has been started anew, with the address of one that was told before
            self._told = {key: told for key, told in self._told.items() if key[0] != address}
        self._troubled = address if answer is None else answer.get("owner", address)

    async def _look(self):
        """Ask the scheduler which workers there are; those that cannot give the same bits are left alone."""
        self._looked = time.monotonic()
        known = await self.client.scheduler.ncores()
        new = [address for address in known if address not in self._workers and address not in self._refused]
        if new:
            self._refused |= await differing(self.client, new)
        self._workers = {address: n for address, n in known.items() if address not in self._refused}
        self._told = {key: told for key, told in self._told.items() if key[0] in self._workers}

    async def _ready(self, recipe=None):
        """Workers that know where rows are, and the recipe if there is one; with their threads."""
        if time.monotonic() - self._looked > LOOK:
            await self._look()
        news = {"places": self._places, "recipe": recipe}
        for what, value in news.items():
            late = [each for each in self._workers if value is not None and self._told.get((each, what)) is not value]
            answers = await self._ask({each: {"what": f"take_{what}", what: to_serialize(value)} for each in late})
            for each, answer in answers.items():
                if answer is not None:
                    self._told[each, what] = value
        return {
            each: n
            for each, n in self._workers.items()
            if all(value is None or self._told.get((each, what)) is value for what, value in news.items())
        }

    async def _recover(self, since, n_done, n_asked):
        """Bring parts that are lost to other workers, if not all have answered; returns when something last went on."""
        if n_asked and n_done == n_asked:
            return time.monotonic()
        await asyncio.sleep(PAUSE)
        await self._look()
        owners = list(self._places.owners)
        lost = [k for k, owner in enumerate(owners) if owner not in self._workers or owner in self._lost]
        self._lost = set()
        if lost and self._workers:
            for k, one in zip(lost, await self._place(lost), strict=True):
                owners[k] = one.owner
            self._places = self._places._replace(owners=owners)
            return time.monotonic()
        if n_done:
            return time.monotonic()
        self._check_patience(since)
        return since

    def _check_patience(self, since):
        if time.monotonic() - since > PATIENCE:
            last = "" if self._troubled is None else f"; the last that did not was {self._troubled}"
            others = "".join(f" {text}" for text in self._refused.values())
            raise RuntimeError(
                f"No worker has answered for {PATIENCE:.0f} s{last}.{others} Start workers, and fit again; with the "
                "callback Checkpoint the fit goes on where it was."
            )


class LostWorkersError(Exception):
    """All workers are gone that tasks were for."""


async def _result(future):
    return await future


def _is_done(answer):
    return answer is not None and answer["status"] == DONE


def _shared_out(shards, workers, lengths):
    """For each worker a slice of the shards: so many that all workers are done at about the same time."""
    if not workers or not shards:
        return {}
    addresses, threads = sorted(workers), np.cumsum([workers[address] for address in sorted(workers)])
    steps = np.array([lengths[sequences].sum() for sequences in shards])
    middles = (np.cumsum(steps) - steps / 2) / steps.sum()
    bounds = np.searchsorted(middles, [0, *threads / threads[-1]], side="right").tolist()
    slices = map(slice, bounds[:-1], bounds[1:])
    return {address: one for address, one in zip(addresses, slices, strict=True) if one.start < one.stop}
