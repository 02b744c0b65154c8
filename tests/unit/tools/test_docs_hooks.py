"""On the site, links to files that it does not have lead to the repository; all others stay."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tools import docs_hooks

CONFIG: Any = SimpleNamespace(repo_url="https://forge.example/monoskope/")


@pytest.mark.parametrize(
    ("page", "written", "shown"),
    [
        ("a.md", "[x](../README.md)", "[x](https://forge.example/monoskope/blob/main/README.md)"),
        ("stores/a.md", "[x](../../tests/a.py)", "[x](https://forge.example/monoskope/blob/main/tests/a.py)"),
        ("a.md", "[x](../README.md#stores)", "[x](https://forge.example/monoskope/blob/main/README.md#stores)"),
        ("stores/a.md", "[x](../b.md#c)", "[x](../b.md#c)"),
        ("a.md", "[x](b.md) [y](https://z.example/../q)", "[x](b.md) [y](https://z.example/../q)"),
    ],
)
def test_links_lead_to_what_there_is(page: str, written: str, shown: str) -> None:
    at: Any = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert docs_hooks.on_page_markdown(written, page=at, config=CONFIG, files=None) == shown
