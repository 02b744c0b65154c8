"""What the log and audit lines keep of exchanges: for every m8 of a log, over a rebuild, and from a backup."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.api.gateway.v1 import access_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.audit import lines
from monoskope.m8.backup.create import Making
from monoskope.m8.backup.restore import Checking, restore
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.aggregates import ROLE_BINDINGS, Aggregates
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.m8.limits.logins import Exchanges
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels import documents as chain
from monoskope.m8.service.app import App, Stranger
from monoskope.m8.service.call_notes import CallNote
from monoskope.m8.service.exchange import ID_TOKEN, TokenExchange
from tests.support.exchanging import Exchanging, an_issuer, mutable, refused
from tests.support.issuers import ISSUER, NOW_S, claims_of, issuers_of, minted

OPS = "group:corp:ops"
OTHER = "https://other.example.com"
KEY = Ed25519PrivateKey.generate()


def an_app(world_app: App, log: EventLog, **changes: Any) -> App:
    tokens = Tokens(log, signing_key=KEY, audience="m8", clock=world_app.clock)
    found = replace(world_app, log=log, tokens=tokens, **changes)
    found.exchanges = Exchanges(20, 20, lambda: 0.0)
    return found


async def exchange(app: App, token: str) -> access_pb2.ExchangeTokenResponse:
    message = access_pb2.ExchangeTokenRequest(subject_token=token, subject_token_type=ID_TOKEN)
    return await TokenExchange(app).exchange_token(message, Stranger("192.0.2.7:1", 10.0))


async def refusal(app: App, token: str) -> str:
    with pytest.raises(ExchangeRefusedError) as caught:
        await exchange(app, token)
    return caught.value.refusal.value


def anna(subject: str = "1", **changes: Any) -> str:
    claims = {"sub": subject, "email": "anna@example.com", "email_verified": True, "groups": ["ops"], **changes}
    return minted(claims_of(**claims))


async def restored(log: EventLog, path: Path) -> SqliteLog:
    """A log of its own, made from a backup of `log`."""
    making = Making(log, created_at_ms=NOW_S * 1000, log_id="0" * 32, engine="sqlite", version="0")

    async def pieces() -> AsyncGenerator[bytes, None]:
        async for piece in making.pieces():
            yield piece

    target = await SqliteLog.open(path, clock=lambda: NOW_S * 1000, projector=chain.project, for_import=True)
    await restore(Checking(pieces()), target)
    await target.close()
    return await SqliteLog.open(path, clock=lambda: NOW_S * 1000, projector=chain.project)


async def agrees(app: App, token: str, issued: access_pb2.ExchangeTokenResponse) -> None:
    """See that a process knows what another one has exchanged, and whom each name stands for."""
    app.issuers = issuers_of(mutable())
    assert await refusal(app, token) == "REPLAYED"
    assert await refusal(app, anna("2")) == "SUBJECT_CHANGED"
    app.issuers = issuers_of(an_issuer(issuer=OTHER))
    assert await refusal(app, anna(iss=OTHER)) == "ISSUER_CHANGED"
    assert app.tokens is not None
    principal = await app.tokens.authenticate(issued.access_token)
    assert (str(principal.member), principal.issuer, principal.issuer_subject) == (issued.member, ISSUER, "1")
    assert [str(group) for group in principal.groups] == [OPS]
    assert [(str(pair.prefix), pair.role_binding) for pair in principal.pairs] == [("vault://app", "ops")]


async def test_every_m8_of_a_log_a_rebuilt_one_and_a_restored_one_agree(m8: Exchanging, tmp_path: Path) -> None:
    root = m8.world.administrator()
    await root.bind("ops", OPS, role=events_pb2.ROLE_USER, prefix="vault://app", rights=[events_pb2.RIGHT_PUT])
    await root.bind("gone", OPS, role=events_pb2.ROLE_AUDITOR)
    await root.unbind("gone")
    log = m8.world.app.log
    rule = replace(mutable().rules[0], groups_claim="groups")
    one = an_app(m8.world.app, log, issuers=issuers_of(replace(mutable(), rules=(rule,))))
    token = anna()
    issued = await exchange(one, token)

    await agrees(an_app(m8.world.app, log), token, issued)
    await log.rebuild()
    await agrees(an_app(m8.world.app, log), token, issued)
    copy = await restored(log, tmp_path / "restored.db")
    await agrees(an_app(m8.world.app, copy), token, issued)
    assert (await Aggregates(copy).get(ROLE_BINDINGS)).names == {"ops", "gone"}
    await copy.close()


async def test_access_lines_say_whom_an_exchange_was_for_and_why_there_was_none(m8: Exchanging) -> None:
    notes: list[CallNote] = []
    ends: list[Mapping[str, int]] = []
    m8.world.app.tell_call = notes.append
    m8.world.app.strangers.tell = lambda _, of_address: ends.append(of_address)
    good = minted(claims_of(sub="anna"))
    answer = await m8.exchange(good)
    assert await refused(m8, good) == "REPLAYED"  # by its method and at the token endpoint
    assert await refused(m8, minted(claims_of(iss="https://elsewhere.example.com"))) == "ISSUER"
    await m8.form(good, scope="admin")
    await m8.post(b"subject_token=hunter2")
    (shown,) = [json.loads(lines.of_call(note, at_ms=1, replica="m8/1", number=1).text) for note in notes]
    principal = await m8.principal(answer.access_token)
    about = ("method", "code", "for_member", "for_token_id", "issuer")
    assert [shown[name] for name in about] == ["ExchangeToken", "OK", "user:corp:anna", principal.token_id, "corp"]
    m8.world.app.strangers.flush()
    assert ends == [
        {
            "ExchangeToken UNAUTHENTICATED corp REPLAYED user:corp:anna": 2,
            "ExchangeToken UNAUTHENTICATED ISSUER": 2,
            "ExchangeToken USAGE": 2,
        }
    ]
    assert "hunter2" not in f"{shown} {ends}"
