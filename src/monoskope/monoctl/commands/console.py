"""`monoctl console`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monoskope import start
from monoskope.errors import UnavailableError
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import CommandSession, connection_options
from monoskope.monoctl.output import terminal

if TYPE_CHECKING:
    from monoskope.client.signing.signer import LocalSigner


@command(short_help="Open a page in your browser that does what the commands do.")
@click.option("--no-browser", is_flag=True, help="Print the page's address; open no browser.")
@click.option("--port", type=click.IntRange(1, 65_535), metavar="N", help="Listen there; by default a free port.")
@connection_options
def console(session: CommandSession, *, no_browser: bool, port: int | None) -> None:
    """Open a page in your browser that does what the commands do: put secrets, compare them, see what m8 knows.

    The page comes from this program, at an address that this machine alone can reach, and only your browser can use it:
    its link counts once. Values are sealed here, as by the commands. Press Enter for another page. It ends a minute
    after its last page is closed, and with Ctrl-C.
    """
    # First: the token may come from a pipe, which can be read once.
    start.execute_again()
    start.close_memory()
    settings = session.settings()
    import asyncio  # noqa: PLC0415 - `monoctl --help` needs none of it

    from monoskope.monoctl.console.program import ConsoleOptions, Sent, run  # noqa: PLC0415 - as above
    from monoskope.monoctl.output.ending import interrupted  # noqa: PLC0415 - as above

    sent, signer = Sent(), _signer(settings.signing_key)
    try:
        options = ConsoleOptions(
            settings, port=port or 0, opens_browser=not no_browser, say=terminal.out, signer=signer
        )
        asyncio.run(run(options, sent))
    except KeyboardInterrupt:
        # The second Ctrl-C: what was sent and not waited for is said all the same.
        if sent.open:
            raise interrupted(sent.open, []) from None
        return
    terminal.out("The console has ended.")


def _signer(setting: str) -> LocalSigner | None:
    """Return what signs requests of the console. A passphrase is asked for here, in the terminal, and not in the page.

    Raises:
        UsageError: the key is not set up as it must be.
        RefusedError: others can reach the file of a private key, or its passphrase is wrong.
    """
    if not setting:
        return None
    from monoskope.client.signing.signer import signer_of  # noqa: PLC0415 - only where a key is set

    signer = signer_of(setting, passphrase=terminal.passphrase if terminal.interactive() else None)
    try:
        signer.prepare()
    except UnavailableError as error:
        # It may come later: each request asks the agent again.
        terminal.warn(error.message)
    return signer
