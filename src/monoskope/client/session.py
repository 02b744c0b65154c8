"""One open client: its connection, its pins and its limits, which all subjects of the client share."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import structs

from monoskope.client.connection import CALL_TIMEOUT_S, Connection
from monoskope.client.known.logs import NAME
from monoskope.client.known.stores import KnownStores
from monoskope.client.log import LogWatch
from monoskope.client.purposes import Expect, Expected, expectation, is_typed, whole
from monoskope.client.queries import Queries
from monoskope.client.runtime import Runtime, unhurried, within
from monoskope.client.settings import ClientSettings, check_retry_for
from monoskope.client.walk.checks import Wanted, attached, check_options, check_size, check_twice, checked
from monoskope.client.walk.pace import Bulk, Pace, Tally
from monoskope.client.walk.target import Confirm, Remembered, Resolver, Target, check_text
from monoskope.errors import Error, UsageError, let_go
from monoskope.protocol import identity
from monoskope.protocol.options import Options
from monoskope.value import Unshared

if TYPE_CHECKING:
    from monoskope.client.signing import Signing
    from monoskope.client.signing.signer import Signer
    from monoskope.client.walk.receipts import Logged, Proofs
    from monoskope.client.walk.task import Progress
    from monoskope.client.walk.walk import Walk
    from monoskope.protocol.tlog.checkpoint import Checkpoint

R = TypeVar("R")

if TYPE_CHECKING:
    Work = Callable[[Walk, Target], Awaitable[R]]


class Session(Unshared):
    """Resolves URIs, walks requests and asks m8, for one client. Arguments as `Client` has them."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        confirm: Confirm | None,
        notify: Callable[[str], None],
        observe: Callable[[Progress], None] | None,
        progress: Callable[[Tally], None] | None,
        signer: Signer | None,
        passphrase: Callable[[str], str] | None,
        system_known_stores: Path,
        pause_s: float,
        runtime: Runtime,
        retry_for: float | None,
    ) -> None:
        self.settings = settings
        self._retry_for_s = settings.retry_for if retry_for is None else check_retry_for(retry_for)
        self.runtime = runtime
        self.notify = notify
        self.known = KnownStores(
            settings.known_stores_path, system=system_known_stores, notify=notify, servers=settings.servers
        )
        """The pinned identities."""
        self._system_known_logs = system_known_stores.with_name(NAME)
        self._confirm = confirm
        self._observe = observe
        self._progress = progress
        self.pause_s = pause_s
        """First pause in seconds before anything is sent or asked again."""
        self.logged: Logged | None = None
        """What the log has of a request; the client sets it."""
        self._connection: Connection | None = None
        self._remembered = Remembered()
        self._paces: dict[str, Pace] = {}
        """By store: all requests of this client share it."""
        self.signing = self._signs(signer, passphrase)
        """What signs requests, None if no key is set."""

    def _signs(self, signer: Signer | None, passphrase: Callable[[str], str] | None) -> Signing | None:
        """Return what signs requests, None if no key is set: then nothing of it is loaded."""
        if signer is None and not self.settings.signing_key:
            return None
        from monoskope.client.signing import Signing  # noqa: PLC0415 - only where a key is set

        return Signing(signer, self.settings.signing_key, passphrase=passphrase, blocks=self.runtime.blocks)

    def open(self) -> None:
        """Make the connection, which dials at the first call. Raises `UsageError` if it is open."""
        if self._connection is not None:
            raise UsageError("the client is open already.", fix="Open it once, or make another one.")
        given = self.settings
        self._connection = Connection(
            given.servers,
            given.ca_file,
            given.credential or given.token,
            ca=given.ca,
            pause_s=self.pause_s,
            runtime=self.runtime,
            source=given.server_source,
            retry_for_s=self._retry_for_s,
            tell=self.notify,
        )
        self._connection.watch = LogWatch(self._connection, given, system=self._system_known_logs, notify=self.notify)
        self._paces.clear()

    async def close(self) -> None:
        """End the connection, and drop a private key that a passphrase opened. Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        if self.signing is not None:
            self.signing.forget()

    @property
    def connection(self) -> Connection:
        """The open connection. Raises `UsageError` if there is none."""
        if self._connection is None:
            raise UsageError(
                "the client is not open.", fix="Use it as `async with Client() as client:`, or call `open` first."
            )
        return self._connection

    @property
    def watch(self) -> LogWatch:
        """The checks of m8's log."""
        watch = self.connection.watch
        assert isinstance(watch, LogWatch)
        return watch

    @property
    def queries(self) -> Queries:
        """What m8 knows, as messages of the API."""
        return Queries(self.connection, self._tree)

    async def _tree(self) -> Checkpoint | None:
        return await self.watch.tree()

    @property
    def proofs(self) -> Proofs:
        """The checks of m8's answers, by the pins as they are now. Raises as `KnownStores.read`."""
        from monoskope.client.walk.receipts import Proofs  # noqa: PLC0415 - a put does not need it

        self.runtime.while_waiting(identity.load)
        given, pins = self.settings, self.known.read_with(self.settings.server, self.settings.store_identities)
        return Proofs(pins, given.server, self.queries, logged=self.logged)

    def resolver(self, timeout_s: float = CALL_TIMEOUT_S) -> Resolver:
        """Return what finds the store of a URI, and asks the user where nothing is pinned."""
        return Resolver(
            self.connection,
            self.settings,
            self.known,
            confirm=self._confirm,
            notify=self.notify,
            timeout_s=min(timeout_s, CALL_TIMEOUT_S),
            remembered=self._remembered,
        )

    def agreeing(self, given: Mapping[str, str]) -> Resolver:
        """Return a resolver that asks no user, and agrees to the identities that are given."""
        settings = structs.replace(self.settings, store_identities=dict(given))
        return Resolver(self.connection, settings, self.known, confirm=None, notify=self.notify)

    async def target(self, uri: str, timeout_s: float, *, may_sign: bool = False) -> Target:
        """Return the target that a URI names. Raises as `Resolver.target`."""
        check_text(uri)
        target = await self.resolver(timeout_s).target(uri)
        if may_sign:
            self._prepare_to_sign(target)
        return target

    def walk(self, target: Target, timeout_s: float) -> Walk:
        """Return what carries out one task at a target."""
        from monoskope.client.walk.walk import Walk  # noqa: PLC0415 - see `_load_walk`

        return Walk(
            self.connection,
            target.trust,
            timeout_s=timeout_s,
            observe=self._observe,
            pause_s=self.pause_s,
            pace=self._paces.setdefault(target.uri.store, Pace(self.runtime, pause_s=self.pause_s)),
            several=target.several,
            signing=self.signing,
        )

    async def expected(self, expect: Expect | str, target: Target) -> Expected:
        """Return the protocol's form of an expectation, with the whole text of the version that was typed.

        Raises:
            UsageError: several versions of the secret were called so.
        """
        if not isinstance(expect, Expect) and is_typed(expect):
            return expectation(await whole(expect, target.uri, self.queries))
        return expectation(expect)

    async def one(self, uri: str, timeout_s: float, work: Work[R]) -> R:
        """Do `work` at one target and return its result, or raise its error."""
        return only(await self.each([uri], timeout_s, work))

    async def each(
        self,
        uris: Sequence[str],
        timeout_s: float,
        work: Work[R],
        *,
        size: int = 0,
        options: Options | None = None,
        wanted: Wanted | None = None,
        may_sign: bool = True,
    ) -> list[R | Error]:
        """Do `work` at each target, a few at once, and return for each its result or its error.

        Targets are resolved one by one, because that may ask the user. The time of one secret is for everything
        together; that of each of several is for its resolving, and for its turn.

        Args:
            uris: Of the secrets.
            timeout_s: Seconds.
            work: What to do at one target, by the walk to it.
            size: Of the padded plaintext in bytes, 0 if nothing is sealed.
            options: The provider's; they must be for one of the stores.
            wanted: What is checked for all of several before the first is sent.
            may_sign: Whether to ask for a passphrase before a key is requested.

        Raises:
            UsageError: no URI is given, one twice, or one is malformed; nothing was sent.
        """
        if not uris or len(set(uris)) != len(uris):
            raise UsageError("no secret URI is given, or one twice.", fix="Give each URI once.")
        for uri in uris:
            check_text(uri)
        several = len(uris) > 1

        async def timed(target: Target) -> R:
            with within(self.runtime, timeout_s):
                return await work(self.walk(target, timeout_s), target)

        with contextlib.nullcontext() if several else within(self.runtime, timeout_s):
            if several and wanted is not None:
                self._remembered.clear()  # What is checked is to be what m8 says now.
            self.runtime.while_waiting(_load_walk)
            targets = await self._targets(uris, size, timeout_s, may_sign=may_sign)
            check_twice(targets)
            check_options(targets, options)
            if several and wanted is not None:
                targets = await checked(targets, wanted, self.queries)
            results = await Bulk(self.runtime, uris, tell=self._progress).run(targets, timed)
        if any(isinstance(result, Error) for result in results):
            self._remembered.clear()
        return results

    async def _targets(
        self, uris: Sequence[str], size: int, timeout_s: float, *, may_sign: bool
    ) -> list[Target | Error]:
        resolver = self.resolver(timeout_s)
        targets: list[Target | Error] = []
        for uri in uris:
            try:
                with within(self.runtime, timeout_s):
                    target = await resolver.target(uri)
                check_size(target.store, target.uri, size)
                if may_sign:
                    self._prepare_to_sign(target)
                targets.append(structs.replace(target, several=len(uris) > 1))
            except Error as error:
                self._remembered.clear()
                targets.append(let_go(error))
        return targets

    def _prepare_to_sign(self, target: Target) -> None:
        """Ask for a passphrase before a key is asked for, if m8 shows that the store takes signed requests alone.

        That is m8's word, and only a hint: the grant decides whether a request is signed.
        """
        if self.signing is not None and any(can.signatures for can in attached(target.store)):
            with unhurried():
                self.signing.prepare()


def only(results: list[R | Error]) -> R:
    """Return the one result. Raises it if it is an error, and keeps neither.

    An error and a frame that hold each other would keep the value in that frame until garbage is collected.
    """
    (result,) = results
    results.clear()
    try:
        if isinstance(result, Error):
            raise result
        return result
    finally:
        del result


def _load_walk() -> None:
    """Load what only a known store leads to: steps 1 to 7. Call it while m8 is asked for the store."""
    import monoskope.client.walk.walk  # noqa: F401,PLC0415
