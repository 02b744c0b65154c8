"""What cannot be a file's name: a key, a token or a certificate that stands where the name of its file belongs.

A build system keeps a secret in a variable, and whoever writes a pipeline soon sets MONOCTL_SIGNING_KEY to the key
itself. It is refused before anything shows it, as the settings, an error or a log of the build would.
"""

from __future__ import annotations

from monoskope.client.known.table import BY_NAME, TEXTS, Kind, is_public_key
from monoskope.errors import UsageError

_BEGINNINGS = ("-----BEGIN", "LS0tLS1CRUdJTi", "b3BlbnNzaC1rZXk", "eyJ")
"""PEM, and the same in base64; the body of OpenSSH's private keys; a JWT, as tokens are."""
_LONGEST_NAME = 255
"""Bytes of one name in a path, on every file system that Linux has (`NAME_MAX`)."""


def check_file_name(name: str, value: str, source: str) -> None:
    """Raise `UsageError`, which does not show it, if the value of a setting cannot be the name of the file it wants."""
    kind = BY_NAME[name].kind
    if kind not in {Kind.FILE, Kind.KEY} or (kind is Kind.KEY and is_public_key(value)):
        return
    is_long = any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST_NAME for part in value.split("/"))
    if value.isprintable() and not value.strip().startswith(_BEGINNINGS) and not is_long:
        return
    text = next((text for text, file in TEXTS.items() if file == name), None)
    fix = "Write it to a file that others cannot read, and give the file's path."
    if kind is Kind.KEY:
        fix += " Or let an ssh-agent hold it, and give its public half."
    elif text is not None:
        fix = f"Give it as MONOCTL_{text.upper()}, or give the path of a file that holds it."
    raise UsageError(f"{source} is no path of a file: it looks like what such a file holds, and is not shown.", fix=fix)
