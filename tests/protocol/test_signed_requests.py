"""What the client does where a grant asks for a signed request: it signs once, and believes no other key's receipt."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import KeySigner, Progress, Stage, SyncClient
from monoskope.client.client import Client
from monoskope.errors import Error, RefusedError, TimedOutError, UsageError
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import Namespace, statement
from monoskope.protocol.sshsig import parse
from monoskope.testing.scripted.client import client_for, pinned, settings_for
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.protocol.purposes import PURPOSES, URI, VALUES
from tests.support.signed_requests import OwnSigner
from tests.support.ssh import keygen, shown

pytestmark = pytest.mark.usefixtures("known")
KEY_LOST, UNAVAILABLE = upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_UPSTREAM_UNAVAILABLE
NOT_AUTHORIZED = upload_pb2.REASON_NOT_AUTHORIZED
OTHER = "vault://app/other"
_put = PURPOSES["put"].walk


@pytest.fixture
def signer() -> OwnSigner:
    return OwnSigner()


@pytest.fixture
def signed_m8(m8: ScriptedM8) -> ScriptedM8:
    m8.signed = True
    return m8


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_without_a_key_nothing_is_sealed_and_the_sentence_says_how_to_set_one(
    signed_m8: ScriptedM8, tmp_path: Path, purpose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sealed(*_: object) -> None:
        raise AssertionError("something was sealed")

    monkeypatch.setattr("monoskope.client.walk.walk.seal", sealed)
    async with client_for(signed_m8, tmp_path) as client:
        with pytest.raises(UsageError, match="as a signed request alone") as caught:
            await PURPOSES[purpose].walk(client)
    assert "monoctl config set signing_key" in caught.value.fix
    assert signed_m8.attempts[0].sealed == []


async def test_where_the_grant_asks_for_no_signature_none_is_made(
    m8: ScriptedM8, tmp_path: Path, signer: OwnSigner
) -> None:
    async with client_for(m8, tmp_path, signer=signer) as client:
        await _put(client)
    assert m8.attempts[0].signatures == [b""]
    assert signer.asked == []


async def test_the_receipt_of_a_success_says_who_signed(
    signed_m8: ScriptedM8, tmp_path: Path, signer: OwnSigner
) -> None:
    async with client_for(signed_m8, tmp_path, signer=signer) as client:
        result = await client.put_secret(URI, VALUES, timeout=60)
    assert (result.signer, result.signer_key) == ("alice", signer.key)


@pytest.mark.parametrize("content", ["nothing", "of another grant", "cut"])
async def test_what_is_no_signature_of_this_request_is_not_sent(
    signed_m8: ScriptedM8, tmp_path: Path, signer: OwnSigner, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"nothing": b"", "of another grant": signer.signs_statement(statement(bytes(32), bytes(32)))}
    wrong["cut"] = wrong["of another grant"][:-1]

    async def sign(grant: Grant, sealed_sha256: bytes) -> bytes:
        return wrong[content]

    monkeypatch.setattr(signer, "sign", sign)
    async with client_for(signed_m8, tmp_path, signer=signer) as client:
        with pytest.raises(RefusedError, match="was not sent"):
            await _put(client)
    assert signed_m8.attempts[0].sealed == []


async def test_a_signature_that_takes_longer_than_the_key_lives_is_not_sent(
    signed_m8: ScriptedM8, tmp_path: Path, signer: OwnSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_for(signed_m8, tmp_path, signer=signer) as client:
        now, sign = client._session.runtime.now, signer.sign
        later = 0.0

        async def late(grant: Grant, sealed_sha256: bytes) -> bytes:
            nonlocal later
            later = grant.lifetime_s
            return await sign(grant, sealed_sha256)

        monkeypatch.setattr(signer, "sign", late)
        monkeypatch.setattr(type(client._session.runtime), "now", lambda _: now() + later)
        with pytest.raises(TimedOutError, match="one-time key had ended"):
            await client.put_secret(URI, VALUES, timeout=10_000)
    assert signed_m8.attempts[0].sealed == []


async def test_several_secrets_have_a_signature_each(signed_m8: ScriptedM8, tmp_path: Path, signer: OwnSigner) -> None:
    async with client_for(signed_m8, tmp_path, signer=signer) as client:
        results = await client.put_secrets([URI, OTHER], VALUES, timeout=60)
    assert not [result for result in results if isinstance(result, Error)]
    assert len({attempt.signatures[0] for attempt in signed_m8.attempts}) == len(signer.asked) == 2


def client(m8: ScriptedM8, folder: Path, asked: list[str], stages: list[Progress], key: Path) -> Client:
    def passphrase(question: str) -> str:
        asked.append(f"{question} after {len(m8.attempts)} requests")
        return "secret"

    settings = settings_for(m8, folder, signing_key=str(key))
    return Client(
        settings,
        passphrase=passphrase,
        observe=stages.append,
        system_known_stores=folder / "no_known_stores",
        pause_s=0.001,
    )


@pytest.mark.parametrize("shows", [True, False], ids=["m8 shows it", "m8 hides it"])
async def test_a_passphrase_is_asked_for_before_the_key_that_is_used_is_requested(
    signed_m8: ScriptedM8, tmp_path: Path, shows: bool
) -> None:
    signed_m8.stores["vault"].reactors[0].capabilities.signatures = shows
    asked: list[str] = []
    stages: list[Progress] = []
    key = keygen(tmp_path / "key", passphrase="secret")
    async with client(signed_m8, tmp_path, asked, stages, key) as opened:
        await _put(opened)
        await _put(opened)
    # Where m8 hides it, a grant shows it first. Its key dies unused, and nothing was sealed for it.
    wasted = 0 if shows else 1
    assert asked == [f"Passphrase of {key} (hidden) after {wasted} requests"]
    assert [len(attempt.sealed) for attempt in signed_m8.attempts] == [0] * wasted + [1, 1]
    assert [one.stage for one in stages].count(Stage.SIGNING) == 2
    assert parse(signed_m8.attempts[-1].signatures[0], Namespace.REQUEST).key.fingerprint == shown(key)


async def test_a_verification_asks_for_a_passphrase_only_if_its_grant_wants_a_signature(
    m8: ScriptedM8, tmp_path: Path
) -> None:
    m8.stores["vault"].reactors[0].capabilities.signatures = True
    asked: list[str] = []
    key = keygen(tmp_path / "key", passphrase="secret")
    async with client(m8, tmp_path, asked, [], key) as opened:
        await PURPOSES["verify"].walk(opened)
        assert asked == []
        m8.signed = True
        await PURPOSES["verify"].walk(opened)
    assert len(asked) == 1


async def test_where_nothing_is_to_be_signed_no_passphrase_is_asked_for(m8: ScriptedM8, tmp_path: Path) -> None:
    asked: list[str] = []
    key = keygen(tmp_path / "key", passphrase="secret")
    async with client(m8, tmp_path, asked, [], key) as opened:
        await _put(opened)
    assert asked == []


def test_the_synchronous_client_signs(tmp_path: Path) -> None:
    m8 = ScriptedM8()
    m8.signed = True
    key = keygen(tmp_path / "key")
    with m8.serving_in_thread(tmp_path):
        pinned(m8, tmp_path)
        settings = settings_for(m8, tmp_path)
        with SyncClient(settings, signer=KeySigner(key), system_known_stores=tmp_path / "none") as opened:
            result = opened.put_secret(URI, VALUES, timeout=60)
    m8.attempts[0].check_signature()
    assert result.signer_key == shown(key)
