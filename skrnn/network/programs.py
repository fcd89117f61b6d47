"""The programs for shards in the memory of one thread."""

from .._core.cached import cached_property
from ..kernels.program import Program
from .plan import Shard


class ShardPrograms:
    """The programs that take a shard through a network, forward and back.

    What goes through is what the plan says when they run. A program is laid out when it is first asked for.

    Parameters
    ----------
    stack : Stack
    head : Head
    packed : Arena
        Packed weights; threads share them.
    memory : ThreadMemory
    mode : Mode
    keys : Keys, default=None
        Of the masks, if the mode is noisy.
    gradient : MovingArena, default=None
        Where gradients of packed weights go, if there is a way back.
    """

    def __init__(self, stack, head, packed, memory, mode, keys=None, gradient=None):
        self.stack, self.head, self.memory, self.plan = stack, head, memory, memory.plan
        self.shard = Shard(packed, memory.buffers, memory.plan, mode, keys, gradient, memory.outputs)

    @cached_property
    def forward(self):
        """Find where the steps lie, and run them from states of 0 up to the outputs of the top level."""
        return self._forward(None)

    @cached_property
    def forward_from_given(self):
        """The same, from states that are given."""
        return self._forward(self.memory.given)

    def _forward(self, given):
        place = [] if self.shard.gradient is None else self.shard.gradient.place(self.plan.counts)
        return Program([*self.plan.lay_out(), *place, *self.stack.forward(self.shard, given)])

    @cached_property
    def pool(self):
        """Pool the outputs of the top level."""
        return Program(self.head.pool(self.shard))

    @cached_property
    def read_out(self):
        """Raw predictions from pooled outputs."""
        return Program(self.head.read_out(self.shard))

    @cached_property
    def final(self):
        """Bring the states behind the last steps together."""
        return Program(self.stack.final_states(self.shard, self.memory.final))

    @cached_property
    def backward_read_out(self):
        """From the gradients of raw predictions to those of pooled outputs."""
        return Program(self.head.backward_read_out(self.shard))

    @cached_property
    def backward(self):
        """From the gradients of pooled outputs to those of all weights below them."""
        d_last = self.head.d_last(self.shard.buffers)
        return Program([*self.head.backward_pool(self.shard), *self.stack.backward(self.shard, d_last)])

    def run_forward(self, data, segment, carry=None, n_known=0):
        """Run a stretch of the sequences of `data` forward, from the states of a carry (None: 0).

        n_known : for how many sequences, the first ones, the gradients of the states behind the segment stand in the
        buffers, because that segment was the last one that went back through them.
        """
        self._values = None  # those of the segment before go first: both together may be a large part of the memory
        self._values, begins = data.read(segment)  # kept, as kernels know the address only
        n = len(segment.sequences)
        self.memory.set_values(self._values, data)
        self.plan.set(segment, begins, n_known=n_known)
        if carry is None:
            self.forward.run()
        else:
            self.stack.from_carry(carry, self.memory.given, n)
            self.forward_from_given.run()

    def carry(self, n_sequences):
        """The states behind the last steps, of the first sequences."""
        self.final.run()
        return self.stack.to_carry(self.memory.final, n_sequences)
