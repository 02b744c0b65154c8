"""What the log and the engines say, in the form in which invariants look at it."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Error
from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite.documents import DOCUMENTS
from monoskope.m8.readmodels import documents, secrets, stores, uploads
from monoskope.m8.tree.signing import Signed
from monoskope.m8.tree.verifying import verified
from monoskope.protocol.events import request_id_of
from tests.faults.logbook import Request
from tests.ha.appender import everything
from tests.rig.history import Operation
from tests.support.engines import Version

COLLECTIONS = sorted(
    {
        documents.HISTORY,
        uploads.USAGE,
        secrets.REPLACEMENTS,
        secrets.SECRETS,
        secrets.VERSIONS,
        stores.DEFAULT_STORE,
        stores.FINGERPRINT_KEY,
        stores.STORES,
        documents.REVOCATIONS,
        documents.TOKENS,
        uploads.ENDED,
        uploads.OPEN_COUNTS,
        uploads.OPEN_UPLOADS,
    }
)
"""Of the read models. `rebuilt` fails if its events make others."""

SETTLE_S = 5.0
"""How long after STARTED an heir looks up what became of a write. The protocol has 30 s. No fault of an engine that the
rig makes lasts until then."""

LOOKS = 50
"""How often a log that still grows is read again."""

Documents = Mapping[str, Sequence[tuple[str, bytes]]]


@dataclass(frozen=True, slots=True)
class Told:
    """What the log says of one request.

    Attributes:
        outcome: UPLOADED and so on, "" without a receipt.
        reason: KEY_LOST and so on, "" if it did not fail.
        version: What the receipt says is upstream.
        prior: What it says was replaced.
        fingerprint: Of the whole secret, "" if the receipt has none.
        announced: What its STARTED said would be replaced or deleted, None without one.
        late: Whether it ended so long after STARTED that the end may have been looked up by what STARTED says alone.
    """

    uri: str
    ended: bool
    outcome: str = ""
    reason: str = ""
    version: str = ""
    prior: str = ""
    fingerprint: str = ""
    announced: str | None = None
    deletes: bool = False
    late: bool = False

    @classmethod
    def of(cls, request: Request) -> Told:
        receipt, started = request.receipt, request.upload.started
        reason = _name(upload_pb2.Reason.Name(request.reason), "REASON_")
        asked = request.upload.request
        told = cls(
            request.uri,
            request.ended,
            reason=reason,
            announced=None if started is None else started.prior_version,
            deletes=asked is not None and asked.purpose == upload_pb2.PURPOSE_DELETE,
            late=started is not None and request.upload.since_ms - request.started_ms >= SETTLE_S * 1_000,
        )
        if receipt is None:
            return told
        return replace(
            told,
            outcome=_name(upload_pb2.Outcome.Name(receipt.outcome), "OUTCOME_"),
            version=receipt.upstream_version,
            prior=receipt.prior_version,
            fingerprint=receipt.fingerprint,
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known after some rounds.

    Attributes:
        requests: What the log says, by id in hex.
        histories: Every version that the engine has of each secret, the oldest first.
        fingerprint: Returns the hash of a secret's content, as receipts show it.
        bound_s: How long an operation may take.
    """

    operations: Sequence[Operation]
    requests: Mapping[str, Told]
    histories: Mapping[str, Sequence[Version]]
    fingerprint: Callable[[Mapping[str, str]], str]
    bound_s: float


def _name(text: str, prefix: str) -> str:
    short = text.removeprefix(prefix)
    return "" if short == "UNSPECIFIED" else short


def requests_of(events: Iterable[RecordedEvent]) -> dict[str, Told]:
    found: defaultdict[str, Request] = defaultdict(Request)
    for event in events:
        request_id = request_id_of(event.stream)
        if request_id is not None:
            found[request_id.hex()].take(event_pb2.Event.FromString(event.record))
    return {request_id: Told.of(request) for request_id, request in found.items()}


async def read(log: EventLog) -> tuple[list[RecordedEvent], Documents]:
    for _ in range(LOOKS):
        events = await everything(log)
        kept = await documents_of(log)
        if await log.head() == len(events):
            return events, kept
    raise AssertionError("the log does not come to rest")


async def documents_of(log: EventLog) -> dict[str, list[tuple[str, bytes]]]:
    return {name: [pair async for pair in log.scan_all(name)] for name in COLLECTIONS}


async def verify_log(log: EventLog, events: Sequence[RecordedEvent], kept: Documents) -> list[str]:
    """Check the chain, and that the documents are what a new log makes of the same events; return what is wrong."""
    try:
        await log.check_chain()
    except Error as error:
        return [f"the chain does not hold: {error}"]
    again = await rebuilt(events)
    return [
        f"the read model {name} is not what its events say: {len(kept[name])} documents, {len(again[name])} rebuilt"
        for name in kept
        if kept[name] != again[name]
    ]


async def verify_tree(log: EventLog, signed: Callable[[], Sequence[Signed]]) -> list[str]:
    """Check every tile and every checkpoint; return what is wrong.

    Args:
        log: The log, which may grow meanwhile: then it is looked at again.
        signed: Reads the checkpoints that stand in the folders of m8.
    """
    for _ in range(LOOKS):
        noted = [*signed(), None]
        head = await log.head()
        try:
            for one in noted:
                await verified(log, head, one)
        except Error as error:
            if await log.head() == head:
                return [f"the tree of the log does not hold: {error}"]
        else:
            return []
    raise AssertionError("the log does not come to rest")


async def rebuilt(events: Sequence[RecordedEvent]) -> Documents:
    with tempfile.TemporaryDirectory(prefix="m8-rig-") as folder:
        file = Path(folder, "log.db")
        log = await SqliteLog.open(file, clock=lambda: 0, projector=documents.project, for_import=True)
        try:
            await log.import_records([event.record for event in events])
            await log.finish_import()
            with contextlib.closing(sqlite3.connect(file)) as database:
                made = {name for (name,) in database.execute(f"SELECT DISTINCT collection FROM {DOCUMENTS}")}
            assert made <= set(COLLECTIONS), made
            return await documents_of(log)
        finally:
            await log.close()
