"""`monoctl status`: all checks that a user would make by hand. A file of its own: it loads more than other commands."""

from __future__ import annotations

import click

from monoskope.checks.check import Check, Verdict, documents, ending, lines
from monoskope.client import Client
from monoskope.client.login.credential import FixedToken
from monoskope.errors import Error
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import CommandSession, configured, output_options
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import emit
from monoskope.monoctl.status.reaching import SERVER, reaching_checks
from monoskope.monoctl.status.standing import LOGIN, PINS, pins_of, standing_checks


@command(short_help="Check how you reach m8, your login, pins, log, stores and key.")
@output_options
@click.pass_context
def status(context: click.Context, session: CommandSession) -> None:
    """Check what a put needs, and say what to do about what is wrong.

    Which setting chose the server; whether it answers; its certificate and its clock; your login; whether m8's log and
    its stores are those that this machine has pinned; whether stores are served; your signing key. It sends no secret,
    and ends with 21 if a check says FAIL, else with 0.

    What it says of stores, reactors and witnesses is m8's word. The pins are your own.
    """
    checks = _checks(session)
    if session.output == "table":
        terminal.out(*lines(checks))
    else:
        emit(session.output, documents(checks), {})
    context.exit(ending(checks))


def _checks(session: CommandSession) -> list[Check]:
    try:
        found = session.found()
        configured(found)
        # The token is looked for afterwards: without one the rest can be checked all the same.
        settings = session.settings(FixedToken("none", "nothing"))
    except Error as error:
        return [Check.failed(SERVER, error)]
    checks = reaching_checks(settings, found[SERVER].source)
    try:
        pins = pins_of(settings)
    except Error as error:
        return [*checks, Check.failed(PINS, error)]
    if not any(check.name.startswith(SERVER) and check.verdict is Verdict.OK for check in checks):
        said = "m8 is not reached, so your login, its log and its stores are not known."
        return [*checks, Check.not_known(LOGIN, said)]

    async def work(client: Client) -> list[Check]:
        return await standing_checks(client, pins)

    try:
        return checks + session.run(work)
    except Error as error:
        return [*checks, Check.failed(LOGIN, error)]
