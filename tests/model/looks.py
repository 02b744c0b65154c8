"""What is compared after each step: what users are shown, what the log says, and what the model says of both."""

from __future__ import annotations

import datetime as dt
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client
from monoskope.client.results.secrets import Secret
from monoskope.errors import Error
from monoskope.m8.domain.principal import Principal
from monoskope.protocol.events import EVENTS, upload_stream
from tests.model.record import Content, DeniedError, Place, Record
from tests.model.world import M8, RealParts
from tests.rig import facts

ENDED_BY = frozenset(EVENTS) - {
    "SecretUploadKeyRequested",
    "SecretUploadKeyProvided",
    "SecretUploadRequested",
    "SecretUploadStarted",
}
"""The events that end a request."""


class Looks:
    def __init__(self, world: RealParts, record: Record) -> None:
        self.world, self.record = world, record
        self.ids: dict[str, str] = {}
        """The id of each token."""
        self.asked = 0
        """How many requests were abandoned."""
        self._hashes: dict[tuple[tuple[str, bytes], ...], str] = {}
        self._head = 0
        self._ended: set[str] = set()

    def seen(self, content: Content, shown: str, _version: str = "") -> None:
        key = tuple(sorted(content.items()))
        known = self._hashes.setdefault(key, shown)
        assert known == shown, f"one content has two hashes: {known} and {shown}"
        twins = [other for other, hash_ in self._hashes.items() if hash_ == shown and other != key]
        assert not twins, f"two contents have one hash: {twins}"

    async def everybody_sees(self) -> None:
        """Ask as everybody, at one m8 and then at the other, what there is."""
        for number, (token, ticket) in enumerate(self.record.tickets.items()):
            client = await self.world.m8[(number + self._head) % 2].client(token)
            try:
                self.record.holder(token)
            except DeniedError:
                await _denied(client.list_secrets(), "UNAUTHENTICATED")
                continue
            await self._sees(client, ticket.member)

    async def _sees(self, client: Client, member: str) -> None:
        shown = {secret.uri: secret async for secret in client.list_secrets()}
        visible = {
            uri: place
            for uri, place in self.record.places.items()
            if place.head is not None and self.record.sees(member, uri)
        }
        there = {uri for uri, place in visible.items() if place.head is not None and not place.head.deleted}
        assert set(shown) == there, f"{member} sees {sorted(shown)}, not {sorted(there)}"
        for uri, secret in shown.items():
            self._fits(secret, self.record.places[uri], hashes=self.record.has(member, "see-hash", uri))
        for uri, place in self.record.places.items():
            await self._past(client, uri, place if uri in visible else None)

    def _fits(self, secret: Secret, place: Place, *, hashes: bool) -> None:
        head = place.head
        assert head is not None
        told = (head.version, head.subject, dict(head.labels), head.expires_on, head.drifted, head.sync)
        day = secret.expires_on.isoformat() if isinstance(secret.expires_on, dt.date) else ""
        found = (
            secret.upstream_version, secret.subject, secret.labels, day, secret.drifted, secret.sync,
        )  # fmt: skip
        assert found == told, f"{secret.uri}: {found}, not {told}"
        assert bool(secret.hash) == hashes, f"{secret.uri}: the hash is shown, or hidden, by mistake"
        if hashes:
            assert head.content is not None
            self.seen(head.content, secret.hash)

    async def _past(self, client: Client, uri: str, place: Place | None) -> None:
        if place is None:
            try:
                await client.get_secret(uri)
            except Error as error:
                assert error.code.value == "NOT_FOUND"  # noqa: PT017
                return
            raise AssertionError(f"{uri} is shown")
        assert place.head is not None
        assert (await client.get_secret(uri)).deleted == place.head.deleted

    async def pasts(self) -> None:
        """Compare the whole past of each secret, as the first user who may see it is shown it."""
        for uri, place in self.record.places.items():
            for token, ticket in self.record.tickets.items():
                if place.head is None or not self.record.sees(ticket.member, uri) or not self._valid(token):
                    continue
                client = await self.world.m8[0].client(token)
                views = [view async for view in client.queries.secret_versions(uri, with_edits=True)]
                found = [_told(view) for view in views]
                assert found == place.history, f"{uri}: {found}, not {place.history}"
                break

    def _valid(self, token: str) -> bool:
        try:
            self.record.holder(token)
        except DeniedError:
            return False
        return True

    async def stores_hold(self) -> None:
        root = await self.world.as_root(self._head % 2)
        stores = [store async for store in root.stores.list()]
        assert {store.name: store.active for store in stores} == self.record.active
        default = [self.record.default] if self.record.default else []
        assert [store.name for store in stores if store.is_default] == default

    async def log_grows(self) -> None:
        """Read the new events: each goes on where the last one ended, and none follows the end of a request."""
        log = self.world.m8[self._head % 2].log
        while events := await log.read(after=self._head, limit=500):
            for event in events:
                assert event.position == self._head + 1
                assert event.stream not in self._ended, f"{event.type} follows the end of {event.stream}"
                if event.type in ENDED_BY:
                    self._ended.add(event.stream)
                self._head = event.position

    async def log_holds(self) -> None:
        """Verify the log, the read models and the tree, and what everybody may see of the events."""
        await self.pasts()
        log = self.world.m8[0].log
        await self.world.m8[0].checkpoints.round()
        assert await facts.verify_log(log, *await facts.read(log)) == []
        assert await facts.verify_tree(log, list) == []
        await self.events_hold()

    async def events_hold(self) -> None:
        """Compare the events that each user is shown with those of all that are about places that exist for them."""
        root = await self.world.as_root(0)
        everything = [event async for event in root.log.events()]
        for token, ticket in self.record.tickets.items():
            if not self._valid(token):
                continue
            client = await self.world.m8[1].client(token)
            found = [event.position async for event in client.log.events()]
            own = [event.position for event in everything if event.uri and self.record.sees(ticket.member, event.uri)]
            assert found == own, f"{ticket.member} is shown the events {found}, not {own}"

    async def told_of(self, request_id: str) -> list[str]:
        """Return what the log says of a request, and who attached or went meanwhile, for people to read."""
        events, _ = await facts.read(self.world.m8[0].log)
        stream = upload_stream(bytes.fromhex(request_id))
        about = [event for event in events if event.stream == stream or event.type.startswith("Reactor")]
        return [f"{event.position} {event.type} by {event.actor}" for event in about]

    async def rebuilt(self, at: int) -> None:
        """Rebuild, and compare what was kept."""
        log = self.world.m8[at].log
        before = await facts.documents_of(log)
        await log.rebuild()
        assert await facts.documents_of(log) == before

    async def passed(self, at: int) -> None:
        """Let m8 do what it does by the clock; afterwards nothing is open, and no old sealed bytes are left."""
        m8 = self.world.m8[at]
        await m8.timekeeper.tick()
        await m8.timekeeper.tick()
        await m8.retention.round()
        await m8.checkpoints.round()
        left = [upload.request_id.hex() async for upload in m8.app.documents.open_uploads()]
        assert not left, f"requests that never end: {left}"

    async def settled(self) -> None:
        """Wait until both m8 know who is attached."""
        await self.world.until_async(self._all_counts, "both m8 know who is attached")

    async def _all_counts(self) -> bool:
        attached = self.record.attached
        return all(
            [await _counts(m8, store, attached.get(store, 0)) for m8 in self.world.m8 for store in self.record.active]
        )

    async def principal(self, m8: M8, token: str) -> Principal:
        return await m8.app.authenticate(token)


async def _counts(m8: M8, store: str, count: int) -> bool:
    shown = await m8.app.documents.store(store)
    return shown is not None and sum(reactor.attached for reactor in shown.reactors) == count


async def _denied(some: Any, code: str) -> None:
    try:
        async for one in some:
            raise AssertionError(f"{one} is shown")
    except Error as error:
        assert error.code.value == code  # noqa: PT017


def _told(view: Any) -> tuple[str, str]:
    if view.HasField("edit"):
        return "EDITED", ""
    return upload_pb2.Outcome.Name(view.outcome).removeprefix("OUTCOME_"), view.upstream_version
