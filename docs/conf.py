"""Sphinx configuration. Build: ``python -m sphinx docs docs/_build``; no network is needed."""

import importlib.util
import os
import pydoc
import re
import shutil

os.environ.setdefault("MPLBACKEND", "agg")

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
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build"]
nitpicky = True  # a cross reference that leads nowhere is a warning
html_theme = "alabaster"
html_theme_options = {
    "description": skrnn.__doc__.splitlines()[0],
    "page_width": "1200px",
    "body_max_width": "none",
    "fixed_sidebar": True,
}
toc_object_entries_show_parents = "hide"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_copy_source = False

numpydoc_show_class_members = False  # the pages made by autosummary list the members themselves
autodoc_typehints = "none"  # docstrings have the types
autodoc_mock_imports = [] if importlib.util.find_spec("sktime") else ["sktime"]  # the base of an adapter
extlinks = {"doi": ("https://doi.org/%s", "doi:%s"), "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s")}

# The gallery runs the examples, on a copy, beside which they leave their figures; without sphinx-gallery the
# documentation is built without it.
if importlib.util.find_spec("sphinx_gallery"):
    shutil.copytree("../examples", "_build/examples", ignore=shutil.ignore_patterns("*.png"), dirs_exist_ok=True)
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": "_build/examples",
        "gallery_dirs": "auto_examples",
        "remove_config_comments": True,
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


def setup(app):
    app.add_directive("autosummary", Summary, override=True)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("missing-reference", link_elsewhere)
