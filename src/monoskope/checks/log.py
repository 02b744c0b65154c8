"""What an operator and a user see of the witnessed log: one set of rows for `m8 doctor` and `monoctl status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monoskope.checks.check import Check
from monoskope.times import ago, instant

LOG, QUORUM = "log", "witnesses"
"""Names of checks; those of single witnesses begin with `witness`."""

OLD_S = 7_200.0
"""m8 signs a checkpoint each hour, whatever happens: one that is older than two tells that it does not."""

SILENT_S = 86_400.0
"""A witness that has not cosigned for so long is silent. One that is missed for hours is a matter of the quorum."""

_WHY = "On the server, `m8 log status` says why."


@dataclass(frozen=True, slots=True)
class WitnessSeen:
    """What is known of one witness.

    Attributes:
        name: Its name.
        cosigned_at_ms: When it cosigned last, milliseconds since 1970; 0 for never.
        trouble: What is wrong with it, "" for nothing.
    """

    name: str
    cosigned_at_ms: int
    trouble: str


@dataclass(frozen=True, slots=True)
class LogSeen:
    """What is known of the witnessed log.

    Attributes:
        origin: Its name, "" before its first checkpoint.
        size: Entries in its newest checkpoint.
        signed_at_ms: When that was signed, milliseconds since 1970; 0 for never.
        trouble: Why nothing is signed, "" if all is well.
        quorum: How many witnesses m8 wants, 0 for none.
        quorum_trouble: That they are missing for too long, "" if they are not.
        witnesses: Those that m8 asks.
    """

    origin: str
    size: int
    signed_at_ms: int
    trouble: str
    quorum: int
    quorum_trouble: str
    witnesses: Sequence[WitnessSeen]


def log_checks(seen: LogSeen, now_ms: int, *, more: str = "") -> list[Check]:
    """Return the rows of the log and of its witnesses.

    Args:
        seen: What is known.
        now_ms: The time, milliseconds since 1970.
        more: What else is known of the log, as a sentence.
    """
    return [_log(seen, now_ms, more), *_quorum(seen), *(_witness(one, now_ms) for one in seen.witnesses)]


def _log(seen: LogSeen, now_ms: int, more: str) -> Check:
    if seen.trouble:
        return Check.fail(LOG, f"m8 signs no checkpoints: {seen.trouble}", _WHY)
    if not seen.signed_at_ms:
        return Check.warn(LOG, "It has no checkpoint yet.", f"m8 signs one while it runs. {_WHY}")
    if now_ms - seen.signed_at_ms > OLD_S * 1000:
        said = f"Its newest checkpoint was signed {ago(seen.signed_at_ms, now_ms / 1000)}, and m8 signs one each hour."
        return Check.fail(LOG, said, f"Look whether m8 runs. {_WHY}")
    said = f"{seen.origin}, {seen.size} entries in the checkpoint of {instant(seen.signed_at_ms)}."
    return Check.ok(LOG, f"{said} {more}".rstrip())


def _quorum(seen: LogSeen) -> list[Check]:
    if not seen.witnesses:
        return []
    if seen.quorum_trouble:
        return [Check.fail(QUORUM, seen.quorum_trouble, _WHY)]
    return [Check.ok(QUORUM, f"{seen.quorum} of {len(seen.witnesses)} must cosign, and they do in time.")]


def _witness(one: WitnessSeen, now_ms: int) -> Check:
    name = f"witness {one.name}"
    if not one.cosigned_at_ms:
        return Check.warn(name, f"It has never cosigned. {one.trouble}".rstrip(), _WHY)
    when = f"It cosigned last {ago(one.cosigned_at_ms, now_ms / 1000)}."
    if one.trouble:
        return Check.warn(name, f"{when} {one.trouble}", _WHY)
    if now_ms - one.cosigned_at_ms > SILENT_S * 1000:
        return Check.warn(name, when, f"Ask who runs it. {_WHY}")
    return Check.ok(name, when)
