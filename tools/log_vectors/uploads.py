"""Vectors of files of proofs, and of proofs of uploads."""

# ruff: noqa: ANN401 - the fields of messages
from __future__ import annotations

from typing import Any

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from tools.log_vectors import approved, evidence
from tools.log_vectors.evidence import FAILED, STORE, Put, receipt, receipt_bytes, rotation, shown, signed_by, sshsig
from tools.log_vectors.made import (
    LOG_TIME,
    ORIGIN,
    WITNESS_KEYS,
    WITNESSES,
    Vector,
    b64,
    entries,
    flipped,
    line,
    path,
    plain,
    policy,
    root,
    sha256,
    signed,
    subtree,
    witnessed,
)

PIN = {STORE: shown("identity")}


def files() -> list[Vector]:
    """The form alone: nothing is verified."""
    top = f"{ORIGIN}\n7\n{b64(root(entries(7)))}\n"
    note = plain(ORIGIN, top)
    hashes = entries(3)
    good = evidence.proof(b"extra", 3, hashes, f"{top}\n{note}").decode()
    h = b64(hashes[0])
    made = [
        {
            "name": "with extra data",
            "proof": b64(good.encode()),
            "expected": {"index": 3, "hashes": 3, "extra": b64(b"extra")},
        },
        {
            "name": "without extra data and hashes",
            "proof": b64(evidence.proof(b"", 0, [], f"{top}\n{note}")),
            "expected": {"index": 0, "hashes": 0, "extra": ""},
        },
    ]
    bad = {
        "empty": ("", "FORM"),
        "another version": (good.replace("@v1", "@v2", 1), "FORM"),
        "no index": (good.replace("index 3\n", ""), "FORM"),
        "the index before the extra data": (_swapped(good), "BASE64"),
        "no number": (good.replace("index 3", "index "), "NUMBER"),
        "a zero before the index": (good.replace("index 3", "index 03"), "NUMBER"),
        "an index of 2**63": (good.replace("index 3", f"index {2**63}"), "NUMBER"),
        "extra data twice": (good.replace("extra ZXh0cmE=\n", "extra ZXh0cmE=\nextra ZXh0cmE=\n"), "FORM"),
        "extra without data": (good.replace("extra ZXh0cmE=", "extra "), "BASE64"),
        "extra data with bits left over": (good.replace("ZXh0cmE=", "ZXh0cmF="), "BASE64"),
        "a hash of 31 bytes": (good.replace(h, b64(hashes[0][:-1])), "BASE64"),
        "a hash that is no base64": (good.replace(h, h[:-2] + "!="), "BASE64"),
        "a space after a hash": (good.replace(h, h + " "), "BASE64"),
        "64 hashes": (evidence.proof(b"", 0, entries(64), f"{top}\n{note}").decode(), "SIZE"),
        "an empty line between hashes": (good.replace(f"{h}\n", f"{h}\n\n"), "FORM"),
        "no empty line": (good.replace("\n\n", "\n"), "FORM"),
        "two empty lines before the checkpoint": (good.replace("\n\n", "\n\n\n", 1), "FORM"),
        "a carriage return": (good.replace("\n", "\r\n"), "FORM"),
        "no note": (good[: good.index("\n\n") + 2], "FORM"),
        "a new line at the end": (good + "\n", "FORM"),
        "a byte order mark": ("\ufeff" + good, "FORM"),
    }
    return made + [
        {"name": name, "proof": b64(content.encode()), "expected": {"fault": fault}}
        for name, (content, fault) in bad.items()
    ]


def _swapped(proof: str) -> str:
    lines = proof.split("\n")
    lines[1], lines[2] = lines[2], lines[1]
    return "\n".join(lines)


def uploads() -> list[Vector]:
    """Return the vectors of proofs of uploads."""
    return [*_good(), *_of_the_record(), *_of_the_store(), *_of_the_signer(), *_of_the_log(), *_approved()]


