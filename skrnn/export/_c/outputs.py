"""From raw predictions to what an estimator predicts, and the names of classes."""

import numpy as np

from .expressions import library
from .text import check_string, comment, loop, number, string


class Output:
    """What is given for a step.

    Attributes
    ----------
    n : int
        Numbers that are given.
    about : str
        What they are.
    unit : ndarray of shape (n,)
        Size of these numbers, for tests.
    raw : str
        The array that raw predictions are written to, in C.
    is_pooled : bool
        Whether it is the pooled outputs of the last layer themselves.
    """

    raw, is_pooled = "out", False

    def __init__(self, n, about, unit=None):
        self.n, self.about, self.unit = n, about, np.ones(n) if unit is None else unit

    def lines(self, source):
        """Lines that turn raw predictions in ``out`` into what is given, and end with ``return``."""
        return ["return 0;"]


class Features(Output):
    """Pooled outputs of the last layer."""

    is_pooled = True


class TwoClasses(Output):
    """Probabilities of two classes, from one raw prediction."""

    raw = "raw"

    def lines(self, source):
        return [
            "out[1] = sigmoid(raw[0]);",
            "out[0] = sigmoid(-raw[0]);",
            f"return raw[0] > {number(0, source.dtype)} ? 1 : 0;",
        ]


class Classes(Output):
    """Probabilities of classes: the softmax of raw predictions."""

    def lines(self, source):
        return [f"return softmax(out, {self.n});"]


class Labels(Output):
    """Probabilities of labels, of which several may be true."""

    def lines(self, source):
        return [*loop("j", self.n, ["out[j] = sigmoid(out[j]);"]), "return 0;"]


class Numbers(Output):
    """Numbers in the unit of the target."""

    def __init__(self, n, about, unit, mean, is_log):
        super().__init__(n, about, unit)
        self.mean, self.is_log = mean, is_log

    def lines(self, source):
        value = "out[j]"
        if self.is_log:
            value = f"{library('exp', source.dtype)}({value})"
        if self.mean.any() or (self.unit != 1).any():
            source.vector("target_scale", self.unit, "predictions = raw * target_scale + target_mean")
            source.vector("target_mean", self.mean)
            value += " * target_scale[j] + target_mean[j]"
        changed = loop("j", self.n, [f"out[j] = {value};"]) if value != "out[j]" else []
        return [*changed, "return 0;"]


def write_label_function(source, classes):
    """Write the public function that gives the class of an index; gives its signature."""
    classes = np.asarray(classes)
    if classes.dtype.kind in "iub" and all(-(2**31) < int(label) < 2**31 for label in classes.tolist()):
        source.vector("labels", classes.astype(np.int32), "classes", "int32_t", np.int32)
        ctype = "int32_t "
    elif classes.dtype.kind == "f":
        source.vector("labels", classes.astype(np.float64), "classes", "double", np.float64)
        ctype = "double "
    else:
        texts = [str(label) for label in classes.tolist()]
        for text in texts:
            check_string(text, "The class label", "fit with another label, or with numbers of classes as y")
        source.strings("labels", [string(text) for text in texts], "classes")
        ctype = "const char *"
    signature = f"{ctype}{source.name}_label(int index)"
    source.functions += [
        *comment(f"The class of an index from 0 to {len(classes) - 1}."),
        f"{source.macro}_API {signature}",
        "{",
        "    return labels[index];",
        "}",
        "",
    ]
    return signature
