"""Containers of signatures, keys and certificates: read in one way alone, and nothing but `FaultError` for the rest."""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import subprocess
import sys
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from monoskope.protocol import sshsig
from monoskope.protocol.identity import MAX_SIGNATURE, Namespace
from monoskope.protocol.sshsig import Certificate, Fault, FaultError, PublicKey
from monoskope.protocol.sshsig.container import parse_words
from monoskope.protocol.sshsig.fields import Reader, mpint, string
from monoskope.protocol.sshsig.keys import KINDS
from tests.support import ssh_blobs
from tests.support.ssh_blobs import SshKey, certificate, container, signed, to_sign

MESSAGE = b"what is signed"
VALID = (1_800_000_000, 1_800_003_600)


@functools.cache
def keys() -> tuple[SshKey, ...]:
    """One key of each kind; RSA, which takes long to make, once."""
    plain = [ssh_blobs.ed25519(), *(ssh_blobs.ecdsa(bits) for bits in (256, 384, 521)), ssh_blobs.rsa_key()]
    return (*plain, ssh_blobs.ed25519(b"ssh:"), ssh_blobs.ecdsa(256, b"ssh:work"))


@functools.cache
def good() -> tuple[bytes, ...]:
    """A container of each kind of key, plain and certified."""
    ca = keys()[1]
    certified = [signed(key, MESSAGE, certificate(key, ca, valid=VALID)) for key in keys()]
    return (*(signed(key, MESSAGE) for key in keys()), *certified)


@pytest.fixture(scope="module", autouse=True)
def _made() -> None:
    """RSA keys take long to make: not within an example."""
    good()


def test_there_is_a_key_of_each_kind() -> None:
    assert {key.name.decode() for key in keys()} == set(KINDS)


def test_what_is_read_is_what_was_put_together() -> None:
    for key in keys():
        assert PublicKey.parse(key.blob).fingerprint == key.fingerprint
        assert sshsig.parse_public(f"{key.line} anna's notebook").blob == key.blob
    ca = keys()[0]
    blob = certificate(keys()[1], ca, valid=VALID, serial=9, key_id="für anna".encode())
    read = sshsig.parse_public(ssh_blobs.public_line(blob))
    assert isinstance(read, Certificate)
    assert read.blob == blob
    assert (read.serial, read.key_id, read.principal) == (9, "für anna", "anna@example.org")
    assert (read.valid_after, read.valid_before) == VALID
    assert read.key.blob == keys()[1].blob
    assert read.ca_key.blob == ca.blob


def test_a_signer_of_a_client_puts_together_what_a_reactor_reads() -> None:
    key = keys()[0]
    assert sshsig.signed_bytes(MESSAGE, Namespace.REQUEST) == to_sign(MESSAGE)
    blob = sshsig.serialise(key.blob, key.sign(sshsig.signed_bytes(MESSAGE, Namespace.REQUEST)), Namespace.REQUEST)
    assert blob == signed(key, MESSAGE)
    sshsig.parse(blob, Namespace.REQUEST).verify(MESSAGE)


def test_a_signature_of_one_namespace_never_counts_as_one_of_another() -> None:
    for key, (one, other) in itertools.product(keys(), itertools.permutations(Namespace)):
        blob = sshsig.serialise(key.blob, key.sign(sshsig.signed_bytes(MESSAGE, one)), one)
        sshsig.parse(blob, one).verify(MESSAGE)
        with pytest.raises(FaultError) as caught:
            sshsig.parse(blob, other)
        assert caught.value.fault is Fault.NAMESPACE
        # Who writes another namespace around a signature has not signed in it.
        disguised = sshsig.serialise(key.blob, key.sign(sshsig.signed_bytes(MESSAGE, one)), other)
        with pytest.raises(FaultError) as caught:
            sshsig.parse(disguised, other).verify(MESSAGE)
        assert caught.value.fault is Fault.SIGNATURE


def test_a_good_container_is_written_again_as_it_was_and_counts_for_its_message_alone() -> None:
    for blob in good():
        found = sshsig.parse(blob, Namespace.REQUEST)
        assert found.serialise() == blob
        found.verify(MESSAGE)
        with pytest.raises(FaultError) as caught:
            found.verify(MESSAGE + b"x")
        assert caught.value.fault is Fault.SIGNATURE


@given(st.data())
def test_a_changed_container_counts_for_nothing(data: st.DataObject) -> None:
    """ECDSA alone allows two numbers for one signature; no change of a few bytes makes one of the other."""
    blob = data.draw(st.sampled_from(good()))
    at = data.draw(st.integers(0, len(blob) - 1))
    taken = data.draw(st.integers(0, 4))
    put = data.draw(st.binary(max_size=4))
    changed = blob[:at] + put + blob[at + taken :]
    if changed != blob:
        with pytest.raises(FaultError):
            sshsig.parse(changed, Namespace.REQUEST).verify(MESSAGE)


@given(st.data())
def test_a_field_that_was_changed_before_it_was_signed_is_read_as_it_stands_or_not_at_all(data: st.DataObject) -> None:
    ca, key = keys()[0], keys()[3]
    changes: dict[str, Any] = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "principals": st.lists(st.binary(max_size=6), max_size=2),
                "key_id": st.binary(max_size=6),
                "serial": st.integers(0, 2**64 - 1),
                "kind": st.integers(0, 3),
                "critical": st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=6)), max_size=1),
                "extensions": st.lists(st.sampled_from(ssh_blobs.DEFAULT_EXTENSIONS), max_size=3),
                "reserved": st.binary(max_size=2),
                "after": st.binary(max_size=2),
            },
        )
    )
    blob = certificate(key, ca, valid=VALID, **changes)
    with contextlib.suppress(FaultError):
        read = Certificate.parse(blob)
        assert read.blob == blob
        read.check_ca_signature()
        assert [read.principal.encode()] == changes.get("principals", [b"anna@example.org"])
        assert not changes.get("critical")
        assert not changes.get("reserved")
        assert not changes.get("after")
        assert changes.get("kind", 1) == 1


