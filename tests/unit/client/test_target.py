"""First contact, default stores and limits: all of it before a key is asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.client import Client, ClientSettings, Expect, PutResult
from monoskope.client.connection import Connection
from monoskope.client.known.stores import KnownStores
from monoskope.client.walk.target import Remembered, Resolver
from monoskope.errors import (
    IdentityChangedError,
    NotAgreedError,
    NotFoundError,
    NotTriedError,
    RefusedError,
    UsageError,
)
from monoskope.m8.http import tls
from monoskope.protocol.identity import grouped
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, pinned, settings_for, token
from monoskope.testing.scripted.m8 import ScriptedM8
from monoskope.uri import SecretUri

VALUES = {"password": b"correct horse battery staple"}


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    async with ScriptedM8().serving(tmp_path) as scripted:
        yield scripted


@pytest.fixture
async def client(m8: ScriptedM8, tmp_path: Path) -> AsyncIterator[Client]:
    """A client that is open and has pinned every store."""
    pinned(m8, tmp_path)
    async with client_for(m8, tmp_path) as client:
        yield client


@pytest.fixture
def known(tmp_path: Path) -> KnownStores:
    return KnownStores(tmp_path / "known_stores", system=tmp_path / "no_known_stores")


class Person:
    """Answers questions and remembers them."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def __call__(self, question: str) -> bool:
        self.questions.append(question)
        return self.answers.pop(0)


def agreeing(m8: ScriptedM8, **given: Any) -> ClientSettings:
    """Settings without a file, in which the store's identity is given."""
    identities = {"vault": m8.identity.shown}
    return ClientSettings(
        server=m8.server, ca_file=m8.ca_file, token=token("alice"), store_identities=identities, **given
    )


def rotated(m8: ScriptedM8) -> Identity:
    """Let the store `vault` have another identity, which the one before signed; return it."""
    later = Identity()
    m8.stores["vault"].rotations.append(m8.identity.rotate(later, "vault"))
    m8.stores["vault"].identity, m8.signers["vault"] = later.shown, later
    return later


async def put(
    m8: ScriptedM8,
    folder: Path,
    uri: str,
    person: Person | None = None,
    *,
    identities: dict[str, str] | None = None,
    default: str | None = None,
) -> PutResult:
    agreed = settings_for(m8, folder, store_identities=identities or {}, default_store=default)
    client = Client(agreed, confirm=person, system_known_stores=folder / "no_known_stores", pause_s=0.001)
    async with client:
        return await client.put_secret(uri, VALUES, timeout=20)


async def test_first_contact_asks_and_pins_both(m8: ScriptedM8, known: KnownStores, tmp_path: Path) -> None:
    person = Person(True, True)

    assert (await put(m8, tmp_path, "app/db", person)).uri == "vault://app/db"
    assert "'vault'" in person.questions[0]
    assert grouped(m8.identity.shown) in person.questions[1]
    assert known.default(m8.server) == "vault"
    assert known.identity(m8.server, "vault") == m8.identity.shown
    await put(m8, tmp_path, "app/db", Person())


async def test_a_no_pins_nothing_and_asks_for_no_key(m8: ScriptedM8, known: KnownStores, tmp_path: Path) -> None:
    with pytest.raises(NotAgreedError, match="did not agree"):
        await put(m8, tmp_path, "vault://app/db", Person(False))

    assert known.identity(m8.server, "vault") is None
    assert m8.count("RequestSecretUploadKey") == 0


