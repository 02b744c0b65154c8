"""No method of the SDK returns anything while m8 shows another log. Each is tried, so a new one cannot forget it."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import changes_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, KeySigner, Proposal, ProposedChange, Rotation
from monoskope.client.access import Access
from monoskope.client.changes import Changes
from monoskope.client.leaving import Leaving
from monoskope.client.proofs.log import ServerLog
from monoskope.client.results.access import RoleBinding
from monoskope.client.results.leaving import Offboarding
from monoskope.client.settings import ClientSettings
from monoskope.client.stores import Stores
from monoskope.client.walk.receipts import NO_RECEIPT, Checked
from monoskope.errors import LogMismatchError
from monoskope.protocol.change import make_change
from monoskope.testing.scripted.client import pinned, settings_for
from monoskope.testing.scripted.log import ScriptedLog
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.ssh import keygen
from tests.support.vectors import a_request

URI, ID = "vault://app/db", "00" * 16
BINDING = RoleBinding("some", role="auditor", members=("user:corp:alice",))
ARGUMENTS: dict[str, Any] = {
    "binding": BINDING,
    "bindings": [BINDING],
    "change_id": ID,
    "count": 1,
    "destination": "other://app/db",
    "force": False,
    "found": Offboarding("user:corp:ben", (), (), (), (), (), (), (), ()),
    "identity": "SHA256:" + "A" * 43,
    "key_id": "00" * 8,
    "kind": "vault",
    "labels": {"team": "one"},
    "member": "user:corp:alice",
    "name": "vault",
    "note": ScriptedLog(1).note(1),
    "prefix": "",
    "proposal": Proposal.delete(URI, expect="1"),
    "reason": "the site is down",
    "recipes": {"password": "password"},
    "request_id": ID,
    "right": "put",
    "rotation": Rotation.of(URI, ["pg://orders_a"]),
    "store": views_pb2.SecretStore(name="vault"),
    "to": "1",
    "token_id": ID,
    "ttl": dt.timedelta(hours=1),
    "uri": URI,
    "uris": [URI],
    "values": {"password": b"correct horse battery staple"},
}
OTHERWISE = {
    "Changes.needs_touch": "it says how one's own key signs, and signs nothing",
    "ServerLog.accept": "it is the way out, and shows what it accepts",
    "ServerLog.offered": "it shows the other log",
    "Client.close": "it asks m8 nothing",
    "Client.open": "it asks m8 nothing",
    "Client.full_uri": "it asks m8 nothing where the store is named",
    "Stores.follow": "it follows signed steps in what the caller has",
    "Stores.look_at_identity": "it compares what the caller has with a file",
}
"""Why a method may do without."""


def methods() -> list[str]:
    """Return each public method."""
    return [
        f"{owner.__name__}.{name}"
        for owner in (Client, Access, Changes, Leaving, ServerLog, Stores)
        for name, member in inspect.getmembers(owner, callable)
        if not name.startswith("_")
    ]


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    m8 = ScriptedM8()
    m8.log = ScriptedLog(5)
    async with m8.serving(tmp_path):
        pinned(m8, tmp_path)
        yield m8


def a_change(m8: ScriptedM8) -> ProposedChange:
    """Return a change that can be approved and executed, as it was seen before the log was changed."""
    change = make_change(
        change_id=bytes(16),
        request=a_request(purpose=upload_pb2.PURPOSE_DELETE, expect=upload_pb2.EXPECT_VERSION, expect_version="1"),
        requester="anna@example.org",
        identity=m8.identity.shown,
        not_after=4_000_000_000,
    )
    view = changes_pb2.SecretChange(state=changes_pb2.CHANGE_STATE_OPEN, version=1)
    return ProposedChange.of(view, change, Checked(NO_RECEIPT), pinned=True)


async def tried(client: Client, method: str, change: ProposedChange) -> None:
    """Call a method, and raise what it raises, yields in the place of a result, or returns so."""
    owner, name = method.split(".")
    owned = {
        "Access": client.access,
        "Changes": client.changes,
        "Leaving": client.leaving,
        "ServerLog": client.log,
        "Stores": client.stores,
    }
    function = getattr(owned.get(owner, client), name)
    wanted = [each for each in inspect.signature(function).parameters.values() if each.default is each.empty]
    arguments = ARGUMENTS | {"change": change}
    words = {each.name: arguments[each.name] for each in wanted}
    if name == "edit_notes":
        words["labels"] = ARGUMENTS["labels"]
    answer = function(**words)
    if inspect.isasyncgen(answer):
        found: Any = [each async for each in answer]
    else:
        found = await answer
    for each in found if isinstance(found, list) else ():
        if isinstance(each, Exception):
            raise each


@pytest.mark.parametrize("method", [each for each in methods() if each not in OTHERWISE])
async def test_each_method_ends_with_the_log_that_does_not_fit(m8: ScriptedM8, tmp_path: Path, method: str) -> None:
    settings: ClientSettings = settings_for(m8, tmp_path)
    system = tmp_path / "system" / "known_stores"
    async with Client(settings, notify=lambda _: None, system_known_stores=system, pause_s=0.001) as client:
        await client.log.get()
    assert m8.log is not None
    m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")
    signer = KeySigner(keygen(tmp_path / "key"))
    async with Client(
        settings, notify=lambda _: None, signer=signer, system_known_stores=system, pause_s=0.001
    ) as client:
        with pytest.raises(LogMismatchError):
            await tried(client, method, a_change(m8))
    assert m8.count("RequestUploadSecret") == 0


def test_what_does_without_is_there() -> None:
    assert set(OTHERWISE) <= set(methods())


async def test_a_stream_that_lasts_shows_nothing_after_the_log_was_changed(tmp_path: Path) -> None:
    """A watcher lives for hours. It asks as often as a client of single calls, before it shows what came."""
    m8 = ScriptedM8()
    m8.streamed = [
        views_pb2.EventSummary(position=position, actor="alice", type="SecretUploaded", recorded_at_ms=1)
        for position in (1, 2)
    ]
    m8.log = ScriptedLog(5)
    seen = []

    async def follow(client: Client) -> None:
        async for event in client.log.watch_events():
            seen.append(event.position)
            assert m8.log is not None
            m8.log = ScriptedLog(9, key=m8.log.key, seed="fork")
            client._session.watch._counts_until = -1.0  # 10 s have passed

    async with m8.serving(tmp_path):
        settings = settings_for(m8, tmp_path)
        async with Client(settings, notify=lambda _: None, system_known_stores=tmp_path / "none") as client:
            with pytest.raises(LogMismatchError):
                await follow(client)
    assert seen == [1]
