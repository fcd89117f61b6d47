"""Fitted estimators with a recurrent network as nodes: from X and lengths to predictions, or a step of it."""

from functools import partial, reduce
from typing import NamedTuple

import numpy as np

from ..estimators._classifier import RNNClassifier
from ..estimators._prediction import network_and_thetas
from ..estimators._regressor import RNNRegressor
from ._head import HeadWriter
from ._inputs import InputWriter, input_dtype
from ._stack import StackWriter, Steps, which_exist
from ._steps import ConvolvedSteps, PlainSteps
from ._targets import Output, check_task, write_outputs

SUPERVISED = (RNNClassifier, RNNRegressor)


class SequenceReader:
    """Writes how a fitted estimator reads sequences, up to what its first layer gets.

    Parameters
    ----------
    estimator : object
        A fitted estimator with a network.
    """

    per_step = puts_out_sequences = False

    def __init__(self, estimator):
        self.network, thetas = network_and_thetas(estimator)
        each = [self.network.layout.views(theta) for theta in thetas]
        self.stacks = [StackWriter(self.network.stack, weights) for weights in each]
        self.stack, self.weights = self.stacks[0], each[0]
        self.encoder, self.dtype, self.structure = estimator.inputs_, self.network.dtype, self.network.structure
        self.name, self.inputs = type(estimator).__name__, InputWriter(estimator.inputs_)

    @property
    def input_dtype(self):
        """Of X, where nothing else is wanted."""
        return input_dtype(self.encoder, self.dtype)

    @property
    def input_shape(self):
        """Of X behind the axes of sequences and steps."""
        return [] if self.inputs.has_one_token else [self.encoder.n_channels]

    def read(self, graph, X, lengths):
        """`Steps` of what the first layer or a convolution gets, and NaN (n, 1) where something is wrong, else 0."""
        columns, of_steps, wrong = self.read_columns(graph, X, lengths)
        return self.stack.front_of_steps(graph, columns, of_steps), wrong

    def read_columns(self, graph, X, lengths):
        """`Columns` of all steps, `Steps` without values, and NaN (n, 1) where something is wrong, else 0."""
        by_time = [1, 0] if self.inputs.has_one_token else [1, 0, 2]
        X = graph.node("Transpose", X, perm=by_time)
        wrong = _wrong_lengths(graph, X, lengths)
        # Others would be errors of some operators, for all sequences.
        lengths = graph.node("Min", graph.node("Max", lengths, np.int64(1)), graph.size(X, 0))
        exist = which_exist(graph, X, lengths)
        columns = self.inputs.sequences(graph, X)
        for each in self._wrong(graph, columns):
            of_steps = graph.reduce("ReduceSum", graph.node("Where", exist, each, graph.dtype.type(0)), 0)
            wrong = graph.node("Add", wrong, graph.reduce("ReduceSum", of_steps, -1, keepdims=True))
        return columns, Steps(None, lengths, exist), wrong

    def _wrong(self, graph, columns):
        """NaN in place of what `predict` refuses of the columns, else 0."""
        if columns.numbers is not None:
            yield graph.node("Mul", columns.numbers, graph.dtype.type(0))
        for each in columns.wrong:
            yield graph.cast(each, graph.dtype)


class Member(NamedTuple):
    """The layers of one network, its pooling and readout, and a step of both."""

    stack: StackWriter
    head: HeadWriter
    steps: PlainSteps | ConvolvedSteps


class NetworkWriter(SequenceReader):
    """Writes what a fitted classifier, regressor or transformer makes of sequences; of several networks the mean.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor or SequenceTransformer
    """

    def __init__(self, estimator):
        super().__init__(estimator)
        self.task, poolings = None, None
        if isinstance(estimator, SUPERVISED):
            self.task = estimator._restored_task()
            check_task(self.name, self.task)
            self.per_step = self.task.per_step
        else:
            poolings = estimator._exported_poolings()
        self.n_features = self.network.stack.n_top_units * len(poolings or ())
        self.members = [self._member(stack, poolings) for stack in self.stacks]

    def _member(self, stack, poolings):
        head = HeadWriter(self.network, stack.weights, poolings)
        if self.structure.convolution is None:
            return Member(stack, head, PlainSteps(stack, head))
        return Member(stack, head, ConvolvedSteps(stack, head, self.n_features or self.network.n_outputs))

    def sequences(self, graph, X, lengths):
        """`Output`s of all sequences, from X (n, T, C) and lengths (n,)."""
        columns, of_steps, wrong = self.read_columns(graph, X, lengths)
        each = []
        for stack, head, _ in self.members:
            steps = stack.sequences(graph, stack.front_of_steps(graph, columns, of_steps))
            each.append(head.sequences(graph, steps))
        raw = graph.node("Add", _mean_of(graph, each), wrong)
        if self.per_step:
            raw = graph.node("Transpose", raw, perm=[1, 0, 2])
        return self._outputs(graph, raw, 2 if self.per_step else 1)

    def _outputs(self, graph, raw, axis):
        if self.task is None:
            return [Output("features", raw, graph.dtype, [self.n_features])]
        return list(write_outputs(graph, self.task, raw, axis))

    # ------------------------------------------------------------------------------------------------ one step
    def check_step(self):
        """Refuse networks that cannot read step by step."""
        if self.structure.bidirectional:
            raise ValueError(
                f"This {self.name} reads sequences backward, too, from an end that single steps do not have: fit it "
                "with bidirectional=False, or export whole sequences with step=False."
            )

    def state_shapes(self):
        """Dict of the names of states, as in a `Stream`, to a dtype and a shape."""
        shapes = {}
        for k, member in enumerate(self.members):
            shapes |= {_of_member(k, name): kind for name, kind in member.steps.state_shapes().items()}
        return shapes | self.inputs.state_shapes()

    def step(self, graph, X, states):
        """`Output`s after a step X (n, C), and the states after it."""
        begins = graph.node("Equal", graph.node("Unsqueeze", states["steps"], [1]), np.int64(0))
        columns, of_inputs = self.inputs.step(graph, X, states, begins)
        raws, after = [], {}
        for k, (stack, _, steps) in enumerate(self.members):
            own = {name: states[_of_member(k, name)] for name in steps.state_shapes()}
            raw, left = steps.step(graph, stack.front(graph, columns), own)
            raws.append(raw)
            after |= {_of_member(k, name): value for name, value in left.items()}
        raw = _mean_of(graph, raws)
        for each in self._wrong(graph, columns):
            raw = graph.node("Add", raw, graph.reduce("ReduceSum", each, -1, keepdims=True))
        return self._outputs(graph, raw, 1), after | of_inputs


def _wrong_lengths(graph, X, lengths):
    """NaN for sequences of no step, or of more than X has, else 0; (n, 1)."""
    some = graph.node("Greater", lengths, np.int64(0))
    some = graph.node("And", some, graph.node("LessOrEqual", lengths, graph.size(X, 0)))
    wrong = graph.node("Where", some, graph.dtype.type(0), graph.dtype.type(np.nan))
    return graph.node("Unsqueeze", wrong, [1])


def _mean_of(graph, each):
    """The mean of the raw predictions of networks."""
    if len(each) == 1:
        return each[0]
    # ONNX Runtime has no Mean of double precision
    return graph.node("Div", reduce(partial(graph.node, "Add"), each), graph.dtype.type(len(each)))


def _of_member(k, name):
    """Name of a state of network number k, as in a `Stream`."""
    return f"networks.{k}.{name}" if k else name
