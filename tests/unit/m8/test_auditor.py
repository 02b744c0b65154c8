"""An auditor sees that everything happened, and no hash; and changes nothing. So do administrators who are no users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from tests.support.m8_world import User, World, a_world, fingerprint, put, refused
from tests.support.vectors import KEY_ID, a_request

AUDITOR, ADMINISTRATOR, USER = events_pb2.ROLE_AUDITOR, events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_USER
EVE, ROOT, BOTH = "user:corp:eve", "user:corp:root", "user:corp:both"
URI = "vault://app/db"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One secret is put, its notes are edited, and one request is open."""
    async with a_world(tmp_path) as world:
        root = world.administrator()
        await root.bind("audit", EVE, BOTH, role=AUDITOR)
        await root.bind("roots", ROOT, role=ADMINISTRATOR)
        rights = [events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH]
        await root.bind("both", BOTH, role=USER, prefix="vault://app", rights=rights)
        reactor, anna = await world.attached(), world.user("anna", "vault://")
        await put(anna, reactor, uri=URI)
        await anna.edit_notes(URI, set_labels=[("owner", "team-a")])
        await anna.ask(a_request(uri="vault://other/x", request_id=b"2" * 16))
        yield world


async def everything(user: User) -> dict[str, Any]:
    """What every query that tells of secrets answers."""
    events = await user.events()
    request_id = bytes.fromhex(next(e.stream for e in events.events if e.stream.startswith("upload/")).split("/")[1])
    watching = user.watch()
    watched = [(await watching.read()).event for _ in events.events]
    watching.cancel()
    return {
        "events": events,
        "watched": watched,
        "of_request": await user.events(request_id=request_id),
        "secrets": await user.secrets(),
        "secret": await user.secret(URI),
        "versions": await user.versions(URI, with_edits=True),
        "upload": await user.upload(request_id),
        "store": await user.store("vault"),
        "stores": await user.call(queries_pb2.ListSecretStoresRequest()),
        "server": await user.call(queries_pb2.GetServerRequest()),
        "tokens": await user.call(access_pb2.ListTokensRequest()),
    }


@pytest.mark.parametrize("who", [EVE, ROOT])
async def test_an_auditor_sees_all_that_happened_and_no_hash(world: World, who: str) -> None:
    found = await everything(world.member(who))
    assert [secret.uri for secret in found["secrets"].secrets] == [URI]
    assert len(found["events"].events) == await world.app.log.head() == len(found["watched"])
    ended = next(event for event in found["of_request"].events if event.type == "SecretUploaded")
    assert ended.detail == "UPLOADED, version 1", "what the receipt says"
    assert found["versions"].versions[-1].outcome == upload_pb2.OUTCOME_UPLOADED
    assert found["store"].pending == 1
    assert not found["upload"].HasField("receipt"), "a receipt has hashes inside what is signed"
    assert not found["secret"].HasField("receipt")
    hashes = [fingerprint(digit).split(":")[2].encode() for digit in "ab"]
    for question, answer in found.items():
        content = b"".join(one.SerializeToString() for one in (answer if isinstance(answer, list) else [answer]))
        assert not any(one in content for one in hashes), question
    assert found["server"].fingerprint_key_id == KEY_ID, "the id of the key is no hash"


async def test_hashes_are_where_the_same_member_is_a_user_too(world: World) -> None:
    both = world.member(BOTH)
    assert (await both.secret(URI)).fingerprint == fingerprint("a")
    roles = (await both.call(access_pb2.WhoAmIRequest())).roles
    assert list(roles) == [USER, AUDITOR]


async def test_an_auditor_changes_nothing(world: World) -> None:
    eve, head = world.member(EVE), await world.app.log.head()
    with refused("REFUSED"):
        await eve.ask(a_request(uri=URI, request_id=b"3" * 16))
    for purpose in (upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_DELETE):
        with refused("REFUSED"):
            await eve.ask(a_request(uri=URI, request_id=b"3" * 16, purpose=purpose))
    with refused("REFUSED"):
        await eve.edit_notes(URI, set_labels=[("a", "b")])
    with refused("REFUSED"):
        await eve.deactivate("vault")
    with refused("REFUSED"):
        await eve.create("second", world.signer.shown)
    with refused("REFUSED"):
        message = commands_pb2.StartFingerprintKeyRotationRequest(key_id="0" * 16)
        await eve.call(message)
    with refused("REFUSED"):
        await eve.bind("more", "user:corp:x", role=AUDITOR)
    assert await world.app.log.head() == head


async def test_a_client_of_before_is_told_one_role(world: World) -> None:
    for who, role in ((EVE, AUDITOR), (ROOT, ADMINISTRATOR), (BOTH, AUDITOR), ("user:corp:nobody", USER)):
        user = world.member(who)
        answer = await user.call(queries_pb2.GetServerRequest())
        assert (answer.subject, answer.role) == (who, role)
