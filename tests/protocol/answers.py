"""Requests as a client asks about them later, and what answers with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.queries import Queries
from monoskope.client.runtime.on_asyncio import ASYNCIO
from monoskope.errors import NotFoundError
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import make_request
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from monoskope.uri import SecretUri
from tests.support.vectors import EXPECT_NOTHING

SERVER = "m8:7443"
URI = "vault://app/db"
Change = Callable[[views_pb2.SecretUpload], object]
PURPOSES = [
    upload_pb2.PURPOSE_UPLOAD,
    upload_pb2.PURPOSE_PATCH,
    upload_pb2.PURPOSE_DELETE,
    upload_pb2.PURPOSE_GENERATE,
    upload_pb2.PURPOSE_COMPARE,
    upload_pb2.PURPOSE_VERIFY,
    upload_pb2.PURPOSE_IMPORT,
    upload_pb2.PURPOSE_UNDELETE,
    upload_pb2.PURPOSE_ROLLBACK,
    upload_pb2.PURPOSE_LIST,
]
"""All but COPY, of which there is more to prove."""


class Asked(Queries):
    """Queries without a server: answers are set by the test."""

    def __init__(self, m8: ScriptedM8) -> None:
        self.m8 = m8
        self.runtime = ASYNCIO
        self.answers: dict[bytes, queries_pb2.GetSecretUploadResponse] = {}
        self.stores_asked = 0

    async def store(self, name: str = "") -> views_pb2.SecretStore:
        self.stores_asked += 1
        return self.m8.stores[name]

    async def upload_answer(self, request_id: bytes, **_rest: Any) -> queries_pb2.GetSecretUploadResponse:
        if request_id not in self.answers:
            raise NotFoundError("m8 says: no such request.", by_m8=True)
        return self.answers[request_id]


def attempt(
    m8: ScriptedM8,
    purpose: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD,
    *,
    uri: str = URI,
    signer: Identity | None = None,
    destination: str = "",
) -> Attempt:
    request = make_request(
        request_id=os.urandom(16),
        purpose=purpose,
        uri=SecretUri.parse(uri),
        expect=upload_pb2.EXPECT_UNSPECIFIED if purpose in EXPECT_NOTHING else upload_pb2.EXPECT_ANY,
        suites=(1,),
        destination=SecretUri.parse(destination) if destination else None,
        recipes=(Recipe("password", "password"),) if purpose == upload_pb2.PURPOSE_GENERATE else (),
        to_version="1@x" if purpose == upload_pb2.PURPOSE_ROLLBACK else "",
        remove_keys=("old",) if purpose == upload_pb2.PURPOSE_PATCH else (),
    )
    made = m8.grant_for(request, signer=signer)
    made.sealed.append(b"sealed" if request.rules.seals else b"")
    return made


def answer(
    of: Attempt, receipt: upload_pb2.Signed | None, change: Change | None = None
) -> queries_pb2.GetSecretUploadResponse:
    upload = views_pb2.SecretUpload(
        request_id=of.request.request_id,
        uri=str(of.request.uri),
        purpose=of.request.purpose,
        subject=of.grant.subject,
        destination=str(of.request.destination or ""),
        state=views_pb2.UPLOAD_STATE_ENDED,
        grant=of.signed_grant(),
        receipt=receipt,
    )
    if change is not None:
        change(upload)
    return queries_pb2.GetSecretUploadResponse(upload=upload)
