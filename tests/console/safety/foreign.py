"""A web page of somebody else, on an origin of its own on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.support.certificates import Handler, http_server


@contextlib.contextmanager
def foreign_page(html: str = "<!doctype html><html lang=en><title>Foreign</title><p>Foreign") -> Iterator[str]:
    """Serve `html` at every path of a free port, and return the origin."""

    class Page(Handler):
        def answer(self) -> None:
            self.reply(200, html.encode(), {"Content-Type": "text/html; charset=utf-8"})

    with http_server(Page) as port:
        yield f"http://127.0.0.1:{port}"
