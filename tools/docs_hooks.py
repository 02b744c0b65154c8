"""What the site's builder does to our pages: links to files outside of docs/ lead to the repository instead.

The pages are read in two places. In the repository a link such as `../README.md` leads to a file; the site has no such
file.
"""

from __future__ import annotations

import posixpath
import re
from typing import Protocol

_LINK = re.compile(r"(?P<text>\]\()(?P<target>\.\.?/[^)\s]+)(?P<end>[)\s])")


class Config(Protocol):
    """What is read of the site's settings."""

    repo_url: str


class Page(Protocol):
    """What is read of a page."""

    file: File


class File(Protocol):
    """What is read of a page's file: its path below docs/."""

    src_uri: str


def on_page_markdown(markdown: str, page: Page, config: Config, **_: object) -> str:
    """Return a page whose links to files outside of docs/ lead to the repository; called for each page."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def rewritten(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link["target"]))
        if path.startswith("docs/"):
            return link[0]
        return f"{link['text']}{config.repo_url.rstrip('/')}/blob/main/{path}{link['end']}"

    return _LINK.sub(rewritten, markdown)
