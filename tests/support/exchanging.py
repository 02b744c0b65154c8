"""An m8 with issuers, and the two ways to its exchange of tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema  # type: ignore[import-untyped]
import pytest

from monoskope.api.gateway.v1 import access_pb2
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.events import read
from monoskope.m8.domain.principal import Principal
from monoskope.m8.issuers.settings import Issuer, IssuerFile, RuleFile, checked
from monoskope.m8.service.exchange import ID_TOKEN
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
    """An m8 with one issuer."""

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
        """What the exchanges recorded, in order."""
        found = await self.world.app.log.read(after=0, limit=1_000)
        return [read(event) for event in found]

    async def principal(self, token: str) -> Principal:
        return await self.world.app.aggregates.bound(await self.tokens.authenticate(token))


def word(error: CallError) -> str:
    """The word of a refusal, as it stands in its details."""
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
