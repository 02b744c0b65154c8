"""What an OpenSSH certificate says (PROTOCOL.certkeys). Reactors check it; here only what its owner wants to know early.

Whether its CA signed it, and whether that CA is on a store's list, only the reactor can tell.
"""

from __future__ import annotations

import datetime as dt

from monoskope.client.signing.ssh_wire import Reader, string
from monoskope.errors import UsageError
from monoskope.value import Value

_FIELDS = {
    "ssh-ed25519": 1,
    "ssh-rsa": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
"""How many fields the key of a type has; those of ECDSA have two."""
_USER = 1
_FOR_EVER = 2**64 - 1
_ASK = "Ask the people who run the CA for a certificate as docs/signed-requests.md describes it."


class Certificate(Value, frozen=True):
    """What is in a certificate besides its key."""

    serial: int
    is_for_users: bool
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    """Seconds since 1970."""
    valid_before: int
    critical_options: bytes

    def check_usable(self, now_s: float) -> None:
        """Raise `UsageError` if no reactor takes it, or it does not count at `now_s`, in seconds since 1970."""
        for wrong, why in (
            (not self.is_for_users, "it is for hosts"),
            (len(self.principals) != 1, f"it names {len(self.principals)} principals, and exactly one must be there"),
            (bool(self.critical_options), "it has critical options"),
            (self.valid_before == _FOR_EVER, "it never ends"),
        ):
            if wrong:
                raise UsageError(f"reactors do not take the certificate of the signing key: {why}.", fix=_ASK)
        if now_s >= self.valid_before:
            raise UsageError(
                f"the certificate of the signing key ended at {_shown(self.valid_before)}.",
                fix="Get a new one, and put it in the place of the old one.",
            )
        if now_s < self.valid_after:
            raise UsageError(
                f"the certificate of the signing key begins at {_shown(self.valid_after)}.",
                fix="Check the clock of this machine.",
            )


def inner_key(content: bytes, kind: str, where: str) -> bytes:
    """Return the wire form of the key in a certificate, whose own type is `kind`. Raises `UsageError`."""
    reader = Reader(content, where)
    reader.string()
    reader.string()  # the nonce
    return string(kind.encode()) + b"".join(string(reader.string()) for _ in range(_FIELDS.get(kind, 2)))


def parse_certificate(content: bytes, kind: str, where: str) -> Certificate:
    """Parse a certificate over a key of the type `kind`; `where` names it in errors. Raises `UsageError`."""
    reader = Reader(content, where)
    for _ in range(2 + _FIELDS.get(kind, 2)):
        reader.string()
    serial, use, key_id = reader.u64(), reader.u32(), reader.string()
    names, principals = Reader(reader.string(), where), []
    while not names.ended:
        principals.append(names.string().decode("utf-8", "replace"))
    return Certificate(
        serial=serial,
        is_for_users=use == _USER,
        key_id=key_id.decode("utf-8", "replace"),
        principals=tuple(principals),
        valid_after=reader.u64(),
        valid_before=reader.u64(),
        critical_options=reader.string(),
    )


def _shown(seconds: int) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone().isoformat(" ", "seconds")
    except (OverflowError, OSError, ValueError):
        return "a time out of range"
