"""Compares what a model of ONNX puts out with what the estimator predicts."""

import numpy as np

from ..estimators._validation import naming
from ..sequences import as_sequence_array
from ..sequences._steps import is_text
from ..sequences._validate import rows_as_sequences
from ..streaming import stream

TOLERANCE = {"float32": 1e-6, "float64": 1e-9}  # of probabilities
OF_NUMBERS = 10  # times as much, in units of how far numbers are from their middle, at least 1
METHODS = {
    "labels": ("predict",),
    "predictions": ("predict",),
    "probabilities": ("predict_proba",),
    "features": ("transform",),
    "scores": ("decision_function", "transform"),  # of clusterers: distances
}


def compare(model, estimator, parts, X):
    """Raise a ValueError with the largest difference if a model puts out for X what the estimator does not predict."""
    dtype, owner = parts.network.dtype.name, type(estimator).__name__
    runner = Runner(model, per_step=parts.network.per_step)
    if parts.network.puts_out_sequences:
        with naming("check"):
            expected = estimator.predict(X)
        _compare_outputs(runner.run(X), expected, dtype, owner)
        return
    methods = {name: _method(estimator, name, owner) for name in runner.outputs if not name.endswith(".next")}
    # of a step a convolution puts out what is known then, and predict what is known at the end
    as_it_comes = parts.network.per_step and not runner.reads_sequences and parts.network.structure.convolution
    with naming("check"):  # before the model runs, whose errors are not about X
        predict = _predicted_as_it_comes if as_it_comes else _predicted
        all_expected = {name: predict(estimator, method, X) for name, method in methods.items()}
    found = runner.run(X)
    for name, expected in all_expected.items():
        expected = np.concatenate(list(expected)) if parts.network.per_step else np.asarray(expected)
        if (name, methods[name]) == ("scores", "transform"):  # roots lose half of the digits of distances near 0
            _compare_numbers("squares of distances", found[name] ** 2, expected**2, dtype, owner)
        elif name == "labels":
            _compare_labels(found[name], expected, _are_sure(found, dtype), dtype, owner)
        else:
            _compare_numbers(name, found[name], expected, dtype, owner)


def _predicted(estimator, method, X):
    return getattr(estimator, method)(X)


def _predicted_as_it_comes(estimator, method, X):
    """For each sequence what is predicted at each of its steps, when it comes."""
    predicted, step = [], {"predict": "step", "predict_proba": "step_proba"}[method]
    for x in _sequences_in(X):
        live = stream(estimator)
        predicted.append(np.array([getattr(live, step)(each) for each in x]))
    return predicted


def _sequences_in(X):
    sequences = as_sequence_array(X)
    return rows_as_sequences(np.asarray(X)) if sequences is None else sequences


def _method(estimator, output, owner):
    """The name of the method of an estimator that gives what an output holds."""
    for name in METHODS.get(output, ()):
        if hasattr(estimator, name):
            return name
    raise ValueError(
        f"check cannot compare the output {output!r}, since no method of this {owner} gives it: leave check out, and "
        "compare what the model puts out by yourself."
    )


def _are_sure(found, dtype):
    """Which labels rounding does not change; where classes are as probable as each other, either is right."""
    probabilities, scores = found.get("probabilities"), found.get("scores")
    if probabilities is None:
        return True if scores is None or scores.ndim > 1 else np.abs(scores) > OF_NUMBERS * TOLERANCE[dtype]
    if found["labels"].ndim > 1:
        return np.abs(probabilities - 0.5) > TOLERANCE[dtype]
    top = np.sort(probabilities, axis=1)[:, -2:]
    return top[:, -1] - top[:, 0] > 2 * TOLERANCE[dtype]


def _compare_outputs(found, expected, dtype, owner):
    """Compare sequences that are put out: one after the other."""
    lengths = found.get("output_lengths")
    if lengths is None:
        _compare_numbers("predictions", np.concatenate(found["predictions"]), np.concatenate(expected), dtype, owner)
        return
    of_expected = np.array([len(labels) for labels in expected])
    _compare_labels(lengths, of_expected, True, dtype, f"{owner} in lengths, that is,")
    labels = [row[:n] for row, n in zip(found["labels"], lengths, strict=True)]
    _compare_labels(np.concatenate(labels), np.concatenate(expected), True, dtype, owner)


