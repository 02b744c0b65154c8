"""A put that others approved, as a store signs it: change, approvals, request, grant and receipt."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.change import Change, make_change, request_of
from monoskope.protocol.grant import Grant
from monoskope.protocol.receipt import Receipt
from tests.support.receipts import SEALED, receipt
from tests.support.signed_requests import Person
from tests.support.vectors import Signer, a_grant, a_request

ANNA, BEN, EVA, EVE = (Person(f"{name}@example.org") for name in ("anna", "ben", "eva", "eve"))


def a_change(identity: str, *, requester: str = ANNA.name, **fields: Any) -> Change:
    """Return a change of anna's on version 1@x."""
    request = a_request(expect=upload_pb2.EXPECT_VERSION, expect_version="1@x")
    given = {
        "change_id": secrets.token_bytes(16),
        "not_after": 2_000_000_000,
        "keys": ("a", "b"),
        "reason": "quarterly",
    }
    return make_change(request=request, requester=requester, identity=identity, **{**given, **fields})


class Executed:
    """A change of anna's that was executed, approved by `approvers` as the receipt says.

    Args:
        store: The store that signs.
        approvers: Whom the receipt names.
        change: What was approved; by default a new one.
    """

    def __init__(self, store: Signer, *approvers: Person, change: Change | None = None, **fields: Any) -> None:
        self.store = store
        self.change = change or a_change(store.shown)
        request = request_of(self.change, request_id=secrets.token_bytes(16), suites=(1,))
        self.grant: Grant = a_grant(request, signature_required=True, approvals=2)
        self.signature = ANNA.signs(self.grant, SEALED)
        self.approvals: Sequence[bytes] = [one.approves(self.change) for one in approvers]
        self.named = sorted((one.name, one.key) for one in approvers)
        self.fields = {"signer": ANNA.name, "signer_key": ANNA.key, "approvers": self.named, **fields}

    def receipt(self, kind: str = "UPLOADED") -> Receipt:
        """Return what the store signs of it."""
        return receipt(kind, grant=self.grant, **self.fields)
