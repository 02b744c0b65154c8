"""The synchronous client: `Client` for programs without an event loop, on the runtime that blocks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.access import Access
from monoskope.client.changes import Changes
from monoskope.client.client import Client
from monoskope.client.known.stores import SYSTEM_FILE
from monoskope.client.leaving import Leaving
from monoskope.client.proofs.log import ServerLog
from monoskope.client.runtime.blocking import BlockingRuntime, SuspendedError, iterate, run
from monoskope.client.settings import ClientSettings
from monoskope.client.signing.signer import Signer
from monoskope.client.stores import StoreIdentity, Stores
from monoskope.client.walk.pace import Tally
from monoskope.client.walk.target import Confirm
from monoskope.client.walk.task import Progress
from monoskope.errors import UsageError
from monoskope.value import Unshared

P = ParamSpec("P")
R = TypeVar("R")


def _call(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate[Any, P], R]:
    """Return `method` as one that returns when it is done, with the same arguments and the same words."""

    @functools.wraps(method)
    def called(self: _Twin, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return run(method(self._of, *args, **kwargs))
        except SuspendedError:
            raise UsageError(
                "a `signer` or `credential` of yours awaited what suspends, and there is no event loop.",
                fix="Let it block, or use `Client`.",
            ) from None

    return called


def _list(method: Callable[Concatenate[Any, P], AsyncGenerator[R]]) -> Callable[Concatenate[Any, P], Iterator[R]]:
    """Return `method` as one whose items are iterated with `for`."""

    @functools.wraps(method)
    def listed(self: _Twin, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return iterate(method(self._of, *args, **kwargs))

    signature = inspect.signature(method)
    item = str(signature.return_annotation).removeprefix("AsyncGenerator[").removesuffix("]")
    shown = signature.replace(return_annotation=f"Iterator[{item}]")
    listed.__signature__ = shown  # type: ignore[attr-defined]  # what `help` shows
    return listed


class _Twin(Unshared):
    """What has the methods of another object, synchronous."""

    def __init__(self, of: Any) -> None:  # noqa: ANN401 - each kind says of which
        self._of = of


class SyncStores(_Twin):
    """Stores: which there are, whose identity is agreed to, and what administrators do to them."""

    _of: Stores

    get = _call(Stores.get)
    list = _list(Stores.list)
    trust = _call(Stores.trust)

    def look_at_identity(self, store: views_pb2.SecretStore) -> StoreIdentity:
        """Return how the identity that m8 shows for a store stands to the pins. Changes nothing, asks no user.

        Raises:
            Error: `known_stores` cannot be read.
        """
        return self._of.look_at_identity(store)

    def follow(self, store: views_pb2.SecretStore) -> None:
        """Pin where signed steps lead from the pin of a store that m8 shows, as each request does; else change nothing.

        Raises:
            Error: `known_stores` cannot be read or written.
        """
        self._of.follow(store)

    create = _call(Stores.create)
    activate = _call(Stores.activate)
    deactivate = _call(Stores.deactivate)
    set_default = _call(Stores.set_default)
    replace_identity = _call(Stores.replace_identity)
    start_fingerprint_key_rotation = _call(Stores.start_fingerprint_key_rotation)
    finish_fingerprint_key_rotation = _call(Stores.finish_fingerprint_key_rotation)


class SyncAccess(_Twin):
    """Questions about rights, and the administrators' commands for them. Each raises what m8 answers."""

    _of: Access

    who_am_i = _call(Access.who_am_i)
    can_i = _call(Access.can_i)
    who_can = _call(Access.who_can)
    role_bindings = _call(Access.role_bindings)
    create_role_binding = _call(Access.create_role_binding)
    delete_role_binding = _call(Access.delete_role_binding)
    apply_role_bindings = _call(Access.apply_role_bindings)
    create_token = _call(Access.create_token)
    tokens = _list(Access.tokens)
    revoke_token = _call(Access.revoke_token)
    forget_person = _call(Access.forget_person)


class SyncLeaving(_Twin):
    """What somebody who leaves leaves behind. Each method raises what m8 answers."""

    _of: Leaving

    came_from = _call(Leaving.came_from)
    offboard = _call(Leaving.offboard)


class SyncChanges(_Twin):
    """Changes that take approvals. Each method raises what m8 answers, besides what it says."""

    _of: Changes

    propose = _call(Changes.propose)
    get = _call(Changes.get)
    list = _list(Changes.list)
    wait = _call(Changes.wait)
    approve = _call(Changes.approve)
    needs_touch = _call(Changes.needs_touch)
    decline = _call(Changes.decline)
    withdraw = _call(Changes.withdraw)
    run = _call(Changes.run)
    break_glass = _call(Changes.break_glass)


