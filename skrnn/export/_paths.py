"""Labels that are not aligned with the steps, as nodes: those of the best path."""

import numpy as np

from ..estimators.tasks._classes import Classes
from ._head import HeadWriter
from ._networks import SequenceReader
from ._targets import Output, check_task, label_array


class PathWriter(SequenceReader):
    """Writes the most probable symbol at each step, with repeated ones and blanks left out.

    Parameters
    ----------
    estimator : CTCClassifier
    """

    puts_out_sequences = True

    def __init__(self, estimator):
        super().__init__(estimator)
        self.classes = estimator.classes_
        check_task(self.name, Classes(self.classes, per_step=False))
        if estimator.beam_width != 1:
            raise ValueError(
                f"This {self.name} searches with beam_width={estimator.beam_width}, which has no form in ONNX: export "
                "it with set_params(beam_width=1), which takes the best path."
            )
        self.head = HeadWriter(self.network, self.weights)

    def check_step(self):
        """Refuse: labels of the end may join others."""
        raise ValueError(f"{self.name} puts labels out when it has read all of X: use step=False.")

    def sequences(self, graph, X, lengths):
        """`Output`s of all sequences, from X (n, T, C) and lengths (n,)."""
        steps, wrong = self.read(graph, X, lengths)
        steps = self.stack.sequences(graph, steps)
        raw = graph.node("Add", self.head.sequences(graph, steps), wrong)
        blank = len(self.classes)
        symbols = graph.node("ArgMax", raw, axis=2, keepdims=0)
        symbols = graph.node("Where", graph.node("Squeeze", steps.exist, [2]), symbols, np.int64(blank))
        none = graph.node("Add", graph.node("Mul", graph.slice(symbols, 0, 1, 0), np.int64(0)), np.int64(blank))
        before = graph.node("Concat", none, graph.slice(symbols, 0, -1, 0), axis=0)
        repeated = graph.node("Equal", symbols, before)
        counts = graph.node("Not", graph.node("Or", repeated, graph.node("Equal", symbols, np.int64(blank))))
        counts = graph.cast(counts, np.int64)
        number = graph.node("GatherElements", symbols, self._order(graph, counts), axis=0)
        labels = label_array(self.name, self.classes)
        names = graph.node("Gather", labels, graph.node("Min", number, np.int64(blank - 1)), axis=0)
        kind = np.dtype(np.str_) if labels.dtype.kind == "O" else labels.dtype
        yield Output("labels", graph.node("Transpose", names, perm=[1, 0]), kind, ["longest"])
        is_odd = graph.node("IsNaN", self._sum(graph, steps._replace(values=raw).masked(graph)))
        n_labels = graph.reduce("ReduceSum", counts, 0)
        yield Output("output_lengths", graph.node("Where", is_odd, np.int64(-1), n_labels), np.dtype(np.int64), [])

    def _order(self, graph, counts):
        """For each sequence the numbers of the steps that count, and then those of others, (T, n)."""
        n_steps = graph.size(counts, 0)
        late = graph.node("Range", np.int64(0), graph.node("Squeeze", n_steps), np.int64(1))
        to_end = graph.node("Unsqueeze", graph.node("Sub", n_steps, late), [1])
        return graph.node("TopK", graph.node("Mul", counts, to_end), n_steps, n_outputs=2, axis=0)[1]

    def _sum(self, graph, raw):
        """0 for each sequence, or NaN if one of its raw predictions is not finite."""
        nothing = graph.node("Mul", raw, graph.dtype.type(0))
        return graph.reduce("ReduceSum", graph.reduce("ReduceSum", nothing, 0), -1)
