"""The site: tutorials begin with figures, examples make one figure each, and the check of built pages finds faults."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
EXAMPLES = sorted((PROJECT / "examples").glob("plot_*.py"))
SECTIONS = ("get_started", "tutorials", "how_to", "reference", "internals")


def pages_of(page):
    text = (DOCS / f"{page}.rst").read_text(encoding="utf-8")
    return re.search(r"\.\. toctree::\n    :hidden:\n\n((?:    .+\n)+)", text)[1].split()


def test_every_page_is_in_one_section():
    pages = [page for section in SECTIONS for page in pages_of(section)]
    others = {*SECTIONS, "index", "changes"}
    assert sorted(pages) == sorted({path.stem for path in DOCS.glob("*.rst")} - others)


@pytest.mark.parametrize("page", pages_of("tutorials"))
def test_a_tutorial_begins_with_the_figure_of_an_example(page):
    text = (DOCS / f"{page}.rst").read_text(encoding="utf-8")
    figure = re.match(r".+\n=+\n\n\.\. example-figure:: (\w+)\n    :alt: .+\n", text)
    assert (PROJECT / "examples" / f"{figure[1]}.py").is_file()


def test_the_gallery_has_fifteen_examples():
    assert len(EXAMPLES) >= 15


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_makes_its_figure_in_one_block(path):
    """The gallery takes the figures that are open at the end of a block, and closes them."""
    *blocks, last = path.read_text(encoding="utf-8").split("# %%\n")
    assert f'savefig("{path.stem.removeprefix("plot_")}.png"' in last
    made = r"plt\.(?:figure|subplots)\(|savefig\("
    assert not re.search(made, "".join(blocks))
    assert re.search(r"plt\.(?:figure|subplots)\(", last)


@pytest.mark.parametrize(
    ("head", "body", "fault"),
    [
        ("<title>page</title>", '<a href="page.html#top">here</a>', None),
        ("<title>page</title>", '<a href="https://arxiv.org/abs/1611.09913">paper</a>', None),
        ("<title>page</title>", '<a href="gone.html">there</a>', "has a link to gone.html"),
        ('<script src="https://cdn.example.org/math.js"></script>', "", "loads https://cdn.example.org/math.js"),
        ('<link rel="stylesheet" href="//example.org/font.css">', "", "loads //example.org/font.css"),
        ("<title>page</title>", '<img src="https://example.org/figure.png">', "loads https://example.org/figure.png"),
    ],
)
def test_the_check_of_built_pages(tmp_path, head, body, fault):
    (tmp_path / "page.html").write_text(f"<html><head>{head}</head><body>{body}</body></html>", encoding="utf-8")
    command = [sys.executable, PROJECT / ".ci" / "check_pages.py", tmp_path]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == (fault is not None)
    assert (fault or "0 faults") in run.stdout


def test_equations_are_spaced_as_in_tex(monkeypatch):
    pytest.importorskip("latex2mathml")
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    from mathml import to_mathml

    assert '<mi>log</mi><mspace width="0.167em"/><mi>p</mi>' in to_mathml(r"\log p", "inline", None)
    assert "<msup><mi>tanh</mi><mn>2</mn></msup>" in to_mathml(r"\tanh^2", "inline", None)
    assert '<mo form="prefix">&#x02212;</mo><mi>a</mi>' in to_mathml("(-a, a)", "inline", None)


def test_a_changelog_becomes_sections_lists_and_code(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    from changelog import to_rst

    text = to_rst("# Changes\n\n## 1.0\n\n- New `fit`, see [here](https://example.org).\n")
    assert text == "\n1.0\n---\n\n- New ``fit``, see `here <https://example.org>`__.\n"
