"""Malformed URIs and values through the real `monoctl`, m8 and reactor: what is said, the exit code, and no event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import commands_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import client
from monoskope.protocol.payload import padded_size
from monoskope.protocol.wire import serialise
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran
from tests.e2e.conftest import Team
from tests.e2e.inside import Caller, inside, put_inside
from tests.e2e.ran import ok, refused
from tests.support.m8_world import refused as refuses
from tests.support.vectors import VECTORS, a_request

GOOD = '{"a":"YQ=="}'
LONG = "a" * 129
MANY = "/".join("a" * 17)

NEIGHBOURS = [
    "://app/db",
    "vault ://app/db",
    " vault://app/db",
    "vault://app/db ",
    "vault://app/db\n",
    "vault://app/",
    "vault://app/.db",
    "vault://app/-db",
    "vault://app/..",
    "vault://app:80/db",
    "vault://app/db;a",
    "vault://app/d*b",
    "vault://app/\u202edb",
    f"vault://{LONG}",
    f"vault://{MANY}",
    f"vault://{'/'.join(['a' * 120] * 5)}",
    "va_ult://app/db",
    f"{'v' * 64}://app/db",
    "vault://vault://app/db",
]


@pytest.fixture
def silent(patient: Team) -> Iterator[Team]:
    """A team of which the log says no more afterwards than before."""

    def said() -> list[int]:
        return [event["position"] for event in ok(inside(patient.user, "get", "events", "-o", "json")).json()]

    before = said()
    yield patient
    assert said() == before


# A word with "=" in it may hold a value, so it is refused as one: see below.
URIS = [uri for uri in VECTORS["bad_uris"] if "://" in uri and "=" not in uri]


@pytest.mark.parametrize("uri", [*URIS, *NEIGHBOURS])
def test_a_malformed_uri_is_refused_with_its_rule(silent: Team, uri: str) -> None:
    message = refused(put_inside(silent.user, uri), 2)
    assert any(word in message for word in ("path segment", "store name", "segments; at most 16", "bytes; at most 512"))
    assert "not valid" in message or "at most" in message


def test_a_uri_with_an_equals_sign_may_hold_a_value_and_is_not_repeated(silent: Team) -> None:
    ran = put_inside(silent.user, "vault://app/db?password=hunter2")
    assert "a value on the command line is refused" in refused(ran, 2)
    assert "hunter2" not in ran.err


@pytest.mark.parametrize("path", ["", "/app/db", "app//db", "app/../db", "app/db/", "vault:/app/db", "app\\db/x"])
def test_a_malformed_path_in_the_default_store_is_refused_with_its_rule(silent: Team, path: str) -> None:
    message = refused(put_inside(silent.user, path), 2)
    assert "path segment" in message
    assert "1 to 128 of A-Z, a-z, 0-9, '_', '.' and '-'" in message


@pytest.mark.parametrize("uri", VECTORS["bad_uris"])
async def test_m8_refuses_a_malformed_uri_whatever_client_sends_it(silent: Team, cluster: Cluster, uri: str) -> None:
    message = upload_pb2.UploadRequest.FromString(a_request().content)
    message.uri = uri
    caller = Caller.of(cluster, silent.user)
    with refuses("USAGE") as said:
        await caller.call(commands_pb2.RequestSecretUploadKeyRequest(request=serialise(message)))
    assert "UploadRequest" in said.message
    assert "uri" in said.message


def payloads() -> Iterator[tuple[str, bytes]]:
    for text in VECTORS["bad_plaintexts"]:
        yield text, text.encode().ljust(padded_size(len(text)), b" ")
    yield "padded too far", GOOD.encode().ljust(1024, b" ")
    yield "padded with tabs", GOOD.encode().ljust(512, b"\t")
    yield "zero bytes behind", GOOD.encode().ljust(512, b"\0")
    yield "space in front", b" " + GOOD.encode().ljust(511, b" ")
    yield "a key too many", json.dumps({f"k{n:02}": "" for n in range(65)}, separators=(",", ":")).encode().ljust(1024)
    yield "a key too long", b'{"' + b"k" * 254 + b'":""}'.ljust(512 - 256, b" ")
    yield "not ASCII", '{"ä":""}'.encode().ljust(512, b" ")
    yield "base64url", b'{"a":"-_=="}'.ljust(512, b" ")
    yield "nested too deep", (b"[" * 400).ljust(512, b" ")


PAYLOADS = dict(payloads())


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_sealed_payload_in_another_form_is_refused_without_detail(
    patient: Team, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "encoded", lambda _values: PAYLOADS[name])
    uri = patient.uri("local", "unwelcome")
    assert refused(put_inside(patient.user, uri), 3) == (
        f"{uri}: the reactor could not open what was sent, or it is not in the one accepted form. (BAD_PAYLOAD)"
    )
    refused(inside(patient.user, "get", "secret", uri, "-o", "json"), 4)


def test_a_payload_of_another_size_is_taken_by_nobody(patient: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """m8 refuses it, and since m8's word alone proves nothing, the client says what it knows."""
    monkeypatch.setattr(client, "encoded", lambda _values: GOOD.encode().ljust(600, b" "))
    ran = put_inside(patient.user, patient.uri("local", "another-size"))
    assert "it may or may not have been written" in refused(ran, 9)
    request_id = ran.err.partition("get upload ")[2][:32]
    shown = ok(inside(patient.user, "get", "upload", request_id, "-o", "json")).json()
    assert (shown["state"], shown["outcome"]) == ("GRANTED", "")


