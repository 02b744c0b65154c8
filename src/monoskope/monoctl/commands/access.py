"""Who may do what: `monoctl auth|whoami`, and `monoctl create|get|revoke token`."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import click

from monoskope.client import Client
from monoskope.client.results.access import AllowedMember, Permission, Token
from monoskope.errors import UsageError
from monoskope.exit_codes import ExitCode
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.request_options import full_prefix
from monoskope.monoctl.options import CommandSession, connection_options, list_options, output_options
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import Document, cell, emit, fields_of, pairs, plain, show
from monoskope.settings import write_private
from monoskope.times import parse_length

_OF_MEMBERS = {"Member": "member", "Issuer": "issuer", "Groups": "groups", "Roles": "roles"}
_OF_ALL = {
    "Expires": "expires",
    "Credential": "credential",
    "Signing key": "signing_key",
    "Server": "server",
    "Version of m8": "m8_version",
    "Its certificate": "certificate_expires",
    "Fingerprint key": "fingerprint_key_id",
}
_TITLES = {"Subject": "subject", "Role": "role", "Prefixes": "prefixes", "Rights": "rights"} | _OF_ALL
RIGHTS = ("put", "compare", "see-hash", "delete", "copy", "undelete", "rollback", "list", "propose", "approve")
_ALLOWED = {"MEMBER": "member", "ROLE BINDING": "role_binding", "TOKEN": "token_id"}


@command(short_help="Say whether you may do something.")
@click.argument("right", type=click.Choice(RIGHTS), metavar="RIGHT")
@click.argument("uri")
@click.option(
    "--as",
    "member",
    default="",
    metavar="MEMBER",
    help="Ask about this member, without its groups (administrators, auditors).",
)
@output_options
@click.pass_context
def can_i(context: click.Context, right: str, uri: str, member: str, session: CommandSession) -> None:
    """Say whether you have RIGHT on URI: a secret, or a prefix for everything below it.

    The rights are put, compare, see-hash, delete, copy, undelete, rollback, list, propose and
    approve.

    Prints yes and ends with 0, or prints no and ends with 12. It is m8's word.

    \b
    monoctl auth can-i put vault://team-a/db
    monoctl auth can-i see-hash vault://team-a --as user:corp:anna
    """  # noqa: D301 - click wants the character itself

    async def work(client: Client) -> Permission:
        return await client.access.can_i(right, await full_prefix(client, uri), member=member)

    found = session.run(work)
    if session.output == "table":
        terminal.out("yes" if found.allowed else "no")
        if found.role_bindings:
            terminal.err(f"By the role binding {', '.join(found.role_bindings)}.")
    else:
        emit(session.output, fields_of(found), {})
    context.exit(ExitCode.OK if found.allowed else ExitCode.DIFFERENT)


@command(short_help="Say who may do something (administrators, auditors).")
@click.argument("right", type=click.Choice(RIGHTS), metavar="RIGHT")
@click.argument("uri")
@list_options
def who_can(right: str, uri: str, session: CommandSession) -> None:
    """Say who has RIGHT on URI: members by role bindings, and tokens that have it by themselves.

    The rights are put, compare, see-hash, delete, copy, undelete, rollback, list, propose and
    approve.

    Of a group the group is named, not those who are in it: m8 does not know them.
    """

    async def work(client: Client) -> list[AllowedMember]:
        return await client.access.who_can(right, await full_prefix(client, uri))

    found = plain(session.run(work))
    show(session.output, session.named(found, whole=True), _ALLOWED, name="member", nothing="Nobody.")


@command(short_help="Show who you are to m8, and what you may do.")
@output_options
def whoami(session: CommandSession) -> None:
    """Show who you are to m8, and what you may do there: the subject, role, prefixes and rights of your credential.

    All of it but credential and signing key is m8's word; nothing here is signed by a store. m8 does not know of the
    signing key, with which you sign what stores want signed.
    """

    async def work(client: Client) -> Document:
        settings = client.settings
        own = {"credential": settings.credential_source, "signing_key": settings.signing_key}
        return await views.whoami(client) | own

    [document] = session.named([session.run(work)], whole=True)
    if session.output != "table":
        emit(session.output, document, {})
        return
    pairs(_lines(document))
    terminal.err("This is m8's word.")


def _lines(document: Document) -> dict[str, str]:
    """Return titles with what stands beside them. Of a member, rights stand with their own prefix and role binding."""
    if not document.get("member"):
        return {title: cell(document, name) for title, name in _TITLES.items()}
    lines = {title: cell(document, name) for title, name in _OF_MEMBERS.items()}
    for one in document["may"]:
        lines[f"Below {one['prefix']}, by {one['role_binding']}"] = ", ".join(one["rights"])
    return lines | {title: cell(document, name) for title, name in _OF_ALL.items()}


_TOKENS = {
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
def create_token(member: str, ttl: str, out: str, session: CommandSession) -> None:
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
def tokens(*, every: bool, subject: str, session: CommandSession) -> None:
    """List the tokens that are valid and who made each, without the tokens themselves.

    What the token of a member may do, role bindings say: its role, prefixes and rights are empty here.
    """
    now = dt.datetime.now(dt.UTC)

    async def work(client: Client) -> list[Token]:
        return [one async for one in client.access.tokens() if subject in {"", one.subject}]

    documents = [_token(one, now) for one in session.run(work)]
    shown = [one for one in documents if every or one["state"] == "valid"]
    show(session.output, session.named(shown, whole=True), _TOKENS, name="token_id", nothing="No tokens.")


@command(short_help="Make a token invalid.")
@click.argument("token_id", metavar="ID")
@connection_options
def revoke_token(token_id: str, session: CommandSession) -> None:
    """Make the token ID invalid, at once. Administrators may revoke all, others their own."""
    session.run(lambda client: client.access.revoke_token(token_id))
    terminal.out(f"m8 says: {token_id} is revoked.")


def _token(one: Token, now: dt.datetime) -> Document:
    """A token, without itself."""
    document = fields_of(one)
    is_over = one.expires_at is None or one.expires_at <= now
    state = "revoked" if document.pop("revoked") else "expired" if is_over else "valid"
    return document | {"expires": document.pop("expires_at"), "state": state}
