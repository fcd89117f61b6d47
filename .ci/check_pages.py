"""Check built pages: nothing is loaded from another server, and each link within the site leads to a file.

``python .ci/check_pages.py FOLDER`` prints what is wrong, and fails if anything is.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
LOADED_BY_STYLES = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')]+)""")


class Links(HTMLParser):
    """Addresses that a page loads, and those that it links to."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.linked = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        address = attributes.get(LOADED.get(tag, "href" if tag == "a" else None))
        if address and "canonical" not in (attributes.get("rel") or ""):
            (self.linked if tag == "a" else self.loaded).append(address)


def faults_of_page(page):
    links = Links(page.read_text(encoding="utf-8"))
    yield from (f"loads {address}" for address in links.loaded if urlsplit(address).netloc)
    for address in links.loaded + links.linked:
        parts = urlsplit(address)
        if not parts.scheme and not parts.netloc and parts.path and not (page.parent / unquote(parts.path)).exists():
            yield f"has a link to {address}, which does not exist"


def main(folder):
    pages = sorted(path for path in folder.rglob("*.html") if "_static" not in path.parts)  # there are templates
    styles = sorted(folder.rglob("*.css"))
    found = [f"{page.relative_to(folder)} {fault}" for page in pages for fault in faults_of_page(page)]
    for style in styles:
        addresses = LOADED_BY_STYLES.findall(style.read_text(encoding="utf-8"))
        found += [f"{style.relative_to(folder)} loads {address}" for address in addresses]
    print("\n".join(found))
    print(f"{len(pages)} pages and {len(styles)} style sheets: {len(found)} faults")
    return bool(found or not pages)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
