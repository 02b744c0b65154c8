"""A request and its replicas without a server: signed messages for the domain and the read models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.append import Appender
from monoskope.m8.domain.events import write
from monoskope.m8.domain.upload import NEW, Upload, evolve
from monoskope.m8.log.event_log import Put, RecordedEvent
from monoskope.m8.log.record import make
from monoskope.m8.readmodels.documents import HISTORY, project, version_of
from monoskope.m8.readmodels.secrets import SECRETS, VERSIONS, Kept
from monoskope.m8.readmodels.uploads import OPEN_UPLOADS, end_receipt, shown
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.listing import Listing
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.request import Request
from tests.support.vectors import KEY_ID, Signer, a_grant, a_request

ISSUER = b"r" * 16
PEER = b"p" * 16
ENCAPSULATED, CIPHERTEXT = bytes(1120), bytes(528)
DIGEST = hashlib.sha256(ENCAPSULATED + CIPHERTEXT).digest()
EMPTY = hashlib.sha256(b"").digest()
URI = "vault://app/db"
SIGNER = Signer()
"""The store's identity where several requests are recorded."""


class Walk:
    """One request of `anna`, and what a reactor under `signer` can say about it."""

    def __init__(self, request: Request | None = None, *, signer: Signer | None = None, digest: bytes = DIGEST) -> None:
        self.signer = signer or Signer()
        self.request = request or a_request()
        self.grant = a_grant(self.request, replica=ISSUER)
        self.digest = digest

    def by(self, replica: bytes = ISSUER, **changes: Any) -> Appender:
        fields = {"store": "vault", "identity": self.signer.shown, "replica": replica, "key_ids": frozenset({KEY_ID})}
        return Appender(**{**fields, **changes})

    def asked(self) -> events_pb2.SecretUploadKeyRequested:
        return events_pb2.SecretUploadKeyRequested(request=self.request.content, subject="anna")

    def provided(
        self, grant: Grant | None = None, *, signer: Signer | None = None
    ) -> events_pb2.SecretUploadKeyProvided:
        signed = (signer or self.signer).sign(UPLOAD_GRANT, (grant or self.grant).content)
        return events_pb2.SecretUploadKeyProvided(grant=signed)

    def sent(self) -> events_pb2.SecretUploadRequested:
        return events_pb2.SecretUploadRequested(sealed_sha256=self.digest, size=1648)

    def receipt(self, outcome: upload_pb2.Outcome, **fields: Any) -> upload_pb2.Signed:
        fields = {"grant": self.grant, "sealed_sha256": self.digest, **fields}
        return self.signer.sign(RECEIPT, make_receipt(outcome=outcome, **fields).content)

    def started(self, prior: str = "", **fields: Any) -> events_pb2.SecretUploadStarted:
        fields = {"prior_version": prior, "intent": b"i" * 32, **fields}
        return events_pb2.SecretUploadStarted(receipt=self.receipt(upload_pb2.OUTCOME_STARTED, **fields))

    def uploaded(self, version: str = "1", prior: str = "", **fields: Any) -> events_pb2.SecretUploaded:
        fields = {"upstream_version": version, "prior_version": prior, **fingerprints(KEY_ID), **fields}
        return events_pb2.SecretUploaded(receipt=self.receipt(upload_pb2.OUTCOME_UPLOADED, **fields))

    def unchanged(self, version: str = "1", **fields: Any) -> events_pb2.SecretUploaded:
        fields = {"upstream_version": version, **fingerprints(KEY_ID), **fields}
        return events_pb2.SecretUploaded(receipt=self.receipt(upload_pb2.OUTCOME_UNCHANGED, **fields))

    def deleted(self, prior: str = "1", **fields: Any) -> events_pb2.SecretDeleted:
        fields = {"prior_version": prior, **fields}
        return events_pb2.SecretDeleted(receipt=self.receipt(upload_pb2.OUTCOME_DELETED, **fields))

    def undeleted(self, version: str = "1", **fields: Any) -> events_pb2.SecretUndeleted:
        fields = {"upstream_version": version, "restored_version": version, **fingerprints(KEY_ID), **fields}
        return events_pb2.SecretUndeleted(receipt=self.receipt(upload_pb2.OUTCOME_UNDELETED, **fields))

    def rolled_back(
        self, version: str = "3", prior: str = "2", to: str = "1", **fields: Any
    ) -> events_pb2.SecretRolledBack:
        fields = {"upstream_version": version, "prior_version": prior, **fingerprints(KEY_ID), **fields}
        receipt = self.receipt(upload_pb2.OUTCOME_ROLLED_BACK, restored_version=to, **fields)
        return events_pb2.SecretRolledBack(receipt=receipt)

    def imported(self, version: str = "1", **fields: Any) -> events_pb2.SecretImported:
        fields = {"upstream_version": version, **fingerprints(KEY_ID), **fields}
        return events_pb2.SecretImported(receipt=self.receipt(upload_pb2.OUTCOME_IMPORTED, **fields))

    def listed(self, *names: str) -> events_pb2.SecretsListed:
        listed = Listing(names or ("db", "more/"), 1)
        return events_pb2.SecretsListed(receipt=self.receipt(upload_pb2.OUTCOME_LISTED, listed=listed))

    def verified(self, of: upload_pb2.Signed, version: str = "1") -> events_pb2.SecretVerified:
        digest = hashlib.sha256(of.content).digest()
        receipt = self.receipt(upload_pb2.OUTCOME_IN_SYNC, upstream_version=version, verified_sha256=digest)
        return events_pb2.SecretVerified(receipt=receipt)

    def drifted(self, of: upload_pb2.Signed, version: str = "") -> events_pb2.SecretDriftDetected:
        """With `version` DRIFTED, else GONE."""
        outcome = upload_pb2.OUTCOME_DRIFTED if version else upload_pb2.OUTCOME_GONE
        digest = hashlib.sha256(of.content).digest()
        return events_pb2.SecretDriftDetected(
            receipt=self.receipt(outcome, upstream_version=version, verified_sha256=digest)
        )

    def compared(self) -> events_pb2.SecretCompared:
        return events_pb2.SecretCompared(receipt=self.receipt(upload_pb2.OUTCOME_EQUAL, upstream_version="1"))

    def failed(self, reason: upload_pb2.Reason = upload_pb2.REASON_CONFLICT) -> events_pb2.SecretUploadFailed:
        receipt = self.receipt(upload_pb2.OUTCOME_FAILED, reason=reason)
        return events_pb2.SecretUploadFailed(reason=reason, receipt=receipt)

    def at(self, *messages: Message) -> Upload:
        """The request after these events."""
        upload = NEW
        for message in messages:
            upload = evolve(upload, message)
        return upload

    def requested(self) -> Upload:
        return self.at(self.asked())

    def granted(self) -> Upload:
        return self.at(self.asked(), self.provided())

    def uploading(self) -> Upload:
        return self.at(self.asked(), self.provided(), self.sent())

    def writing(self, prior: str = "") -> Upload:
        return self.at(self.asked(), self.provided(), self.sent(), self.started(prior))


