"""Which of m8's answers are proven by a receipt of the pinned identity. All other answers are m8's word.

Nothing is pinned here. A receipt counts if it is of the pinned identity, or of one that follows it by signed rotations.
One of an earlier identity counts if the log proves that it was there before the rotation: else a thief of the former
key could have made it (`protocol.former`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.known.pins import Pins
from monoskope.client.queries import Queries
from monoskope.errors import Error, UsageError
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, ProofError, follow, open_rotation, open_signed, shown
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.outcomes import ENDS, TELLING
from monoskope.protocol.receipt import Receipt, parse_receipt, sealed_digest
from monoskope.uri import SecretUri
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.trust import Rotations

AT_ONCE = 16
"""How many requests m8 is asked about at once."""

NOT_PINNED = "not checked: no identity of its store is pinned here"
NO_RECEIPT = "m8 shows no receipt for it"
NOT_ENDED = "m8 does not show it as ended"
EARLIER = (
    "its receipt is signed by an identity that the store had before the pinned one, and the log does not show that it"
    " was there before the rotation"
)
NOT_KNOWN = "its receipt says that the store does not know whether it was done"
NOTHING_SENT = "its receipt names nothing that was sent, so it does not say what became of that"
EDITED = "it is an edit of notes, which no store signs"
COPIED = "its receipt says that it was copied, but not by which request"
QUIET = frozenset({NOT_PINNED, NO_RECEIPT, NOT_ENDED, EARLIER, NOT_KNOWN, NOTHING_SENT, COPIED, EDITED})
"""Reasons for which an honest m8 may have no proof to show."""

_UNCERTAIN = frozenset({upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_OUTCOME_UNKNOWN})


Logged = Callable[[bytes], Awaitable[upload_pb2.Signed | None]]
"""Returns the receipt of a request as the log proves it, None if it has none. Raises `Error` if nothing is proven."""


class Checked(Value, frozen=True):
    """The result of a check."""

    why_not: str = ""
    """Why what is shown is not proven; "" if it is."""
    receipt: Receipt | None = None
    """The receipt, if it is correctly signed and belongs to what m8 shows; it may prove less than an end."""

    @property
    def proven(self) -> bool:
        """Whether a receipt proves what is shown."""
        return not self.why_not

    @property
    def is_false(self) -> bool:
        """Whether m8 shows something as a proof that is none."""
        return not self.proven and self.why_not not in QUIET


class Proofs:
    """Checks what m8 shows.

    Args:
        pins: The identities that the user trusts.
        server: The server that is dialled, as it was named.
        queries: Where to ask for a store's identity steps, once a store, and for the requests behind versions.
        logged: What the log has of a request that a former identity answered; None for nothing.
    """

    def __init__(self, pins: Pins, server: str, queries: Queries, *, logged: Logged | None = None) -> None:
        self._logged = logged
        self._pins = pins
        self._server = server
        self._queries = queries
        self._known: dict[str, _Identities] = {}

    @property
    def pins(self) -> Pins:
        """The identities by which it checks."""
        return self._pins

    async def upload(self, answer: queries_pb2.GetSecretUploadResponse, request_id: bytes) -> Checked:
        """Check how a request ended: grant and receipt under the pin, about each other and that request.

        It does not prove that the sealed bytes came from the user: m8 could have sent other bytes for that grant.
        """
        view = answer.upload
        if view.state != views_pb2.UPLOAD_STATE_ENDED:
            return Checked(NOT_ENDED)
        if not view.HasField("receipt"):
            return Checked(NO_RECEIPT)
        try:
            identities = await self._identities(view.uri, (view.grant, view.receipt), answer.rotations)
            identities = await self._with_former(identities, request_id, view.receipt)
            checked = _end(identities, view, request_id)
            await self._check_destination(checked.receipt)
        except (_NotProvenError, ProofError, UsageError) as error:
            return _not_proven(error)
        return checked

    async def secret(self, view: views_pb2.Secret) -> Checked:
        """Check what is there, or was deleted: hash, hashes of values and version. Who and when are m8's word."""
        if not view.HasField("receipt"):
            return Checked(NO_RECEIPT)
        try:
            identities = await self._identities(view.uri, (view.receipt,), None)
            return _state(await self._with_former(identities, view.request_id, view.receipt), view)
        except (_NotProvenError, ProofError, UsageError) as error:
            return _not_proven(error)

    async def newest(self, uri: str, signed: upload_pb2.Signed) -> Checked:
        """Check what m8 shows as the newest receipt for one secret: that the store signed it, and about that secret."""
        try:
            identities = await self._identities(uri, (signed,), None)
            receipt = parse_receipt(open_signed(signed, RECEIPT, identities.identity(signed)))
        except (_NotProvenError, ProofError, UsageError) as error:
            return _not_proven(error)
        if str(receipt.uri) != uri or receipt.outcome not in TELLING:
            return Checked("what m8 shows as its proof is none: it is about something else")
        return Checked(receipt=receipt)

    async def versions(self, views: Iterable[views_pb2.SecretVersion]) -> list[Checked]:
        """Check each version by the request behind it, which m8 is asked about."""
        runtime = self._queries.runtime
        semaphore = runtime.semaphore(AT_ONCE)

        async def one(view: views_pb2.SecretVersion) -> Checked:
            await semaphore.acquire()
            try:
                return await self._version(view)
            finally:
                semaphore.release()

        return await runtime.gather(one(view) for view in views)

    async def _check_destination(self, receipt: Receipt | None) -> None:
        """Check that the destination signed its receipt; `open_receipt` has checked that it is about this copy."""
        if receipt is None or receipt.destination is None:
            return
        there, grant = receipt.destination, receipt.destination_grant
        if grant is None:
            raise _NotProvenError(COPIED)
        identities = await self._identities(str(parse_receipt(there.content).uri), (there, grant), None)
        open_signed(grant, UPLOAD_GRANT, identities.identity(grant))
        open_signed(there, RECEIPT, identities.identity(there))

    async def _version(self, view: views_pb2.SecretVersion) -> Checked:
        if view.HasField("edit"):
            return Checked(EDITED)
        try:
            answer = await self._queries.upload_answer(view.request_id)
        except Error as error:
            return Checked(f"m8 does not show its request: {error.message.removesuffix('.')}")
        checked = await self.upload(answer, view.request_id)
        if checked.receipt is not None and not _is_version(view, answer.upload, checked.receipt):
            return Checked("m8 shows something else than the grant and the receipt of its request say")
        return checked

    async def _identities(
        self, uri: str, signed: Iterable[upload_pb2.Signed], rotations: Rotations | None
    ) -> _Identities:
        store = SecretUri.parse(uri).store
        pin = self._pins.identities.get((self._server, store))
        if pin is None:
            raise _NotProvenError(NOT_PINNED)
        if all(shown(each.identity_key) == pin for each in signed):
            return _Identities(pin, frozenset(), frozenset())
        if store not in self._known:
            steps = rotations if rotations is not None else (await self._queries.store(store)).rotations
            self._known[store] = _steps(store, pin, steps)
        return self._known[store]

    async def _with_former(self, identities: _Identities, request_id: bytes, receipt: upload_pb2.Signed) -> _Identities:
        """Return the identities with the former one that signed `receipt`, if the log proves it of before."""
        signer = shown(receipt.identity_key)
        if signer not in identities.earlier or self._logged is None:
            return identities
        try:
            if await self._logged(request_id) != receipt:
                return identities
        except Error:
            return identities
        return _Identities(identities.pin, identities.later | {signer}, identities.earlier - {signer})


