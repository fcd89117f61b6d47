"""From the channels of sequences to the columns that a network reads, as nodes: see `network.encoding`."""

from typing import NamedTuple

import numpy as np

from ._graph import check_strings

LARGEST_FLOAT32_CODE = 2**24


class Columns(NamedTuple):
    """What a network reads: numbers (..., n), None if there are none, and codes (...) for each channel of codes.

    wrong : values that are NaN in place of what `predict` refuses, else 0, with as many axes as the numbers
    """

    numbers: str
    codes: list
    wrong: list


def refuse_subwords(encoder):
    """Refuse inputs that read parts of tokens: ONNX has no operator that cuts text, and C no table of letters."""
    if encoder.subwords is not None:
        raise ValueError(
            "This network reads parts of tokens (subwords), which an exported program cannot cut out of words that it "
            "does not know: fit with subwords=False."
        )


def input_dtype(encoder, dtype):
    """The dtype of X: str, or that of the network, or float64 for times and codes that float32 would round."""
    if encoder.is_text:
        return np.dtype(np.str_)
    codes = [code for known in encoder.categories.values() for code in known]
    is_large = encoder.time_channel is not None or max(codes, default=0) > LARGEST_FLOAT32_CODE
    return np.dtype(np.float64 if is_large else dtype)


