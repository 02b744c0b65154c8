"""The ends that handling a request can come to, and those of a write: one type an end (docs/protocol.md, step 6)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.work.lookup import WriteAttempt


@dataclass(frozen=True, slots=True)
class Announced:
    """m8 recorded STARTED: the work may begin."""

    version: int
    """The stream's version, STARTED included."""


@dataclass(frozen=True, slots=True)
class Refused:
    """m8 refused STARTED: nothing is written, and this process sends no receipt."""


@dataclass(frozen=True, slots=True)
class TooLate:
    """m8 has not answered STARTED in time: nothing is written. m8 may still record it."""

    starting: asyncio.Task[int]
    """Returns the stream's version once m8 recorded STARTED; raises `AppendRefusedError` if m8 refused it."""


@dataclass(frozen=True, slots=True)
class Receipted:
    """The request ends with a receipt."""

    receipt: Receipt
    version: int
    """The version of the stream on which the receipt is appended."""


HandlingEnd = Receipted | Refused | TooLate
"""How the handling of a request ends."""


@dataclass(frozen=True, slots=True)
class Written:
    """The engine confirmed the write."""

    attempt: WriteAttempt
    version: str
    """The new upstream version."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The engine confirmed the deletion."""

    attempt: WriteAttempt


@dataclass(frozen=True, slots=True)
class Unwritten:
    """The write did not happen, for certain."""

    reason: upload_pb2.Reason
    upstream_version: str = ""
    """What is there instead, "" if nothing or not known."""
    detail: str = ""
    """A sentence that says more than the reason, "" for none."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The engine may or may not have written: what it holds has to be looked up."""

    attempt: WriteAttempt


WriteEnd = Written | Deleted | Unwritten | Unknown
"""How a write ends."""