def test_a_key_is_no_certificate_and_a_certificate_no_key() -> None:
    for key in keys():
        for read, blob in ((Certificate.parse, key.blob), (PublicKey.parse, certificate(key, keys()[0], valid=VALID))):
            with pytest.raises(FaultError) as caught:
                read(blob)
            assert caught.value.fault is Fault.KEY_TYPE


def test_what_would_be_written_otherwise_than_it_was_read_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No blob is known that only this check refuses."""
    monkeypatch.setattr(sshsig.SshSignature, "serialise", lambda _: b"something else")
    with pytest.raises(FaultError, match="one form"):
        sshsig.parse(good()[0], Namespace.REQUEST)


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_raise_nothing_else(content: bytes) -> None:
    for read in (sshsig.parse_signer, PublicKey.parse, Certificate.parse):
        with pytest.raises(FaultError):
            read(content)
    for namespace in Namespace:
        with pytest.raises(FaultError):
            sshsig.parse(content, namespace)
        with contextlib.suppress(FaultError):
            read(b"SSHSIG\x00\x00\x00\x01" + content)


@given(st.text(max_size=80))
def test_text_of_any_kind_raises_nothing_else(text: str) -> None:
    for line in (text, f"ssh-ed25519 {text}"):
        with pytest.raises(FaultError):
            sshsig.parse_public(line)


@pytest.mark.parametrize("change", ["whitespace", "padding", "last-bits"])
def test_base64_has_one_form(change: str) -> None:
    name, encoded = keys()[0].line.split()
    blob = base64.b64decode(encoded)
    assert len(blob) % 3 == 0
    longer = base64.b64encode(blob + b"\x00").decode()
    other = {
        "whitespace": encoded[:8] + "\n" + encoded[8:],
        "padding": encoded + "====",
        "last-bits": longer[:-3] + "B==",
    }
    with pytest.raises(FaultError):
        parse_words(name, other[change])


@given(st.integers(0, 2**600))
def test_numbers_have_one_form(number: int) -> None:
    assert Reader(mpint(number)).mpint() == number
    content = mpint(number)[4:]
    with pytest.raises(FaultError) as caught:
        Reader(ssh_blobs.string(b"\x00" + content)).mpint()
    assert caught.value.fault is Fault.MPINT


def test_a_container_of_the_largest_keys_fits() -> None:
    # Not a key with a private half, which takes long to make.
    fields = mpint(65537) + mpint(2**8192 - 1)
    largest = SshKey(b"ssh-rsa", fields, b"rsa-sha2-512", lambda _algorithm, _message: bytes(1024))
    blob = signed(largest, MESSAGE, certificate(largest, largest, valid=VALID))
    assert len(blob) <= MAX_SIGNATURE
    assert sshsig.parse(blob, Namespace.REQUEST).serialise() == blob
    with pytest.raises(FaultError, match="not its CA's"):
        sshsig.parse(blob, Namespace.REQUEST).verify(MESSAGE)


def test_no_error_shows_what_was_read() -> None:
    key = keys()[0]
    blob = container(key.blob, key.sign(to_sign(MESSAGE)), namespace=b"a word of a stranger")
    with pytest.raises(FaultError) as caught:
        sshsig.parse(blob, Namespace.REQUEST)
    assert "stranger" not in str(caught.value)


def test_reading_a_key_of_ed25519_loads_no_library() -> None:
    """A command that only looks at its key's name pays for no cryptography."""
    code = (
        "import sys\nfrom monoskope.protocol import sshsig\n"
        f"sshsig.parse_public({keys()[0].line!r})\nprint('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


PRIME = 2**255 - 19
ORDER_8 = int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")
"""From libsodium's list of points of small order."""
POINTS = [
    (y | sign << 255).to_bytes(32, "little")
    for y in (0, 1, PRIME - 1, ORDER_8, PRIME - ORDER_8, PRIME, PRIME + 1)
    for sign in (0, 1)
]


def blob(point: bytes) -> bytes:
    return string(b"ssh-ed25519") + string(point)


def is_forged(point: bytes) -> bool:
    """Whether a signature that nobody made, a point and the number 0, is good for one of some statements."""
    for commitment, statement in itertools.product(POINTS, range(16)):
        try:
            Ed25519PublicKey.from_public_bytes(point).verify(commitment + bytes(32), b"statement %d" % statement)
        except InvalidSignature:
            continue
        return True
    return False


@pytest.mark.parametrize("point", POINTS, ids=[point.hex()[:4] + point.hex()[-4:] for point in POINTS])
def test_a_key_under_which_anybody_can_sign_is_none(point: bytes) -> None:
    assert is_forged(point)
    with pytest.raises(FaultError) as caught:
        PublicKey.parse(blob(point))
    assert caught.value.fault is Fault.POINT


def test_every_other_key_is_one() -> None:
    for _ in range(50):
        point = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        assert PublicKey.parse(blob(point)).point == point


def test_a_point_has_one_form() -> None:
    """The y of a point below the prime by less than 19 fits into 255 bits a second time."""
    for rest in range(2, 19):
        with pytest.raises(FaultError):
            PublicKey.parse(blob((PRIME + rest).to_bytes(32, "little")))