class InputWriter:
    """Writes how X is encoded; its last axis are the channels, or it has none if X are tokens of one channel.

    Parameters
    ----------
    encoder : InputEncoder
    """

    def __init__(self, encoder):
        refuse_subwords(encoder)
        self.encoder, self.numbers = encoder, encoder.numbers
        self.is_gated = encoder.missing in ("mask", "decay") and len(self.numbers) > 0
        self.has_one_token = encoder.is_text and encoder.n_channels == 1

    # -------------------------------------------------------------------------------------------------- all steps
    def sequences(self, graph, X):
        """`Columns` of all steps, from X (T, n, C); all that is wrong is NaN, and left to the mask of `lengths`."""
        codes, wrong = self._codes(graph, X, axis=2)
        if not len(self.numbers):
            return Columns(None, codes, wrong)
        values, times = self._values(graph, X, axis=2), None
        if self.encoder.time_channel is not None:
            times = self._time(graph, X, axis=2)
            wrong.append(graph.node("Mul", times, np.float64(0)))  # of all that is not finite
            first = graph.slice(times, 0, 1, 0)
            before = graph.node("Concat", first, graph.slice(times, 0, -1, 0), axis=0)
            gaps = graph.node("Sub", times, before)
            zeros = graph.node("Mul", graph.node("Cast", graph.node("IsNaN", first), to=11), np.float64(0))
            later = graph.slice(gaps, 1, 2**62, 0)
            wrong.append(_nan_unless(graph, graph.node("Greater", later, np.float64(0)), before=zeros))
            gaps = graph.node("Concat", zeros, later, axis=0)
            values = graph.node("Concat", values, gaps, axis=2) if values else gaps
        values = self._standardized(graph, values)
        if self.encoder.differences:
            before = graph.node("Concat", graph.slice(values, 0, 1, 0), graph.slice(values, 0, -1, 0), axis=0)
            values = self._with_changes(graph, values, graph.node("Sub", values, before))
        elif self.is_gated:
            values = self._gated_sequences(graph, values, times)
        elif self.encoder.missing == "blank":
            values = graph.where_nan(values, np.float64(0))
        return Columns(graph.cast(values, graph.dtype), codes, wrong)

    def _gated_sequences(self, graph, values, times):
        """Values, whether they were measured, and times since, from standardised values (T, n, C) with NaN."""
        if times is None:
            steps = graph.node("Range", np.int64(0), graph.node("Squeeze", graph.size(values, 0)), np.int64(1))
            ones = graph.node("Expand", np.float64(1), graph.node("Concat", graph.size(values, 1), [1], axis=0))
            steps = graph.node("Unsqueeze", graph.cast(steps, np.float64), [1, 2])
            times = graph.node("Mul", steps, ones)
        times = graph.where_nan(times, np.float64(0))  # of a single step that is missing as a whole
        start = graph.node("Gather", values, np.int64(0), axis=0)
        last = graph.node("Expand", np.float64(np.nan), graph.node("Shape", start))
        at = graph.node("Expand", graph.node("Gather", times, np.int64(0), axis=0), graph.node("Shape", start))

        def step(body, states, sequences):
            states, encoded = self._gated(body, *states, *sequences)
            return states, [encoded]

        return graph.scan(step, [last, at], [values, times])[0]

    # --------------------------------------------------------------------------------------------------- one step
    def state_shapes(self):
        """Dict of the names of states that a step leaves for the next, as in a `Stream`, to a dtype and a shape."""
        n, shapes = len(self.numbers), {}
        if self.encoder.time_channel is not None:
            shapes["inputs.time"] = np.float64, ["n"]
        if self.encoder.differences:
            shapes["inputs.before"] = np.float64, ["n", n]
        if self.is_gated:
            shapes |= {name: (np.float64, ["n", n]) for name in ("inputs.last", "inputs.seen_at")}
        return shapes

    def step(self, graph, X, states, begins):
        """`Columns` of a step, from X (n, C), and the states after it.

        begins : (n, 1), whether it is the first step.
        """
        codes, wrong = self._codes(graph, X, axis=1)
        if not len(self.numbers):
            return Columns(None, codes, wrong), {}
        values, after = self._values(graph, X, axis=1), {}
        times = graph.cast(states["steps"], np.float64)
        times = graph.node("Unsqueeze", times, [1])
        if self.encoder.time_channel is not None:
            times = self._time(graph, X, axis=1)
            before = graph.node("Unsqueeze", states["inputs.time"], [1])
            gaps = graph.node("Where", begins, np.float64(0), graph.node("Sub", times, before))
            rises = graph.node("Or", begins, graph.node("Greater", gaps, np.float64(0)))
            wrong.append(_nan_unless(graph, rises))
            wrong.append(graph.node("Mul", times, np.float64(0)))
            values = graph.node("Concat", values, gaps, axis=1) if values else gaps
            after["inputs.time"] = graph.node("Squeeze", times, [1])
        values = self._standardized(graph, values)
        if self.encoder.differences:
            changes = graph.node("Sub", values, states["inputs.before"])
            after["inputs.before"] = values
            values = self._with_changes(graph, values, graph.node("Where", begins, np.float64(0), changes))
        elif self.is_gated:
            last = graph.node("Where", begins, np.float64(np.nan), states["inputs.last"])
            at = graph.node("Where", begins, times, states["inputs.seen_at"])
            (last, at), values = self._gated(graph, last, at, values, times)
            after |= {"inputs.last": last, "inputs.seen_at": at}
        elif self.encoder.missing == "blank":
            values = graph.where_nan(values, np.float64(0))
        return Columns(graph.cast(values, graph.dtype), codes, wrong), after

    # ------------------------------------------------------------------------------------------------------- both
    def _values(self, graph, X, axis):
        """The channels of numbers but for the time channel, in float64; None if there are no others."""
        channels = [int(c) for c in self.numbers if c != self.encoder.time_channel]
        if not channels:
            return None
        if channels != list(range(self.encoder.n_channels)):
            X = graph.node("Gather", X, channels, axis=axis)
        return graph.cast(X, np.float64)

    def _time(self, graph, X, axis):
        return graph.cast(graph.node("Gather", X, [int(self.encoder.time_channel)], axis=axis), np.float64)

    def _standardized(self, graph, values):
        centred = graph.node("Sub", values, self.encoder.mean[self.numbers])
        return graph.node("Div", centred, self.encoder.scale[self.numbers])

    def _with_changes(self, graph, values, changes):
        return graph.node("Concat", values, graph.node("Div", changes, self.encoder.difference_scale), axis=-1)

    def _gated(self, graph, last, at, values, times):
        """What is remembered after a step, and what is read at it: see `StepEncoder`.

        last, at : (n, C), what was last seen, NaN if nothing was, and when
        """
        is_missing = graph.node("IsNaN", values)
        last = graph.node("Where", is_missing, last, values)
        at = graph.node("Where", is_missing, at, times)
        shown = last if self.encoder.missing == "decay" else values
        since = graph.node("Div", graph.node("Sub", times, at), self.encoder.time_scale)
        seen = graph.cast(graph.node("Not", is_missing), np.float64)
        return (last, at), graph.node("Concat", graph.where_nan(shown, np.float64(0)), seen, since, axis=-1)

    def _codes(self, graph, X, axis):
        """Codes of the channels of tokens or categories, and what is wrong with them."""
        codes, wrong = [], []
        for channel, known in self.encoder.categories.items():
            values = X if self.has_one_token else graph.node("Gather", X, np.int64(channel), axis=axis)
            names = {"values_int64s": list(known.values()), "default_int64": 0}
            if self.encoder.is_text:
                check_strings(known, f"Channel {channel} with the token")
                names["keys_strings"] = list(known)
            else:
                values = graph.cast(values, np.float64)
                in_range = graph.node(
                    "And",
                    graph.node("GreaterOrEqual", values, np.float64(0)),
                    graph.node("LessOrEqual", values, np.float64(np.finfo(graph.dtype).max)),
                )
                is_code = graph.node("And", in_range, graph.node("Equal", values, graph.node("Floor", values)))
                wrong.append(graph.node("Unsqueeze", _nan_unless(graph, is_code), [-1]))
                names["keys_int64s"] = [int(key) for key in known]
                values = graph.cast(values, np.int64)
            codes.append(graph.node("LabelEncoder", values, domain="ai.onnx.ml", **names))
        return codes, wrong


def _nan_unless(graph, condition, before=None):
    """0 where a condition holds, else NaN; behind the steps `before`."""
    wrong = graph.node("Where", condition, np.float64(0), np.float64(np.nan))
    return wrong if before is None else graph.node("Concat", before, wrong, axis=0)
