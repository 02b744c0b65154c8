"""Vectors of grants, of logins and of rotations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monoskope.api.secrets.v1 import identity_pb2
from tools.message_vectors import approved
from tools.message_vectors.parts import (
    GRANT,
    KEY_ID,
    OTHER,
    REPLICA,
    REQUEST_ID,
    STORE,
    Key,
    Vector,
    fault,
    grant,
    malformed,
    public_key,
    request,
    said,
    serialised,
)

_HELLO, _ROTATION = b"m8/reactor-hello/v1", b"m8/identity-rotation/v1"
_ASKED = serialised(request())
_CHALLENGE = bytes(range(32))
_SERVERS = ["m8.example.org:7443", "10.0.0.1:7443"]


def grants() -> Iterator[Vector]:
    """Yield signed grants: good ones, then one fault each."""
    good = serialised(grant(request()))
    base = {"signed": STORE.signed(GRANT, good), "identity": STORE.shown, "request": _ASKED.hex(), "subject": "anna"}

    def vector(name: str, expected: Vector, **changed: object) -> Vector:
        return {"name": name, **base, **changed, "expected": expected}

    yield vector("good", {"says": said(grant(request()))})
    yield vector("good, and nobody knows the subject", {"says": said(grant(request()))}, subject=None)
    for name, fields in _good_fields().items():
        message = grant(request(), **fields)
        changed = {"signed": STORE.signed(GRANT, serialised(message)), "subject": message.subject}
        yield vector(name, {"says": said(message)}, **changed)
    for name, (field, value) in _bad_fields().items():
        yield vector(name, malformed(field), signed=STORE.signed(GRANT, serialised(grant(request(), **{field: value}))))
    for name, asked, fields in (
        ("nine approvals", request(), {"signature_required": True, "approvals": 9}),
        ("approvals of what nobody signs", request(), {"approvals": 1}),
        ("approvals of what only looks", request("COMPARE"), {"signature_required": True, "approvals": 1}),
    ):
        signed = STORE.signed(GRANT, serialised(grant(asked, **fields)))
        yield vector(name, malformed("approvals"), signed=signed, request=serialised(asked).hex())
    two = request(suites=[2])
    yield vector(
        "suite that was not asked for",
        malformed("suite"),
        signed=STORE.signed(GRANT, serialised(grant(two))),
        request=serialised(two).hex(),
    )
    bad = serialised(grant(request(), request=serialised(request(suites=[]))))
    yield vector("malformed request", malformed("suites"), signed=STORE.signed(GRANT, bad))
    yield vector("unknown field", malformed("content"), signed=STORE.signed(GRANT, good + b"\xa2\x06\x00"))
    yield vector("true written as 2", malformed("content"), signed=STORE.signed(GRANT, good + b"\x48\x02"))
    yield vector("another request", fault("REQUEST"), request=serialised(request(request_id=REQUEST_ID[::-1])).hex())
    yield vector("another user", fault("SUBJECT"), subject="bert")
    yield from _bad_signatures(vector, good)


def _good_fields() -> dict[str, Vector]:
    return {
        "least of everything": {"subject": "a", "lifetime_s": 30, "max_plaintext": 512},
        "most of everything": {"subject": "\U0001f511" * 256, "lifetime_s": 3_600, "max_plaintext": 1_048_576},
        "subject with a byte order mark": {"subject": "\ufeffanna"},
        "signature required": {"signature_required": True},
        **approved.good_grants(),
    }


def _bad_fields() -> dict[str, tuple[str, object]]:
    return {
        "no subject": ("subject", ""),
        "subject of 257 characters": ("subject", "a" * 257),
        "suite 0": ("suite", 0),
        "suite 2": ("suite", 2),
        "public key of 1,215 bytes": ("public_key", public_key()[1:]),
        "public key of 1,217 bytes": ("public_key", public_key() + b"\0"),
        "replica of 15 bytes": ("replica", REPLICA[1:]),
        "no replica": ("replica", b""),
        "lifetime of 29 s": ("lifetime_s", 29),
        "lifetime of 3,601 s": ("lifetime_s", 3_601),
        "plaintext of 256": ("max_plaintext", 256),
        "plaintext of 1,000": ("max_plaintext", 1_000),
        "plaintext of 2 MiB": ("max_plaintext", 2_097_152),
        "no fingerprint key id": ("fingerprint_key_id", ""),
        "fingerprint key id in capitals": ("fingerprint_key_id", KEY_ID.upper()),
        "fingerprint key id of 17": ("fingerprint_key_id", KEY_ID + "0"),
    }


def _bad_signatures(vector: object, good: bytes) -> Iterator[Vector]:
    assert callable(vector)
    signed = STORE.signed(GRANT, good)
    yield vector("another identity", fault("IDENTITY"), signed=OTHER.signed(GRANT, good))
    yield vector(
        "another identity's key beside the signature",
        fault("IDENTITY"),
        signed=signed | {"identity_key": OTHER.public.hex()},
    )
    yield vector(
        "identity key of 31 bytes", fault("IDENTITY"), signed=signed | {"identity_key": STORE.public[1:].hex()}
    )
    yield vector("no identity key", fault("IDENTITY"), signed=signed | {"identity_key": ""})
    yield vector("label of receipts", fault("SIGNATURE"), signed=STORE.signed(b"m8/receipt/v1", good))
    yield vector("no label", fault("SIGNATURE"), signed=signed | {"signature": STORE.sign(b"", good).hex()})
    yield vector("signature of 63 bytes", fault("SIGNATURE"), signed=signed | {"signature": signed["signature"][2:]})
    yield vector("signature of 65 bytes", fault("SIGNATURE"), signed=signed | {"signature": signed["signature"] + "00"})
    yield vector("no signature", fault("SIGNATURE"), signed=signed | {"signature": ""})
    yield vector(
        "another bit of the signature", fault("SIGNATURE"), signed=signed | {"signature": _flipped(signed["signature"])}
    )
    yield vector(
        "another bit of the content", fault("SIGNATURE"), signed=signed | {"content": _flipped(signed["content"])}
    )
    yield vector(
        "signature with s plus the group's order",
        fault("SIGNATURE"),
        signed=signed | {"signature": _unreduced(signed["signature"])},
    )


def _flipped(digits: str) -> str:
    content = bytearray.fromhex(digits)
    content[-1] ^= 1
    return content.hex()


def _unreduced(digits: str) -> str:
    """The same signature in a second form, which RFC 8032 refuses."""
    content = bytes.fromhex(digits)
    order = 2**252 + 27742317777372353535851937790883648493
    return (content[:32] + (int.from_bytes(content[32:], "little") + order).to_bytes(32, "little")).hex()


def hellos() -> Iterator[Vector]:
    """Yield signed logins of reactors. Only m8 reads them."""
    yield _hello("good", None)
    yield _hello("by another name of m8", None, server="10.0.0.1:7443")
    yield _hello("another challenge", fault("CHALLENGE"), challenge=_CHALLENGE[::-1])
    yield _hello("another server", fault("SERVER"), server="m9.example.org:7443")
    yield _hello("another identity", fault("IDENTITY"), signer=OTHER)
    yield _hello("label of grants", fault("SIGNATURE"), label=GRANT)
    yield _hello("bad store", malformed("store"), store="Vault")
    yield _hello("replica of 15 bytes", malformed("replica"), replica=REPLICA[1:])
    yield _hello("challenge of 31 bytes", malformed("challenge"), challenge=_CHALLENGE[1:])
    yield _hello("no fingerprint key id", malformed("fingerprint_key_id"), fingerprint_key_id="")
    yield _hello("unknown field", malformed("content"), more=b"\xa2\x06\x00")


def _hello(
    name: str,
    expected: Vector | None,
    *,
    label: bytes = _HELLO,
    signer: Key = STORE,
    more: bytes = b"",
    **fields: Any,  # noqa: ANN401 - fields of a message
) -> Vector:
    """A login; None is expected of one that is read, and says what it says."""
    known: dict[str, Any] = {
        "server": _SERVERS[0],
        "store": "vault",
        "replica": REPLICA,
        "challenge": _CHALLENGE,
        "fingerprint_key_id": KEY_ID,
    }
    message = identity_pb2.ReactorHello(**{**known, **fields})
    signed = signer.signed(label, serialised(message) + more)
    given = {"identity": STORE.shown, "challenge": _CHALLENGE.hex(), "servers": _SERVERS}
    return {"name": name, "signed": signed, **given, "expected": expected or {"says": said(message)}}


_KEYS = [Key(100 + index) for index in range(67)]


_LOGGED: dict[str, dict[str, Any]] = {
    "with the log's tree": {"log_size": 7, "log_root": bytes(32)},
    "after another one": {"previous_sha256": bytes(32)},
    "root without a size": {"log_root": bytes(32)},
    "size without a root": {"log_size": 7},
    "root of 31 bytes": {"log_size": 7, "log_root": bytes(31)},
    "hash of 33 bytes": {"previous_sha256": bytes(33)},
}
"""Steps that say something of the log or of the step before, and the fields in which they do."""


def steps() -> dict[str, Vector]:
    """Return signed steps by their names: `3` leads from identity 3 to identity 4."""
    found = {str(index): _step(_KEYS[index], _KEYS[index + 1]) for index in range(66)}
    one, two = _KEYS[0], _KEYS[1]
    content = _content(one, two)
    found["back"] = _step(_KEYS[2], one)
    found["another store"] = _step(one, two, store="local")
    found["bad store"] = _step(one, two, store="Vault")
    found["nowhere"] = _step(one, one)
    found["old key of 31 bytes"] = _signed(
        one, two, serialised(identity_pb2.IdentityRotation(store="vault", old_key=one.public[1:], new_key=two.public))
    )
    found["new key of 33 bytes"] = _signed(
        one,
        two,
        serialised(identity_pb2.IdentityRotation(store="vault", old_key=one.public, new_key=two.public + b"\0")),
    )
    for name, fields in _LOGGED.items():
        found[name] = _signed(one, two, _content(one, two, **fields))
    found["unknown field"] = _signed(one, two, content + b"\xa2\x06\x00")
    found["old key did not sign"] = found["0"] | {"old_signature": two.sign(_ROTATION, content).hex()}
    found["new key did not sign"] = found["0"] | {"new_signature": one.sign(_ROTATION, content).hex()}
    found["label of hellos"] = found["0"] | {"new_signature": two.sign(_HELLO, content).hex()}
    return found


def rotations() -> Iterator[Vector]:
    """Yield chains of `steps` from a pin; `expected` has the last identity that they lead to."""

    def vector(name: str, pin: int, named: list[str], expected: Vector) -> Vector:
        return {"name": name, "store": "vault", "pin": _KEYS[pin].shown, "steps": named, "expected": expected}

    def last(index: int) -> Vector:
        return {"identity": _KEYS[index].shown}

    many = [str(index) for index in range(66)]
    yield vector("none", 0, [], last(0))
    yield vector("one step", 0, ["0"], last(1))
    yield vector("three steps", 0, many[:3], last(3))
    yield vector("steps before the pin", 2, many[:4], last(4))
    yield vector("steps that lead to the pin and not on", 3, many[:3], last(3))
    yield vector("steps of others", 9, many[:3], last(9))
    for name in ("with the log's tree", "after another one"):
        yield vector(name, 0, [name], last(1))
    yield vector("64 steps", 0, many[:64], last(64))
    yield vector("64 steps after one before the pin", 1, many[:65], last(65))
    yield vector("65 steps", 0, many[:65], fault("STEPS"))
    yield vector("a gap", 0, ["0", "2"], fault("CHAIN"))
    yield vector("out of order", 0, ["0", "2", "1"], fault("CHAIN"))
    yield vector("back to the pin", 0, ["0", "1", "back"], fault("BACK"))
    yield vector("back to what was before the pin", 1, ["0", "1", "back"], fault("BACK"))
    yield vector("another store", 0, ["another store"], fault("STORE"))
    for name in ("old key did not sign", "new key did not sign", "label of hellos"):
        yield vector(name, 0, [name], fault("SIGNATURE"))
    yield vector("before the pin: old key did not sign", 1, ["old key did not sign", "1"], fault("SIGNATURE"))
    fields = {"bad store": "store", "nowhere": "new_key", "new key of 33 bytes": "new_key", "unknown field": "content"}
    fields |= dict.fromkeys(("root without a size", "size without a root", "root of 31 bytes"), "log_root")
    fields["hash of 33 bytes"] = "previous_sha256"
    for name, field in fields.items():
        yield vector(name, 0, [name], malformed(field))
    yield vector("old key of 31 bytes", 0, ["old key of 31 bytes"], malformed("old_key"))


def _content(old: Key, new: Key, store: str = "vault", **fields: Any) -> bytes:  # noqa: ANN401 - of a message
    return serialised(identity_pb2.IdentityRotation(store=store, old_key=old.public, new_key=new.public, **fields))


def _step(old: Key, new: Key, store: str = "vault") -> Vector:
    return _signed(old, new, _content(old, new, store))


def _signed(old: Key, new: Key, content: bytes) -> Vector:
    signatures = {
        "old_signature": old.sign(_ROTATION, content).hex(),
        "new_signature": new.sign(_ROTATION, content).hex(),
    }
    return {"content": content.hex(), **signatures}
