"""How the witnessed log is, for health and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monoskope.m8.log_settings import HOURLY_S
from monoskope.m8.tree.witnessed_log import Seen, WitnessedLog

OLD_S = 2 * HOURLY_S
"""A checkpoint is signed each hour, whatever happens; clients warn of one that is older than this."""

OK = "ok"


def health(log: WitnessedLog, seen: Seen, now_ms: int) -> str:
    """Return "ok", or what is wrong, in a few fixed words."""
    if seen.named is None:
        return "no keys: m8 log init" if log.key_trouble else "no checkpoint yet"
    if log.trouble(seen):
        return "signing stopped: m8 log status"
    if seen.newest is None or age_s(seen, now_ms) > OLD_S:
        return "no new checkpoint: m8 log status"
    if log.quorum_trouble(seen):
        return "too few witnesses: m8 log status"
    return OK


def age_s(seen: Seen, now_ms: int) -> float:
    """Return how old the newest checkpoint is, in seconds; 0 without one."""
    return 0.0 if seen.newest is None else max(0, now_ms - seen.newest.at_ms) / 1000


def gauges(log: WitnessedLog, seen: Seen, *, head: int, tree: int, now_ms: int) -> Mapping[str, float]:
    """Return the gauges by name; all are 0 for a log without keys."""
    if seen.named is None:
        return dict.fromkeys(
            (
                "m8_log_tree_lag_events",
                "m8_log_checkpoint_age_seconds",
                "m8_log_signing_stopped",
                "m8_log_quorum_missing_seconds",
            ),
            0,
        )
    return {
        "m8_log_tree_lag_events": max(0, head - tree),
        "m8_log_checkpoint_age_seconds": age_s(seen, now_ms),
        "m8_log_signing_stopped": bool(log.trouble(seen)),
        "m8_log_quorum_missing_seconds": log.no_quorum_s(seen),
    }


def witnesses(seen: Seen) -> Iterator[tuple[str, str, float]]:
    """Yield the gauges of each witness: name of the gauge, name of the witness, value."""
    for witness in seen.witnesses:
        name = witness.vkey.partition("+")[0]
        yield "m8_log_witness_failing", name, bool(witness.trouble)
        yield "m8_log_witness_cosigned_timestamp_seconds", name, witness.at_s
