"""The directive ``changelog``: a changelog in Markdown (headings, lists, code, links) as sections of a page."""

import re
from pathlib import Path

from sphinx.util.docutils import SphinxDirective


def to_rst(markdown):
    """The same text in reStructuredText, without the title."""
    text = re.sub(r"\A# .*\n", "", markdown)
    text = re.sub(r"^## (.*)$", lambda match: f"{match[1]}\n{'-' * len(match[1])}", text, flags=re.MULTILINE)
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", text)


class Changelog(SphinxDirective):
    required_arguments = 1

    def run(self):
        path = self.env.relfn2path(self.arguments[0])[1]
        self.env.note_dependency(path)
        return self.parse_text_to_nodes(to_rst(Path(path).read_text(encoding="utf-8")), allow_section_headings=True)


def setup(app):
    app.add_directive("changelog", Changelog)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