def _vector(
    name: str, put: Put, expected: Any, *, rules: Vector | None = None, pins: Any = None, file: bytes = b""
) -> Vector:
    return {
        "name": name,
        "proof": b64(file or put.file()),
        "policy": rules or policy(),
        "pins": PIN if pins is None else pins,
        "expected": {"fault": expected} if isinstance(expected, str) else expected,
    }


def _says(outcome: str = "UPLOADED", **more: Any) -> Vector:
    return {
        "uri": f"{STORE}://team-a/db",
        "purpose": "UPLOAD",
        "outcome": outcome,
        "ended": True,
        "position": evidence.INDEX + 1,
        "recorded_at_ms": evidence.RECORDED_AT_MS,
        "identity": shown("identity"),
        "signer": "",
        "by_s": None,
        **more,
    }


NEXT = {STORE: shown("the next identity")}


def _before(size: int) -> Put:
    """A put by an identity that the store then gave up, when its log had so many entries."""
    put = Put()
    put.rotations = [rotation("identity", "the next identity", of=put.tree()[:size])]
    if size > put.index:
        put.before = path(put.index, put.tree()[:size])
    return put


def _two_steps(*, named: bool = True) -> Put:
    put = _before(6)
    previous = sha256(put.rotations[0].content if named else b"another step")
    put.rotations.append(rotation("the next identity", "the last identity", previous=previous))
    return put


def _good() -> list[Vector]:
    made = Put(), Put(required=True)
    put, wanted = made
    rotated = Put(by="the next identity")
    rotated.rotations = [rotation("identity", "the next identity")]
    failed = Put()
    failed.event = events_pb2.SecretUploadFailed(
        reason=upload_pb2.REASON_CONFLICT, receipt=receipt(failed.grant_bytes, **FAILED)
    )
    timed_out = Put()
    timed_out.grant = None
    timed_out.event = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_NO_REACTOR)
    begun = Put()
    started = {**FAILED, "outcome": upload_pb2.OUTCOME_STARTED, "reason": 0, "intent": b"\1" * 32}
    begun.event = events_pb2.SecretUploadStarted(receipt=receipt(begun.grant_bytes, **started))
    refused = Put(required=True)
    refused.signature = b"not a signature"
    no = {**FAILED, "reason": upload_pb2.REASON_NOT_AUTHORIZED}
    refused.event = events_pb2.SecretUploadFailed(
        reason=upload_pb2.REASON_NOT_AUTHORIZED, receipt=receipt(refused.grant_bytes, **no)
    )
    two = policy(2, witnesses=WITNESS_KEYS)
    return [
        _vector("a put", put, _says()),
        _vector("a signed put", wanted, _says(signer=evidence.ANNA)),
        _vector(
            "with two witnesses", put, _says(by_s=LOG_TIME + 5), rules=two, file=put.file(*witnessed(put.text(), 2))
        ),
        _vector(
            "with three witnesses", put, _says(by_s=LOG_TIME + 4), rules=two, file=put.file(*witnessed(put.text(), 3))
        ),
        _vector("under a rotated identity", rotated, _says(identity=shown("the next identity"))),
        _vector(
            "under a rotated identity that is pinned",
            rotated,
            _says(identity=shown("the next identity")),
            pins={STORE: shown("the next identity")},
        ),
        _vector("by a former identity before the rotation", _before(6), _says(), pins=NEXT),
        _vector("by a former identity in the whole tree", _before(evidence.SIZE), _says(), pins=NEXT),
        _vector("by the first of three identities", _two_steps(), _says(), pins={STORE: shown("the last identity")}),
        _vector("failed", failed, _says("FAILED")),
        _vector("ended by m8", timed_out, _says("", identity="")),
        _vector("under way", begun, _says("STARTED", ended=False)),
        _vector("refused by the reactor for its signature", refused, _says("FAILED")),
    ]


def _changed(**attributes: Any) -> Put:
    put = Put()
    for name, value in attributes.items():
        setattr(put, name, value)
    return put


