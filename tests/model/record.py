"""The model: what the decision record says that users see, and nothing of how it is made.

It knows secrets by their content and stores by their names; it has no keys, no events and no m8. A question is
answered by `may` and by what a method returns: an outcome, or the code of the error that a user gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Content = Mapping[str, bytes]

ADDS = {"ANY", "ABSENT", "OVERWRITE"}
HOURS = 3_600


class DeniedError(Exception):
    """What was asked for does not happen; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Version:
    """Something that was upstream. The engine names it, and never gives a name twice."""

    name: str
    content: Content


@dataclass(frozen=True)
class Head:
    """What m8 shows of a secret: what the newest receipt says."""

    version: str
    content: Content | None
    subject: str
    labels: Mapping[str, str] = field(default_factory=dict)
    expires_on: str = ""
    deleted: bool = False
    drifted: bool = False
    sync: str = ""


@dataclass
class Place:
    """What is at one URI: in the engine, and in m8."""

    line: list[Version] = field(default_factory=list)
    """What is upstream, the newest last, with what it replaced."""
    aside: list[Version] = field(default_factory=list)
    """What was deleted, and can come back."""
    ours: set[str] = field(default_factory=set)
    """The versions that a receipt names as being upstream."""
    known: dict[str, Head] = field(default_factory=dict)
    """What receipts said of each version."""
    head: Head | None = None
    history: list[tuple[str, str]] = field(default_factory=list)
    """Outcomes with their versions, the newest first; EDITED for an edit of the notes."""

    @property
    def now(self) -> Version | None:
        return self.line[-1] if self.line else None


@dataclass(frozen=True)
class Binding:
    member: str
    prefix: str
    rights: frozenset[str]

    def covers(self, uri: str) -> bool:
        return uri == self.prefix or uri.startswith(self.prefix if self.prefix.endswith("/") else self.prefix + "/")


@dataclass(frozen=True)
class Ticket:
    member: str
    until_s: int
    revoked: bool = False


