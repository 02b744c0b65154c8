"""A log that commit 750a469 made is migrated, and every answer stays what it was.

`tests/fixtures/log-750a469.db` is the log of a real m8 of that commit with real reactors of OpenBao and age files: all
purposes that it knew, an open request, drift, a deletion. `log-750a469.json` holds what it answered, and digests of
what commit 568bb8f, the last with receipts in its documents, answered from the same log. Since then its records were
given what a record says of itself, so the digests of events are newer.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.principal import Principal
from monoskope.m8.log.event_log import NewEvent, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.queries.events import Events
from monoskope.m8.queries.queries import Queries
from monoskope.m8.readmodels.chain import project
from monoskope.m8.service.app import App, Caller
from monoskope.uri import UriPrefix
from tests.support.answers import answers
from tests.support.old_log import FIXTURE, old_log

EXPECTED: dict[str, Any] = json.loads(FIXTURE.with_suffix(".json").read_text(encoding="utf-8"))
TEAM = tuple(UriPrefix.parse(f"{store}://team-a") for store in ("vault", "local"))
RIGHTS = frozenset({events_pb2.RIGHT_PUT, events_pb2.RIGHT_COMPARE, events_pb2.RIGHT_SEE_HASH})
PEOPLE = {
    "administrator": Principal.of_token("id", "administrator", events_pb2.ROLE_ADMINISTRATOR, expires_at_ms=2**50),
    "anna": Principal.of_token("id", "anna", events_pb2.ROLE_USER, prefixes=TEAM, rights=RIGHTS, expires_at_ms=2**50),
    "blind": Principal.of_token(
        "id", "blind", events_pb2.ROLE_USER, prefixes=TEAM, rights={events_pb2.RIGHT_PUT}, expires_at_ms=2**50
    ),
}


def clock() -> int:
    return 0


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = await SqliteLog.open(old_log(tmp_path), clock=clock, projector=project)
    yield log
    await log.close()


async def answered(log: SqliteLog, who: str) -> dict[str, Any]:
    async def nobody(_token: str) -> Principal:
        raise AssertionError

    app = App(log=log, authenticate=nobody, names=(), clock=clock, audience="m8", version="1")
    requests = [bytes.fromhex(text) for text in EXPECTED["requests"]]
    caller = Caller(PEOPLE[who], 1.0)
    return await answers(Queries(app), Events(app), caller, uris=EXPECTED["uris"], requests=requests)


@pytest.mark.parametrize("who", list(PEOPLE))
async def test_every_answer_is_byte_for_byte_what_it_was_before_documents_were_slim(log: SqliteLog, who: str) -> None:
    found = {question: digest(answer) for question, answer in (await answered(log, who)).items()}
    assert found == EXPECTED["digests_of_568bb8f"][who]


def digest(answer: Any) -> str:
    return hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()[:32]


async def test_the_old_m8_answered_the_same_but_for_what_has_been_added_since(log: SqliteLog) -> None:
    found = await answered(log, "anna")
    for question, expected in EXPECTED["answers_of_750a469"].items():
        assert since(found[question]) == since(expected), question


def since(answer: Any) -> Any:
    """An answer without its digest, and without what it says since an import counts as a verification."""
    if isinstance(answer, list):
        return [since(part) for part in answer]
    if not isinstance(answer, dict):
        return answer
    left_out = {"sha256"} | ({"verified", "verified_at_ms"} if str(answer.get("uri")).endswith("/old") else set())
    return {name: since(part) for name, part in answer.items() if name not in left_out}


async def test_no_document_holds_a_grant_a_request_or_a_receipt(log: SqliteLog, tmp_path: Path) -> None:
    events = await log.read(after=0, limit=10_000)
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM documents_2")]
    parts = [part for event in events for part in signed_parts(event)]
    assert len(parts) > 60
    assert not [part for part in parts for body in bodies if part in body]


def signed_parts(event: RecordedEvent) -> list[bytes]:
    """What a reactor or a user signed or asked, as an event holds it."""
    kind = getattr(events_pb2, event.type)
    message = kind.FromString(event.data)
    fields = {name.name for name in kind.DESCRIPTOR.fields}
    signed = [getattr(message, name).content for name in ("grant", "receipt") if name in fields]
    return [part for part in [*signed, getattr(message, "request", b"")] if part]


async def test_the_migrated_log_goes_on(log: SqliteLog) -> None:
    head = await log.head()
    await log.append("other", 0, [NewEvent("Happened", b"")], actor="anna")
    assert await log.check_chain() == head + 1
    assert await log.rebuild() == head + 1
