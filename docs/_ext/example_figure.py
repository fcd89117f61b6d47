"""The directive ``example-figure``: the figure of an example of the gallery, with a link to the example."""

from pathlib import Path

from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

FIGURE = """
.. figure:: /{path}
    :alt: {alt}
    :target: auto_examples/{name}.html

    {caption}
"""


class ExampleFigure(SphinxDirective):
    """The figure of an example above the content, or only the content if the gallery was built without running."""

    required_arguments = 1
    has_content = True
    option_spec = {"alt": directives.unchanged_required}

    def run(self):
        (name,) = self.arguments
        path = f"auto_examples/images/sphx_glr_{name}_001.png"
        self.env.note_dependency(path)
        caption = f"{' '.join(self.content)} From the example :doc:`auto_examples/{name}`."
        if not (Path(self.env.srcdir) / path).exists():
            return self.parse_text_to_nodes(caption)
        return self.parse_text_to_nodes(FIGURE.format(path=path, name=name, caption=caption, **self.options))


def setup(app):
    app.add_directive("example-figure", ExampleFigure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
