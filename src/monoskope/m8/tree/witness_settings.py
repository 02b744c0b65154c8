"""Which witnesses m8 asks: the `[[witness]]` tables of `m8.toml`, `quorum` and `witness_alarm_s`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from monoskope.errors import UsageError
from monoskope.host_port import HttpsUrl
from monoskope.protocol.tlog.checkpoint import Kind, VerifierKey
from monoskope.protocol.tlog.forms import NoteError

MOST_WITNESSES = 16
"""Tables at most: readers of a note need not take more signatures (c2sp.org/signed-note)."""

DEFAULT_ALARM_S = 300.0
MAX_ALARM_S = 604_800.0
"""Seconds: a week."""


class WitnessTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A witness that cosigns the checkpoints of this log (c2sp.org/tlog-witness).

    Attributes:
        url: Its submission prefix, `https://host[:port]/path`. Its certificate must be for that host.
        vkey: Its verifier key, as its operator gives it: of type 0x04 (Ed25519) or 0x06 (ML-DSA-44).
        monitoring_url: Its monitoring prefix; "" if that is `url`, too.
        ca_file: PEM file with the authorities of its certificate; "" for the system's.
    """

    url: str
    vkey: str
    monitoring_url: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """A checked `WitnessTable`."""

    url: HttpsUrl
    monitoring_url: HttpsUrl
    key: VerifierKey
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class WitnessesSettings:
    """All witnesses of one m8.

    Attributes:
        witnesses: At least one.
        quorum: How many of them must have cosigned a checkpoint, from 1 to all.
        alarm_s: For how many seconds a quorum may be missing before m8 says so.
    """

    witnesses: tuple[WitnessSettings, ...]
    quorum: int
    alarm_s: float = DEFAULT_ALARM_S

    @property
    def digest(self) -> str:
        """Names all of it: equal for two m8 that ask the same witnesses with the same quorum."""
        lines = sorted(f"{each.key} {each.url.server}{each.url.target}" for each in self.witnesses)
        return hashlib.sha256("\n".join([*lines, str(self.quorum)]).encode()).hexdigest()[:16]


def checked(tables: Sequence[WitnessTable], quorum: int, alarm_s: float, path: Path) -> WitnessesSettings | None:
    """Return what `m8.toml`, which is at `path`, says of witnesses; None if it names none.

    Raises:
        UsageError: a field breaks its rule; names it.
    """
    if not tables:
        if quorum:
            raise UsageError(
                f"{path}: quorum has no meaning without witnesses.",
                fix="Name them in tables [[witness]], or leave quorum out.",
            )
        return None
    if len(tables) > MOST_WITNESSES:
        raise UsageError(f"{path}: there are more than {MOST_WITNESSES} tables [[witness]].", fix="Name fewer.")
    if not 1 <= quorum <= len(tables):
        raise UsageError(
            f"{path}: quorum must be from 1 to {len(tables)}, the number of tables [[witness]].",
            fix="Write how many witnesses must have cosigned a checkpoint, above the first table.",
        )
    if not 1 <= alarm_s <= MAX_ALARM_S:
        raise UsageError(
            f"{path}: witness_alarm_s must be from 1 to {MAX_ALARM_S:.0f}.",
            fix=f"Remove the line: then it is {DEFAULT_ALARM_S:.0f}.",
        )
    witnesses = tuple(_witness(table, path) for table in tables)
    _check_distinct(witnesses, path)
    return WitnessesSettings(witnesses, quorum, alarm_s)


def _witness(table: WitnessTable, path: Path) -> WitnessSettings:
    try:
        key = VerifierKey.parse(table.vkey)
    except NoteError as error:
        raise UsageError(
            f"{path}: a vkey of a table [[witness]] is not valid: {error.message}",
            fix="Copy the whole line that the witness's operator gives.",
        ) from None
    if key.kind is Kind.ED25519:
        raise UsageError(
            f"{path}: the vkey of {key.name} in [[witness]] is a log's, of type 0x01, and not a witness's.",
            fix="Ask the witness's operator for its verifier key, of type 0x04 or 0x06.",
        )
    return WitnessSettings(
        _prefix(table.url, "url", key.name, path),
        _prefix(table.monitoring_url or table.url, "monitoring_url", key.name, path),
        key,
        path.parent / table.ca_file if table.ca_file else None,
    )


def _prefix(text: str, field: str, name: str, path: Path) -> HttpsUrl:
    url = HttpsUrl.parse(text)
    if url is None or url.has_query:
        raise UsageError(
            f"{path}: {field} of the witness {name} is not an address of HTTPS without a query.",
            fix='Write for example "https://witness.example.org/w1", without a login and without #.',
        )
    return url


def _check_distinct(witnesses: Sequence[WitnessSettings], path: Path) -> None:
    """One witness that stands there twice must not count as two."""
    for field, values in (
        ("url", [witness.url for witness in witnesses]),
        ("vkey", [witness.key.public_key for witness in witnesses]),
        ("name in vkey", [witness.key.name for witness in witnesses]),
    ):
        if len(Counter(values)) < len(values):
            raise UsageError(
                f"{path}: two tables [[witness]] have the same {field}.",
                fix="Name each witness once: each counts as one of the quorum.",
            )
