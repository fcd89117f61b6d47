"""Files of C: what they promise, what is refused, and weights of 8 bits."""

import ctypes
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from c_programs import COMPILER, Library, compiled, needs_compiler, run_test
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.cells import LSTM, Elman
from skrnn.convolution import Conv
from skrnn.export import to_c
from skrnn.losses import SquaredError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SIZES = {"hidden_layer_sizes": 8, "max_iter": 3, "random_state": 0}
X = np.random.default_rng(0).normal(size=(40, 9, 3)).astype(np.float32)
Y = X.mean(axis=(1, 2)) > 0


@pytest.fixture(scope="module")
def clf():
    return RNNClassifier(**SIZES, bidirectional=False).fit(X, Y)


SIZE_OF_STATE = """
#include "net.c"
#include <stdio.h>
int main(void)
{
    printf("%d", (int)sizeof(net_state));
}
"""


# ------------------------------------------------------------------------------------------------------- programs
@needs_compiler
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_memory_is_used_as_it_should_be(tmp_path):
    """No read of what was not written, and nothing outside of arrays."""
    reg = RNNRegressor(**SIZES, missing="mask", convolution=Conv(4, width=3, stride=2), pooling="attention").fit(X, Y)
    tests = [to_c(reg, tmp_path / "a.c")]
    cell = LSTM(peepholes=True)
    reg = RNNRegressor((8, 8), cell, max_iter=1, layer_norm=True, residual=True, missing="decay", pooling="mean")
    tests.append(to_c(reg.fit(X, Y), tmp_path / "b.c", quantize=True))
    for program in tests:
        run_test(program, "valgrind", "-q", "--error-exitcode=9", "--leak-check=full")


@needs_compiler
def test_the_test_of_a_program_fails_if_its_weights_are_others(clf, tmp_path):
    program = to_c(clf, tmp_path / "net.c")
    run_test(program)
    path = Path(program.path)
    text = path.read_text()
    changed = re.sub(r"(readout_b\[1\] = \{\n *)([^\n]*)f", lambda m: f"{m[1]}{float(m[2]) + 0.01}f", text)
    assert changed != text
    path.write_text(changed)
    assert subprocess.run([compiled(program.test_path)], capture_output=True).returncode == 1


@needs_compiler
def test_programs_stand_side_by_side(clf, tmp_path):
    """In a program of several files, which need declarations only."""
    programs = [to_c(clf, tmp_path / name, quantize=name == "two.c") for name in ("one.c", "two.c")]
    main = tmp_path / "main.c"
    main.write_text("""
#define ONE_DECLARATIONS
#include "one.c"
#define TWO_DECLARATIONS
#include "two.c"
int main(void)
{
    one_state s;
    two_state t;
    float x[ONE_N_CHANNELS] = {1, 2, 3}, p[2], q[2];
    one_reset(&s);
    two_reset(&t);
    return one_step(&s, x, p) < 0 || two_step(&t, x, q) < 0 || !(p[0] - q[0] < 0.1f) || sizeof(s) != sizeof(t);
}
""")
    out = compiled(main, *(program.path for program in programs))
    assert subprocess.run([out]).returncode == 0


