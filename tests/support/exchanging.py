"""An m8 with issuers, and a scripted one, that exchange tokens of issuers for tokens of their own."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema  # type: ignore[import-untyped]
import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2, queries_pb2
from monoskope.client.login.id_token import claims_of
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.events import read
from monoskope.m8.domain.principal import Principal
from monoskope.m8.issuers.settings import Issuer, IssuerFile, RuleFile, checked
from monoskope.m8.service.exchange import ID_TOKEN
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.http_calls import Answered, Call, CallError, ask
from tests.support.issuers import ISSUER, issuers_of
from tests.support.m8_world import World

PATH = "/oauth2/token"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
OPENAPI = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text(encoding="utf-8"))


def an_issuer(**fields: Any) -> Issuer:
    rules = fields.pop("rules", (RuleFile(match={}, name_claim="sub", groups="groups"),))
    file = IssuerFile(**{"name": "corp", "issuer": ISSUER, "audience": "m8", "rules": rules, **fields})
    return checked([file], Path("m8.toml"))[0]


def mutable(**fields: Any) -> Issuer:
    return an_issuer(rules=(RuleFile(match={}, name_claim="email", mutable=True),), **fields)


@dataclass
class Exchanging:
    world: World
    tokens: Tokens

    def configure(self, *issuers: Issuer) -> None:
        self.world.app.issuers = issuers_of(*issuers)

    async def exchange(self, token: str, kind: str = ID_TOKEN, codec: str = "json") -> access_pb2.ExchangeTokenResponse:
        message = access_pb2.ExchangeTokenRequest(subject_token=token, subject_token_type=kind)
        found: access_pb2.ExchangeTokenResponse = await Call(self.world.address, message, (), 60, codec).answer()
        return found

    async def form(self, token: str = "", *headers: tuple[str, str], **fields: str) -> Answered:
        given = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ID_TOKEN, **fields}
        return await self.post(urlencode(given).encode(), *headers)

    async def post(self, body: bytes, *headers: tuple[str, str], kind: tuple[str, str] = FORM) -> Answered:
        answered = await ask(self.world.address, "POST", PATH, kind, *headers, body=body)
        post = OPENAPI["paths"][PATH]["post"]["responses"][str(answered.status)]
        schema = post["content"]["application/json"]["schema"] | {"components": OPENAPI["components"]}
        jsonschema.validate(answered.json, schema)
        assert answered.headers["cache-control"] == "no-store"
        return answered

    async def recorded(self) -> list[Any]:
        found = await self.world.app.log.read(after=0, limit=1_000)
        return [read(event) for event in found]

    async def principal(self, token: str) -> Principal:
        return await self.tokens.authenticate(token)


def word(error: CallError) -> str:
    return error.info["exchange_refusal"]


async def refused(m8: Exchanging, token: str, kind: str = ID_TOKEN) -> str:
    """The word of a refusal, which must be the same at the method and at the token endpoint."""
    with pytest.raises(CallError) as caught:
        await m8.exchange(token, kind)
    assert token not in str(caught.value)
    answered = await m8.form(token, subject_token_type=kind)
    assert token.encode() not in answered.body
    assert answered.json["exchange_refusal"] == word(caught.value)
    return word(caught.value)


def jwt(**claims: object) -> str:
    """Return a JWT that nobody signed."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


class ExchangingM8(ScriptedM8):
    """Believes each token, and calls its subject `user:corp:SUB`."""

    def __init__(self) -> None:
        super().__init__(subject="user:corp:anna")
        self.exchanged: list[str] = []
        """Every token that came, in order."""
        self.revoked: list[str] = []
        """The id of every token that was revoked."""
        self.lasts_s = 900
        self.clock_s = 0
        """How far its clock is ahead."""
        self.gives: str | None = None
        """What it gives in the place of a token, if it is hostile."""

    def more(self, method: str, message: Message) -> Message:
        match message:
            case access_pb2.ExchangeTokenRequest():
                self.exchanged.append(message.subject_token)
                now = int(time.time()) + self.clock_s
                subject = f"user:corp:{claims_of(message.subject_token).get('sub')}"
                token = jwt(sub=subject, iat=now, exp=now + self.lasts_s, jti=f"{len(self.exchanged):032x}")
                return access_pb2.ExchangeTokenResponse(
                    access_token=token if self.gives is None else self.gives,
                    expires_at_ms=(now + self.lasts_s) * 1000,
                    member=subject,
                )
            case access_pb2.RevokeTokenRequest():
                self.revoked.append(message.token_id)
                return access_pb2.RevokeTokenResponse()
            case queries_pb2.GetServerRequest():
                return queries_pb2.GetServerResponse(subject=self.subject)
            case access_pb2.WhoAmIRequest():
                return access_pb2.WhoAmIResponse(subject=self.subject)
            case _:
                return super().more(method, message)
