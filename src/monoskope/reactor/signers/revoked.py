"""The list of revocations: one `SHA256:…` of a key or CA, or `SHA256:… serial N` of a CA's certificate, a line."""

from __future__ import annotations

import re

from monoskope.late import pattern
from monoskope.protocol.sshsig.certificate import Certificate
from monoskope.protocol.sshsig.keys import PublicKey
from monoskope.reactor.signers.list_file import BadListError, lines_of
from monoskope.value import Value

_LINE = pattern(r"(?P<key>SHA256:[A-Za-z0-9+/]{43})(?:[ \t]+serial[ \t]+(?P<serial>[1-9][0-9]{0,19}))?[ \t]*", re.ASCII)
_MOST_SERIAL = 2**64 - 1


class Revocations(Value, frozen=True):
    """What no longer counts."""

    keys: frozenset[str] = frozenset()
    """Keys and CAs, as `SHA256:…`."""
    serials: frozenset[tuple[str, int]] = frozenset()
    """Certificates, each by its CA and its serial number."""

    def name(self, signer: PublicKey | Certificate) -> bool:
        """Whether they name a key; or a certificate, the key in it or its CA."""
        if isinstance(signer, PublicKey):
            return signer.fingerprint in self.keys
        ca = signer.ca_key.fingerprint
        return bool({signer.key.fingerprint, ca} & self.keys) or (ca, signer.serial) in self.serials


def parse_revoked(text: str) -> Revocations:
    """Return the revocations of a list. Raises `BadListError` with the number of the first line that is not one."""
    keys: set[str] = set()
    serials: set[tuple[str, int]] = set()
    for number, line in lines_of(text):
        match = _LINE.fullmatch(line)
        if match is None or int(match["serial"] or 0) > _MOST_SERIAL:
            raise BadListError(
                number, "it is not SHA256:… of a key or CA, or SHA256:… serial N with N from 1 to 2^64-1"
            )
        if match["serial"] is None:
            keys.add(match["key"])
        else:
            serials.add((match["key"], int(match["serial"])))
    return Revocations(frozenset(keys), frozenset(serials))
