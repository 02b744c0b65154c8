"""A form, as a client of OAuth 2.0 sends it (RFC 6749, appendix B): read in one way, or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping

CONTENT_TYPE = "application/x-www-form-urlencoded"

MOST_PARTS = 32
"""Parameters at most."""

_PART = re.compile(rb"(?:[A-Za-z0-9._~*+!$'(),;:@/?-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def parse(body: bytes) -> Mapping[str, str] | None:
    """Return the parameters of a form, None if it is none, has a name twice, or too many.

    Parameters without a value count as left out (RFC 6749, 3.2).
    """
    found: dict[str, str] = {}
    parts = body.split(b"&", MOST_PARTS) if body else []
    if len(parts) > MOST_PARTS:
        return None
    for part in parts:
        name, equals, value = part.partition(b"=")
        if not name or not equals or _PART.fullmatch(name) is None or _PART.fullmatch(value) is None:
            return None
        try:
            key, text = _decoded(name), _decoded(value)
        except UnicodeDecodeError:
            return None
        if key in found:
            return None
        found[key] = text
    return {name: value for name, value in found.items() if value}


def _decoded(part: bytes) -> str:
    plain = part.replace(b"+", b" ")
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), plain).decode("utf-8")
