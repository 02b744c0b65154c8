"""What m8 answers to every question about the secrets in a log, so that two versions of m8 can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import options_pb2
from monoskope.errors import Error

FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "anna": {"subject": "anna"},
    "bob": {"subject": "bob"},
    "nobody": {"subject": "nobody"},
    "deleted": {"state": views_pb2.SECRET_STATE_DELETED},
    "drifted": {"state": views_pb2.SECRET_STATE_DRIFTED},
    "out of sync": {"state": views_pb2.SECRET_STATE_OUT_OF_SYNC},
    "expiring": {"expiring_before": "2027-01-01"},
    "expiring later": {"expiring_before": "2030-01-01"},
    "owner": {"labels": [options_pb2.Label(name="owner", value="anna")]},
    "owner expiring": {"labels": [options_pb2.Label(name="owner", value="anna")], "expiring_before": "2030-01-01"},
    "anna drifted": {"subject": "anna", "state": views_pb2.SECRET_STATE_DRIFTED},
    "store": {"store": "local"},
    "prefix": {"prefix": "vault://team-a/d"},
    "team": {"prefix": "vault://team-a"},
}


async def answers(queries: Any, events: Any, caller: Any, *, uris: list[str], requests: list[bytes]) -> dict[str, Any]:
    """Every answer to `caller`, by question: as JSON, with the SHA-256 of its bytes."""
    return {question: answer async for question, answer in _all(queries, events, caller, uris, requests)}


async def _all(
    queries: Any,
    events: Any,
    caller: Any,
    uris: list[str],
    requests: list[bytes],
) -> AsyncIterator[tuple[str, Any]]:
    for uri in uris:
        yield f"secret {uri}", await _one(queries.get_secret, queries_pb2.GetSecretRequest(uri=uri), caller)
        for size in (1, 100):
            question = queries_pb2.ListSecretVersionsRequest(uri=uri, page_size=size)
            yield f"versions {uri} {size}", await _pages(queries.list_secret_versions, question, caller)
    for request_id in requests:
        asked = queries_pb2.GetSecretUploadRequest(request_id=request_id)
        yield f"upload {request_id.hex()}", await _one(queries.get_secret_upload, asked, caller)
        of_request = queries_pb2.ListEventsRequest(request_id=request_id)
        yield f"events {request_id.hex()}", await _pages(events.list_events, of_request, caller)
    for name, fields in FILTERS.items():
        for size in (1, 3, 100):
            listed = queries_pb2.ListSecretsRequest(page_size=size, **fields)
            yield f"secrets {name} {size}", await _pages(queries.list_secrets, listed, caller)
    stores = queries_pb2.ListSecretStoresRequest(count_pending=True)
    yield "stores", await _pages(queries.list_secret_stores, stores, caller)
    yield "events", await _pages(events.list_events, queries_pb2.ListEventsRequest(page_size=50), caller)


async def _pages(call: Any, question: Any, caller: Any) -> list[Any]:
    pages = []
    while True:
        answer = await _asked(call, question, caller)
        pages.append(_shown(answer))
        token = getattr(answer, "next_page_token", "")
        if not token:
            return pages
        question.page_token = token


async def _one(call: Any, question: Any, caller: Any) -> Any:
    return _shown(await _asked(call, question, caller))


async def _asked(call: Any, question: Any, caller: Any) -> Message | Error:
    try:
        answer: Message = await call(question, caller)
    except Error as error:
        return error
    return answer


def _shown(answer: Message | Error) -> Any:
    if isinstance(answer, Error):
        return str(answer)
    digest = hashlib.sha256(answer.SerializeToString(deterministic=True)).hexdigest()
    return {"sha256": digest, **MessageToDict(answer, preserving_proto_field_name=True)}