Make = Callable[[Path], list[str]]


def env_file(content: bytes, mode: int = 0o600) -> Make:
    def make(folder: Path) -> list[str]:
        path = folder / "app.env"
        path.write_bytes(content)
        path.chmod(mode)
        return ["--from-env-file", str(path)]

    return make


ENV_FILES: dict[str, tuple[Make, str]] = {
    "missing": (lambda folder: ["--from-env-file", str(folder / "app.env")], "app.env cannot be read: No such file"),
    "a folder": (lambda folder: ["--from-env-file", str(folder)], "cannot be read: Is a directory"),
    "empty": (env_file(b""), "app.env holds no KEY=VALUE line"),
    "comments alone": (env_file(b"# nothing\n\n"), "app.env holds no KEY=VALUE line"),
    "binary": (env_file(b"A=1\n\x7fELF\xff\xfe\x00"), "app.env, line 2: not UTF-8"),
    "UTF-16": (env_file("A=1\n".encode("utf-16")), "app.env, line 1: not UTF-8"),
    "zero byte": (env_file(b"A=1\x002\n"), "app.env, line 1: the value of 'A' has a zero byte"),
    "byte order mark": (env_file(b"\xef\xbb\xbfA=1\n"), "app.env, line 1: the file begins with a byte order mark"),
    "no equals": (env_file(b"A=1\nhunter2\n"), "app.env, line 2: no '='"),
    "open quote": (env_file(b"A='1\nB=hunter2\n"), "app.env, line 1: it is not KEY=VALUE"),
    "key twice": (env_file(b"A=1\nA=hunter2\n"), "app.env, line 2: key 'A' is there twice"),
    "white space": (env_file(b"'A B'=hunter2\n"), "app.env, line 1: the text before '=' is not a key"),
    "65 keys": (env_file(b"".join(b"K%d=1\n" % n for n in range(65))), "a secret has 1 to 64 keys, this one 65"),
}


@pytest.mark.parametrize("name", ENV_FILES)
def test_an_env_file_that_is_none_is_named_and_not_shown(silent: Team, tmp_path: Path, name: str) -> None:
    make, said = ENV_FILES[name]
    ran = inside(silent.user, "put", "secret", silent.uri("local"), *make(tmp_path), "-o", "json")
    assert said in refused(ran, 2)
    assert "hunter2" not in ran.out + ran.err


def test_an_env_file_that_may_not_be_read_says_so(
    silent: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    # Whoever runs tests as root may read everything.
    monkeypatch.setattr(Path, "read_bytes", denied)
    ran = inside(
        silent.user, "put", "secret", silent.uri("local"), "--from-env-file", str(tmp_path / "x"), "-o", "json"
    )
    message = refused(ran, 2)
    assert "cannot be read: Permission denied" in message


def test_an_env_file_with_crlf_gives_the_same_secret_as_with_lf(patient: Team, tmp_path: Path) -> None:
    hashes = []
    for name, content in {"lf": b"A=1\nB='x y'\n", "crlf": b"A=1\r\nB='x y'\r\n"}.items():
        (tmp_path / name).write_bytes(content)
        put = ("put", "secret", patient.uri("local", name), "--from-env-file", str(tmp_path / name), "-o", "json")
        hashes.append(ok(inside(patient.user, *put)).json()["hash"])
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("words", [(), ("password",)])
def test_without_a_terminal_nothing_is_asked_for(silent: Team, words: tuple[str, ...]) -> None:
    ran: Ran = silent.user.monoctl("put", "secret", silent.uri("local"), *words, "-o", "json", input=b"s3cret\n")
    message = refused(ran, 2)
    assert "there is no terminal to ask on" in message


@pytest.mark.parametrize("key", ["", ".", "..", "..data", "a/b", "a b", "ä", "k" * 254])
def test_a_key_outside_the_rule_is_named_with_the_rule(silent: Team, key: str) -> None:
    ran = inside(silent.user, "put", "secret", silent.uri("local"), "--from-file", f"{key}=-", "-o", "json", stdin=b"x")
    assert "1 to 253 of A-Z, a-z, 0-9, '_', '.' and '-'" in refused(ran, 2)
