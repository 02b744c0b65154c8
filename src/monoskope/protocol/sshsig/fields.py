"""The fields of SSH's binary form (RFC 4251, section 5): read strictly, written in one way, and the faults.

A fault is one word that says why a signature does not count. The words stand in the test vectors
(tests/vectors-signed.json) and in a reactor's audit log. A word never changes its meaning.
"""

from __future__ import annotations

from enum import Enum

from monoskope.errors import UsageError


class Fault(Enum):
    """What is wrong. The value is the word."""

    MISSING = "missing"
    """There is no signature, and one is required."""
    UNNEEDED = "unneeded"
    """There is a signature, and none is required."""
    SIZE = "size"
    """The blob has more than 8,192 bytes."""
    MALFORMED = "malformed"
    """The blob is cut short, is no SSHSIG, or a field in it has a length or content that its type does not allow."""
    VERSION = "version"
    """The version of the SSHSIG is not 1."""
    NAMESPACE = "namespace"
    """The namespace is not exactly the one of what was to be signed."""
    RESERVED = "reserved"
    """A reserved field is not empty."""
    HASH = "hash"
    """The hash is not sha512."""
    TRAILING = "trailing"
    """Bytes follow the last field, of the blob or of a part of it."""
    KEY_TYPE = "key-type"
    """The kind of key is none of those allowed, for example DSA, or a certificate where a key must stand."""
    MPINT = "mpint"
    """A number is negative, or is not written with the fewest bytes."""
    POINT = "point"
    """A point is not written in its one form, is not on its curve, or has a small order."""
    RSA_MODULUS = "rsa-modulus"
    """The modulus is even, or has not 3,072 to 8,192 bits."""
    RSA_EXPONENT = "rsa-exponent"
    """The public exponent is not 65537."""
    RSA_LENGTH = "rsa-length"
    """The RSA signature is not as long as the modulus."""
    ALGORITHM = "algorithm"
    """The algorithm of the signature is none of its key's, for example SHA-1 or a WebAuthn form."""
    SIGNATURE_FORM = "signature-form"
    """The signature has another length than its algorithm's, or a number that cannot be part of one."""
    APPLICATION = "application"
    """The application of a hardware key is not `ssh:` and printable ASCII characters."""
    SK_NO_TOUCH = "sk-no-touch"
    """A hardware key signed without the user's touch."""
    HOST_CERTIFICATE = "host-certificate"
    """The certificate is not a user's."""
    KEY_ID = "key-id"
    """The certificate's key id is not UTF-8, or has a control character."""
    PRINCIPALS = "principals"
    """The certificate has not exactly one principal, or its principal is none that can be one."""
    CRITICAL_OPTION = "critical-option"
    """The certificate has a critical option. None is allowed."""
    EXTENSION = "extension"
    """The certificate has an extension that is not one of ssh-keygen's defaults, has a value or stands out of order."""
    OPEN_VALIDITY = "open-validity"
    """The certificate has no beginning, no end, or ends before it begins."""
    CA_KEY = "ca-key"
    """The CA's key is a hardware key or a certificate."""
    UNLISTED = "unlisted"
    """The key, or the CA with this principal, is not in the list."""
    TIME = "time"
    """The certificate, or the line of the list, does not hold now: it is expired or holds later."""
    TOO_LONG_VALIDITY = "too-long-validity"
    """The certificate is valid for more hours than the reactor's settings allow."""
    REVOKED = "revoked"
    """The key, the CA or the certificate's serial number is revoked."""
    REVOCATIONS = "revocations"
    """The list of revocations cannot be used, so nothing is allowed."""
    SIGNATURE = "signature"
    """The signature is not the key's over this statement."""
    CA_SIGNATURE = "ca-signature"
    """The certificate's signature is not its CA's."""
    NOT_PERMITTED = "not-permitted"
    """No entry of `[[signers.may]]` covers principal, prefix and purpose together; of an approval none of
    `[[signers.approve]]`."""
    APPROVALS = "approvals"
    """Too few approvals count, they are not for what is asked, or there are some where nobody asks for them."""


class FaultError(UsageError):
    """A blob, key or certificate breaks a rule of docs/signatures.md.

    Args:
        fault: Which rule.
        sentence: What is wrong, without a full stop. It holds nothing of the blob.
    """

    def __init__(self, fault: Fault, sentence: str) -> None:
        super().__init__(f"{sentence}.", fix="Use a key, certificate and signature of the kinds that are allowed.")
        self.fault = fault


class Reader:
    """Reads fields one after another. Each method raises `FaultError` for what is not such a field."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def raw(self, size: int) -> bytes:
        """Read `size` bytes."""
        end = self._at + size
        if end > len(self._content):
            raise FaultError(Fault.MALFORMED, "a field ends after the bytes that hold it")
        found = self._content[self._at : end]
        self._at = end
        return found

    def byte(self) -> int:
        """Read one byte as a number."""
        return self.raw(1)[0]

    def uint32(self) -> int:
        """Read a number of 4 bytes."""
        return int.from_bytes(self.raw(4), "big")

    def uint64(self) -> int:
        """Read a number of 8 bytes."""
        return int.from_bytes(self.raw(8), "big")

    def string(self) -> bytes:
        """Read bytes that their length precedes."""
        return self.raw(self.uint32())

    def mpint(self) -> int:
        """Read a number that is not negative and is written with the fewest bytes."""
        found = self.string()
        number = int.from_bytes(found, "big")
        if found != mpint(number)[4:]:
            raise FaultError(Fault.MPINT, "a number is negative, or is not written with the fewest bytes")
        return number

    def ended(self) -> bool:
        """Whether nothing follows."""
        return self._at == len(self._content)

    def end(self) -> None:
        """Require that nothing follows."""
        if not self.ended():
            raise FaultError(Fault.TRAILING, "bytes follow the last field")


def uint32(number: int) -> bytes:
    """Write a number as 4 bytes."""
    return number.to_bytes(4, "big")


def uint64(number: int) -> bytes:
    """Write a number as 8 bytes."""
    return number.to_bytes(8, "big")


def string(content: bytes) -> bytes:
    """Write bytes behind their length."""
    return uint32(len(content)) + content


def mpint(number: int) -> bytes:
    """Write a number that is not negative with the fewest bytes. The first bit of a positive number's bytes is 0."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")
