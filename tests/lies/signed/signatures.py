"""Lies to a user whose requests are signed: each attempt is signed once, and no second one is given away."""

from __future__ import annotations

from functools import partial

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code, UnavailableError
from monoskope.testing.scripted.m8 import Attempt
from tests.lies.lie import Step
from tests.lies.signed.grants import fails
from tests.lies.signed.row import CHANGES, SignedLie, ends, failure, once, succeeds, unsigned
from tests.protocol.purposes import ShowingM8
from tests.support.signed_requests import OwnSigner

LOST, AWAY = upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_UPSTREAM_UNAVAILABLE
NOT_AUTHORIZED = upload_pb2.REASON_NOT_AUTHORIZED
OTHER = OwnSigner()


def _of_another_key(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
    """End it with a receipt that names another key than the user's."""
    attempt.signatures.append(OTHER.signs_statement(b""))
    try:
        return succeeds(m8, attempt)
    finally:
        attempt.signatures.pop()


to_signer = partial(SignedLie, Step.END, signs=True)

LIES = (
    to_signer("nothing false, of a signed request", ends(succeeds)),
    to_signer("an m8 that is away twice", fails("RequestUploadSecret", *[UnavailableError("away.")] * 2)),
    *(
        to_signer(f"{reason}, signed, of a signed request", once(failure(number)), purposes=CHANGES, attempts=2)
        for reason, number in (("a lost key", LOST), ("an engine that was away", AWAY))
    ),
    *(
        to_signer(
            f"{reason}, of a signed request",
            ends(unsigned(number)),
            "no receipt",
            code=Code.OUTCOME_UNKNOWN,
            purposes=CHANGES,
        )
        for reason, number in (("KEY_LOST", LOST), ("AWAY", AWAY), ("NOT_AUTHORIZED", NOT_AUTHORIZED))
    ),
    to_signer(
        "that the store's list has no such key",
        ends(failure(NOT_AUTHORIZED)),
        r"\(NOT_AUTHORIZED\).*audit log",
        code=Code.NOT_AUTHORIZED,
    ),
    to_signer("a receipt that names another key", ends(_of_another_key), "and not yours", code=Code.OUTCOME_UNKNOWN),
)
