"""``to_onnx``: fitted estimators and pipelines as models of ONNX."""

import os

import numpy as np

from ..persistence._atomic import replacing
from ._graph import OPSET, Graph, check_opset


def to_onnx(estimator, path=None, *, step=False, check=None, opset=OPSET, dtype=None):
    """Export a fitted estimator or pipeline to ONNX, from the values of X to labels and probabilities.

    The model contains all that `predict` does: standardisation, codes of tokens and categories, the treatment of
    missing values, the network, pooling, readout, and class labels. It needs no other package to run than one like
    ONNX Runtime. Where `predict` raises an error, like for NaN without ``missing``, numbers that the model puts out
    are NaN.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor, SequenceTransformer, Seq2SeqClassifier, ... or Pipeline
        A fitted estimator, with ``beam_width=1`` if it has beams, or a `Pipeline` with `PerStep` or `TokenEncoder`
        before it, or with estimators that skl2onnx knows behind a `SequenceTransformer`.
    path : str or os.PathLike, default=None
        File to write. It is written as a whole or not at all.
    step : bool, default=False
        Whether the model reads one step at a time. Its inputs are then ``X`` (n, n_channels) and the states, with the
        names that `Stream.state` has; its last outputs are the states after the step, with the ending ``.next``. With
        zeros as states, a sequence begins anew.
    check : array-like, list of arrays or SequenceArray, default=None
        Sequences for which the predictions of the model, in ONNX Runtime, are compared with those of the estimator
        before the file is written.
    opset : int, default=17
        Version of the operators, at least 14.
    dtype : {"float32", "float64"}, default=None
        Type of ``X``. None is that of the network, or "float64" with time stamps, or codes of categories above
        2 ** 24. Numbers that are large beside their spread, like years, need "float64".

    Returns
    -------
    onnx.ModelProto
        The model. Its inputs are ``X`` (n, T, n_channels), padded behind the end of sequences with any values, or of
        str (n, T) if X holds tokens of one channel, and ``lengths`` (n,) of int64. Its outputs are ``labels`` and
        ``probabilities``, or ``predictions``, or ``features``; where steps have targets, with an axis for T behind the
        first. What stands behind the end of a sequence then has no meaning. Without ``predict_proba``, the last
        estimator of a pipeline gives ``scores`` beside ``labels``: those of ``decision_function``, or distances to
        clusters. Sequences of labels that are put out have ``output_lengths``.

    Raises
    ------
    ValueError
        If a part of the estimator has no form in ONNX, which the message names, or if `check` finds a difference.
    OSError
        If `path` cannot be written.

    See Also
    --------
    skrnn.interchange.to_onnx : The recurrent layers alone, as operators RNN, GRU and LSTM.
    """
    from ._pipelines import parts_of  # noqa: PLC0415 (brings the compiler)

    _check_options(step, dtype)
    opset, parts = check_opset(opset), parts_of(estimator)
    if step:
        parts.network.check_step()
    graph = Graph(opset, parts.network.dtype)
    model = (_step_model if step else _sequence_model)(graph, parts, dtype)
    if check is not None:
        from ._check import compare  # noqa: PLC0415

        compare(model, estimator, parts, check)
    if path is not None:
        with replacing(os.fspath(path)) as file:
            file.write(model.SerializeToString())
    return model


def _check_options(step, dtype):
    if not isinstance(step, bool | np.bool_):
        raise ValueError(f"step must be True or False; got {step!r:.100}.")
    if dtype not in (None, "float32", "float64"):
        raise ValueError(f'dtype must be "float32", "float64" or None; got {dtype!r:.100}.')


def _sequence_model(graph, parts, dtype):
    """The model of whole sequences."""
    inputs = {"X": (parts.input_dtype(dtype), ["n", "T", *parts.input_shape]), "lengths": (np.int64, ["n"])}
    outputs = parts.sequences(graph, "X", "lengths")
    return graph.model(inputs, _named(graph, outputs, ["n", "T"] if parts.network.per_step else ["n"]))


def _step_model(graph, parts, dtype):
    """The model of one step, with states as inputs and outputs."""
    shapes = parts.network.state_shapes()
    inputs = {"X": (parts.input_dtype(dtype), ["n", *parts.input_shape])} | shapes
    outputs, after = parts.step(graph, "X", {name: name for name in shapes})
    made = {graph.rename(after[name], f"{name}.next"): kind for name, kind in shapes.items()}
    return graph.model(inputs, _named(graph, outputs, ["n"]) | made)


def _named(graph, outputs, axes):
    """The outputs under their names, with dtype and shape."""
    return {graph.rename(each.value, each.name): (each.dtype, [*axes, *each.shape]) for each in outputs}
