"""What m8 shows of stores, and what is checked by it before anything is sent.

Several writes of one call: whatever can be known is checked for all of them before the first is sent. What is checked
is m8's word and may change a moment later, so it only refuses: m8 and the reactors check everything again, and only a
receipt says what was written. A `Preview` shows what one write would send, without asking for a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple

from msgspec import structs

from monoskope.api.gateway.v1 import queries_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client.queries import Queries
from monoskope.client.walk.target import Target
from monoskope.client.walk.task import too_large
from monoskope.errors import (
    AwayError,
    Error,
    NotFoundError,
    NotTriedError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from monoskope.lazy import pattern
from monoskope.protocol.notes import are_for
from monoskope.protocol.options import Options
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.purposes import PURPOSES, PurposeRules
from monoskope.uri import SecretUri, UriPrefix
from monoskope.value import Value

_ESCAPED = pattern(r"\\(.)", re.DOTALL)
_NEEDS_CHECK_AND_SET = frozenset({upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION})


def attached(store: views_pb2.SecretStore) -> list[events_pb2.StoreCapabilities]:
    """Return what the attached reactors of a store announced."""
    return [reactor.capabilities for reactor in store.reactors if reactor.attached]


class _Lack(NamedTuple):
    what: str
    fix: str


_RESTORABLE = _Lack("", fix="Ask the store's operator: its engine may be able to, if reactor.toml has `restorable`.")
_LACKS = MappingProxyType(
    {
        "patchable": _Lack(
            "cannot change some keys and leave the others as they are",
            fix="Put the whole secret, or ask the store's operator for `patchable`.",
        ),
        "check_and_set": _Lack(
            "cannot replace exactly one version",
            fix="Keep the secret in a store whose engine can: see `check_and_set` in `monoctl describe secret-store`.",
        ),
        "copied_keys": _Lack(
            "cannot copy single keys, or from one of its paths to another",
            fix="Ask the store's operator for `readable = true`: see `readable` in `monoctl describe secret-store`.",
        ),
        "undeletable": _RESTORABLE._replace(what="cannot bring back what was deleted"),
        "rollbackable": _RESTORABLE._replace(what="cannot write an earlier version again"),
        "listable": _Lack(
            "does not list names",
            fix="Ask the store's operator whether its driver can, and to set `listable = true`.",
        ),
    }
)
"""Capabilities, what a store without them cannot do, and what to do then."""


def check_can(store: views_pb2.SecretStore, uri: SecretUri, capability: str) -> None:
    """Raise `RefusedError` if reactors of the store are attached and none of them announced one of `_LACKS`."""
    announced = attached(store)
    if announced and not any(getattr(can, capability) for can in announced):
        lack = _LACKS[capability]
        raise RefusedError(f"{uri}: the store {lack.what}.", fix=lack.fix)


def check_copies_to(source: Target, destination: SecretUri) -> None:
    """Raise `RefusedError` if reactors of the source are attached and none announced that it copies there."""
    announced = attached(source.store)
    if announced and not any(destination.store in can.copies_to for can in announced):
        raise RefusedError(
            f"{source.uri}: the store does not copy to {destination.store}.",
            fix="Its operator adds a [[copy]] table to reactor.toml: see `copies_to` in `monoctl describe"
            " secret-store`.",
        )


def announced_limit(store: views_pb2.SecretStore) -> int | None:
    """Return the largest padded plaintext in bytes that an attached reactor takes, None if none is attached."""
    return max((can.max_plaintext for can in attached(store) if can.max_plaintext), default=None)


def check_size(store: views_pb2.SecretStore, uri: SecretUri, size: int) -> None:
    """Raise `RefusedError` if a padded plaintext of `size` bytes is more than an attached reactor announced."""
    limit = announced_limit(store)
    if limit is not None and size > limit:
        raise too_large(uri, size, limit)


def announced_layout(store: views_pb2.SecretStore) -> str:
    """Return the sentence that says how a secret lies in the store's engine; "" if none was announced."""
    return next((each.capabilities.layout for each in store.reactors if each.capabilities.layout), "")


def announced_maturity(store: views_pb2.SecretStore) -> str:
    """Return "stable" or "experimental", as the reactor that attached last announced; "" if none ever attached."""
    if not store.reactors:
        return ""
    return "experimental" if store.reactors[0].capabilities.experimental else "stable"


