"""A graph of ONNX that is being written."""

import numpy as np

# Of what is written by default: old enough for runtimes since 2022. Before the first, types in a Scan are not inferred.
OPSET, FIRST_OPSET = 17, 14
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 2
REDUCTIONS_WITH_INPUT = {"ReduceSum": 13, "ReduceMean": 18, "ReduceMax": 18}  # from this opset on axes are an input


def import_onnx():
    """The package, which only exports need."""
    try:
        import onnx  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'onnx could not be imported ({error}): pip install "skrnn[export]"') from error
    return onnx


def check_strings(texts, what):
    """Refuse texts that have no form in UTF-8, as strings of ONNX have; `what`: what comes before the text."""
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{what} {text!r:.60} cannot be exported: strings of ONNX are of UTF-8, where half of a surrogate pair "
                "has no form. Fit without it."
            ) from error


class Graph:
    """Nodes, one after the other, and constants.

    Values are known by their names. What reads values also takes arrays and lists of int, which become constants.

    Parameters
    ----------
    opset : int
        Version of the operators.
    dtype : dtype
        Of the network.
    """

    def __init__(self, opset, dtype):
        self.onnx, self.opset, self.dtype, self.nodes = import_onnx(), opset, np.dtype(dtype), []
        self._constants, self._numbers, self.domains = {}, iter(range(10**9)), {"": opset}

    def body(self):
        """A graph inside of this one, whose constants and names are the same."""
        inner = object.__new__(type(self))
        inner.__dict__.update(self.__dict__, nodes=[])
        return inner

    def name(self, what):
        """A new name."""
        return f"{what}_{next(self._numbers)}"

    def node(self, operator, *inputs, n_outputs=None, domain="", **attributes):
        """Append a node; returns the name of its result, or with `n_outputs` a list of them."""
        names = [self.name(operator.lower()) for _ in range(n_outputs or 1)]
        if domain:
            self.domains.setdefault(domain, ML_OPSET)
        inputs = [self._named(each) for each in inputs]
        make = self.onnx.helper.make_node
        self.nodes.append(make(operator, inputs, names, name=f"{names[0]}_node", domain=domain, **attributes))
        return names if n_outputs else names[0]

    def rename(self, value, name):
        """Give a value a name of its own, as outputs need it; returns the name."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [self._named(value)], [name], name=f"{name}_node"))
        return name

    def _named(self, value):
        return value if isinstance(value, str) else self.constant(value)

    def constant(self, value):
        """The name of a constant; lists are of int64."""
        array = np.asarray(value, np.int64) if isinstance(value, list) else np.asarray(value)
        key = array.dtype.str, array.shape, array.tobytes() if array.dtype.kind != "O" else tuple(array.ravel())
        if key not in self._constants:
            tensor = self.onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape))
            tensor.name = self.name("constant")
            self._constants[key] = tensor
        return self._constants[key].name

    @property
    def constants(self):
        """All of them, as tensors."""
        return list(self._constants.values())

    def add_constants(self, tensors):
        """Take over named constants of another graph."""
        self._constants |= {tensor.name: tensor for tensor in tensors}

    # --------------------------------------------------------------------------------------------- shorter forms
    def cast(self, value, dtype):
        """A value in another dtype."""
        return self.node("Cast", value, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reduce(self, operator, value, axis, keepdims=False):
        """ReduceSum, ReduceMean or ReduceMax over an axis."""
        if self.opset >= REDUCTIONS_WITH_INPUT[operator]:
            return self.node(operator, value, [axis], keepdims=int(keepdims))
        return self.node(operator, value, axes=[axis], keepdims=int(keepdims))

    def slice(self, value, start, stop, axis, step=1):
        """Part of an axis."""
        return self.node("Slice", value, [start], [stop], [axis], [step])

    def split(self, value, widths, axis):
        """Parts of an axis, a list of as many values."""
        if len(widths) == 1:
            return [value]
        return self.node("Split", value, list(widths), n_outputs=len(widths), axis=axis)

    def size(self, value, axis):
        """The length of an axis, as a vector of one number."""
        return self.slice(self.node("Shape", value), axis, axis + 1, 0)

    def where_nan(self, value, other):
        """A value with `other` in the places of NaN."""
        return self.node("Where", self.node("IsNaN", value), other, value)

    def filled(self, number, like, *sizes):
        """An array of one number, with the length of the first axis of `like`, and more axes of these sizes."""
        return self.node("Expand", number, self.node("Concat", self.size(like, 0), list(sizes), axis=0))

    def scan(self, step, initial, sequences):
        """Run ``step(graph, states, values) -> states, results`` along the first axis of `sequences`.

        Parameters
        ----------
        step : callable
            Writes what is done at a step into a graph.
        initial : list of str
            The states before the first step.
        sequences : list of str

        Returns
        -------
        list of str
            The results of all steps.
        """
        body = self.body()
        states = [self.name("state") for _ in initial]
        values = [self.name("step") for _ in sequences]
        after, results = step(body, states, values)
        outputs = [body.rename(each, self.name("out")) for each in (*after, *results)]
        # Types and shapes are inferred: those of inner graphs may be left out.
        info = self.onnx.ValueInfoProto
        inner = self.onnx.helper.make_graph(
            body.nodes, self.name("body"), [info(name=n) for n in (*states, *values)], [info(name=n) for n in outputs]
        )
        n = len(initial) + len(results)
        found = self.node("Scan", *initial, *sequences, n_outputs=n, body=inner, num_scan_inputs=len(sequences))
        return found[len(initial) :]

    def model(self, inputs, outputs):
        """The finished model, from pairs of a name, and a dtype and a shape (str: a length that differs)."""
        helper = self.onnx.helper

        def info(name, dtype, shape):
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)

        graph = helper.make_graph(
            self.nodes,
            "skrnn",
            [info(name, *kind) for name, kind in inputs.items()],
            [info(name, *kind) for name, kind in outputs.items()],
            self.constants,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.domains.items()]
        version = helper.find_min_ir_version_for(opsets)
        return helper.make_model(graph, producer_name="skrnn", opset_imports=opsets, ir_version=version)


def check_opset(opset):
    """Refuse an opset that cannot express the nodes that are written, or that onnx does not know."""
    onnx = import_onnx()
    last = onnx.defs.onnx_opset_version()
    if not isinstance(opset, int | np.integer) or isinstance(opset, bool):
        raise ValueError(f"opset must be an integer from {FIRST_OPSET} to {last}; got {opset!r}.")
    if opset < FIRST_OPSET:
        raise ValueError(
            f"opset={opset} cannot express the time loop, a Scan whose types are inferred: use {FIRST_OPSET} or later."
        )
    if opset > last:
        raise ValueError(f"opset={opset} is not known to onnx {onnx.__version__}: use {last} or earlier.")
    return int(opset)
