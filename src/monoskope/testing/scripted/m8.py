"""An m8 of one's own for testing clients: a real server over TLS, honest until a test bends one of its answers.

Beside it stands a reactor's identity that signs grants and receipts. It opens nothing and keeps every byte that it was
sent, so that a test can search them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, log_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, identity_pb2, upload_pb2
from monoskope.errors import Error, NotFoundError
from monoskope.m8.http import tls
from monoskope.protocol import outcomes
from monoskope.protocol.grant import Grant, make_grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, Namespace, statement
from monoskope.protocol.listing import Listing
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.recipes import pair_keys
from monoskope.protocol.request import Request, parse_request
from monoskope.protocol.sshsig import parse
from monoskope.testing.cluster.identities import Identity, OneTimeKey
from monoskope.testing.scripted import connect
from monoskope.testing.scripted.changes import ScriptedChanges, counted
from monoskope.testing.scripted.log import ScriptedLog

KEY_ID = "63e8eb50bcac50aa"
LAYOUT = "One entry a secret."
FINGERPRINT = f"fp1:{KEY_ID}:{'ab' * 32}"
VERSION = "7@2026-01-01T00:00:00Z"
LISTED = Listing(("db", "more/"), 0)
"""What a scripted store lists."""
VERIFIED = bytes(32)
"""What verifications say they compared with."""
PUBLIC = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PUBLIC KEY-----\n"
)
"""The public half of every generated key pair."""


@cache
def _certificate() -> tuple[tls.Certificate, ssl.SSLContext]:
    """What every scripted m8 of this process shows: making one takes longer than many a call."""
    made = tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC))
    return made, connect.showing(made)


@dataclass(slots=True)
class Attempt:
    """One request as m8 and the reactor know it."""

    request: Request
    key: OneTimeKey
    grant: Grant
    signer: Identity
    sealed: list[bytes] = field(default_factory=list)
    """encapsulated key || ciphertext of each sending, in order."""
    signatures: list[bytes] = field(default_factory=list)
    """The request's signature of each sending; b"" for none."""
    change: bytes = b""
    """The change that came with what was sent last."""
    approvals: list[bytes] = field(default_factory=list)
    """The approvals that came with it."""

    def signed_grant(self) -> upload_pb2.Signed:
        """Return the grant as the reactor signs it."""
        return self.signer.sign(UPLOAD_GRANT, self.grant.content)

    def receipt(self, outcome: upload_pb2.Outcome, **fields: Any) -> upload_pb2.Signed:  # noqa: ANN401 - make_receipt's
        """Return a signed receipt for this attempt and the bytes sent last."""
        digest = hashlib.sha256(self.sealed[-1]).digest()
        if self.grant.signature_required and outcome != upload_pb2.OUTCOME_FAILED:
            key = parse(self.signatures[-1], Namespace.REQUEST).key
            fields = {"signer": self.subject, "signer_key": key.fingerprint, "approvers": counted(self)} | fields
        content = make_receipt(grant=self.grant, sealed_sha256=digest, outcome=outcome, **fields).content
        return self.signer.sign(RECEIPT, content)

    @property
    def subject(self) -> str:
        """Whom the grant names: a scripted reactor calls the signer so, too."""
        return self.grant.subject

    def check_signature(self) -> None:
        """Raise `FaultError` unless the signature that came last is of this grant and what was sealed."""
        sealed = hashlib.sha256(self.sealed[-1]).digest()
        parse(self.signatures[-1], Namespace.REQUEST).verify(statement(self.grant.sha256, sealed))

    def success(self) -> upload_pb2.Signed:
        """Return the receipt of a put that wrote, a comparison that found no difference, or another success."""
        outcome = min(self.request.rules.successes)
        fields: dict[str, Any] = {} if outcome in outcomes.WITHOUT_VERSION else {"upstream_version": VERSION}
        if outcome == upload_pb2.OUTCOME_LISTED:
            fields = {"listed": LISTED}
        if outcome == upload_pb2.OUTCOME_DELETED:
            fields["prior_version"] = VERSION
        if outcome in outcomes.RESTORED:
            fields["restored_version"] = self.request.to_version or self.request.expect_version or VERSION
        if outcome in outcomes.VERIFIED:
            fields["verified_sha256"] = VERIFIED
        if outcome in outcomes.MAY_HAVE_FINGERPRINT:
            recipes = self.request.recipes
            keys = [recipe.key for recipe in recipes] or ["password"]
            fields |= {"fingerprint": FINGERPRINT, "values": [(key, FINGERPRINT) for key in keys]}
            fields["public_values"] = [(key, PUBLIC) for key in pair_keys(recipes)]
        return self.receipt(outcome, **fields)

    def failure(self, reason: upload_pb2.Reason, detail: str = "") -> upload_pb2.Signed:
        """Return a FAILED receipt; with KEY_LOST from the process that made the key."""
        replica = self.grant.replica if reason == upload_pb2.REASON_KEY_LOST else b""
        return self.receipt(upload_pb2.OUTCOME_FAILED, reason=reason, replica=replica, detail=detail)


