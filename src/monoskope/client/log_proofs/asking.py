"""Asking m8 for the proof of an upload, again and again until a checkpoint covers it."""

from __future__ import annotations

from monoskope.api.gateway.v1 import log_pb2
from monoskope.client.queries import Queries
from monoskope.client.runtime import left
from monoskope.errors import NotYetError, ProtocolError
from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.note import Note
from monoskope.protocol.tlog.proof_file import ProofFile
from monoskope.protocol.wire import serialise

WAIT_S = 30.0
"""Seconds for which a proof is waited for: m8 signs for who asks within ten, or its `checkpoint_every_s`."""
_PAUSE_S = 1.0


async def ask(queries: Queries, request_id: bytes, *, witnessed: bool, wait_s: float = WAIT_S) -> bytes:
    """Return the proof of the last event of a request, as a file. Nothing of it is verified here.

    Args:
        queries: Where to ask.
        request_id: 16 bytes.
        witnessed: Whether only a checkpoint that m8's witnesses cosigned will do.
        wait_s: Seconds after which to give up.

    Raises:
        NotYetError: no such checkpoint covers the event yet.
        NotFoundError: there is no such request of the caller's, or m8 makes no checkpoints.
        ProtocolError: the answer makes no proof.
    """
    runtime = queries.runtime
    ends_at = runtime.now() + left(wait_s)
    while True:
        answer = await queries.upload_proof(request_id, witnessed=witnessed)
        if not answer.proof_later:
            return bytes(_file(answer))
        left_s = ends_at - runtime.now()
        if left_s <= 0:
            raise _not_yet(request_id, witnessed=witnessed)
        await runtime.sleep(min(_PAUSE_S, left_s))


def _file(answer: log_pb2.GetUploadProofResponse) -> ProofFile:
    evidence = answer.evidence
    evidence.DiscardUnknownFields()
    try:
        note = Note.parse(answer.note)
        made = ProofFile(answer.index, tuple(answer.inclusion), note, serialise(evidence))
        return ProofFile.parse(bytes(made))
    except NoteError as error:
        raise ProtocolError(
            f"m8's answer makes no proof: {error.message}", fix="Check that the versions of server and client fit."
        ) from None


def _not_yet(request_id: bytes, *, witnessed: bool) -> NotYetError:
    by = " with the cosignatures of its witnesses" if witnessed else ""
    return NotYetError(
        f"request {request_id.hex()} is recorded, and no checkpoint of the log{by} covers it yet.",
        fix="Ask again in a minute; `monoctl get log` says when the log was signed last.",
    )
