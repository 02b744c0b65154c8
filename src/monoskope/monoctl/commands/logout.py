"""`monoctl logout`."""

from __future__ import annotations

import time

import click

from monoskope.client.login.credential import FixedToken
from monoskope.client.login.file import login_path, read, seconds
from monoskope.client.login.id_token import claims_of
from monoskope.client.login.starting import log_out
from monoskope.errors import Code, Error, NotFoundError, UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.options import CommandSession, connection_options
from monoskope.monoctl.output import terminal


@click.command(short_help="Forget your login.")
@connection_options
def logout(session: CommandSession) -> None:
    """Forget your login for this server: issuer and m8 are asked to revoke it, and what is kept here is removed.

    Your session in the browser is the issuer's affair.
    """
    found = session.found()
    if "server" not in found:
        raise UsageError("no server is configured.", fix="Run `monoctl config set server SERVER`.")
    server = check_servers(found["server"].value)[0]
    path = login_path(server)
    if path is None or not path.exists():
        raise NotFoundError(f"there is no login for {server}.", fix="Nothing is to be done.")
    kept = read(path)
    for sentence in log_out(path):
        terminal.warn(sentence)
    if kept is not None and seconds(kept.token_ends_at) > time.time():
        _revoke(session, kept.token)
    terminal.out(f"You are logged out of {server}.")


def _revoke(session: CommandSession, token: str) -> None:
    """Let m8's own token count no more; it would for some minutes."""
    token_id = str(claims_of(token).get("jti"))
    try:
        session.run(lambda client: client.access.revoke_token(token_id), credential=FixedToken(token))
    except Error as error:
        if error.code not in {Code.UNAUTHENTICATED, Code.NOT_FOUND}:  # then it counts no more
            terminal.warn(f"m8 did not revoke its token, which counts for 15 minutes at most: {error.message}")
