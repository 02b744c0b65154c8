"""What the settings demand of a log, checked."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.errors import UsageError
from monoskope.protocol.tlog.checkpoint import Kind, VerifierKey
from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.note import LogKeys, Policy
from monoskope.value import Value

_STAND_IN = LogKeys(
    VerifierKey("-", Kind.ED25519, bytes(32)), VerifierKey("-", Kind.COSIGNATURE_ML_DSA_44, bytes(1_312))
)
"""Stands for the keys of a log that are not known yet, where witnesses are checked."""
_PRINTED = "Copy them as `m8 log key` prints them, with a space between them."
_OF_WITNESSES = "Copy them as each witness publishes its key, with spaces between them."

_AS_A_NUMBER = 'Give it in digits; in a settings file in quotes: log_quorum = "2".'


class Demand(Value, frozen=True):
    """What the settings demand of a log."""

    vkeys: tuple[str, ...] = ()
    """The keys of the log, if they are given beforehand."""
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0
    """How many of `witnesses` must have cosigned, 0 for none."""


def log_keys(vkeys: Sequence[str]) -> LogKeys:
    """Return the two keys of a log, given in any order. Raises `NoteError`."""
    return LogKeys.of([VerifierKey.parse(text) for text in vkeys])


def demand_of(vkeys: Sequence[str], witnesses: Sequence[str], quorum: int) -> Demand:
    """Return the demand.

    Raises:
        UsageError: a key is malformed, one of witnesses and quorum is given without the other, or the quorum cannot be
            met; names the setting.
    """
    log = _log(vkeys) if vkeys else None
    if bool(witnesses) != (quorum > 0):
        raise UsageError(
            "log_witnesses and log_quorum are given together, or none of them.",
            fix="Say of how many of your witnesses you demand a cosignature.",
        )
    keys = _witnesses(witnesses)
    if quorum > len(keys):
        raise UsageError(f"log_quorum is {quorum}, of {len(keys)} log_witnesses.", fix="Demand no more than there are.")
    try:
        Policy(log or _STAND_IN, keys, quorum)
    except NoteError as error:
        raise UsageError(f"log_witnesses: {error.message}", fix=_OF_WITNESSES) from None
    return Demand(tuple(vkeys), keys, quorum)


def _witnesses(texts: Sequence[str]) -> tuple[VerifierKey, ...]:
    try:
        return tuple(VerifierKey.parse(text) for text in texts)
    except NoteError as error:
        raise UsageError(f"log_witnesses: {error.message}", fix=_OF_WITNESSES) from None


def _log(vkeys: Sequence[str]) -> LogKeys:
    try:
        return log_keys(vkeys)
    except NoteError as error:
        raise UsageError(f"log_vkeys: {error.message}", fix=_PRINTED) from None


def check_setting(name: str, value: str) -> None:
    """Check one of the settings `log_vkeys`, `log_witnesses` and `log_quorum` by itself. Raises `UsageError`."""
    if name == "log_vkeys":
        _log(value.split())
    elif name == "log_witnesses":
        _witnesses(value.split())
    else:
        quorum(value, name)


def quorum(text: str, where: str) -> int:
    """Return how many cosignatures are demanded. Raises `UsageError` that names `where` it comes from."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 3):
        raise UsageError(f"log_quorum ({where}) is not a number of witnesses.", fix=_AS_A_NUMBER)
    return int(text)
