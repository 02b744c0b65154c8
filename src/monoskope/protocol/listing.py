"""What a LISTED receipt shows: the names directly below a URI, one page of them.

Names in an engine are foreign text. Only those that can stand in a URI are shown; the others are counted. A name with
"/" at its end is a folder, the others are secrets. The pages are in byte order, and each one begins after the last name
of the one before. m8 keeps every page in its log for ever, so a page is small.
"""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.wire import MalformedError
from monoskope.uri import SecretUri, is_segment
from monoskope.value import Value

MAX_NAMES = 500
MAX_BYTES = 32_768
"""The most characters of all names on a page."""
LARGEST_PAGE = MAX_BYTES + 8 * MAX_NAMES
"""Bytes that a page takes in m8's log at most, besides what every receipt takes."""
MAX_UNADDRESSABLE = 1_000_000
FOLDER = "/"
"""What the name of a folder ends in."""


class Listing(Value, frozen=True):
    """One page of names."""

    names: tuple[str, ...]
    """In byte order, each once; a folder's name ends in "/"."""
    unaddressable: int
    """How many more names there are, on all pages together, that no URI can name."""


def is_name(text: str) -> bool:
    """Whether a page can hold `text`: a segment, or the name of a folder."""
    return is_segment(text.removesuffix(FOLDER))


def secret_below(uri: SecretUri, name: str) -> SecretUri | None:
    """Return the URI of the secret `name` below `uri`, None if `name` is a folder's."""
    return None if name.endswith(FOLDER) else SecretUri(uri.store, (*uri.path, name))


def page(names: Iterable[str], after: str, unaddressable: int) -> tuple[Listing, bool]:
    """Return the page of `names` that begins after the name `after`, and whether there are more names after it."""
    rest = sorted({name for name in names if name > after})
    shown: list[str] = []
    size = 0
    for name in rest:
        size += len(name)
        if len(shown) == MAX_NAMES or size > MAX_BYTES:
            break
        shown.append(name)
    return Listing(tuple(shown), min(unaddressable, MAX_UNADDRESSABLE)), len(shown) < len(rest)


def message_of(listing: Listing) -> upload_pb2.Listing:
    """Return `listing` as it goes over the wire."""
    return upload_pb2.Listing(names=listing.names, unaddressable=listing.unaddressable)


def parse_listing(message: upload_pb2.Listing) -> Listing:
    """Return the page in `message`. Raises `MalformedError`."""
    names = list(message.names)
    if len(names) > MAX_NAMES or sum(map(len, names)) > MAX_BYTES:
        raise MalformedError("Receipt", "listed", "has too many names")
    if not all(map(is_name, names)):
        raise MalformedError("Receipt", "listed", "has a name that is no segment of a URI")
    if sorted(set(names)) != names:
        raise MalformedError("Receipt", "listed", "must be in byte order, each name once")
    if message.unaddressable > MAX_UNADDRESSABLE:
        raise MalformedError("Receipt", "listed", "counts too many names")
    return Listing(tuple(names), message.unaddressable)
