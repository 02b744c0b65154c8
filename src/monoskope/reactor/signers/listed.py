"""The list of signers: OpenSSH's `allowed_signers` (ssh-keygen, ALLOWED SIGNERS), in the narrow form that counts here.

A line is `PRINCIPAL [OPTIONS] KIND BASE64 [COMMENT]`. What `ssh-keygen` would read otherwise than a hurried reader is
refused: patterns but one leading `*` for a CA, negations, quotes, unknown options, times without a zone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from monoskope.late import pattern
from monoskope.protocol.signed_request import NAMESPACE, is_principal
from monoskope.protocol.sshsig.faults import FaultError
from monoskope.protocol.sshsig.keys import PublicKey
from monoskope.protocol.sshsig.kinds import CERTIFIED_KINDS, KINDS
from monoskope.protocol.sshsig.text import parse_words
from monoskope.reactor.signers.list_file import BadListError, lines_of
from monoskope.value import Value

_AUTHORITY = "cert-authority"
_OPTION = pattern(r'(?P<name>namespaces|valid-after|valid-before)="(?P<value>[^",\\]*)"')
_TIME = pattern(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?Z", re.ASCII)
_TAIL = pattern(r"\*[A-Za-z0-9._@+-]{1,127}", re.ASCII)


class ListedKey(Value, frozen=True):
    """One line of the list."""

    principals: tuple[str, ...]
    """Of a plain key one name; of a CA's key names, or `*` and how a name ends."""
    key: PublicKey
    authority: bool
    """Whether it is the key of a CA, whose certificates count, and not a signer's own."""
    valid_after: int = 0
    """The first second in which it counts, since 1970."""
    valid_before: int = 0
    """The first second in which it no longer counts, 0 for never."""

    def covers(self, principal: str) -> bool:
        """Whether it stands for `principal`."""
        return any(
            principal.endswith(name[1:]) if name.startswith("*") else principal == name for name in self.principals
        )

    def holds_at(self, now: float) -> bool:
        """Whether it counts at `now`, seconds since 1970."""
        return self.valid_after <= now and (not self.valid_before or now < self.valid_before)


ListedKeys = Mapping[bytes, ListedKey]
"""The lines of a list by the wire form of their keys: each key stands there once."""


def parse_listed(text: str) -> ListedKeys:
    """Return the lines of a list. Raises `BadListError` with the number of the first line that is not one."""
    found: dict[bytes, ListedKey] = {}
    for number, line in lines_of(text):
        listed = _parse_line(number, line)
        if listed.key.blob in found:
            raise BadListError(number, "the key stands in an earlier line, too")
        found[listed.key.blob] = listed
    return MappingProxyType(found)


def _parse_line(number: int, line: str) -> ListedKey:
    words = re.split(r"[ \t]+", line, maxsplit=4)
    known = {*KINDS, *CERTIFIED_KINDS}
    options: list[str] = []
    if len(words) > 1 and words[1] not in known:
        options = words.pop(1).split(",")
    if len(words) < 3:
        raise BadListError(number, "it is not a principal, options if any, the kind of a key that may sign, and base64")
    try:
        key = parse_words(words[1], words[2])
    except FaultError as error:
        raise BadListError(number, error.message.removesuffix(".")) from None
    if not isinstance(key, PublicKey):
        raise BadListError(number, "certificates are not listed: list the key of their CA as cert-authority")
    return _listed(number, tuple(words[0].split(",")), options, key)


def _listed(number: int, principals: tuple[str, ...], options: Sequence[str], key: PublicKey) -> ListedKey:
    authority = _AUTHORITY in options
    values = _values(number, [option for option in options if option != _AUTHORITY])
    if len(options) != authority + len(values):
        raise BadListError(number, "an option stands there twice")
    if values.get("namespaces", NAMESPACE) != NAMESPACE:
        raise BadListError(number, f"namespaces= must be absent or {NAMESPACE}")
    after, before = _moment(number, values.get("valid-after")), _moment(number, values.get("valid-before"))
    if before and before <= after:
        raise BadListError(number, "it ends before it begins")
    if authority:
        _check_authority(number, principals, key)
    elif len(principals) != 1 or not is_principal(principals[0]):
        raise BadListError(number, "a plain key needs exactly one principal, without a pattern")
    return ListedKey(principals, key, authority, after, before)


def _values(number: int, options: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for option in options:
        match = _OPTION.fullmatch(option)
        if match is None:
            raise BadListError(
                number, 'options are cert-authority, namespaces="…", valid-after="…" and valid-before="…" alone'
            )
        found[match["name"]] = match["value"]
    return found


def _check_authority(number: int, principals: Sequence[str], key: PublicKey) -> None:
    if key.kind.hardware:
        raise BadListError(number, "the key of a CA must not be a hardware key")
    if len(set(principals)) != len(principals):
        raise BadListError(number, "a principal stands there twice")
    if not all(is_principal(name) or _TAIL.fullmatch(name) for name in principals):
        raise BadListError(number, "a CA's principals are exact names, or one leading * and how a name ends")


def _moment(number: int, text: str | None) -> int:
    """Return the seconds since 1970 that `YYYYMMDDZ` or `YYYYMMDDHHMM[SS]Z` says, 0 for None."""
    if text is None:
        return 0
    match = _TIME.fullmatch(text)
    try:
        parts = [int(part) for part in match.groups(default="0")] if match else []
        seconds = int(dt.datetime(*parts, tzinfo=dt.UTC).timestamp())  # type: ignore[arg-type,misc]  # six numbers
    except (TypeError, ValueError):
        raise BadListError(number, "times are written YYYYMMDDZ or YYYYMMDDHHMM[SS]Z, in UTC") from None
    if seconds <= 0:
        raise BadListError(number, "a time is not after 1970")
    return seconds
