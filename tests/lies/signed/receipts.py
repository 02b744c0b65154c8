"""Receipts that a store signed and that prove nothing of what was asked, and failures that it really signed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.receipt import make_receipt, sealed_digest
from monoskope.testing.scripted.m8 import PUBLIC, VERSION, Attempt
from tests.lies.lie import EVERY, Step
from tests.lies.signed.grants import GARBAGE, fails
from tests.lies.signed.row import CHANGES, End, SignedLie, ends, failure, receipt, rewritten, succeeds, unsigned
from tests.protocol.purposes import NEWEST, PURPOSES, ShowingM8, in_sync, success
from tests.support.receipts import GOOD

END, RECEIPTS, UNKNOWN, CONFLICT = Step.END, Step.RECEIPT, Code.OUTCOME_UNKNOWN, Code.CONFLICT
LOST, AWAY = upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_UPSTREAM_UNAVAILABLE
OVERTAKEN = upload_pb2.REASON_CONFLICT
NOTHING = "proves nothing"


def _of_failure(attempt: Attempt) -> upload_pb2.Signed:
    signed = attempt.failure(OVERTAKEN)
    signed.content = success(attempt).content
    return signed


def _other_bytes(attempt: Attempt) -> upload_pb2.Signed:
    attempt.sealed.append(b"a value of m8's own, sealed")
    try:
        return success(attempt)
    finally:
        attempt.sealed.pop()


def nothing_sent(reason: upload_pb2.Reason) -> End:
    """A failure from before anything was sent."""

    def failed(attempt: Attempt) -> upload_pb2.Signed:
        grant, outcome = attempt.grant, upload_pb2.OUTCOME_FAILED
        replica = grant.replica if reason == LOST else b""
        made = make_receipt(grant=grant, sealed_sha256=b"", outcome=outcome, reason=reason, replica=replica)
        return attempt.signer.sign(RECEIPT, made.content)

    return receipt(failed)


def _stripped(attempt: Attempt) -> upload_pb2.Signed:
    """Of a patch of which m8 dropped the sealed bytes: the reactor's honest receipt is about less."""
    digest, done = sealed_digest(b"", b""), upload_pb2.OUTCOME_UPLOADED
    made = make_receipt(grant=attempt.grant, sealed_sha256=digest, outcome=done, upstream_version=VERSION)
    return attempt.signer.sign(RECEIPT, made.content)


def _forged_half(attempt: Attempt) -> upload_pb2.Signed:
    """With a public half of m8's own, of which m8 has the private one."""
    signed = attempt.success()
    message = upload_pb2.Receipt.FromString(signed.content)
    message.public_values[0].value = PUBLIC.replace("MCow", "MCox")
    signed.content = message.SerializeToString(deterministic=True)
    return signed


def shown(*contents: bytes | None, verified: bytes = NEWEST) -> Callable[[ShowingM8], None]:
    """Show these receipts of the secret, one after the other, and say that the last one was verified."""

    def tell(m8: ShowingM8) -> None:
        m8.shown = [*contents]
        m8.end = lambda attempt: m8.ended(attempt, in_sync(attempt, verified))

    return tell


def drift(outcome: upload_pb2.Outcome, version: str) -> End:
    """Verify, and find something else than the newest receipt says."""
    digest = hashlib.sha256(NEWEST).digest()
    return receipt(lambda attempt: attempt.receipt(outcome, upstream_version=version, verified_sha256=digest))


def _different(attempt: Attempt) -> upload_pb2.Signed:
    differences = [("old", upload_pb2.DIFFERENCE_KIND_EXTRA), ("password", upload_pb2.DIFFERENCE_KIND_CHANGED)]
    return attempt.receipt(upload_pb2.OUTCOME_DIFFERENT, upstream_version=VERSION, differences=differences)


def unknown(name: str, end: End, says: str, purposes: tuple[str, ...] = EVERY) -> SignedLie:
    """A receipt that proves nothing."""
    return SignedLie(RECEIPTS, name, ends(end), says, UNKNOWN, purposes)


def anew(name: str, *each: End, attempts: int) -> SignedLie:
    """Ends after which new attempts begin, of which the last succeeds."""
    return SignedLie(END, name, ends(*each, succeeds), purposes=CHANGES, attempts=attempts)


def no_attempt(name: str, end: End, says: str = "may or may not") -> SignedLie:
    """An end after which no new attempt may begin."""
    return SignedLie(END, name, ends(end), says, UNKNOWN, CHANGES)


def failed(reason: str, code: Code) -> SignedLie:
    return SignedLie(
        END, f"{reason}, signed", ends(failure(getattr(upload_pb2, f"REASON_{reason}"))), rf"\({reason}\)", code
    )


verified = partial(SignedLie, RECEIPTS, purposes=("verify",))
conflict = partial(SignedLie, END, code=CONFLICT)

