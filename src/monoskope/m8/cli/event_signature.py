"""`m8 events signature`: a request's signature out of the log, for `ssh-keygen` and a reactor's list to judge."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import shlex
import textwrap
from pathlib import Path

import click

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import NotFoundError, UsageError
from monoskope.m8.cli.common import opened
from monoskope.m8.domain.events import read
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import Grant, parse_grant
from monoskope.protocol.names import spelled
from monoskope.protocol.request import REQUEST_ID_BYTES
from monoskope.protocol.signed_request import NAMESPACE, statement
from monoskope.value import Value

_PRINCIPAL = "PRINCIPAL"


class Recorded(Value, frozen=True):
    """A signed request, as the log has it."""

    grant: Grant
    sealed_sha256: bytes
    signature: bytes
    sent_at_ms: int
    signer: str
    """As the reactor's receipt says; "" without one."""


@click.command(short_help="Write a request's signature, for ssh-keygen to verify.")
@click.argument("request_id", metavar="ID")
@click.option("--dir", "own", type=click.Path(path_type=Path, file_okay=False), default=None, help="The folder of m8.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The folder to write to.  [default: the working directory]",
)
@click.pass_obj
def signature(folder: Path, request_id: str, own: Path | None, out: Path) -> None:
    """Write the signature of the request ID, and what it must be over, into two files; say how to verify them.

    Verify it on a machine of your own, with the list of the store's reactor: nothing of m8 decides then.
    """
    found = asyncio.run(_recorded(own or folder, _parsed(request_id)))
    signed, file = out / f"{request_id}.statement", out / f"{request_id}.sig"
    signed.write_bytes(statement(found.grant.sha256, found.sealed_sha256))
    file.write_text(_armoured(found.signature), encoding="ascii")
    request = found.grant.request
    click.echo(f"The signature is about this: {spelled(upload_pb2.Purpose, request.purpose)} {request.uri}")
    click.echo(f"The receipt names as its signer: {found.signer or 'nobody'}")
    at = dt.datetime.fromtimestamp(found.sent_at_ms / 1000, dt.UTC).strftime("%Y%m%d%H%M%SZ")
    words = ("ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-n", NAMESPACE)
    signer = ("-I", found.signer or _PRINCIPAL, f"-Overify-time={at}", "-s", str(file))
    click.echo(f"Verify it: {shlex.join((*words, *signer))} < {shlex.quote(str(signed))}")


async def _recorded(folder: Path, request_id: bytes) -> Recorded:
    grant: Grant | None = None
    sent: events_pb2.SecretUploadRequested | None = None
    sent_at_ms, signer = 0, ""
    async with opened(folder) as (_, log):
        for event in await log.read_stream(upload_stream(request_id)):
            message = read(event)
            if isinstance(message, events_pb2.SecretUploadKeyProvided):
                grant = parse_grant(message.grant.content)
            elif isinstance(message, events_pb2.SecretUploadRequested):
                sent, sent_at_ms = message, event.recorded_at_ms
            elif message is not None and "receipt" in message.DESCRIPTOR.fields_by_name:
                signed: upload_pb2.Signed = getattr(message, "receipt")  # noqa: B009 - of several events
                signer = signer or upload_pb2.Receipt.FromString(signed.content).signer
    if grant is None or sent is None or not sent.request_signature:
        raise NotFoundError(
            f"the log has no signature of the request {request_id.hex()}.",
            fix="See `m8 events --stream upload/ID`: a request that needed none, or was never sent, has none.",
        )
    return Recorded(grant, sent.sealed_sha256, sent.request_signature, sent_at_ms, signer)


def _parsed(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != REQUEST_ID_BYTES or found.hex() != text:
        raise UsageError("ID must be the id of a request, 32 hex digits.", fix="Take it from `m8 events`.")
    return found


def _armoured(content: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(content).decode("ascii"), 70)
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))
