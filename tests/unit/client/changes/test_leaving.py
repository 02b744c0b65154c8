"""What an administrator is told of somebody who leaves, besides tokens and role bindings."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from monoskope.api.gateway.v1 import access_pb2, changes_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.results.leaving import Offboarding
from monoskope.monoctl.commands.leaving import _staying
from monoskope.protocol.change import make_change
from monoskope.protocol.sshsig.lists import parse_revoked
from monoskope.testing.scripted.changes import approve, end
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.ssh import certify, keygen, shown
from tests.support.vectors import a_request
from tests.unit.client.changes.world import URI, client, signed_by

LEAVER, OTHER = "user:corp:leaver", "user:corp:other"
NOW = dt.datetime.now(dt.UTC)
KEY, OTHERS_KEY = "SHA256:" + "A" * 43, "SHA256:" + "B" * 43


def proposed(m8: ScriptedM8, number: int, subject: str, *, hours: int = 1) -> changes_pb2.SecretChange:
    """A change that can be executed for so many hours from now."""
    request = a_request(purpose=upload_pb2.PURPOSE_DELETE, expect=upload_pb2.EXPECT_VERSION, expect_version="1")
    change = make_change(
        change_id=bytes([number]) * 16,
        request=request,
        requester="leaver@example.org",
        identity=m8.identity.shown,
        not_after=int((NOW + dt.timedelta(hours=hours)).timestamp()),
    )
    return m8.changes.add(change.content, subject=subject)


async def leaving(m8: ScriptedM8, folder: Path, key: Path) -> Offboarding:
    m8.answers[access_pb2.ListTokensRequest] = access_pb2.ListTokensResponse()
    m8.answers[access_pb2.ListRoleBindingsRequest] = access_pb2.ListRoleBindingsResponse()
    m8.answers.setdefault(queries_pb2.ListEventsRequest, queries_pb2.ListEventsResponse())
    async with client(m8, folder, key) as administrator:
        return await administrator.leaving.came_from(LEAVER)


async def test_open_changes_and_approvals_count_until_their_end_whatever_m8_says_of_them(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    ca, certified = keygen(tmp_path / "ca"), keygen(tmp_path / "certified")
    certify(ca, certified)
    proposed(m8, 1, LEAVER)
    proposed(m8, 2, LEAVER, hours=-1)
    proposed(m8, 3, OTHER)
    for number, key, state in (
        (4, keys["ben"], changes_pb2.CHANGE_STATE_OPEN),
        (5, certified, changes_pb2.CHANGE_STATE_OVERTAKEN),
        (6, keys["ben"], changes_pb2.CHANGE_STATE_DONE),
        (7, keys["ben"], changes_pb2.CHANGE_STATE_WITHDRAWN),
    ):
        view = proposed(m8, number, OTHER)
        approve(view, signed_by(key, view.change), subject=LEAVER)
        approve(view, signed_by(keys["eva"], view.change), subject=OTHER)
        if state == changes_pb2.CHANGE_STATE_WITHDRAWN:
            end(view, state)
            for approval in view.approvals:
                approval.approval = b""  # m8 carries it no more, and whoever got it before still has it
        view.state = state
    over = proposed(m8, 8, OTHER, hours=-1)
    approve(over, signed_by(keys["ben"], over.change), subject=LEAVER)

    found = await leaving(m8, tmp_path, keys["anna"])
    assert [one.change.change_id[0] for one in found.open_changes] == [1]
    assert [(one.change.change.change_id[0], one.key) for one in found.approvals] == [
        (4, shown(keys["ben"])),
        (5, shown(certified)),
        (7, ""),
    ]
    rows = _staying(found)
    assert [(one["kind"], one["members"]) for one in rows] == [("change", [URI]), *[("approval", [URI])] * 3]
    for row, key in zip(rows[1:3], (keys["ben"], certified), strict=True):
        line, _, where = row["then"].partition(" into ")
        assert parse_revoked(f"{line}\n# end\n").keys == {shown(key)}, "the reactor takes the line as it is"
        assert where == "revoked_keys of vault"
    assert rows[3]["then"] == f"ask {OTHER} which key signed it"


def event(position: int, stream: str, kind: str, actor: str, detail: str = "") -> views_pb2.EventSummary:
    at = int(NOW.timestamp() * 1000) + position
    return views_pb2.EventSummary(
        position=position, stream=stream, type=kind, actor=actor, detail=detail, uri=URI, recorded_at_ms=at
    )


async def test_the_keys_that_signed_for_them_are_named_with_their_stores(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    signed = "UPLOADED, version 7, signed by leaver@example.org with "
    began, ended = "SecretUploadKeyRequested", "SecretUploaded"
    m8.answers[queries_pb2.ListEventsRequest] = queries_pb2.ListEventsResponse(
        events=[
            event(1, "upload/1", began, LEAVER),
            event(2, "upload/2", began, OTHER),
            event(3, "upload/2", ended, "m8/reactor/vault", signed + OTHERS_KEY),
            event(4, "upload/1", ended, "m8/reactor/vault", signed + KEY),
            event(5, "upload/3", began, LEAVER),
            event(6, "upload/3", ended, "m8/reactor/vault", f"{signed}{OTHERS_KEY} and more"),
        ],
        head=6,
    )
    found = await leaving(m8, tmp_path, keys["anna"])
    [key] = found.keys
    assert (key.key, key.principal, key.stores) == (KEY, "leaver@example.org", ("vault",))
    [row] = _staying(found)
    assert row["then"] == f"{KEY} into revoked_keys of vault"
    asked = next(one for one in m8.asked if isinstance(one, queries_pb2.ListEventsRequest))
    assert NOW - dt.timedelta(days=367) < dt.datetime.fromtimestamp(asked.since_ms / 1000, dt.UTC) < NOW
