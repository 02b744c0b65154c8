"""The two lists: who may sign, and which keys are revoked.

Signers stand in OpenSSH's `allowed_signers` (ssh-keygen, ALLOWED SIGNERS), in the narrow form that counts here. A line
is `PRINCIPAL [OPTIONS] KIND BASE64 [COMMENT]`. What `ssh-keygen` would read otherwise than a hurried reader is refused:
patterns but one leading `*` for a CA, negations, quotes, unknown options, times without a zone.

A revocation is one line: `SHA256:…` of a key or CA, or a CA's certificates by serial number or key id.

`SHA256:… serial N` and `SHA256:… id KEY ID` are the two ways to name a certificate. `ssh-keygen` gives the serial
number 0 unless it is told another one, so `serial 0` names all certificates that were made so.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.protocol.identity import Namespace, is_principal
from monoskope.protocol.sshsig.certificate import Certificate
from monoskope.protocol.sshsig.container import parse_words
from monoskope.protocol.sshsig.fields import FaultError
from monoskope.protocol.sshsig.keys import CERTIFIED_KINDS, KINDS, PublicKey
from monoskope.value import Value

END = "# end"
"""The last line of each list."""

_AUTHORITY = "cert-authority"
_OPTION = pattern(r'(?P<name>namespaces|valid-after|valid-before)="(?P<value>[^",\\]*)"')
_TIME = pattern(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?Z", re.ASCII)
_TAIL = pattern(r"\*[A-Za-z0-9._@+-]{1,127}", re.ASCII)


class BadListError(UsageError):
    """A line of a list is not what it must be.

    Args:
        number: Of the line, from 1.
        sentence: What is wrong with it, without a full stop.
    """

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(f"line {number}: {sentence}.", fix="Correct that line.")


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a list with their numbers, without comments (`#`) and empty lines. Raises `BadListError`."""
    lines = text.split("\n")
    if lines.pop():
        raise BadListError(len(lines) + 1, "it does not end with a newline, as if more should follow")
    for number, line in enumerate(lines, start=1):
        if any(character < " " and character != "\t" for character in line):
            raise BadListError(number, "it has a control character")
        stripped = line.strip(" \t")
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def is_whole(text: str) -> bool:
    """Whether a list ends with the line `# end`. Were it further up, too, a list that is cut there would be good."""
    lines = text.split("\n")
    return lines[-2:] == [END, ""] and lines.index(END) == len(lines) - 2


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
        return any(stands_for(name, principal) for name in self.principals)

    def holds_at(self, now: float) -> bool:
        """Whether it counts at `now`, seconds since 1970."""
        return self.valid_after <= now and (not self.valid_before or now < self.valid_before)


def stands_for(name: str, principal: str) -> bool:
    """Whether `name`, which may begin with a `*` for anything, stands for `principal`."""
    return principal.endswith(name[1:]) if name.startswith("*") else principal == name


ListedKeys = Mapping[bytes, ListedKey]
"""The lines of a list by the wire form of their keys: each key stands there once."""


def parse_listed(text: str, namespace: Namespace) -> ListedKeys:
    """Return the lines of a list of those who sign in `namespace`.

    Raises:
        BadListError: a line is not one, with the number of the first of them.
    """
    found: dict[bytes, ListedKey] = {}
    for number, line in lines_of(text):
        listed = _parse_line(number, line, namespace)
        if listed.key.blob in found:
            raise BadListError(number, "the key stands in an earlier line, too")
        found[listed.key.blob] = listed
    return MappingProxyType(found)


def _parse_line(number: int, line: str, namespace: Namespace) -> ListedKey:
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
    return _listed(number, tuple(words[0].split(",")), options, key, namespace)


def _listed(
    number: int, principals: tuple[str, ...], options: Sequence[str], key: PublicKey, namespace: Namespace
) -> ListedKey:
    authority = _AUTHORITY in options
    values = _values(number, [option for option in options if option != _AUTHORITY])
    if len(options) != authority + len(values):
        raise BadListError(number, "an option stands there twice")
    if values.get("namespaces", namespace.value) != namespace.value:
        raise BadListError(number, f"namespaces= must be absent or {namespace.value}")
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


_LINE = pattern(
    r"(?P<key>SHA256:[A-Za-z0-9+/]{43})(?:[ \t]+serial[ \t]+(?P<serial>0|[1-9][0-9]{0,19})|[ \t]+id[ \t]+(?P<id>.+))?"
)
_MOST_SERIAL = 2**64 - 1


class Revocations(Value, frozen=True):
    """What no longer counts."""

    keys: frozenset[str] = frozenset()
    """Keys and CAs, as `SHA256:…`."""
    serials: frozenset[tuple[str, int]] = frozenset()
    """Certificates, each by its CA and its serial number."""
    key_ids: frozenset[tuple[str, str]] = frozenset()
    """Certificates, each by its CA and the name that the CA gave it."""

    def name(self, signer: PublicKey | Certificate) -> bool:
        """Whether they name a key; or a certificate, the key in it or its CA."""
        if isinstance(signer, PublicKey):
            return signer.fingerprint in self.keys
        ca = signer.ca_key.fingerprint
        if (ca, signer.serial) in self.serials or (ca, signer.key_id.strip()) in self.key_ids:
            return True
        return bool({signer.key.fingerprint, ca} & self.keys)


def parse_revoked(text: str) -> Revocations:
    """Return the revocations of a list. Raises `BadListError` with the number of the first line that is not one."""
    keys: set[str] = set()
    serials: set[tuple[str, int]] = set()
    key_ids: set[tuple[str, str]] = set()
    for number, line in lines_of(text):
        match = _LINE.fullmatch(line)
        if match is None or int(match["serial"] or 0) > _MOST_SERIAL:
            raise BadListError(
                number,
                "it is not SHA256:… of a key or CA, SHA256:… serial N with N from 0 to 2^64-1, or SHA256:… id KEY-ID",
            )
        if match["serial"] is not None:
            serials.add((match["key"], int(match["serial"])))
        elif match["id"] is not None:
            key_ids.add((match["key"], _key_id(number, match["id"])))
        else:
            keys.add(match["key"])
    return Revocations(frozenset(keys), frozenset(serials), frozenset(key_ids))


def _key_id(number: int, text: str) -> str:
    """Return a key id as `Revocations.name` compares it. Raises `BadListError` for one that would revoke no key."""
    key_id = text.strip()
    if not key_id or key_id[0] == key_id[-1] == '"':
        raise BadListError(number, "a key id is not empty, and stands without the quotes of `ssh-keygen -L`")
    return key_id


def line_for(certificate: Certificate) -> str:
    """Return the line that revokes a certificate: by its key id where its CA numbers none."""
    ca, key_id = certificate.ca_key.fingerprint, certificate.key_id.strip()
    return f"{ca} id {key_id}" if key_id and not certificate.serial else f"{ca} serial {certificate.serial}"
