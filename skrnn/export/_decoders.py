"""Networks that put out sequences, as nodes: a decoder that reads, at each step, what it has put out before."""

import numpy as np

from ..estimators._seq2seq_classifier import Seq2SeqClassifier
from ..estimators.tasks._classes import Classes
from ._inputs import Columns
from ._networks import SequenceReader
from ._stack import StackWriter
from ._targets import Output, check_task, label_array, linked, scaled


class DecoderWriter(SequenceReader):
    """Writes what an estimator puts out for sequences: the most probable label at each step, or numbers.

    Parameters
    ----------
    estimator : Seq2SeqClassifier or Seq2SeqRegressor
    """

    puts_out_sequences = True

    def __init__(self, estimator):
        super().__init__(estimator)
        task = self.task = estimator._restored_task()
        self.of_labels = isinstance(estimator, Seq2SeqClassifier)
        check_task(self.name, Classes(task.classes, per_step=False) if self.of_labels else task.of_rows)
        if self.of_labels and estimator.beam_width != 1:
            raise ValueError(
                f"This {self.name} searches with beam_width={estimator.beam_width}, which has no form in ONNX: export "
                "it with set_params(beam_width=1), which takes the most probable label at each step."
            )
        if not self.of_labels and task.n_steps is None:
            raise ValueError(
                f"The outputs that this {self.name} was fitted on had different lengths, so that a model does not know "
                "how many rows to put out: fit with outputs of one length."
            )
        self.n_steps = task.n_steps if not self.of_labels else _longest(estimator, task)
        self.head = self.network.head
        self.decoder = StackWriter(self.head.stack, self.weights, "decoder.")

    def check_step(self):
        """Refuse: what it puts out begins when a sequence has ended."""
        raise ValueError(
            f"{self.name} puts sequences out when it has read all of X: export whole sequences with step=False."
        )

    def sequences(self, graph, X, lengths):
        """`Output`s of all sequences, from X (n, T, C) and lengths (n,)."""
        steps, wrong = self.read(graph, X, lengths)
        final = {}
        steps = self.stack.sequences(graph, steps, final)
        source = steps._replace(values=steps.masked(graph))
        keys = None
        if self.head.attention:
            keys = graph.node("MatMul", source.values, self.weights["attention.W_k"])
        states = [state for bridge in self.head.bridges for state in self._handed_over(graph, bridge, final)]
        write = self._labels if self.of_labels else self._numbers
        return list(write(graph, states, (source, keys), wrong))

    def _handed_over(self, graph, bridge, final):
        """The states that a level of the decoder starts from."""
        found = [state for name in bridge.source.directions for state in final[bridge.source.name_of(name)]]
        if not bridge.map:
            return found
        joined = graph.node("Concat", *found, axis=1)
        mapped = graph.node("MatMul", joined, self.weights[f"{bridge.name}.W"])
        mapped = graph.node("Add", mapped, self.weights[f"{bridge.name}.b"])
        H = bridge.target.n_state
        return graph.split(mapped, [H] * (bridge.n_outputs // H), axis=1)

    def _step(self, graph, states, columns, source):
        """Raw predictions after a step that reads `columns`, and the states."""
        names = list(self.decoder.state_shapes())
        vectors = self.decoder.front(graph, columns)
        y, after = self.decoder.step(graph, vectors, dict(zip(names, states, strict=True)))
        if self.head.attention:
            y = self._attend(graph, y, *source)
        raw = graph.node("Add", graph.node("MatMul", y, self.weights["readout.W"]), self.weights["readout.b"])
        return raw, [after[name] for name in names]

    def _attend(self, graph, y, source, keys):
        """What the readout gets of the outputs y (n, H) of the decoder: see `network.layers.attention`."""
        w = {name: self.weights[f"attention.{name}"] for name in self.head.attention.shapes}
        if self.head.attention.is_additive:
            query = graph.node("Add", graph.node("MatMul", y, w["W_q"]), w["b"])
            scores = graph.node("MatMul", graph.node("Tanh", graph.node("Add", keys, query)), w["v"][:, np.newaxis])
        else:
            scores = graph.reduce("ReduceSum", graph.node("Mul", keys, y), -1, keepdims=True)
            scores = graph.node("Mul", scores, graph.dtype.type(1 / np.sqrt(self.head.attention.n_units)))
        scores = source._replace(values=scores).masked(graph, -np.inf)
        weighted = graph.node("Mul", source.values, graph.node("Softmax", scores, axis=0))
        both = graph.node("Concat", y, graph.reduce("ReduceSum", weighted, 0), axis=1)
        return graph.node("Tanh", graph.node("Add", graph.node("MatMul", both, w["W_c"]), w["b_c"]))

    # ------------------------------------------------------------------------------------------------ what comes out
    def _labels(self, graph, states, source, wrong):
        """The most probable label at each step, until the end mark."""
        code = graph.node("Expand", np.int64(0), graph.size(wrong, 0))
        is_on = graph.node("Equal", code, np.int64(0))

        def step(body, states, _):
            code, is_on, *states = states
            raw, states = self._step(body, states, Columns(None, [code], []), source)
            number = body.node("ArgMax", raw, axis=1, keepdims=0)
            is_on = body.node("And", is_on, body.node("Not", body.node("Equal", number, np.int64(self.task.end))))
            code = body.node("Where", is_on, body.node("Add", number, np.int64(1)), np.int64(0))
            odd = body.reduce("ReduceSum", body.node("Mul", raw, body.dtype.type(0)), 1)
            return [code, is_on, *states], [code, odd]

        codes, odd = graph.scan(step, [code, is_on, *states], [np.zeros(self.n_steps, np.int64)])
        labels = label_array(self.name, self.task.classes)
        kind = np.dtype(np.str_) if labels.dtype.kind == "O" else labels.dtype
        number = graph.node("Max", graph.node("Sub", codes, np.int64(1)), np.int64(0))
        names = graph.node("Transpose", graph.node("Gather", labels, number, axis=0), perm=[1, 0])
        yield Output("labels", names, kind, [self.n_steps])
        exist = graph.cast(graph.node("Greater", codes, np.int64(0)), np.int64)
        lengths = graph.reduce("ReduceSum", exist, 0)
        wrong = graph.node("Add", graph.reduce("ReduceSum", odd, 0), graph.node("Squeeze", wrong, [1]))
        is_odd = graph.node("IsNaN", wrong)
        yield Output("output_lengths", graph.node("Where", is_odd, np.int64(-1), lengths), np.dtype(np.int64), [])

    def _numbers(self, graph, states, source, wrong):
        """Rows of numbers, each of which the next step reads."""
        of_rows = self.task.of_rows
        zeros = graph.filled(graph.dtype.type(0), wrong, of_rows.n_outputs)

        def step(body, states, _):
            raw, after = self._step(body, states[1:], Columns(states[0], [], []), source)
            read = linked(body, of_rows.loss, raw)
            return [read, *after], [read]

        (found,) = graph.scan(step, [zeros, *states], [np.zeros(self.n_steps, np.int64)])
        found = graph.node("Transpose", graph.node("Add", found, wrong), perm=[1, 0, 2])
        y = scaled(graph, of_rows, found, 2)
        yield Output("predictions", y, np.dtype(np.float64), [self.n_steps, *of_rows.shape])


def _longest(estimator, task):
    """Most labels of an output."""
    return task.max_output_length if estimator.max_output_length == "auto" else estimator.max_output_length
