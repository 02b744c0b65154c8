"""`m8 dev` as a newcomer meets it: one command, monoctl works without configuration, and nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.testing.parts import needed, wait_until
from tests.support import ssh, warm

BIN = Path(sys.executable).parent
VALUE = "correct horse battery staple"
READY = "Ctrl-C stops everything"


class Newcomer:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = home / ".local/state/monoskope/dev"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def try_monoctl(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return warm.typed("monoctl", *arguments, environment=self.environment, given=stdin)

    def monoctl(self, *arguments: str, stdin: str = "", code: int = 0) -> str:
        done = self.try_monoctl(*arguments, stdin=stdin)
        assert done.returncode == code, done.stderr
        return done.stdout

    def put(self, path: str = "app/db") -> None:
        self.monoctl("put", "secret", path, "--from-file", "password=-", stdin=VALUE)

    def put_at_last(self, path: str) -> None:
        """Put until it works: what was down comes back by itself, and until then nothing is written."""

        def is_put() -> bool:
            done = self.try_monoctl("put", "secret", path, "--from-file", "password=-", stdin=VALUE)
            assert done.returncode in {ExitCode.OK, ExitCode.UNAVAILABLE, ExitCode.TIMED_OUT}, done.stderr
            return done.returncode == ExitCode.OK

        wait_until(is_put, what="what was down comes back")

    def uris(self) -> list[str]:
        listed = json.loads(self.monoctl("get", "secrets", "-o", "json"))
        return [secret["uri"] for secret in (listed["secrets"] if isinstance(listed, dict) else listed)]


class Dev:
    def __init__(self, who: Newcomer, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [BIN / "m8", "dev", *arguments],
            env=who.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = self._read_until_ready()

    def _read_until_ready(self) -> str:
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if READY in line:
                return said
        raise AssertionError(self.process.communicate(timeout=300)[1])

    def complaint(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def children(self) -> dict[str, int]:
        """Process ids by name: `m8`, `reactor`."""
        found = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                pid, parent = int(status.parent.name), int(status.read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid:
                    line = (status.parent / "cmdline").read_bytes()
                    found["reactor" if b"monoskope.reactor" in line else "m8"] = pid
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=300)
        assert self.process.returncode in {0, -signal.SIGKILL}, said


@contextlib.contextmanager
def running(who: Newcomer, *arguments: str) -> Iterator[Dev]:
    dev = Dev(who, *arguments)
    try:
        yield dev
    finally:
        if dev.process.poll() is None:
            dev.stop()


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path)


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Newcomer, Dev]]:
    """Somebody else, whose `m8 dev` runs for all tests that leave it running."""
    who = Newcomer(tmp_path_factory.mktemp("home"))
    with running(who, "--port", "0") as dev:
        who.put()
        yield who, dev


def refused(who: Newcomer, *arguments: str, code: ExitCode) -> str:
    done = subprocess.run(
        [BIN / "m8", "dev", *arguments], env=who.environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def wait_until_gone(*pids: int) -> None:
    """Wait until the kernel says of each process that it has ended, at once for one that is gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            watched = os.pidfd_open(pid)
            try:
                assert select.select([watched], [], [], 60)[0], f"process {pid} is still there"
            finally:
                os.close(watched)


def test_one_command_then_monoctl_works_and_ctrl_c_leaves_nothing_and_the_next_start_goes_on(
    newcomer: Newcomer,
) -> None:
    with running(newcomer, "--port", "0") as dev:
        newcomer.put()
        assert newcomer.uris() == ["local://app/db"]
        compared = ("compare", "secret", "app/db", "--from-file", "password=-")
        newcomer.monoctl(*compared, stdin=VALUE)
        newcomer.monoctl(*compared, stdin="another", code=ExitCode.DIFFERENT)
        children = dev.children()
        assert set(children) == {"m8", "reactor"}
        dev.stop()
    for pid in children.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    newcomer.monoctl("get", "secrets", "--retry-for", "0", code=ExitCode.UNAVAILABLE)
    check_second_start(newcomer)
    check_start_with_a_token_from_before(newcomer)


def check_second_start(who: Newcomer) -> None:
    """It goes on where the first stopped, and makes an administrator's token if that is asked for."""
    administer = ("deactivate", "secret-store", "local", "--token-file", str(who.state / "client/admin.token"))
    pins, token = ((who.state / "client" / name).read_bytes() for name in ("known_stores", "token"))
    with running(who, "--admin") as dev:
        assert who.uris() == ["local://app/db"]
        who.put("app/other")
        assert [(who.state / "client" / name).read_bytes() for name in ("known_stores", "token")] == [pins, token]
        who.monoctl(*administer)
        who.monoctl("put", "secret", "app/db", "--from-file", "x=-", stdin=VALUE, code=ExitCode.REFUSED)
        who.monoctl("activate", *administer[1:])
        take_rights_away(who)
        dev.stop(signal.SIGTERM)


def take_rights_away(who: Newcomer) -> None:
    """Give the user a token such as `m8 dev` made before there was a right to delete."""
    token = who.state / "client/token"
    token.unlink()
    words = ("--role", "user", "--subject", "dev", "--prefix", "local://", "--right", "put", "--out", token)
    made = warm.typed("m8", "token", "create", "--dir", who.state / "m8", *words, environment=who.environment)
    assert made.returncode == 0, made.stderr
    who.monoctl("delete", "secret", "app/db", "--yes", code=ExitCode.REFUSED)


def check_start_with_a_token_from_before(who: Newcomer) -> None:
    """The user of a folder from before gets the rights that came since."""
    with running(who):
        assert "DELETED" in who.monoctl("delete", "secret", "app/db", "--yes")


