"""A whole m8 with an issuer over HTTPS, from its settings on: down at the start, its keys rotated, down again."""

from __future__ import annotations

import io
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from monoskope import operating_log
from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.bootstrap import Running, build
from monoskope.m8.init import lay_out
from monoskope.m8.issuers import discovery, keys
from monoskope.m8.service.exchange import JWT
from tests.support.http_calls import Answered, ask, hang_up
from tests.support.https_issuer import HttpsIssuer, https_issuer
from tests.support.issuers import claims_of, jwk, jwks, minted, now_s, rsa_key

SETTINGS = """
[[issuers]]
name = "corp"
issuer = "{url}"
audience = "m8"
ca_file = "{ca}"

[[issuers.rules]]
match = {{}}
name_claim = "sub"
"""


@dataclass
class Served:
    server: Running
    issuer: HttpsIssuer
    trust: ssl.SSLContext

    def token(self, subject: str, kid: str = "a") -> str:
        claims = claims_of(iss=self.issuer.url, sub=subject, iat=now_s(), exp=now_s() + 600)
        return minted(claims, key=rsa_key(kid), header={"kid": kid})

    async def exchange(self, token: str) -> Answered:
        fields = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": JWT,
        }
        headers = ("Content-Type", "application/x-www-form-urlencoded")
        address = self.server.address
        return await ask(address, "POST", "/oauth2/token", headers, body=urlencode(fields).encode(), tls=self.trust)

    async def refusal(self, token: str) -> str:
        return str((await self.exchange(token)).json["exchange_refusal"])


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[HttpsIssuer]:
    with https_issuer(tmp_path) as found:
        yield found


@pytest.fixture
async def served(tmp_path: Path, issuer: HttpsIssuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(keys, "RETRY_S", 0.0)
    monkeypatch.setattr(discovery, "TIMEOUT_S", 60.0)  # a machine that is busy makes no issuer silent
    operating_log.set_up(io.StringIO())
    folder = lay_out(tmp_path / "m8", HostPort("127.0.0.1", 0)).folder
    with (folder / "m8.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS.format(url=issuer.url, ca=issuer.ca_file))
    async with build(settings.load(folder)) as server:
        yield Served(server, issuer, ssl.create_default_context(cafile=folder / "ca.crt"))
        await hang_up()


async def test_an_issuer_may_be_down_at_the_start_change_its_keys_and_go_down_again(served: Served) -> None:
    assert await served.refusal(served.token("early")) == "ISSUER_UNAVAILABLE"
    served.issuer.publish(jwks(jwk(rsa_key("a"), "a")))
    answered = await served.exchange(served.token("anna"))
    assert answered.status == 200
    principal = await served.server.tokens.authenticate(answered.json["access_token"])
    assert (str(principal.member), principal.issuer) == ("user:corp:anna", served.issuer.url)

    served.issuer.publish(jwks(jwk(rsa_key("b"), "b")))
    assert (await served.exchange(served.token("anna", "b"))).status == 200
    assert await served.refusal(served.token("anna", "a")) == "KEY_UNKNOWN"

    served.issuer.answers.clear()
    assert (await served.exchange(served.token("berta", "b"))).status == 200
    assert await served.refusal(served.token("berta", "c")) == "KEY_UNKNOWN"
    assert json.loads((await served.exchange(served.token("berta", "b")[:-4] + "AAAA")).body)["error"]
