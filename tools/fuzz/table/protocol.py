"""What clients, m8 and reactors say to one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from monoskope.api.secrets.v1 import events_pb2, identity_pb2, upload_pb2
from monoskope.errors import Error, UsageError
from monoskope.host_port import HostPort, parse_server
from monoskope.protocol import sshsig
from monoskope.protocol.change import parse_change
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.hello import Hello, check_capabilities, parse_hello, schema_fault
from monoskope.protocol.identity import Namespace, ProofError, open_rotation
from monoskope.protocol.listing import message_of, parse_listing
from monoskope.protocol.login import Member, read_exchange_refusal, read_login_refusal
from monoskope.protocol.notes import check_day, edit_message, edit_of, strict_json
from monoskope.protocol.payload import BadPayloadError, decode, encode
from monoskope.protocol.receipt import parse_receipt
from monoskope.protocol.recipes import Recipe, Template, template_of
from monoskope.protocol.request import parse_request
from monoskope.protocol.sshsig.container import parse_public
from monoskope.protocol.wire import serialise
from monoskope.times import parse_days, parse_length, parse_moment
from monoskope.uri import SecretUri, UriPrefix, parse_path
from tools.fuzz import samples
from tools.fuzz.reader import Reader, text

M = TypeVar("M", bound=Message)


def _in(kind: type[M], read: Callable[[M], Any]) -> Callable[[bytes], Any]:
    """Return a reader of the bytes of a message, for one of the message."""

    def from_bytes(content: bytes) -> object:
        return read(kind.FromString(content))

    return from_bytes


def _words(read: Callable[[dict[str, str]], Any]) -> Callable[[bytes], Any]:
    """Return a reader of `name=value` lines, for one of words."""

    def from_bytes(content: bytes) -> object:
        lines = content.decode("utf-8", "replace").split("\n")
        return read(dict(line.partition("=")[::2] for line in lines))

    return from_bytes


def _shown(value: object) -> bytes:
    return str(value).encode("utf-8", "surrogateescape")


def _written(template: Template) -> bytes:
    """Return the text of a template."""
    pieces = (
        piece.replace("{", "{{").replace("}", "}}")
        if isinstance(piece, str)
        else f"{{{piece.key}|{piece.filter}}}".replace("|}", "}")
        for piece in template
    )
    return "".join(pieces).encode("utf-8", "surrogateescape")


def _texts(*texts: str) -> Callable[[], Iterable[bytes]]:
    return lambda: [one.encode() for one in texts]


READERS = (
    Reader(
        "uri",
        "users, and m8 in what it lists",
        ("uri.py",),
        text(SecretUri.parse),
        again=_shown,
        exact=True,
        seeds=_texts("vault://team-a/db", "v-1://a/b.c/D_e-f", "local://x"),
    ),
    Reader(
        "uri-prefix",
        "users and administrators",
        ("uri.py",),
        text(UriPrefix.parse),
        again=_shown,
        seeds=_texts("vault://team-a", "vault://", "vault://a/b/"),
    ),
    Reader("path", "settings", ("uri.py",), text(parse_path), seeds=_texts("team-a/db", "a")),
    Reader(
        "host-port",
        "users and settings",
        ("host_port.py",),
        text(HostPort.parse),
        again=_shown,
        seeds=_texts("127.0.0.1:7443", "[::1]:7443", "m8.example.org:0"),
    ),
    Reader(
        "server-name",
        "users and settings",
        ("host_port.py",),
        text(parse_server),
        again=_shown,
        seeds=_texts("m8.example.org:7443", "https://M8.example.org:7480", "https://[::1]:7480"),
    ),
    Reader(
        "member",
        "administrators",
        ("protocol/login.py",),
        text(Member.parse),
        again=_shown,
        exact=True,
        seeds=_texts("user:corp:anna", "group:corp:team a", "serviceaccount:k8s:ns/name"),
    ),
    Reader(
        "recipe",
        "users",
        ("protocol/recipes.py",),
        text(lambda one: Recipe.parse("key", one)),
        seeds=_texts("hex:32", "base64:64", "ed25519", "fixed:orders_b"),
    ),
    Reader(
        "template",
        "users, and the requests that m8 delivers",
        ("protocol/recipes.py",),
        text(lambda one: template_of(Recipe("key", "text", text=one))),
        again=_written,
        seeds=_texts("postgresql://{username}:{password|url}@db/orders", '{{"a":"{a|json}"}}', "{{{a}}}"),
    ),
    Reader("length", "users", ("times.py",), text(parse_length), seeds=_texts("30m", "12h", "30d")),
    Reader("days", "users", ("times.py",), text(parse_days), errors=(), seeds=_texts("30d", "99999d")),
    Reader(
        "moment",
        "users",
        ("times.py",),
        text(lambda one: parse_moment(one, now_ms=1_800_000_000_000)),
        seeds=_texts("2h", "2026-01-31", "2026-01-31T18:00:00Z", "2026-01-31T18:00:00+05:30"),
    ),
    Reader(
        "day", "users", ("protocol/notes.py",), text(check_day), again=_shown, exact=True, seeds=_texts("2027-02-28")
    ),
    Reader(
        "request",
        "clients, through m8",
        ("protocol/request.py", "protocol/options.py", "protocol/wire.py"),
        parse_request,
        again=lambda request: request.content,
        exact=True,
        seeds=samples.requests,
    ),
    Reader(
        "change",
        "requesters, through m8",
        ("protocol/change.py", "protocol/wire.py"),
        parse_change,
        again=lambda change: change.content,
        exact=True,
        seeds=samples.changes,
    ),
    Reader(
        "approval",
        "approvers' signing keys and agents, through m8",
        ("protocol/sshsig/container.py", "protocol/sshsig/fields.py"),
        partial(sshsig.parse, namespace=Namespace.APPROVAL),
        errors=(sshsig.FaultError,),
        again=lambda found: found.serialise(),
        exact=True,
        seeds=samples.approvals,
    ),
    Reader(
        "grant",
        "reactors, through m8",
        ("protocol/grant.py", "protocol/wire.py"),
        parse_grant,
        again=lambda grant: grant.content,
        exact=True,
        seeds=samples.grants,
    ),
    Reader(
        "receipt",
        "reactors, through m8",
        ("protocol/receipt.py", "protocol/wire.py"),
        parse_receipt,
        seeds=samples.receipts,
    ),
    Reader(
        "hello",
        "reactors",
        ("protocol/hello.py", "protocol/wire.py"),
        parse_hello,
        again=Hello.serialise,
        exact=True,
        seeds=samples.hellos,
    ),
    Reader(
        "rotation",
        "reactors, through m8",
        ("protocol/identity.py", "protocol/identity.py"),
        _in(identity_pb2.SignedRotation, lambda signed: open_rotation(signed, store="vault")),
        errors=(UsageError, ProofError, DecodeError),
        seeds=samples.rotations,
    ),
    Reader(
        "listing",
        "reactors, through m8",
        ("protocol/listing.py",),
        _in(upload_pb2.Listing, parse_listing),
        errors=(UsageError, DecodeError),
        again=lambda listing: serialise(message_of(listing)),
        seeds=samples.listings,
    ),
    Reader(
        "announcement",
        "reactors and their drivers",
        ("protocol/hello.py", "protocol/notes.py"),
        _in(events_pb2.StoreCapabilities, check_capabilities),
        errors=(UsageError, DecodeError),
        seeds=samples.capabilities,
    ),
    Reader(
        "options-schema",
        "reactors and their drivers",
        ("protocol/hello.py", "protocol/notes.py"),
        lambda content: schema_fault(content.decode("utf-8", "replace")),
        errors=(),
        seeds=_texts('{"properties":{"a":{"enum":["x"]}}}', '{"$ref":"#"}', '{"a":[[[{}]]]}'),
    ),
    Reader(
        "one-reading",
        "reactors, drivers and engines",
        ("protocol/notes.py",),
        text(strict_json),
        errors=(ValueError, RecursionError),
        seeds=_texts('{"a":1,"a":2}', "[1e5,null]", "NaN"),
    ),
    Reader(
        "edit",
        "clients",
        ("protocol/notes.py",),
        _in(events_pb2.NotesEdit, edit_of),
        errors=(UsageError, DecodeError),
        again=lambda edit: serialise(edit_message(edit)),
        seeds=samples.edits,
    ),
    Reader(
        "payload",
        "clients, sealed",
        ("protocol/payload.py",),
        decode,
        errors=(BadPayloadError,),
        again=encode,
        exact=True,
        seeds=samples.payloads,
    ),
    Reader(
        "exchange-refusal",
        "m8",
        ("protocol/login.py",),
        _words(read_exchange_refusal),
        errors=(),
        seeds=_texts("reason=SIGNATURE", "exchange_refusal=SIGNATURE"),
    ),
    Reader(
        "login-refusal",
        "m8",
        ("protocol/login.py",),
        _words(read_login_refusal),
        errors=(),
        seeds=_texts("refusal=IDENTITY\nidentity=SHA256:abc", "login_refusal=CLOCK"),
    ),
    Reader(
        "sshsig",
        "users' signing keys and agents, through m8",
        (
            "protocol/sshsig/container.py",
            "protocol/sshsig/fields.py",
            "protocol/sshsig/keys.py",
            "protocol/sshsig/certificate.py",
        ),
        partial(sshsig.parse, namespace=Namespace.REQUEST),
        errors=(sshsig.FaultError,),
        again=lambda found: found.serialise(),
        exact=True,
        seeds=samples.signatures,
    ),
    Reader(
        "ssh-public-key",
        "users and administrators",
        ("protocol/sshsig/container.py", "protocol/sshsig/fields.py"),
        text(parse_public),
        errors=(sshsig.FaultError, Error),
        seeds=samples.public_keys,
    ),
)