class SyncLog(_Twin):
    """The log of one m8, held to what was seen of it before. Each method raises what m8 answers."""

    _of: ServerLog

    get = _call(ServerLog.get)
    offered = _call(ServerLog.offered)
    accept = _call(ServerLog.accept)
    compare = _call(ServerLog.compare)
    upload_proof = _call(ServerLog.upload_proof)
    events = _list(ServerLog.events)
    last_events = _call(ServerLog.last_events)
    watch_events = _list(ServerLog.watch_events)


class SyncClient(_Twin):
    """`Client` for programs without an event loop.

    ```python
    with SyncClient() as client:
        result = client.put_secret("vault://app/db", {"password": b"…"})
        print(result.hash)
    ```

    Arguments, methods, results and errors are those of `Client`. Any number of threads may use one open client; each
    call has a connection of its own, and a method with several URIs uses up to 32 threads. `confirm`, `notify`,
    `observe` and `progress` are called in the thread that works. `close` may come from any thread: calls under way then
    end with an error. It can be used where an event loop runs, as in a notebook; that loop stands still. A forked
    process opens a client of its own. A `signer` or `credential` of your own must not await what suspends.
    """

    _of: Client

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
        retry_for: float | None = None,
    ) -> None:
        client = Client(
            settings,
            confirm=confirm,
            notify=notify,
            observe=observe,
            progress=progress,
            signer=signer,
            passphrase=passphrase,
            system_known_stores=system_known_stores,
            pause_s=pause_s,
            runtime=BlockingRuntime(),
            retry_for=retry_for,
        )
        super().__init__(client)

    def __repr__(self) -> str:
        return f"<SyncClient {self.settings.server} token=hidden>"

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> Self:
        """Open the client, which dials at its first call, and return it. `close` it.

        Raises:
            UsageError: it is open, or the certificate authority cannot be read.
        """
        run(self._of.open())
        return self

    @property
    def settings(self) -> ClientSettings:
        """Where it dials and as whom."""
        return self._of.settings

    @property
    def server(self) -> str:
        """The server that was dialled last, of `settings.servers`."""
        return self._of.server

    @property
    def subject(self) -> str | None:
        """As whom the last call was made: the `sub` of its token; None before the first, and of a token without."""
        return self._of.subject

    @property
    def stores(self) -> SyncStores:
        """Stores: which there are, whose identity is agreed to, and what administrators do to them."""
        return SyncStores(self._of.stores)

    @property
    def access(self) -> SyncAccess:
        """Who may do what: questions, role bindings and tokens."""
        return SyncAccess(self._of.access)

    @property
    def leaving(self) -> SyncLeaving:
        """What somebody who leaves leaves behind, and how it ends."""
        return SyncLeaving(self._of.leaving)

    @property
    def changes(self) -> SyncChanges:
        """Changes that others approve: to propose, approve and execute them, and to do without in an emergency."""
        return SyncChanges(self._of.changes)

    @property
    def log(self) -> SyncLog:
        """m8's log: its events, its checkpoint, and what it proves."""
        return SyncLog(self._of.log)

    close = _call(Client.close)

    put_secret = _call(Client.put_secret)
    put_secrets = _call(Client.put_secrets)
    patch_secret = _call(Client.patch_secret)
    patch_secrets = _call(Client.patch_secrets)
    compare_secret = _call(Client.compare_secret)
    compare_secrets = _call(Client.compare_secrets)
    delete_secret = _call(Client.delete_secret)
    delete_secrets = _call(Client.delete_secrets)
    copy_secret = _call(Client.copy_secret)
    generate_secret = _call(Client.generate_secret)
    rotate_secret = _call(Client.rotate_secret)
    plan_rotation = _call(Client.plan_rotation)
    import_secret = _call(Client.import_secret)
    import_secrets = _call(Client.import_secrets)
    verify_secret = _call(Client.verify_secret)
    verify_secrets = _call(Client.verify_secrets)
    undelete_secret = _call(Client.undelete_secret)
    undelete_secrets = _call(Client.undelete_secrets)
    rollback_secret = _call(Client.rollback_secret)
    edit_notes = _call(Client.edit_notes)
    preview_put = _call(Client.preview_put)
    preview_patch = _call(Client.preview_patch)

    get_secret = _call(Client.get_secret)
    list_secrets = _list(Client.list_secrets)
    list_secret_versions = _list(Client.list_secret_versions)
    list_upstream = _list(Client.list_upstream)
    list_upstream_pages = _list(Client.list_upstream_pages)
    get_upload = _call(Client.get_upload)
    get_server = _call(Client.get_server)
    full_uri = _call(Client.full_uri)
