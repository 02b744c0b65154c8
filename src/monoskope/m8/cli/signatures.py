"""`m8 events signatures`: every request that a store did, with the signatures of who asked for it and who approved it.

An auditor needs the log alone: grant and receipt are signed by the store, the request by its user, and a change by
its approvers. Which of these keys count is said by the store's published identity and by the reactor's own lists, and
m8 has neither: so the command shows the identities, and writes what `ssh-keygen -Y verify` takes
(docs/operate/check-signatures.md).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.command_line import Command
from monoskope.errors import RefusedError, UsageError, docs_page
from monoskope.m8.cli.common import on_log, output_option, own_folder_option, show
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.m8.settings import ServerSettings
from monoskope.protocol import sshsig
from monoskope.protocol.approvers import CountedApproval, open_change, recount
from monoskope.protocol.change import Change
from monoskope.protocol.events import receipt_of, request_id_of
from monoskope.protocol.grant import Grant, parse_grant
from monoskope.protocol.identity import (
    UPLOAD_GRANT,
    Namespace,
    ProofError,
    approval_statement,
    open_signed,
    shown,
    statement,
)
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.wire import MalformedError
from monoskope.settings import write_private
from monoskope.text import counted
from monoskope.times import rfc3339

INDEX = "signed.txt"
"""The file that names each signed request, its time and its signer, one a line."""
APPROVED = "approved.txt"
"""The file that names each approval that counted: the request, its number, the request's time and the approver."""
_VERIFY = "ssh-keygen -Y verify -O verify-time=TIME"
_AGAINST_THE_LISTS = f"""Against the lists of the stores' operators, for each line of {INDEX} and of {APPROVED}:
  {_VERIFY} -f allowed_signers -n {Namespace.REQUEST.value} -I SIGNER -s ID.sig < ID.statement
  {_VERIFY} -f allowed_approvers -n {Namespace.APPROVAL.value} -I APPROVER -s ID.N.sig < ID.approved
What the approvers signed is the SHA-256 of ID.change ({docs_page("operate/check-signatures.md")})."""
_CHUNK = 500
_COLUMNS = (
    "position",
    "time",
    "request_id",
    "purpose",
    "uri",
    "outcome",
    "signer",
    "signer_key",
    "approvers",
    "break_glass",
    "identity",
    "wrong",
)


@dataclass
class _Asked:
    """A request as far as the log has come."""

    grant: upload_pb2.Signed | None = None
    sealed_sha256: bytes = b""
    signature: bytes = b""
    change: bytes = b""
    approvals: tuple[bytes, ...] = ()
    sent_at_ms: int = 0
    position: int = 0
    done: upload_pb2.Signed | None = None
    """The last receipt that says that something was done, or is about to be."""


@dataclass(frozen=True)
class Done:
    """A request that a store did, or began to do.

    Attributes:
        row: What people and programs are shown.
        statement: What was signed; empty where the store asks for no signature.
        signature: The SSHSIG without armour; empty likewise.
        stamp: When it was sent, as `ssh-keygen -O verify-time` takes it.
        change: The change that it executed, None for none.
        approvals: Of each approver whom the receipt names.
    """

    row: dict[str, object]
    statement: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    stamp: str
    change: Change | None = None
    approvals: tuple[CountedApproval, ...] = ()


@click.command(cls=Command, short_help="Check who signed and approved what stores did.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="A new folder for the signatures, as `ssh-keygen -Y verify` takes them.",
)
@own_folder_option
@output_option
def signatures(folder: Path, out: Path | None, output: str) -> None:
    """List every request that a store did, or began to do, with its signer and approvers, and check each signature.

    WRONG names what does not fit together: grant, receipt and signature, or the change and its approvals. The signer of
    a request whose store asks for no signature is empty. BREAK GLASS says why somebody did it without approvals.
    Compare the identities with those that the stores' operators published. Whether the keys were on a store's lists,
    `ssh-keygen -Y verify` says with the files of --out (docs/operate/check-signatures.md).
    """
    if out is not None and out.exists():
        raise UsageError(f"{out} exists already.", fix="Name a new folder.")
    found: list[Done] = []

    async def work(_: ServerSettings, log: EventLog) -> None:
        async for one in done_requests(log):
            found.append(one)
            if one.signature and out is not None:
                _write(out, one)

    if out is not None:
        out.mkdir(mode=0o700)
    on_log(folder, work)
    if out is not None:
        write_private(out / INDEX, "".join(_signed_lines(found)).encode())
        write_private(out / APPROVED, "".join(_approved_lines(found)).encode())
    rows = [one.row for one in found]
    show(rows, _COLUMNS, output)
    click.echo(_told(found), err=True)
    if out is not None:
        click.echo(_AGAINST_THE_LISTS, err=True)
    if wrong := sum(1 for row in rows if row["wrong"]):
        raise RefusedError(
            f"{wrong} requests of the log are not what they claim to be.",
            fix="Ask the stores' operators for the audit logs of their reactors, and compare those requests.",
        )


def _signed_lines(found: Sequence[Done]) -> Iterator[str]:
    for one in found:
        if one.signature:
            yield f"{one.row['request_id']} {one.stamp} {one.row['signer'] or '-'}\n"


def _approved_lines(found: Sequence[Done]) -> Iterator[str]:
    for one in found:
        for number, approval in enumerate(one.approvals, start=1):
            yield f"{one.row['request_id']} {number} {one.stamp} {approval.principal}\n"


