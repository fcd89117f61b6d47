"""The text of pages and docstrings: no errors of docutils, tables with a header row, a page for every public name.

``.ci/run`` builds the whole documentation with warnings as errors; this finds most of them without a build.
"""

import importlib
import re
from operator import attrgetter
from pathlib import Path

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles
from meta_failures import FURTHER, TRIALS, n_passed
from numpydoc.docscrape_sphinx import get_doc_object
from public_names import MODULES, public_objects

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted((PROJECT / "docs").glob("*.rst"))
ROLES = ["arxiv", "class", "doc", "doi", "exc", "func", "meth", "mod", "obj", "ref"]  # of Sphinx and its extensions
DIRECTIVES = [
    *("autoclass", "autosummary", "changelog", "currentmodule", "example-figure", "grid", "literalinclude", "module"),
    *("only", "rst-class", "rubric", "seealso", "toctree"),
]
OF_CELLS = {"LSTM", "GRU", "MGU", "MinGRU", "LinOSS", "IndRNN", "Elman", "Jordan"}  # on the page of cells
IN_TEXT = {"kernel"}  # described in a sentence


class Ignored(Directive):
    has_content, optional_arguments, final_argument_whitespace = True, 1, True

    def run(self):
        return []


class AnyOption(dict):
    def __missing__(self, name):
        return directives.unchanged


Ignored.option_spec = AnyOption()


def parse(text, path):
    """The tree of a text, in which roles of Sphinx are literals and its directives are left out."""
    for role in ROLES:
        roles.register_generic_role(role, nodes.literal)
    for directive in DIRECTIVES:
        directives.register_directive(directive, Ignored)
    settings = {"report_level": 5, "halt_level": 5, "file_insertion_enabled": True}
    return publish_doctree(text, source_path=str(path), settings_overrides=settings)


def errors(tree):
    messages = [*tree.findall(nodes.system_message), *tree.transform_messages]
    return [node.astext() for node in messages if node["level"] >= 2]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_page_has_no_errors_and_its_tables_have_headers(page):
    tree = parse(page.read_text(encoding="utf-8"), page)
    assert not errors(tree)
    for table in tree.findall(nodes.table):
        heads = list(table.findall(nodes.thead))
        assert heads, f"a table without a header: {table.astext()[:100]!r}"
        cells = [entry.astext() for head in heads for entry in head.findall(nodes.entry)]
        assert all(cells), f"an empty cell in the header {cells}"
        lists = [*table.findall(nodes.enumerated_list), *table.findall(nodes.bullet_list)]
        assert not lists, f"a cell that is taken for a list: {lists[0].astext()!r}"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_no_cell_of_a_header_is_empty(name):
    text = (PROJECT / name).read_text(encoding="utf-8")
    for header in re.findall(r"^\|(.*)\|\n\|[-|: ]+\|$", text, re.MULTILINE):
        assert all(cell.strip() for cell in header.split("|")), header


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_have_no_errors(module):
    texts = {}
    for name in public_objects():
        if name.rpartition(".")[0] == module or name.rsplit(".", 2)[0] == module:
            public = attrgetter(name.removeprefix(f"{module}."))(importlib.import_module(module))
            texts.setdefault(str(get_doc_object(public, config={"show_class_members": False})), name)
    assert texts
    found = {name: errors(parse(text, name)) for text, name in texts.items()}
    assert not {name: messages for name, messages in found.items() if messages}


def test_every_public_name_has_a_page():
    pages = (PROJECT / "docs" / "api.rst").read_text(encoding="utf-8")
    pages += (PROJECT / "docs" / "interchange.rst").read_text(encoding="utf-8")
    with_page = re.findall(r"^\.\. autosummary::\n    :toctree: generated\n\n((?:    \w+\n?)+)", pages, re.MULTILINE)
    listed = set(" ".join(with_page).split())
    names = {name.rpartition(".")[2] for name in public_objects() if name.rpartition(".")[0] in MODULES}
    assert names - IN_TEXT - OF_CELLS <= listed
    assert listed <= names | {"Sequence", "SktimeForecaster"}


def test_changes_and_table_count_the_same_trials():
    trials = {**TRIALS, **FURTHER}
    text = " ".join((PROJECT / "CHANGELOG.md").read_text(encoding="utf-8").split())
    passed = [n_passed(container, trials) for container in ("SequenceArray", "frame")]
    assert f"{passed[0]} of {len(trials)} trials" in text
    assert f"{passed[1]} with a frame" in text


def test_figures_of_the_readme_are_those_of_the_tables():
    readme, tables, defaults = (
        " ".join((PROJECT / name).read_text(encoding="utf-8").split())
        for name in ("README.md", "docs/benchmarks.rst", "docs/defaults.rst")
    )
    for cell in ("LSTM", "GRU", "Elman"):
        ratio = re.search(rf"{cell.lower()}, float32: ratio, geometric mean ([\d.]+) x", tables)[1]
        assert f"{float(ratio):.1f} times ({cell})" in readme
    share = re.search(r"as good as published, without a star: (\d+ of \d+)", tables)[1]
    assert share in readme
    assert share in defaults
    share = re.search(r"(\d+ of \d+) sets are at or above their best floor", defaults)[1]
    assert f"on {share}" in readme
    ours, of_rocket = re.search(
        r"mean accuracy of the defaults is ([\d.]+) .{,40} ROCKET's ([\d.]+)\.", defaults
    ).groups()
    assert f"is {ours} %" in readme
    assert f"ROCKET ({of_rocket} %)" in readme
