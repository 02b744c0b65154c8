r"""How a secret's bytes lie in a file of a password store, before it is encrypted.

Layout `pass`: the first line is the value of the key `password`, empty if there is none; each other key is a line
`key: value`, in byte order. So a value is one line, and what readers of such files trim (white space around a named
value) is refused, as is an empty password, which no reader can tell from none. Layout `raw`: the one value as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.stores.driver import CannotReadError, StoreRefusedError

FIRST = "password"
"""The key whose value is the first line."""

_SEPARATOR = b": "


@dataclass(frozen=True, slots=True)
class PassLayout:
    """How secrets lie, as the administrator chose."""

    kind: Literal["pass", "raw"]
    raw_key: str

    @property
    def sentence(self) -> str:
        """What users read before they put."""
        if self.kind == "raw":
            return f"Only the value of {self.raw_key} is an encrypted file of the password store."
        return (
            "An encrypted file of the password store: the key password is its first line, each other key a line"
            " `key: value`; every value is one line."
        )

    def content(self, payload: Payload) -> bytes:
        """Return what to encrypt.

        Raises:
            StoreRefusedError: the layout has no place for it; the message names the key and the rule.
        """
        if self.kind == "raw":
            if set(payload) != {self.raw_key}:
                raise StoreRefusedError(
                    f"this store takes exactly one key, {self.raw_key}.", fix=f"Put one value, named {self.raw_key}."
                )
            return payload[self.raw_key]
        for key, value in payload.items():
            _check(key, value)
        lines = [payload.get(FIRST, b"")]
        lines += [key.encode("ascii") + _SEPARATOR + value for key, value in payload.items() if key != FIRST]
        return b"".join(line + b"\n" for line in lines)

    def payload(self, content: bytes) -> Payload:
        """Return the values in a decrypted file.

        Raises:
            CannotReadError: this store could not have written it.
        """
        try:
            return Payload({self.raw_key: content} if self.kind == "raw" else _parsed(content))
        except (UsageError, StoreRefusedError, ValueError):
            pass
        raise CannotReadError("what lies in the password store is not a secret that this store could have written.")


def _check(key: str, value: bytes) -> None:
    fix = 'Put only this value, into a store with layout = "raw".'
    if b"\n" in value:
        raise StoreRefusedError(f"the value of {key} has more than one line, and here a value is one line.", fix=fix)
    if key == FIRST and not value:
        raise StoreRefusedError(f"an empty {FIRST} is the same as none here.", fix="Leave the key out.")
    if key != FIRST and value != _trimmed(value):
        raise StoreRefusedError(
            f"the value of {key} begins or ends with white space, which readers of such files trim.", fix=fix
        )


def _trimmed(value: bytes) -> bytes:
    try:
        return value.decode("utf-8").strip().encode()
    except UnicodeDecodeError:
        return value.strip()


def _parsed(content: bytes) -> dict[str, bytes]:
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    values = {FIRST: first} if first else {}
    for line in lines:
        name, separator, value = line.partition(_SEPARATOR)
        key = name.decode("ascii")
        if not separator or key in values or key == FIRST:
            raise UsageError("not a line that this store writes.")
        _check(key, value)
        values[key] = value
    return values
