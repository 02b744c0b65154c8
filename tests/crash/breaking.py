"""Ways to break a real cluster at a named place, to watch a command that goes on, and to check its change."""

from __future__ import annotations

import functools
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UnavailableError
from monoskope.failpoints import VARIABLE
from monoskope.m8.domain.reactors import beat_key
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.parts import Part, listens, wait_until
from tests.crash.auditor import Auditor
from tests.faults.parts import store_of
from tests.faults.processes import arm, dies, mend
from tests.support.engines import Version

FIRST, SECOND = "reactor-vault", "reactor-vault-2"
STORES = {"vault": FIRST, "local": "reactor-local"}
"""Each store and its first reactor's folder."""


@dataclass(slots=True)
class Command:
    """A command under way."""

    uri: str
    value: str
    """What it puts or compares."""
    thread: threading.Thread
    done: list[Ran] = field(default_factory=list)

    def ended(self) -> Ran:
        self.thread.join(130)
        assert self.done, "monoctl still runs"
        return self.done[0]

    def succeeded(self) -> Ran:
        """How it ended, which is well."""
        ran = self.ended()
        assert ran.code == 0, ran.err
        return ran


@dataclass(slots=True)
class Crash:
    """A cluster, a user, and ways to break things. Each test has paths of its own below `team`."""

    cluster: Cluster
    user: User
    audit: Auditor
    team: str = ""
    spared: set[str] = field(default_factory=set)
    """Folders of reactors that `again` leaves as they are."""
    unheard: set[str] = field(default_factory=set)
    """Folders of reactors that may have no session now."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # --- what people do ---

    def uri(self, store: str = "vault") -> str:
        """Return the URI of a new secret."""
        return f"{store}://crash/{self.team}/n{next(self._numbers)}"

    def put(
        self, *options: str, failpoints: str = "", uri: str = "", background: bool = False, value: str = ""
    ) -> Command:
        """Put a value of its own at `uri`, by default one of its own."""
        words = ("put", "secret", "--from-file", "password=-", *options)
        value = value or f"value {next(self._numbers)} of {self.team}"
        return self._run(words, uri or self.uri(), value, failpoints, background=background)

    def compare(self, put: Command, *, failpoints: str = "", background: bool = False) -> Command:
        words = ("compare", "secret", "--from-file", "password=-")
        return self._run(words, put.uri, put.value, failpoints, background=background)

    def patch(self, put: Command, *, background: bool = False) -> Command:
        """Set another key of what was put, with a value of its own."""
        value = f"value {next(self._numbers)} of {self.team}"
        return self._run(("patch", "secret", "--from-file", "user=-"), put.uri, value, "", background=background)

    def delete(self, put: Command, *options: str, background: bool = False) -> Command:
        return self._run(("delete", "secret", "--yes", *options), put.uri, "", "", background=background)

    def ask(self, *words: str, uri: str = "", failpoints: str = "", background: bool = False) -> Command:
        """Run a command that sends no value, e.g. `("verify", "secret")`, for `uri`, by default one of its own."""
        return self._run(words, uri or self.uri(), "", failpoints, background=background)

    def _run(self, words: tuple[str, ...], uri: str, value: str, failpoints: str, *, background: bool) -> Command:
        environment = {VARIABLE: failpoints} if failpoints else {}

        def run() -> None:
            ran = self.user.monoctl(*words, uri, "-o", "json", input=value.encode(), environment=environment)
            command.done.append(ran)

        command = Command(uri, value, threading.Thread(target=run, daemon=True))
        command.thread.start()
        if not background:
            command.ended()
        return command

    def check(self, put: Command, *codes: int, seconds: float = 60.0) -> Ran:
        """Wait for a put, check that it ended with one of `codes` and that all of it is true."""
        ran = put.ended()
        assert ran.code in codes, (ran.code, ran.out, ran.err)
        self.audit.check(put.uri, {put.value: ran}, seconds=seconds)
        return ran

    def check_all(self, *puts: Command) -> list[Ran]:
        """Wait for puts at one place, check that all of it is true, and return how they ended."""
        rans = [put.ended() for put in puts]
        self.audit.check(puts[0].uri, {put.value: ran for put, ran in zip(puts, rans, strict=True)})
        return rans

    def versions(self, command: Command) -> int:
        """How many versions the engine has of a command's secret."""
        return len(self.audit.history(command.uri))

    # --- what breaks ---

    def reactor(self, failpoints: str = "", *, folder: str = FIRST) -> Part:
        """Start a reactor anew, armed, and return when it is attached."""
        return self.start_reactors(failpoints, folder)[0]

    def start_reactors(self, failpoints: str, *folders: str) -> list[Part]:
        """Start reactors anew, armed alike, and return when they are attached."""
        parts = [self._reactor(folder) for folder in folders]
        before = [sessions(part) for part in parts]
        for part in parts:
            arm(part, failpoints)
        for part, count in zip(parts, before, strict=True):
            wait_until(functools.partial(_was_attached, part, count), what=f"{part.name} is attached")
        self.unheard.difference_update(folders)
        if failpoints.endswith("=stop"):
            self.unheard.update(folders)
        return parts

    def _reactor(self, folder: str) -> Part:
        parts = self.cluster.reactors
        if folder not in parts:
            parts[folder] = self.cluster.part(folder, "m8", "reactor", "run", folder, log=f"{folder}/reactor.log")
        return parts[folder]

    def m8(self, failpoints: str = "") -> Part:
        """Start m8 anew, armed, and return when it listens, or has died of that already."""
        m8 = self.cluster.m8
        arm(m8, failpoints)
        if failpoints:
            wait_until(lambda: m8.pid is None or listens(self.cluster.server), what="m8 listens, or dies")
        else:
            m8.wait_for(lambda: listens(self.cluster.server))
        self.unheard.update(self.cluster.reactors)
        return self.cluster.m8

    def reactor_is_back(self, folder: str = FIRST) -> None:
        """Wait until m8 hears a reactor: it has a session, and with the m8 that runs now."""
        key = beat_key(store_of(folder), replica_of(self.cluster.reactors[folder]))
        before = self.audit.logbook.heard_ms(key)
        wait_until(lambda: self.audit.logbook.heard_ms(key) != before, what=f"m8 hears {folder}")
        self.unheard.discard(folder)

    def again(self) -> None:
        """Let everything run, attached, as a test may expect it."""
        if self.cluster.m8.pid is None:
            self.m8()
        for folder, part in self.cluster.reactors.items():
            if folder in self.spared:
                continue
            if folder.endswith("-2"):
                part.stop()
            elif part.pid is None:
                self.reactor(folder=folder)
            elif folder in self.unheard:
                mend(part)
                self.reactor_is_back(folder)


