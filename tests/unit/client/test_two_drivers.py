"""The steps of a request are written once: whatever m8 answers, both runtimes make the same calls and meet one end."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, ClientSettings
from monoskope.client.connection import Connection
from monoskope.client.http import transport as ways
from monoskope.client.http.methods import Method
from monoskope.client.http.transport import Metadata
from monoskope.client.runtime import Runtime, blocking
from monoskope.client.walk.task import Progress
from monoskope.errors import (
    AwayError,
    Code,
    Error,
    NotReachedError,
    RateLimitedError,
    TimedOutError,
    UnauthenticatedError,
)
from monoskope.testing.scripted.client import token
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.clocks import BlockingOnClock, Clock, OnClock

R = TypeVar("R", bound=Message)

URI = "vault://app/db"
CA = "-----BEGIN CERTIFICATE-----"
VALUES = {"password": b"correct horse battery staple"}
IDENTIFIER = re.compile(r"[0-9a-f]{32}")
PURPOSES: dict[str, Callable[[Client], Coroutine[Any, Any, object]]] = {
    "put": lambda client: client.put_secret(URI, VALUES, timeout=20),
    "compare": lambda client: client.compare_secret(URI, VALUES, timeout=20),
    "delete": lambda client: client.delete_secret(URI, timeout=20),
    "verify": lambda client: client.verify_secret(URI, timeout=20),
}
FAULTS: dict[str, Callable[[], Error]] = {
    "late": lambda: ways.too_late("m8"),
    "late at m8": lambda: TimedOutError("m8's own time is over.", by_m8=True),
    "not sent": lambda: ways.silent("m8", ways.NotSentError),
    "turned away": lambda: ways.silent("m8", ways.TurnedAwayError),
    "stale": lambda: ways.silent("m8", ways.StaleConnectionError),
    "broken": lambda: ways.silent("m8", NotReachedError),
    "away": lambda: AwayError("the database is away.", by_m8=True),
    "limited": lambda: RateLimitedError("too fast.", by_m8=True, retry_after_s=0.5),
    "limited for long": lambda: RateLimitedError("too much.", by_m8=True, retry_after_s=3_600.0),
    "expired": lambda: UnauthenticatedError("expired.", by_m8=True),
    "defect": lambda: Error("a defect.", code=Code.INTERNAL),
    "unreadable": lambda: ways.unreadable("m8"),
}
ENDS = ("", "KEY_LOST", "CONFLICT", "RATE_LIMITED", "UPSTREAM_UNAVAILABLE", "OUTCOME_UNKNOWN")


@dataclass
class Script:
    """What becomes of one call after the other: how long it takes, and how it fails; "" if it does not."""

    calls: list[tuple[float, str]]
    key: str = ""
    ends: list[str] = field(default_factory=list)
    """How each attempt ends, before the last honest one."""


class ScriptedTransport:
    """Carries calls to a scripted m8 in this process, as a script says."""

    def __init__(self, m8: ScriptedM8, script: Script, clock: Clock, trace: list[object]) -> None:
        self._m8, self._calls, self._clock, self._trace = m8, list(script.calls), clock, trace

    async def call(
        self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata, *, fresh: bool = False
    ) -> R:
        assert ("authorization", f"Bearer {token('alice')}") in metadata
        self._trace.append((method.name, round(self._clock.time, 6), round(timeout_s, 6), fresh))
        takes_s, fault = self._calls.pop(0) if self._calls else (0.01, "")
        self._clock.time += min(takes_s, timeout_s)
        if takes_s > timeout_s:
            raise ways.too_late("m8")
        if fault:
            raise FAULTS[fault]()  # noqa: RSE102 - it is made anew each time
        answer = self._m8.handle(method.name, request)
        assert isinstance(answer, method.answer)
        return answer

    async def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        del request, metadata
        if method.path:
            raise AssertionError("no request streams")
        yield method.answer()

    async def close(self) -> None:
        self._trace.append("closed")


class World:
    """One client on one runtime, with a clock, an m8 and a transport of its own."""

    def __init__(self, runtime: Callable[[Clock], Runtime], script: Script, m8: ScriptedM8) -> None:
        self.trace: list[object] = []
        clock = Clock()
        waits = runtime(clock)
        given_settings = ClientSettings(
            server="m8:7443", ca=CA, token=token("alice"), store_identities={"vault": m8.identity.shown}
        )
        self._client = Client(given_settings, observe=self._observe, notify=self.trace.append, runtime=waits)
        self._connection = Connection("m8:7443", None, given_settings.token, ca=CA, runtime=waits)
        self._connection._servers.transports["m8:7443"] = ScriptedTransport(m8, script, clock, self.trace)

    def _observe(self, progress: Progress) -> None:
        self.trace.append((progress.stage, progress.end))

    async def work(self, do: Callable[[Client], Coroutine[Any, Any, object]]) -> list[str]:
        random.seed(7)  # the same jitter on both
        async with self._client as client:
            client._session._connection = self._connection
            try:
                result = await do(client)
            except Error as error:
                self.trace.append((type(error), error.code, error.message, error.fix))
            else:
                self.trace.append((type(result), getattr(result, "outcome", None)))
        return [IDENTIFIER.sub("ID", repr(one)) for one in self.trace]


def reason_of(name: str) -> upload_pb2.Reason:
    number: upload_pb2.Reason = getattr(upload_pb2, f"REASON_{name}")
    return number


def bent(m8: ScriptedM8, script: Script) -> ScriptedM8:
    """Let attempts end as the script says, and honestly afterwards."""
    ends = list(script.ends)

    def end(attempt: Any) -> views_pb2.SecretUpload:
        name = ends.pop(0) if ends else ""
        if not name:
            return m8.honest_end(attempt)
        return m8.ended(attempt, attempt.failure(reason_of(name)))

    def key(attempt: Any) -> queries_pb2.GetSecretUploadKeyResponse:
        if not script.key or len(m8.attempts) > 1:
            return m8.honest_key(attempt)
        return queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_ENDED, reason=reason_of(script.key))

    m8.end, m8.key_answer = end, key
    return m8


scripts = st.builds(
    Script,
    calls=st.lists(
        st.tuples(st.sampled_from([0.0, 0.01, 1.0, 30.0]), st.sampled_from(["", "", "", *FAULTS])), max_size=12
    ),
    key=st.sampled_from(ENDS[:5]),
    ends=st.lists(st.sampled_from(ENDS), max_size=3),
)


@given(st.sampled_from(sorted(PURPOSES)), scripts)
def test_both_runtimes_make_the_same_calls_and_meet_the_same_end(purpose: str, script: Script) -> None:
    do = PURPOSES[purpose]
    awaited = asyncio.run(World(OnClock, script, bent(ScriptedM8(), script)).work(do))
    blocked = blocking.run(World(BlockingOnClock, script, bent(ScriptedM8(), script)).work(do))
    assert (blocked, blocked[-1]) == (awaited, "'closed'")


def test_the_clocks_of_a_script_matter() -> None:
    """The test above compares something: a script that takes longer has another trace."""
    slow, fast = Script([(1.0, "")]), Script([(0.0, "")])
    traces = [
        blocking.run(World(BlockingOnClock, script, ScriptedM8()).work(PURPOSES["put"])) for script in (slow, fast)
    ]
    assert all("'UPLOADED'" in trace[-2] for trace in traces)
    assert traces[0] != traces[1]


async def test_a_suspension_where_nothing_can_wait_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="suspended"):
        blocking.run(asyncio.sleep(0))


async def _interrupted() -> None:
    raise KeyboardInterrupt


def test_a_ctrl_c_leaves_the_blocking_runtime_as_it_came() -> None:
    with pytest.raises(KeyboardInterrupt):
        blocking.run(_interrupted())