def _of_the_record() -> list[Vector]:
    good = Put()
    whole = good.file()
    other = _changed(record_fields={"recorded_at_ms": evidence.RECORDED_AT_MS + 1})
    same_place = _changed(index=evidence.INDEX - 1)
    unknown = _changed(record=evidence.record(events_pb2.SecretUploaded(receipt=good.receipt)) + b"\xf8\x07\x01")
    return [
        _vector("another time in the record", good, "TREE", file=good.file(extra=other.extra())),
        _vector("the record names another position", same_place, "RECORD"),
        _vector("of another request", _changed(record_fields={"stream": f"upload/{'ab' * 16}"}), "RECORD"),
        _vector("not of a request's stream", _changed(record_fields={"stream": "secret-stores"}), "RECORD"),
        _vector("of another secret", _changed(record_fields={"uri": f"{STORE}://team-a/other"}), "RECORD"),
        _vector("an outline", _changed(record_fields={"data_sha256": sha256(b"")}), "RECORD"),
        _vector("another event", _changed(record_fields={"type": "TokenRevoked"}), "RECORD"),
        _vector("an event that its receipt does not fit", _changed(record_fields={"type": "SecretCompared"}), "RECORD"),
        _vector("a field that is unknown", unknown, "RECORD"),
        _vector("another index", good, "TREE", file=whole.replace(b"index 4", b"index 5")),
        _vector(
            "one bit of a hash", good, "TREE", file=good.file(hashes=[flipped(good.hashes()[0]), *good.hashes()[1:]])
        ),
        _vector("a hash is missing", good, "TREE", file=good.file(hashes=good.hashes()[:-1])),
        _vector("without evidence", good, "FORM", file=good.file(extra=b"")),
        _vector("evidence that is none", good, "FORM", file=good.file(extra=b"\xff\xff")),
        _vector("evidence with an unknown field", good, "FORM", file=good.file(extra=good.extra() + b"\xf8\x07\x01")),
    ]


def _of_the_store() -> list[Vector]:
    good = Put()
    grant = good.grant
    assert grant is not None
    spoilt = upload_pb2.Signed(
        content=grant.content, signature=flipped(grant.signature), identity_key=grant.identity_key
    )
    wrong = upload_pb2.Signed(
        content=good.receipt.content, signature=flipped(good.receipt.signature), identity_key=good.receipt.identity_key
    )
    theirs = signed_by("a stranger", b"m8/upload-grant/v1", good.grant_bytes)
    labelled = signed_by("identity", b"m8/upload-grant/v1", receipt_bytes(good.grant_bytes))
    rotated = Put(by="the next identity")
    rotated.rotations = [rotation("identity", "the next identity", by="a stranger")]
    elsewhere = Put(by="the next identity")
    elsewhere.rotations = [rotation("identity", "the next identity", store="other")]
    former = Put()
    former.rotations = [rotation("identity", "the next identity")]
    unproven, another = _before(6), _before(6)
    unproven.before = []
    another.rotations = [rotation("identity", "the next identity", of=entries(6))]
    return [
        _vector("no pin", good, "IDENTITY", pins={}),
        _vector("another pin", good, "IDENTITY", pins={STORE: shown("a stranger")}),
        _vector("a pin of another store alone", good, "IDENTITY", pins={"other": shown("identity")}),
        _vector(
            "signed by an identity of before the pin", former, "IDENTITY", pins={STORE: shown("the next identity")}
        ),
        _vector("by a former identity after the rotation", _before(evidence.INDEX), "IDENTITY", pins=NEXT),
        _vector("by a former identity, without the proof of before", unproven, "IDENTITY", pins=NEXT),
        _vector("by a former identity, with another root", another, "IDENTITY", pins=NEXT),
        _vector(
            "by an identity whose step the next one does not name",
            _two_steps(named=False),
            "IDENTITY",
            pins={STORE: shown("the last identity")},
        ),
        _vector("a rotation that the old key did not sign", rotated, "IDENTITY"),
        _vector("a rotation of another store", elsewhere, "IDENTITY"),
        _vector("no rotation to the identity", Put(by="the next identity"), "IDENTITY"),
        _vector("the grant of a stranger", _changed(grant=theirs), "IDENTITY"),
        _vector("one bit of the grant's signature", _changed(grant=spoilt), "GRANT"),
        _vector("no grant", _changed(grant=None), "GRANT"),
        _vector("another request of the same id", _changed(request=evidence.request(expires_on="2030-01-01")), "GRANT"),
        _vector("the receipt of a stranger", _changed(receipt=receipt(good.grant_bytes, "a stranger")), "IDENTITY"),
        _vector("one bit of the receipt's signature", _changed(receipt=wrong), "RECEIPT"),
        _vector("a receipt that is signed as a grant", _changed(receipt=labelled), "RECEIPT"),
        _vector("a receipt for another grant", _changed(receipt=receipt(b"another grant")), "RECEIPT"),
        _vector(
            "a receipt for another secret",
            _changed(receipt=receipt(good.grant_bytes, uri=f"{STORE}://team-a/x")),
            "RECEIPT",
        ),
        _vector(
            "an outcome of another purpose",
            _changed(receipt=receipt(good.grant_bytes, outcome=upload_pb2.OUTCOME_IMPORTED, prior_version="")),
            "RECEIPT",
        ),
        _vector("a receipt with a signer of an unsigned put", _changed(receipt=_named(good)), "RECEIPT"),
    ]


