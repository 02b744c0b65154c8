"""COPY: what a user asks the source's store for, and the put that the source's reactor makes at the destination.

That put is one attempt, without a file and without questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.connection import Connection
from monoskope.client.known.stores import KnownStores
from monoskope.client.purposes import Expect, Expected, check_copy, encoded, expectation
from monoskope.client.runtime import within
from monoskope.client.settings import ClientSettings
from monoskope.client.signing import Signing
from monoskope.client.signing.signer import Signer
from monoskope.client.walk.checks import check_size
from monoskope.client.walk.results import Copy
from monoskope.client.walk.target import Resolver, Target
from monoskope.client.walk.task import Notes, Progress, Result, Task, unknown
from monoskope.client.walk.walk import Walk
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, ProofError, open_signed
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.uri import SecretUri


async def copy(  # noqa: PLR0917 - one call, from two places
    walk: Walk,
    source: Target,
    destination: Target,
    expect: Expected,
    keys: tuple[str, ...] = (),
    source_version: str = "",
) -> Copy:
    """Copy the secret at `source`, or some `keys`, to `destination`, which `expect` is about. Raises as `Walk.run`.

    With `source_version` that version is copied, or nothing.

    Raises:
        UsageError, RefusedError: as `check_copy`.
        OutcomeUnknownError: also if the source says that it copied, but shows nothing for this copy that the
            destination's pinned identity signed.
    """
    check_copy(source, destination, keys)
    keep = Notes(keep_labels=True, keep_expires_on=True)
    task = Task(
        source.uri,
        upload_pb2.PURPOSE_COPY,
        b"",
        *expect,
        notes=keep,
        destination=destination.uri,
        keys=keys,
        source_version=source_version,
    )
    return await copied(walk, task, destination)


async def copied(walk: Walk, task: Task, destination: Target) -> Copy:
    """Carry out a task that copies to `destination`. Raises as `copy`."""
    result = await walk.run(task)
    there = _there(task, result, destination)
    return Copy.of(
        task,
        result,
        destination=str(destination.uri),
        outcome=spelled(upload_pb2.Outcome, there.outcome),
        destination_version=there.upstream_version,
    )


def _there(task: Task, result: Result, destination: Target) -> Receipt:
    """Return the destination's receipt. That it is about this copy, `protocol.open_receipt` has checked."""
    says, request_id = "its reactor says that it copied,", result.request_id.hex()
    receipt, pin = result.receipt, destination.trust.pin
    assert receipt.destination is not None, "COPIED holds the destination's receipt"
    if receipt.destination_grant is None:
        raise unknown(task, request_id, f"{says} but not by which request")
    try:
        open_signed(receipt.destination_grant, UPLOAD_GRANT, pin)
        return parse_receipt(open_signed(receipt.destination, RECEIPT, pin))
    except ProofError as error:
        raise unknown(task, request_id, f"{says} but what is to prove that does not hold: {error.message}") from None


async def put_copy(
    destination: SecretUri,
    values: Mapping[str, bytes],
    *,
    servers: Sequence[str],
    ca_file: Path,
    token: str,
    identity: str,
    request_id: bytes,
    expect: Expect | str,
    key_within_s: float,
    timeout_s: float,
    keep_labels: bool = False,
    keep_expires_on: bool = False,
    signer: Signer | None = None,
    observe: Callable[[Progress], None] | None = None,
) -> Result:
    """Put `values` at `destination` by the request with this id, and return once a receipt proves that they are there.

    Args:
        destination: Where.
        values: The bytes of each key.
        servers: m8, as it is dialled, or several of one log.
        ca_file: PEM file with the authority that signs its certificate.
        token: May put at the destination.
        identity: The destination store's, shown; one that follows from it by rotations counts, too.
        request_id: See `monoskope.protocol.open_receipt.put_request_id`. It is one attempt's, so there is no other.
        expect: What must be there; text names an upstream version.
        key_within_s: Seconds in which the destination's key must have come; else nothing is sealed or sent.
        timeout_s: Seconds for everything.
        keep_labels: Whether what is there keeps its labels, as the COPY asks.
        keep_expires_on: The same for its day of expiry.
        signer: Signs the put, where the destination's grant asks for that.
        observe: Told whenever the request changes its stage.

    Raises:
        TimedOutError: no key came in time; nothing was sent.
        OutcomeUnknownError: it may or may not have been written.
        Error: as `Client.put_secret`.
    """
    plaintext = encoded(values)
    known = KnownStores(None, system=None)
    known.pin(servers[0], destination.store, identity, replaces=None, explicit=True)
    settings = ClientSettings(servers=tuple(servers), ca_file=ca_file, token=token)
    connection = Connection(servers, ca_file, token)
    now = connection.runtime.now
    began = now()
    try:
        with within(connection.runtime, key_within_s):
            target = await _target(connection, settings, known, destination)
        check_size(target.store, target.uri, len(plaintext))
        task = Task(
            target.uri,
            upload_pb2.PURPOSE_UPLOAD,
            plaintext,
            *expectation(expect),
            notes=Notes(keep_labels=keep_labels, keep_expires_on=keep_expires_on),
            request_id=request_id,
            key_within_s=key_within_s - (now() - began),
        )
        walk = Walk(
            connection,
            target.trust,
            timeout_s=timeout_s - (now() - began),
            observe=observe,
            signing=None if signer is None else Signing(signer, "", passphrase=None, blocks=False),
        )
        return await walk.run(task)
    finally:
        await connection.close()


async def _target(
    connection: Connection, settings: ClientSettings, known: KnownStores, destination: SecretUri
) -> Target:
    """Return the destination under its pinned identity; an identity that is not known is refused, not asked for."""
    resolver = Resolver(connection, settings, known, confirm=None, notify=None)
    return await resolver.target(str(destination))
