"""What m8 shows of its log, as a document."""

from __future__ import annotations

import datetime as dt

from monoskope.client.results.shown_log import Log, LogWitness
from monoskope.monoctl.output.formats import Document
from monoskope.times import rfc3339


def log(found: Log) -> Document:
    """Return the log of an m8, with its newest signed note."""
    return {
        "server": found.server,
        "origin": found.origin,
        "vkeys": list(found.vkeys),
        "size": found.size,
        "note": found.note,
        "signed_at": _at(found.signed_at),
        "witnessed_size": found.witnessed_size,
        "witnessed_note": found.witnessed_note,
        "newest_at": _at(found.newest_at),
        "age_s": round(found.age_s, 3),
        "demanded": found.demanded,
        "quorum": found.quorum,
        "witnesses": [_witness(one) for one in found.witnesses],
        "trouble": found.trouble,
        "quorum_trouble": found.quorum_trouble,
        "renewed_at": _at(found.renewed_at),
        "renewal_reason": found.renewal_reason,
        "pinned_size": found.pinned_size,
    }


def _at(at: dt.datetime | None) -> str:
    return "" if at is None else rfc3339(round(at.timestamp() * 1000))


def _witness(one: LogWitness) -> Document:
    return {
        "name": one.name,
        "vkey": one.vkey,
        "size": one.size,
        "cosigned_at": _at(one.cosigned_at),
        "trouble": one.trouble,
    }