def fingerprints(key_id: str) -> dict[str, Any]:
    return {
        "fingerprint": f"fp1:{key_id}:{'a' * 64}",
        "values": [("password", f"fp1:{key_id}:{'b' * 64}")],
    }


def signed_parts(event: RecordedEvent, *, asked: bool) -> list[bytes]:
    """What a reactor signed, and with `asked` a user, as an event holds it: no document may hold it again."""
    message = getattr(events_pb2, event.type).FromString(event.data)
    fields = message.DESCRIPTOR.fields_by_name
    signed = [getattr(message, name).content for name in ("grant", "receipt") if name in fields]
    return [part for part in [*signed, getattr(message, "request", b"") if asked else b""] if part]


class Documents:
    """The read models in memory, fed like a log feeds them. No document holds a grant or a receipt."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.events: list[RecordedEvent] = []
        self.now_ms = 1_000

    def record(self, stream: str, messages: Sequence[Message], *, actor: str = "anna") -> None:
        for message in messages:
            version = sum(event.stream == stream for event in self.events) + 1
            event = make(
                write(message),
                position=len(self.events) + 1,
                stream=stream,
                version=version,
                recorded_at_ms=self.now_ms,
                actor=actor,
                previous_hash=bytes(32),
            )
            self.events.append(event)
            self._apply(event)

    def end(self, walk: Walk, *end: Message) -> Walk:
        self.now_ms += 1
        self.record(upload_stream(walk.request.request_id), [walk.asked(), walk.provided(), walk.sent(), *end])
        return walk

    def put(self, version: str, prior: str = "", **fields: Any) -> upload_pb2.Signed:
        walk = Walk(a_request(**fields), signer=SIGNER)
        uploaded = walk.uploaded(version, prior)
        self.end(walk, walk.started(prior), uploaded)
        return uploaded.receipt

    @property
    def head(self) -> views_pb2.Secret:
        """The secret that requests are of unless they say otherwise, which is there."""
        secret = self.secret(URI)
        assert secret is not None
        return secret

    def _apply(self, event: RecordedEvent) -> None:
        for change in project(event, lambda collection, key: self.bodies.get((collection, key))):
            if isinstance(change, Put):
                parts = signed_parts(event, asked=change.collection != OPEN_UPLOADS)
                assert not [part for part in parts if part in change.body], change.collection
                self.bodies[change.collection, change.key] = change.body
            else:
                self.bodies.pop((change.collection, change.key), None)

    def upload(self, request_id: bytes) -> views_pb2.SecretUpload | None:
        return shown(self._stream(request_id))

    def secret(self, uri: str, version: str = "") -> views_pb2.Secret | None:
        body = self.bodies.get((SECRETS, uri))
        if body is not None and version not in ("", Kept.parse(uri, body).secret.upstream_version):
            body = self.bodies.get((VERSIONS, f"{uri}\n{version}"))
        if body is None:
            return None
        secret = Kept.parse(uri, body).secret
        receipt = end_receipt(self._stream(secret.request_id)[-1])
        assert receipt is not None
        secret.receipt.CopyFrom(receipt)
        return secret

    def history(self, uri: str) -> list[views_pb2.SecretVersion]:
        """The past of a secret as m8 shows it, the newest first."""
        keys = sorted(key for key in self.keys(HISTORY) if key.startswith(f"{uri}\n"))
        return [
            version_of(key, self.bodies[HISTORY, key], lambda request_id: self._stream(request_id)[-1]) for key in keys
        ]

    def _stream(self, request_id: bytes) -> list[RecordedEvent]:
        return [event for event in self.events if event.stream == upload_stream(request_id)]

    def get(self, collection: str, key: str, parse: Callable[[bytes], Any]) -> Any:
        body = self.bodies.get((collection, key))
        return None if body is None else parse(body)

    def keys(self, collection: str) -> Iterable[str]:
        return [key for name, key in self.bodies if name == collection]
