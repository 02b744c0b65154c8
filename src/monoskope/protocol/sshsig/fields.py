"""The fields of SSH's binary form (RFC 4251, section 5): read strictly, and written in the one way."""

from __future__ import annotations

from monoskope.protocol.sshsig.faults import Fault, FaultError


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
