"""What runs programs: compiled loops over addresses, which know neither kernels nor networks.

The driver works off mini-batches. For each it runs the program ``batch``; then groups of shards, as many at a time as
there is memory for gradients: ``group`` says how many shards the next one has (none: there are no more), a worker takes
one after the other through its own program, and ``gather`` adds up what came of them; then ``judge``, which may stop
everything, and ``update``.

The thread that leads waits for shards that others have begun, never for a thread: one that comes late finds nothing to
do. What threads agree on stands in the words below; NEXT holds the number of shards of the group in its upper half and
the next one in its lower half, so that one atomic addition takes a shard.
"""

import os

from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from ._jit import kernel, stage

I32, I64 = ir.IntType(32), ir.IntType(64)
VOID = ir.PointerType()
LOW = 0xFFFFFFFF
SPINS = 2000  # pauses before a waiting thread begins to give its core away
PATIENCE = 20_000  # looks for work, most of them with the core given away, before a thread stops to look

# Words of a driver. Those that several threads write have cache lines of their own. FAILED holds the number of the
# instruction that has failed, counted from 1, and in its upper half the worker whose shard it was.
N_SHARDS, HAS_WEIGHT, IS_OVER, STATUS, FAILED, LEFT, BUDGET, BATCH, GROUP, GATHER, JUDGE, UPDATE, SHARDS = range(13)
NEXT, DONE, HALT, WORKERS, N_WORDS = 16, 24, 32, 40, 48  # WORKERS: address of (program, place for a shard's number)
IS_X86 = cpu_target.target_context.codegen().magic_tuple()[0].startswith(("x86_64", "i686"))

if config.DISABLE_JIT:
    # Programs run in Python then; these give the functions below something to call.
    def _absent(*_):
        raise NotImplementedError("addresses are of use to compiled code only")

    load_word = store_word = call = atomic_add = atomic_load = atomic_store = pause = yield_core = _absent
else:

    def _pointer(builder, address):
        return builder.inttoptr(address, I64.as_pointer())

    @intrinsic
    def load_word(typing, address):
        """The word at an address."""

        def generate(context, builder, signature, args):
            return builder.load(_pointer(builder, args[0]))

        return types.int64(types.int64), generate

    @intrinsic
    def store_word(typing, address, value):
        def generate(context, builder, signature, args):
            builder.store(args[1], _pointer(builder, args[0]))
            return context.get_dummy_value()

        return types.none(types.int64, types.int64), generate

    @intrinsic
    def call(typing, function, frame):
        """Call a caller (see `_native`) with a frame; returns the status of the kernel, 0 if it has not raised."""

        def generate(context, builder, signature, args):
            shape = ir.FunctionType(I32, [I64])
            status = builder.call(builder.inttoptr(args[0], shape.as_pointer()), [args[1]])
            return builder.zext(status, I64)

        return types.int64(types.int64, types.int64), generate

    @intrinsic
    def atomic_add(typing, address, value):
        """Add to a word; returns what it was before."""

        def generate(context, builder, signature, args):
            return builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], "acq_rel")

        return types.int64(types.int64, types.int64), generate

    @intrinsic
    def atomic_load(typing, address):
        def generate(context, builder, signature, args):
            return builder.load_atomic(_pointer(builder, args[0]), "acquire", 8)

        return types.int64(types.int64), generate

    @intrinsic
    def atomic_store(typing, address, value):
        def generate(context, builder, signature, args):
            builder.store_atomic(args[1], _pointer(builder, args[0]), "release", 8)
            return context.get_dummy_value()

        return types.none(types.int64, types.int64), generate

    @intrinsic
    def pause(typing):
        """Tell the core that this is a loop that waits."""

        def generate(context, builder, signature, args):
            shape = ir.FunctionType(ir.VoidType(), [])
            if IS_X86:
                builder.call(cgutils.get_or_insert_function(builder.module, shape, "llvm.x86.sse2.pause"), [])
            else:
                builder.asm(shape, "yield", "", [], True)
            return context.get_dummy_value()

        return types.none(), generate

    @intrinsic
    def yield_core(typing):
        """Let other threads run; the system's function is found by its name when the code is loaded."""
        name, result = ("SwitchToThread", I32) if os.name == "nt" else ("sched_yield", I32)

        def generate(context, builder, signature, args):
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, []), name)
            builder.call(function, [])
            return context.get_dummy_value()

        return types.none(), generate


@kernel
def execute(program):
    """Run a program; returns the number of the instruction that has failed, counted from 1, or 0."""
    for k in range(load_word(program)):
        pair = program + 16 * k + 8
        if call(load_word(pair), load_word(pair + 8)) != 0:
            return k + 1
    return 0


@stage
def _run(words, number):
    """Run one of the leader's programs; returns whether it ended well."""
    failed = execute(load_word(words + 8 * number))
    if failed:
        store_word(words + 8 * FAILED, failed)
        atomic_store(words + 8 * STATUS, number)
    return failed == 0


@stage
def _take_shards(words, worker):
    """Take shards of the group until there are none; returns how many."""
    n_taken, place = 0, load_word(words + 8 * WORKERS) + 16 * worker
    while True:
        seen = atomic_load(words + 8 * NEXT)
        if seen & LOW >= seen >> 32:
            return n_taken
        claim = atomic_add(words + 8 * NEXT, 1)
        if claim & LOW >= claim >> 32:
            return n_taken
        n_taken += 1
        if atomic_load(words + 8 * STATUS) == 0:  # else memory stays as it is, to say what has failed
            store_word(load_word(place + 8), claim & LOW)
            failed = execute(load_word(place))
            if failed:
                store_word(words + 8 * FAILED, worker << 32 | failed)
                atomic_store(words + 8 * STATUS, SHARDS)
        atomic_add(words + 8 * DONE, 1)


@stage
def _run_group(words, n_shards):
    """Run a group of shards, with those who help; returns whether all ended well."""
    atomic_store(words + 8 * DONE, 0)
    atomic_store(words + 8 * NEXT, n_shards << 32)  # from here on there is work
    _take_shards(words, 0)
    spins = 0
    while atomic_load(words + 8 * DONE) < n_shards:
        spins += 1
        if spins < SPINS:
            pause()
        else:
            yield_core()
    return atomic_load(words + 8 * STATUS) == 0


@stage
def _run_batch(words):
    """One mini-batch; returns whether the next may follow."""
    if not _run(words, BATCH):
        return False
    while True:
        if not _run(words, GROUP):
            return False
        n_shards = load_word(words + 8 * N_SHARDS)
        if n_shards == 0:
            break
        if not _run_group(words, n_shards) or not _run(words, GATHER):
            return False
    if load_word(words + 8 * HAS_WEIGHT) == 0:
        return True
    return _run(words, JUDGE) and load_word(words + 8 * IS_OVER) == 0 and _run(words, UPDATE)


@kernel
def lead(words):
    """Work off as many mini-batches as ``words[BUDGET]`` says, or fewer if the last has come or something is wrong."""
    budget = load_word(words + 8 * BUDGET)
    while budget > 0 and load_word(words + 8 * LEFT) > 0 and _run_batch(words):
        budget -= 1
    atomic_store(words + 8 * HALT, 1)


@kernel
def help_out(words, worker):
    """Take shards whenever there are some, until the leader halts, or there have been none for long."""
    idle = 0
    while idle < PATIENCE and atomic_load(words + 8 * HALT) == 0:
        if _take_shards(words, worker) > 0:
            idle = 0
        idle += 1
        if idle < SPINS:
            pause()
        else:
            yield_core()