def check_monoctl_finds_it(who: Newcomer, dev: Dev, folder: Path) -> None:
    """By what it says to export of another folder; and m8 answers at the address that it says."""
    server = dev.said.partition("m8 runs at ")[2].partition(",")[0]
    context = ssl.create_default_context(cafile=folder / "client" / "ca.crt")
    with urllib.request.urlopen(f"https://{server}/readyz", context=context, timeout=300) as ready:
        assert json.load(ready)["ready"] is True
    [_, export] = shlex.split(next(line for line in dev.said.splitlines() if "export" in line))
    name, _, value = export.partition("=")
    who.environment[name] = value
    who.put("app/other")
    assert "local://app/other" in who.uris()


@pytest.mark.parametrize(
    "found",
    [pytest.param(True, marks=pytest.mark.soak), False],
    ids=["on the path", "in a folder of its own"],
)
def test_what_it_says_to_try_works_as_it_stands(newcomer: Newcomer, tmp_path: Path, *, found: bool) -> None:
    folder = tmp_path / "a folder; with 'odd' characters"
    arguments = ["--port", "0", *([] if found else ["--dir", str(folder)])]
    if found:
        newcomer.environment["PATH"] = f"{BIN}:/usr/bin:/bin"
    else:
        newcomer.environment["PATH"] = "/usr/bin:/bin"
    with running(newcomer, *arguments) as dev:
        said = [line.strip() for line in dev.said.splitlines() if line.startswith("  ")]
        assert [line.partition("monoctl ")[2].split(" ")[0] for line in said if "monoctl " in line] == [
            "put",
            "patch",
            "generate",
            "verify",
            "get",
            "get",
            "delete",
        ]
        assert all(("/monoctl " in line) is not found for line in said if "monoctl " in line)
        quick = f"{shlex.quote(str(warm.on_the_path()))}/monoctl "
        typed = subprocess.run(
            ["sh", "-ec", "\n".join(line.replace(f"{BIN}/monoctl ", quick) for line in said)],
            env=newcomer.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if not found:
            check_monoctl_finds_it(newcomer, dev, folder)
    assert typed.returncode == 0, typed.stderr
    rows = [line.split() for line in typed.stdout.splitlines() if line.startswith("local://app/db ")]
    assert [rows[0][1], rows[1][1], rows[-1][1]] == ["UPLOADED", "UPLOADED", "DELETED"]


def test_the_value_is_in_no_file_and_every_file_is_private(at_work: tuple[Newcomer, Dev]) -> None:
    for path in at_work[0].state.rglob("*"):
        if path.is_file():
            assert VALUE.encode() not in path.read_bytes(), path
            assert path.suffix == ".crt" or path.stat().st_mode & 0o077 == 0, path
        else:
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_user_is_no_administrator_unless_asked_for(at_work: tuple[Newcomer, Dev]) -> None:
    who, _ = at_work
    who.monoctl("deactivate", "secret-store", "local", code=ExitCode.REFUSED)
    assert not (who.state / "client/admin.token").exists()


def test_no_administrators_token_of_the_setup_counts_afterwards(at_work: tuple[Newcomer, Dev]) -> None:
    who, _ = at_work
    words = ("token", "list", "--dir", who.state / "m8", "-o", "json")
    listed = warm.typed("m8", *words, environment=who.environment)
    states = {token["role"]: token["state"] for token in json.loads(listed.stdout)}
    assert states == {"administrator": "revoked", "user": "valid"}


@pytest.mark.parametrize("which", ["m8", "reactor"])
def test_a_process_that_dies_is_replaced_and_that_is_said(at_work: tuple[Newcomer, Dev], which: str) -> None:
    who, dev = at_work
    path = f"app/after-{which}"
    os.kill(dev.children()[which], signal.SIGKILL)
    said = dev.complaint()
    assert which in said
    assert "SIGKILL; it starts again" in said
    who.put_at_last(path)
    assert {"local://app/db", f"local://{path}"} <= set(who.uris())


def test_a_port_that_is_taken_and_a_folder_in_use_are_said(newcomer: Newcomer, at_work: tuple[Newcomer, Dev]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} of 127.0.0.1 is taken" in refused(newcomer, "--port", port, code=ExitCode.UNAVAILABLE)
    who, _ = at_work
    assert "another m8 dev" in refused(who, code=ExitCode.REFUSED)
    assert "local://app/db" in who.uris()


def test_signed_shows_at_work_what_it_says(newcomer: Newcomer, tmp_path: Path) -> None:
    needed("ssh-keygen", "openssh-client")
    newcomer.environment["PATH"] = f"{BIN}:{os.environ['PATH']}"
    with running(newcomer, "--port", "0", "--signed") as dev:
        said = [line.strip() for line in dev.said.splitlines() if line.startswith("  ")][-4:]
        ran = [
            subprocess.run(
                ["sh", "-c", line], env=newcomer.environment, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            for line in said
        ]
        assert [done.returncode for done in ran] == [0, 0, 0, ExitCode.NOT_AUTHORIZED], ran[-1].stderr
    assert "signer: dev" in ran[1].stdout
    assert ssh.shown(newcomer.state / "client/signing-key") in ran[1].stdout


def test_no_process_outlives_a_supervisor_that_is_killed(at_work: tuple[Newcomer, Dev]) -> None:
    """The one of all tests above, so this is the last of them."""
    _, dev = at_work
    children = dev.children()
    assert set(children) == {"m8", "reactor"}
    dev.stop(signal.SIGKILL)
    wait_until_gone(*children.values())