@needs_compiler
@pytest.mark.parametrize("quantize", [False, True])
def test_sizes_are_those_of_what_is_compiled(clf, quantize, tmp_path):
    reg = RNNRegressor((16, 8), "lstm", max_iter=1, pooling="attention", missing="decay").fit(X, Y)
    exact = RNNRegressor(4, missing="mask", pooling="mean", dtype="float64", max_iter=1, convolution=Conv(3)).fit(X, Y)
    for estimator in (clf, reg, exact):
        program = to_c(estimator, tmp_path / "net.c", quantize=quantize)
        main = tmp_path / "main.c"
        main.write_text(
            '#include "net.c"\n#include <stdio.h>\nint main(void) { printf("%d", (int)sizeof(net_state)); }'
        )
        assert int(subprocess.run([compiled(main)], capture_output=True).stdout) == program.state_bytes
        subprocess.run([COMPILER, "-std=c99", "-Os", "-c", program.path, "-o", tmp_path / "net.o"], check=True)
        lines = subprocess.run(["size", "-A", tmp_path / "net.o"], capture_output=True, text=True, check=True).stdout
        sizes = Counter()
        for section, size in re.findall(r"^(\.\w+)[\w.]* +(\d+)", lines, re.MULTILINE):
            sizes[section] += int(size)
        assert abs(sizes[".rodata"] - program.constant_bytes) < 300  # literals of the code, and alignment
        assert 0.5 < program.code_bytes / sizes[".text"] < 2
        assert sizes[".data"] == sizes[".bss"] == 0, "something outside of states can be written to"
        lines = subprocess.run(["nm", "-u", tmp_path / "net.o"], capture_output=True, text=True, check=True).stdout
        assert set(lines.split()) <= {"U", "exp", "expf", "tanh", "tanhf", "_GLOBAL_OFFSET_TABLE_"}
        text = Path(program.path).read_text()
        assert f" {program.state_bytes} bytes" in text
        assert f"{program.constant_bytes} bytes" in text


@needs_compiler
def test_functions_may_run_at_once(clf, tmp_path):
    """States are all that is written to: sequences that take turns do not disturb each other."""
    library = Library(to_c(clf, tmp_path / "net.c"), "net", 2)
    states = [ctypes.create_string_buffer(len(library.state)) for _ in range(2)]
    for state in states:
        library.reset(state)
    for t in range(X.shape[1]):
        found = []
        for state, x in zip(states, X, strict=False):
            library.state = state
            found.append(library.take(x[t])[1])
    np.testing.assert_allclose(found, clf.predict_proba(X[:2]), rtol=1e-5)


# --------------------------------------------------------------------------------------------------- weights of 8 bits
@needs_compiler
@pytest.mark.parametrize("cell", ["gru", "lstm", "indrnn", "jordan"])
def test_weights_of_8_bits(cell, tmp_path):
    """The loss that is told is that of the program, and small."""
    rng = np.random.default_rng(0)
    tokens = rng.choice(["a", "b", "c"], (40, 9))
    for k, data in enumerate((X, list(tokens))):
        model = RNNClassifier(**SIZES, cell=cell, bidirectional=False, pooling="attention").fit(data, Y)
        program = to_c(model, tmp_path / f"net{k}.c", quantize=True, check=data)
        run_test(program)
        plain = to_c(model, tmp_path / "plain.c", check=data)
        assert plain.largest_difference is None
        assert program.constant_bytes < 0.75 * plain.constant_bytes
        assert 0 < program.largest_difference < 0.03
        assert f"up to {program.largest_difference:.3g}" in Path(program.path).read_text()
        if data is X:
            library = Library(program, f"net{k}", 2)
            found, expected = np.stack([library.whole(x)[1][0] for x in X]), model.predict_proba(X)
            np.testing.assert_allclose(np.abs(found - expected).max(), program.largest_difference, rtol=0.01)
            changed = (found.argmax(axis=1) != expected.argmax(axis=1)).mean()
            assert program.changed_labels == changed


def test_the_estimator_keeps_its_weights(clf, tmp_path):
    weights, expected = {name: w.copy() for name, w in clf.weights_.items()}, clf.predict_proba(X)
    to_c(clf, tmp_path / "net.c", quantize=True)
    assert all((clf.weights_[name] == w).all() for name, w in weights.items())
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


# ------------------------------------------------------------------------------------------------- what is refused
class ShiftedError(SquaredError):
    def predict(self, raw):
        return raw + 1


