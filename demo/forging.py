"""What m8 itself could do to a change that waits for approvals, with what is in its folder alone.

    .venv/bin/python demo/forging.py m8 CHANGE ben     # in the demo's folder

It makes itself a credential in ben's name, which m8's token key allows, and hands in approvals as his: one that he gave
to another change, which stands in the log, and one by a key of its own, which is a good signature over this change.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from alone import CALL_S, new_key

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.connection import Connection
from monoskope.client.http.methods import Method
from monoskope.client.signing.key_file import KeySigner
from monoskope.m8 import settings
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.opened import open_tokens, opened_log
from monoskope.protocol.change import Change, parse_change

_GET = Method("SecretChangeService", lambda: changes_pb2.GetSecretChangesResponse, may_be_repeated=True)
_APPROVE = Method("SecretChangeService", lambda: changes_pb2.ApproveSecretChangeResponse, may_be_repeated=False)


async def main(folder: Path, change_id: bytes, user: str) -> None:
    """Hand in all that m8 can make, and say what."""
    server = settings.load(folder)
    async with opened_log(server) as log:
        rights = [events_pb2.RIGHT_APPROVE]
        role = events_pb2.ROLE_USER
        tokens = open_tokens(server, log, actor="m8")
        token = await tokens.issue(subject=user, role=role, prefixes=["local://"], rights=rights, ttl_s=60)
        connection = Connection(str(server.listen), folder / "ca.crt", token.jwt)
        try:
            ask = changes_pb2.GetSecretChangesRequest(change_id=change_id)
            change = parse_change((await connection.call(_GET, ask, CALL_S)).changes[0].change)
            forged = {
                f"{user}'s approval of another change, from the log": await _newest_approval(log),
                "an approval by a key of its own": _by_own_key(change),
            }
            for what, approval in forged.items():
                message = changes_pb2.ApproveSecretChangeRequest(change_id=change_id, approval=approval)
                await connection.call(_APPROVE, message, CALL_S)
                print(f"handed in as {user}: {what}")
        finally:
            await connection.close()


async def _newest_approval(log: EventLog) -> bytes:
    """Return the last approval that stands in the log."""
    given = [event for event in await log.read(after=0, limit=100_000) if event.type == "SecretChangeApproved"]
    return events_pb2.SecretChangeApproved.FromString(given[-1].data).approval


def _by_own_key(change: Change) -> bytes:
    """Return a good approval of this very change, by a key that nobody has seen before."""
    with tempfile.TemporaryDirectory() as folder:
        return KeySigner(new_key(Path(folder) / "key")).approve_now(change)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.argv[3]))
