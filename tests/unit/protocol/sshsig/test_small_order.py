"""Ed25519 keys that have no private half, and under which anybody can write down signatures."""

from __future__ import annotations

import itertools

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from monoskope.protocol.sshsig import Fault, FaultError, PublicKey
from monoskope.protocol.sshsig.fields import string

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
