"""SSH's data types (RFC 4251, section 5), as far as keys, signatures and the agent need them."""

from __future__ import annotations

from monoskope.errors import UsageError


def string(content: bytes) -> bytes:
    """Return a `string`: its length as u32, and its bytes."""
    return u32(len(content)) + content


def u32(number: int) -> bytes:
    """Return a `uint32`."""
    return number.to_bytes(4, "big")


def mpint(number: int) -> bytes:
    """Return the `mpint` of a number that is not negative."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")


class Reader:
    """Reads one data type after the other.

    Args:
        content: What is read.
        name: What it is, for errors.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self._rest = memoryview(content)
        self._name = name

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes. Raises `UsageError` if there are fewer."""
        if size > len(self._rest):
            raise self.malformed()
        taken, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return taken

    def string(self) -> bytes:
        """Return the next `string`. Raises `UsageError`."""
        return self.take(self.u32())

    def u32(self) -> int:
        """Return the next `uint32`. Raises `UsageError`."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """Return the next `uint64`. Raises `UsageError`."""
        return int.from_bytes(self.take(8), "big")

    def byte(self) -> int:
        """Return the next `byte`. Raises `UsageError`."""
        return self.take(1)[0]

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return not self._rest

    def end(self) -> None:
        """Raise `UsageError` if something is left."""
        if not self.ended:
            raise self.malformed()

    def malformed(self) -> UsageError:
        """Return the error for content that is not what it should be."""
        return UsageError(
            f"{self._name} is malformed.", fix="Check that it is whole, for example with `ssh-keygen -l`."
        )
