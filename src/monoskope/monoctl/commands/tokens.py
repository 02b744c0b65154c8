"""`monoctl create|get|revoke token`."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import click

from monoskope.client import Client
from monoskope.client.results.access import Token
from monoskope.errors import UsageError
from monoskope.monoctl.input.request_options import form_option
from monoskope.monoctl.options import CommandSession, connection_options
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import Document, show
from monoskope.settings import write_private
from monoskope.times import now_ms, parse_length, rfc3339

_COLUMNS = {
    "ID": "token_id",
    "SUBJECT": "subject",
    "ROLE": "role",
    "PREFIXES": "prefixes",
    "RIGHTS": "rights",
    "EXPIRES": "expires",
    "STATE": "state",
    "MADE BY": "made_by",
}


@command(short_help="Create a token for a member (administrators).")
@click.argument("member")
@click.option("--ttl", metavar="30d", default="30d", show_default=True, help="How long it is valid.")
@click.option(
    "--out", default="-", metavar="FILE", help="A new file of mode 0600; '-', the default, is standard output."
)
@connection_options
def create(member: str, ttl: str, out: str, session: CommandSession) -> None:
    """Create a token for MEMBER, a user or a machine. It is shown only once: m8 does not keep it.

    It has no rights of its own: role bindings say what MEMBER may do. MEMBER is one of `local`: members of an issuer
    log in. No token is made for you yourself.

    \b
    monoctl create token machine:local:backup --ttl 90d --out backup.token
    """  # noqa: D301 - click wants the character itself
    seconds = parse_length(ttl)
    if out != "-":
        _check_new(Path(out))
    made = session.run(lambda client: client.access.create_token(member, ttl=dt.timedelta(seconds=seconds)))
    if out == "-":
        terminal.out(made.token)
    else:
        write_private(Path(out), made.token.encode() + b"\n")
    until = "" if made.expires_at is None else f", until {made.expires_at:%Y-%m-%dT%H:%MZ}"
    terminal.err(f"Token {made.token_id} for {member}{until}.")


def _check_new(file: Path) -> None:
    """Check before the token is made that it can be written; otherwise it would be lost."""
    if file.exists() or file.is_symlink():
        raise UsageError(f"{file} exists already; no token was made.", fix="Name another file.")
    if not os.access(file.parent, os.W_OK):
        raise UsageError(f"no file can be made in {file.parent}.", fix="Make that folder, or name another one.")


@command("tokens", short_help="List the tokens (administrators, auditors).")
@click.option("--all", "every", is_flag=True, help="Also those that expired or were revoked.")
@click.option("--by", "subject", default="", metavar="SUBJECT", help="Only those of this subject, or member.")
@list_options
def list_(*, every: bool, subject: str, session: CommandSession) -> None:
    """List the tokens that are valid and who made each, without the tokens themselves.

    What the token of a member may do, role bindings say: its role, prefixes and rights are empty here.
    """
    now = now_ms()

    async def work(client: Client) -> list[Token]:
        return [one async for one in client.access.tokens() if subject in {"", one.subject}]

    documents = [_document(one, now) for one in session.run(work)]
    shown = [one for one in documents if every or one["state"] == "valid"]
    show(session.output, shown, _COLUMNS, name="token_id", nothing="No tokens.")


@command(short_help="Make a token invalid.")
@click.argument("token_id", metavar="ID")
@connection_options
def revoke(token_id: str, session: CommandSession) -> None:
    """Make the token ID invalid, at once. Administrators may revoke all, others their own."""
    session.run(lambda client: client.access.revoke_token(token_id))
    terminal.out(f"m8 says: {token_id} is revoked.")


def _document(one: Token, now_ms: int) -> Document:
    """A token, without itself."""
    expires_ms = 0 if one.expires_at is None else int(one.expires_at.timestamp() * 1000)
    return {
        "token_id": one.token_id,
        "subject": one.subject,
        "member": one.member,
        "role": one.role,
        "prefixes": list(one.prefixes),
        "rights": list(one.rights),
        "expires": rfc3339(expires_ms),
        "made_by": one.made_by,
        "state": "revoked" if one.revoked else "expired" if expires_ms <= now_ms else "valid",
    }