class _NotProvenError(Exception):
    """One of `QUIET`."""


class _Identities(Value, frozen=True):
    pin: str
    later: frozenset[str]
    """Identities to which signed steps lead from the pin."""
    earlier: frozenset[str]
    """Identities from which signed steps led to the pin."""

    def identity(self, signed: upload_pb2.Signed) -> str:
        """Return the identity under which `signed` must verify."""
        identity = shown(signed.identity_key)
        if identity in self.earlier:
            raise _NotProvenError(EARLIER)
        return identity if identity in self.later else self.pin


def _steps(store: str, pin: str, rotations: Rotations) -> _Identities:
    later = frozenset(follow(pin, rotations, store=store))
    before = [pin]
    for step in reversed([open_rotation(signed, store=store) for signed in rotations]):
        if step.new == before[-1]:
            before.append(step.old)
    return _Identities(pin, later, frozenset(before[1:]) - later - {pin})


def _end(identities: _Identities, view: views_pb2.SecretUpload, request_id: bytes) -> Checked:
    grant = parse_grant(open_signed(view.grant, UPLOAD_GRANT, identities.identity(view.grant)))
    asked = grant.request
    if asked.request_id != request_id or view.request_id != request_id:
        raise ProofError("its grant is for another request")
    if (str(asked.uri), asked.purpose, str(asked.destination or "")) != (view.uri, view.purpose, view.destination):
        raise ProofError("its grant is for something else than m8 shows")
    if grant.subject != view.subject:
        raise ProofError("its grant names another person than m8 shows")
    sealed = parse_receipt(view.receipt.content).sealed_sha256 if asked.rules.seals else sealed_digest(b"", b"")
    identity = identities.identity(view.receipt)
    receipt = open_receipt(view.receipt, identity=identity, grant=grant, sealed_sha256=sealed or None)
    if receipt.outcome not in ENDS:
        raise ProofError("its receipt says that writing began, not how it ended")
    if view.outcome and (view.outcome, view.reason) != (receipt.outcome, receipt.reason):
        raise ProofError("m8 shows another end than its receipt")
    if receipt.reason in _UNCERTAIN:
        return Checked(NOT_KNOWN, receipt)
    return Checked("" if receipt.sealed_sha256 else NOTHING_SENT, receipt)


