"""A round of a rotation: what its labels say, what was found at its places, and what can be done (docs/rotation.md).

A round makes new values at `db.next`, sets the account's password to them, and puts them at `db`. Its state stands in
the labels of the request that made `db.next`: the reactor's grant has signed them, and m8's edits of labels are none of
them. So whoever looks again after a break, at whatever step, finds where the round stands.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Self

from monoskope.client.rotation.spec import Rotation
from monoskope.errors import UsageError
from monoskope.protocol.grant import DEFAULT_LIFETIME_S
from monoskope.protocol.notes import BEGAN, DUE
from monoskope.times import instant
from monoskope.value import Value

LATE_S = 60
"""Beyond the lifetime of its key no store takes what was sent, and m8 has ended the request."""
BETWEEN_ROUNDS_S = DEFAULT_LIFETIME_S + LATE_S
"""Between two rounds at least: a write of the first, whose end nobody knows, ends before that."""
ANEW = "To begin anew from what is live: `monoctl rotate secret --adopt`."
ACCOUNT, REPLACES = "account", "replaces"
"""Labels of a round, besides `BEGAN`, and `DUE` for readers and m8's notices: no step follows from that."""


class Sync(Enum):
    """What is at a place, by what its store proved just now."""

    ABSENT = "nothing is there"
    IN_SYNC = "what the newest receipt says"
    DRIFTED = "something else than the newest receipt says"
    GONE = "nothing, though the newest receipt says otherwise"
    UNREADABLE = "what its store can only compare"

    @property
    def is_foreign(self) -> bool:
        """Whether others than m8's users changed what is there."""
        return self in {Sync.DRIFTED, Sync.GONE}


class Place(Value, frozen=True):
    """One place, as its store proved it. With IN_SYNC the hashes are of what is there."""

    uri: str
    sync: Sync = Sync.ABSENT
    version: str = ""
    """The one that is there now, "" for nothing, with DRIFTED, too."""
    hash: str = ""
    """The whole content's fingerprint, "" where no receipt tells it."""
    values: Mapping[str, str] = {}
    """Each key's."""
    at_ms: int = 0
    """When it was put there, as m8 says: a round can only wait for it."""
    request_id: bytes = b""
    """The request behind it, as m8 says: what it proves is checked."""
    key_id: str = ""
    """The fingerprint key of its store now, 16 hex digits; "" where it was not told."""
    lifetime_s: int = DEFAULT_LIFETIME_S
    """For how long its store takes what was sent, by the grant with which it was asked just now."""


class Round(Value, frozen=True):
    """What the labels of a round's first request say."""

    account: str
    replaces: str
    """Of the version that stood at `db`, as `digest_of`."""
    began_ms: int
    """Milliseconds since 1970, by the clock of whoever began it."""

    @classmethod
    def parse(cls, labels: Mapping[str, str]) -> Self:
        """Return what labels say. Raises `UsageError` if they are not those of a round."""
        try:
            at = dt.datetime.fromisoformat(labels[BEGAN])
            found = cls(labels[ACCOUNT], labels[REPLACES], int(at.timestamp()) * 1000)
        except (KeyError, ValueError, OverflowError):
            raise UsageError("these are no labels of a rotation.", fix=ANEW) from None
        if found.labels() != {name: labels[name] for name in (ACCOUNT, REPLACES, BEGAN)}:
            raise UsageError(
                "these are no labels of a rotation in their one form.",
                fix=ANEW,
            )
        return found

    def labels(self, every_s: int = 0) -> dict[str, str]:
        """Return the labels of a round, with the day on which the next one is due if it is known."""
        found = {ACCOUNT: self.account, REPLACES: self.replaces, BEGAN: instant(self.began_ms)}
        return found | ({DUE: instant(self.began_ms + every_s * 1000)[:10]} if every_s else {})


def digest_of(version: str) -> str:
    """Return what `replaces` says of a version: 64 hex digits; "" is the version of nothing."""
    return hashlib.sha256(version.encode()).hexdigest()


def key_id(fingerprint: str) -> str:
    """Return the id of the key that a fingerprint was made with, "" for none."""
    return "".join(fingerprint.split(":")[1:2])


class Look(Value, frozen=True):
    """What was found, all of it proven."""

    db: Place
    next: Place
    accounts: tuple[Place, ...]
    """In the order of the rotation."""
    round: Round | None = None
    """Of the request that made what is at `next`; None if that was no round."""
    is_ours: bool = True
    """Whether that request had the recipes of this rotation. Who may generate there alone could know the values, or
    lead programs to a server of theirs."""
    key_ids: frozenset[str] = frozenset()
    """The fingerprint keys of the stores now, 16 hex digits each."""
    late_s: int = BETWEEN_ROUNDS_S
    """Seconds after which no store writes any more what was sent before."""
    asks: bool = False
    """Whether a store asks anybody for approvals, as m8 says: then the last round's copies are made again first."""

    @property
    def is_over(self) -> bool:
        """Whether `db` has what is at `next`."""
        both = self.db.sync is Sync.IN_SYNC and self.next.sync is Sync.IN_SYNC
        return both and self.db.hash != "" and self.db.hash == self.next.hash

    @property
    def is_stale(self) -> bool:
        """Whether what is at `next` was hashed with a former fingerprint key."""
        return self.next.hash != "" and len(self.key_ids) == 1 and key_id(self.next.hash) not in self.key_ids

    def account(self, uri: str) -> Place | None:
        """Return one account, None if it is not one of this rotation."""
        return next((one for one in self.accounts if one.uri == uri), None)


class Wish(Value, frozen=True):
    """What is asked for, and what this run knows already."""

    rotation: Rotation
    now_ms: int
    force: bool = False
    """Begin before `grace` is over."""
    adopt: bool = False
    """Begin anew from what is live where the state cannot be taken as it is."""
    over: str | None = None
    """The version at `next` when this run began, if its round was over then; None if it was not."""
    adopted: str = ""
    """The version at `next` that this run made by adopting: its account is set whatever is there."""
    began: str = ""
    """The version at `next` that this run made: its account is not the live one."""
    copied: tuple[str, str] = ("", "")
    """The versions of `next` and of the account of a copy that this run has proven."""


class Generate(Value, frozen=True):
    """Step 1: make new values at `next`, where `expect` is; "" for nothing."""

    round: Round
    expect: str
    adopting: bool = False
    """Whether it begins anew from what was found live."""


class SetAccount(Value, frozen=True):
    """Step 2: copy the password to the account, where `expect` is; "" for nothing, None for whatever is there."""

    account: str
    source: str
    expect: str | None


class Switch(Value, frozen=True):
    """Step 4: copy what is at `next` to `db`, where `expect` is; "" for nothing."""

    source: str
    expect: str


class Done(Value, frozen=True):
    """The round is over: its account is live."""

    round: Round


class Adopt(Value, frozen=True):
    """Find the live account, then begin anew. `why` is what `Stop` would say."""

    why: str


class Stop(Value, frozen=True):
    """Nothing is done."""

    why: str
    fix: str
    waits: bool = False
    """Whether time alone mends it."""


Step = Generate | SetAccount | Switch | Done | Adopt | Stop
