"""An m8 that lies about copies: only receipts of both stores, each under its pin and of one content, are success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Copy, Expect
from monoskope.client.known_stores import KnownStores
from monoskope.errors import ConflictError, IdentityChangedError, OutcomeUnknownError, UsageError
from monoskope.protocol.copy_request import put_request_id
from monoskope.protocol.grant import Grant
from monoskope.protocol.labels import UPLOAD_GRANT
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8
from tests.protocol.copied import DESTINATION, DESTINATION_IDENTITY, LABELS, SOURCE, by, copied, granted, there
from tests.support.vectors import a_grant, a_request


async def copy(m8: ScriptedM8, known: KnownStores, destination: str = DESTINATION, **fields: Any) -> Copy:
    async with client_for(m8, known.path.parent) as client:
        return await client.copy_secret(SOURCE, destination, **{"timeout": 60, **fields})


async def test_a_copy_sends_nothing_sealed_and_shows_what_both_stores_signed(
    m8: ScriptedM8, known: KnownStores
) -> None:
    done = await copy(m8, known, expect=Expect.ABSENT)
    (attempt,) = m8.attempts
    request = attempt.request
    assert (request.purpose, str(request.uri), str(request.destination)) == (
        upload_pb2.PURPOSE_COPY,
        SOURCE,
        DESTINATION,
    )
    assert request.expect == upload_pb2.EXPECT_ABSENT
    assert b"".join(attempt.sealed) == b""
    assert (done.outcome, done.hash) == ("UPLOADED", FINGERPRINT)
    assert (done.upstream_version, done.destination_version) == (VERSION, "w1")


@pytest.mark.parametrize("part", ["destination", "destination_grant"])
async def test_a_destination_that_is_not_the_pinned_one_is_not_believed(
    m8: ScriptedM8, known: KnownStores, part: str
) -> None:
    stranger = Identity()

    def by_a_stranger(attempt: Attempt) -> dict[str, upload_pb2.Signed]:
        proof = by(granted(attempt))
        return {**proof, part: stranger.sign(LABELS[part], proof[part].content)}

    m8.end = lambda attempt: m8.ended(attempt, copied(attempt, **by_a_stranger(attempt)))
    with pytest.raises(OutcomeUnknownError, match="does not hold: a message is signed by"):
        await copy(m8, known)


@pytest.mark.parametrize("part", ["destination", "destination_grant"])
async def test_what_bears_the_pinned_identity_must_be_signed_by_it_as_what_it_is(
    m8: ScriptedM8, known: KnownStores, part: str
) -> None:
    (other,) = LABELS.keys() - {part}

    def mislabelled(attempt: Attempt) -> dict[str, upload_pb2.Signed]:
        proof = by(granted(attempt))
        return {**proof, part: DESTINATION_IDENTITY.sign(LABELS[other], proof[part].content)}

    m8.end = lambda attempt: m8.ended(attempt, copied(attempt, **mislabelled(attempt)))
    with pytest.raises(OutcomeUnknownError, match="does not hold: a signature does not verify"):
        await copy(m8, known)


def earlier(attempt: Attempt) -> dict[str, upload_pb2.Signed]:
    """An honest put of the same value that this source, or anybody, made before: something else is there by now."""
    del attempt
    return by(a_grant(a_request(uri=DESTINATION)))


def earlier_receipt(attempt: Attempt) -> dict[str, upload_pb2.Signed]:
    """The receipt of an earlier put beside the grant of this copy, which was asked for and not used."""
    return {**by(granted(attempt)), "destination": there(a_grant(a_request(uri=DESTINATION)))}


REPLAYS: dict[str, tuple[Callable[[Attempt], dict[str, upload_pb2.Signed]], str]] = {
    "an earlier put": (earlier, "another request"),
    "an earlier copy": (lambda attempt: by(granted(attempt, request_id=put_request_id(b"e" * 16))), "another request"),
    "an earlier receipt": (earlier_receipt, "another grant"),
    "a grant for another secret": (lambda attempt: by(granted(attempt, uri="local://app/other")), "another secret"),
    "a grant to compare": (
        lambda attempt: by(
            granted(
                attempt,
                purpose=upload_pb2.PURPOSE_COMPARE,
                expect=upload_pb2.EXPECT_UNSPECIFIED,
                keep_labels=False,
                keep_expires_on=False,
            )
        ),
        "not for a put",
    ),
    "a grant that erases labels": (lambda attempt: by(granted(attempt, keep_labels=False)), "keeps other notes"),
    "a grant that expects less": (
        lambda attempt: by(granted(attempt, expect=upload_pb2.EXPECT_OVERWRITE)),
        "expects something else",
    ),
    "a malformed grant": (
        lambda attempt: {**by(granted(attempt)), "destination_grant": DESTINATION_IDENTITY.sign(UPLOAD_GRANT, b"x")},
        "malformed",
    ),
}
"""What a hostile source shows that the destination really signed, and what its user is told."""


@pytest.mark.parametrize("name", REPLAYS)
async def test_what_the_destination_signed_for_something_else_proves_no_copy(
    m8: ScriptedM8, known: KnownStores, name: str
) -> None:
    shown, why = REPLAYS[name]
    m8.end = lambda attempt: m8.ended(attempt, copied(attempt, **shown(attempt)))
    with pytest.raises(OutcomeUnknownError, match=why) as caught:
        await copy(m8, known, expect=Expect.ABSENT)
    assert "nothing was" not in str(caught.value)
    assert m8.attempts[-1].request.request_id.hex() in str(caught.value)


async def test_a_reactor_that_shows_no_grant_proves_no_copy(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(attempt, copied(attempt, destination_grant=None))
    with pytest.raises(OutcomeUnknownError, match="but not by which request; it may or may not have been") as caught:
        await copy(m8, known)
    assert "nothing was" not in str(caught.value)


async def test_a_destination_whose_identity_changed_is_asked_for_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    m8.stores["local"].identity = Identity().shown
    with pytest.raises(IdentityChangedError):
        await copy(m8, known)
    assert not m8.attempts


@pytest.mark.parametrize(
    "destination",
    [
        lambda put: there(put, uri="local://app/other"),
        lambda put: there(put, fingerprint=FINGERPRINT[:-1] + "0"),
        lambda put: there(put, fingerprint=""),
        lambda put: there(put, outcome=upload_pb2.OUTCOME_IMPORTED),
        lambda _: upload_pb2.Signed(content=b"x"),
    ],
    ids=["another place", "another hash", "no hash", "no put", "malformed"],
)
async def test_a_copy_that_the_destination_does_not_prove_is_unknown(
    m8: ScriptedM8, known: KnownStores, destination: Callable[[Grant], upload_pb2.Signed]
) -> None:
    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        put = granted(attempt)
        return m8.ended(attempt, copied(attempt, **{**by(put), "destination": destination(put)}))

    m8.end = end
    with pytest.raises(OutcomeUnknownError, match="proves nothing"):
        await copy(m8, known)


async def test_the_destinations_receipt_alone_is_no_copy(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(attempt, there(granted(attempt)))
    with pytest.raises(OutcomeUnknownError):
        await copy(m8, known)


async def test_a_signed_conflict_is_said_to_be_at_the_destination(m8: ScriptedM8, known: KnownStores) -> None:
    reason = upload_pb2.REASON_CONFLICT
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    with pytest.raises(ConflictError, match="destination"):
        await copy(m8, known)


async def test_one_store_is_no_two(m8: ScriptedM8, known: KnownStores) -> None:
    with pytest.raises(UsageError, match="in one store"):
        await copy(m8, known, "vault://app/other")
    with pytest.raises(UsageError):
        await copy(m8, known, "local://../x")
    assert not m8.attempts
