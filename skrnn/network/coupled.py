"""Raw predictions that depend on targets, where both are known."""

from ..kernels.copies import copy_all
from ..kernels.program import Instruction, Program


def add_targets(network, theta, raw, y):
    """Add to raw predictions, in place, what the targets y before each in its row make of them; both have n rows."""
    packed = network.memory.allocate_packed()
    pack = Instruction("pack", copy_all, (theta, packed.memory, network.pack_table(theta, packed)))
    Program([pack, *network.head.coupling.forward(packed.group("coupling"), y, raw, len(y))]).run()
