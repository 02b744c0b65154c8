"""What the driver's errors mean to the people who run m8, and which of them leave open whether a commit happened."""

from __future__ import annotations

import asyncpg

from monoskope.errors import AwayError, Error, UnavailableError
from monoskope.m8.log.postgres import refusals
from monoskope.m8.log.postgres.target import PostgresTarget

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""Everything that the driver raises when the database does not do what it was asked."""

_OF_DATA = frozenset({"21", "22", "23", "44", "54", "P0"})


def explain(error: BaseException, target: PostgresTarget) -> Error:
    """Return the error that explains `error` to users of an open log, without the server's text and address."""
    if isinstance(error, Error):
        return error
    refusal = refusals.why(error) or refusals.SILENT
    kind = AwayError if refusal.is_brief else UnavailableError
    explained = kind(f"the event log cannot be read or written: {refusal.reason}.", fix=refusal.fix)
    explained.place = str(target)
    return explained


def is_of_data(error: BaseException) -> bool:
    """Whether the server refused what was to be written, as it would refuse it on the best of days.

    Classes 21 to 23 (cardinality, data, integrity), 44 (a check), 54 (too large) and P0 (raised by a function).
    """
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in _OF_DATA


def is_lost(error: BaseException) -> bool:
    """Whether an error leaves open what became of a commit: the connection broke, or the server was ending.

    Classes 08 (connection) and 57 (operator's intervention): a backend that ends while it waits for a standby has
    committed already. And whatever ends the backend: a server that cannot force its log to the disk panics, and may
    find the commit in it when it starts again.
    """
    if isinstance(error, asyncpg.PostgresError):
        if getattr(error, "severity_en", None) in {"FATAL", "PANIC"}:
            return True
        return (error.sqlstate or "08000")[:2] in {"08", "57"}
    return isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError))
