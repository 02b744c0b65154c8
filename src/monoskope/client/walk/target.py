"""Resolves a URI to a store whose identity the user has agreed to, before any request is built."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.client.connection import CALL_TIMEOUT_S, Connection, LogUse
from monoskope.client.http import methods
from monoskope.client.known.pins import Pins
from monoskope.client.known.stores import KnownStores
from monoskope.client.runtime import unhurried
from monoskope.client.settings import ClientSettings
from monoskope.errors import IdentityChangedError, NotAgreedError, UsageError
from monoskope.protocol.identity import ProofError, check_shown, grouped
from monoskope.uri import SecretUri, check_store_name, parse_path
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.walk.trust import Trust

Confirm = Callable[[str], bool]
"""Asks a person a yes-or-no question."""

_HOW_TO_COMPARE = (
    "Ask the store's operator for the identity, by another way than m8: a page that you trust, or a call. On the"
    " reactor's machine `m8 reactor identity` prints it.\n"
    "Compare every character. If it differs, somebody else could read what you put: answer no."
)
_ASK = "Ask the store's operator, by another way than m8, which identity is right."


class Target(Value, frozen=True):
    """A secret in a store whose identity is pinned."""

    uri: SecretUri
    store: views_pb2.SecretStore
    trust: Trust
    several: bool = False
    """Whether it is one of several that one call is about."""


def check_text(text: str) -> None:
    """Raise `UsageError` unless `text` is a secret URI, or the path of one in the default store."""
    if "://" in text:
        SecretUri.parse(text)
    else:
        parse_path(text)


class Remembered:
    """What m8 said of stores, kept for some seconds, so that an open client does not ask for each secret again.

    It says which store is the default and how large a secret may be. Only the pin decides whom to trust: what is kept
    of a store is used only while the store's identity is the pinned one.

    Args:
        for_s: Seconds.
        most: How many stores.
        now: Monotonic seconds.
    """

    def __init__(self, *, for_s: float = 30.0, most: int = 64, now: Callable[[], float] = time.monotonic) -> None:
        self._for_s = for_s
        self._most = most
        self._now = now
        self._stores: dict[str, tuple[views_pb2.SecretStore, float]] = {}

    def get(self, name: str) -> views_pb2.SecretStore | None:
        """Return what was said of a store ("" for the default), None if that is not known or too old."""
        store, until = self._stores.get(name, (None, 0.0))
        return store if self._now() < until else None

    def add(self, name: str, store: views_pb2.SecretStore) -> None:
        """Remember what was said of a store."""
        if len(self._stores) >= self._most:
            self._stores.clear()
        self._stores[name] = (store, self._now() + self._for_s)

    def clear(self) -> None:
        """Forget everything, after something went wrong."""
        self._stores.clear()


class Resolver:
    """Fills in default stores and checks identities. It asks the user where nothing is pinned or given.

    Args:
        connection: To m8.
        settings: The server, and what the user agrees to in advance.
        known: The pins.
        confirm: Asks the user; None if no user can be asked.
        notify: Called with a sentence that says what changed.
        timeout_s: Seconds for one question to m8.
        remembered: What m8 said before; None to ask it every time.
    """

    def __init__(
        self,
        connection: Connection,
        settings: ClientSettings,
        known: KnownStores,
        *,
        confirm: Confirm | None,
        notify: Callable[[str], None] | None,
        timeout_s: float = CALL_TIMEOUT_S,
        remembered: Remembered | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._known = known
        self._confirm = confirm
        self._notify = notify
        self._timeout_s = timeout_s
        self._remembered = remembered or Remembered(for_s=0.0)

    async def target(self, text: str) -> Target:
        """Return the target that `text` (`store://path`, or `path` in the default store) names.

        Raises:
            UsageError: not a secret URI.
            IdentityChangedError: the default store or an identity is not the pinned one.
            NotAgreedError: one of them is shown for the first time, and the user has not agreed to it.
            NotFoundError: there is no such store.
        """
        uri = await self.uri(text)
        store = self._remembered.get(uri.store)
        if store is not None:
            pins = self._known.read()
            if store.identity == pins.identities.get((self._settings.server, uri.store)):
                return Target(uri, store, self._trust(store, pins))
        store = await self.store(uri.store, log=LogUse.BEGINS)
        trust = self._trust(store, self._known.read())
        self._remembered.add(uri.store, store)
        return Target(uri, store, trust)

    async def agree(self, name: str) -> str:
        """Pin the identity of one store that the settings give in advance, and return it. Raises as `target`."""
        return self._trust(await self.store(name), self._known.read()).pin

    def look(self, store: views_pb2.SecretStore) -> tuple[str, IdentityChangedError | None]:
        """Return the pin of a store, "" for none, and why nothing may be put there, None if something may.

        Changes nothing, asks no user, and follows signed steps only to see where they lead. Raises
        as `KnownStores.read`.
        """
        pins, server, name = self._known.read(), self._settings.server, store.name
        pinned = pins.identities.get((server, name)) or self._settings.store_identities.get(name, "")
        try:
            identity = _foreign_identity(store.identity)
            pins.check_free(server, name, pinned or identity)
            last = self._chain(store, pinned)[-1] if pinned else identity
        except (IdentityChangedError, ProofError) as error:
            return pinned, error
        return pinned, None if last == identity else _changed(server, name, last, identity, "it shows")

    def follow(self, store: views_pb2.SecretStore) -> None:
        """Pin where signed steps lead from the pin of a store, if there is one and they lead to what m8 shows.

        Raises as `KnownStores.pin`.
        """
        pinned, changed = self.look(store)
        if pinned and changed is None:
            self._trust(store, self._known.read())

    async def uri(self, text: str) -> SecretUri:
        """Return the full URI, with the agreed default store if it names none. Raises as `target`."""
        if "://" in text:
            return SecretUri.parse(text)
        path = parse_path(text)
        uri = SecretUri(await self._default(), path)
        return SecretUri.parse(str(uri))

    async def unpinned(self, text: str) -> tuple[SecretUri, views_pb2.SecretStore]:
        """Return the full URI that `text` names, and its store. Asks no user and pins nothing."""
        if "://" in text:
            uri = SecretUri.parse(text)
            return uri, await self.store(uri.store)
        store = await self.store(self._settings.default_store or self._known.default(self._settings.server) or "")
        return SecretUri.parse(f"{store.name}://{text}"), store

    async def store(self, name: str, *, log: LogUse = LogUse.WAITS) -> views_pb2.SecretStore:
        """Return what m8 says of one store ("" for the default); `log` as `Connection.call`.

        Raises:
            ProofError: it answers for another, or for one whose name is none.
        """
        query = queries_pb2.GetSecretStoreRequest(name=name)
        answer = await self._connection.call(methods.GET_SECRET_STORE, query, self._timeout_s, log=log)
        if name and answer.store.name != name:
            raise ProofError(f"asked for store {name!r}, m8 answered with {answer.store.name!r}")
        try:
            check_store_name(answer.store.name)
        except UsageError:
            raise ProofError(f"m8 names a store {answer.store.name!r}, and no store can be called so") from None
        return answer.store

    async def _default(self) -> str:
        server, given = self._settings.server, self._settings.default_store
        pinned = self._known.default(server)
        explicit = given is not None
        if given is None:
            store = self._remembered.get("")
            if store is None:
                store = await self.store("")
                self._remembered.add("", store)
            named = store.name
            if named == pinned:
                return named
            self._agree_default(pinned, named)
            given = named
        if given != pinned:
            self._known.pin_default(server, given, explicit=explicit)
        return given

    def _agree_default(self, pinned: str | None, named: str) -> None:
        changed = pinned is not None
        before = f" now; you agreed to {pinned!r} before" if changed else ""
        said = f"{self._settings.server} names {named!r} as its default store{before}."
        self._ask(
            said,
            f"{said}\nUse {named!r} whenever no store is named?",
            fix=f"Name the store (store://…), or agree to {named!r} as `default_store`.",
            refusal=IdentityChangedError if changed else NotAgreedError,
        )

    def _trust(self, store: views_pb2.SecretStore, pins: Pins) -> Trust:
        from monoskope.client.walk.trust import Trust  # noqa: PLC0415 - not before m8 has answered

        server, name = self._settings.server, store.name
        identity = _foreign_identity(store.identity)
        pinned = pins.identities.get((server, name))
        given = self._settings.store_identities.get(name)
        if pinned is not None and given is not None and pinned not in self._chain(store, given):
            raise _changed(server, name, pinned, given, "you gave")
        if pinned is None:
            pinned = self._first_contact(store, identity, given)
        trust = Trust(self._known, server, name, pin=pinned, notify=self._notify)
        trust.follow(store.rotations)
        if trust.pin != identity:
            raise _changed(server, name, trust.pin, identity, "it shows")
        return trust

    def _chain(self, store: views_pb2.SecretStore, identity: str) -> list[str]:
        """Return an identity, and those to which signed steps lead from it."""
        from monoskope.client.walk.trust import chain  # noqa: PLC0415 - not before m8 has answered

        return [identity, *chain(identity, store.rotations, store=store.name)]

    def _first_contact(self, store: views_pb2.SecretStore, identity: str, given: str | None) -> str:
        server, name = self._settings.server, store.name
        self._known.read().check_free(server, name, identity)
        explicit = given is not None
        if given is None:
            first = f"This is the first contact with store {name!r} of {server}."
            self._ask(
                f"{first} Its identity is {identity}.",
                f"{first} Its identity is\n  {grouped(identity)}\n{_HOW_TO_COMPARE}\nDo you trust this identity?",
                fix="Agree on a terminal, give it as `store_identity`, or write it into known_stores.",
                refusal=NotAgreedError,
            )
            given = identity
        if self._chain(store, given)[-1] != identity:
            raise IdentityChangedError(
                f"the identity that you gave for store {name!r} of {server} is {given}, it shows {identity}.",
                fix=f"{_ASK} Then give that one as `store_identity`.",
            )
        self._known.pin(server, name, given, replaces=None, explicit=explicit)
        return given

    def _ask(self, said: str, question: str, *, fix: str, refusal: type[IdentityChangedError | NotAgreedError]) -> None:
        if self._confirm is None:
            raise refusal(f"{said} You have not agreed to it yet.", fix=fix)
        with unhurried():
            agreed = self._confirm(question)
        if not agreed:
            raise refusal(f"{said} You did not agree to it.", fix=fix)


def _foreign_identity(text: str) -> str:
    try:
        return check_shown(text)
    except UsageError:
        raise ProofError("m8 shows a store whose identity is not one") from None


def _changed(server: str, store: str, pinned: str, other: str, how: str) -> IdentityChangedError:
    return IdentityChangedError(
        f"the identity of store {store!r} of {server} changed: {pinned} is pinned, {how} {other}.",
        fix=f"{_ASK} Put nothing until you know. If it is the new one, run `monoctl forget-store {store}`; the next"
        " command asks again.",
    )
