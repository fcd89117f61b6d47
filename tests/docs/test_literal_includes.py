"""Pages quote files from one line to another: both must be there."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
QUOTES = [
    (page.stem, block)
    for page in sorted(DOCS.glob("*.rst"))
    for block in re.findall(r"^\.\. literalinclude:: .+(?:\n {3,}:.+)*", page.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize(("page", "block"), QUOTES)
def test_a_quoted_file_has_the_lines_that_bound_the_quote(page, block):
    quoted = (DOCS / block.splitlines()[0].split("::")[1].strip()).read_text(encoding="utf-8")
    for option, pattern in re.findall(r":((?:start|end)-(?:at|after|before)): (.+)", block):
        assert pattern in quoted, f"{page}: {option}"
        quoted = quoted[quoted.index(pattern) :]
