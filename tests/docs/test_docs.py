"""The pages of the documentation: their examples run, and what they point at exists."""

import doctest
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.rst"))
# Modules of extras that a page uses.
NEEDED = {"export": ("onnxruntime", "skl2onnx"), "interchange": ("torch", "onnx"), "saving": ("skops",)}
WITH_EXAMPLES = [page for page in PAGES if ">>>" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda p: p.stem)
def test_examples_of_a_page(page, monkeypatch):
    for module in NEEDED.get(page.stem, ()):
        pytest.importorskip(module)
    monkeypatch.syspath_prepend(DOCS)  # where the cell of "Add a cell" lies
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, attempted = doctest.testfile(str(page), module_relative=False, optionflags=flags, encoding="utf-8")
    assert attempted
    assert not failed
    sys.modules.pop("ugrnn", None)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_what_a_page_points_at_exists(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"^\.\. (?:literalinclude|include):: (\S+)", text, re.MULTILINE):
        assert (DOCS / target).is_file(), target
    for target in re.findall(r":doc:`(?:[^`<]*<)?(\w+)>?`", text):
        assert (DOCS / f"{target}.rst").is_file(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_lines_that_mark_an_excerpt_are_still_there(page):
    for path, options in re.findall(r"literalinclude:: (\S+)\n((?: +:.*\n)*)", page.read_text(encoding="utf-8")):
        source = (DOCS / path).read_text(encoding="utf-8")
        for option, value in re.findall(r":([\w-]+): (.*)", options):
            if option in ("start-at", "end-at", "end-before"):
                assert value in source, f"{page.name}: {value!r} is not in {path}"
            if option == "pyobject":
                assert re.search(rf"^(?:def|class) {value}\b", source, re.MULTILINE), value


def test_every_test_in_the_list_of_faults_exists():
    folder, name, n_found = DOCS.parent / "tests", None, 0
    for file, test in re.findall(r"``(test_\w+\.py|…)::(\w+)``", (DOCS / "faults.rst").read_text(encoding="utf-8")):
        name = name if file == "…" else file
        (path,) = folder.rglob(name)
        source = path.read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", source, re.MULTILINE), f"{name}::{test}"
        n_found += 1
    assert n_found > 60
