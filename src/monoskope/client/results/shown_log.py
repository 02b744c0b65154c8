"""What m8 shows of its log, after it was checked."""

from __future__ import annotations

import datetime as dt
from typing import Self

from monoskope.api.gateway.v1 import log_pb2
from monoskope.client.results.words import moment
from monoskope.value import Value


class LogWitness(Value, frozen=True):
    """A witness that m8 asks for cosignatures. All of this is m8's word."""

    name: str
    vkey: str
    size: int
    """The size of the largest tree that it cosigned, 0 if none."""
    cosigned_at: dt.datetime | None
    """When, by its own clock."""
    trouble: str
    """What is wrong with it, or ""."""

    @classmethod
    def of(cls, said: log_pb2.Witness) -> Self:
        """Return what m8 says of a witness."""
        return cls(said.vkey.partition("+")[0], said.vkey, said.size, moment(said.cosigned_at_s * 1000), said.trouble)


class Log(Value, frozen=True):
    """The log of an m8. Origin, sizes, notes and times are signed by it, and fit what was known of it before."""

    server: str
    """The server that answered."""
    origin: str
    """Its name."""
    vkeys: tuple[str, str]
    """Its verifier keys: Ed25519, then ML-DSA-44."""
    size: int
    """How many entries it has at its newest checkpoint."""
    note: str
    """The signed note of that."""
    signed_at: dt.datetime | None
    """When it signed that, by its own clock."""
    witnessed_size: int
    """How many entries it has at the newest checkpoint with a quorum of witnesses, 0 if there is none."""
    witnessed_note: str
    """The signed note of that, "" if there is none."""
    newest_at: dt.datetime | None
    """How old all this is: the time of the quorum that the settings demand, else `signed_at`."""
    demanded: int
    """The cosignatures that the settings demand, 0 for none."""
    quorum: int
    """How many of `witnesses` m8 wants; its word, as what follows."""
    witnesses: tuple[LogWitness, ...]
    trouble: str
    """Why m8 signs no checkpoint at present, or ""."""
    quorum_trouble: str
    """That a quorum of witnesses is missing for longer than m8 is set to take, or ""."""
    renewed_at: dt.datetime | None
    """When the log began in the place of one that was lost, None if it did not."""
    renewal_reason: str
    """Why, in the administrator's words."""
    pinned_size: int
    """How many entries the log had when this client saw it last before, 0 if this is the first look."""

    @property
    def age_s(self) -> float:
        """Seconds since `newest_at`."""
        now = dt.datetime.now(dt.UTC)
        return (now - (self.newest_at or now)).total_seconds()
