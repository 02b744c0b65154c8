"""The names that are upstream, as documents."""

from __future__ import annotations

from monoskope.client import Known, UpstreamName
from monoskope.monoctl.output.formats import Document

_SAYS = {
    Known.FOLDER: "folder",
    Known.PUT: "put through m8",
    Known.KNOWN: "known",
    Known.DELETED: "deleted through m8",
    Known.IMPORTABLE: "can be imported",
}


def name(found: UpstreamName) -> Document:
    """One name, and what m8 says of it."""
    return {
        "uri": found.uri,
        "folder": found.is_folder,
        "m8_says": _SAYS[found.known],
        "can_be_imported": found.can_be_imported,
        "request_id": found.request_id,
    }
