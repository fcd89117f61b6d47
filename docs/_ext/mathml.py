"""Equations as MathML, which browsers show without scripts, and without fonts from elsewhere."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
TILDE = "<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"
BAR = '<mo stretchy="false">&#x0007C;</mo>', '<mo stretchy="false" lspace="0" rspace="0">&#x0007C;</mo>'
FUNCTION = re.compile(r"(?<!<msup>)(<mi>(?:log|exp|cos|sin|tanh)</mi>)(?=<m(?:i|n|sub|sup|subsup|frac)>)")
SIGN = re.compile(r"(<mo[^>]*>(?:&#x00028;|\()</mo>)<mo>&#x02212;</mo>")


def to_mathml(latex, display, node):
    """MathML of an equation; what latex2mathml spaces otherwise than TeX is set right."""
    try:
        markup = convert(latex, display=display)
    except Exception as error:
        LOGGER.warning("This equation cannot be read: %r", error, location=node)
        return ""
    if "\\" in markup:
        LOGGER.warning("This equation has an unknown command: %s", latex, location=node)
    markup = FUNCTION.sub(r'\1<mspace width="0.167em"/>', markup.replace(*TILDE).replace(*BAR))
    return SIGN.sub(r'\1<mo form="prefix">&#x02212;</mo>', markup)


def visit_inline(translator, node):
    tag = translator.starttag(node, "span", "", CLASS="math")
    translator.body.append(f"{tag}{to_mathml(node.astext(), 'inline', node)}</span>")
    raise nodes.SkipNode


def visit_block(translator, node):
    translator.body.append(translator.starttag(node, "div", "", CLASS="math"))
    for equation in filter(str.strip, node.astext().split("\n\n")):
        in_rows = r"\\" in equation and r"\begin" not in equation
        latex = rf"\begin{{split}}{equation}\end{{split}}" if in_rows else equation
        translator.body.append(to_mathml(latex, "block", node))
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