@dataclass
class Record:
    now_s: int = 0
    default: str = ""
    active: dict[str, bool] = field(default_factory=dict)
    """Each store that exists, and whether it takes requests."""
    attached: dict[str, int] = field(default_factory=dict)
    """How many reactors serve a store."""
    bindings: dict[str, Binding] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Every name that a binding ever had."""
    tickets: dict[str, Ticket] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    # --- Who may do what ---

    def holder(self, token: str) -> str:
        """Return whose a token is. An expired or revoked one is nobody's."""
        ticket = self.tickets[token]
        if ticket.revoked or ticket.until_s <= self.now_s:
            raise DeniedError("UNAUTHENTICATED")
        return ticket.member

    def sees(self, member: str, uri: str) -> bool:
        """Whether a secret exists for a user: some binding is about its place."""
        return any(binding.member == member and binding.covers(uri) for binding in self.bindings.values())

    def has(self, member: str, right: str, uri: str) -> bool:
        """Whether one binding gives the right at that place. Two bindings never combine to give what neither gives."""
        own = (binding for binding in self.bindings.values() if binding.member == member)
        return any(right in binding.rights and binding.covers(uri) for binding in own)

    def sees_store(self, member: str, store: str) -> bool:
        own = (binding for binding in self.bindings.values() if binding.member == member)
        return store in self.active and any(binding.prefix.startswith(f"{store}://") for binding in own)

    def place(self, uri: str) -> Place:
        return self.places.setdefault(uri, Place())

    def may(self, member: str, uri: str, *rights: str) -> None:
        """Raise unless a user has all rights at a place that exists for them."""
        if not self.sees_store(member, store_of(uri)) or not self.sees(member, uri):
            raise DeniedError("NOT_FOUND")
        if not all(self.has(member, right, uri) for right in rights):
            raise DeniedError("REFUSED")

    def open(self, uri: str) -> None:
        """Raise unless the store takes requests and somebody serves it."""
        if not self.active[store_of(uri)]:
            raise DeniedError("REFUSED")
        if not self.attached.get(store_of(uri)):
            raise DeniedError("UNAVAILABLE")

    # --- What is upstream ---

    def expected(self, uri: str, expect: str) -> Place:
        """Return the place if it is as a user expects. ANY means: nothing, or what a receipt of ours names."""
        place = self.place(uri)
        now = "" if place.now is None else place.now.name
        wrong = {
            "ANY": bool(now) and now not in place.ours,
            "ABSENT": bool(now),
            "OVERWRITE": False,
        }.get(expect, now != expect)
        if wrong:
            raise DeniedError("CONFLICT")
        return place

    def something(self, uri: str) -> Place:
        if self.place(uri).now is None:
            raise DeniedError("NOT_FOUND")
        return self.place(uri)

    def put(self, uri: str, content: Content, expect: str) -> str:
        """A put writes, unless the same content is there already."""
        now = self.expected(uri, expect).now
        return "UNCHANGED" if now is not None and now.content == content else "UPLOADED"

    def patched(self, uri: str, content: Content, remove: str, expect: str) -> Content:
        now = self.something(uri).now
        self.expected(uri, expect)
        assert now is not None
        if remove and remove not in now.content:
            raise DeniedError("CONFLICT")
        made = {key: value for key, value in now.content.items() if key != remove} | dict(content)
        if not made:
            raise DeniedError("REFUSED")
        return made

    def undeleted(self, uri: str, expect: str) -> Version:
        """Return what comes back: what was deleted last, if nothing is there since."""
        place = self.place(uri)
        if place.now is not None or not place.aside:
            raise DeniedError("NOT_FOUND")
        back = place.aside[-1]
        mine = back.name in place.ours or (
            place.head is not None and place.head.deleted and place.head.version == back.name
        )
        if (expect == "ANY" and not mine) or (expect not in ADDS and expect != back.name):
            raise DeniedError("CONFLICT")
        return back

    def verified(self, uri: str) -> str:
        """Return whether upstream holds what the newest receipt says."""
        head, now = self.place(uri).head, self.place(uri).now
        if head is None:
            raise DeniedError("NOT_FOUND")
        if now is None:
            return "IN_SYNC" if head.deleted else "GONE"
        return "IN_SYNC" if now.name == head.version and not head.deleted else "DRIFTED"

    # --- What becomes of it ---

    def wrote(self, uri: str, outcome: str, version: Version, subject: str, notes: Mapping[str, object] | None) -> None:
        """Take note of a receipt by which `version` is upstream; `notes` are what a put gave, None without a put."""
        place, before = self.place(uri), self.place(uri).now
        new = outcome in {"UPLOADED", "ROLLED_BACK"}
        prior = before.name if before is not None and new else ""
        known = place.known.get(version.name) or place.known.get(prior) or place.head
        drifted = bool(prior) and prior not in place.known
        if not new:
            drifted = version.name in place.known and place.known[version.name].drifted
        if outcome == "UNDELETED":
            place.line, place.aside = place.aside, []
        elif new:
            place.line, place.aside = [*place.line, version], []
        kept = known if known is not None and not (notes is not None and known.deleted) else Head("", None, "")
        given = notes or {}
        labels = given.get("labels")
        day = given.get("expires_on")
        head = Head(
            version.name,
            version.content,
            subject,
            kept.labels if not isinstance(labels, dict) else labels,
            kept.expires_on if not isinstance(day, str) else day,
            drifted=drifted,
            sync="IN_SYNC" if outcome == "IMPORTED" else "",
        )
        place.ours.add(version.name)
        self._show(place, head, outcome, version.name)

    def deleted(self, uri: str, subject: str, *, destroy: bool) -> None:
        """Take note of a receipt by which nothing is upstream any more."""
        place = self.place(uri)
        gone = place.now
        assert gone is not None
        place.line, place.aside = [], place.line if not destroy else place.aside
        known = place.known.get(gone.name) or place.head or Head("", None, "")
        drifted = gone.name in place.known and place.known[gone.name].drifted
        head = replace(known, version=gone.name, content=None, subject=subject, deleted=True, drifted=drifted, sync="")
        self._show(place, head, "DELETED", "")

    def edited(self, uri: str, subject: str, label: str | None, day: str | None) -> None:
        """Take note of an edit of the notes, which is none if it changes nothing."""
        place = self.place(uri)
        head = place.head
        if head is None or head.deleted:
            raise DeniedError("NOT_FOUND")
        labels = {**head.labels, **({"team": label} if label else {})}
        after = replace(head, labels=labels, expires_on=head.expires_on if day is None else day)
        if after != head:
            self._show(place, after, "EDITED", "")

    def looked(self, uri: str, outcome: str) -> None:
        place = self.place(uri)
        assert place.head is not None
        place.head = replace(place.head, sync=outcome)
        place.known[place.head.version] = place.head

    def _show(self, place: Place, head: Head, outcome: str, version: str) -> None:
        place.head = head
        place.known[head.version] = head
        place.history.insert(0, (outcome, version))


def store_of(uri: str) -> str:
    return uri.partition("://")[0]
