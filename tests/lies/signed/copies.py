"""What a source shows of a copy: only receipts of both stores, each under its pin and of one content, are success."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import UPLOAD_GRANT
from monoskope.protocol.open_receipt import put_request_id
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import FINGERPRINT, Attempt
from tests.lies.lie import Step
from tests.lies.signed.row import SignedLie, ends, receipt
from tests.protocol.copied import DESTINATION, DESTINATION_IDENTITY, LABELS, by, copied, granted, there
from tests.protocol.purposes import ShowingM8
from tests.support.vectors import a_grant, a_request

Shows = Callable[[Attempt], Mapping[str, Any]]


def shows(fields: Shows) -> Callable[[ShowingM8], None]:
    """End the copy with a receipt of the source that shows these parts of the destination's."""
    return ends(receipt(lambda attempt: copied(attempt, **fields(attempt))))


def signed_otherwise(part: str, signer: Identity, label: bytes) -> Shows:
    """Both parts of the destination's, one of which is signed otherwise."""

    def fields(attempt: Attempt) -> dict[str, upload_pb2.Signed | None]:
        proof = by(granted(attempt))
        return {**proof, part: signer.sign(label, proof[part].content)}

    return fields


def granted_otherwise(**fields: object) -> Shows:
    """What the destination signed for another put."""
    return lambda attempt: {**by(granted(attempt, **fields))}


def destination(made: Callable[[Grant], upload_pb2.Signed]) -> Shows:
    """Another receipt of the destination's for this put."""

    def fields(attempt: Attempt) -> dict[str, upload_pb2.Signed | None]:
        put = granted(attempt)
        return {**by(put), "destination": made(put)}

    return fields


def _earlier_put(_: Attempt) -> Grant:
    return a_grant(a_request(uri=DESTINATION))


def _of_other_key(attempt: Attempt) -> dict[str, Any]:
    """What is true of a copy of `user`, where `password` was to be copied."""
    put = granted(attempt)
    return {**by(put), "destination": there(put, key="user"), "values": [("user", FINGERPRINT)]}


def _moved(m8: ShowingM8) -> None:
    m8.stores["local"].identity = Identity().shown


TO_COMPARE = {
    "purpose": upload_pb2.PURPOSE_COMPARE,
    "expect": upload_pb2.EXPECT_UNSPECIFIED,
    "keep_labels": False,
    "keep_expires_on": False,
}
OTHER = {label: LABELS[part] for part, label in zip(LABELS, reversed(LABELS.values()), strict=True)}

ROWS: dict[str, tuple[Shows, str]] = {
    **{
        f"a {part} of a thief": (signed_otherwise(part, Identity(), LABELS[part]), "not hold: .* is signed by")
        for part in LABELS
    },
    **{
        f"a {part} under another label": (
            signed_otherwise(part, DESTINATION_IDENTITY, OTHER[LABELS[part]]),
            "not hold: a signature does not verify",
        )
        for part in LABELS
    },
    "an earlier put": (lambda attempt: {**by(_earlier_put(attempt))}, "another request"),
    "an earlier copy": (granted_otherwise(request_id=put_request_id(b"e" * 16)), "another request"),
    "the receipt of an earlier put": (
        destination(lambda _: there(a_grant(a_request(uri=DESTINATION)))),
        "another grant",
    ),
    "a grant for another secret": (granted_otherwise(uri="local://app/other"), "another secret"),
    "a grant to compare": (granted_otherwise(**TO_COMPARE), "not for a put"),
    "a grant that erases labels": (granted_otherwise(keep_labels=False), "keeps other notes"),
    "a grant that expects less": (granted_otherwise(expect=upload_pb2.EXPECT_OVERWRITE), "expects something else"),
    "a malformed grant": (
        lambda attempt: {**by(granted(attempt)), "destination_grant": DESTINATION_IDENTITY.sign(UPLOAD_GRANT, b"x")},
        "malformed",
    ),
    "no grant": (
        lambda _: {"destination_grant": None},
        "but not by which request; it may or may not have been",
    ),
    "another place": (destination(lambda put: there(put, uri="local://app/other")), "proves nothing"),
    "another hash": (destination(lambda put: there(put, fingerprint=FINGERPRINT[:-1] + "0")), "proves nothing"),
    "another key than was to be copied": (_of_other_key, "copied other keys than were asked"),
    "another key": (destination(lambda put: there(put, key="user")), "hashes of other keys"),
    "no hash": (destination(lambda put: there(put, fingerprint="")), "proves nothing"),
    "no put": (destination(lambda put: there(put, outcome=upload_pb2.OUTCOME_IMPORTED)), "proves nothing"),
    "a malformed receipt": (destination(lambda _: upload_pb2.Signed(content=b"x")), "proves nothing"),
}
"""What a source shows as the destination's, and what its user is told."""

LIES = (
    *(
        SignedLie(Step.COPIES, name, shows(fields), f"^(?!.*nothing was).*{says}", Code.OUTCOME_UNKNOWN, ("copy",))
        for name, (fields, says) in ROWS.items()
    ),
    SignedLie(
        Step.COPIES,
        "the destination's receipt alone",
        ends(receipt(lambda attempt: there(granted(attempt)))),
        "signed by",
        Code.OUTCOME_UNKNOWN,
        ("copy",),
    ),
    SignedLie(
        Step.STORE,
        "another identity of the destination",
        _moved,
        "changed: .* is pinned",
        Code.IDENTITY_CHANGED,
        ("copy",),
        attempts=0,
    ),
)
