"""What a rotation does next: one pure function of what stores proved. Nothing here asks anybody (docs/rotation.md).

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

from monoskope.client.rotation.spec import PASSWORD, Rotation
from monoskope.errors import UsageError
from monoskope.times import instant
from monoskope.value import Value

BETWEEN_ROUNDS_S = 120
"""Between the beginnings of two rounds at least: a write of the first, whose end nobody knows, ends before that."""
_ANEW = "To begin anew from what is live: `monoctl rotate secret --adopt`."
ACCOUNT, REPLACES, BEGAN, DUE = "account", "replaces", "began", "due"
"""The labels of a round. What is due is for those who read them: nothing follows from it."""


class Sync(Enum):
    """What is at a place, by what its store proved just now."""

    ABSENT = "nothing is there"
    IN_SYNC = "what the newest receipt says"
    DRIFTED = "something else than the newest receipt says"
    GONE = "nothing, though the newest receipt says otherwise"

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
            raise UsageError("these are no labels of a rotation.", fix=_ANEW) from None
        if found.labels() != {name: labels[name] for name in (ACCOUNT, REPLACES, BEGAN)}:
            raise UsageError(
                "these are no labels of a rotation in their one form.",
                fix=_ANEW,
            )
        return found

    def labels(self, every_s: int = 0) -> dict[str, str]:
        """Return the labels of a round, with the day on which the next one is due if it is known."""
        found = {ACCOUNT: self.account, REPLACES: self.replaces, BEGAN: instant(self.began_ms)}
        return found | ({DUE: instant(self.began_ms + every_s * 1000)[:10]} if every_s else {})


def digest_of(version: str) -> str:
    """Return what `replaces` says of a version: 64 hex digits; "" is the version of nothing."""
    return hashlib.sha256(version.encode()).hexdigest()


class Look(Value, frozen=True):
    """What was found, all of it proven."""

    db: Place
    next: Place
    accounts: tuple[Place, ...]
    """In the order of the rotation."""
    round: Round | None = None
    """Of the request that made what is at `next`; None if that was no round."""
    key_ids: frozenset[str] = frozenset()
    """The fingerprint keys of the stores, as m8 shows them; it only refuses."""

    @property
    def is_over(self) -> bool:
        """Whether `db` has what is at `next`."""
        both = self.db.sync is Sync.IN_SYNC and self.next.sync is Sync.IN_SYNC
        return both and self.db.hash != "" and self.db.hash == self.next.hash

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


def decide(look: Look, wish: Wish) -> Step:
    """Return what follows from what was found: the table of docs/rotation.md."""
    if len(look.key_ids) > 1:
        fix = "Give all stores of the rotation one fingerprint key; until then nothing is changed."
        return Stop("the stores hash with different fingerprint keys, so no copy between them can be proven.", fix)
    wrong = _wrong_places(look) or _wrong_account(look, wish)
    if wrong:
        return _stopped(wrong, wish)
    account = _account(look)
    if look.is_over:
        assert look.round is not None
        return Done(look.round) if look.next.version != wish.over else begin(look, wish, live=account.uri)
    if _holds(look, account, wish):
        return Switch(look.next.version, look.db.version)
    anything = look.next.version == wish.adopted and account.sync is Sync.ABSENT
    return SetAccount(account.uri, look.next.version, None if anything else account.version)


def begin(look: Look, wish: Wish, live: str, *, adopting: bool = False) -> Step:
    """Return the beginning of a new round, which sets the account that is not `live`.

    It is two minutes after the last one at the earliest. With `adopting` nothing is asked of the last one.
    """
    target = next((uri for uri in wish.rotation.accounts if uri != live), live)
    if not adopting:
        assert look.round is not None, "a round is over"
        too_early = _too_early(look.round, wish, target)
        if too_early is not None:
            return too_early
        account = look.account(target)
        if account is not None and account.sync.is_foreign:
            return _stopped(f"{target} was changed by others: there is {account.sync.value}.", wish)
    now_ms = wish.now_ms - wish.now_ms % 1000
    return Generate(Round(target, digest_of(look.db.version), now_ms), look.next.version, adopting)


def live_by(differs: Mapping[str, bool]) -> str | None:
    """Return the live account of those with whether the name at `db` is another; None if not exactly one fits."""
    fits = [uri for uri, other in differs.items() if not other]
    return fits[0] if len(fits) == 1 else None


def _too_early(last: Round, wish: Wish, target: str) -> Step | None:
    passed_s = (wish.now_ms - last.began_ms) // 1000
    if passed_s < 0:
        why = f"by the clock of this machine the last round began in the future, {instant(last.began_ms)}."
        return _stopped(why, wish, fix=f"Correct the clock. If it is right: {_ANEW}")
    turns = len(wish.rotation.accounts) > 1
    grace_s = wish.rotation.grace_s if turns and not wish.force else 0
    until = instant(last.began_ms + max(grace_s, BETWEEN_ROUNDS_S) * 1000)
    if passed_s < BETWEEN_ROUNDS_S:
        return Stop("a round began less than two minutes ago.", f"Begin after {until}.", waits=True)
    if passed_s < grace_s:
        why = f"{target} may still be in use: the grace of the last round is not over."
        return Stop(why, f"Begin after {until}; after a theft: `monoctl rotate secret --force`.", waits=True)
    return None


def _stopped(why: str, wish: Wish, *, fix: str = f"Find out why. {_ANEW}") -> Step:
    return Adopt(why) if wish.adopt else Stop(why, fix)


def _account(look: Look) -> Place:
    """Return the account of the round; `_wrong_places` has looked for it."""
    found = None if look.round is None else look.account(look.round.account)
    assert found is not None
    return found


def _wrong_places(look: Look) -> str:
    """Return why `db` and `next` are in no state of a rotation, "" if they are."""
    db, new, found = look.db, look.next, look.round
    if new.sync is Sync.ABSENT:
        return f"nothing is at {new.uri}: it was never rotated, or what a rotation left there was deleted."
    if new.sync.is_foreign:
        return f"{new.uri} was changed by others: there is {new.sync.value}."
    if found is None:
        return f"what is at {new.uri} was not made by a rotation."
    if look.account(found.account) is None:
        return f"the last round was for {found.account}, which is no account of this rotation."
    if look.is_over or digest_of(db.version) == found.replaces:
        return ""
    return _changed(db, new)


def _changed(db: Place, new: Place) -> str:
    if db.sync.is_foreign:
        return f"{db.uri} was changed by others: there is {db.sync.value}."
    if db.hash and new.hash and _key_id(db.hash) != _key_id(new.hash):
        return f"{db.uri} and {new.uri} were hashed with different fingerprint keys."
    both = "neither what the last round replaces nor what it made"
    return f"{db.uri} has {both}: it was put, copied, rolled back or brought back."


def _wrong_account(look: Look, wish: Wish) -> str:
    """Return why the account of the round is in no state of a rotation, "" if it is."""
    account = _account(look)
    if account.sync.is_foreign and look.next.version != wish.adopted:
        return f"{account.uri} was changed by others: there is {account.sync.value}."
    if look.is_over and not _holds(look, account, wish):
        return f"{look.db.uri} has the new values, and {account.uri} has others: no rotation leaves it so."
    return ""


def _holds(look: Look, account: Place, wish: Wish) -> bool:
    """Whether the account has the password that is at `next`."""
    if account.sync is not Sync.IN_SYNC:
        return False
    made = look.next.values.get(PASSWORD, "")
    proven = wish.copied == (look.next.version, account.version)
    return proven or (made != "" and account.values.get(PASSWORD) == made)


def _key_id(fingerprint: str) -> str:
    return fingerprint.rpartition(":")[0]
