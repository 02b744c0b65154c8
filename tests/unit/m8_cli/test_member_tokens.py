"""A token that names a member has no rights of its own: role bindings say what it may do, at each call."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.events import write
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels import documents
from monoskope.m8.service.aggregates import Aggregates
from monoskope.protocol.login import Member
from monoskope.uri import SecretUri

ANNA = Member.parse("user:corp:anna")
TEAM = Member.parse("group:corp:team-a")
ADMIN = Member.parse("user:corp:root")
PUT, SEE_HASH, DELETE = events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH, events_pb2.RIGHT_DELETE


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", clock=lambda: 0, projector=documents.project)
    yield opened
    await opened.close()


@pytest.fixture
def tokens(log: SqliteLog) -> Tokens:
    return Tokens(log, signing_key=Ed25519PrivateKey.generate(), audience="m8", clock=lambda: 0)


async def bind(log: SqliteLog, name: str, member: Member, *, actor: str = "m8/os/root", **what: Any) -> None:
    event = events_pb2.RoleBindingCreated(name=name, members=[str(member)], **what)
    await log.append("role-bindings", None, [write(event)], actor=actor)


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


async def test_a_token_of_a_member_names_it_and_is_allowed_nothing_by_itself(tokens: Tokens, log: SqliteLog) -> None:
    issued = await tokens.issue_for_member(ANNA, ttl_s=60, issuer="https://id", issuer_subject="7", groups=[TEAM])
    principal = await tokens.authenticate(issued.jwt)
    assert (principal.subject, principal.member, principal.groups) == ("user:corp:anna", ANNA, (TEAM,))
    assert (principal.issuer, principal.issuer_subject) == ("https://id", "7")
    assert (principal.roles, principal.pairs) == (frozenset(), ())
    assert await Aggregates(log).bound(principal) == principal


async def test_rights_come_from_the_bindings_of_now_and_roles_add_up(tokens: Tokens, log: SqliteLog) -> None:
    issued = await tokens.issue_for_member(ANNA, ttl_s=60, groups=[TEAM])
    principal, aggregates = await tokens.authenticate(issued.jwt), Aggregates(log)
    await bind(log, "anna", ANNA, role=events_pb2.ROLE_USER, prefix="vault://a", rights=[PUT])
    await bind(log, "team", TEAM, role=events_pb2.ROLE_USER, prefix="vault://b", rights=[DELETE])
    await bind(log, "audit", TEAM, role=events_pb2.ROLE_AUDITOR)
    bound = await aggregates.bound(principal)
    a, b = SecretUri.parse("vault://a/x"), SecretUri.parse("vault://b/x")
    assert bound.may(PUT, a)
    assert bound.may(DELETE, b)
    assert not bound.may(DELETE, a), "two bindings together would grant what neither does"
    assert not bound.may(PUT, b), "two bindings together would grant what neither does"
    assert bound.sees_all
    assert not bound.is_administrator
    gone = events_pb2.RoleBindingDeleted(name="team")
    await log.append("role-bindings", None, [write(gone)], actor="m8/os/root")
    assert not (await aggregates.bound(principal)).may(DELETE, b)


async def test_a_binding_gives_nothing_to_who_created_it_even_by_a_group(tokens: Tokens, log: SqliteLog) -> None:
    await bind(log, "mine", TEAM, role=events_pb2.ROLE_USER, prefix="vault://a", rights=[PUT], actor=str(ADMIN))
    secret = SecretUri.parse("vault://a/x")
    for member, allowed in ((ADMIN, False), (ANNA, True)):
        issued = await tokens.issue_for_member(member, ttl_s=60, groups=[TEAM])
        bound = await Aggregates(log).bound(await tokens.authenticate(issued.jwt))
        assert bound.may(PUT, secret) is allowed


@pytest.mark.parametrize("groups", [[ANNA], [Member.parse(f"group:corp:g{n}") for n in range(33)]], ids=["no", "33"])
async def test_what_no_token_can_name_is_refused(tokens: Tokens, log: SqliteLog, groups: list[Member]) -> None:
    with pytest.raises(UsageError):
        await tokens.issue_for_member(ANNA, ttl_s=60, groups=groups)
    with pytest.raises(UsageError, match="no group holds a token"):
        await tokens.issue_for_member(TEAM, ttl_s=60)
    with pytest.raises(UsageError, match="only role bindings give"):
        await tokens.issue(subject="eve", role=events_pb2.ROLE_AUDITOR, ttl_s=60)
    assert await log.head() == 0