_BEST_FIRST = (
    reactor_pb2.ENGINE_HEALTH_OK,
    reactor_pb2.ENGINE_HEALTH_UNSPECIFIED,
    reactor_pb2.ENGINE_HEALTH_REFUSED,
    reactor_pb2.ENGINE_HEALTH_UNAVAILABLE,
)


def engine_health(store: views_pb2.SecretStore) -> str:
    """Return the health of a store's engine, by the attached reactor that finds it best; "" if none is attached."""
    said = {one.engine for one in store.reactors if one.attached}
    return next((health_name(one) for one in _BEST_FIRST if one in said), "unknown" if said else "")


def health_name(said: reactor_pb2.EngineHealth) -> str:
    """Return a health as users read it, e.g. "ok"; "unknown" if nothing is said."""
    return spelled(reactor_pb2.EngineHealth, said).lower() if said else "unknown"


class Wanted(Value, frozen=True):
    """What is to be written at each of several URIs."""

    purpose: upload_pb2.Purpose
    keys: tuple[str, ...] = ()
    expect: upload_pb2.Expect = upload_pb2.EXPECT_UNSPECIFIED

    @property
    def rules(self) -> PurposeRules:
        """The rules of the purpose."""
        return PURPOSES[self.purpose]


async def checked(targets: Sequence[Target | Error], wanted: Wanted, queries: Queries) -> list[Target | Error]:
    """Return `targets` if nothing is known to be wrong; else for each what is wrong, or that it is not tried."""
    caller = await _caller(queries)
    targets = await _attached_again(targets, queries)
    found: list[Target | Error] = [
        target if isinstance(target, Error) else next(_problems(target, wanted, caller), target) for target in targets
    ]
    if not any(isinstance(one, Error) for one in found):
        return found
    refused = "something is wrong with another one"
    wrong: list[Error] = [one if isinstance(one, Error) else not_tried(one, refused) for one in found]
    for target, error in zip(targets, wrong, strict=True):
        error.uri = str(target.uri) if isinstance(target, Target) else ""
    return list(wrong)


async def _attached_again(targets: Sequence[Target | Error], queries: Queries) -> list[Target | Error]:
    """Return `targets` with the stores as they are once reactors that may be restarting are back, if they come."""
    away = {
        one.store.name
        for one in targets
        if isinstance(one, Target) and one.store.active and one.store.reactors and not attached(one.store)
    }
    if not away:
        return list(targets)
    seen = await queries.runtime.gather(_look_again(name, queries) for name in away)
    stores = {store.name: store for store in seen if store is not None}
    return [
        structs.replace(one, store=stores.get(one.store.name, one.store)) if isinstance(one, Target) else one
        for one in targets
    ]


async def _look_again(name: str, queries: Queries) -> views_pb2.SecretStore | None:
    """Return a store once a reactor of it is attached, None if none comes in time."""

    def check(answer: queries_pb2.GetSecretStoreResponse) -> None:
        if not attached(answer.store):
            raise AwayError(f"no reactor of the store {name} is attached.")

    try:
        return await queries.store(name, check=check)
    except Error:
        return None


def not_tried(target: Target, why: str) -> NotTriedError:
    """Return the error for a secret for which nothing was sent, because of another one of the same call."""
    return NotTriedError(
        f"{target.uri}: not tried, because {why}; nothing was sent for it.", fix="Mend the other one, then do it again."
    )


async def _caller(queries: Queries) -> queries_pb2.GetServerResponse | None:
    """Return who the caller is to m8; None if it does not say."""
    try:
        caller = await queries.server()
    except Error:
        return None
    return caller if caller.role == events_pb2.ROLE_USER else None


def _problems(target: Target, wanted: Wanted, caller: queries_pb2.GetServerResponse | None) -> Iterator[Error]:
    """Yield what is known to be wrong."""
    uri, store = target.uri, target.store
    if caller is not None:
        yield from _of_rights(target, wanted, caller)
    if not store.active:
        yield RefusedError(f"{uri}: the store is deactivated.", fix="Ask an administrator to activate it.")
    announced = attached(store)
    if not announced:
        yield UnavailableError(
            f"{uri}: no reactor of the store is attached.",
            fix="See `monoctl describe secret-store`, and try again when one is back.",
        )
        return
    if wanted.rules.merges:
        try:
            check_can(store, uri, "patchable")
        except RefusedError as error:
            yield error
    yield from _announced(announced, uri, keys=wanted.keys, expect=wanted.expect)


