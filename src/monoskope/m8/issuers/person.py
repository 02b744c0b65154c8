"""What an issuer's token says of a person besides the id: a display name, and an address if the issuer vouches for it.

Personal data: it is in no event, no line of the audit log or the operating log, and no backup, and it can be deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from monoskope.protocol.login import MemberKind
from monoskope.protocol.people import is_display_name

_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*",
    re.ASCII,
)
_MOST_ADDRESS = 254
"""Characters of an address at most (RFC 5321, 4.5.3.1.3, with its errata)."""


def is_address(text: str) -> bool:
    """Whether `text` is an address to which m8 sends mails: name@host, without quotes or blanks."""
    return len(text) <= _MOST_ADDRESS and _ADDRESS.fullmatch(text) is not None


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of one person.

    Attributes:
        name: The display name, as `is_display_name` says; "" for none.
        address: The e-mail address for which the issuer vouches; "" for none.
    """

    name: str = ""
    address: str = ""

    def __repr__(self) -> str:
        return "<Person>"


def person_of(claims: Mapping[str, Any], kind: MemberKind) -> Person:
    """Return what the claims of a token say of its member (OpenID Connect Core, 5.1); of a machine, nothing.

    What does not fit is left out, and never rewritten: a name is no reason to refuse a login.
    """
    if kind is not MemberKind.USER:
        return Person()
    name, address = claims.get("name"), claims.get("email")
    is_vouched = claims.get("email_verified") is True
    return Person(
        name=name if isinstance(name, str) and is_display_name(name) else "",
        address=address if is_vouched and isinstance(address, str) and is_address(address) else "",
    )
