"""The secret URI: `store://segment/segment…`, parsed once, strictly, and compared as bytes.

Grammar (docs/protocol.md, Bytes): store `[a-z][a-z0-9-]{0,62}`; segment `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`; 1 to 16
segments; at most 512 bytes. It is never handed to a URL library: there is no query, fragment, user, port, escape or
normalisation.
"""

from __future__ import annotations

import re
from typing import Self

from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.value import Value

MAX_BYTES = 512
MAX_SEGMENTS = 16

_STORE = pattern(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_SEGMENT = pattern(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_STORE_RULE = "1 to 63 of a-z, 0-9 and '-', a letter first"
_SEGMENT_RULE = "1 to 128 of A-Z, a-z, 0-9, '_', '.' and '-', not starting with '.' or '-'"


def check_store_name(name: str) -> str:
    """Return `name` if it is a valid store name, else raise `UsageError` that states the rule."""
    if _STORE.fullmatch(name) is None:
        raise UsageError(f"store name {name!r} is not valid: {_STORE_RULE}.", fix="Choose a name by that rule.")
    return name


def is_segment(text: str) -> bool:
    """Whether `text` can be a segment of a path."""
    return _SEGMENT.fullmatch(text) is not None


def parse_path(text: str) -> tuple[str, ...]:
    """Split `a/b/c` into its segments, or raise `UsageError` that names the offending segment and the rule."""
    segments = tuple(text.split("/"))
    if len(segments) > MAX_SEGMENTS:
        raise UsageError(
            f"the path has {len(segments)} segments; at most {MAX_SEGMENTS} are allowed.", fix="Shorten the path."
        )
    for segment in segments:
        if _SEGMENT.fullmatch(segment) is None:
            raise UsageError(
                f"path segment {segment!r} is not valid: {_SEGMENT_RULE}.", fix="Write store://segment/segment."
            )
    return segments


def parse_below(text: str) -> tuple[str, ...]:
    """Return the segments of a path below which something counts, `""` for all paths. Raises as `parse_path`."""
    return parse_path(text) if text else ()


class SecretUri(Value, frozen=True):
    """A parsed secret URI; holding one means that it is valid."""

    store: str
    path: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a full URI.

        Raises:
            UsageError: the text does not follow the grammar; the message names the part and the rule.
        """
        store, separator, rest = text.partition("://")
        if not separator:
            raise UsageError(f"{text!r} is not a secret URI: it has no '://'.", fix="Write store://segment/segment.")
        check_store_name(store)
        path = parse_path(rest)
        if len(text) > MAX_BYTES:
            raise UsageError(f"the URI has {len(text)} bytes; at most {MAX_BYTES} are allowed.", fix="Shorten it.")
        return cls(store, path)

    def __str__(self) -> str:
        return f"{self.store}://{'/'.join(self.path)}"


class UriPrefix(Value, frozen=True):
    """Everything at and below a URI, by whole segments: `vault://team-a` covers `vault://team-a/db`, not `vault://team-ab`.

    `vault://` alone covers the whole store.
    """

    store: str
    path: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `store://` or `store://segment…`; raises `UsageError` as `SecretUri.parse` does."""
        store, separator, rest = text.partition("://")
        if not separator:
            raise UsageError(
                f"{text!r} is not a URI prefix: it has no '://'.", fix="Write store:// or store://segment."
            )
        check_store_name(store)
        return cls(store, parse_path(rest.removesuffix("/")) if rest else ())

    def covers(self, uri: SecretUri | UriPrefix) -> bool:
        """Whether `uri`, or all that another prefix covers, lies at or below this prefix."""
        return uri.store == self.store and uri.path[: len(self.path)] == self.path

    def __str__(self) -> str:
        return f"{self.store}://{'/'.join(self.path)}"