def _announced(
    attached: Sequence[events_pb2.StoreCapabilities], uri: SecretUri, *, keys: Iterable[str], expect: upload_pb2.Expect
) -> Iterator[RefusedError]:
    """Yield what no attached reactor would take, by what they announced."""
    if expect in _NEEDS_CHECK_AND_SET and not any(can.check_and_set for can in attached):
        yield RefusedError(
            f"{uri}: the store's engine cannot replace exactly one version.", fix="Leave `expect` out for this store."
        )
    for key in keys:
        if not any(_takes(can.key_rule, key) for can in attached):
            yield RefusedError(
                f"{uri}: the store takes no key {key!r} (its key_rule is {attached[0].key_rule!r}).",
                fix="See `monoctl describe secret-store` for its rule.",
            )


def _of_rights(target: Target, wanted: Wanted, caller: queries_pb2.GetServerResponse) -> Iterator[Error]:
    if not any(_covers(prefix, target) for prefix in caller.prefixes):
        yield NotFoundError(
            f"{target.uri}: m8 says that your credential does not cover it.", fix="Check the URI and your prefixes."
        )
    needed = {wanted.rules.right} | ({events_pb2.RIGHT_SEE_HASH} if wanted.rules.reveals_hashes else set())
    if not needed <= set(caller.rights):
        yield RefusedError(
            f"{target.uri}: m8 says that your credential lacks the right to do this.",
            fix="Ask for a token that has it.",
        )


def _covers(prefix: str, target: Target) -> bool:
    try:
        return UriPrefix.parse(prefix).covers(target.uri)
    except UsageError:
        return False


def _takes(rule: str, key: str) -> bool:
    """Whether a key may fit the rule that m8 shows.

    Only a rule that is one key is compared. Other rules are regular expressions, and one of a hostile m8 could take for
    ever: they are left to the reactor.
    """
    name = _ESCAPED.sub(r"\1", rule)
    return not rule or re.escape(name) != rule or key == name


def check_twice(targets: Sequence[Target | Error]) -> None:
    """Raise `UsageError` if two of the targets are one secret."""
    seen: set[str] = set()
    for uri in [str(target.uri) for target in targets if isinstance(target, Target)]:
        if uri in seen:
            raise UsageError(f"{uri} is given twice, once by way of the default store.", fix="Give each URI once.")
        seen.add(uri)


def check_options(targets: Sequence[Target | Error], options: Options | None) -> None:
    """Raise `UsageError` if there are options, and they are for none of the stores."""
    kinds = [target.store.type for target in targets if isinstance(target, Target)]
    if options is not None and kinds and all(not are_for(options, kind) for kind in kinds):
        raise UsageError(
            f"the options of the engine are not for a store of type {kinds[0]!r}.",
            fix="Leave them out, or name another store.",
        )


class Preview(Value, frozen=True):
    """What a put or a patch would send. Holds no value."""

    uri: str
    purpose: upload_pb2.Purpose
    expect: str
    sizes: dict[str, int]
    """Bytes of each value, in key order."""
    size_class: int
    """Bytes of the padded plaintext: all that m8 can see of the size. 0 if nothing is sealed."""
    identity: str
    """The store's identity, as m8 shows it."""
    pinned: str
    """The identity that is pinned now; "" if it would ask first."""
    removes: tuple[str, ...] = ()
    """With a patch: the keys to drop."""
    layout: str = ""
    """How it will lie in the engine, as the store's reactor announced; "" if it announced nothing."""

    @property
    def rules(self) -> PurposeRules:
        """The rules of its purpose."""
        return PURPOSES[self.purpose]


def preview(  # noqa: PLR0917 - one call, from one place
    uri: SecretUri,
    store: views_pb2.SecretStore,
    wanted: Wanted,
    expect: str,
    sizes: dict[str, int],
    size: int,
    pin: str,
) -> Preview:
    """Return what a put or a patch would send.

    Raises:
        RefusedError: the store's reactors announced that they would refuse it.
    """
    if wanted.rules.merges:
        check_can(store, uri, "patchable")
    check_size(store, uri, size)
    announced = attached(store)
    if announced:
        for refusal in _announced(announced, uri, keys=wanted.keys, expect=wanted.expect):
            raise refusal
    return Preview(
        uri=str(uri),
        purpose=wanted.purpose,
        expect=expect,
        sizes=sizes,
        size_class=size,
        identity=store.identity,
        pinned=pin,
        removes=tuple(key for key in wanted.keys if key not in sizes),
        layout=announced_layout(store),
    )
