"""Sphinx configuration. Build: ``python -m sphinx docs docs/_build``; no network is needed."""

import importlib.util
import os
import pydoc
import re
import shutil
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from docutils import nodes
from sphinx.ext.autosummary import Autosummary

import skrnn

project = "skrnn"
author = "The skrnn developers"
copyright = "The skrnn developers"
release = version = skrnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "changelog",
    "example_figure",
    "mathml",
]
exclude_patterns = ["_build"]
nitpicky = True  # a cross reference that leads nowhere is a warning
suppress_warnings = ["ref.term"]  # docstrings that come from scikit-learn refer to its glossary
templates_path = ["_templates"]
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "logo": {"text": f"skrnn {release}"},
    "header_links_before_dropdown": 7,
    "navigation_depth": 2,  # below that, the table of contents of the page and the lists of the API
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "back_to_top_button": False,  # it lies over the text
}
html_sidebars = {"index": [], "changes": [], "generated/*": ["sidebar-of-class"]}
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "  # is not copied, nor is output
copybutton_prompt_is_regexp = True

numpydoc_show_class_members = False  # the pages made by autosummary list the members themselves
autodoc_typehints = "none"  # docstrings have the types
autodoc_mock_imports = [] if importlib.util.find_spec("sktime") else ["sktime"]  # the base of an adapter
extlinks = {"doi": ("https://doi.org/%s", "doi:%s"), "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s")}

# The gallery runs the examples, on a copy, beside which they leave their figures.
shutil.copytree("../examples", "_build/examples", ignore=shutil.ignore_patterns("*.png"), dirs_exist_ok=True)
sphinx_gallery_conf = {
    "examples_dirs": "_build/examples",
    "gallery_dirs": "auto_examples",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skrnn",),
    "remove_config_comments": True,
    "parallel": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
    "download_all_examples": False,
    "min_reported_time": 3600,  # the time of an example is that of the machine that built the pages
    "show_signature": False,
    "write_computation_times": False,  # the page of times loads scripts from another server
}

SKLEARN = "https://scikit-learn.org/stable/"
ELSEWHERE = {
    "sklearn": SKLEARN + "modules/generated/{}.html",
    "numpy": "https://numpy.org/doc/stable/reference/generated/{}.html",
}
PAGES_OF_SKLEARN = {  # labels and terms in docstrings that are inherited from scikit-learn
    "metadata_routing": "metadata_routing.html",
    "df_output_transform": "auto_examples/miscellaneous/plot_set_output.html",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py": "auto_examples/miscellaneous/plot_set_output.html",
    "accuracy_score": "modules/model_evaluation.html#accuracy-score",
    "meta-estimator": "glossary.html#term-meta-estimator",
}
HOOKS = {"setup", "teardown", "on_fit_task_begin", "on_fit_task_end", "get_test_params"}  # others call them


class Summary(Autosummary):
    """Tables of names, in whose summaries no reference is cited: it stands on another page."""

    def get_items(self, names):
        return [(*item[:2], re.sub(r" ?\[R\w+-\d+\]_", "", item[2]), *item[3:]) for item in super().get_items(names)]


def skip_member(app, what, name, member, skip, options):
    """Leave out parameters and fields, which the text of a class describes, hooks, and what pandas gives a subclass."""
    function = getattr(member, "fget", member)
    ours = (getattr(function, "__module__", None) or "").startswith(("skrnn.", "sklearn."))
    return skip or name.startswith("_") or name in HOOKS or not callable(function) or not ours or not function.__doc__


def link_elsewhere(app, env, node, contnode):
    """Link names of scikit-learn and NumPy, if they exist, without fetching an inventory."""
    target = node["reftarget"]
    if target in PAGES_OF_SKLEARN:
        uri = SKLEARN + PAGES_OF_SKLEARN[target]
    elif target.split(".")[0] in ELSEWHERE and pydoc.locate(target) is not None:
        uri = ELSEWHERE[target.split(".")[0]].format(target)
    else:
        return None
    return nodes.reference("", "", contnode, internal=False, refuri=uri)


def list_members(app, pagename, templatename, context, doctree):
    """Give a page of the API the names of a class and of its members: of its own, or of the one that it belongs to."""
    if pagename.startswith("generated/"):
        members = app.env.toctree_includes.get(pagename)
        of_class = pagename if members else pagename.rpartition(".")[0]
        names = [of_class, *app.env.toctree_includes.get(of_class, [])] if of_class in app.env.titles else [pagename]
        context["members_of_class"] = [(name, app.env.titles[name].astext().rpartition(".")[2]) for name in names]


def setup(app):
    app.add_directive("autosummary", Summary, override=True)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("missing-reference", link_elsewhere)
    app.connect("html-page-context", list_members)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
