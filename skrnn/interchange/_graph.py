"""What is asked of the graph of an ONNX model: its constants, and how its recurrent nodes follow each other."""

import numpy as np

# Their output holds elements of their first input, all in the same order of rows or not; no arithmetic.
MOVES = {
    "Cast",
    "Expand",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
}
BETWEEN = {"Dropout", "Identity", "Reshape", "Squeeze", "Transpose"}
DOMAINS = ("", "ai.onnx")


class Graph:
    """A graph of ONNX: its recurrent nodes in order, and questions about their inputs."""

    def __init__(self, onnx, graph, recurrent_ops):
        self.onnx = onnx
        self.inputs = {value.name for value in graph.input}
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output if name}
        self._check_order(graph)
        self.recurrent = [n for n in graph.node if n.op_type in recurrent_ops and n.domain in DOMAINS]
        if not self.recurrent:
            found = ", ".join(sorted({node.op_type for node in graph.node})) or "no nodes"
            raise ValueError(f"The model has no RNN, GRU or LSTM node in its main graph; it has {found}.")

    def _check_order(self, graph):
        """Refuse cycles, in which a search for the source of a value would not end."""
        made = set()
        for node in graph.node:
            late = [name for name in node.input if name in self.producers and name not in made]
            twice = [name for name in node.output if name in made]
            if late or twice:
                raise ValueError(
                    f"{self.label(node)}: {(late or twice)[0]!r} is used before it is made, or made twice; the model "
                    "is not valid."
                )
            made.update(name for name in node.output if name)

    @staticmethod
    def label(node):
        """How messages call a node."""
        return f"{node.op_type} node {node.name or next(iter(node.output), '')!r}"

    def input(self, node, number):
        """Name of an input of a node; empty if it is left out."""
        return node.input[number] if number < len(node.input) else ""

    def constant(self, name):
        """Array of a constant, None if `name` is none."""
        node = self.producers.get(name)
        while node is not None and node.op_type == "Identity":
            name = node.input[0]
            node = self.producers.get(name)
        to_array = self.onnx.numpy_helper.to_array
        if name in self.tensors:
            return to_array(self.tensors[name])
        if node is None or node.op_type != "Constant" or not node.attribute:
            return None
        value = self.onnx.helper.get_attribute_value(node.attribute[0])
        return to_array(value) if isinstance(value, self.onnx.TensorProto) else np.array(value)

    def weight(self, node, number, name):
        """Array of a weight, None if it is left out."""
        source = self.input(node, number)
        if not source:
            return None
        array = self.constant(source)
        if array is None:
            where = "is an input of the model" if source in self.inputs else "is computed by the model"
            if source in self.producers:
                where += f", by {self.label(self.producers[source])}"
            raise ValueError(
                f"{self.label(node)}: {name} {where}; it must be a constant (an initializer). Export with constants "
                "folded, or make the input an initializer."
            )
        return array if array.dtype == np.float64 else array.astype(np.float32)

    # ------------------------------------------------------------------------------------------- initial states
    def check_states(self, node):
        """Refuse lengths and initial states that are part of the model."""
        lengths = self.input(node, 4)
        if lengths and self.constant(lengths) is not None:
            raise ValueError(
                f"{self.label(node)}: constant sequence_lens are not supported, since lengths are those of the "
                "sequences of a run; make it an input of the model."
            )
        for number, name in ((5, "initial_h"), (6, "initial_c")):
            source = self.input(node, number)
            if source and not self._is_given_or_zero(source):
                raise ValueError(
                    f"{self.label(node)}: {name} is neither an input of the model nor zero; make it an input of the "
                    "model and give it to run."
                )

    def _is_given_or_zero(self, name):
        while name in self.producers and self.producers[name].op_type in MOVES:
            name = self.producers[name].input[0]
        value = self.constant(name)
        node = self.producers.get(name)
        if value is None and node is not None and node.op_type == "ConstantOfShape":
            fill = [self.onnx.helper.get_attribute_value(a) for a in node.attribute]
            value = self.onnx.numpy_helper.to_array(fill[0]) if fill else np.zeros(1)
        return name in self.inputs - self.tensors.keys() if value is None else not value.any()

    # ------------------------------------------------------------------------------------- one layer to the next
    def check_link(self, below, below_options, node, options):
        """Refuse a node that does not read all states of the one below it, direction beside direction."""
        name, path = node.input[0], []
        while name not in below.output:
            step = self.producers.get(name)
            if step is None or step.op_type not in BETWEEN or (step.op_type == "Dropout" and len(step.input) > 2):
                source = self.label(step) if step is not None else f"the input {name!r}"
                raise ValueError(
                    f"{self.label(node)} reads {source}, not the states of {self.label(below)}: recurrent nodes must "
                    f"follow each other, with nothing but {', '.join(sorted(BETWEEN))} between them. Export them "
                    "one by one."
                )
            path.append(step)
            name = step.input[0]
        if name != below.output[0]:
            raise ValueError(
                f"{self.label(node)} reads the last state of {self.label(below)}, not all of its states; export "
                "them one by one."
            )
        D = len(below_options["directions"])
        axes = list("TDNH") if below_options["layout"] == 0 else list("NTDH")
        for step in reversed(path):
            axes = self._moved(step, axes, D)
        if axes != (list("TNH") if options["layout"] == 0 else list("NTH")):
            raise ValueError(
                f"{self.label(node)} reads the states of {self.label(below)} with axes in another order than steps, "
                f"sequences, directions and units (found {axes} of T, N, D, H); export them one by one."
            )

    def _moved(self, step, axes, n_directions):
        """Letters of the axes after a node that rearranges them; D and H that became one axis are H."""
        if step.op_type in ("Dropout", "Identity"):
            return axes
        if step.op_type == "Transpose":
            perm = [list(a.ints) for a in step.attribute if a.name == "perm"]
            order = perm[0] if perm else range(len(axes))[::-1]
            return [axes[k] for k in order] if len(order) == len(axes) else ["?"]
        if step.op_type == "Reshape":
            # To three axes, as the next node reads three: the one of the directions goes into that of the units.
            joined = "D" in axes and (n_directions == 1 or axes.index("D") + 1 == axes.index("H"))
            return [a for a in axes if a != "D"] if joined else ["?"]
        where = [list(a.ints) for a in step.attribute if a.name == "axes"]
        if len(step.input) > 1:
            where.append(
                np.ravel(self.constant(step.input[1])).tolist() if self.constant(step.input[1]) is not None else []
            )
        if step.op_type == "Squeeze" and where and n_directions == 1 and "D" in axes:
            kept = [a for k, a in enumerate(axes) if k not in where[0] and k - len(axes) not in where[0]]
            return kept if len(kept) == len(axes) - len(where[0]) else ["?"]
        return ["?"]
