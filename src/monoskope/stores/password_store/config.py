"""The `[engine]` table of a reactor whose engine is a password store, and how a secret's bytes lie in its files.

docs/stores/pass.md has the fields. Layout `pass`: the first line is the value of the key `password`, empty if there is
none; each other key is a line `key: value`, in byte order. So a value is one line, and what readers of such files trim
(white space around a named value) is refused, as is an empty password, which no reader can tell from none. Layout
`raw`: the one value as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_PADDED, Payload, check_key
from monoskope.stores.driver import CannotReadError, StoreRefusedError
from monoskope.stores.shared.checks import check_field, check_max_plaintext
from monoskope.uri import parse_path


class PassConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the password store and the keys are, and how secrets lie in it."""

    folder: str
    """The password store, which `pass init` made."""
    gpg_home: str
    """GnuPG's folder with the recipients' public keys, of mode 0700."""
    readable: bool = False
    """Whether a secret key of a recipient is in `gpg_home`. Without it the store is write-only."""
    prefix: str = ""
    """The path below `folder` under which all secrets of this store lie, "" for the folder itself."""
    layout: Literal["pass", "raw"] = "pass"
    """`pass`: the key `password` is the first line, each other key a line. `raw`: only the value of `raw_key`."""
    raw_key: str = "password"
    """The key of every secret under the layout `raw`."""
    git: bool = False
    """Whether each change is committed to the git repository that the folder is."""
    listable: bool = False
    """Whether `monoctl list-upstream` may show the names below a path, also those that m8 does not know."""
    max_plaintext: int = MAX_PADDED
    """Largest padded plaintext in bytes."""
    timeout_s: float = 10.0
    """How long gpg and git may take, each time."""
    lock_timeout_s: float = 10.0
    """How long to wait for another reactor that is writing."""

    def __post_init__(self) -> None:
        for field, text in (("folder", self.folder), ("gpg_home", self.gpg_home)):
            if not Path(text).is_absolute():
                raise ValueError(f"`{field}` must be an absolute path")
        check_field("raw_key", check_key, self.raw_key)
        if self.prefix:
            check_field("prefix", parse_path, self.prefix)
        check_max_plaintext(self.max_plaintext)
        if not (0 < self.timeout_s <= 25 and 0 < self.lock_timeout_s <= 25):
            raise ValueError("`timeout_s` and `lock_timeout_s` must be above 0 and at most 25")

    @property
    def below(self) -> tuple[str, ...]:
        """The segments of `prefix`."""
        return tuple(self.prefix.split("/")) if self.prefix else ()


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
