"""Identities that move on, and a hostile m8 that moves them (docs/protocol.md, Identities)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.errors import Code
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import Attempt
from tests.lies.lie import Step
from tests.lies.signed.grants import GARBAGE, fails
from tests.lies.signed.row import SignedLie, keys
from tests.protocol.purposes import ShowingM8, success

STORE, CHANGED = Step.STORE, Code.IDENTITY_CHANGED
Tell = Callable[[ShowingM8], None]


def move(m8: ShowingM8, *identities: Identity) -> None:
    """Let the store's identity go through `identities`, each step signed by both."""
    now = m8.signers["vault"]
    for identity in identities:
        m8.stores["vault"].rotations.append(now.rotate(identity, "vault"))
        now = identity
    m8.signers["vault"] = now
    m8.stores["vault"].identity = now.shown


def steps(count: int) -> Tell:
    """Go through so many new identities."""
    return lambda m8: move(m8, *(Identity() for _ in range(count)))


def back(m8: ShowingM8) -> None:
    """Step to the first identity."""
    move(m8, m8.identity)


def _there_and_back(m8: ShowingM8) -> None:
    move(m8, Identity(), m8.identity)


def _as_before(m8: ShowingM8) -> None:
    """Show the first identity again, as if there had been no step."""
    del m8.stores["vault"].rotations[:]
    m8.signers["vault"] = m8.identity
    m8.stores["vault"].identity = m8.identity.shown


def _gap(m8: ShowingM8) -> None:
    move(m8, Identity(), Identity(), Identity())
    del m8.stores["vault"].rotations[1]


def step(make: Callable[[Identity, Identity], Any]) -> Tell:
    """Step to a thief, by a step that is made so."""

    def tell(m8: ShowingM8) -> None:
        thief = Identity()
        move(m8, thief)
        m8.stores["vault"].rotations[0].CopyFrom(make(m8.identity, thief))

    return tell


def _unsigned(field: str) -> Callable[[Identity, Identity], Any]:
    def make(old: Identity, new: Identity) -> Any:
        made = old.rotate(new, "vault")
        setattr(made, field, Identity().rotate(Identity(), "vault").old_signature)
        return made

    return make


def _grant_of_the_old_one(m8: ShowingM8) -> None:
    def key(m8: ShowingM8, attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        return queries_pb2.GetSecretUploadKeyResponse(
            state=views_pb2.UPLOAD_STATE_GRANTED,
            grant=m8.grant_for(attempt.request, signer=m8.identity).signed_grant(),
            rotations=m8.stores["vault"].rotations,
        )

    move(m8, Identity())
    keys(key)(m8)


def receipt_of(*, shows_step: bool) -> Tell:
    """Sign the receipt with another identity than the grant."""

    def tell(m8: ShowingM8) -> None:
        later = Identity()
        m8.rotations_later = [m8.identity.rotate(later, "vault")] if shows_step else []

        def end(attempt: Attempt) -> views_pb2.SecretUpload:
            attempt.signer = later
            return m8.ended(attempt, success(attempt))

        m8.end = end

    return tell


changed = partial(SignedLie, STORE, code=CHANGED, attempts=0)
followed = partial(SignedLie, STORE)

LIES = (
    followed("two steps", steps(2), "notice: .*SHA256:.*SHA256:"),
    followed("sixty-four steps", steps(64), purposes=("put",)),
    followed("sixty-four steps after forty", steps(64), purposes=("put",), before=steps(40)),
    changed("sixty-five steps", steps(65), "64", purposes=("put",)),
    changed("the first identity after a step", _as_before, "changed: .* is pinned", before=steps(1)),
    changed("a step there and back", _there_and_back, "earlier identity"),
    changed("a step back", back, "earlier identity", before=steps(1)),
    changed("steps with a gap", _gap, "chain"),
    changed("a step of another store", step(lambda old, new: old.rotate(new, "local")), "another store"),
    *(
        changed(f"a step with another {field}", step(_unsigned(field)), "does not verify")
        for field in ("old_signature", "new_signature")
    ),
    SignedLie(Step.KEY, "a grant of the identity before a step", _grant_of_the_old_one, "signed by", CHANGED),
    SignedLie(Step.RECEIPT, "a receipt of the next identity, and its step", receipt_of(shows_step=True)),
    SignedLie(
        Step.RECEIPT, "a receipt of another identity", receipt_of(shows_step=False), "signed by", Code.OUTCOME_UNKNOWN
    ),
    followed(
        "bytes that are no store",
        fails("GetSecretStore", GARBAGE),
        "not a message of this protocol",
        code=Code.PROTOCOL,
        attempts=0,
    ),
)
