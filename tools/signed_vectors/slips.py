"""What another implementation easily gets wrong: large numbers, letters' case, twins, prefixes, the longest names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support import ssh_blobs
from tests.support.ssh_blobs import certificate, container, mpint, signed, string, to_sign
from tools.signed_vectors.vector import ANNA, MAY, STATEMENT, VALID, Vector, authority, plain, vector

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P = 2**255 - 19
_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
"""The prime of Ed25519, and the y of two points of order 8."""
_LAST, _BEFORE = 2**64 - 1, 2**64 - 2
"""Two serial numbers that are one as a floating-point number."""
_LONGEST = "a" * 116 + "@example.org"


def slips() -> Iterator[Vector]:
    """Yield good signatures, and faults, that are easily taken for the opposite."""
    yield from _twins()
    yield from _points()
    yield from _certificates()
    yield from _permissions()
    hardware = ssh_blobs.ed25519(b"ssh:")
    flags = container(hardware.blob, hardware.sign(to_sign(STATEMENT), flags=0xC5))
    yield vector("sk-other-flags", flags, plain(hardware.line), made_by="hand", key=hardware.line)


def _twins() -> Iterator[Vector]:
    """Of an ECDSA signature (r, s) there is (r, n - s), too. Both are good, and ssh-keygen makes either."""
    curve = ssh_blobs.ecdsa(256)
    body = curve.sign_body(b"", to_sign(STATEMENT))
    size = int.from_bytes(body[:4], "big")
    r, s = (int.from_bytes(part, "big") for part in (body[4 : 4 + size], body[8 + size :]))
    low, high = sorted((s, _P256_ORDER - s))
    for name, number in (("ecdsa-low-s", low), ("ecdsa-high-s", high)):
        signature = container(curve.blob, string(curve.name) + string(mpint(r) + mpint(number)))
        yield vector(name, signature, plain(curve.line), made_by="hand", key=curve.line)


def _points() -> Iterator[Vector]:
    curve = ssh_blobs.ecdsa(256)
    point = curve.fields[16:]
    for name, wrong in (("ecdsa-point-with-a-byte-more", point + b"\x00"), ("ecdsa-point-at-infinity", b"\x00")):
        blob = string(curve.name) + string(b"nistp256") + string(wrong)
        signature = container(blob, curve.sign(to_sign(STATEMENT)))
        yield vector(name, signature, plain(curve.line), made_by="hand", fault="point")
    key = ssh_blobs.ed25519()
    small = {
        "order-2": _P - 1,
        "order-4": 0,
        "order-8": _OF_ORDER_8,
        "order-8-and-another": _P - _OF_ORDER_8,
        "order-8-with-its-sign": _OF_ORDER_8 | 1 << 255,
    }
    for name, point in (
        *((f"ed25519-of-{order}", y.to_bytes(32, "little")) for order, y in small.items()),
        ("ed25519-of-33-bytes", key.fields[4:] + b"\x00"),
    ):
        signature = container(string(b"ssh-ed25519") + string(point), key.sign(to_sign(STATEMENT)))
        yield vector(name, signature, plain(key.line), made_by="hand", fault="point")


def _certificates() -> Iterator[Vector]:
    key, ca = ssh_blobs.ed25519(), ssh_blobs.ed25519()
    named = authority(ca.line)
    other_case = authority(ca.line, principals="*@Example.org,Anna@example.org")
    good: dict[str, Any] = {"key": key.line}
    laptop = {"serial": 0, "key_id": b"anna's laptop"}
    for name, fields, signers, end in (
        ("another-serial-of-64-bits-revoked", {"serial": _LAST}, named, {**good, "revoked": _serial(ca, _BEFORE)}),
        ("serial-of-64-bits-revoked", {"serial": _LAST}, named, {"fault": "revoked", "revoked": _serial(ca, _LAST)}),
        ("serial-0-revoked", {"serial": 0}, named, {"fault": "revoked", "revoked": _serial(ca, 0)}),
        ("key-id-revoked", laptop, named, {"fault": "revoked", "revoked": f"{ca.fingerprint} id anna's laptop\n"}),
        ("another-key-id-revoked", laptop, named, {**good, "revoked": f"{ca.fingerprint} id anna's\n"}),
        ("ca-listed-for-the-name-in-another-case", {}, other_case, {"fault": "unlisted"}),
        ("key-id-empty", {"key_id": b""}, named, good),
        ("key-id-in-another-script", {"key_id": "Анна".encode()}, named, good),
        ("principal-of-129-characters", {"principals": (f"a{_LONGEST}".encode(),)}, named, {"fault": "principals"}),
    ):
        signature = signed(key, STATEMENT, certificate(key, ca, **{"valid": VALID, **fields}))  # type: ignore[arg-type]
        yield vector(name, signature, signers, made_by="hand", **end)


def _serial(ca: ssh_blobs.SshKey, number: int) -> str:
    return f"{ca.fingerprint} serial {number}\n"


def _permissions() -> Iterator[Vector]:
    key = ssh_blobs.ed25519()
    signature, line = signed(key, STATEMENT), plain(key.line)
    entry = MAY[0]
    copy = {"purpose": "copy", "uri": "vault://team-a/db", "destination": "local://elsewhere/db"}
    to_store = {"principal": ANNA, "prefixes": ["team-a"], "purposes": ["copy"], "destinations": ["local://"]}
    for name, may, request in (
        ("permitted-at-all-paths", {**entry, "prefixes": [""]}, None),
        ("permitted-at-this-very-path", {**entry, "prefixes": ["team-a/db"]}, None),
        ("copy-to-a-whole-store", to_store, copy),
    ):
        yield vector(name, signature, line, made_by="hand", key=key.line, may=[may], request=request)
    above = {"purpose": "upload", "uri": "vault://team-a"}
    for name, may, request in (
        ("not-permitted-above-the-prefix", {**entry, "prefixes": ["team-a/db"]}, above),
        ("not-permitted-path-in-another-case", {**entry, "prefixes": ["Team-a"]}, None),
        ("not-permitted-principal-in-another-case", {**entry, "principal": "Anna@example.org"}, None),
    ):
        yield vector(name, signature, line, made_by="hand", fault="not-permitted", may=[may], request=request)
    longest = plain(key.line, principal=_LONGEST)
    may = {**entry, "principal": _LONGEST}
    yield vector(
        "principal-of-128-characters", signature, longest, made_by="hand", key=key.line, signer=_LONGEST, may=[may]
    )


def lists() -> Iterator[dict[str, Any]]:
    """Yield whole lists that are easily taken for the opposite."""
    key, curve = ssh_blobs.ed25519(), ssh_blobs.ecdsa(256)
    kind, _, body = curve.line.partition(" ")
    assert body.rstrip("=") == body[:-1], "the base64 of 104 bytes"
    for name, text, good in (
        ("indented", f" \tanna  {key.line}\n", True),
        ("principal-of-128-characters", f"{_LONGEST} {key.line}\n", True),
        ("principal-of-129-characters", f"a{_LONGEST} {key.line}\n", False),
        ("ca-names-and-ends-of-names", f"anna,*@a.corp,*@b.corp cert-authority {key.line}\n", True),
        ("base64-without-its-padding", f"anna {kind} {body[:-1]}\n", False),
        ("base64-with-other-last-bits", f"anna {kind} {body[:-2]}{_next(body[-2])}=\n", False),
        ("time-with-minutes", f'anna valid-before="202801011530Z" {key.line}\n', True),
        ("time-with-hours-alone", f'anna valid-before="2028010115Z" {key.line}\n', False),
        ("kind-cut-short", f"anna cert-authority ssh-ed {key.line.split()[1]}\n", False),
        ("options-in-two-words", f'anna cert-authority namespaces="request@monoskope" {key.line}\n', False),
    ):
        yield {"name": name, "list": "allowed_signers", "text": text, "good": good}
    for name, text, good in (
        ("indented", f"  {key.fingerprint}\tserial  7 \n", True),
        ("serial-in-capitals", f"{key.fingerprint} SERIAL 7\n", False),
        ("serial-without-its-number", f"{key.fingerprint} serial\n", False),
    ):
        yield {"name": name, "list": "revoked", "text": text, "good": good}


def _next(character: str) -> str:
    """The next letter of base64. The last before one `=` says four bits, and two that are 0."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return letters[letters.index(character) + 1]
