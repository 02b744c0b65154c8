"""m8's log, read past m8 and from where the last look stopped: cheap enough to be asked every few milliseconds."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.events import KINDS
from monoskope.m8.domain.upload import Upload, evolve
from monoskope.protocol.events import request_id_of
from monoskope.protocol.outcomes import State
from monoskope.protocol.receipt import Receipt, parse_receipt


@dataclass(slots=True)
class Request:
    upload: Upload = field(default_factory=Upload)
    types: list[str] = field(default_factory=list)
    signed: upload_pb2.Signed | None = None
    """The receipt that ended it."""
    reason: upload_pb2.Reason = upload_pb2.REASON_UNSPECIFIED
    """Why it failed."""
    started_ms: int = 0
    """When its write was announced, by m8's clock; 0 for never."""

    @property
    def ended(self) -> bool:
        return self.upload.state is State.ENDED

    @property
    def uri(self) -> str:
        return str(self.upload.request.uri) if self.upload.request is not None else ""

    @property
    def receipt(self) -> Receipt | None:
        return None if self.signed is None else parse_receipt(self.signed.content)

    def take(self, event: event_pb2.Event) -> None:
        message = KINDS[event.type].FromString(event.data)
        self.upload = evolve(self.upload, message, at_ms=event.recorded_at_ms)
        self.types.append(event.type)
        if isinstance(message, events_pb2.SecretUploadStarted):
            self.started_ms = event.recorded_at_ms
        if isinstance(message, events_pb2.SecretUploadFailed):
            self.reason = message.reason
        if self.ended and message.HasField("receipt"):
            self.signed = message.receipt  # type: ignore[attr-defined]


class Logbook:
    """What the log of the m8 in a folder says, whether that m8 lives or not."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.db"
        self._position = 0
        self._requests: defaultdict[str, Request] = defaultdict(Request)

    def requests(self, uri: str) -> dict[str, Request]:
        """Every request for a secret, by id in hex, the oldest first."""
        self.read()
        return {request_id: one for request_id, one in self._requests.items() if one.uri == uri}

    def read(self) -> list[Request]:
        """Take in what is new, and return the requests that began since the last look, the oldest first."""
        begun = []
        for (record,) in self._rows("SELECT record FROM events WHERE position > ? ORDER BY position", self._position):
            event = event_pb2.Event.FromString(record)
            self._position = event.position
            request_id = request_id_of(event.stream)
            if request_id is not None:
                one = self._requests[request_id.hex()]
                if not one.types:
                    begun.append(one)
                one.take(event)
        return begun

    def heard_ms(self, key: str) -> int:
        """When m8 last heard a reactor, 0 for never."""
        return max((row[0] for row in self._rows("SELECT at_ms FROM beats WHERE key = ?", key)), default=0)

    def _rows(self, query: str, parameter: object) -> list[Any]:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(self.path))}?mode=ro", uri=True)) as database:
            return database.execute(query, (parameter,)).fetchall()