LIES = (
    unknown(
        "one signed as a grant", receipt(lambda one: one.signer.sign(UPLOAD_GRANT, success(one).content)), "verify"
    ),
    unknown("one under the signature of a failure", receipt(_of_failure), "does not verify"),
    unknown("one about other sealed bytes", receipt(_other_bytes), "other sealed bytes"),
    unknown("one about another secret", rewritten(uri="vault://app/other"), NOTHING),
    unknown("one about another grant", rewritten(grant_sha256=bytes(32)), "another grant"),
    unknown("one without sealed bytes", rewritten(sealed_sha256=b""), NOTHING),
    unknown("an outcome that no client knows", rewritten(outcome=99), NOTHING),
    unknown("one with an intent", rewritten(intent=bytes(32)), NOTHING),
    unknown("no version", rewritten(upstream_version=""), NOTHING, ("put",)),
    unknown("a hash that is none", rewritten(fingerprint="fp1:short"), NOTHING, ("put",)),
    unknown(
        "that writing began", receipt(lambda one: one.receipt(upload_pb2.OUTCOME_STARTED, intent=bytes(32))), NOTHING
    ),
    *(
        unknown(
            f"the end {kind}",
            receipt(lambda attempt, kind=kind: attempt.receipt(**GOOD[kind])),  # type: ignore[misc]
            "does not fit",
            tuple(purpose for purpose in EVERY if kind not in PURPOSES[purpose].outcomes),
        )
        for kind in sorted(set[str]().union(*(row.outcomes for row in PURPOSES.values())))
    ),
    unknown("a patch without what was sealed", receipt(_stripped), "other sealed bytes", ("patch",)),
    unknown("a public half of m8's own", receipt(_forged_half), NOTHING, ("generate",)),
    SignedLie(
        END, "bytes that are no end", fails("RequestUploadSecret", GARBAGE), "not a message of this protocol", UNKNOWN
    ),
    # --- what is said of a verification ---
    verified("an older receipt", shown(NEWEST, verified=b"older"), "another receipt", code=Code.IDENTITY_CHANGED),
    verified("a newer receipt meanwhile", shown(b"before", NEWEST), "newest=True"),
    verified("no receipt to verify", shown(None), "newest=None"),
    verified("drift", ends(drift(upload_pb2.OUTCOME_DRIFTED, "8@x")), "DRIFTED.*8@x"),
    verified("that it is gone", ends(drift(upload_pb2.OUTCOME_GONE, "")), "GONE"),
    SignedLie(
        RECEIPTS,
        "differences",
        ends(receipt(_different)),
        "'old': 'EXTRA'.*'password': 'CHANGED'",
        purposes=("compare",),
    ),
    # --- failures that are true ---
    failed("CONFLICT", CONFLICT),
    failed("UPSTREAM_CHANGED", CONFLICT),
    failed("UPSTREAM_REFUSED", Code.REFUSED),
    failed("BAD_PAYLOAD", Code.REFUSED),
    failed("EXPIRED", Code.TIMED_OUT),
    conflict("a conflict of a patch", ends(failure(OVERTAKEN)), "lacks a key to remove", purposes=("patch",)),
    conflict("a conflict of a copy", ends(failure(OVERTAKEN)), "destination", purposes=("copy",)),
    # --- new attempts: only once a receipt says that it cannot be written any more ---
    anew("a lost key", failure(LOST), attempts=2),
    anew("an engine that was away", failure(AWAY), attempts=2),
    anew("a lost key, and then a conflict", failure(LOST), failure(OVERTAKEN), attempts=3),
    anew(
        "a lost key, an engine that was away, a conflict", failure(LOST), failure(AWAY), failure(OVERTAKEN), attempts=4
    ),
    no_attempt("a lost key, unsigned", unsigned(LOST), "could still be .* until "),
    no_attempt("an engine that was away, unsigned", unsigned(AWAY)),
    no_attempt("a lost key of another process", failure(LOST, replica=bytes(16)), "could still be .* until "),
    no_attempt("a lost key of no process", failure(LOST, replica=b""), "does not name the process"),
    no_attempt("a lost key for nothing that was sent", nothing_sent(LOST)),
    SignedLie(
        END,
        "an engine that was away, for nothing that was sent",
        ends(nothing_sent(AWAY), succeeds),
        r"\(UPSTREAM_UNAVAILABLE\)",
        Code.UNAVAILABLE,
        CHANGES,
    ),
    SignedLie(
        END,
        "a limit, for nothing that was sent",
        ends(nothing_sent(upload_pb2.REASON_RATE_LIMITED), succeeds),
        "takes no more",
        Code.RATE_LIMITED,
        CHANGES,
    ),
    SignedLie(
        END,
        "a lost key, and a conflict for nothing that was sent",
        ends(failure(LOST), nothing_sent(OVERTAKEN), succeeds),
        r"\(CONFLICT\); it may or may not",
        UNKNOWN,
        CHANGES,
        attempts=2,
    ),
    no_attempt("that it is not known", failure(upload_pb2.REASON_OUTCOME_UNKNOWN), "^(?!.* still )"),
    conflict(
        "a conflict, after an engine that was away",
        ends(failure(AWAY), failure(OVERTAKEN)),
        r"\(CONFLICT\)",
        purposes=CHANGES,
        attempts=2,
    ),
    SignedLie(
        END,
        "a refusal, after a lost key",
        ends(failure(LOST), failure(upload_pb2.REASON_UPSTREAM_REFUSED)),
        "UPSTREAM_REFUSED",
        UNKNOWN,
        CHANGES,
        attempts=2,
    ),
    SignedLie(END, "lost keys for ever", ends(failure(LOST)), "^(?!.* still )", UNKNOWN, CHANGES, attempts=4),
    SignedLie(
        END,
        "an engine that stays away",
        ends(failure(AWAY)),
        "nothing was written",
        Code.UNAVAILABLE,
        CHANGES,
        attempts=4,
    ),
    SignedLie(
        END,
        "a comparison that cannot be read, after a lost key",
        ends(failure(LOST), failure(upload_pb2.REASON_CANNOT_READ)),
        "cannot be read",
        Code.REFUSED,
        ("compare",),
        attempts=2,
    ),
)
