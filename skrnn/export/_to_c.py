"""Fitted estimators as files of C."""

import copy
import os

import numpy as np
from sklearn.utils import Bunch

from ..estimators import RNNClassifier
from ..persistence._atomic import replacing


def to_c(estimator, path, *, quantize=False, check=None):
    """Write a fitted estimator as a program in C99, and a test of it.

    The program is one file, which needs nothing but ``<math.h>`` and ``<stdint.h>``: it allocates no memory, and its
    weights are constants. It reads sequences step by step (``<name>_step``) or whole (``<name>_run``); the comment at
    its beginning says how, and how much memory it takes. The test is a file beside it, with inputs and what the
    estimator made of them.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor or SequenceTransformer
        A fitted estimator whose network reads forward only.
    path : str or path-like
        The C file, like ``"model.c"``; its test is then ``"model_test.c"``. Names in C begin with the name of the file.
    quantize : bool, default=False
        Whether to round matrices to 8 bits, with a scale for each row, which takes about a quarter of the memory.
        Biases and states stay floats.
    check : array-like of shape (n_sequences, n_steps, n_channels), list of arrays, or SequenceArray, default=None
        Sequences like those of `fit`, some of which become the inputs of the test, and on which the loss of accuracy by
        `quantize` is measured. None: random ones.

    Returns
    -------
    Bunch
        ``path``, ``test_path``; sizes in bytes: ``constant_bytes`` (weights), ``state_bytes`` (of a sequence that is
        being read), ``stack_bytes`` (arrays of a step) and ``code_bytes`` (a guess); ``n_products``, multiplications in
        the products of a step; and with `quantize`, else None, ``largest_difference`` between outputs of the estimator
        and of the program, and ``changed_labels``, the share of predicted classes or labels that change (None without
        classes).

    Raises
    ------
    ValueError
        If the estimator has no form in C; it says what to change.
    OSError
        If the files cannot be written. Each is written as a whole or not at all.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.export import to_c
    >>> X = np.random.default_rng(0).normal(size=(50, 8, 3))
    >>> clf = RNNClassifier(16, bidirectional=False, max_iter=2, random_state=0).fit(X, X.mean(axis=(1, 2)) > 0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     program = to_c(clf, os.path.join(directory, "gesture.c"), quantize=True, check=X)
    ...     sorted(os.listdir(directory))
    ['gesture.c', 'gesture_test.c']
    >>> program.constant_bytes, program.state_bytes
    (1372, 128)
    >>> program.largest_difference < 0.02
    True
    """
    from ._c.network import described  # noqa: PLC0415 (brings the compiler)
    from ._c.own_check import Tested, test_program  # noqa: PLC0415
    from ._c.program import program  # noqa: PLC0415
    from ._c.sequences import as_in_c, cases, expected, made_up  # noqa: PLC0415

    if not isinstance(quantize, bool | np.bool_):
        raise ValueError(f"quantize must be True or False; got {quantize!r:.100}.")
    file_name, name, test_path = _names(path)
    model = described(estimator, quantize)
    encoder, dtype = model.encoder, model.network.dtype.name
    if check is None:
        sequences = made_up(encoder, 5, dtype)
    else:
        sequences = as_in_c(_validated(estimator, check, dtype), encoder, dtype)
    rounded, loss = _rounded(estimator, model, quantize, sequences)
    notes = _notes(loss, check is not None)
    written = program(file_name, name, model, notes)
    has_labels = model.classes is not None
    tested = Tested(name, file_name, dtype, model.output, model.gives_steps, has_labels, encoder.is_text)
    test = test_program(tested, expected(rounded, cases(sequences)))
    with replacing(path) as file, replacing(test_path) as test_file:
        file.write(written.text.encode("ascii"))
        test_file.write(test.encode("ascii"))
    sizes = {name: value for name, value in written._asdict().items() if name != "text"}
    return Bunch(path=os.fspath(path), test_path=test_path, **sizes, **loss)


def _names(path):
    """The name of the file, the prefix of names in it, and the path of its test."""
    from ._c.text import prefix_of  # noqa: PLC0415

    path = os.fspath(path)
    stem, ending = os.path.splitext(path)
    if not isinstance(path, str) or ending != ".c":
        raise ValueError(f'path must be a str that ends with ".c", like "model.c"; got {path!r}.')
    file_name = os.path.basename(path)
    return file_name, prefix_of(os.path.basename(stem)), f"{stem}_test.c"


def _validated(estimator, X, dtype):
    from ..estimators._validation import naming, validate_inputs  # noqa: PLC0415

    encoder = estimator.inputs_
    with naming("check"):
        return validate_inputs(estimator, X, dtype, missing=encoder.missing, text=encoder.is_text)


def _rounded(estimator, model, quantize, sequences):
    """The estimator with the weights that the program has, and what that changes."""
    loss = {"largest_difference": None, "changed_labels": None}
    if not quantize:
        return estimator, loss
    from ._c.sequences import outputs  # noqa: PLC0415

    rounded = copy.copy(estimator)
    rounded.weights_ = model.weights.arrays
    before, after = outputs(estimator, sequences), outputs(rounded, sequences)
    loss["largest_difference"] = float(np.abs(after - before).max())
    if isinstance(estimator, RNNClassifier):
        decided = [p > 0.5 if estimator.multilabel_ else p.argmax(axis=1) for p in (before, after)]
        loss["changed_labels"] = float((decided[0] != decided[1]).mean())
    return rounded, loss


def _notes(loss, is_checked):
    """Lines on the loss of accuracy."""
    if loss["largest_difference"] is None:
        return ()
    where = "the sequences of check" if is_checked else "random sequences (to_c takes others: check)"
    lines = [
        "Weights of matrices are of 8 bits, with a scale for each row. Changes by rounding them, on",
        f"{where}: outputs by up to {loss['largest_difference']:.3g}",
    ]
    if loss["changed_labels"] is not None:
        lines[1] += f", {100 * loss['changed_labels']:.2g} % of the predicted labels"
    return lines[0], lines[1] + "."
