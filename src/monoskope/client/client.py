"""The client: one object that puts, patches, compares and deletes secrets, and asks what m8 knows.

It is longer than other files because it is the SDK's public surface: a method is its signature, its words and a few
lines. The work is done by `Session` and by the files of `purposes`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Literal, Self

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.client import purposes
from monoskope.client.connection import CALL_TIMEOUT_S
from monoskope.client.http import methods
from monoskope.client.known.stores import SYSTEM_FILE
from monoskope.client.people import People
from monoskope.client.purposes import Expect, encoded, expectation
from monoskope.client.queries import PAGE_SIZE, Queries, request_id_bytes
from monoskope.client.runtime import Runtime, asyncio_runtime, left, within
from monoskope.client.session import Session, only
from monoskope.client.settings import ClientSettings, load_settings
from monoskope.client.walk.checks import preview
from monoskope.client.walk.pace import Tally
from monoskope.client.walk.results import PutResult
from monoskope.client.walk.target import Confirm, Target
from monoskope.errors import Error, UsageError
from monoskope.protocol.identity import ProofError
from monoskope.protocol.notes import check_edit, edit_message
from monoskope.protocol.options import Options
from monoskope.protocol.recipes import Recipe, check_recipes
from monoskope.value import Unshared

if TYPE_CHECKING:
    from monoskope.api.secrets.v1 import upload_pb2
    from monoskope.client.access import Access
    from monoskope.client.changes import Changes
    from monoskope.client.leaving import Leaving
    from monoskope.client.proofs.log import ServerLog
    from monoskope.client.purposes.list_names import UpstreamName, UpstreamPage
    from monoskope.client.results.secrets import Secret, SecretVersion, Upload
    from monoskope.client.rotation import Planned
    from monoskope.client.rotation.spec import Rotation
    from monoskope.client.rotation.walk import Rotated
    from monoskope.client.signing.signer import Signer
    from monoskope.client.stores import Server, Stores
    from monoskope.client.walk.checks import Preview, Wanted
    from monoskope.client.walk.receipts import Proofs
    from monoskope.client.walk.results import (
        Comparison,
        Copy,
        Deletion,
        Generated,
        Import,
        Rollback,
        Undeletion,
        Verification,
    )
    from monoskope.client.walk.task import Progress
    from monoskope.client.walk.walk import Walk

DEFAULT_TIMEOUT_S = 120.0
"""Long enough for another replica to find out how the write of a stopped reactor ended."""
PAGE_TIMEOUT_S = 120.0

SecretState = Literal["present", "deleted", "drifted", "out-of-sync"]
"""Which secrets to list."""
SECRET_STATES = MappingProxyType(
    {
        "present": views_pb2.SECRET_STATE_PRESENT,
        "deleted": views_pb2.SECRET_STATE_DELETED,
        "drifted": views_pb2.SECRET_STATE_DRIFTED,
        "out-of-sync": views_pb2.SECRET_STATE_OUT_OF_SYNC,
    }
)
_CHECKED_AT_ONCE = 16
"""How many versions are checked together."""


class Client(Unshared):
    """Puts secrets into stores, through an m8 that cannot read them.

    ```python
    async with Client() as client:
        result = await client.put_secret("vault://app/db", {"password": b"…"})
        print(result.hash)
    ```

    `client.stores`, `client.access` and `client.log` are about stores, rights, and m8's log with its events;
    `client.changes` is about changes that others approve, and `client.leaving` about somebody who leaves.

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
        runtime: How it waits: on asyncio, or, with a `monoskope.client.runtime.blocking.BlockingRuntime`, by blocking.
        retry_for: For how many seconds it waits for what is away and comes back by itself (docs/waiting.md), 0 for not
            at all; None for what the settings say. `notify` is told what it waits for.

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
        runtime: Runtime | None = None,
        retry_for: float | None = None,
    ) -> None:
        self._session = Session(
            settings if settings is not None else load_settings(),
            confirm=confirm,
            notify=notify or _warn,
            observe=observe,
            progress=progress,
            signer=signer,
            passphrase=passphrase,
            system_known_stores=system_known_stores,
            pause_s=pause_s,
            runtime=runtime if runtime is not None else asyncio_runtime(),
            retry_for=retry_for,
        )
        self._session.logged = self._logged

    async def _logged(self, request_id: bytes) -> upload_pb2.Signed | None:
        from monoskope.client.proofs.log import logged_receipt  # noqa: PLC0415 - a put does not need it

        return await logged_receipt(self._session, request_id)

    def __repr__(self) -> str:
        return f"<Client {self.settings.server} token=hidden>"

    async def open(self) -> Self:
        """Open the client, which dials at its first call, and return it. `close` it.

        Raises:
            UsageError: it is open, or the certificate authority cannot be read.
        """
        self._session.open()
        return self

    async def close(self) -> None:
        """End the connections; calls under way are cancelled. Safe to call twice."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def settings(self) -> ClientSettings:
        """Where it dials and as whom."""
        return self._session.settings

    @property
    def server(self) -> str:
        """The server that was dialled last, of `settings.servers`."""
        return self._session.connection.server

    @property
    def subject(self) -> str | None:
        """As whom the last call was made: the `sub` of its token; None before the first, and of a token without."""
        from monoskope.client.walk.trust import subject_of  # noqa: PLC0415 - a put loads it while it waits

        return subject_of(self._session.connection.token)

    @property
    def people(self) -> People:
        """The display names that came with m8's answers. They are m8's word: ids decide."""
        return self._session.connection.people

    @property
    def stores(self) -> Stores:
        """Stores: which there are, whose identity is agreed to, and what administrators do to them."""
        from monoskope.client.stores import Stores  # noqa: PLC0415 - a put does not need it

        return Stores(self._session)

    @property
    def access(self) -> Access:
        """Who may do what: questions, role bindings and tokens."""
        from monoskope.client.access import Access  # noqa: PLC0415 - a put does not need it

        return Access(self._session.connection)

    @property
    def leaving(self) -> Leaving:
        """What somebody who leaves leaves behind, and how it ends."""
        from monoskope.client.leaving import Leaving  # noqa: PLC0415 - a put does not need it

        return Leaving(self._session)

    @property
    def changes(self) -> Changes:
        """Changes that others approve: to propose, approve and execute them, and to do without in an emergency."""
        from monoskope.client.changes import Changes  # noqa: PLC0415 - a put does not need it

        return Changes(self._session)

    @property
    def log(self) -> ServerLog:
        """m8's log: its events, its checkpoint, and what it proves."""
        from monoskope.client.proofs.log import ServerLog  # noqa: PLC0415 - a put does not need it

        return ServerLog(self._session)

    @property
    def queries(self) -> Queries:
        """What m8 knows, as messages of the API."""
        return self._session.queries

    @property
    def proofs(self) -> Proofs:
        """The checks of m8's answers, by the pins as they are now. Raises as `KnownStores.read`."""
        return self._session.proofs

    async def put_secret(
        self,
        uri: str,
        values: Mapping[str, bytes],
        *,
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
        labels: Mapping[str, str] | None = None,
        expires_on: dt.date | str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
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
            Error: see `monoskope.client.walk.reasons` for the rest.
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
        timeout: float = DEFAULT_TIMEOUT_S,
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
        plaintext, wanted = encoded(values), purposes.to_put(values, expect)
        notes = purposes.notes_of(labels, expires_on)

        async def one(walk: Walk, target: Target) -> PutResult:
            there = await self._session.expected(expect, target)
            return await purposes.put(walk, target, plaintext, there, options, notes)

        return await self._session.each(uris, timeout, one, size=len(plaintext), options=options, wanted=wanted)

    async def patch_secret(
        self,
        uri: str,
        values: Mapping[str, bytes],
        *,
        remove: Iterable[str] = (),
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> PutResult:
        """Set some keys of one secret, drop others, and leave the rest as it is; return once a receipt proves it.

        Args:
            uri: `store://path`, or `path` in the default store.
            values: The bytes of each key to set; may be empty if keys are removed.
            remove: The keys to drop.
            expect: What must be upstream; text names an upstream version. Not `Expect.ABSENT`.
            options: The provider's; typed ones go only to stores of their type.
            timeout: Seconds for everything.

        Raises:
            RefusedError: the store cannot patch; no key was asked for.
            ConflictError: nothing is there, not what `expect` names, or a key to drop is not; nothing was written.
            Error: as `put_secret`.
        """
        results = await self.patch_secrets(
            [uri], values, remove=remove, expect=expect, options=options, timeout=timeout
        )
        return only(results)

    async def patch_secrets(
        self,
        uris: Sequence[str],
        values: Mapping[str, bytes],
        *,
        remove: Iterable[str] = (),
        expect: Expect | str = Expect.ANY,
        options: Options | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> list[PutResult | Error]:
        """Patch several secrets in the same way, a few at once. Returns and raises as `put_secrets`."""
        plaintext, removes = purposes.changes(values, remove)
        wanted = purposes.to_patch(values, removes, expect)

        async def one(walk: Walk, target: Target) -> PutResult:
            there = await self._session.expected(expect, target)
            return await purposes.patch(walk, target, plaintext, removes, there, options)

        return await self._session.each(uris, timeout, one, size=len(plaintext), options=options, wanted=wanted)

    async def compare_secret(
        self,
        uri: str,
        values: Mapping[str, bytes],
        *,
        options: Options | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Comparison:
        """Compare values with what the store holds. Arguments and errors as `put_secret`; writes nothing."""
        return only(await self.compare_secrets([uri], values, options=options, timeout=timeout))

    async def compare_secrets(
        self,
        uris: Sequence[str],
        values: Mapping[str, bytes],
        *,
        options: Options | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> list[Comparison | Error]:
        """Compare the same values with several URIs. Returns and raises as `import_secrets`."""
        plaintext = encoded(values)

        async def one(walk: Walk, target: Target) -> Comparison:
            return await purposes.compare(walk, target, plaintext, options)

        return await self._session.each(uris, timeout, one, size=len(plaintext), options=options)

    async def delete_secret(
        self,
        uri: str,
        *,
        expect: Expect | str = Expect.ANY,
        destroy: bool = False,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Deletion:
        """Delete one secret and return once a receipt proves that it is gone.

        Args:
            uri: `store://path`, or `path` in the default store.
            expect: What must be upstream; text names an upstream version. Not `Expect.ABSENT`.
            destroy: Erase it for good; otherwise the engine's owner can restore it.
            timeout: Seconds for everything.

        Raises:
            ConflictError: nothing is there, or not what `expect` names; what is there was not deleted.
            OutcomeUnknownError: it may or may not have been deleted.
            Error: as `put_secret`.
        """
        return only(await self.delete_secrets([uri], expect=expect, destroy=destroy, timeout=timeout))

    async def delete_secrets(
        self,
        uris: Sequence[str],
        *,
        expect: Expect | str = Expect.ANY,
        destroy: bool = False,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> list[Deletion | Error]:
        """Delete several secrets, a few at once. Returns and raises as `put_secrets`."""
        wanted = purposes.to_delete(expect)

        async def one(walk: Walk, target: Target) -> Deletion:
            there = await self._session.expected(expect, target)
            return await purposes.delete(walk, target, there, destroy=destroy)

        return await self._session.each(uris, timeout, one, wanted=wanted)

    async def copy_secret(
        self,
        uri: str,
        destination: str,
        *,
        keys: Iterable[str] = (),
        source_version: str = "",
        expect: Expect | str = Expect.ANY,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Copy:
        """Have the reactor of `uri`'s store put that secret, or some keys of it, elsewhere. No other part reads it.

        Args:
            uri: `store://path`, or `path` in the default store.
            destination: Where to: the same, in that store or another.
            keys: Those that are copied, all if there are none. The destination then has these alone.
            source_version: The upstream version that alone is copied; "" for the one that is there.
            expect: What must be at the destination; text names an upstream version.
            timeout: Seconds for everything.

        Raises:
            ConflictError: nothing is at `uri`, or one of `keys` is not, or another version; or not what `expect` names
                at the destination. Nothing was written.
            RefusedError: the source's reactor is not configured to copy there, among others.
            OutcomeUnknownError: it may or may not have been copied.
            Error: as `put_secret`.
        """
        expectation(expect)
        wanted = purposes.copied_keys(keys)
        if source_version:
            expectation(source_version)

        async def one(walk: Walk, source: Target) -> Copy:
            from monoskope.client.purposes.copy import copy  # noqa: PLC0415 - it loads the walk

            target = await self._session.target(destination, timeout)
            there = await self._session.expected(expect, target)
            _, copied = await self._session.expected(source_version, source) if source_version else ("", "")
            return await copy(walk, source, target, there, wanted, copied)

        return await self._session.one(uri, timeout, one)

    async def generate_secret(
        self,
        uri: str,
        recipes: Mapping[str, str],
        *,
        expect: Expect | str = Expect.ANY,
        labels: Mapping[str, str] | None = None,
        expires_on: dt.date | str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Generated:
        """Have the store's reactor generate a secret that no person sees; return the public halves of its key pairs.

        Args:
            uri: `store://path`, or `path` in the default store.
            recipes: For each key what to make: password, hex, base64, rsa or ed25519, with `:SIZE` if not the default;
                `fixed:TEXT`, or `text:TEMPLATE` over the other keys. TEXT and TEMPLATE are not secret.
            expect: What must be upstream; text names an upstream version.
            labels: As for `put_secret`.
            expires_on: As for `put_secret`.
            timeout: Seconds for everything.

        Raises:
            UsageError: a recipe is not one; nothing was sent.
            Error: as `put_secret`.
        """
        checked = check_recipes([Recipe.parse(key, text) for key, text in recipes.items()])
        expectation(expect)
        notes = purposes.notes_of(labels, expires_on)

        async def one(walk: Walk, target: Target) -> Generated:
            there = await self._session.expected(expect, target)
            return await purposes.generate(walk, target, checked, there, notes)

        return await self._session.one(uri, timeout, one)

    async def rotate_secret(
        self,
        rotation: Rotation,
        *,
        adopt: bool = False,
        force: bool = False,
        tell: Callable[[str], None] | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Rotated:
        """Carry one round of a rotation to its end: the one that is under way, or else a new one.

        New values are made beside the secret, the account gets the new password, and then they are put at the secret.
        Nobody sees them. After any error call it again: it looks first, and goes on where the round stands.

        Args:
            rotation: What is rotated: `Rotation.of`.
            adopt: Begin anew from the account that is live, where the state is none that a rotation left. It costs a
                comparison for each account.
            force: Begin before `grace` is over, as after a theft.
            tell: Is told each step as it begins: "LOOK", "MAKE_VALUES", "SET_ACCOUNT", "PROVE" or "SWITCH"; and
                "WAIT" after a write whose end is not known.
            timeout: Seconds for each of its requests.

        Raises:
            RotationStoppedError: others changed what it rotates, or it is too early; it says what to do.
            ConflictError: others change it at this moment.
            RefusedError: a right is missing, among others.
            OutcomeUnknownError: a step may or may not have been done.
            Error: as `put_secret`.
        """
        from monoskope.client.rotation import rotate  # noqa: PLC0415 - few rotate

        return await rotate(self._session, rotation, adopt=adopt, force=force, tell=tell, timeout_s=timeout)

    async def plan_rotation(
        self, rotation: Rotation, *, adopt: bool = False, force: bool = False, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Planned:
        """Return what `rotate_secret` would do first. It asks the stores what is there, and changes nothing.

        Arguments and errors as `rotate_secret`; where that would stop, this says so and why. Whether a round of others
        is for the live account, only that asks: it takes a signature.
        """
        from monoskope.client.rotation import plan  # noqa: PLC0415 - few rotate

        return await plan(self._session, rotation, adopt=adopt, force=force, timeout_s=timeout)

    async def import_secret(self, uri: str, *, timeout: float = DEFAULT_TIMEOUT_S) -> Import:
        """Have the store sign a receipt for what is upstream, so that m8 knows it and a put may replace it.

        Raises:
            ConflictError: nothing is upstream.
            RefusedError: it cannot be read, among others.
            Error: as `put_secret`.
        """
        return only(await self.import_secrets([uri], timeout=timeout))

    async def import_secrets(self, uris: Sequence[str], *, timeout: float = DEFAULT_TIMEOUT_S) -> list[Import | Error]:
        """Import several secrets, a few at once, each within `timeout`; what is wrong with one stops no other.

        Returns:
            For each URI, in the same order, its result or its error.

        Raises:
            UsageError: a URI is malformed, none is given, or one twice. Nothing was sent.
        """
        return await self._session.each(uris, timeout, purposes.import_secret)

    async def verify_secret(self, uri: str, *, timeout: float = DEFAULT_TIMEOUT_S) -> Verification:
        """Ask the store whether upstream still holds what the newest receipt says.

        Raises:
            NotFoundError: there is no receipt for it.
            IdentityChangedError: the store was given another receipt than m8 shows.
            Error: as `compare_secret`.
        """
        return only(await self.verify_secrets([uri], timeout=timeout))

    async def verify_secrets(
        self, uris: Sequence[str], *, timeout: float = DEFAULT_TIMEOUT_S
    ) -> list[Verification | Error]:
        """Verify several secrets, a few at once, each within `timeout`. Returns and raises as `import_secrets`."""

        async def one(walk: Walk, target: Target) -> Verification:
            return await purposes.verify(walk, target, self._session.queries)

        # Most stores verify unsigned: a passphrase is asked for only if a grant wants it.
        return await self._session.each(uris, timeout, one, may_sign=False)

    async def undelete_secret(
        self,
        uri: str,
        *,
        expect: Expect | str = Expect.ANY,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Undeletion:
        """Bring back what was deleted last at a place where nothing is; return once a receipt proves it.

        Args:
            uri: `store://path`, or `path` in the default store.
            expect: What must have been deleted; text names a version. Not `Expect.ABSENT`.
            timeout: Seconds for everything.

        Raises:
            RefusedError: the store cannot undelete; no key was asked for.
            ConflictError: nothing can come back, something is there, or `expect` names another version.
            OutcomeUnknownError: it may or may not have been undeleted.
            Error: as `put_secret`.
        """
        return only(await self.undelete_secrets([uri], expect=expect, timeout=timeout))

    async def undelete_secrets(
        self,
        uris: Sequence[str],
        *,
        expect: Expect | str = Expect.ANY,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> list[Undeletion | Error]:
        """Undelete several secrets, all at once. Returns and raises as `put_secrets`."""
        wanted = purposes.to_undelete(expect)

        async def one(walk: Walk, target: Target) -> Undeletion:
            return await purposes.undelete(walk, target, await self._session.expected(expect, target))

        return await self._session.each(uris, timeout, one, wanted=wanted)

    async def rollback_secret(
        self,
        uri: str,
        to: str,
        *,
        expect: Expect | str = Expect.ANY,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Rollback:
        """Write the content of an earlier version as a new version; return once a receipt proves that it is there.

        Args:
            uri: `store://path`, or `path` in the default store.
            to: The upstream version whose content is to be there again, as `queries.secret_versions` shows it. What
                stands before its `@` is enough if only one version of the secret begins so.
            expect: What must be upstream now; text names an upstream version.
            timeout: Seconds for everything.

        Raises:
            RefusedError: the store cannot roll back, and no key was asked for; or the engine does not keep the version.
            ConflictError: not what `expect` names is there; nothing was written.
            OutcomeUnknownError: it may or may not have been rolled back.
            Error: as `put_secret`.
        """
        purposes.checked_version(to)
        expectation(expect)

        async def one(walk: Walk, target: Target) -> Rollback:
            there = await self._session.expected(expect, target)
            return await purposes.rollback(walk, target, to, there, self._session.queries)

        return await self._session.one(uri, timeout, one)

    async def edit_notes(
        self, uri: str, labels: Mapping[str, str | None] | None = None, *, expires_on: dt.date | str | None = None
    ) -> views_pb2.Secret:
        """Change labels and the day of expiry of a secret, and return what m8 shows of it then.

        m8 records who did it. No store signs it, unlike the notes of a put, which stand in its request. It takes the
        right to put the secret.

        Args:
            uri: `store://path`, or `path` in the default store.
            labels: Each label with its new value, or with None to remove it. The others stay.
            expires_on: The new day; "" removes it, None leaves it as it is.

        Raises:
            UsageError: nothing is changed, a label or a day is malformed, or there would be more than 16 labels.
            NotFoundError: m8 knows no such secret of yours, or it was deleted.
            RefusedError: you may not put it.
        """
        given = labels or {}
        day = expires_on.isoformat() if isinstance(expires_on, dt.date) else expires_on
        edit = check_edit(
            [(name, value) for name, value in given.items() if value is not None],
            [name for name, value in given.items() if value is None],
            day or "",
            remove_expires_on=day == "",
        )
        full = await self.full_uri(uri)
        message = commands_pb2.UpdateSecretNotesRequest(uri=full, edit=edit_message(edit))
        answer = await self._session.connection.call(methods.UPDATE_SECRET_NOTES, message, CALL_TIMEOUT_S)
        if answer.secret.uri != full:
            raise ProofError(f"asked for {full}, m8 answered with another secret")
        return answer.secret

    async def preview_put(self, uri: str, values: Mapping[str, bytes], *, expect: Expect | str = Expect.ANY) -> Preview:
        """Return what a put would send. It only asks m8 for the store; it requests no key and pins nothing."""
        size, wanted = len(encoded(values)), purposes.to_put(values, expect)
        return await self._preview(uri, wanted, expect, values, size)

    async def preview_patch(
        self, uri: str, values: Mapping[str, bytes], *, remove: Iterable[str] = (), expect: Expect | str = Expect.ANY
    ) -> Preview:
        """Return what a patch would send. It only asks m8 for the store; it requests no key and pins nothing."""
        plaintext, removes = purposes.changes(values, remove)
        return await self._preview(uri, purposes.to_patch(values, removes, expect), expect, values, len(plaintext))

    async def _preview(
        self, uri: str, wanted: Wanted, expect: Expect | str, values: Mapping[str, bytes], size: int
    ) -> Preview:
        full, store = await self._session.resolver().unpinned(uri)
        pin = self._session.known.identity(self.settings.server, store.name) or ""
        named = expect.name if isinstance(expect, Expect) else f"VERSION {expect}"
        return preview(full, store, wanted, named, {key: len(values[key]) for key in sorted(values)}, size, pin)

    async def get_secret(self, uri: str) -> Secret:
        """Return what m8 knows of one secret, and whether it is proven.

        Args:
            uri: `store://path`, or `path` in the default store.

        Raises:
            NotFoundError: m8 knows no such secret, or the caller may not see it.
            Error: as `put_secret`.
        """
        from monoskope.client.results.secrets import Secret  # noqa: PLC0415 - a put does not need it

        view = await self._session.queries.secret(await self.full_uri(uri))
        return Secret.of(view, await self._session.proofs.secret(view))

    async def list_secrets(
        self,
        prefix: str = "",
        *,
        store: str = "",
        subject: str = "",
        state: SecretState = "present",
        expiring_before: dt.date | str = "",
        page_size: int = PAGE_SIZE,
    ) -> AsyncGenerator[Secret]:
        """Yield the secrets below a URI prefix ("" for all) in URI order. Each page is fetched when it is needed.

        Args:
            prefix: `store://` or `store://segment`, by whole segments.
            store: Of this store alone.
            subject: Last changed by this subject.
            state: Present, deleted, drifted (the last change replaced what others had put), or found out of sync.
            expiring_before: Said to expire before this day.
            page_size: Fetched at once, 1 to 1,000.

        Raises:
            UsageError: `state` is none of these.
            Error: as `get_secret`.
        """
        from monoskope.client.results.secrets import Secret  # noqa: PLC0415 - a put does not need it

        if state not in SECRET_STATES:
            raise UsageError(f"{state!r} is not a state of secrets.", fix=f"Use one of {', '.join(SECRET_STATES)}.")
        day = expiring_before.isoformat() if isinstance(expiring_before, dt.date) else expiring_before
        proofs = self._session.proofs
        views = self._session.queries.secrets(
            prefix, store=store, subject=subject, state=SECRET_STATES[state], expiring_before=day, page_size=page_size
        )
        async for view in views:
            yield Secret.of(view, await proofs.secret(view))

    async def list_secret_versions(self, uri: str) -> AsyncGenerator[SecretVersion]:
        """Yield what receipts say about one secret, the newest first. Arguments and errors as `get_secret`."""
        from monoskope.client.results.secrets import SecretVersion  # noqa: PLC0415 - a put does not need it

        proofs, views = self._session.proofs, self._session.queries.secret_versions(await self.full_uri(uri))
        some: list[views_pb2.SecretVersion] = []
        async for view in views:
            some.append(view)
            if len(some) == _CHECKED_AT_ONCE:
                for one, checked in zip(some, await proofs.versions(some), strict=True):
                    yield SecretVersion.of(one, checked)
                some = []
        for one, checked in zip(some, await proofs.versions(some), strict=True):
            yield SecretVersion.of(one, checked)

    async def get_upload(self, request_id: str, *, wait: bool = False, timeout: float = CALL_TIMEOUT_S) -> Upload:
        """Return one request of any purpose, and whether its end is proven.

        Args:
            request_id: 32 hex digits, as in the results and in the message of an `OutcomeUnknownError`.
            wait: Whether to return only when it has ended, or after `timeout`.
            timeout: Seconds for everything.

        Raises:
            NotFoundError: there is no such request, or the caller may not see it.
        """
        from monoskope.client.results.secrets import Upload  # noqa: PLC0415 - a put does not need it

        content = request_id_bytes(request_id)
        with within(self._session.runtime, timeout):
            answer = await self._session.queries.upload_answer(content, wait=wait, timeout_s=timeout)
            return Upload.of(answer.upload, await self._session.proofs.upload(answer, content))

    async def list_upstream(self, uri: str, *, timeout: float = PAGE_TIMEOUT_S) -> AsyncGenerator[UpstreamName]:
        """Yield the names that are upstream directly below `uri`, in byte order: secrets, and folders of them.

        A receipt proves each name. What `UpstreamName.known` says is m8's word. Every name that is listed stays in
        m8's log.

        Args:
            uri: `store://path`, or `path` in the default store; at least one segment. A "/" at the end is left out.
            timeout: Seconds for each page of up to 500 names.

        Raises:
            RefusedError: the store does not list, the right is missing, or the reactor does not serve this path.
            Error: as `compare_secret`.
        """
        async for page in self.list_upstream_pages(uri, timeout=timeout):
            for name in page.names:
                yield name

    async def list_upstream_pages(self, uri: str, *, timeout: float = PAGE_TIMEOUT_S) -> AsyncGenerator[UpstreamPage]:
        """Yield the same page by page, with how many names no URI can name. Arguments and errors as `list_upstream`."""
        if uri.endswith("://"):
            raise UsageError(
                f"{uri!r} names a whole store, which is not listed at once.", fix="Write store://segment at least."
            )
        with within(self._session.runtime, timeout):
            target = await self._session.target(uri.removesuffix("/"), timeout, may_sign=True)
            times = chain([left(timeout)], repeat(timeout))  # the first page has what is left
        from monoskope.client.purposes.list_names import pages  # noqa: PLC0415 - it loads the walk

        async for page in pages(
            lambda: self._session.walk(target, timeout),
            target,
            self._session.queries,
            lambda: within(self._session.runtime, next(times)),
        ):
            yield page

    async def get_server(self) -> Server:
        """Return m8's version, and who the caller is to it."""
        from monoskope.client.stores import Server  # noqa: PLC0415 - a put does not need it

        return Server.of(await self._session.queries.server())

    async def full_uri(self, uri: str) -> str:
        """Return `uri` with its store, the agreed default store if it names none. Raises as `put_secret`."""
        return str(await self._session.resolver().uri(uri))


def _warn(sentence: str) -> None:
    import logging  # noqa: PLC0415 - `monoctl` prints what it is told, and does without it

    logging.getLogger("monoskope.client").warning(sentence)
