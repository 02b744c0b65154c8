"""Where notices go: the `[[notices]]` tables of `m8.toml`. They stand in that file alone: no call changes them.

A recipient is one address of a table of e-mail, or one webhook. Each address stands in one table once, so that the most
that it gets in an hour is what it gets.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from monoskope.errors import UsageError
from monoskope.host_port import HostPort
from monoskope.http.client.trusted import TlsFiles
from monoskope.m8.issuers.person import is_address
from monoskope.m8.sink_settings import Place, WebhookTarget
from monoskope.protocol.login import Member, MemberKind

About: TypeAlias = Literal["expires", "expired", "overdue", "drift", "change", "break-glass", "reactor", "witness"]
"""What a notice can be about."""

EVERYTHING: tuple[About, ...] = typing.get_args(About)

URGENT: frozenset[About] = frozenset({"break-glass", "witness"})
"""What waits for nothing else that its recipient is told."""

MOST_RECIPIENTS = 20
"""Recipients of all tables at most: each one reads the log for itself."""


def is_member(text: str) -> bool:
    """Whether `text` names a person who logs in: mails go to the address for which the issuer vouches."""
    try:
        return Member.parse(text).kind is MemberKind.USER
    except UsageError:
        return False


class EmailTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="email"):
    """Notices by e-mail, over TLS alone.

    Attributes:
        name: Names the table, and with each address how far it has come: a new name begins now.
        server: `host:port` of the mail server. Its certificate must be for that host.
        sender: The address that the mails are from.
        to: Addresses that get every notice that `about` names, or members such as `user:corp:anna`: of these the
            address that their issuer vouched for at the last login.
        owners: Addresses, or members, that get a notice of a secret whose label `owner` names them. A label chooses
            among these alone.
        about: Which notices these addresses get; all by default.
        tls: `starttls` (port 587), or `implicit` (port 465).
        username: For the mail server; "" to log in nowhere.
        password_file: File with its password, mode 0600. It is read for each mail.
        ca_file: PEM file with the authorities of the server's certificate; "" for the system's.
        certificate_file: PEM file with m8's certificate for the server; "" for none.
        key_file: PEM file with its private key, mode 0600.
    """

    name: str
    server: str
    sender: str
    to: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    about: tuple[About, ...] = EVERYTHING
    tls: Literal["starttls", "implicit"] = "starttls"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class CallTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="webhook"):
    """Notices to a server of yours over HTTPS, each request with a MAC.

    Attributes:
        name: Names the table, and how far it has come: a new name begins now.
        url: Where they are posted, `https://host[:port]/path`. Its certificate must be for that host.
        secret_file: File with the key of the MAC, at least 32 bytes, mode 0600. It is read for each request.
        about: Which notices are posted; all by default.
        ca_file: PEM file with the authorities of its certificate; "" for the system's.
        certificate_file: PEM file with m8's certificate for the server; "" for none.
        key_file: PEM file with its private key, mode 0600.
    """

    name: str
    url: str
    secret_file: str
    about: tuple[About, ...] = EVERYTHING
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


NoticeTable: TypeAlias = EmailTable | CallTable


@dataclass(frozen=True, slots=True)
class MailServer:
    """A checked `EmailTable`, without its addresses.

    Attributes:
        server: What is dialled.
        sender: The address that the mails are from.
        is_implicit: Whether TLS begins with the connection.
        username: "" to log in nowhere.
        password_file: With its password, None to log in nowhere.
        tls: Whom to trust.
    """

    server: HostPort
    sender: str
    is_implicit: bool
    username: str
    password_file: Path | None
    tls: TlsFiles


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address, one member, or one webhook.

    Attributes:
        table: The name of its table.
        address: The address, or the member; "" for a webhook.
        about: What it is told.
        gets_all: Whether it is told of everything, and not only of secrets whose label `owner` names it.
    """

    table: str
    address: str
    about: frozenset[About]
    gets_all: bool = True

    @property
    def is_urgent(self) -> bool:
        """Whether it is told of what is urgent, and of nothing else."""
        return self.about <= URGENT

    @property
    def lanes(self) -> list[Recipient]:
        """It, once for what is urgent and once for the rest: neither waits for the other, or fills its hour."""
        parts = (self.about & URGENT, self.about - URGENT)
        return [replace(self, about=part) for part in parts if part]


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """One checked table."""

    name: str
    target: MailServer | WebhookTarget
    recipients: tuple[Recipient, ...]


def checked(tables: Sequence[NoticeTable], path: Path) -> tuple[NoticeSettings, ...]:
    """Return what the tables of `m8.toml`, which is at `path`, say. Raises `UsageError` that names the field."""
    names = [table.name for table in tables]
    found = []
    for table in tables:
        place = Place(path, "notices", table.name)
        place.check_name(names)
        if not table.about:
            raise place.wrong("about", "is empty", "Leave it out, to be told of everything.")
        found.append(_mail(table, place) if isinstance(table, EmailTable) else _call(table, place))
    _check_recipients([one for settings in found for one in settings.recipients], path)
    return tuple(found)


def _check_recipients(recipients: Sequence[Recipient], path: Path) -> None:
    if len(recipients) > MOST_RECIPIENTS:
        raise UsageError(
            f"{path}: the tables [[notices]] name more than {MOST_RECIPIENTS} recipients.",
            fix="Name a list of your mail server's in their place.",
        )
    seen: set[str] = set()
    for one in recipients:
        if one.address.lower() in seen:
            place = Place(path, "notices", one.table)
            fix = "Let each address stand in one table, once."
            raise place.wrong("to", f"or `owners` names {one.address!r} again", fix)
        seen |= {one.address.lower()} - {""}


def _call(table: CallTable, place: Place) -> NoticeSettings:
    target = place.webhook(
        table.url, table.secret_file, place.tls(table.ca_file, table.certificate_file, table.key_file)
    )
    return NoticeSettings(table.name, target, (Recipient(table.name, "", frozenset(table.about)),))


def _mail(table: EmailTable, place: Place) -> NoticeSettings:
    if not table.to and not table.owners:
        raise place.wrong("to", "is empty", 'Name an address: to = ["ops@example.org"].')
    for field, addresses in (("sender", (table.sender,)), ("to", table.to), ("owners", table.owners)):
        for address in addresses:
            if not (is_address(address) or (field != "sender" and is_member(address))):
                fix = "Write name@host, without a display name, quotes or blanks; or a member, user:corp:anna."
                raise place.wrong(field, f"names {address!r}, which is no address", fix)
    if bool(table.username) != bool(table.password_file):
        raise place.wrong("username", "and password_file go together", "Name both, or neither.")
    if not (table.username.isprintable() and table.username.isascii()):
        raise place.wrong("username", "is not printable ASCII", "Correct it.")
    target = MailServer(
        server=place.server("server", table.server, "smtp.example.org:587"),
        sender=table.sender,
        is_implicit=table.tls == "implicit",
        username=table.username,
        password_file=place.file(table.password_file),
        tls=place.tls(table.ca_file, table.certificate_file, table.key_file),
    )
    about = frozenset(table.about)
    of_all = [Recipient(table.name, address, about) for address in table.to]
    of_own = [Recipient(table.name, address, about, gets_all=False) for address in table.owners]
    return NoticeSettings(table.name, target, (*of_all, *of_own))