def test_what_has_no_form_in_c_is_refused(clf, tmp_path):
    path = tmp_path / "net.c"
    with pytest.raises(ValueError, match="fit it with bidirectional=False"):
        to_c(RNNClassifier(**SIZES, bidirectional=True).fit(X, Y), path)
    with pytest.raises(ValueError, match=r"Pipeline has no form in C\. Of a Pipeline, pass the step"):
        to_c(make_pipeline(clf), path)
    with pytest.raises(ValueError, match="str has no form"):
        to_c("clf", path)
    with pytest.raises(ValueError, match="the class RNNClassifier has no form"):
        to_c(RNNClassifier, path)
    with pytest.raises(NotFittedError):
        to_c(clone(clf), path)
    with pytest.raises(ValueError, match="ShiftedError makes predictions of raw ones"):
        to_c(RNNRegressor(**SIZES, loss=ShiftedError()).fit(X, Y), path)
    cell = type("Odd", (Elman,), {"forward": staticmethod(lambda a, s, h, p: ((h,), s, np.tanh(a[0])))})()
    odd = SequenceTransformer(4, cell, objective="reservoir", random_state=0).fit(X)
    with pytest.raises(ValueError, match="Odd"):
        to_c(odd, path)
    small = RNNClassifier(**SIZES, bidirectional=False).fit(X * 1e-30, Y)
    small.inputs_.scale[1] = 1e-60
    with pytest.raises(ValueError, match=r"numbers of channel 1.* too small for float"):
        to_c(small, path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("odd", "why"), [("a\0b", "ends at the first 0"), ("x\ud800", "surrogate"), ("é" * 2001, "up to 4000 bytes")]
)
def test_texts_that_are_no_strings_of_c_are_refused(odd, why, tmp_path):
    y = np.array([odd, "b"] * (len(X) // 2), dtype=object)
    labelled = RNNClassifier(**SIZES, bidirectional=False).fit(X, y)
    with pytest.raises(ValueError, match=f"The class label .* cannot be a string of C, .*{why}.*: fit with another"):
        to_c(labelled, tmp_path / "net.c")
    of_tokens = RNNClassifier(**SIZES, min_count=1, bidirectional=False).fit([[odd, "b"], ["b"]] * 5, [0, 1] * 5)
    with pytest.raises(ValueError, match=f"the token .* cannot be a string of C, .*{why}.*: fit without it"):
        to_c(of_tokens, tmp_path / "net.c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quantize", ["no", 8, None])
def test_quantize_is_true_or_false(clf, quantize, tmp_path):
    with pytest.raises(ValueError, match="quantize must be True or False; got"):
        to_c(clf, tmp_path / "net.c", quantize=quantize)


@pytest.mark.parametrize("name", ["net", "net.h", "ne t.c", 'n"et.c', ".c"])
def test_paths_that_name_no_c_file(clf, name, tmp_path):
    with pytest.raises(ValueError, match=r"letters|must be a str"):
        to_c(clf, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_files_are_written_whole_or_not_at_all(clf, tmp_path, monkeypatch):
    path = tmp_path / "net.c"
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        to_c(clf, tmp_path / "nowhere" / "net.c")
    to_c(clf, path)
    before = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert before.keys() == {"net.c", "net_test.c"}
    monkeypatch.setattr("os.fsync", _no_space)
    with pytest.raises(OSError, match="no space"):
        to_c(clf, path, quantize=True)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == before


def _no_space(descriptor):
    raise OSError("no space")


@pytest.mark.parametrize(
    ("file", "prefix"), [("a-b.c", "a_b"), ("7seg.c", "model_7seg"), ("x.y.c", "x_y"), ("_.c", "model")]
)
def test_names_begin_with_that_of_the_file(clf, file, prefix, tmp_path):
    text = Path(to_c(clf, tmp_path / file).path).read_text()
    assert f"int {prefix}_step({prefix}_state *s" in text
    assert f'#include "{file}"' in text
    if COMPILER:
        compiled(tmp_path / file, "-c")


def test_sequences_to_check_are_those_of_fit(clf, tmp_path):
    with pytest.raises(ValueError, match="check: X has 2 channels"):
        to_c(clf, tmp_path / "net.c", check=X[:, :, :2])
    assert not list(tmp_path.iterdir())
