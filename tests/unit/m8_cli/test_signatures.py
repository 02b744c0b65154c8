"""`m8 events signatures`: what a log says of who signed what; and what `m8 dev --signed` leaves in its folders."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.dev import setup as signing
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.wire import serialise
from monoskope.settings import write_private
from tests.support.m8_walk import Walk
from tests.support.signed_log import done
from tests.support.signed_requests import Person
from tests.support.vectors import Signer

ANNA, EVE = Person("anna@example.org"), Person("eve@example.org")
SIGNER: dict[str, Any] = {"signer": ANNA.name, "signer_key": ANNA.key}


def signed_walk() -> Walk:
    walk = Walk()
    message = upload_pb2.UploadGrant.FromString(walk.grant.content)
    message.signature_required = True
    walk.grant = parse_grant(serialise(message))
    return walk


def events_of(walk: Walk, signature: bytes, *, over: bool = True, **fields: Any) -> list[Message]:
    sent = walk.sent()
    sent.request_signature = signature
    begun: list[Message] = [walk.asked(), walk.provided(), sent, walk.started(**fields)]
    return [*begun, walk.uploaded(**fields)] if over else begun


async def test_what_a_key_signed_is_shown_with_its_signer_and_is_not_wrong() -> None:
    walk = signed_walk()
    [one] = await done(walk, events_of(walk, ANNA.signs(walk.grant, walk.digest), **SIGNER))
    assert (one.row["wrong"], one.row["signer"], one.row["signer_key"]) == ("", ANNA.name, ANNA.key)
    assert (one.row["outcome"], one.row["identity"]) == ("UPLOADED", walk.signer.shown)
    assert one.stamp == "19700101000001Z"


async def test_what_a_store_did_without_a_signature_is_shown_without_a_signer() -> None:
    walk = Walk()
    [one] = await done(walk, events_of(walk, b""))
    assert (one.row["wrong"], one.row["signer"], one.statement) == ("", "", b"")


async def test_what_a_store_refused_is_not_listed() -> None:
    walk = signed_walk()
    failed = walk.failed(upload_pb2.REASON_NOT_AUTHORIZED)
    assert await done(walk, [walk.asked(), walk.provided(), walk.sent(), failed]) == []


@pytest.mark.parametrize("fails", [True, False])
async def test_a_write_that_began_is_listed_whatever_became_of_it(fails: bool) -> None:
    walk = signed_walk()
    events = events_of(walk, ANNA.signs(walk.grant, walk.digest), over=False, **SIGNER)
    [one] = await done(walk, [*events, walk.failed(upload_pb2.REASON_OUTCOME_UNKNOWN)] if fails else events)
    assert (one.row["outcome"], one.row["signer"], one.row["wrong"]) == ("STARTED", ANNA.name, "")


def _another_grant(walk: Walk) -> list[Message]:
    return events_of(walk, ANNA.signs(signed_walk().grant, walk.digest), **SIGNER)


def _another_identity(walk: Walk) -> list[Message]:
    events = events_of(walk, ANNA.signs(walk.grant, walk.digest), **SIGNER)
    walk.signer = Signer()
    return [*events[:4], walk.uploaded(**SIGNER)]


WRONG: dict[str, tuple[Callable[[Walk], list[Message]], str]] = {
    "no signature": (lambda walk: events_of(walk, b"", **SIGNER), "there is none"),
    "over another grant": (_another_grant, "not the key's over this statement"),
    "over other bytes": (lambda walk: events_of(walk, ANNA.signs(walk.grant, bytes(32)), **SIGNER), "this statement"),
    "another key": (lambda walk: events_of(walk, EVE.signs(walk.grant, walk.digest), **SIGNER), "another key"),
    "no signer": (lambda walk: events_of(walk, ANNA.signs(walk.grant, walk.digest)), "does not say who signed"),
    "another identity": (_another_identity, "not by the store's identity"),
}


@pytest.mark.parametrize("fault", list(WRONG))
async def test_what_does_not_fit_together_is_named(fault: str) -> None:
    walk = signed_walk()
    make, said = WRONG[fault]
    [one] = await done(walk, make(walk))
    assert said in str(one.row["wrong"])


async def test_a_signature_that_nobody_asked_for_is_named() -> None:
    walk = Walk()
    [one] = await done(walk, events_of(walk, ANNA.signs(walk.grant, walk.digest)))
    assert "asks for no signature" in str(one.row["wrong"])


async def test_a_grant_that_was_moved_to_another_request_is_named() -> None:
    walk, other = signed_walk(), Walk()
    [one] = await done(other, events_of(walk, ANNA.signs(walk.grant, walk.digest), **SIGNER))
    assert one.row["wrong"] == "the grant is for another request"


SETTINGS = '# by hand\nstore = "local"\n\n[engine]\ntype = "age"\n'


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    reactor, client = tmp_path / "reactor-local", tmp_path / "client"
    for folder in (reactor, client):
        folder.mkdir(mode=0o700)
    write_private(reactor / "reactor.toml", SETTINGS.encode())
    return reactor, client


def test_the_key_is_the_developers_and_the_reactors_list_has_its_public_half(folders: tuple[Path, Path]) -> None:
    reactor, client = folders
    assert not signing.is_wanted(reactor)
    signing.turn_on(reactor=reactor, client=client)
    assert signing.is_wanted(reactor)
    public = (client / "signing-key.pub").read_text().split()[1]
    assert (reactor / "allowed_signers").read_text().split()[:4] == [
        "dev",
        'namespaces="request@monoskope"',
        "ssh-ed25519",
        public,
    ]
    assert (reactor / "revoked_keys").read_bytes() == b"# end\n"
    assert all(path.stat().st_mode & 0o077 == 0 for folder in folders for path in folder.iterdir())


def test_what_stood_in_the_settings_stays(folders: tuple[Path, Path]) -> None:
    reactor, client = folders
    signing.turn_on(reactor=reactor, client=client)
    written = (reactor / "reactor.toml").read_text()
    assert written.startswith(SETTINGS)
    assert tomllib.loads(written)["signers"]["unsigned"] == ["verify"]


def test_a_second_time_changes_nothing(folders: tuple[Path, Path]) -> None:
    reactor, client = folders
    signing.turn_on(reactor=reactor, client=client)
    before = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    signing.turn_on(reactor=reactor, client=client)
    assert before == {path: path.read_bytes() for folder in folders for path in folder.iterdir()}


def test_what_was_interrupted_is_completed_with_the_key_that_is_there(folders: tuple[Path, Path]) -> None:
    reactor, client = folders
    signing.turn_on(reactor=reactor, client=client)
    key = (client / "signing-key").read_bytes()
    write_private(reactor / "reactor.toml", SETTINGS.encode(), replace=True)
    (reactor / "allowed_signers").unlink()
    signing.turn_on(reactor=reactor, client=client)
    assert (client / "signing-key").read_bytes() == key
    assert signing.is_wanted(reactor)
    assert (reactor / "allowed_signers").exists()
