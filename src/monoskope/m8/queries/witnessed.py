"""`LogService`: the newest checkpoints, and what proves that a request stands in the log. Both are cheap."""

from __future__ import annotations

from monoskope import operating_log
from monoskope.api.gateway.v1 import log_pb2
from monoskope.api.secrets.v1 import events_pb2, proof_pb2
from monoskope.errors import ConflictError, Error, NotFoundError, UnavailableError, UsageError
from monoskope.m8.domain.events import read
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.upload import unknown_request
from monoskope.m8.log import tree_rows
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.readmodels.uploads import shown
from monoskope.m8.service import policy
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.upload_key import rotations
from monoskope.m8.tree.tree import TreeBehindError
from monoskope.m8.tree.witnessed_log import Seen
from monoskope.protocol.events import upload_stream
from monoskope.protocol.former import step_from
from monoskope.protocol.identity import shown as shown_identity
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.note import Note, with_lines


class LogQueries:
    """`LogService` without a transport."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._log = app.witnessed

    async def get_checkpoint(
        self, message: log_pb2.GetCheckpointRequest, _caller: Caller
    ) -> log_pb2.GetCheckpointResponse:
        """Return the newest checkpoints, each proven consistent with a tree of the size that the caller knows.

        Raises:
            NotFoundError: this log is not witnessed.
            UnavailableError: this process knows no checkpoint of that size.
            ConflictError: nor will it: the log has lost records that were signed.
        """
        seen = await self._seen(at_least=message.size)
        size = message.size
        if seen.size < size:
            if not _is_of_former(size, seen):
                raise self._behind(size, seen)
            size = 0  # the caller knows a log that this one continues after a loss: it is told that, and no proof
        return log_pb2.GetCheckpointResponse(
            witnessed=await self._proven(seen.witnessed, size),
            newest=await self._proven(seen.newest, size),
            quorum=0 if self._log.cosigners is None else self._log.cosigners.quorum,
            witnesses=[
                log_pb2.Witness(vkey=each.vkey, size=each.size, cosigned_at_s=each.at_s, trouble=each.trouble)
                for each in seen.witnesses
            ],
            trouble=self._log.trouble(seen),
            renewal=_renewal(seen),
            vkeys=() if seen.named is None else seen.named.vkeys,
            quorum_trouble=self._log.quorum_trouble(seen),
        )

    async def get_upload_proof(
        self, message: log_pb2.GetUploadProofRequest, caller: Caller
    ) -> log_pb2.GetUploadProofResponse:
        """Return what proves that the last event of a request stands in the log.

        Raises:
            NotFoundError: there is no such request that the caller may see, or this log is not witnessed.
            RefusedError: the caller may not see what its receipt says.
        """
        operating_log.bind_contextvars(request_id=message.request_id.hex())
        events = await self._app.log.read_stream(upload_stream(message.request_id))
        evidence = await self._evidence(events, caller.principal)
        seen = await self._seen()
        position = events[-1].position
        answer = log_pb2.GetUploadProofResponse(index=position - 1, evidence=evidence)
        covering = await self._log.covering(position, witnessed=message.witnessed)
        if covering is None:
            await self._log.want()
            answer.proof_later = True
            return answer
        answer.note = with_lines(covering.note, (each.line for each in covering.cosignatures))
        answer.inclusion.extend(await self._log.tree.inclusion(position - 1, covering.size))
        step = step_from(shown_identity(evidence.grant.identity_key), evidence.rotations)
        if step is not None and position <= step.log_size <= seen.size:
            answer.evidence.before_rotation.extend(await self._log.tree.inclusion(position - 1, step.log_size))
        return answer

    async def _seen(self, *, at_least: int = 0) -> Seen:
        seen = await self._log.seen(at_least=at_least)
        if seen.named is None:
            raise NotFoundError(
                "this server's log is not witnessed: it makes no checkpoints.",
                fix="Ask your administrator to run m8 log init on the server.",
            )
        return seen

    def _behind(self, size: int, seen: Seen) -> Error:
        if self._log.own_trouble:  # callers need not wait: no checkpoint of that size will come
            return ConflictError(self._log.own_trouble)
        trouble = self._log.trouble(seen)
        return UnavailableError(trouble) if trouble else TreeBehindError(size)

    async def _proven(self, checkpoint: tree_rows.Checkpoint | None, size: int) -> log_pb2.ProvenCheckpoint | None:
        if checkpoint is None:
            return None
        proof = await self._log.consistency(checkpoint.number, size, checkpoint.size) if size else ()
        return log_pb2.ProvenCheckpoint(
            note=with_lines(checkpoint.note, (each.line for each in checkpoint.cosignatures)), consistency=proof
        )

    async def _evidence(self, events: list[RecordedEvent], principal: Principal) -> proof_pb2.UploadEvidence:
        """Return what the entry is about. Raises as `policy.require_proof`."""
        upload = shown(events)
        if upload is None:
            raise unknown_request()
        policy.require_proof(principal, upload)
        evidence = proof_pb2.UploadEvidence(
            record=events[-1].record,
            rotations=await rotations(self._app, upload.uri),
            grant=upload.grant if upload.HasField("grant") else None,
        )
        for message in map(read, events):
            match message:
                case events_pb2.SecretUploadKeyRequested():
                    evidence.request = message.request
                case events_pb2.SecretUploadRequested():
                    evidence.request_signature = message.request_signature
                    evidence.change = message.change
                    evidence.approvals[:] = message.approvals
                case _:
                    pass
        return evidence


def _is_of_former(size: int, seen: Seen) -> bool:
    """Whether a caller may know that size from before the last renewal."""
    last_note = b"" if seen.named is None else seen.named.last_note
    try:
        return bool(last_note) and size <= Checkpoint.parse(Note.parse(last_note).text).size
    except UsageError:
        return False


def _renewal(seen: Seen) -> log_pb2.LogRenewal | None:
    named = seen.named
    if named is None or not named.reason:
        return None
    return log_pb2.LogRenewal(last_note=named.last_note, reason=named.reason, renewed_at_ms=named.since_ms)
