"""`monoctl login` and `monoctl logout`."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monoskope.client import Client
from monoskope.client.known.sources import check_environment, has
from monoskope.client.known.table import LOGIN_FIELDS
from monoskope.client.login import starting
from monoskope.client.login.credential import FixedToken, KeptLogin, Login, login_path, read, seconds
from monoskope.client.login.id_token import claims_of
from monoskope.client.login.renewing import remove
from monoskope.client.login.starting import log_out
from monoskope.errors import Code, Error, NotFoundError, RefusedError, UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import CommandSession, configured, connection_options
from monoskope.monoctl.output import terminal
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.login.starting import DeviceCode
    from monoskope.client.settings import ClientSettings

R = TypeVar("R")


class Way(Value, frozen=True):
    """How a person logs in."""

    device: bool
    no_browser: bool
    keyring: bool


def login_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options that say how to log in and, in their place, a `way` argument."""

    @functools.wraps(command)
    def wrapped(*args: Any, device: bool, no_browser: bool, keyring: bool, **rest: Any) -> R:  # noqa: ANN401 - click's
        if device and no_browser:
            raise click.UsageError("--device and --no-browser are two ways. Choose one.")
        return command(*args, way=Way(device, no_browser, keyring), **rest)

    for option in (
        click.option("--keyring", is_flag=True, help="Keep it in your desktop's keyring (`monoskope[keyring]`)."),
        click.option("--no-browser", is_flag=True, help="Print the address; open no browser."),
        click.option("--device", is_flag=True, help="Show a code that you type in a browser on another machine."),
    ):
        wrapped = option(wrapped)
    return wrapped


@command(short_help="Log in with the identity that you have.")
@click.option("--issuer", metavar="NAME", help="One of `[logins.NAME]` in your settings; by default login_issuer.")
@login_options
@connection_options
def login(issuer: str | None, session: CommandSession, way: Way) -> None:
    """Log in at the OpenID Connect provider of your company, and get a token of m8 for it.

    The provider and its client id come from your own settings: login_issuer and login_client_id. The login is kept in a
    file that you alone can read, and used by all commands for this server until it ends or you log out. A token that
    you give, as in MONOCTL_TOKEN or token_file, counts before it.
    """
    found = session.found(login=issuer)
    server = configured(found)[0]
    check_environment(found, LOGIN_FIELDS, os.environ)
    log_in(session, starting.settings_of(server, found), way, session.settings)
    if has(found, "token_file"):
        name = "token" if "token" in found else "token_file"
        terminal.warn(f"{name} is set ({found[name].source}), and counts before the login. Unset it to use the login.")


def log_in(
    session: CommandSession, settings: starting.LoginSettings, way: Way, dialled: Callable[[Login], ClientSettings]
) -> None:
    """Log in at an issuer, keep the login, and have m8 see it. One that m8 refuses is not kept.

    Args:
        session: Of the command.
        settings: Which issuer.
        way: How.
        dialled: Returns what to dial with the login.

    Raises:
        UsageError: no home folder is known.
        Error: as `starting.with_browser`, and what m8 says.
    """
    path = login_path(settings.server)
    if path is None:
        raise UsageError("no home folder is known, so there is no place for a login.", fix="Set HOME.")
    kept = by_device(settings) if way.device else _by_browser(settings, no_browser=way.no_browser)
    starting.keep(path, starting.in_keyring(kept) if way.keyring else kept)
    try:
        subject = met(session, dialled(Login(path, kept.issuer)))
    except Error:
        remove(path, kept)
        raise
    terminal.out(f"You are logged in at {kept.issuer}" + (f", and m8 calls you {subject}." if subject else "."))


def met(session: CommandSession, dialled: ClientSettings) -> str | None:
    """Return as whom m8 knows the user who has logged in, None if it does not answer yet. Raises what it says."""

    async def work(client: Client) -> str | None:
        try:
            await client.queries.server()
        except RefusedError:
            if not client.subject:  # else: of a member without a role, m8 has exchanged the token all the same
                raise
        return client.subject

    try:
        return session.run(work, settings=dialled)
    except Error as error:
        if error.code in {Code.UNAVAILABLE, Code.TIMED_OUT, Code.RATE_LIMITED}:
            terminal.warn(f"The login is kept, and m8 has not seen it yet: {error.message}")
            return None
        raise


def by_address(settings: starting.LoginSettings) -> KeptLogin:
    """Log in with an address that the user opens in a browser. Blocks. Raises as `starting.with_browser`."""
    return starting.with_browser(settings, _print)


def _by_browser(settings: starting.LoginSettings, *, no_browser: bool) -> KeptLogin:
    if no_browser:
        return by_address(settings)
    from monoskope.monoctl.console import browser  # noqa: PLC0415 - only with a browser

    # In a file, so that no other user of the machine reads the address from `ps`.
    folder = browser.Folder()

    def show(address: str, redirect_uri: str) -> None:
        browser.show(folder.add(address), lambda: _print(address, redirect_uri))
        terminal.err("Log in with your browser. This waits five minutes for you; Ctrl-C ends it.")

    try:
        return starting.with_browser(settings, show)
    finally:
        folder.remove()


def _print(address: str, redirect_uri: str) -> None:
    port = redirect_uri.rpartition(":")[2].partition("/")[0]
    if os.environ.get("SSH_CONNECTION"):
        terminal.err(
            "This is a remote machine. Use `monoctl login --device`, or forward the port first, and open the address"
            f" where you sit: ssh -L {port}:127.0.0.1:{port} …"
        )
    terminal.err("Open this address in a browser on this machine:", "", address, "")


def by_device(settings: starting.LoginSettings) -> KeptLogin:
    """Log in with a code that the user types at another machine. Blocks. Raises as `starting.with_browser`."""

    def show(code: DeviceCode) -> None:
        terminal.err(f"Open {code.verification_uri} in a browser, and type this code there: {code.user_code}")
        if code.complete_uri:
            terminal.err(f"Or open {code.complete_uri}, and compare the code.")
        terminal.err(f"The code counts for {code.lasts_s / 60:.0f} minutes. Never type a code that you were sent.")

    return starting.with_device(settings, show)


@command(short_help="Forget your login.")
@connection_options
def logout(session: CommandSession) -> None:
    """Forget your login for this server: issuer and m8 are asked to revoke it, and what is kept here is removed.

    Your session in the browser is the issuer's affair.
    """
    server = configured(session.found())[0]
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
