"""Grants that a store signed and that are none for what was asked, what is shown of its reactors, and limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code, RateLimitedError, UnavailableError
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import Attempt
from monoskope.uri import SecretUri
from tests.lies.lie import SEALING, Step
from tests.lies.signed.row import CHANGES, SignedLie, another, ends, failure, keys, once, shows_grant, unsigned
from tests.protocol.purposes import ShowingM8

KEY, END, CHANGED, LIMITED = Step.KEY, Step.END, Code.IDENTITY_CHANGED, Code.RATE_LIMITED
GARBAGE = b"\xff\xff no message"
NO_REACTOR = UnavailableError("no reactor of the store vault is attached.")
RATE = upload_pb2.REASON_RATE_LIMITED

FIELDS: tuple[tuple[str, object], ...] = (
    ("suite", 2),
    ("public_key", bytes(1_215)),
    ("replica", b"short"),
    ("lifetime_s", 29),
    ("lifetime_s", 3_601),
    ("max_plaintext", 700),
    ("max_plaintext", 2_097_152),
    ("fingerprint_key_id", "no hex"),
    ("subject", ""),
    ("subject", "mallory"),
)
"""What breaks a rule, under the store's own signature."""


def grant(change: Callable[[upload_pb2.UploadGrant], object]) -> Callable[[ShowingM8], None]:
    def made(_: ShowingM8, attempt: Attempt) -> upload_pb2.Signed:
        message = upload_pb2.UploadGrant.FromString(attempt.grant.content)
        change(message)
        return attempt.signer.sign(UPLOAD_GRANT, message.SerializeToString(deterministic=True))

    return shows_grant(made)


def sets(name: str, value: object) -> Callable[[ShowingM8], None]:
    return grant(lambda message: setattr(message, name, value))


def ended(
    reason: upload_pb2.Reason, *, retry_after_s: int = 0, first: int | None = None
) -> Callable[[ShowingM8], None]:
    """Say of the first requests, by default of all, that they ended without a key."""

    def key(m8: ShowingM8, attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        if first is not None and m8.attempts.index(attempt) >= first:
            return m8.honest_key(attempt)
        return queries_pb2.GetSecretUploadKeyResponse(
            state=views_pb2.UPLOAD_STATE_ENDED, reason=reason, retry_after_s=retry_after_s
        )

    return keys(key)


def fails(method: str, *failures: bytes | UnavailableError | RateLimitedError) -> Callable[[ShowingM8], None]:
    return lambda m8: m8.failing.update({method: [*failures]})


def _reactor_goes(m8: ShowingM8) -> None:
    """Lose the first key, and say for a while that no reactor is attached."""

    def lost(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
        fails("RequestSecretUploadKey", *[NO_REACTOR] * 6)(m8)
        return failure(upload_pb2.REASON_KEY_LOST)(m8, attempt)

    once(lost)(m8)


def _first_grant_again(m8: ShowingM8) -> None:
    once(failure(upload_pb2.REASON_KEY_LOST))(m8)
    keys(lambda m8, _: m8.honest_key(m8.attempts[0]))(m8)


changed = partial(SignedLie, KEY, code=CHANGED)
unavailable = partial(SignedLie, KEY, code=Code.UNAVAILABLE)
unknown = partial(SignedLie, END, code=Code.OUTCOME_UNKNOWN)
limited = partial(SignedLie, KEY, code=LIMITED)

LIES = (
    *(changed(f"another {name}: {value!r:.14}", sets(name, value), "malformed|another user") for name, value in FIELDS),
    changed(
        "a public key that is none", sets("public_key", b"\xff" * 1_216), "public key is not one", purposes=SEALING
    ),
    changed(
        "a grant that is not in its one form",
        shows_grant(lambda _, attempt: attempt.signer.sign(UPLOAD_GRANT, attempt.grant.content + b"\x78\x01")),
        "malformed",
    ),
    changed(
        "a grant under another label",
        shows_grant(lambda _, attempt: attempt.signer.sign(RECEIPT, attempt.grant.content)),
        "does not verify",
    ),
    changed(
        "a grant for another secret",
        shows_grant(
            lambda m8, attempt: another(
                m8, attempt, request_id=attempt.request.request_id, uri=SecretUri.parse("vault://app/elsewhere")
            ).signed_grant()
        ),
        "another request",
    ),
    changed(
        "a grant of a thief",
        shows_grant(lambda m8, attempt: another(m8, attempt, signer=Identity()).signed_grant()),
        "signed by",
    ),
    # A reactor that is away is waited for: the client asks again until its time is over.
    unavailable(
        "no reactor", ended(upload_pb2.REASON_NO_REACTOR), "No store signed that; nothing was sent", attempts=None
    ),
    *(
        unavailable(f"{reason} for ever", ended(getattr(upload_pb2, reason)), "No store signed that", attempts=4)
        for reason in ("REASON_KEY_LOST", "REASON_UPSTREAM_UNAVAILABLE")
    ),
    SignedLie(
        KEY,
        "bytes that are no key",
        fails("RequestSecretUploadKey", GARBAGE),
        "not a message of this protocol",
        Code.PROTOCOL,
    ),
    unavailable(
        "once that no reactor is there", fails("RequestSecretUploadKey", NO_REACTOR), "m8 says: no reactor", attempts=0
    ),
    SignedLie(END, "that no reactor is there, after a lost key", _reactor_goes, purposes=CHANGES, attempts=2),
    unknown("the first grant, after a lost key", _first_grant_again, "another request", purposes=CHANGES, attempts=2),
    SignedLie(KEY, "limits for five requests", ended(RATE, first=5), purposes=CHANGES, attempts=6),
    *(
        limited(
            f"a limit for {told_s} seconds",
            ended(RATE, retry_after_s=told_s),
            "^(?!.*comparison).*Try again in",
            purposes=("put",),
        )
        for told_s in (61, 3_600, 2**32 - 1)
    ),
    limited("a limit of comparisons", ended(RATE, retry_after_s=40), "comparisons.*in 40 s", purposes=("compare",)),
    SignedLie(
        END, "a limit once it was sent, signed", once(failure(RATE, retry_after_s=0)), purposes=CHANGES, attempts=2
    ),
    SignedLie(
        END,
        "a limit of the day, signed",
        ends(failure(RATE, retry_after_s=7_200)),
        "nothing was written.*in 120 min",
        LIMITED,
        ("put",),
    ),
    unknown("a limit once it was sent, unsigned", ends(unsigned(RATE)), "no receipt"),
    SignedLie(
        END,
        "no place for what was sent, twice",
        fails("RequestUploadSecret", *[RateLimitedError("too much.", retry_after_s=0.01)] * 2),
    ),
    unknown(
        "a limit of the day for what was sent",
        fails("RequestUploadSecret", RateLimitedError("enough for today.", retry_after_s=7_200)),
        "enough for today",
    ),
)