def _compare_labels(found, expected, are_sure, dtype, owner):
    differ = (found != expected) & are_sure
    if differ.any():
        row = int(np.argwhere(differ)[0][0])
        raise ValueError(
            f"The model differs from this {owner} in {np.count_nonzero(differ)} labels of {differ.size}; row {row} is "
            f"{found[row]!r} in ONNX Runtime, but {expected[row]!r} by predict.{_advice(dtype)}"
        )


def _compare_numbers(name, found, expected, dtype, owner):
    if found.shape != expected.shape:
        raise ValueError(f"The model gives {name} of shape {found.shape}, but this {owner} of {expected.shape}.")
    limit = TOLERANCE[dtype]
    if name != "probabilities":
        middle = np.median(expected, axis=0)
        limit = OF_NUMBERS * limit * np.maximum(1, np.abs(expected - middle).max(axis=0, initial=0))
    difference = np.abs(found.astype(np.float64) - expected)
    if not (difference <= limit).all():  # nor where there is NaN
        row = int(np.argmax(np.nan_to_num(difference, nan=np.inf).reshape(len(difference), -1).max(axis=1)))
        raise ValueError(
            f"The model differs from this {owner}: the largest difference of {name} is "
            f"{difference[row].max():.3g}, in row {row}; {np.max(limit):.1g} is usual for rounding.{_advice(dtype)}"
        )


def _advice(dtype):
    return (
        ' Values of X that are large beside their spread lose digits as float32: export with dtype="float64". If the '
        'states of the network grow over the steps, rounding grows, too: fit with dtype="float64".'
        if dtype == "float32"
        else ""
    )


class Runner:
    """A model in ONNX Runtime.

    Parameters
    ----------
    model : onnx.ModelProto
    per_step : bool
        Whether there is an output for each step.
    """

    def __init__(self, model, per_step=False):
        self.session, self.per_step = session_of(model), per_step
        self.inputs = {each.name: each for each in self.session.get_inputs()}
        self.outputs = {each.name: each for each in self.session.get_outputs()}
        self.reads_sequences = "lengths" in self.inputs

    def run(self, X):
        """Outputs by name, a row for each sequence in X or for each step."""
        sequences = _sequences_in(X)
        padded, lengths = self.padded(sequences)
        steps = np.arange(padded.shape[1]) < lengths[:, np.newaxis]
        if self.reads_sequences:
            found = self._run({"X": padded, "lengths": lengths})
            return {name: values[steps] for name, values in found.items()} if self.per_step else found
        found = self._run_steps(padded)
        if self.per_step:
            return {name: values[steps] for name, values in found.items()}
        return {name: values[np.arange(len(lengths)), lengths - 1] for name, values in found.items()}

    def padded(self, sequences):
        """X and lengths as the model takes them."""
        lengths = sequences.lengths.astype(np.int64)
        shape = len(lengths), int(lengths.max()), sequences.n_channels
        text = is_text(sequences.values)
        padded = np.full(shape, "", dtype=object) if text else np.zeros(shape, _dtype(self.inputs["X"]))
        padded[np.arange(shape[1]) < lengths[:, np.newaxis]] = sequences.values
        has_channels = len(self.inputs["X"].shape) == 2 + self.reads_sequences
        return padded if has_channels else padded[:, :, 0], lengths

    def _run_steps(self, padded):
        """Outputs of a model of single steps, stacked along the second axis."""
        states = {
            name: np.zeros((len(padded), *each.shape[1:]), _dtype(each))
            for name, each in self.inputs.items()
            if name != "X"
        }
        stages = []
        for t in range(padded.shape[1]):
            stage = self._run({"X": padded[:, t], **states})
            states = {name: stage.pop(f"{name}.next") for name in states}
            stages.append(stage)
        return {name: np.stack([stage[name] for stage in stages], axis=1) for name in stages[0]}

    def _run(self, inputs):
        return dict(zip(self.outputs, self.session.run(None, inputs), strict=True))


def session_of(model):
    """A session of ONNX Runtime."""
    try:
        import onnxruntime  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'check needs onnxruntime ({error}): pip install "skrnn[export]"') from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _dtype(value):
    """The dtype of an input or output."""
    return {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}.get(
        value.type, object
    )