def _named(put: Put) -> upload_pb2.Signed:
    return receipt(put.grant_bytes, signer=evidence.ANNA, signer_key=evidence.key_text("anna"))


def _of_the_signer() -> list[Vector]:
    none, other, statement, spoilt = (Put(required=True) for _ in range(4))
    none.signature = b""
    other.signature = sshsig("ben", other.grant_bytes)
    statement.signature = sshsig("anna", statement.grant_bytes, sha256(b"other bytes"))
    spoilt.signature = flipped(spoilt.signature, -1)
    added = Put()
    added.signature = sshsig("anna", added.grant_bytes)
    return [
        _vector("no signature of the request", none, "SIGNER"),
        _vector("the signature of another user", other, "SIGNER"),
        _vector("a signature over other sealed bytes", statement, "SIGNER"),
        _vector("one bit of the request's signature", spoilt, "SIGNER"),
        _vector("a signature of a request that needs none", added, "SIGNER"),
    ]


def _approved() -> list[Vector]:
    return [
        *(_vector(name, put, _says(signer=evidence.ANNA, **_by(put))) for name, put in approved.good().items()),
        *(_vector(name, put, "APPROVALS") for name, put in approved.bad().items()),
    ]


def _by(put: Put) -> Vector:
    receipt = upload_pb2.Receipt.FromString(put.receipt.content)
    return {
        "change_sha256": receipt.change_sha256.hex(),
        "approvers": [[one.principal, one.key] for one in receipt.approvers],
        "break_glass": receipt.break_glass,
    }


def _of_the_log() -> list[Vector]:
    put = Put()
    text = put.text()
    two = policy(2, witnesses=WITNESS_KEYS)
    elsewhere = text.replace(ORIGIN, "monoskope/fedcba9876543210")
    bad_witness = line(WITNESSES[0], 4, (LOG_TIME).to_bytes(8, "big") + b"x" * 64)
    only = f"{text}\n{plain(ORIGIN, text)}"
    forged = f"{text}\n{plain(ORIGIN, text)}{subtree(ORIGIN, text.replace('7', '8', 1), LOG_TIME)}"
    return [
        _vector("a checkpoint of another log", put, "ORIGIN", file=put.file(note=signed(elsewhere))),
        _vector("a checkpoint that is not signed with ML-DSA-44", put, "UNSIGNED", file=put.file(note=only)),
        _vector("a checkpoint with the ML-DSA-44 signature of another", put, "SIGNATURE", file=put.file(note=forged)),
        _vector("one of two witnesses", put, "QUORUM", rules=two, file=put.file(*witnessed(text, 1))),
        _vector("a witness whose signature does not verify", put, "SIGNATURE", rules=two, file=put.file(bad_witness)),
    ]
