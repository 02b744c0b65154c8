"""Lies that a store's own identity signs. A scripted m8 tells them, which holds the keys of its reactors, too.

A proxy has none of these keys: what it can say of a store is what that store signed at some time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Any

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client
from monoskope.errors import Code, Error
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.request import make_request
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import pinned, settings_for, was_received
from monoskope.testing.scripted.m8 import Attempt
from tests.lies.lie import Lie, Step
from tests.protocol.purposes import ATTEMPTED_ANEW, PURPOSES, VALUES, ShowingM8, success
from tests.support.signed_requests import OwnSigner

CHANGES = ATTEMPTED_ANEW
"""The purposes of which the client makes a new attempt."""

NOTHING_SENT = {Step.STORE, Step.KEY}
"""Where a lie is told before anything may be sent."""

End = Callable[[ShowingM8, Attempt], views_pb2.SecretUpload]
Key = Callable[[ShowingM8, Attempt], queries_pb2.GetSecretUploadKeyResponse]


@dataclass(frozen=True)
class SignedLie(Lie):
    """One lie of a scripted m8.

    Attributes:
        attempts: How many requests the client makes; None where that does not count.
        signs: Whether the store takes signed requests alone.
        before: Changes m8 for an honest walk, before the one that is lied to; None for no such walk.
    """

    attempts: int | None = 1
    signs: bool = False
    before: Callable[[ShowingM8], Any] | None = None

    @property
    def id(self) -> str:
        return f"signed {super().id}"


# --- what m8 answers ---


def ends(*each: End) -> Callable[[ShowingM8], None]:
    """End each attempt in its own way, and those after the last as that."""

    def tell(m8: ShowingM8) -> None:
        first = len(m8.attempts)
        m8.end = lambda attempt: each[min(m8.attempts.index(attempt) - first, len(each) - 1)](m8, attempt)

    return tell


def once(end: End) -> Callable[[ShowingM8], None]:
    """End the first attempt so, and those after it with success."""
    return ends(end, succeeds)


def succeeds(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
    return m8.ended(attempt, success(attempt))


def unsigned(reason: upload_pb2.Reason) -> End:
    return lambda m8, attempt: m8.ended(attempt, None, reason)


def failure(reason: upload_pb2.Reason, **fields: Any) -> End:

    def end(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
        if not fields:
            return m8.ended(attempt, attempt.failure(reason), reason)
        return m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_FAILED, reason=reason, **fields), reason)

    return end


def receipt(made: Callable[[Attempt], upload_pb2.Signed]) -> End:
    return lambda m8, attempt: m8.ended(attempt, made(attempt))


def rewritten(**fields: object) -> End:
    """End it with a success in which fields are changed, signed by the store."""

    def made(attempt: Attempt) -> upload_pb2.Signed:
        message = upload_pb2.Receipt.FromString(success(attempt).content)
        for name, value in fields.items():
            setattr(message, name, value)
        return attempt.signer.sign(RECEIPT, message.SerializeToString(deterministic=True))

    return receipt(made)


def keys(key: Key) -> Callable[[ShowingM8], None]:
    """Answer so when the key is asked for."""

    def tell(m8: ShowingM8) -> None:
        m8.key_answer = lambda attempt: key(m8, attempt)

    return tell


def shows_grant(made: Callable[[ShowingM8, Attempt], upload_pb2.Signed]) -> Callable[[ShowingM8], None]:
    granted = views_pb2.UPLOAD_STATE_GRANTED
    return keys(lambda m8, attempt: queries_pb2.GetSecretUploadKeyResponse(state=granted, grant=made(m8, attempt)))


def another(m8: ShowingM8, attempt: Attempt, *, signer: Identity | None = None, **fields: Any) -> Attempt:
    """Another request for the same, with the grant that the store gives for it; `fields` are changed."""
    asked = attempt.request
    names = ("purpose", "uri", "expect", "suites", "destination", "recipes", "to_version", "remove_keys")
    same: dict[str, Any] = {name: getattr(asked, name) for name in names}
    other = m8.grant_for(make_request(**{"request_id": os.urandom(16), **same, **fields}), signer=signer)
    other.sealed.append(b"sealed" if asked.rules.seals else b"")
    return other


# --- telling it ---


async def tell(lie: SignedLie, purposes: Sequence[str], folder: Path) -> None:
    """Tell a lie for each of these purposes, and assert what holds whatever m8 says.

    A lie at the key is told when it comes at once and when it comes by a query: to each purpose in one of both ways,
    and in both where all of its purposes are asked for.
    """
    ways = (True, False) if lie.step is Step.KEY else (True,)
    told = product(purposes, ways) if len(purposes) == len(lie.purposes) else zip(purposes, cycle(ways), strict=False)
    for purpose, at_once in told:
        here = folder / f"{purpose}-{at_once}"
        here.mkdir()
        async with ShowingM8().serving(here) as m8:
            m8.waits, m8.signed = at_once, lie.signs
            try:
                await _tell(lie, purpose, m8, here)
            except AssertionError as error:
                error.add_note(f"{purpose}, {'the key at once' if at_once else 'the key by a query'}")
                raise


async def _tell(lie: SignedLie, purpose: str, m8: ShowingM8, folder: Path) -> None:
    known = pinned(m8, folder)
    signer = OwnSigner() if lie.signs else None
    if lie.before is not None:
        lie.before(m8)
        assert (await _asked(m8, folder, purpose, signer))[0] is None
    first, pin = len(m8.attempts), known.identity(m8.server, "vault")
    sent = m8.count("RequestUploadSecret")
    lie.tell(m8)
    code, said = await _asked(m8, folder, purpose, signer)
    assert code is lie.code, said
    assert re.search(lie.says, said, re.DOTALL), said
    attempts = m8.attempts[first:]
    assert lie.attempts in {None, len(attempts)}
    assert not was_received(m8, VALUES["password"])
    _check_sent(m8, signer)
    if lie.step in NOTHING_SENT and code is not None:
        assert m8.count("RequestUploadSecret") == sent
    if code is Code.OUTCOME_UNKNOWN:
        assert PURPOSES[purpose].unknown in said
        assert any(attempt.request.request_id.hex() in said for attempt in attempts)
    now = known.identity(m8.server, "vault")
    if code is None:
        assert now == attempts[-1].signer.shown
    else:
        assert now in ({pin} if lie.step is Step.STORE else {pin, m8.signers["vault"].shown})


def _check_sent(m8: ShowingM8, signer: OwnSigner | None) -> None:
    """Assert that nothing else is sent for a request that is sent again, and that each is signed once, by its user."""
    calls = zip(m8.calls, m8.received, strict=True)
    sent = {content for method, content in calls if method == "RequestUploadSecret"}
    requests = [commands_pb2.RequestUploadSecretRequest.FromString(content) for content in sent]
    assert len({one.request_id for one in requests}) == len(sent), "other bytes for one request"
    if signer is not None:
        assert len({one.request_signature for one in requests}) == len(signer.asked) == len(sent)
        for attempt in m8.attempts:
            if attempt.signatures:
                attempt.check_signature()


async def _asked(m8: ShowingM8, folder: Path, purpose: str, signer: OwnSigner | None) -> tuple[Code | None, str]:
    """Ask as alice. Return the code of the failure, None for success, and all that she was told."""
    told: list[str] = []
    settings, nowhere = settings_for(m8, folder), folder / "no_known_stores"
    try:
        asking = Client(settings, signer=signer, notify=told.append, system_known_stores=nowhere, pause_s=0.001)
        async with asking as client:
            result = await PURPOSES[purpose].walk(client)
    except Error as error:
        return error.code, f"{error.message}\n{error.fix}"
    return None, "\n".join([repr(result), *(f"notice: {one}" for one in told)])
