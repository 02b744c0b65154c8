"""The options that commands share, and what they say: a session of one command, with its client."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monoskope.client.known.sources import find
from monoskope.client.known.table import FIELDS, Setting
from monoskope.client.people import People
from monoskope.client.settings import ClientSettings, load_settings, parse_identities
from monoskope.errors import UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.ending import interrupted
from monoskope.monoctl.output.formats import TABLE, TABLES, WORDS, Document
from monoskope.monoctl.output.progress import Bar, Watch

if TYPE_CHECKING:
    from monoskope.client import Client
    from monoskope.client.login.credential import Credential
    from monoskope.client.runtime import Runtime

R = TypeVar("R")

TIMEOUT_S = 120.0


def configured(found: Mapping[str, Setting]) -> tuple[str, ...]:
    """Return the servers that the settings name. Raises `UsageError` if there is none, or one is malformed."""
    if "server" not in found:
        raise UsageError("no server is configured.", fix="Run `monoctl config set server SERVER`, or say --server.")
    return check_servers(found["server"].value)


class ConnectionOption(click.Option):
    """An option that says which m8 is called, and as whom."""


_option = functools.partial(click.option, cls=ConnectionOption)
config_option = _option(
    "--config", metavar="FILE", type=click.Path(path_type=Path), help="Your settings [MONOCTL_CONFIG]."
)
context_option = _option("--context", metavar="NAME", help="One of the contexts in your settings [MONOCTL_CONTEXT].")
_CONNECTION = (
    _option(
        "--server",
        metavar="SERVER[,…]",
        help="m8: HOST:PORT, or several of one log with commas [MONOCTL_SERVER].",
    ),
    _option("--ca-file", metavar="FILE", help="The CA that signed its certificate [MONOCTL_CA_FILE]."),
    _option("--token-file", metavar="FILE", help="Your token; mode 0600 [MONOCTL_TOKEN_FILE]."),
    _option(
        "--signing-key",
        metavar="FILE|KEY",
        help="Signs your requests: a private key, or a public key whose other half the ssh-agent holds"
        " [MONOCTL_SIGNING_KEY].",
    ),
    _option("--known-stores", metavar="FILE", help="The identities you trust; mode 0600 [MONOCTL_KNOWN_STORES]."),
    config_option,
    context_option,
    _option(
        "--store-identity",
        "store_identity",
        metavar="STORE=SHA256:…",
        multiple=True,
        help="Trust this identity at the first contact with the store [MONOCTL_STORE_IDENTITY].",
    ),
    _option(
        "--retry-for",
        metavar="SECONDS",
        help="Wait so long for what is away and comes back by itself, 0 for not at all; 30 by default"
        " [MONOCTL_RETRY_FOR].",
    ),
    _option("--default-store", metavar="STORE", help="Accept this default store [MONOCTL_DEFAULT_STORE]."),
)
_FLAGS = (
    "server",
    "ca_file",
    "token_file",
    "signing_key",
    "known_stores",
    "config",
    "context",
    "retry_for",
    "default_store",
)

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="How to print.",
)
_list_option = click.option(
    "-o",
    "--output",
    type=click.Choice(WORDS),
    default=TABLE,
    show_default=True,
    help="How to print: `wide` shows whole hashes and versions, `name` names alone.",
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(0, 86_400, min_open=True),
    default=TIMEOUT_S,
    show_default=True,
    help="Seconds for each secret, from its turn on.",
)


class CommandSession:
    """What the shared options of one command say, and the client made of it.

    Attributes:
        output: How to print, of a command with that option.
        timeout: Seconds for each secret, of a command with that option.
        config: The settings file, if a flag names it.
        people: The names that came with m8's answers.
    """

    def __init__(
        self, flags: dict[str, Any], store_identity: tuple[str, ...], *, output: str = TABLE, timeout: float = TIMEOUT_S
    ) -> None:
        self._flags = flags
        self._store_identity = store_identity
        self.output = output
        self.timeout = timeout
        self.config: Path | None = flags["config"]
        self.people = People()
        self._told_names = False
        self.bar = Bar()
        self.watch = Watch(quiet=lambda: self.bar.visible)

    def settings(self, credential: Credential | None = None, *, requester: str = "") -> ClientSettings:
        """Find, read and check the settings. Raises as `load_settings`."""
        identities = parse_identities(list(self._store_identity)) if self._store_identity else None
        return load_settings(
            **self._flags, store_identities=identities, credential=credential, requester=requester or None
        )

    def found(self, *, login: str | None = None) -> dict[str, Setting]:
        """Return each setting that is given, with its source, before a credential is looked for.

        Args:
            login: The name of the login that counts, one of `[logins.NAME]`.

        Raises:
            Error: as `find`.
        """
        flags = {name: value for name, value in self._flags.items() if name in FIELDS}
        return find(flags, config=self.config, context=self._flags["context"], login=login)

    def run(
        self,
        work: Callable[[Client], Awaitable[R]],
        *,
        several: bool = False,
        credential: Credential | None = None,
        settings: ClientSettings | None = None,
    ) -> R:
        """Run `work` with a client and return its result.

        The blocking client starts faster, because it takes no event loop. It does one thing after the other.

        Args:
            work: What to do.
            several: Whether it asks m8 for several things at once.
            credential: Where tokens come from, in the place of what the settings say.
            settings: What to dial and how, in the place of all that is found.
        """
        settings = settings or self.settings(credential)
        if several:
            import asyncio  # noqa: PLC0415 - one of the two is loaded

            return asyncio.run(self._work(self._client(settings, None), work))
        from monoskope.client.runtime.blocking import BlockingRuntime, run  # noqa: PLC0415 - as above

        return run(self._work(self._client(settings, BlockingRuntime()), work))

    def named(self, documents: Sequence[Document], *, whole: bool = False) -> list[Document]:
        """Return documents with the names of people beside their ids, and say once whose word these are.

        Args:
            documents: What is printed.
            whole: As for `monoskope.monoctl.output.people.named`.
        """
        from monoskope.monoctl.output.people import NAMES, named  # noqa: PLC0415 - a put prints nobody

        found = named(self.output, documents, self.people, whole=whole)
        if self.output in TABLES and not self._told_names and found != list(documents):
            self._told_names = True
            terminal.note(NAMES)
        return found

    def _client(self, settings: ClientSettings, runtime: Runtime | None) -> Client:
        from monoskope.client import Client  # noqa: PLC0415 - a help needs none

        return Client(
            settings,
            runtime=runtime,
            confirm=terminal.confirm if terminal.interactive() else None,
            notify=terminal.note,
            observe=self.watch.observe,
            progress=self.bar.tell,
            passphrase=terminal.passphrase if terminal.interactive() else None,
        )

    async def _work(self, client: Client, work: Callable[[Client], Awaitable[R]]) -> R:
        async with client:
            self.people = client.people
            try:
                return await work(client)
            finally:
                self.bar.stop()
                self.watch.clear()


def connection_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the connection options and, in the place of all shared ones, a `session` argument."""

    @functools.wraps(command)
    def wrapped(*args: Any, store_identity: tuple[str, ...], **rest: Any) -> R:  # noqa: ANN401 - click's own
        flags = {name: rest.pop(name) for name in _FLAGS}
        shared = {name: rest.pop(name) for name in ("output", "timeout") if name in rest}
        session = CommandSession(flags, store_identity, **shared)
        try:
            return command(*args, session=session, **rest)
        except (KeyboardInterrupt, click.Abort):
            # Here, and not only around the calls: a Ctrl-C while the answer is printed must not report that nothing was
            # sent.
            raise interrupted(session.watch.sent(), session.watch.ended(), session.watch.proposed) from None

    for option in reversed(_CONNECTION):
        wrapped = option(wrapped)
    return wrapped


def output_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command `-o`, and what `connection_options` gives."""
    return output_option(connection_options(command))


def list_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command that lists `-o` with more forms, and what `connection_options` gives."""
    return _list_option(connection_options(command))


def request_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command `--timeout`, and what `output_options` gives."""
    return timeout_option(output_options(command))
