"""One look at how m8 has this store, under the store's identity: for the rotation of that identity.

m8 records nothing of it, and it is no session: the reactor asks once, and m8 answers once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import RefusedError, UnavailableError
from monoskope.protocol.grant import REPLICA_BYTES
from monoskope.protocol.hello import CHALLENGE_BYTES, Hello
from monoskope.protocol.identity import REACTOR_HELLO, Tree
from monoskope.protocol.tlog.checkpoint import COVERED_S, Checkpoint, VerifierKey
from monoskope.protocol.tlog.note import LogKeys, Note, Policy
from monoskope.reactor.link.endpoint import Endpoint
from monoskope.reactor.link.link import Dial, SessionEndedError, StatusError, dial
from monoskope.reactor.link.refusal import explained

_WITHIN_S = 30.0
"""Seconds for one look."""
_PAUSE_S = 1.0
_WHICH_LOG = "Nothing was changed. Ask m8's administrator; if it has none any more, take log_vkeys out of reactor.toml."


async def look(endpoint: Endpoint, *, size: int = 0, link: Dial = dial) -> reactor_pb2.StoreLook:
    """Return how m8 has the store; the checkpoint has at least `size` entries, or comes `later`.

    Raises:
        RefusedError: m8 knows no such store under this identity.
        UnavailableError: m8 does not answer.
    """
    try:
        async with asyncio.timeout(_WITHIN_S), link(endpoint) as linked:
            challenge = (await linked.read()).challenge
            if len(challenge) != CHALLENGE_BYTES:
                raise SessionEndedError("m8 sent no challenge of 32 bytes.", fix="Check `server`.")
            store, replica = endpoint.identity.store, secrets.token_bytes(REPLICA_BYTES)
            hello = Hello(str(endpoint.address), store, replica, challenge, endpoint.fingerprint_key_id)
            signed = endpoint.identity.sign(REACTOR_HELLO, hello.serialise())
            asked = reactor_pb2.LookAtStore(hello=signed, size=size)
            await linked.write(reactor_pb2.AttachRequest(look=asked))
            answer = await linked.read()
    except TimeoutError:
        raise UnavailableError("m8 did not answer in time.", fix="Check that it runs, and `server`.") from None
    except StatusError as error:
        why = explained(error, endpoint)
        kind = RefusedError if error.status == "PERMISSION_DENIED" else UnavailableError
        raise kind(f"{why['message'].rstrip('.')}.", fix=why["fix"]) from None
    if answer.WhichOneof("message") != "look":
        raise SessionEndedError("m8 does not say how the store stands.", fix="Update the reactor or m8.")
    return answer.look


async def tree_now(endpoint: Endpoint, vkeys: Sequence[str], *, link: Dial = dial) -> Tree | None:
    """Return the tree of m8's log that covers all that is recorded now, None if the log is not witnessed.

    Without a tree, what was signed before a rotation stays unproven for ever. Where the keys of a log are pinned, m8
    cannot bring that about by saying that it has none.

    Args:
        endpoint: The m8.
        vkeys: The log's two verifier keys, both of which must have signed; () where none are pinned here.
        link: As `look`.

    Raises:
        NoteError, LogProofError: the note is malformed, or not signed by these keys.
        UnavailableError: m8 does not answer, or signs no checkpoint.
        RefusedError: as `look`; or keys are pinned, and m8 says that its log is not witnessed.
    """
    wanted = (await look(endpoint, link=link)).position
    for _ in range(2 * COVERED_S):
        seen = await look(endpoint, size=wanted, link=link)
        if not seen.later:
            if vkeys and not seen.note:
                raise RefusedError("m8 says that it has no witnessed log, and log_vkeys names one.", fix=_WHICH_LOG)
            return _tree(seen.note, vkeys, wanted) if seen.note else None
        await asyncio.sleep(_PAUSE_S)
    raise UnavailableError(
        f"m8 signed no checkpoint of its log within {2 * COVERED_S} s.", fix="Ask its administrator: monoctl get log."
    )


def _tree(note: bytes, vkeys: Sequence[str], wanted: int) -> Tree:
    if vkeys:
        found = Policy(LogKeys.of([VerifierKey.parse(text) for text in vkeys])).believe(note).checkpoint
    else:
        found = Checkpoint.parse(Note.parse(note).text)
    if found.size < wanted:
        raise SessionEndedError("m8 shows a checkpoint that does not cover its log.", fix="Ask its administrator.")
    return Tree(found.size, found.root)
