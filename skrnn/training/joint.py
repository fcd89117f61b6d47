"""Several networks, trained side by side on the same data: an epoch of each, then the next."""

import copy
from contextlib import ExitStack
from dataclasses import dataclass, field

from .._core.output import say
from .._core.threads import ShardPool
from .epoch import DivergenceError
from .run import INTERRUPTED, overflow_allowed
from .state import Observer, TrainingState


@dataclass
class JointState:
    """Where the training of several networks is.

    members : the `TrainingState` of each; notes : what observers remember, in plain values.
    """

    members: list
    notes: dict = field(default_factory=dict)

    @property
    def n_epochs(self):
        """Epochs of this run that are over: those of the networks that are trained longest."""
        return max(state.n_epochs for state in self.members)

    @property
    def n_updates(self):
        """Updates of all networks, of this run and earlier ones."""
        return sum(state.n_updates for state in self.members)

    @property
    def ended(self):
        """Whether nothing is left to do; may be set, for all networks."""
        return all(state.ended for state in self.members)

    @ended.setter
    def ended(self, value):
        for state in self.members:
            state.ended = value

    def to_plain(self):
        """Give the state as a dict of plain values; see `TrainingState.to_plain`."""
        members = [state.to_plain() for state in self.members]
        return {"seed": self.members[0].seed, "members": members, "notes": copy.deepcopy(self.notes)}

    @classmethod
    def from_plain(cls, plain, network, n_members):
        """The state of training so many networks that `to_plain` described; a ValueError if it is none."""
        if not isinstance(plain, dict) or set(plain) != {"seed", "members", "notes"}:
            raise ValueError(f"the state of training {n_members} networks has a seed, members and notes")
        members, notes = plain["members"], plain["notes"]
        if not isinstance(members, list) or len(members) != n_members:
            raise ValueError(f"members is not a list of {n_members} states of training")
        if not isinstance(notes, dict):
            raise ValueError(f"notes is {notes!r:.200}")
        members = [TrainingState.from_plain(member, network) for member in members]
        if plain["seed"] != members[0].seed:
            raise ValueError("seed is not that of the first network")
        return cls(members, notes)


class MemberObserver(Observer):
    """Stands for the observer of all networks in the training of one.

    Parameters
    ----------
    needs_predictions : bool
        See `Observer`.
    """

    def __init__(self, needs_predictions):
        self.needs_predictions = needs_predictions


class JointTraining:
    """A run of training several networks, which share nothing but the data; their result is `state`.

    Each epoch is a round: an epoch of each network that is still trained. As many as there are threads run side by
    side, in a thread each; those that are left over share the threads, shard by shard. So no bit depends on the number
    of threads, and observers see all networks after the same number of epochs.

    Parameters
    ----------
    trainings : list of Training
        Of each network, by mini-batches, with a `MemberObserver`, and not verbose.
    state : JointState
    settings : Settings
        Those of each, and whether to print a line for each network and epoch.
    observer : Observer
    """

    def __init__(self, trainings, state, settings, observer):
        self._trainings, self.state, self._observer = trainings, state, observer
        self._verbose = settings.verbose

    @property
    def settings(self):
        """How all are trained."""
        return self._trainings[0].settings

    @settings.setter
    def settings(self, settings):
        for training in self._trainings:
            training.settings = settings

    def range_test(self, rates):
        """That of the first network: see `Training.range_test`."""
        return self._trainings[0].range_test(rates)

    def run(self, optimizer, rows, held_out):
        """Train until each network has ended; see `Training.run`."""
        self.interrupted, n_threads = False, self.settings.n_threads
        with ExitStack() as stack:
            stack.enter_context(overflow_allowed())
            self._pool = stack.enter_context(ShardPool(min(n_threads, len(self._trainings))))
            for training in self._trainings:
                training.start(stack.enter_context(training.data.executor(n_threads)), optimizer, rows, held_out)
            try:
                self._observer.begin_fit()
                for training in self._trainings:
                    training.begin_epochs()
                while going := [k for k, training in enumerate(self._trainings) if training.has_epochs]:
                    self._round(going)
            except KeyboardInterrupt:
                self.interrupted = True
            return self._end()

    def _round(self, going):
        """An epoch of each of the networks with these numbers."""
        self._observer.begin_epoch()
        n_threads, lines = self.settings.n_threads, {}
        n_alone = len(going) // n_threads * n_threads
        self._side_by_side(going[:n_alone], 1, lines)
        if left := going[n_alone:]:
            self._side_by_side(left, n_threads // len(left), lines)
        if self._verbose:
            for k in sorted(lines):
                say(f"Network {k}: {lines[k]}")
        if self._observer.end_epoch():
            self.state.ended = True

    def _side_by_side(self, numbers, n_threads, lines):
        """An epoch of each of these networks, with so many threads for each; `lines` gets what there is to say."""

        def train(i, _):
            training = self._trainings[numbers[i]]
            training.objective.executor.n_workers = n_threads
            with overflow_allowed():  # it holds for a thread
                try:
                    training.epoch()
                    lines[numbers[i]] = training.monitor.line
                except DivergenceError as error:  # the others go on
                    training.state.problem, training.state.ended = training.settle(str(error)), True

        self._pool.run(train, len(numbers), len(numbers))

    def _end(self):
        """Settle each network; returns the text of a warning, or None."""
        problems = []
        for training in self._trainings:
            state = training.state
            problem = training.settle() or state.problem or (INTERRUPTED if self.interrupted else training.unfinished())
            if not self.interrupted:
                state.ended, state.problem = True, problem
            problems.append(problem)
        if len(set(problems)) == 1:
            return problems[0]
        return " ".join(f"Network {k}: {problem}" for k, problem in enumerate(problems) if problem)
