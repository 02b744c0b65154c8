"""Each purpose as a client walks it, and an m8 that is honest about all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, UpstreamPage
from monoskope.errors import NotFoundError
from monoskope.testing.scripted.m8 import VERSION, Attempt, ScriptedM8
from tests.protocol.copied import DESTINATION, DESTINATION_IDENTITY, copied

URI = "vault://app/db"
VALUES = {"password": b"correct horse battery staple"}
NEWEST = b"newest"
"""What stands for the content of the newest receipt of a secret."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a user does, and what the user is told when it is not known whether it was done."""

    walk: Callable[[Client], Awaitable[object]]
    unknown: str
    outcomes: frozenset[str]
    """The kinds of receipts (`tests.support.receipts.GOOD`) that can end it."""


async def listed(client: Client) -> UpstreamPage:
    return await anext(client.list_upstream_pages(URI, timeout=60))


PURPOSES = {
    "put": Purpose(
        lambda client: client.put_secret(URI, VALUES, timeout=60),
        "it may or may not have been written",
        frozenset({"UPLOADED", "UNCHANGED"}),
    ),
    "patch": Purpose(
        lambda client: client.patch_secret(URI, VALUES, remove=["old"], timeout=60),
        "it may or may not have been patched",
        frozenset({"UPLOADED", "UNCHANGED"}),
    ),
    "delete": Purpose(
        lambda client: client.delete_secret(URI, timeout=60),
        "it may or may not have been deleted",
        frozenset({"DELETED"}),
    ),
    "generate": Purpose(
        lambda client: client.generate_secret(URI, {"password": "password", "key": "ed25519"}, timeout=60),
        "it may or may not have been generated",
        frozenset({"UPLOADED"}),
    ),
    "undelete": Purpose(
        lambda client: client.undelete_secret(URI, timeout=60),
        "it may or may not have been undeleted",
        frozenset({"UNDELETED", "UNDELETED unreadable"}),
    ),
    "rollback": Purpose(
        lambda client: client.rollback_secret(URI, "1@x", timeout=60),
        "it may or may not have been rolled back",
        frozenset({"ROLLED_BACK"}),
    ),
    "copy": Purpose(
        lambda client: client.copy_secret(URI, DESTINATION, keys=["password"], timeout=60),
        "it may or may not have been copied",
        frozenset({"COPIED"}),
    ),
    "compare": Purpose(
        lambda client: client.compare_secret(URI, VALUES, timeout=60),
        "whether it is equal is not known",
        frozenset({"EQUAL", "DIFFERENT"}),
    ),
    "verify": Purpose(
        lambda client: client.verify_secret(URI, timeout=60),
        "whether it is in sync is not known",
        frozenset({"IN_SYNC", "DRIFTED", "GONE"}),
    ),
    "import": Purpose(
        lambda client: client.import_secret(URI, timeout=60),
        "whether it was imported is not known",
        frozenset({"IMPORTED"}),
    ),
    "list": Purpose(
        listed,
        "which names are there is not known",
        frozenset({"LISTED", "LISTED nothing"}),
    ),
}
ATTEMPTED_ANEW = ("put", "patch", "delete", "generate", "undelete", "rollback")
"""Those of which a new attempt may begin."""


def success(attempt: Attempt) -> upload_pb2.Signed:
    if attempt.request.purpose == upload_pb2.PURPOSE_COPY:
        return copied(attempt)
    return in_sync(attempt) if attempt.request.purpose == upload_pb2.PURPOSE_VERIFY else attempt.success()


def in_sync(attempt: Attempt, of: bytes = NEWEST) -> upload_pb2.Signed:
    """The receipt of a verification against the receipt whose content is `of`."""
    digest = hashlib.sha256(of).digest()
    return attempt.receipt(upload_pb2.OUTCOME_IN_SYNC, upstream_version=VERSION, verified_sha256=digest)


class ShowingM8(ScriptedM8):
    """Has a second store, `local`, and shows receipts of a secret: one after the other, the last one for ever.

    None shows no receipt.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_store("local", DESTINATION_IDENTITY, kind="age")
        self.shown: list[bytes | None] = [NEWEST]
        self.end = lambda attempt: self.ended(attempt, success(attempt))

    def more(self, method: str, message: Message) -> Message:
        """Answer GetSecret, and that m8 knows no secret."""
        if isinstance(message, queries_pb2.ListSecretsRequest):
            return queries_pb2.ListSecretsResponse()
        if not isinstance(message, queries_pb2.GetSecretRequest):
            raise NotFoundError(f"{method}: nothing there.")
        content = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        secret = views_pb2.Secret(uri=URI)
        if content is not None:
            secret.receipt.content = content
        return queries_pb2.GetSecretResponse(secret=secret)
