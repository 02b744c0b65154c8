"""Asking the model, then the real parts: what users ask of a store, and what others change past m8."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from monoskope.client import Client, Expect
from monoskope.errors import Error, OutcomeUnknownError
from monoskope.testing.engines.postgres import Postgres
from tests.model.looks import Looks
from tests.model.record import Content, DeniedError, Record, Version, store_of
from tests.model.world import STORES, RealParts

MEMBERS = ("user:local:anna", "user:local:ben")
RIGHTS = ("put", "see-hash", "compare", "delete", "copy", "undelete", "rollback")
PREFIXES = ("left://", "left://team", "left://team/a", "right://", "right://team")
PLACES = ("team/a", "team/b", "teams")
CONTENTS: tuple[Content, ...] = ({"k": b"1"}, {"k": b"2"}, {"k": b"1", "l": b"1"}, {"l": b"1"})
NAMES = ("one", "two", "three", "four", "five")
DAY = 86_400
LONG_S = 60.0
"""How long a client may try where somebody answers."""
SHORT_S = 0.25
"""How long it tries where nobody can."""

HOT = "left://team/a"
"""The place where most of it happens, so that much happens at one place."""
uris = st.sampled_from((*[HOT] * 8, *(f"{store}://{place}" for store in STORES for place in PLACES)))
members = st.sampled_from((MEMBERS[0], *MEMBERS))
rarely = st.sampled_from((*[False] * 7, True))
"""For what ends most of what follows: else all would be refused soon."""
doors = st.sampled_from((0, 1))
contents = st.sampled_from(CONTENTS)
expects = st.sampled_from(("ANY", "ANY", "ABSENT", "OVERWRITE", "now", "before"))
labels = st.sampled_from((None, {}, {"team": "a"}, {"team": "b", "env": "prod"}))
days = st.sampled_from((None, "", "2031-01-01"))


tokens: Bundle[str] = Bundle("tokens")
"""The tokens that were given to users."""


class Asking(RuleBasedStateMachine):
    """The model, the real parts, and what compares them."""

    tally: ClassVar[Counter[str]] = Counter()
    """How often each rule ended how: "put done", "put NOT_FOUND"."""
    postgres: ClassVar[Postgres | None] = None
    """Where the log is; in SQLite without it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = RealParts(self.postgres)
        self.record = Record()
        self.looks = Looks(self.world, self.record)
        self.patience = LONG_S
        self.do(self.world.start())

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    def ends(self, told: Callable[[], Any], work: Callable[[Client], Awaitable[Any]], token: str, at: int) -> Any:
        """Do what the model allows; return what it said and the real result, None if both denied it alike."""
        self.patience = LONG_S
        rule = told.__qualname__.split(".")[1]
        try:
            self.record.holder(token)
            said = told()
        except DeniedError as denied:
            self.tally[f"{rule} {denied.code}"] += 1
            if denied.code == "UNAVAILABLE":
                self.patience = SHORT_S
            self.do(self.denied(work, token, at, denied.code))
            return None
        result = self.do(self.done(work, token, at))
        self.tally[f"{rule} done"] += 1
        return said, result

    async def done(self, work: Callable[[Client], Awaitable[Any]], token: str, at: int) -> Any:
        try:
            return await work(await self.world.m8[at].client(token))
        except OutcomeUnknownError as error:
            note(f"  the log says of it: {await self.looks.told_of(error.request_id)}")
            raise

    async def denied(self, work: Callable[[Client], Awaitable[Any]], token: str, at: int, code: str) -> None:
        try:
            result = await work(await self.world.m8[at].client(token))
        except Error as error:
            note(f"  denied: {error}")
            # Where nobody answers, the client tries until its time is over.
            codes = {"UNAVAILABLE", "TIMED_OUT"} if code == "UNAVAILABLE" else {code}
            assert error.code.value in codes, f"{code} was expected, not {error.code.value}: {error}"  # noqa: PT017
            return
        raise AssertionError(f"{code} was expected, not {result}")

    def chosen(self, uri: str, token: str, told: Callable[[str, str], Any]) -> tuple[str, str]:
        """Return the place and the token that were drawn; others, if the model denies these and allows others.

        What can seldom be done would else be denied nearly always.
        """
        for place in (uri, *self.record.places):
            for each in (token, *self.record.tickets):
                try:
                    self.record.holder(each)
                    told(place, each)
                except DeniedError:
                    continue
                return place, each
        return uri, token

    def named(self, uri: str, expect: str) -> tuple[str, Any]:
        """Return an expectation as the model and as the client take it."""
        place = self.record.place(uri)
        if expect == "now":
            now = [*place.aside, *place.line][-1:]
            version = now[0].name if now else "v0"
        elif expect == "before":
            version = next(iter(place.known), "v0")
        else:
            return expect, Expect[expect]
        return version, version

    def new(self, result: Any, content: Content) -> Version:
        """Return the version of a result; one that was written has a name that was never there."""
        version = Version(result.upstream_version, content)
        self.looks.seen(content, getattr(result, "hash", ""), result.upstream_version)
        return version

    def as_root(self, work: Callable[[Client], Awaitable[Any]], at: int = 0) -> str:
        async def ended() -> str:
            try:
                await work(await self.world.as_root(at))
            except Error as error:
                return error.code.value
            return ""

        return str(self.do(ended()))


