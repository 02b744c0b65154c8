"""How many guesses at a secret tell right from wrong, for an m8 that lets no announced write happen, and for a user.

A right guess is UNCHANGED; a wrong one is announced by STARTED, which m8 then refuses, keeps or loses, so that nothing
is written and the next guess finds the same secret. Every request is a guess of its own, right and wrong by turns, and
all come at once. A wrong guess tells something as long as a right one would be answered otherwise: each that is
answered before the last UNCHANGED.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.client import Client, Expect
from monoskope.errors import Error, RefusedError
from monoskope.protocol.grant import parse_grant
from tests.attack.conftest import Scene
from tests.support.hostile_m8 import HostileM8
from tests.support.hostile_rules import Way
from tests.support.hostile_session import Session

pytestmark = pytest.mark.asyncio(loop_scope="session")

A_SECRET, A_PROCESS = 10, 60
"""Guesses in an hour that may tell something."""

TIMINGS = {"issuer_gone": 60.0}
"""No replica gives up what m8 keeps open."""
SHORT = TIMINGS | {"write_window": 0.25, "settle": 1.0}
"""A short window, for a STARTED that m8 never takes."""

REFUSED_BY_M8 = {
    "refuses": lambda m8, uri: m8.refuse_append("SecretUploadStarted", of=uri, times=None),
    "keeps": lambda m8, uri: m8.hold_append("SecretUploadStarted", of=uri, times=None),
    "loses": lambda m8, uri: m8.lose_append("SecretUploadStarted", of=uri, times=None),
}
"""What m8 does about a write that is announced."""

Guess = Callable[[Client, str, bytes], Coroutine[Any, Any, Any]]


def expectation(guess: bytes) -> Expect:
    """What tells this test alone whether a request that comes by is a right guess."""
    return Expect.ANY if guess == pin(0) else Expect.OVERWRITE


def by_put(client: Client, uri: str, guess: bytes) -> Coroutine[Any, Any, Any]:
    return client.put_secret(uri, {"pin": guess}, expect=expectation(guess))


def by_patch(client: Client, uri: str, guess: bytes) -> Coroutine[Any, Any, Any]:
    return client.patch_secret(uri, {"pin": guess}, expect=expectation(guess))


GUESSES: dict[str, Guess] = {"UPLOAD": by_put, "PATCH": by_patch}


def timings(m8_does: str) -> dict[str, float]:
    """A window is over soon only where a reactor has to wait for that: else a busy machine may need it."""
    return TIMINGS if m8_does == "refuses" else SHORT


def pin(number: int) -> bytes:
    """A PIN; the secrets hold that of 0."""
    return f"{7_000 + number}".encode()


def by_turns(wrong: int) -> list[bytes]:
    return [guess for number in range(1, wrong + 1) for guess in (pin(number), pin(0))]


def shared(crowd: list[Client], guesses: list[bytes]) -> list[tuple[Client, bytes]]:
    """Each guess with its client, a wrong and a right one after the other by the same."""
    return [(crowd[place // 2 % len(crowd)], guess) for place, guess in enumerate(guesses)]


@contextmanager
def at_once(guesses: list[Coroutine[Any, Any, Any]]) -> Iterator[None]:
    """Send them all; who waits for an end that m8 keeps is given up at last."""
    tasks = [asyncio.ensure_future(guess) for guess in guesses]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


class Distinguished:
    """What a hostile m8 has learnt about guesses at some secrets."""

    def __init__(self, m8: HostileM8, *uris: str) -> None:
        self._m8 = m8
        self._uris = uris
        self._known = {request_id for uri in uris for request_id in m8.of(uri)}
        self._looked: dict[Session, int] = {}
        self._subjects: dict[bytes, str] = {}
        self._answers: list[tuple[str, str, bool]] = []

    def answers(self) -> list[tuple[str, str, bool]]:
        """Whose guess, the first word of the reactors about it, in their order, and whether it is right."""
        for session in self._m8.sessions:
            for one in session.passed[self._looked.get(session, 0) :]:
                ours = one.request is not None and one.request.uri in self._uris and one.way is Way.TO_M8
                if ours and one.kind == "SecretUploadKeyProvided":
                    provided = reactor_pb2.AttachRequest.FromString(one.content).append.key_provided
                    self._subjects[one.request_id] = parse_grant(provided.grant.content).subject
                elif ours and one.request_id not in self._known:
                    self._known.add(one.request_id)
                    right = one.request is not None and one.request.expect == upload_pb2.EXPECT_ANY
                    self._answers.append((self._subjects[one.request_id], one.kind, right))
            self._looked[session] = len(session.passed)
        return self._answers

    async def announced(self, answers: int) -> int:
        """Wait for so many answers, and return how many wrong guesses were announced: under load a look may fail."""
        await self._m8.until(lambda: len(self.answers()) >= answers)
        return [answer[1:] for answer in self.answers()].count(("SecretUploadStarted", False))

    async def after(self, guesses: int) -> int:
        """Wait until so many guesses are answered, and return how many wrong ones were distinguished from right ones.

        A subject that has no room any more gets none: what it hears after its last UNCHANGED tells nothing.
        """
        await self._m8.until(lambda: len(self.answers()) >= guesses)
        answers, wrong = self.answers(), ("SecretUploadStarted", False)
        assert wrong in [answer[1:] for answer in answers]
        distinguished = 0
        for subject in {whose for whose, *_ in answers}:
            own = [answer[1:] for answer in answers if answer[0] == subject]
            unchanged = [place for place, answer in enumerate(own) if answer == ("SecretUploaded", True)]
            distinguished += own[: unchanged[-1]].count(wrong) if unchanged else 0
        return distinguished


@pytest.mark.parametrize("purpose", GUESSES)
@pytest.mark.parametrize(
    "m8_does", ["refuses", *(pytest.param(way, marks=pytest.mark.soak) for way in ("keeps", "loses"))]
)
async def test_a_secret_can_be_guessed_at_ten_times_an_hour(
    scene: Scene, crowd: list[Client], m8_does: str, purpose: str
) -> None:
    await scene.hostile.serve("vault", timings=timings(m8_does), limits={"compares_per_hour": 10_000})
    uri, guess = scene.uri("vault"), GUESSES[purpose]
    await scene.client.put_secret(uri, {"pin": pin(0)})
    REFUSED_BY_M8[m8_does](scene.m8, uri)
    distinguished = Distinguished(scene.m8, uri)
    with at_once([guess(client, uri, one) for client, one in shared(crowd, by_turns(2 * A_SECRET))]):
        assert await distinguished.after(4 * A_SECRET) <= A_SECRET


@pytest.mark.parametrize("m8_does", ["refuses", pytest.param("keeps", marks=pytest.mark.soak)])
async def test_after_sixty_wrong_guesses_a_right_one_at_any_secret_tells_nothing(
    scene: Scene, crowd: list[Client], m8_does: str
) -> None:
    """That no more than sixty of a burst are compared cannot be seen here: those that are not are announced, too."""
    await scene.hostile.serve("vault", timings=timings(m8_does), fresh=True)
    uris = [scene.uri("vault", f"n{number}") for number in range(A_PROCESS // 4)]
    await scene.client.put_secrets(uris, {"pin": pin(0)})
    for uri in uris:
        REFUSED_BY_M8[m8_does](scene.m8, uri)
    distinguished = Distinguished(scene.m8, *uris)
    burst = [by_put(client, uri, pin(number)) for number, client in enumerate(crowd, 1) for uri in uris]
    probes = [by_put(client, uri, pin(0)) for client in crowd for uri in uris[::4]]
    assert len(burst) == A_PROCESS
    with contextlib.ExitStack() as sending:
        sending.enter_context(at_once(burst))
        sent = len(burst)
        while missing := A_PROCESS - await distinguished.announced(sent):
            again = [by_put(crowd[n % len(crowd)], uris[n % len(uris)], pin(100 + sent + n)) for n in range(missing)]
            sending.enter_context(at_once(again))
            sent += missing
        sending.enter_context(at_once(probes))
        assert await distinguished.after(sent + len(probes)) == 0


async def attempt(client: Client, uri: str, guess: bytes, options: options_pb2.VaultOptions | None = None) -> str:
    try:
        return (await client.put_secret(uri, {"pin": guess}, options=options)).outcome
    except Error as error:
        return f"{type(error).__name__}: {error.message}"


async def user_with_put_alone(scene: Scene) -> Client:
    prefixes = [f"vault://attack/{scene.team}"]
    user = await asyncio.to_thread(scene.hostile.add_user, f"eve-{scene.team}", prefixes, rights=("put",))
    return scene.hostile.client(user)


async def test_a_user_with_put_alone_can_guess_ten_times_an_hour_at_what_the_driver_refuses_late(scene: Scene) -> None:
    """Bytes that are not text, without the option for it: right is UNCHANGED, wrong is refused after STARTED."""
    await scene.hostile.serve("vault", timings=TIMINGS, limits={"compares_per_hour": 10_000})
    uri, base64 = scene.uri("vault"), options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64)
    await scene.client.put_secret(uri, {"pin": b"\xff" + pin(0)}, options=base64)
    async with await user_with_put_alone(scene) as eve:
        for number in range(1, A_SECRET + 1):
            await attempt(eve, uri, b"\xff" + pin(number))
        wrong = await attempt(eve, uri, b"\xff" + pin(A_SECRET + 1))
        assert await attempt(eve, uri, b"\xff" + pin(0)) == wrong


async def test_an_option_that_the_store_does_not_take_tells_nothing(scene: Scene) -> None:
    limits = {"compares_per_hour": 10_000}
    await scene.hostile.serve("vault", timings=TIMINGS, limits=limits, engine={"binary": False})
    uri, base64 = scene.uri("vault"), options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64)
    await scene.client.put_secret(uri, {"pin": pin(0)})
    async with await user_with_put_alone(scene) as eve:
        answers = {await attempt(eve, uri, pin(number), base64) for number in range(A_SECRET)}
        (only,) = answers
        assert only.startswith(RefusedError.__name__)