async def test_a_default_that_no_store_can_be_called_is_refused_before_anything_is_asked(
    m8: ScriptedM8, known: KnownStores, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Not A Store"):
        await put(m8, tmp_path, "app/db", default="Not A Store")
    assert (m8.count("GetSecretStore"), known.default(m8.server)) == (0, None)


async def test_an_identity_under_two_names_in_the_file_is_refused(m8: ScriptedM8, tmp_path: Path) -> None:
    pinned(m8, tmp_path)
    with (tmp_path / "known_stores").open("a") as file:
        file.write(f"{m8.server} other {m8.identity.shown}\n")
    with pytest.raises(IdentityChangedError, match="other"):
        await put(m8, tmp_path, "vault://app/db")
    assert m8.count("RequestSecretUploadKey") == 0


async def test_agreement_given_beforehand_needs_nobody(m8: ScriptedM8, known: KnownStores, tmp_path: Path) -> None:
    await put(m8, tmp_path, "app/db", identities={"vault": m8.identity.shown}, default="vault")

    assert known.identity(m8.server, "vault") == m8.identity.shown
    assert known.default(m8.server) == "vault"


async def test_agreement_to_an_older_identity_is_followed(m8: ScriptedM8, known: KnownStores, tmp_path: Path) -> None:
    agreed, later = m8.identity, rotated(m8)

    await put(m8, tmp_path, "vault://app/db", identities={"vault": agreed.shown})

    assert known.identity(m8.server, "vault") == later.shown


async def test_agreement_to_another_identity_pins_nothing(m8: ScriptedM8, known: KnownStores, tmp_path: Path) -> None:
    other = Identity().shown

    with pytest.raises(IdentityChangedError) as caught:
        await put(m8, tmp_path, "vault://app/db", identities={"vault": other})

    assert other in caught.value.message
    assert m8.identity.shown in caught.value.message
    assert known.identity(m8.server, "vault") is None


async def test_agreement_against_the_pin_is_a_changed_identity(m8: ScriptedM8, tmp_path: Path) -> None:
    pinned(m8, tmp_path)

    with pytest.raises(IdentityChangedError, match="you gave"):
        await put(m8, tmp_path, "vault://app/db", identities={"vault": Identity().shown})


async def test_a_new_default_is_asked_about_and_then_pinned(m8: ScriptedM8, known: KnownStores, tmp_path: Path) -> None:
    pinned(m8, tmp_path)
    local = Identity()
    m8.add_store("local", local, kind="age")
    m8.default = "local"
    person = Person(True, True)

    assert (await put(m8, tmp_path, "app/db", person)).uri == "local://app/db"
    assert "'vault'" in person.questions[0]
    assert "'local'" in person.questions[0]
    assert known.default(m8.server) == "local"


async def test_the_request_names_the_store_that_was_filled_in(m8: ScriptedM8, tmp_path: Path) -> None:
    pinned(m8, tmp_path)

    await put(m8, tmp_path, "app/db")

    assert m8.attempts[0].request.uri == SecretUri("vault", ("app", "db"))


CA = tls.make([], now=dt.datetime.now(dt.UTC)).ca
segments = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,12}\Z")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(path=st.lists(segments, min_size=1, max_size=16))
async def test_any_path_is_filled_in_as_it_stands(tmp_path: Path, path: list[str]) -> None:
    m8 = ScriptedM8()
    m8.server, m8.ca_file = "m8.example.org:7443", tmp_path / "ca.crt"
    m8.ca_file.write_bytes(CA)
    known = KnownStores(tmp_path / "known_stores", system=tmp_path / "no_known_stores")
    given_beforehand = settings_for(m8, tmp_path, default_store="vault")
    connection = Connection(m8.server, m8.ca_file, "token")

    uri = await Resolver(connection, given_beforehand, known, confirm=None, notify=None).uri("/".join(path))

    assert str(uri) == "vault://" + "/".join(path)
    await connection.close()


