"""The list of revocations, one a line: `SHA256:…` of a key or CA, or a CA's certificates by serial number or key id.

`SHA256:… serial N` and `SHA256:… id KEY ID` are the two ways to name a certificate. `ssh-keygen` gives the serial
number 0 unless it is told another one, so `serial 0` names all certificates that were made so.
"""

from __future__ import annotations

from monoskope.late import pattern
from monoskope.protocol.sshsig.certificate import Certificate
from monoskope.protocol.sshsig.keys import PublicKey
from monoskope.reactor.signers.list_file import BadListError, lines_of
from monoskope.value import Value

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
    """Return a key id as `Revocations.name` compares it. Raises `BadListError` for one that would revoke nobody."""
    key_id = text.strip()
    if not key_id or key_id[0] == key_id[-1] == '"':
        raise BadListError(number, "a key id is not empty, and stands without the quotes of `ssh-keygen -L`")
    return key_id


def line_for(certificate: Certificate) -> str:
    """Return the line that revokes a certificate: by its key id where its CA numbers none."""
    ca, key_id = certificate.ca_key.fingerprint, certificate.key_id.strip()
    return f"{ca} id {key_id}" if key_id and not certificate.serial else f"{ca} serial {certificate.serial}"
