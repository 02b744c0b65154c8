"""Sixty-four writers of one secret, who name the version that they replace, and whether that was linearizable."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence

from monoskope.client import Client, Expect
from monoskope.errors import ConflictError, Error, NotFoundError, OutcomeUnknownError
from tests.rig.history import NOTHING_WRITTEN, OK, Operation
from tests.rig.linear import Call, Kind, is_linearizable, smallest
from tests.support.engines import Version

WRITERS = 64
TRIES = 3
"""How often a writer tries: each time with the version that m8 shows then."""


async def write_at_once(
    clients: Sequence[Client], uri: str, *, writers: int = WRITERS, tries: int = TRIES, timeout_s: float = 60.0
) -> list[Operation]:
    """Let writers put, each naming the version that it knows, and compare; return what they did and were told."""
    operations: list[Operation] = []

    async def writer(number: int) -> None:
        client = clients[number % len(clients)]
        for at in range(tries):
            one = Operation(number, "put", uri, f"value {at} of writer {number}", await _known(client, uri))
            operations.append(one)
            await _timed(one, client, timeout_s)
            if one.end == OK:
                read = Operation(number, "compare", uri, one.value)
                operations.append(read)
                await _timed(read, client, timeout_s)

    async with asyncio.TaskGroup() as group:
        for number in range(writers):
            group.create_task(writer(number))
    return operations


async def _known(client: Client, uri: str) -> str:
    """The version that m8 shows, "absent" for none, and "any" if it shows nothing now."""
    try:
        secret = await client.get_secret(uri)
    except NotFoundError:
        return "absent"
    except Error:
        return "any"
    return secret.upstream_version


async def _timed(one: Operation, client: Client, timeout_s: float) -> None:
    one.began = time.monotonic()
    try:
        if one.verb == "compare":
            comparison = await client.compare_secret(one.uri, {"password": one.value.encode()}, timeout=timeout_s)
            one.equal, one.version = comparison.equal, comparison.upstream_version
            one.request_ids.append(comparison.request_id)
        else:
            known = {"absent": Expect.ABSENT, "any": Expect.ANY}
            expect = known.get(one.expect, one.expect)
            result = await client.put_secret(
                one.uri, {"password": one.value.encode()}, expect=expect, timeout=timeout_s
            )
            one.version = result.upstream_version
            one.request_ids.append(result.request_id)
        one.end = OK
    except Error as error:
        one.end, one.said = error.code.value, error.message
        if isinstance(error, OutcomeUnknownError) and error.request_id:
            one.request_ids.append(error.request_id)
    one.ended = time.monotonic()


def calls(operations: Sequence[Operation], history: Sequence[Version]) -> list[Call]:
    """Return what was done as calls on a register that holds values.

    A version that a writer named is known by the value that the engine has under it. A write of which its writer does
    not know the end may have been made at any time after its beginning; if the engine, which keeps every version, has
    none with its value, it was never made. To try all of these at all times could take for ever.
    """
    values = {version.text: (version.content or {}).get("password", "") for version in history}
    return [call for one in operations if (call := _call(one, values)) is not None]


def _call(one: Operation, values: Mapping[str, str]) -> Call | None:
    ended = math.inf if one.ended is None else one.ended
    if one.verb == "compare":
        kind: Kind = "read" if one.equal else "read-other"
        return Call(one.began, ended, kind, one.value) if one.end == OK else None
    expected = "" if one.expect == "absent" else values.get(one.expect, "a version that is not there")
    write: Kind = "write" if one.expect == "any" else "cas"
    if one.end == OK:
        return Call(one.began, ended, write, one.value, expected)
    if one.end == ConflictError.code.value:
        return None if one.expect == "any" else Call(one.began, ended, "refused", expected=expected)
    if one.end in NOTHING_WRITTEN or one.value not in values.values():
        return None
    return Call(one.began, math.inf, write, one.value, expected)


def check(operations: Sequence[Operation], history: Sequence[Version]) -> list[str]:
    """Return what is wrong with what writers of one secret were told, with the calls that show it."""
    made = calls(operations, history)
    if history:  # what is there in the end was read by no client after all of them
        after = max((one.ended or 0.0 for one in operations), default=0.0) + 1.0
        made.append(Call(after, after + 1.0, "read", (history[-1].content or {}).get("password", "")))
    if is_linearizable(made):
        return []
    shown = smallest(made, lambda some: not is_linearizable(some))
    return [f"what {len(made)} calls were told is not linearizable: {shown}"]