@pytest.mark.parametrize("text", ["", "/app", "app//db", "../app", "app/db?x", "vault:/app", "Vault://app", "vault://"])
async def test_what_is_no_uri_is_refused_before_anything_is_asked(m8: ScriptedM8, tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        await put(m8, tmp_path, text)
    assert m8.calls == []


async def test_too_large_a_secret_is_refused_before_a_key_is_asked_for(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.add_store("small", Identity(), max_plaintext=512)
    pinned(m8, tmp_path)

    async with client_for(m8, tmp_path) as client:
        with pytest.raises(RefusedError, match="at most 512") as refused:
            await client.put_secret("small://app", {"k": bytes(500)})
    assert "max_plaintext in its reactor.toml" in refused.value.fix

    assert m8.count("RequestSecretUploadKey") == 0


async def test_a_store_that_does_not_exist(m8: ScriptedM8, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        await put(m8, tmp_path, "nowhere://app/db")


async def test_what_is_wrong_with_one_is_found_before_another_is_written(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.add_store("local", Identity(), kind="age")
    pinned(m8, tmp_path)

    async with client_for(m8, tmp_path) as client:
        first, second, third = await client.put_secrets(["vault://a", "nowhere://a", "local://a"], VALUES)

    assert isinstance(first, NotTriedError)
    assert isinstance(second, NotFoundError)
    assert isinstance(third, NotTriedError)
    assert m8.attempts == []


async def test_a_uri_given_twice_is_refused(m8: ScriptedM8, client: Client) -> None:
    for uris in (["vault://a", "vault://a"], ["vault://a", "a"], []):
        with pytest.raises(UsageError):
            await client.put_secrets(uris, VALUES)

    assert m8.count("RequestSecretUploadKey") == 0


@pytest.mark.parametrize(
    ("kind", "other", "options"),
    [
        ("vault", "age", options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64)),
        ("aws-ssm", "aws-foo", options_pb2.AwsOptions(tags=[options_pb2.Label(name="owner", value="team-a")])),
    ],
    ids=["of another type", "of a third party, named like one of ours"],
)
async def test_typed_options_go_to_stores_of_their_type_alone(
    m8: ScriptedM8, tmp_path: Path, kind: str, other: str, options: Any
) -> None:
    m8.add_store("ours", Identity(), kind=kind)
    m8.add_store("other", Identity(), kind=other)
    pinned(m8, tmp_path)
    async with client_for(m8, tmp_path) as client:
        await client.put_secrets(["ours://a", "other://a"], VALUES, options=options)
        with pytest.raises(UsageError, match=f"'{other}'"):
            await client.put_secret("other://a", VALUES, options=options)
    sent = {attempt.request.uri.store: attempt.request.options for attempt in m8.attempts}
    assert sent == {"ours": options, "other": None}


@pytest.mark.parametrize(
    ("expect", "kind", "version"),
    [
        (Expect.ANY, upload_pb2.EXPECT_ANY, ""),
        (Expect.ABSENT, upload_pb2.EXPECT_ABSENT, ""),
        (Expect.OVERWRITE, upload_pb2.EXPECT_OVERWRITE, ""),
        ("7@x", upload_pb2.EXPECT_VERSION, "7@x"),
    ],
)
async def test_expectations_reach_the_request(
    m8: ScriptedM8, client: Client, expect: Expect | str, kind: upload_pb2.Expect, version: str
) -> None:
    await client.put_secret("vault://a", VALUES, expect=expect)

    assert (m8.attempts[0].request.expect, m8.attempts[0].request.expect_version) == (kind, version)


@pytest.mark.parametrize(
    ("values", "more"),
    [
        *((VALUES, {"expect": expect}) for expect in ("", "a b", "x" * 257)),
        *((values, {}) for values in ({}, {"..": b""}, {"k": "text"})),
    ],
)
async def test_versions_and_values_outside_the_rules_are_refused(
    m8: ScriptedM8, tmp_path: Path, values: dict[str, Any], more: dict[str, Any]
) -> None:
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(UsageError, match="version" if more else "."):
            await client.put_secret("vault://a", values, **more)


async def test_a_preview_pins_nothing_and_asks_for_no_key(m8: ScriptedM8, known: KnownStores, tmp_path: Path) -> None:
    async with client_for(m8, tmp_path) as client:
        preview = await client.preview_put("app/db", VALUES)

    assert (preview.uri, preview.sizes, preview.size_class) == ("vault://app/db", {"password": 28}, 512)
    assert (preview.identity, preview.pinned) == (m8.identity.shown, "")
    assert known.default(m8.server) is None
    assert m8.count("RequestSecretUploadKey") == 0
    assert VALUES["password"].decode() not in repr(preview)


async def test_an_open_client_asks_for_a_store_once(m8: ScriptedM8, client: Client) -> None:
    for path in ("app/a", "vault://app/b", "app/c"):
        await client.put_secret(path, VALUES)

    assert m8.count("GetSecretStore") == 2  # the default, and the store
    assert len(m8.attempts) == 3


async def test_what_was_said_of_a_store_is_asked_anew_after_a_while(m8: ScriptedM8, tmp_path: Path) -> None:
    now = 0.0
    known, remembered = pinned(m8, tmp_path), Remembered(now=lambda: now)
    connection = Connection(m8.server, m8.ca_file, "token")
    resolver = Resolver(connection, settings_for(m8, tmp_path), known, confirm=None, notify=None, remembered=remembered)
    for now in (0.0, 20.0, 29.0, 31.0, 40.0, 60.0):  # noqa: B007 - read by the clock
        await resolver.target("vault://app")
    await connection.close()

    assert m8.count("GetSecretStore") == 2


async def test_no_more_stores_are_remembered_than_may_be(m8: ScriptedM8) -> None:
    remembered = Remembered(most=2)
    for name in ("one", "two", "three"):
        remembered.add(name, m8.stores["vault"])

    assert [name for name in ("one", "two", "three") if remembered.get(name)] == ["three"]


async def test_a_remembered_store_does_not_outlive_its_pin(m8: ScriptedM8, tmp_path: Path) -> None:
    known = pinned(m8, tmp_path)

    async with client_for(m8, tmp_path) as client:
        await client.put_secret("vault://app", VALUES)
        later = rotated(m8)
        await client.put_secret("vault://app", VALUES)
        assert known.identity(m8.server, "vault") == later.shown
        await client.put_secret("vault://app", VALUES)

    assert m8.count("GetSecretStore") == 2


async def test_a_remembered_store_with_a_new_identity_is_refused(m8: ScriptedM8, client: Client) -> None:
    thief = Identity()

    await client.put_secret("vault://app", VALUES)
    m8.stores["vault"].identity, m8.signers["vault"] = thief.shown, thief
    for _ in range(2):
        with pytest.raises(IdentityChangedError, match=thief.shown.replace("+", "[+]")):
            await client.put_secret("vault://app", VALUES)

    assert m8.count("RequestUploadSecret") == 1


async def test_after_a_failure_a_store_is_asked_for_anew(m8: ScriptedM8, client: Client) -> None:
    await client.put_secret("vault://app", VALUES)
    m8.failing["RequestSecretUploadKey"] = [RefusedError("the store vault is deactivated.")]
    with pytest.raises(RefusedError):
        await client.put_secret("vault://app", VALUES)
    await client.put_secret("vault://app", VALUES)

    assert m8.count("GetSecretStore") == 2


async def test_a_given_identity_needs_no_file(m8: ScriptedM8, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    nowhere = Path("/proc/none/known_stores")
    agreed = agreeing(m8, default_store="vault")
    for one in (msgspec.structs.replace(agreed, known_stores=nowhere), agreed):
        async with Client(one, notify=told.append, system_known_stores=tmp_path / "none") as client:
            for path in ("app/a", "app/b"):
                assert (await client.put_secret(path, VALUES)).outcome == "UPLOADED"

    assert [sentence.split(". ")[0] for sentence in told] == [
        f"{nowhere} cannot be written: No such file or directory",
        "no file for known_stores is given or found",
    ]
    async with Client(agreed, system_known_stores=tmp_path / "none") as client:
        await client.put_secret("app/c", VALUES)
    assert "for this run alone" in caplog.text


async def test_without_a_file_a_changed_identity_is_refused(m8: ScriptedM8, tmp_path: Path) -> None:
    async with Client(
        agreeing(m8), notify=lambda _: None, system_known_stores=tmp_path / "none", pause_s=0.001
    ) as client:
        await client.put_secret("vault://app/a", VALUES)
        other = Identity()
        m8.stores["vault"].identity, m8.signers["vault"] = other.shown, other
        with pytest.raises(IdentityChangedError):
            await client.put_secret("vault://app/b", VALUES)


async def test_a_rotation_is_followed_from_the_identity_that_was_given(m8: ScriptedM8, tmp_path: Path) -> None:
    agreed = agreeing(m8)
    rotated(m8)

    for known_stores in (None, tmp_path / "known_stores"):
        there = msgspec.structs.replace(agreed, known_stores=known_stores)
        for _ in range(2):
            async with Client(there, notify=lambda _: None, system_known_stores=tmp_path / "none") as client:
                for path in ("vault://app/a", "vault://app/b"):
                    await client.put_secret(path, VALUES)
    stranger = msgspec.structs.replace(agreed, store_identities={"vault": Identity().shown})
    async with Client(stranger, system_known_stores=tmp_path / "none") as client:
        with pytest.raises(IdentityChangedError, match="you gave"):
            await client.put_secret("vault://app/a", VALUES)
