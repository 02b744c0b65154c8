"""What administrators do to stores and to the fingerprint key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.errors import UsageError
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import key_rotation, terminal, views
from monoskope.monoctl.output.formats import Document, emit

_COLUMNS = {"NAME": "name", "TYPE": "type", "STATE": "state", "DEFAULT": "default", "IDENTITY": "identity"}


def _show(session: CommandSession, output: str, change: Callable[[Client], Awaitable[views_pb2.SecretStore]]) -> None:
    async def work(client: Client) -> Document:
        return views.store(await change(client))

    emit(output, session.run(work), _COLUMNS)


@click.command(short_help="Add an inactive store.")
@click.argument("name")
@click.option("--type", "kind", required=True, metavar="TYPE", help="The kind of engine: vault, age, …")
@click.option("--identity", required=True, metavar="SHA256:…", help="What `m8 reactor init` printed.")
@output_option
@connection_options
def create(name: str, kind: str, identity: str, output: str, session: CommandSession) -> None:
    """Add a store. It takes uploads after `monoctl activate secret-store`. The first store becomes the default."""
    _show(session, output, lambda client: client.stores.create(name, kind=kind, identity=identity))


@click.command(short_help="Activate a store.")
@click.argument("name")
@output_option
@connection_options
def activate(name: str, output: str, session: CommandSession) -> None:
    """Activate a store, so that it takes uploads."""
    _show(session, output, lambda client: client.stores.activate(name))


@click.command(short_help="Deactivate a store.")
@click.argument("name")
@output_option
@connection_options
def deactivate(name: str, output: str, session: CommandSession) -> None:
    """Deactivate a store, so that it takes no more uploads. What is upstream does not change."""
    _show(session, output, lambda client: client.stores.deactivate(name))


@click.command(short_help="Make a store the default.")
@click.argument("name")
@output_option
@connection_options
def set_default(name: str, output: str, session: CommandSession) -> None:
    """Make a store the default. Each user must confirm the new default."""
    _show(session, output, lambda client: client.stores.set_default(name))


@click.command(short_help="Give a store a new identity without proof.")
@click.argument("name")
@click.option("--identity", required=True, metavar="SHA256:…", help="What `m8 reactor init` printed.")
@output_option
@connection_options
def replace(name: str, identity: str, output: str, session: CommandSession) -> None:
    """Give a store a new identity without proof, as after a theft. Every user must pin it again."""
    _show(session, output, lambda client: client.stores.replace_identity(name, identity=identity))


@click.command(short_help="Allow a second fingerprint key id.")
@click.argument("key_id")
@connection_options
def start_rotation(key_id: str, session: CommandSession) -> None:
    """Allow a second fingerprint key id, while reactors move to it."""
    session.run(lambda client: client.stores.start_fingerprint_key_rotation(key_id))
    terminal.out(f"m8 says: reactors may use fingerprint key {key_id} now.")


@click.command(short_help="Allow only the new fingerprint key id.")
@click.argument("key_id")
@click.option(
    "--force", is_flag=True, help="Also while attached reactors have another key. m8 shuts them out; see the question."
)
@click.option("--yes", is_flag=True, help="With --force: do not ask.")
@connection_options
def finish_rotation(key_id: str, session: CommandSession, *, force: bool, yes: bool) -> None:
    """Allow only the new fingerprint key id.

    m8 refuses this while an attached reactor has another key, and names it.
    """

    async def find(client: Client) -> list[views_pb2.SecretStore]:
        return [store async for store in client.queries.stores()]

    stores = session.run(find)
    if force:
        _agree(key_rotation.what_breaks(stores, key_id), key_id, yes=yes)
    session.run(lambda client: client.stores.finish_fingerprint_key_rotation(key_id, force=force))
    terminal.out(f"m8 says: fingerprint key {key_id} alone counts now.")
    for sentence in key_rotation.left_behind(stores, key_id):
        terminal.warn(sentence)


def _agree(breaks: list[str], key_id: str, *, yes: bool) -> None:
    """Say what breaks, and ask. Raises `UsageError` if the user does not agree, or cannot be asked."""
    for sentence in breaks or ["no attached reactor has another key."]:
        terminal.warn(sentence)
    if yes:
        return
    if not terminal.interactive():
        raise UsageError(
            "--force shuts reactors out, and there is no terminal to ask on.", fix="Say --yes, too, if you mean it."
        )
    if not terminal.confirm(f"Allow the fingerprint key {key_id} alone?"):
        raise UsageError("you did not agree; nothing was changed.", fix="Nothing to do.")