class Questions(Asking):
    """Rules that leave what is upstream as it is, and one that changes it past m8."""

    @rule(uri=uris, token=tokens, at=doors)
    def adopt(self, uri: str, token: str, at: int) -> None:
        def told() -> Version:
            self.record.may(self.record.holder(token), uri, "put", "see-hash")
            self.record.open(uri)
            now = self.record.something(uri).now
            assert now is not None
            return now

        end = self.ends(told, lambda client: client.import_secret(uri, timeout=self.patience), token, at)
        if end:
            now, result = end
            assert result.upstream_version == now.name
            self.looks.seen(now.content, result.hash)
            self.record.wrote(uri, "IMPORTED", now, self.record.holder(token), None)

    @rule(uri=uris, token=tokens, at=doors)
    def verify(self, uri: str, token: str, at: int) -> None:
        def told() -> str:
            member = self.record.holder(token)
            self.record.may(member, uri)
            if self.record.place(uri).head is None:
                raise DeniedError("NOT_FOUND")
            self.record.may(member, uri, "compare")
            self.record.open(uri)
            return self.record.verified(uri)

        end = self.ends(told, lambda client: client.verify_secret(uri, timeout=self.patience), token, at)
        if end:
            assert end[1].outcome == end[0]
            self.record.looked(uri, end[0])

    @rule(uri=uris, content=contents, token=tokens, at=doors)
    def compare(self, uri: str, content: Content, token: str, at: int) -> None:
        def told() -> bool:
            self.record.may(self.record.holder(token), uri, "compare")
            self.record.open(uri)
            now = self.record.place(uri).now
            return now is not None and now.content == content

        end = self.ends(told, lambda client: client.compare_secret(uri, content, timeout=self.patience), token, at)
        if end:
            assert end[1].equal == end[0]

    @rule(uri=uris, label=st.sampled_from((None, "a", "c")), day=days, token=tokens, at=doors)
    def edit(self, uri: str, label: str | None, day: str | None, token: str, at: int) -> None:
        if label is None and day is None:
            return

        def told() -> None:
            member = self.record.holder(token)
            if not any(binding.member == member for binding in self.record.bindings.values()):
                raise DeniedError("REFUSED")  # before any of the request is read, so it says nothing of the secret
            self.record.may(member, uri, "put")
            head = self.record.place(uri).head
            if head is None or head.deleted:
                raise DeniedError("NOT_FOUND")

        if self.ends(
            told,
            lambda client: client.edit_notes(uri, {"team": label} if label else None, expires_on=day),
            token,
            at,
        ):
            self.record.edited(uri, self.record.holder(token), label, day)

    @rule(uri=uris, content=contents, gone=st.sampled_from((False, False, True)))
    def foreign(self, uri: str, content: Content, gone: bool) -> None:
        path, place = tuple(uri.partition("://")[2].split("/")), self.record.place(uri)
        engine = self.world.engines[store_of(uri)]
        if not gone:
            place.line, place.aside = [*place.line, Version(engine.put(content, path), content)], []
        elif place.line:
            engine.set_aside(path)
            place.line, place.aside = [], place.line
