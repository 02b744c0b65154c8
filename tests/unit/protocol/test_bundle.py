"""The bundle: one form alone, and a fingerprint over all of it."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.m8.http import tls
from monoskope.protocol.bundle import MAX_BYTES, Bundle, Log, Login, NoBundleError, certificates_in, pem_of
from monoskope.protocol.identity import shown_digest
from monoskope.text import is_shown
from tests.support.bundles import IDENTITY, SERVER, a_bundle, vkeys, witness

CONTENT = bytes(a_bundle())


def test_what_is_written_is_read_as_the_same() -> None:
    pem = "".join(tls.make([], now=dt.datetime.now(dt.UTC)).ca.decode() for _ in range(2))
    made = a_bundle(ca=certificates_in(pem), login=Login("https://login.example.org", "c", ca=certificates_in(pem)))
    assert Bundle.parse(bytes(made)) == made
    assert pem_of(made.ca) == pem
    assert made.fingerprint == shown_digest(hashlib.sha256(bytes(made)).digest())


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_a_bundle_with_one_byte_changed_has_another_fingerprint_or_is_none(at: int, change: int) -> None:
    changed = bytearray(CONTENT)
    changed[at] ^= change
    try:
        found = Bundle.parse(bytes(changed))
    except NoBundleError:
        return
    assert bytes(found) == bytes(changed)
    assert found.fingerprint != a_bundle().fingerprint


@given(
    st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True), min_size=1, max_size=5, unique=True),
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=200).filter(is_shown),
)
def test_any_bundle_is_read_again_byte_for_byte(names: list[str], contact: str) -> None:
    stores = {name: f"SHA256:{index:0>43}" for index, name in enumerate(names)}
    made = a_bundle(stores=stores, contact=contact, default_store="")
    assert bytes(Bundle.parse(bytes(made))) == bytes(made)


OTHER_FORMS = {
    "nothing": b"",
    "no JSON": b"\xff",
    "a list": b"[]",
    "an end": CONTENT + b"\n",
    "a space": CONTENT.replace(b'"contact":', b'"contact" :'),
    "an escape": CONTENT.replace(b"phone", b"\\u0070hone"),
    "a field twice": CONTENT.replace(b'  "contact"', b'  "contact": "Eve",\n  "contact"'),
    "a field more": CONTENT.replace(b'  "contact"', b'  "token": "x",\n  "contact"'),
    "no format": CONTENT.replace(b'  "format": "monoskope-bundle/1",\n', b""),
    "another format": CONTENT.replace(b"bundle/1", b"bundle/2"),
    "a default that is written": CONTENT.replace(b'"scopes"', b'"audience": "",\n    "scopes"'),
    "stores in another order": CONTENT.replace(b'"age"', b'"zzz"'),
    "nested for ever": b"[" * 60_000,
    "a lone surrogate": CONTENT.replace(b"phone", b"\\ud800"),
    "too large": CONTENT + b" " * MAX_BYTES,
}


@pytest.mark.parametrize("content", OTHER_FORMS.values(), ids=OTHER_FORMS.keys())
def test_no_other_form_is_a_bundle(content: bytes) -> None:
    with pytest.raises(NoBundleError):
        Bundle.parse(content)


def test_ten_thousand_stores_are_refused_before_they_are_read() -> None:
    many = {f"s{number}": f"SHA256:{number:0>43}" for number in range(10_000)}
    with pytest.raises(NoBundleError, match="more than 65,536 bytes"):
        Bundle.parse(bytes(a_bundle(stores=many, default_store="")))


RULES: list[tuple[str, dict[str, Any]]] = [
    ("server ''", {"servers": ()}),
    ("in lower case", {"servers": ("m8",)}),
    ("`servers` must be host:port", {"servers": ("M8.example.org:7443",)}),
    ("is named twice", {"servers": (SERVER, SERVER)}),
    ("`contact`", {"contact": ""}),
    ("`contact`", {"contact": "Anna\u202e"}),
    ("`contact`", {"contact": "Anna\n"}),
    ("`contact`", {"contact": "A" * 201}),
    ("`login.issuer`", {"login": Login("http://login.example.org", "c")}),
    ("`login.issuer`", {"login": Login("https://login.example.org/?a=b", "c")}),
    ("`login.client_id`", {"login": Login("https://login.example.org", "")}),
    ("`login.hosts`", {"login": Login("https://login.example.org", "c", hosts="a\tb")}),
    ("Ed25519 key, then", {"log": Log((vkeys()[1], vkeys()[0]))}),
    ("one name", {"log": Log((vkeys()[0], vkeys("another")[1]))}),
    ("given together", {"log": Log(vkeys(), (witness(),))}),
    ("the quorum", {"log": Log(vkeys(), (), 1)}),
    ("store name", {"stores": {"Vault": IDENTITY}, "default_store": ""}),
    ("identity", {"stores": {"vault": "SHA256:x"}}),
    ("an identity of its own", {"stores": {"vault": IDENTITY, "age": IDENTITY}}),
    ("`default_store`", {"default_store": "none"}),
    ("PEM certificate", {"ca": ("AAAA",)}),
    ("in its one form", {"ca": ("AA",)}),
]


@pytest.mark.parametrize(("says", "changed"), RULES, ids=[f"{index}" for index in range(len(RULES))])
def test_each_field_has_its_rule(says: str, changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=says):
        a_bundle(**changed)
