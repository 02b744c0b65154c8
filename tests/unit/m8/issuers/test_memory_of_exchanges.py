"""The attack: m8's memory, searched for the tokens that went into exchanges, their claims, and what came out."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from monoskope.api.gateway.v1 import access_pb2
from monoskope.host_port import HostPort
from monoskope.m8.init import lay_out
from monoskope.m8.service.exchange import ID_TOKEN
from monoskope.testing.search import Wanted
from monoskope.testing.search.memory import look_in_memory
from tests.support.absent import need_memory
from tests.support.issuers import ISSUER, claims_of, jwk, jwks, minted, now_s, rsa_key
from tests.unit.m8_cli.served import Server, served

pytestmark = pytest.mark.new_interpreters

PATIENCE_S = 60.0
CLAIM = secrets.token_hex(24)
SETTINGS = f"""
[[issuers]]
name = "corp"
issuer = "{ISSUER}"
audience = "m8"
jwks_file = "keys.json"

[[issuers.rules]]
match = {{}}
name_claim = "sub"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    need_memory()
    settings = lay_out(tmp_path / "m8", HostPort("127.0.0.1", 0))
    (settings.folder / "keys.json").write_bytes(jwks(jwk(rsa_key(), "a")))
    with (settings.folder / "m8.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS)
    with served(settings) as running:
        yield running


def by_method(server: Server, token: str) -> str:
    message = access_pb2.ExchangeTokenRequest(subject_token=token, subject_token_type=ID_TOKEN)
    return str(server.call(message).access_token)


def by_form(server: Server, token: str) -> str:
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": ID_TOKEN,
    }
    with closing(server.https()) as one:
        one.request("POST", "/oauth2/token", urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})
        return str(json.loads(one.getresponse().read())["access_token"])


def test_nothing_of_a_token_is_left_in_m8s_memory_after_its_exchange(server: Server) -> None:
    ends: dict[str, str] = {}
    for number, way in enumerate((by_method, by_form) * 3):
        token = minted(claims_of(sub=f"anna-{number}", iat=now_s(), exp=now_s() + 600, private=CLAIM))
        ends[f"in {way.__name__}"], ends[f"out {way.__name__}"] = token, way(server, token)
    assert all(ends.values())
    wanted = [Wanted.of(name, token.rpartition(".")[2].encode()) for name, token in ends.items()]
    wanted.append(Wanted.of("claim", CLAIM.encode()))
    until = time.monotonic() + PATIENCE_S
    left = [one.name for one in wanted]
    while left and time.monotonic() < until:
        result = look_in_memory(server.process.pid, [*wanted, Wanted.of("subject", b"user:corp:anna-1")])
        assert result.total("subject", "raw") > 0
        left = [one.name for one in wanted if result.total(one.name)]
    assert left == []