def _told(found: Sequence[Done]) -> str:
    """Return the sum of everything, for people."""
    signed, approvals = sum(1 for one in found if one.signature), sum(len(one.approvals) for one in found)
    wrong, broken = (sum(1 for one in found if one.row[name]) for name in ("wrong", "break_glass"))
    told = f"{len(found)} requests, {signed} of them signed, {approvals} approvals, {wrong} wrong."
    return f"{told} The glass was broken {counted(broken, 'time')}: see BREAK GLASS." if broken else told


async def done_requests(log: EventLog) -> AsyncIterator[Done]:
    """Yield each request that a store did or began to do, in the order in which they ended; those under way last."""
    asked: dict[bytes, _Asked] = {}
    after = 0
    while events := await log.read(after=after, limit=_CHUNK):
        for event in events:
            request_id = request_id_of(event.stream)
            if request_id is None:
                continue
            one = asked.setdefault(request_id, _Asked())
            if _ends(one, event):
                del asked[request_id]
                if one.done is not None:
                    yield _checked(request_id, one)
        after = events[-1].position
    for request_id, one in asked.items():
        if one.done is not None:
            yield _checked(request_id, one)


def _ends(one: _Asked, event: RecordedEvent) -> bool:
    """Take in an event of a request, and return whether the request is over with it."""
    message = read(event)
    match message:
        case events_pb2.SecretUploadKeyRequested() | None:
            return False
        case events_pb2.SecretUploadKeyProvided():
            one.grant = message.grant
            return False
        case events_pb2.SecretUploadRequested():
            one.sealed_sha256, one.signature = message.sealed_sha256, message.request_signature
            one.change, one.approvals = message.change, tuple(message.approvals)
            one.sent_at_ms = event.recorded_at_ms
            return False
    # A failure after STARTED may have been written: the announcement stays what is known of it.
    if not isinstance(message, events_pb2.SecretUploadFailed):
        one.done, one.position = receipt_of(message), event.position
    return not isinstance(message, events_pb2.SecretUploadStarted)


def _checked(request_id: bytes, one: _Asked) -> Done:
    assert one.done is not None
    row: dict[str, object] = {
        "position": one.position,
        "time": rfc3339(one.sent_at_ms),
        "request_id": request_id.hex(),
    }
    try:
        # Without a grant of this form there is nothing to compare with.
        grant = parse_grant((one.grant or upload_pb2.Signed()).content)
        receipt = parse_receipt(one.done.content)
    except MalformedError as error:
        return Done(row | dict.fromkeys(_COLUMNS[3:], "") | {"wrong": error.message}, b"", b"", "")
    assert one.grant is not None
    identity = shown(one.grant.identity_key)
    wrong, change, approvals = _recounted(one, grant, request_id, identity)
    row |= {
        "purpose": spelled(upload_pb2.Purpose, grant.request.purpose),
        "uri": str(grant.request.uri),
        "outcome": spelled(upload_pb2.Outcome, receipt.outcome),
        "signer": receipt.signer,
        "signer_key": receipt.signer_key,
        "approvers": [f"{principal} {key}" for principal, key in receipt.approvers],
        "break_glass": receipt.break_glass,
        "change_sha256": receipt.change_sha256.hex(),
        "identity": identity,
        "wrong": wrong,
    }
    signed = statement(grant.sha256, one.sealed_sha256) if one.signature else b""
    stamp = f"{dt.datetime.fromtimestamp(one.sent_at_ms // 1000, dt.UTC):%Y%m%d%H%M%S}Z"
    return Done(row, signed, one.signature, stamp, change, approvals)


def _recounted(
    one: _Asked, grant: Grant, request_id: bytes, identity: str
) -> tuple[str, Change | None, tuple[CountedApproval, ...]]:
    """Return what is wrong, "" for nothing; and the change with the approvals that counted, if all of that holds."""
    assert one.grant is not None
    assert one.done is not None
    try:
        open_signed(one.grant, UPLOAD_GRANT, identity)
        if grant.request.request_id != request_id:
            return "the grant is for another request", None, ()
        receipt = open_receipt(one.done, identity=identity, grant=grant, sealed_sha256=one.sealed_sha256)
        if wrong := _wrong_signature(one, grant, receipt):
            return wrong, None, ()
        if not receipt.change_sha256:
            # What came with it for a store that executed no change says nothing.
            return "", None, ()
        change = open_change(one.change, request=grant.request, receipt=receipt, identity=identity)
        return "", change, recount(change, one.approvals, receipt)
    except (ProofError, MalformedError) as error:
        return error.message.removesuffix("."), None, ()


def _wrong_signature(one: _Asked, grant: Grant, receipt: Receipt) -> str:
    if not grant.signature_required:
        return "it is signed, and its grant asks for no signature" if one.signature else ""
    if not one.signature:
        return "its grant asks for a signature, and there is none"
    try:
        found = sshsig.parse(one.signature, Namespace.REQUEST)
        found.verify(statement(grant.sha256, one.sealed_sha256))
    except sshsig.FaultError as error:
        return error.message.removesuffix(".")
    if found.key.fingerprint != receipt.signer_key:
        return "the receipt names another key than the one that signed"
    if found.certificate is not None and found.certificate.principal != receipt.signer:
        return "the receipt names another signer than the certificate"
    return ""


def _write(folder: Path, one: Done) -> None:
    name = str(one.row["request_id"])
    write_private(folder / f"{name}.statement", one.statement)
    write_private(folder / f"{name}.sig", sshsig.armoured(one.signature).encode())
    if one.change is None:
        return
    write_private(folder / f"{name}.change", one.change.content)
    write_private(folder / f"{name}.approved", approval_statement(one.change.sha256))
    for number, approval in enumerate(one.approvals, start=1):
        write_private(folder / f"{name}.{number}.sig", sshsig.armoured(approval.content).encode())