def _state(identities: _Identities, view: views_pb2.Secret) -> Checked:
    receipt = parse_receipt(open_signed(view.receipt, RECEIPT, identities.identity(view.receipt)))
    deleted = receipt.outcome == upload_pb2.OUTCOME_DELETED
    says = (
        str(receipt.uri),
        deleted,
        receipt.prior_version if deleted else receipt.upstream_version,
        receipt.fingerprint,
        receipt.values,
    )
    values = tuple((value.key, value.fingerprint) for value in view.values)
    shows = (view.uri, view.deleted, view.upstream_version, view.fingerprint, values)
    if receipt.outcome not in TELLING or says != shows:
        raise ProofError("m8 shows something else than its receipt says")
    return Checked(receipt=receipt)


def _is_version(view: views_pb2.SecretVersion, upload: views_pb2.SecretUpload, receipt: Receipt) -> bool:
    """Return whether `upload`, as its grant proves it, and `receipt` say what m8 shows; hashes may be left out."""
    return (
        view.uri == str(receipt.uri)
        and (view.purpose, view.subject) == (upload.purpose, upload.subject)
        and view.outcome == receipt.outcome
        and view.upstream_version == receipt.upstream_version
        and view.prior_version == receipt.prior_version
        and view.fingerprint in {"", receipt.fingerprint}
    )


def _not_proven(error: Exception) -> Checked:
    """Return a quiet reason unchanged; otherwise a sentence that says what is wrong with the proof."""
    if isinstance(error, _NotProvenError):
        return Checked(str(error))
    assert isinstance(error, Error), "ProofError and UsageError are errors of ours"
    return Checked(f"what m8 shows as its proof is none: {error.message.removesuffix('.')}")
