"""The client: one object that puts, patches, compares and deletes secrets, and asks what m8 knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from msgspec import structs

from monoskope.client import purposes
from monoskope.client.agreeing import Agreeing
from monoskope.client.bulk import Bulk, Tally
from monoskope.client.changes import DEFAULT_TIMEOUT_S, only
from monoskope.client.checks import Wanted, check_options, check_twice, checked
from monoskope.client.connection import CALL_TIMEOUT_S, Connection
from monoskope.client.editing import Editing
from monoskope.client.frames import let_go
from monoskope.client.known_logs import NAME
from monoskope.client.known_stores import SYSTEM_FILE, KnownStores
from monoskope.client.log_watch import LogWatch
from monoskope.client.notes import Notes
from monoskope.client.pace import Paces
from monoskope.client.proving import Proving
from monoskope.client.purposes.put import Expect, PutResult, encoded, expectation, put, wanted
from monoskope.client.queries import Queries
from monoskope.client.reading import Reading
from monoskope.client.restorations import Restorations
from monoskope.client.runtime import Runtime, on_asyncio, unhurried, within
from monoskope.client.settings import ClientSettings, load_settings
from monoskope.client.target import Confirm, Remembered, Resolver, Target, check_text
from monoskope.client.upstream_names import UpstreamNames
from monoskope.client.versions import whole
from monoskope.client.witnessed import Witnessed
from monoskope.errors import Error, UsageError
from monoskope.protocol import identity
from monoskope.protocol.request import Options
from monoskope.value import Unshared

if TYPE_CHECKING:
    from monoskope.client.access import Access
    from monoskope.client.administration import Stores
    from monoskope.client.log_proofs.held import HeldLog
    from monoskope.client.preview import Preview
    from monoskope.client.proof import Proofs
    from monoskope.client.purposes.compare import Comparison
    from monoskope.client.signing.signer import Signer
    from monoskope.client.signing.signing import Signing
    from monoskope.client.task import Progress
    from monoskope.client.walk import Walk
    from monoskope.protocol.tlog.checkpoint import Checkpoint

R = TypeVar("R")


class Client(Restorations, Editing, Agreeing, Reading, Witnessed, Proving, UpstreamNames, Unshared):
    """Puts secrets into stores, through an m8 that cannot read them.

    ```python
    async with Client() as client:
        result = await client.put_secret("vault://app/db", {"password": b"…"})
        print(result.hash)
    ```

    Args:
        settings: Where to dial and as whom; None finds them as `monoctl` does (`monoskope.client.settings`).
        confirm: Asks a person a question, e.g. whether to trust a store at first contact. Without it, first contact
            fails unless `known_stores`, the settings or the environment give the store's identity.
        notify: Called with a sentence that the user should know; without it, the logger `monoskope.client` warns.
        observe: Called whenever a request changes its stage; requests may be interleaved.
        progress: Called whenever one of several secrets of a call has ended, with how many have.
        signer: Signs requests for stores that take signed ones alone (docs/signed-requests.md). Without it the setting
            `signing_key` counts, and without that such a store is an error before anything is sealed.
        passphrase: Asks a person for the passphrase of the private key that `signing_key` names. Without it a key that
            has one is an error.
        system_known_stores: The administrator's pins.
        pause_s: First pause in seconds before anything is sent again.

    Every method raises `monoskope.errors.Error` subclasses alone: their `code` is stable, their `fix` says what to do.
    Cancelling a put after `Stage.SENT` leaves it undecided, as a timeout does.

    Any number of calls may run at once: the client makes a few at a time, and waits where a limit tells it to.
    """

    def __init__(
        self,
        settings: ClientSettings | None = None,
        *,
        confirm: Confirm | None = None,
        notify: Callable[[str], None] | None = None,
        observe: Callable[[Progress], None] | None = None,
        progress: Callable[[Tally], None] | None = None,
        signer: Signer | None = None,
        passphrase: Callable[[str], str] | None = None,
        system_known_stores: Path = SYSTEM_FILE,
        pause_s: float = 0.2,
    ) -> None:
        self.settings = settings if settings is not None else load_settings()
        self._confirm = confirm
        self._notify = notify or _warn
        self._known = KnownStores(
            self.settings.known_stores_path,
            system=system_known_stores,
            notify=self._notify,
            servers=self.settings.servers,
        )
        self._system_known_logs = system_known_stores.with_name(NAME)
        self._observe = observe
        self._progress = progress
        self._pause_s = pause_s
        self._open: Connection | None = None
        self._signer = signer
        self._passphrase = passphrase
        self._remembered = Remembered()
        self._runtime = self._waits_with()
        self._paces = Paces(self._runtime, pause_s=pause_s)
        self._signing = self._signs()

    def __repr__(self) -> str:
        return f"<Client {self.settings.server} token=hidden>"

    def _waits_with(self) -> Runtime:
        return on_asyncio()

    def _signs(self) -> Signing | None:
        """Return what signs requests, None if no key is set: then nothing of it is loaded."""
        if self._signer is None and not self.settings.signing_key:
            return None
        from monoskope.client.signing.signing import Signing  # noqa: PLC0415 - only where a key is set

        blocks = self._runtime.blocks
        return Signing(self._signer, self.settings.signing_key, passphrase=self._passphrase, blocks=blocks)

    async def __aenter__(self) -> Self:
        given = self.settings
        self._open = Connection(
            given.servers,
            given.ca_file,
            given.credential or given.token,
            ca=given.ca,
            pause_s=self._pause_s,
            runtime=self._runtime,
        )
        self._open.watch = LogWatch(self._open, given, system=self._system_known_logs, notify=self._notify)
        self._paces = Paces(self._runtime, pause_s=self._pause_s)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None
        if self._signing is not None:
            self._signing.forget()

    async def put_secret(
        self,
        uri: str,
        values: Mapping[str, bytes],
        *,
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
        labels: Mapping[str, str] | None = None,
        expires_on: dt.date | str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109 - one deadline spans several calls and decides the error
    ) -> PutResult:
        """Put one secret and return once a receipt proves that it is there.

        Args:
            uri: `store://path`, or `path` in the default store.
            values: The bytes of each key, 1 to 64 keys.
            expect: What must be upstream; text names an upstream version, whole or by the number that its engine shows.
            options: The provider's; typed ones go only to stores of their type.
            labels: Notes that everybody who sees the secret sees, at most 16; they replace those that it has. None
                keeps those, {} clears them.
            expires_on: The day on which it expires, a note on which m8 does nothing. None keeps it, "" clears it.
            timeout: Seconds for everything.

        Raises:
            UsageError: the URI, a key or an option is malformed; nothing was sent.
            IdentityChangedError: the store's identity or a proof does not hold; nothing was sent.
            ConflictError: upstream is not what `expect` names; nothing was written.
            OutcomeUnknownError: it may or may not have been written.
            TimedOutError: time was over before anything was sent.
            Error: see `monoskope.client.reasons` for the rest.
        """
        results = await self.put_secrets(
            [uri], values, expect=expect, options=options, labels=labels, expires_on=expires_on, timeout=timeout
        )
        return only(results)

    async def put_secrets(
        self,
        uris: Sequence[str],
        values: Mapping[str, bytes],
        *,
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
        labels: Mapping[str, str] | None = None,
        expires_on: dt.date | str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> list[PutResult | Error]:
        """Put the same values at several URIs, a few at once.

        Everything that can be known is checked for all of them before the first is sent; if something is wrong with
        one, none is sent. `timeout` is for each of them, from its turn on.

        Returns:
            For each URI, in the same order, its result or its error; `NotTriedError` if nothing was sent for it because
            of another one.

        Raises:
            UsageError: something is malformed: values, `expect`, labels, a URI, none or one twice. Nothing was sent.
        """
        plaintext = encoded(values)
        expectation(expect)
        notes = Notes.check(labels, expires_on)

        async def one(target: Target) -> PutResult:
            named = await whole(expect, target.uri, self.queries)
            return await put(self._walk(target, timeout), target, plaintext, named, options, notes)

        return await self._each(uris, len(plaintext), options, timeout, one, wanted=wanted(values, expect))

    async def compare_secret(
        self,
        uri: str,
        values: Mapping[str, bytes],
        *,
        options: Options | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> Comparison:
        """Compare values with what the store holds. Arguments and errors as `put_secret`; writes nothing."""
        return only(await self.compare_secrets([uri], values, options=options, timeout=timeout))

    async def compare_secrets(
        self,
        uris: Sequence[str],
        values: Mapping[str, bytes],
        *,
        options: Options | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,  # noqa: ASYNC109
    ) -> list[Comparison | Error]:
        """Compare the same values with several URIs. Returns and raises as `import_secrets`."""
        plaintext = encoded(values)

        async def one(target: Target) -> Comparison:
            return await purposes.compare.compare(self._walk(target, timeout), target, plaintext, options)

        return await self._each(uris, len(plaintext), options, timeout, one)

    async def preview_put(self, uri: str, values: Mapping[str, bytes], *, expect: Expect | str = Expect.ANY) -> Preview:
        """Return what a put would send. It only asks m8 for the store; it requests no key and pins nothing."""
        return await self._preview(uri, values, expect, None)

    async def _preview(
        self, uri: str, values: Mapping[str, bytes], expect: Expect | str, removes: tuple[str, ...] | None
    ) -> Preview:
        from monoskope.client.preview import preview  # noqa: PLC0415 - for --dry-run alone

        return await preview(
            self._resolver(), self.settings, self._known, uri=uri, values=values, expect=expect, removes=removes
        )

    @property
    def server(self) -> str:
        """The server that was dialled last, of `settings.servers`."""
        return self._connection().server

    @property
    def subject(self) -> str | None:
        """As whom the last call was made: the `sub` of its token; None before the first, and of a token without."""
        from monoskope.client.trust import subject_of  # noqa: PLC0415 - see `_load_walk`

        return subject_of(self._connection().token)

    async def full_uri(self, uri: str) -> str:
        """Return `uri` with its store, the agreed default store if it names none. Raises as `put_secret`."""
        return str(await self._resolver().uri(uri))

    @property
    def queries(self) -> Queries:
        """What m8 knows, as messages of the API."""
        return Queries(self._connection(), self._tree)

    async def _tree(self) -> Checkpoint | None:
        return await self._held().tree()

    @property
    def proofs(self) -> Proofs:
        """Return the checks of m8's answers, by the pins as they are now. Raises as `KnownStores.read`."""
        from monoskope.client.proof import Proofs  # noqa: PLC0415 - a put does not need it

        self._runtime.meanwhile(identity.load)
        given = self.settings
        return Proofs(self._known.read_with(given.server, given.store_identities), given.server, self.queries)

    def _held_log(self) -> HeldLog:
        from monoskope.client.log_proofs.held import HeldLog  # noqa: PLC0415 - few ask for a proof

        return HeldLog(self._held(), self.queries, self.settings, self._notify)

    def _pinned(self) -> dict[str, str]:
        given = self.settings
        pins = self._known.read_with(given.server, given.store_identities)
        return {store: identity for (server, store), identity in pins.identities.items() if server == given.server}

    @property
    def stores(self) -> Stores:
        """What administrators do to stores."""
        from monoskope.client.administration import Stores  # noqa: PLC0415 - for administrators alone

        return Stores(self._connection())

    @property
    def access(self) -> Access:
        """Who may do what: questions, role bindings and tokens."""
        from monoskope.client.access import Access  # noqa: PLC0415 - a put does not need it

        return Access(self._connection())

    async def _each(
        self,
        uris: Sequence[str],
        size: int,
        options: Options | None,
        timeout_s: float,
        one: Callable[[Target], Awaitable[R]],
        *,
        wanted: Wanted | None = None,
        may_sign: bool = True,
    ) -> list[R | Error]:
        """Resolve the targets one by one, because that may ask the user; check what is `wanted`; do a few at once.

        The time of one secret is for everything together; that of each of several is for its resolving, and for its
        turn.
        """
        if not uris or len(set(uris)) != len(uris):
            raise UsageError("no secret URI is given, or one twice.", fix="Give each URI once.")
        for uri in uris:
            check_text(uri)
        if len(uris) == 1:
            with within(self._runtime, timeout_s):
                return await self._all(uris, size, options, timeout_s, one, wanted=wanted, may_sign=may_sign)

        async def timed(target: Target) -> R:
            with within(self._runtime, timeout_s):
                return await one(target)

        return await self._all(uris, size, options, timeout_s, timed, wanted=wanted, may_sign=may_sign)

    async def _all(
        self,
        uris: Sequence[str],
        size: int,
        options: Options | None,
        timeout_s: float,
        one: Callable[[Target], Awaitable[R]],
        *,
        wanted: Wanted | None,
        may_sign: bool,
    ) -> list[R | Error]:
        several = len(uris) > 1
        if several and wanted is not None:
            self._remembered.clear()  # What is checked is to be what m8 says now.
        self._runtime.meanwhile(_load_walk)
        resolver = self._resolver(timeout_s)
        targets: list[Target | Error] = []
        for uri in uris:
            try:
                with within(self._runtime, timeout_s):
                    target = await resolver.target(uri)
                target.check_size(size)
                if may_sign:
                    self._prepare_to_sign(target)
                targets.append(structs.replace(target, several=several))
            except Error as error:
                self._remembered.clear()
                targets.append(let_go(error))
        check_twice(targets)
        check_options(targets, options)

        if several and wanted is not None:
            targets = await checked(targets, wanted, self.queries)
        results = await Bulk(self._runtime, uris, tell=self._progress).run(targets, one)
        if any(isinstance(result, Error) for result in results):
            self._remembered.clear()
        return results

    async def _target(self, uri: str, timeout_s: float, *, may_sign: bool = False) -> Target:
        check_text(uri)
        target = await self._resolver(timeout_s).target(uri)
        if may_sign:
            self._prepare_to_sign(target)
        return target

    def _prepare_to_sign(self, target: Target) -> None:
        """Ask for a passphrase before a key is asked for, if m8 shows that the store takes signed requests alone.

        That is m8's word, and only a hint: the grant decides whether a request is signed.
        """
        if self._signing is not None and any(
            reactor.capabilities.signatures for reactor in target.store.reactors if reactor.attached
        ):
            with unhurried():
                self._signing.prepare()

    def _walk(self, target: Target, timeout_s: float) -> Walk:
        from monoskope.client.walk import Walk  # noqa: PLC0415 - see `_load_walk`

        return Walk(
            self._connection(),
            target.trust,
            timeout_s=timeout_s,
            observe=self._observe,
            pause_s=self._pause_s,
            pace=self._paces.of(target.uri.store),
            several=target.several,
            signing=self._signing,
        )

    def _resolver(self, timeout_s: float = CALL_TIMEOUT_S) -> Resolver:
        return Resolver(
            self._connection(),
            self.settings,
            self._known,
            confirm=self._confirm,
            notify=self._notify,
            timeout_s=min(timeout_s, CALL_TIMEOUT_S),
            remembered=self._remembered,
        )

    def _given(self) -> Mapping[str, str]:
        return self.settings.store_identities

    def _agreeing(self, given: Mapping[str, str]) -> Resolver:
        return Resolver(
            self._connection(),
            structs.replace(self.settings, store_identities=dict(given)),
            self._known,
            confirm=None,
            notify=self._notify,
        )

    def _connection(self) -> Connection:
        if self._open is None:
            raise UsageError("the client is not open.", fix="Use it as `async with Client() as client:`.")
        return self._open


def _load_walk() -> None:
    """Load what only a known store leads to: steps 1 to 7. Call it while m8 is asked for the store."""
    import monoskope.client.walk  # noqa: F401,PLC0415


def _warn(sentence: str) -> None:
    import logging  # noqa: PLC0415 - `monoctl` prints what it is told, and does without it

    logging.getLogger("monoskope.client").warning(sentence)
