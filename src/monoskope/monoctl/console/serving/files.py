"""The files of the page, as `console/build.mjs` made them: read once, each with its exact type."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

from monoskope.http.messages import Response
from monoskope.monoctl.console.serving.headers import ALWAYS

_FILES = MappingProxyType(
    {
        "/": ("index.html", "text/html; charset=utf-8"),
        "/console.js": ("console.js", "text/javascript; charset=utf-8"),
        "/console.css": ("console.css", "text/css; charset=utf-8"),
        "/icon.svg": ("icon.svg", "image/svg+xml"),
        "/licences.txt": ("licences.txt", "text/plain; charset=utf-8"),
    }
)
"""Path to file and type. Nothing else of the folder is served."""


def read() -> Mapping[str, Response]:
    """Return the answer for each path of the page. Raises `OSError` if this installation lacks a file."""
    folder = resources.files("monoskope.monoctl.console") / "static"
    return {
        path: Response(200, (("Content-Type", kind), *ALWAYS), (folder / name).read_bytes())
        for path, (name, kind) in _FILES.items()
    }
