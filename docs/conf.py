"""Sphinx configuration. Build: ``python -m sphinx docs docs/_build``."""

import importlib.util
import os

os.environ.setdefault("MPLBACKEND", "agg")

import skrnn

project = "skrnn"
author = "The skrnn developers"
copyright = "The skrnn developers"
release = version = skrnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": skrnn.__doc__.splitlines()[0], "page_width": "1000px", "fixed_sidebar": True}
html_copy_source = False

autosummary_generate = True
intersphinx_mapping = {"sklearn": ("https://scikit-learn.org/stable", None)}
intersphinx_timeout = 10
numpydoc_show_class_members = False  # the pages made by autosummary list the members themselves
extlinks = {"doi": ("https://doi.org/%s", "doi:%s"), "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s")}

# The gallery runs the examples; without sphinx-gallery the documentation is built without it.
if importlib.util.find_spec("sphinx_gallery"):
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": "../examples",
        "gallery_dirs": "auto_examples",
        "remove_config_comments": True,
    }
