"""What a rotation does next: one pure function of what stores proved. Nothing here asks anybody (docs/rotation.md)."""

from __future__ import annotations

from collections.abc import Mapping

from monoskope.client.rotation.round import (
    ANEW,
    Adopt,
    Done,
    Generate,
    Look,
    Place,
    Round,
    SetAccount,
    Step,
    Stop,
    Switch,
    Sync,
    Wish,
    digest_of,
    key_id,
)
from monoskope.client.rotation.spec import PASSWORD
from monoskope.times import instant


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
    return _shut(account) if _is_shut(account, wish) else _go_on(look, wish, account)


def _go_on(look: Look, wish: Wish, account: Place) -> Step:
    """Return what follows in a round that is not over."""
    if look.is_stale:
        # Once it is switched to, nobody could prove that `db` has what is at `next`: so it is made again.
        return _made(look, wish, account.uri)
    if _holds(look, account, wish):
        return Switch(look.next.version, look.db.version)
    adopted = account.sync is Sync.ABSENT and (wish.adopt or look.next.version == wish.adopted)
    anything = adopted or account.sync is Sync.UNREADABLE
    return SetAccount(account.uri, look.next.version, None if anything else account.version)


def begin(look: Look, wish: Wish, live: str, *, adopting: bool = False) -> Step:
    """Return the beginning of a new round, which sets the account that is not `live`.

    It is two minutes after the last one at the earliest. With `adopting` nothing else is asked of the last one.
    """
    target = next((uri for uri in wish.rotation.accounts if uri != live), live)
    too_early = None if look.round is None else _too_early(look, look.round, wish, target, adopting=adopting)
    if too_early is not None:
        return too_early
    account = look.account(target)
    if account is not None and _is_shut(account, wish):
        return _shut(account)
    if not adopting and account is not None and account.sync.is_foreign:
        return _stopped(f"{target} was changed by others: there is {account.sync.value}.", wish)
    return _made(look, wish, target, adopting=adopting)


def _made(look: Look, wish: Wish, account: str, *, adopting: bool = False) -> Generate:
    now_ms = wish.now_ms - wish.now_ms % 1000
    return Generate(Round(account, digest_of(look.db.version), now_ms), look.next.version, adopting)


def live_by(differs: Mapping[str, bool]) -> str | None:
    """Return the live account of those with whether the name at `db` is another; None if not exactly one fits."""
    fits = [uri for uri, other in differs.items() if not other]
    return fits[0] if len(fits) == 1 else None


def _too_early(look: Look, last: Round, wish: Wish, target: str, *, adopting: bool) -> Step | None:
    if wish.now_ms < last.began_ms:
        if adopting:
            return None
        why = f"by the clock of this machine the last round began in the future, {instant(last.began_ms)}."
        return _stopped(why, wish, fix=f"Correct the clock. If it is right: {ANEW}")
    # A write whose answer was lost may be as young as the end of its round.
    writes_ms = max(last.began_ms, look.db.at_ms if look.is_over else 0) + look.late_s * 1000
    if wish.now_ms < writes_ms:
        why = f"a write of the last round may still be under way: {look.late_s} seconds have not passed since."
        return Stop(why, f"Begin after {instant(writes_ms)}.", waits=True)
    turns = len(wish.rotation.accounts) > 1
    grace_ms = last.began_ms + (wish.rotation.grace_s * 1000 if turns and not (wish.force or adopting) else 0)
    if wish.now_ms < grace_ms:
        why = f"{target} may still be in use: the grace of the last round is not over."
        return Stop(
            why, f"Begin after {instant(grace_ms)}; after a theft: `monoctl rotate secret --force`.", waits=True
        )
    return None


def _is_shut(account: Place, wish: Wish) -> bool:
    """Whether its version says that nobody logs in with it: `,nologin`, or `,until=SECONDS` of the past."""
    said = dict(part.partition("=")[::2] for part in account.version.split(",")[1:])
    try:
        return "nologin" in said or float(said.get("until") or "inf") * 1000 <= wish.now_ms
    except ValueError:
        return False


def _shut(account: Place) -> Stop:
    why = f"{account.uri} is locked, so nobody could log in with its new password."
    return Stop(why, f"Have it unlocked in its engine. {ANEW}")


def _stopped(why: str, wish: Wish, *, fix: str = f"Find out why. {ANEW}") -> Step:
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
        return (
            f"nothing is at {new.uri} that you may see: it was never rotated, what a rotation left there was"
            " deleted, or you have no right there (`monoctl whoami` shows yours)."
        )
    if new.sync.is_foreign:
        return f"{new.uri} was changed by others: there is {new.sync.value}."
    if found is None:
        return f"what is at {new.uri} was not made by a rotation."
    if look.account(found.account) is None:
        return f"the last round was for {found.account}, which is no account of this rotation."
    if look.is_over or (look.is_ours and digest_of(db.version) == found.replaces):
        return ""
    return _changed(look)


def _changed(look: Look) -> str:
    db, new = look.db, look.next
    if not look.is_ours:
        return f"what is at {new.uri} was made by other recipes than this rotation's, so others may know it."
    if db.sync.is_foreign:
        return f"{db.uri} was changed by others: there is {db.sync.value}."
    if db.hash and new.hash and key_id(db.hash) != key_id(new.hash):
        return f"{db.uri} and {new.uri} were hashed with different fingerprint keys."
    both = "neither what the last round replaces nor what it made"
    return f"{db.uri} has {both}: it was put, copied, rolled back or brought back."


def _wrong_account(look: Look, wish: Wish) -> str:
    """Return why the account of the round is in no state of a rotation, "" if it is."""
    account = _account(look)
    if account.sync.is_foreign and look.next.version != wish.adopted:
        return f"{account.uri} was changed by others: there is {account.sync.value}."
    if look.is_over and account.sync is not Sync.UNREADABLE and not _holds(look, account, wish):
        return f"{look.db.uri} has the new values, and {account.uri} has others: no rotation leaves it so."
    return ""


def _holds(look: Look, account: Place, wish: Wish) -> bool:
    """Whether the account has the password that is at `next`."""
    if account.sync not in {Sync.IN_SYNC, Sync.UNREADABLE}:
        return False
    made = look.next.values.get(PASSWORD, "")
    proven = wish.copied == (look.next.version, account.version)
    return proven or (made != "" and account.values.get(PASSWORD) == made)
