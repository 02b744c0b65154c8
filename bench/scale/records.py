"""The events of many secrets, made from those of real requests: with other URIs, ids, subjects and notes, signed anew.

A secret has the five events of a put. Some have those of a deletion or of a verification, too, so that each filter of a
listing finds about a hundred secrets at every size: that is what grows against a page of fifty.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.m8.domain.events import write
from monoskope.m8.log.event_log import NewEvent
from monoskope.protocol.events import EVENTS, receipt_of
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, labelled
from monoskope.protocol.wire import serialise
from monoskope.uri import SecretUri

STORE = "local"
FOUND = 100
"""Secrets that a filter finds, where there are so many."""

FIRST_DAY = dt.date(2027, 1, 1)


@dataclass(frozen=True, slots=True)
class Template:
    """The events of a real request of `subject`: each with its type, its data and who was its actor."""

    subject: str
    events: tuple[tuple[str, bytes, str], ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one request."""

    name: str
    events: tuple[tuple[NewEvent, str], ...]
    """Each with its actor."""


def _spread(number: int, of: int, step: int) -> int:
    """Return another place among `of` for each number: filters must not find neighbours."""
    return number * step % of


@dataclass(frozen=True, slots=True)
class Secret:
    """What is particular to one secret: everything follows from its number and from how many there are."""

    number: int
    of: int

    @property
    def uri(self) -> str:
        """Its URI: a team of `FOUND` secrets, and a name, in no order."""
        team = hashlib.sha256(b"team %d" % (self.number // FOUND)).hexdigest()[:8]
        name = hashlib.sha256(b"name %d" % self.number).hexdigest()[:8]
        return f"{STORE}://{team}/service-{name}/db-password"

    @property
    def subject(self) -> str:
        """Who put it."""
        return f"user-{_spread(self.number, self.of, 7_919) // FOUND}"

    @property
    def labels(self) -> list[tuple[str, str]]:
        """Its labels: one that many have, one that few have."""
        return [
            ("env", "prod" if self.number % 4 else "dev"),
            ("team", str(_spread(self.number, self.of, 7_907) // FOUND)),
        ]

    @property
    def expires_on(self) -> str:
        """Its day of expiry: `FOUND` secrets a day."""
        return str(FIRST_DAY + dt.timedelta(days=_spread(self.number, self.of, 7_901) // FOUND))

    @property
    def kind(self) -> int:
        """0: drifted; 1: deleted; 2: out of sync; others: nothing particular."""
        return _spread(self.number, self.of, 7_883) // min(FOUND, max(self.of // 10, 1))

    def bytes_of(self, what: str, size: int) -> bytes:
        """Return bytes that look like chance and are the same in every run."""
        return hashlib.shake_128(f"{what} {self.number}".encode()).digest(size)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes requests for secrets, signed by the store's real identity."""

    key: Ed25519PrivateKey
    templates: Mapping[str, Template]
    """Of a put, of a deletion and of a verification."""

    def streams(self, secret: Secret) -> Iterator[Stream]:
        """Yield the requests for `secret`, in their order."""
        drifted = secret.kind == 0
        put, receipt = self._request("put", secret, prior="0@1" if drifted else "")
        yield put
        if secret.kind == 1:
            yield self._request("delete", secret)[0]
        if secret.kind == 2:
            yield self._request("verify", secret, verified=hashlib.sha256(receipt).digest())[0]

    def _request(self, name: str, secret: Secret, *, prior: str = "", verified: bytes = b"") -> tuple[Stream, bytes]:
        """Return a request like the template `name`, and the last receipt in it."""
        template = self.templates[name]
        making = _Making(self.key, secret, name, prior, verified)
        events = []
        for kind, data, actor in template.events:
            message = EVENTS[kind].FromString(data)
            making.change(message)
            who = secret.subject if actor == template.subject else actor
            events.append((write(making.made(message), uri=SecretUri.parse(secret.uri)), who))
        request_id = secret.bytes_of(f"{name} id", 16)
        return Stream(f"upload/{request_id.hex()}", tuple(events)), making.receipt


class _Making:
    """One request in the making: what each event needs of those before it."""

    def __init__(self, key: Ed25519PrivateKey, secret: Secret, name: str, prior: str, verified: bytes) -> None:
        self._key = key
        self._secret = secret
        self._name = name
        self._prior = prior
        self._verified = verified
        self._request = self._grant_sha256 = b""
        self._sealed = secret.bytes_of(f"{name} sealed", 32)
        self.receipt = b""

    def made(self, message: Message) -> Message:
        """Return the event: a verification finds something else than the template's did."""
        if isinstance(message, events_pb2.SecretVerified):
            return events_pb2.SecretDriftDetected(receipt=message.receipt)
        return message

    def change(self, message: object) -> None:
        """Make the event one of this request."""
        match message:
            case events_pb2.SecretUploadKeyRequested():
                self._change_request(message)
            case events_pb2.SecretUploadKeyProvided():
                self._change_grant(message)
            case events_pb2.SecretUploadRequested():
                message.sealed_sha256 = self._sealed
                message.ClearField("last_receipt")
            case _:
                signed = receipt_of(message)  # type: ignore[arg-type]
                assert signed is not None, "the rest of a request holds receipts"
                self._change_receipt(signed)

    def _change_request(self, message: events_pb2.SecretUploadKeyRequested) -> None:
        request, secret = upload_pb2.UploadRequest.FromString(message.request), self._secret
        request.request_id = secret.bytes_of(f"{self._name} id", 16)
        request.uri = secret.uri
        if self._name == "put":
            request.ClearField("labels")
            request.labels.extend(options_pb2.Label(name=name, value=value) for name, value in secret.labels)
            request.expires_on = secret.expires_on
        self._request = message.request = serialise(request)
        message.subject = secret.subject
        message.ClearField("last_receipt")

    def _change_grant(self, message: events_pb2.SecretUploadKeyProvided) -> None:
        grant = upload_pb2.UploadGrant.FromString(message.grant.content)
        grant.request, grant.subject = self._request, self._secret.subject
        grant.public_key = self._secret.bytes_of(f"{self._name} key", len(grant.public_key))
        self._sign(message.grant, UPLOAD_GRANT, serialise(grant))
        self._grant_sha256 = hashlib.sha256(message.grant.content).digest()

    def _change_receipt(self, signed: upload_pb2.Signed) -> None:
        receipt, secret = upload_pb2.Receipt.FromString(signed.content), self._secret
        receipt.grant_sha256, receipt.sealed_sha256, receipt.uri = self._grant_sha256, self._sealed, secret.uri
        if self._name == "put":
            receipt.prior_version = self._prior
        if receipt.fingerprint:
            receipt.fingerprint = receipt.fingerprint[:21] + secret.bytes_of("fingerprint", 32).hex()
            for value in receipt.values:
                value.fingerprint = value.fingerprint[:21] + secret.bytes_of(f"fingerprint {value.key}", 32).hex()
        if self._verified:
            receipt.verified_sha256, receipt.outcome = self._verified, upload_pb2.OUTCOME_DRIFTED
        self._sign(signed, RECEIPT, serialise(receipt))
        self.receipt = signed.content

    def _sign(self, signed: upload_pb2.Signed, label: bytes, content: bytes) -> None:
        signed.content = content
        signed.signature = self._key.sign(labelled(label, content))


def template_of(subject: str, events: Sequence[tuple[str, bytes, str]]) -> Template:
    """Return a template of the events of one real request."""
    return Template(subject, tuple(events))
