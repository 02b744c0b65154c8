"""What the arguments of commands complete to: stores and URIs, for which m8 is asked, and files.

m8's answer goes into a command line that a user is typing, so nothing counts but names and URIs that follow their
grammar: none has a character that means something to a shell. No question is asked, and a failure is silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from monoskope import shell_completion
from monoskope.errors import Error
from monoskope.protocol.login import Member
from monoskope.uri import SecretUri, check_store_name

if TYPE_CHECKING:
    from monoskope.client import Client

SECONDS = 1.5
"""Seconds that m8 may take: a user who types waits no longer."""
_PAGE = 1_000

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)

Find = Callable[["Client", str, set[str]], Awaitable[None]]
"""Adds to a set what fits, as soon as it is known."""


def attach(command: click.Command) -> None:
    """Let the arguments and options of a command complete, by their names."""
    for parameter in command.params:
        kind = _TYPES.get(parameter.name or "")
        if kind is not None and parameter.type is click.STRING:
            parameter.type = kind


class _Asked(click.types.StringParamType):
    """A text that m8 can complete."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG002 - click's own signature
        """Return what m8 knows that begins with `incomplete`."""
        return [CompletionItem(text) for text in sorted(_ask(ctx, self._find, incomplete))]


class _Context(click.types.StringParamType):
    """The name of a context in the settings file."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG002 - click's own signature
        """Return the contexts that begin with what is typed."""
        from monoskope.client.known.config_file import config_path, read_config  # noqa: PLC0415 - seldom asked

        try:
            file = read_config(config_path(ctx.params.get("config")))
        except Error:
            return []
        return [CompletionItem(name) for name in sorted(file.contexts) if name.startswith(incomplete)]


class _File(click.types.StringParamType):
    """A path, or KEY=PATH."""

    def __init__(self, *, after_key: bool = False) -> None:
        self._after_key = after_key

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG002 - click's own signature
        """Return the paths that begin with what is typed."""
        key, equals, path = incomplete.partition("=") if self._after_key else ("", "", incomplete)
        if self._after_key and not equals:
            return []
        return [CompletionItem(f"{key}{equals}{found}") for found in shell_completion.files(path)]


def _ask(ctx: click.Context, find: Find, incomplete: str) -> set[str]:
    from monoskope.client import Client  # noqa: PLC0415 - a file completes without it
    from monoskope.client.known.table import FIELDS  # noqa: PLC0415
    from monoskope.client.settings import load_settings  # noqa: PLC0415

    found: set[str] = set()
    flags = {
        name: value for name, value in ctx.params.items() if name in {*FIELDS, "config", "context", "default_store"}
    }

    async def ask() -> None:
        # Somebody types: what is away is not waited for.
        async with Client(load_settings(**flags, store_identities={}), retry_for=0) as client:
            await find(client, incomplete, found)

    with contextlib.suppress(Error, OSError, TimeoutError):  # what was found by then helps nevertheless
        asyncio.run(asyncio.wait_for(ask(), SECONDS))
    return found


async def _stores(client: Client, typed: str, found: set[str]) -> None:
    async for store in client.queries.stores():
        if store.name.startswith(typed) and _is(check_store_name, store.name):
            found.add(store.name)


async def _role_bindings(client: Client, typed: str, found: set[str]) -> None:
    for binding in await client.access.role_bindings():
        if binding.name.startswith(typed) and _NAME.fullmatch(binding.name):
            found.add(binding.name)


async def _changes(client: Client, typed: str, found: set[str]) -> None:
    async for change in client.changes.list(state="open"):
        if change.change_id.startswith(typed):
            found.add(change.change_id)


async def _members(client: Client, typed: str, found: set[str]) -> None:
    """Add the users and machines that role bindings name, and the administrators who made them."""
    for binding in await client.access.role_bindings():
        for member in (*binding.members, binding.made_by):
            if member.startswith(typed) and not member.startswith("group:") and _is(Member.parse, member):
                found.add(member)


async def _uris(client: Client, typed: str, found: set[str]) -> None:
    """Add the URIs that begin with `typed`, up to the next `/`, and the stores while none is named."""
    if "://" in typed:
        await _below(client, typed, "", found)
        return
    from monoskope.client.known.stores import KnownStores  # noqa: PLC0415

    names: set[str] = set()
    await _stores(client, "", names)
    found |= {f"{name}://" for name in names if f"{name}://".startswith(typed)}
    given = client.settings
    default = KnownStores(given.known_stores_path, servers=given.servers).default(given.server)
    if default is not None:
        await _below(client, f"{default}://{typed}", f"{default}://", found)


async def _below(client: Client, typed: str, unnamed: str, found: set[str]) -> None:
    """Add what is below the last `/` of `typed`, without `unnamed` at its beginning."""
    folder = typed[: typed.rindex("/") + 1]
    prefix = folder if folder.endswith("://") else folder.removesuffix("/")
    async for view in client.queries.secrets(prefix, page_size=_PAGE):
        if view.uri.startswith(typed) and _is(SecretUri.parse, view.uri):
            segment, slash, _ = view.uri[len(folder) :].partition("/")
            found.add(f"{folder}{segment}{slash}".removeprefix(unnamed))


def _is(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except Error:
        return False
    return True


_URI, _STORE, _PATH, _KEY_AND_PATH = _Asked(_uris), _Asked(_stores), _File(), _File(after_key=True)
_TYPES = MappingProxyType(
    {
        **dict.fromkeys(("uri", "uris", "words", "destination", "prefix", "below"), _URI),
        **dict.fromkeys(("store", "name"), _STORE),
        **dict.fromkeys(("binding", "keep"), _Asked(_role_bindings)),
        "member": _Asked(_members),
        "change": _Asked(_changes),
        "context": _Context(),
        **dict.fromkeys(("file", "out", "from_env_file", "from_json", "ca_file", "token_file", "known_stores"), _PATH),
        "from_file": _KEY_AND_PATH,
    }
)
"""By the names that commands give to their arguments and options."""