class ScriptedM8:
    """What the server answers. Replace `key_answer` or `end` to make it lie.

    Args:
        subject: Whom grants name.
        store: The name of its first store, of type vault, which is its default.
    """

    def __init__(self, *, subject: str = "alice", store: str = "vault") -> None:
        self.subject = subject
        self.identity = Identity()
        self.stores: dict[str, views_pb2.SecretStore] = {}
        self.signers: dict[str, Identity] = {}
        self.default = store
        self.add_store(store, self.identity)
        self.attempts: list[Attempt] = []
        self.received: list[bytes] = []
        """Every message that came in, serialised."""
        self.calls: list[str] = []
        """The method of each call, in order."""
        self.failing: dict[str, list[Error | str | bytes]] = {}
        """Method to what its next calls fail with: an error of m8's, the name of a code of Connect without more, or
        bytes, which are answered as they are, once the call was carried out."""
        self.key_answer: Callable[[Attempt], queries_pb2.GetSecretUploadKeyResponse] = self.honest_key
        self.end: Callable[[Attempt], views_pb2.SecretUpload] = self.honest_end
        self.log: ScriptedLog | None = None
        """Its log; set it before it serves. None for an m8 without one."""
        self.signed = False
        """Whether its stores take signed requests alone."""
        self.approvals = 0
        """How many approvals its reactors ask for, whoever asks; then everything is signed."""
        self.changes = ScriptedChanges()
        """What was proposed."""
        self.waits = True
        """Whether it answers the request for a key with the key; older versions did not."""
        self.rotations_later: list[identity_pb2.SignedRotation] = []
        """What GetSecretUpload shows."""
        self.answers: dict[type[Message], Message | Callable[[Any], Message]] = {
            queries_pb2.ListSecretStoresRequest: lambda _: queries_pb2.ListSecretStoresResponse(
                stores=self.stores.values()
            )
        }
        """What the calls are answered with that a put does not make, by the type of the request."""
        self.asked: list[Any] = []
        """The requests of those calls, in order."""
        self.streamed: list[views_pb2.EventSummary] = []
        """What WatchEvents streams."""
        self.server = ""
        self.ca_file = Path()

    def add_store(self, name: str, signer: Identity, *, kind: str = "vault", max_plaintext: int = 131_072) -> None:
        """Add an active store with one attached reactor."""
        reactor = views_pb2.Reactor(
            replica=bytes(16),
            attached=True,
            capabilities=events_pb2.StoreCapabilities(
                max_plaintext=max_plaintext,
                check_and_set=True,
                readable=True,
                patchable=True,
                undeletable=True,
                rollbackable=True,
                listable=True,
                source_versions=True,
                copied_keys=True,
                layout=LAYOUT,
            ),
            fingerprint_key_id=KEY_ID,
        )
        self.signers[name] = signer
        self.stores[name] = views_pb2.SecretStore(
            name=name, type=kind, active=True, identity=signer.shown, reactors=[reactor], fingerprint_key_id=KEY_ID
        )

    def grant_for(self, request: Request, *, signer: Identity | None = None, key: OneTimeKey | None = None) -> Attempt:
        """Return the grant of the store's reactor for a request."""
        key = key or OneTimeKey()
        grant = make_grant(
            request=request,
            subject=self.subject,
            public_key=key.public,
            replica=key.replica,
            lifetime_s=300,
            max_plaintext=131_072,
            fingerprint_key_id=KEY_ID,
            signature_required=self.signed or self.approvals > 0,
            approvals=self.approvals if request.rules.writes else 0,
        )
        return Attempt(request, key, grant, signer or self.signers[request.uri.store])

    def honest_key(self, attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        """Answer with the reactor's grant."""
        return queries_pb2.GetSecretUploadKeyResponse(
            state=views_pb2.UPLOAD_STATE_GRANTED,
            grant=attempt.signed_grant(),
            rotations=self.stores[attempt.request.uri.store].rotations,
        )

    def honest_end(self, attempt: Attempt) -> views_pb2.SecretUpload:
        """Answer with success and its receipt, or that too few approved it."""
        if not attempt.request.break_glass and len(counted(attempt)) < attempt.grant.approvals:
            reason = upload_pb2.REASON_NOT_AUTHORIZED
            return self.ended(attempt, attempt.failure(reason), reason)
        return self.ended(attempt, attempt.success())

    def ended(
        self,
        attempt: Attempt,
        receipt: upload_pb2.Signed | None = None,
        reason: upload_pb2.Reason = upload_pb2.REASON_UNSPECIFIED,
    ) -> views_pb2.SecretUpload:
        """Return an ended request."""
        return views_pb2.SecretUpload(
            request_id=attempt.request.request_id,
            uri=str(attempt.request.uri),
            purpose=attempt.request.purpose,
            subject=attempt.grant.subject,
            state=views_pb2.UPLOAD_STATE_ENDED,
            receipt=receipt,
            reason=reason,
        )

    def count(self, method: str) -> int:
        """How often a method was called."""
        return self.calls.count(method)

    def handle(self, method: str, message: Message) -> Message:
        """Answer one call; raises the `Error` to answer with."""
        match message:
            case commands_pb2.RequestSecretUploadKeyRequest():
                request = parse_request(message.request)
                if all(attempt.request != request for attempt in self.attempts):
                    self.attempts.append(self.grant_for(request))
                answer = commands_pb2.RequestSecretUploadKeyResponse(request_id=request.request_id)
                if message.wait and self.waits:
                    answer.key.CopyFrom(self.key_answer(self._attempt(request.request_id)))
                return answer
            case queries_pb2.GetSecretUploadKeyRequest():
                return self.key_answer(self._attempt(message.request_id))
            case commands_pb2.RequestUploadSecretRequest():
                attempt = self._attempt(message.request_id)
                attempt.sealed.append(message.encapsulated_key + message.ciphertext)
                attempt.signatures.append(message.request_signature)
                attempt.change, attempt.approvals = message.change, list(message.approvals)
                return commands_pb2.RequestUploadSecretResponse(upload=self.end(attempt))
            case queries_pb2.GetSecretUploadRequest():
                upload = self.end(self._attempt(message.request_id))
                return queries_pb2.GetSecretUploadResponse(upload=upload, rotations=self.rotations_later)
            case queries_pb2.GetSecretStoreRequest():
                return queries_pb2.GetSecretStoreResponse(store=self._store(message.name or self.default))
            case _:
                return self._of_log(message) or self.changes.handle(message) or self.more(method, message)

    def _of_log(self, message: Message) -> Message | None:
        if self.log is None or not isinstance(message, log_pb2.GetCheckpointRequest):
            return None
        return self.log.answer(message)

    def more(self, method: str, message: Message) -> Message:
        """Answer the calls that a put does not make by `answers`, or as a test's own subclass says."""
        self.asked.append(message)
        answer = self.answers.get(type(message))
        if answer is None:
            raise NotFoundError(f"{method} is not scripted, nor is an answer to {type(message).__name__}.")
        return answer if isinstance(answer, Message) else answer(message)

    def watched(self) -> Iterator[views_pb2.EventSummary]:
        """Yield what WatchEvents streams."""
        yield from self.streamed

    def _store(self, name: str) -> views_pb2.SecretStore:
        if name not in self.stores:
            raise NotFoundError(f"there is no store {name!r}.", fix="See `monoctl get secret-stores`.")
        return self.stores[name]

    def _attempt(self, request_id: bytes) -> Attempt:
        for attempt in self.attempts:
            if attempt.request.request_id == request_id:
                return attempt
        raise NotFoundError("no such request.")

    @asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[Self]:
        """Listen on a free port of 127.0.0.1; sets `server` and `ca_file`."""
        made, context = _certificate()
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_bytes(made.ca)
        async with connect.door(self, context) as self.server:
            yield self

    @contextmanager
    def serving_in_thread(self, folder: Path) -> Iterator[Self]:
        """The same for callers that run an event loop of their own."""
        ready, stop = threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with self.serving(folder):
                ready.set()
                await stop.wait()

        def run() -> None:
            # A runner ends what clients have only just begun, before it closes the loop.
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())

        thread = threading.Thread(target=run)
        thread.start()
        try:
            if not ready.wait(30):
                raise TimeoutError("the server did not start")
            yield self
        finally:
            with suppress(RuntimeError):  # it has ended by itself, and its loop is closed
                loop.call_soon_threadsafe(stop.set)
            thread.join(60)
