"""Vectors of proofs of what others approved."""

# ruff: noqa: ANN401 - the fields of messages
from __future__ import annotations

from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from tools.log_vectors.evidence import ANNA, Put, approval, key_text, public, receipt, request
from tools.log_vectors.made import flipped, sha256

BEN, EVA = "ben", "eva"
_ON: dict[str, Any] = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": "1@2026-11-25T10:00:00Z"}


def principal(name: str) -> str:
    """Return how the store's list calls somebody."""
    return f"{name}@example.org"


def change(**fields: Any) -> bytes:
    """Return a serialised Change; fields can be others."""
    asked = upload_pb2.UploadRequest.FromString(request(**_ON))
    asked.ClearField("request_id")
    asked.ClearField("suites")
    made = {
        "change_id": sha256(b"change")[:16],
        "request": asked.SerializeToString(deterministic=True),
        "requester": ANNA,
        "identity": sha256(public("identity")),
        "not_after": 1_798_000_000,
        "keys": ["password"],
        "reason": "quarterly",
    }
    return upload_pb2.Change(**{**made, **fields}).SerializeToString(deterministic=True)


class Approved(Put):
    """A put of anna's that executed a change, which ben and eva approved; each part can be another one."""

    def __init__(self, content: bytes = b"", *, named: tuple[str, ...] = (BEN, EVA), **request_fields: Any) -> None:
        content = content or change()
        super().__init__(required=True, **{**_ON, "change_sha256": sha256(content), **request_fields})
        self.change = content
        self.approvals = [approval(name, content) for name in named]
        who = [upload_pb2.Approver(principal=principal(name), key=key_text(name)) for name in named]
        signed: dict[str, Any] = {"signer": ANNA, "signer_key": key_text("anna"), "change_sha256": sha256(content)}
        self.receipt = receipt(self.grant_bytes, approvers=who, **signed)


def good() -> dict[str, Put]:
    """Return those that hold."""
    glass = Put(required=True, break_glass="the site is down", **_ON)
    signed = {"signer": ANNA, "signer_key": key_text("anna"), "break_glass": "the site is down"}
    glass.receipt = receipt(glass.grant_bytes, **signed)
    return {
        "a put that two others approved": Approved(),
        "a change that nobody had to approve": Approved(named=()),
        "a put without the approvals that it takes": glass,
    }


def bad() -> dict[str, Put]:
    """Return those whose change or approvals do not hold."""
    other = change(reason="another reason")
    found: dict[str, Put] = {
        "a change for another requester": Approved(change(requester=principal("mallory"))),
        "a change for another identity": Approved(change(identity=sha256(public("a stranger")))),
        "a change for another version than was asked": Approved(expect_version="2@2026-11-26T10:00:00Z"),
    }
    parts: dict[str, dict[str, Any]] = {
        "no change": {"change": b""},
        "another change": {"change": other},
        "a change that is none": {"change": b"\xff"},
        "no approvals": {"approvals": []},
        "an approver without an approval": {"approvals": [approval(BEN, change())]},
        "an approval of somebody who is not named": {
            "approvals": [approval(name, change()) for name in (BEN, EVA, "mallory")]
        },
        "approvals in another order": {"approvals": [approval(name, change()) for name in (EVA, BEN)]},
        "one approval twice": {"approvals": [approval(name, change()) for name in (BEN, BEN, EVA)]},
        "an approval by another key": {"approvals": [approval(name, change()) for name in (BEN, "mallory")]},
        "an approval of another change": {"approvals": [approval(BEN, change()), approval(EVA, other)]},
        "an approval in the namespace of requests": {
            "approvals": [approval(BEN, change()), approval(EVA, change(), b"request@monoskope")]
        },
        "one bit of an approval": {"approvals": [approval(BEN, change()), flipped(approval(EVA, change()), -1)]},
    }
    for name, attributes in parts.items():
        found[name] = Approved()
        for attribute, value in attributes.items():
            setattr(found[name], attribute, value)
    unasked = Put(required=True)
    unasked.change = change()
    approved = Put(required=True)
    approved.approvals = [approval(BEN, change())]
    return {**found, "a change that no receipt names": unasked, "an approval where no change is named": approved}
