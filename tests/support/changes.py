"""Changes of users at an m8, for tests: to propose, see, judge and execute them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import Any

from monoskope.api.gateway.v1 import changes_pb2, commands_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.change import Change, make_change, request_of
from monoskope.protocol.grant import Grant
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import Request, make_request
from monoskope.uri import SecretUri
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import Sealed, User, pages
from tests.support.m8_world import World
from tests.support.signed_requests import Person
from tests.support.vectors import a_request

PLACE = "vault://app/db"


HOUR_S = 3_600


State = changes_pb2.ChangeState


OPEN, DONE = changes_pb2.CHANGE_STATE_OPEN, changes_pb2.CHANGE_STATE_DONE


ENDED, OVERTAKEN = changes_pb2.CHANGE_STATE_ENDED, changes_pb2.CHANGE_STATE_OVERTAKEN


WITHDRAWN, DECLINED = changes_pb2.CHANGE_STATE_WITHDRAWN, changes_pb2.CHANGE_STATE_DECLINED


PROPOSE = frozenset({events_pb2.RIGHT_PROPOSE})


APPROVE = frozenset({events_pb2.RIGHT_APPROVE})


BEN = Person("ben@example.org")


def a_change(
    world: World,
    *,
    uri: str = PLACE,
    purpose: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD,
    version: str = "",
    within_s: int = HOUR_S,
    destination: str = "",
    **fields: Any,
) -> Change:
    """A change of `anna`, on a version, or on nothing."""
    about: dict[str, Any] = {"destination": SecretUri.parse(destination), "source_version": "1"} if destination else {}
    request = make_request(
        request_id=bytes(16),
        purpose=purpose,
        uri=SecretUri.parse(uri),
        suites=(1,),
        expect=upload_pb2.EXPECT_VERSION if version else upload_pb2.EXPECT_ABSENT,
        expect_version=version,
        **about,
    )
    seals = PURPOSES[purpose].seals
    common: dict[str, Any] = {
        "change_id": os.urandom(16),
        "requester": "anna@example.org",
        "identity": world.signer.shown,
        "not_after": world.clock.now_ms // 1000 + within_s,
        "keys": ("password",) if seals else (),
    }
    return make_change(request=request, **{**common, **fields})


def propose(user: User, change: Change) -> Awaitable[Any]:
    return user.call(changes_pb2.ProposeSecretChangeRequest(change=change.content))


def approve(user: User, change: Change, approval: bytes = b"") -> Awaitable[Any]:
    approval = approval or BEN.approves(change)
    return user.call(changes_pb2.ApproveSecretChangeRequest(change_id=change.change_id, approval=approval))


def decline(user: User, change: Change, reason: str = "") -> Awaitable[Any]:
    return user.call(changes_pb2.DeclineSecretChangeRequest(change_id=change.change_id, reason=reason))


def withdraw(user: User, change: Change) -> Awaitable[Any]:
    return user.call(changes_pb2.WithdrawSecretChangeRequest(change_id=change.change_id))


async def look(user: User, change: Change, **fields: Any) -> changes_pb2.SecretChange:
    message = changes_pb2.GetSecretChangesRequest(change_id=change.change_id, **fields)
    (found,) = (await user.call(message)).changes
    assert isinstance(found, changes_pb2.SecretChange)
    return found


async def listed(user: User, **fields: Any) -> list[bytes]:
    """The changes of all pages, in their order."""
    found: list[bytes] = []

    async def ask(token: str) -> Any:
        return await user.call(changes_pb2.GetSecretChangesRequest(page_token=token, **fields))

    async for page in pages(ask):
        found += [one.change_id for one in page.changes]
    return found


def executing(change: Change) -> Request:
    return request_of(change, request_id=os.urandom(16), suites=(1,))


async def execute(user: User, reactor: FakeReactor, change: Change, version: str, prior: str = "") -> Request:
    """Execute a change, as its requester does; the reactor says that it is done."""
    request, sealed = executing(change), Sealed()
    await user.ask(request)
    _, grant = await reactor.give_key(signature_required=True)
    sending = asyncio.create_task(user.send(request.request_id, sealed))
    await say_done(reactor, grant, version, prior)
    await sending
    return request


async def say_done(reactor: FakeReactor, grant: Grant, version: str, prior: str) -> None:
    delivered = await reactor.next("SecretUploadRequested")
    digest = events_pb2.SecretUploadRequested.FromString(delivered.event.data).sealed_sha256
    signed: dict[str, Any] = {"signer": "anna@example.org", "signer_key": Person("anna").key}
    signed["approvers"] = [(BEN.name, BEN.key)]
    started = reactor.receipt(
        grant, digest, upload_pb2.OUTCOME_STARTED, prior_version=prior, intent=b"i" * 32, **signed
    )
    uploaded = reactor.receipt(
        grant, digest, upload_pb2.OUTCOME_UPLOADED, upstream_version=version, prior_version=prior, **signed
    )
    for at, event in (
        (3, events_pb2.SecretUploadStarted(receipt=started)),
        (4, events_pb2.SecretUploaded(receipt=uploaded)),
    ):
        answer = await reactor.append(grant.request.request_id, at, event)
        assert answer.error == "", answer.message


async def delete(user: User, reactor: FakeReactor, version: str, uri: str = PLACE) -> None:
    """Delete what is there, which is `version`; the reactor says that it did."""
    request = a_request(purpose=upload_pb2.PURPOSE_DELETE, uri=uri, expect=upload_pb2.EXPECT_ANY)
    await user.ask(request)
    _, grant = await reactor.give_key()
    sending = asyncio.create_task(
        user.call(commands_pb2.RequestUploadSecretRequest(request_id=request.request_id), timeout_s=60)
    )
    delivered = await reactor.next("SecretUploadRequested")
    digest = events_pb2.SecretUploadRequested.FromString(delivered.event.data).sealed_sha256
    deleted = reactor.receipt(grant, digest, upload_pb2.OUTCOME_DELETED, prior_version=version)
    assert (await reactor.append(request.request_id, 3, reactor.started(grant, digest, version))).error == ""
    assert (await reactor.append(request.request_id, 4, events_pb2.SecretDeleted(receipt=deleted))).error == ""
    await sending
