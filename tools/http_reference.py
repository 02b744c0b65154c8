"""The parts of docs/reference/http.md that are made from the code: the table of errors, and the whole example client.

The page itself is written by hand. A part stands between `<!-- NAME -->` and `<!-- /NAME -->`.
"""

from __future__ import annotations

import re
from pathlib import Path

from monoskope import errors
from monoskope.errors import Code
from monoskope.m8.http.refused import CONNECT_CODE, HTTP_STATUS
from tools.cli_reference import documented

PAGE = Path("docs/reference/http.md")
EXAMPLE = Path("examples/http/put.py")


def statuses() -> dict[int, list[str]]:
    """Return each HTTP status of an error, and what our codes under it mean."""
    meanings = documented(errors, "Code")
    found: dict[int, list[str]] = {}
    for code in Code:
        status = HTTP_STATUS[CONNECT_CODE[code]]
        found.setdefault(status, []).append(f"`{code.value}`: {meanings[code.name]}")
    return found


def table() -> str:
    """Return the table of errors: HTTP status, Connect's code, our code and what it means."""
    meanings = documented(errors, "Code")
    rows = sorted(
        (HTTP_STATUS[CONNECT_CODE[code]], CONNECT_CODE[code], code.value, meanings[code.name]) for code in Code
    )
    lines = [f"| {status} | `{connect}` | `{ours}` | {meaning} |" for status, connect, ours, meaning in rows]
    return "\n".join(["| HTTP status | `code` | our code | meaning |", "|---|---|---|---|", *lines])


def render(root: Path) -> str:
    """Return the whole of http.md, with its made parts as the code is now."""
    page = (root / PAGE).read_text(encoding="utf-8")
    example = (root / EXAMPLE).read_text(encoding="utf-8").rstrip("\n")
    page = filled(page, "errors", table())
    return filled(page, "put.py", f"```python\n{example}\n```")


def filled(page: str, name: str, content: str) -> str:
    """Return a page with `content` between `<!-- NAME -->` and `<!-- /NAME -->`.

    Raises:
        ValueError: it has no such place, or several.
    """
    part = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    whole, times = part.subn(lambda found: f"{found[1]}{content}\n{found[2]}", page)
    if times != 1:
        raise ValueError(f"the page has {times} places for {name}, and one is needed.")
    return whole
