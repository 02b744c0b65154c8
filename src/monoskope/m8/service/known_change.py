"""A change at one moment, and how a caller is shown it."""

from __future__ import annotations

from dataclasses import dataclass

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.aggregates import change_of
from monoskope.m8.domain.change import Proposal, places, unknown_change
from monoskope.m8.domain.principal import Principal
from monoskope.m8.log.documents import Which
from monoskope.m8.readmodels.changes import CHANGES, KEYS, Row, row_in, state_of
from monoskope.m8.readmodels.secrets import SECRETS
from monoskope.m8.service import policy
from monoskope.m8.service.app import App
from monoskope.protocol.change import CHANGE_ID_BYTES, Change


@dataclass(frozen=True, slots=True)
class Known:
    """A change at one moment: what its stream tells, its row, and its state then."""

    proposal: Proposal
    row: Row
    state: changes_pb2.ChangeState
    head: bytes | None
    """The document of the secret that it writes."""

    @property
    def change(self) -> Change:
        """What was proposed."""
        assert self.proposal.change is not None, "what this m8 cannot read is not looked at"
        return self.proposal.change


async def find(app: App, change_id: bytes) -> Known | None:
    """Return a change as it is now, None if there is none, or if a newer m8 recorded it, which alone can read it."""
    key = await app.log.get(KEYS, change_id.hex()) if len(change_id) == CHANGE_ID_BYTES else None
    if key is None:
        return None
    which: Which = (CHANGES, key.decode())
    seen = await app.aggregates.look(change_of(change_id), documents=[which])
    body = seen.documents[which]
    assert body is not None, "a change has a row as long as it has a key"
    if seen.of(change_of(change_id)).change is None:
        return None
    row = row_in(body)
    documents = (await app.log.look({}, row.depends_on)).documents
    state = state_of(row, documents, app.clock())
    return Known(seen.of(change_of(change_id)), row, state, documents[SECRETS, row.place])


async def visible(app: App, change_id: bytes, principal: Principal) -> Known:
    """Return a change that exists for the caller. Raises `NotFoundError` if there is none."""
    known = await find(app, change_id)
    if known is None or not policy.sees_change(principal, known.proposal.subject, places(known.change)):
        raise unknown_change()
    return known


async def view(app: App, known: Known, principal: Principal) -> changes_pb2.SecretChange:
    """Return a change as the caller may see it: the receipt, which has hashes, only with see-hash at its place.

    Of a change that was declined or withdrawn m8 carries the approvals no more: it says whose they were.
    """
    proposal, row = known.proposal, known.row
    place = known.change.request.place
    shows_receipt = principal.may(events_pb2.RIGHT_SEE_HASH, place)
    return changes_pb2.SecretChange(
        change_id=row.change_id,
        change=known.change.content,
        subject=proposal.subject,
        state=known.state,
        proposed_at_ms=proposal.proposed_ms,
        changed_at_ms=max(proposal.changed_ms, row.changed_ms),
        version=proposal.version,
        approvals=[
            changes_pb2.ChangeApproval(
                approval=b"" if proposal.is_over else one.signature, subject=one.subject, approved_at_ms=one.at_ms
            )
            for one in proposal.approvals
        ],
        ended_by=proposal.declined_by or proposal.withdrawn_by,
        decline_reason=proposal.decline_reason,
        request_id=row.request_id,
        last_receipt=await app.documents.receipt_in(str(place), known.head) if shows_receipt else None,
    )