def sessions(part: Part) -> int:
    """How often a reactor has been attached, by its own log."""
    return part.log.read_text().count('"event": "attached"') if part.log.exists() else 0


def _was_attached(part: Part, before: int) -> bool:
    """Whether a reactor was attached since; it may have died of its failpoint already."""
    if sessions(part) > before:
        return True
    if part.pid is None:
        raise UnavailableError(f"{part.name} ended: {part.last_words()}")
    return False


def replica_of(part: Part) -> bytes:
    """What a reactor that runs calls itself, by its own log."""
    lines = [line for line in part.log.read_text().splitlines() if '"event": "reactor starts"' in line]
    return bytes.fromhex(json.loads(lines[-1])["replica"])


@contextmanager
def reactors_die(crash: Crash, place: str) -> Iterator[None]:
    """What is begun meanwhile kills the reactor of every store at `place`; then all of them are started anew."""
    parts = crash.start_reactors(f"reactor.{place}=kill", *STORES.values())
    yield
    for part in parts:
        dies(part)
    crash.start_reactors("", *STORES.values())


def around(kind: str, *more: str) -> tuple[str, ...]:
    return (f"m8.before-append.{kind}", f"m8.after-append.{kind}", *more)


def dies_at(crash: Crash, places: tuple[str, ...], command: Command) -> None:
    """Let m8, armed for the first of `places`, die at each of them in turn while `command` goes on."""
    for place in (*places[1:], ""):
        dies(crash.cluster.m8)
        crash.m8(f"{place}=kill" if place else "")
    command.ended()


def armed(crash: Crash, places: tuple[str, ...]) -> None:
    crash.m8(f"{places[0]}=kill")
    crash.reactor_is_back()


def check_patched(crash: Crash, put: Command, patching: Command) -> None:
    """It succeeded, once, by the receipt that was shown, with the hash of the whole."""
    ran = patching.succeeded()
    requests = crash.audit.all_end(put.uri)
    before, after = crash.audit.history(put.uri)
    assert before.content == {"password": put.value}
    assert after == Version(ran.json()["upstream_version"], {"password": put.value, "user": patching.value})
    receipt = requests[ran.json()["request_id"]].receipt
    assert receipt is not None
    assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_UPLOADED, after.text)
    assert [key for key, _ in receipt.values] == ["password", "user"]
    crash.audit.answers_agree(requests)


def check_deleted(crash: Crash, put: Command, deleting: Command) -> None:
    """It succeeded, once, by the receipt that was shown, and nothing else happened to the secret."""
    ran = deleting.succeeded()
    requests = crash.audit.all_end(put.uri)
    [deleted] = [one.receipt for one in requests.values() if "SecretDeleted" in one.types]
    [version] = crash.audit.history(put.uri)
    assert version.content is None
    assert deleted is not None
    assert (deleted.outcome, deleted.prior_version) == (upload_pb2.OUTCOME_DELETED, version.text)
    assert ran.json()["deleted_version"] == version.text
    crash.audit.answers_agree(requests)


Change = Callable[..., Command]
CHANGES: dict[str, tuple[Change, Callable[[Crash, Command, Command], None]]] = {
    "patch": (Crash.patch, check_patched),
    "delete": (Crash.delete, check_deleted),
}
