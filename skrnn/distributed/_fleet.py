"""The work of a fit that workers do: rows of X, functions of pieces, shards."""

import numpy as np
from distributed.protocol import pickle, to_serialize

from ._check import gone
from ._patience import RESUME, Patience
from ._placement import Placement
from ._pool import WorkerPool
from ._ranges import Rows, put
from ._worker import DONE, LOST, UNREACHED, UNTOLD

PIECES = 64  # that a worker is asked to look at at a time, for each of its threads
NOTHING = slice(0)


class Fleet:
    """Workers that keep the parts of X, and run shards; to be used in a ``with`` statement.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client):
        self._client, self._pool = client, WorkerPool(client)
        self._placement = Placement(self._pool)

    def __enter__(self):
        self._pool.__enter__()
        return self

    def __exit__(self, *exception):
        self._pool.__exit__(*exception)

    def place(self, partitions):
        """Bring `Parts` to workers; returns a `Kept` for each."""
        return self._sync(self._placement.place, partitions)

    def have(self, kept, dtype, n_channels):
        """Say what the parts have in common, once that is known; returns their `Places`."""
        return self._placement.have(kept, dtype, n_channels)

    def _sync(self, function, *given):
        """What a coroutine returns; of a cluster that is gone the error says so, whatever was the first to notice."""
        try:
            return self._client.sync(function, *given)
        except Exception as error:
            if self._client.status == "running":
                raise
            raise RuntimeError(f"{gone(self._client)} {RESUME}") from error

    # ----------------------------------------------------------------------------------------------------------- rows
    def rows(self, rows):
        """The values of some rows of all steps, one range after the other."""
        return self._sync(self._rows, rows)

    async def _rows(self, rows):
        offsets, places = rows.offsets, self._placement.places
        out = np.empty((int(offsets[-1]), places.n_channels), places.dtype)
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
        return PIECES * max(1, sum(self._pool.threads.values()))

    def map(self, function, pieces):
        """What a function says of each `Piece`, called by the worker that has the middle of the piece."""
        given = [(piece, self._placement.places.between(piece.begin, piece.end)) for piece in pieces]
        results = self._sync(self._map, function, given)
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
        patience, left = Patience(self._pool), np.arange(len(rows.begins))
        while len(left):
            places = self._placement.places
            workers = await self._pool.told(places=places)
            groups = places.by_owner(rows.take(left))
            asked = {owner: left[which] for owner, which in groups.items() if owner in workers}
            answers, n_done = await self._pool.ask({owner: message(which) for owner, which in asked.items()}), 0
            for owner, which in asked.items():
                if not _is_done(answers[owner]):
                    self._note(owner, answers[owner])
                    continue
                take(which, answers[owner])
                left, n_done = np.setdiff1d(left, which), n_done + 1
            await self._recover(patience, n_done, len(groups))

    # ------------------------------------------------------------------------------------------------------- shards
    def run(self, recipe, parameters, shards):
        """Run `Shards` on workers; returns loss, packed gradient and last states of each, in their order.

        The first ones may be added up, to one loss and gradient.
        """
        return self._sync(self._run, recipe, parameters, shards)

    async def _run(self, recipe, parameters, shards):
        patience, left, results, lengths = Patience(self._pool), shards.tasks, {}, recipe.data.lengths
        while left:
            workers, n_done, given = await self._pool.told(places=self._placement.places, recipe=recipe), 0, {}
            ahead = _shared_out(shards.ahead, workers, lengths)
            for owner, share in _shared_out([task.sequences for task in left], workers, lengths).items():
                given[owner] = shards._replace(tasks=left[share], ahead=shards.ahead[ahead.get(owner, NOTHING)])
            message = {"what": "run", "parameters": to_serialize(parameters)}
            messages = {owner: message | {"shards": pickle.dumps(one)} for owner, one in given.items()}
            answers = await self._pool.ask(messages)
            for owner, one in given.items():
                answer = answers[owner]
                if not _is_done(answer):
                    self._note(owner, answer)
                    continue
                of_tasks = zip(answer["losses"], answer["gradients"], answer["carries"], strict=True)
                done = {task.number for task in one.tasks}
                results |= zip(sorted(done), of_tasks, strict=False)  # a sum goes by the number of its first shard
                left, n_done = [task for task in left if task.number not in done], n_done + 1
            await self._recover(patience, n_done, len(given))
        return [results[number] for number in sorted(results)]

    # ------------------------------------------------------------------------------------------------ what is not done
    def _note(self, address, answer):
        """Note what an answer says that is none: whose parts are lost, or that a worker is to be told all again."""
        status = UNREACHED if answer is None else answer["status"]
        if status == LOST:
            self._placement.note_lost(answer["owner"])
        elif status == UNTOLD:
            self._pool.forget(address)
        self._pool.silent = address if answer is None else answer.get("owner", address)

    async def _recover(self, patience, n_done, n_asked):
        """Bring parts that are lost to other workers, if not all have answered."""
        if n_done:
            patience.reset()
        if n_asked and n_done == n_asked:
            return
        await self._pool.pause()
        await self._placement.recover(patience)
        await patience.check("No worker has answered", "Workers must be able to connect to each other.")


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
