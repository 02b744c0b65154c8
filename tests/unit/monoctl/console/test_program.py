"""`monoctl console` as a program: its link, its browser, its memory and its end."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from monoskope import start
from monoskope.monoctl.console.browser import USUAL, Folder, hosts
from monoskope.testing.parts import wait_until
from tests.support.absent import need_tracing
from tests.support.console_calls import Page

BROWSER = """#!/bin/sh
tr '\\0' '\\n' < /proc/self/environ > "$0.env"
cp "${1#file://}" "$0.page"
stat -c '%a %n' "${1#file://}" "$(dirname "${1#file://}")" > "$0.modes"
echo "$@" > "$0.new"
mv "$0.new" "$0.args"
"""


IS_ROOT = sys.platform == "linux" and os.geteuid() == 0
PLAIN = ["setpriv", "--bounding-set=-sys_ptrace,-perfmon,-sys_admin"] if IS_ROOT else []
"""What makes root a user like others, who may not look into every process."""


@dataclass
class Started:
    process: subprocess.Popen[bytes]
    folder: Path
    terminal: int

    @property
    def said(self) -> str:
        return (self.folder / "out").read_text()

    def links(self) -> list[str]:
        return re.findall(r"http://127\.0\.0\.1:\d+/#\S+", self.said)

    def end(self) -> int:
        """Press Ctrl-C, and return how it ended."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def begin(folder: Path, *words: str, **environment: str) -> Started:
    """Start one. No m8 answers where it dials: that is no reason not to start."""
    (folder / "token").write_text("a.b.c")
    (folder / "token").chmod(0o600)
    given = {
        "MONOCTL_SERVER": "127.0.0.1:1",
        "MONOCTL_TOKEN_FILE": str(folder / "token"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "TMPDIR": str(folder),
        "XDG_RUNTIME_DIR": "",
    }
    ours, terminal = pty.openpty()
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [*PLAIN, sys.executable, "-m", "monoskope.monoctl", "console", *words],
            env=os.environ | given | environment,
            stdin=terminal,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    os.close(terminal)
    return Started(process, folder, ours)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A console that prints addresses, and one link of it."""
    one = begin(tmp_path_factory.mktemp("console"), "--no-browser")
    try:
        wait_until(lambda: bool(one.links()), what="an address")
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        os.close(one.terminal)


def address(link: str) -> tuple[Page, str]:
    found = re.fullmatch(r"http://(127\.\d+\.\d+\.\d+):(\d+)/#(\S+)", link)
    assert found
    return Page(int(found[2]), host=found[1]), found[3]


def is_open(pid: int) -> bool:
    """Whether another process of the same user may look into a process (ptrace(2), access mode PTRACE_MODE_READ)."""
    look = [*PLAIN, sys.executable, "-c", f"open('/proc/{pid}/environ', 'rb')"]
    return subprocess.run(look, stderr=subprocess.DEVNULL, check=False).returncode == 0


def command_lines() -> str:
    """What every user can read of every process (`ps`)."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(lines)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_no_other_user_sees_the_link_and_its_file_is_gone_once_it_is_used(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(BROWSER)
    browser.chmod(0o700)
    console = begin(tmp_path, BROWSER=f"{browser} %s")
    try:
        wait_until(browser.with_suffix(".args").exists, what="the browser")
        page, token = address(re.findall(r"url=([^\"]+)", browser.with_suffix(".page").read_text())[0])

        modes = browser.with_suffix(".modes").read_text().splitlines()
        assert [mode.split()[0] for mode in modes] == ["600", "700"]
        assert token not in browser.with_suffix(".args").read_text()
        assert token not in command_lines()
        assert token not in console.said
        environment = browser.with_suffix(".env").read_text()
        assert not [name for name in start.EXECUTION if f"{name}=" in environment]

        # No browser has met this address before, so nobody left anything for it there.
        assert page.host != "127.0.0.1" or sys.platform != "linux"
        assert page.begin(token).status == 200
        assert not list(tmp_path.rglob("*.html"))
        assert not [
            file
            for file in tmp_path.rglob("*")
            if file.is_file() and file != browser.with_suffix(".page") and token.encode() in file.read_bytes()
        ]
        assert console.end() == 0
        assert not list(tmp_path.glob("monoctl-console-*"))
    finally:
        console.process.kill()
        console.process.wait()
        os.close(console.terminal)


def test_it_starts_without_m8_and_the_page_says_so(started: Started) -> None:
    page, token = address(started.links()[0])
    begun = page.begin(token).document
    assert begun["me"]["server"] == "127.0.0.1:1"
    assert "m8 does not answer" in begun["me"]["away"]
    wait_until(lambda: "A page has begun" in started.said, what="the terminal says it")
    assert "Press Enter for another page, and Ctrl-C to end." in started.said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone")
def test_its_memory_is_closed_to_its_own_user(started: Started) -> None:
    assert Path(f"/proc/{started.process.pid}/limits").read_text().count("Max core file size        0")
    waiting = [*PLAIN, sys.executable, "-u", "-c", "print(); input()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as open_one:
        assert open_one.stdout is not None
        assert open_one.stdout.readline() == b"\n"  # it is no copy of this process any more
        assert is_open(open_one.pid)
        open_one.communicate(b"\n")
    assert not is_open(started.process.pid)
    need_tracing()
    environment = Path(f"/proc/{started.process.pid}/environ").read_bytes()
    assert b"PYTHONMALLOC=malloc" in environment


def test_a_port_that_somebody_else_has_taken_is_refused(started: Started, tmp_path: Path) -> None:
    port = address(started.links()[0])[0].port
    second = begin(tmp_path, "--no-browser", "--port", str(port))
    assert second.process.wait(60) == 7
    os.close(second.terminal)
    assert f"not possible to listen on 127.0.0.1:{port}: address already in use.\n" in second.said
    assert not second.links()
    with closing(socket.socket()) as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))


def test_enter_opens_another_page_and_ctrl_c_ends_it_well(started: Started) -> None:
    os.write(started.terminal, b"\n")
    wait_until(lambda: len(started.links()) == 2, what="a second address")
    assert len({link.partition("#")[2] for link in started.links()}) == 2
    assert started.end() == 0
    assert "The console has ended." in started.said
    assert "Traceback" not in started.said


def test_without_a_token_it_does_not_start(tmp_path: Path) -> None:
    console = begin(tmp_path, "--no-browser", MONOCTL_TOKEN_FILE="")
    assert console.process.wait(60) == 2
    os.close(console.terminal)
    assert "no token_file is configured" in console.said
    assert not console.links()


def test_an_own_address_is_on_loopback_and_another_each_time() -> None:
    found = [list(hosts(is_own=True)) for _ in range(200)]
    assert all(ip_address(host).is_loopback for both in found for host in both)
    assert {both[1] for both in found} == {USUAL}
    assert len({both[0] for both in found}) > 190


def test_where_a_tunnel_leads_there_is_one_address() -> None:
    assert list(hosts(is_own=False)) == [USUAL]


LINK = "http://127.0.0.1:1/#token"


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the system keeps for a user who is logged in."""
    folder, other = tmp_path / "runtime", tmp_path / "temporary"
    folder.mkdir(mode=0o700)
    other.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(other))
    return folder


def test_the_link_lies_in_the_users_runtime_folder_and_is_removed(runtime: Path) -> None:
    folder = Folder()
    file = folder.add(LINK)
    assert file.parent.parent == runtime
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]
    folder.remove()
    assert not list(runtime.iterdir())


@pytest.mark.parametrize("what", ["not there", "a link", "others may enter", "relative", "of somebody else"])
def test_an_open_runtime_folder_is_not_used(runtime: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    match what:
        case "not there":
            runtime.rmdir()
        case "a link":
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime.with_name("link")))
            runtime.with_name("link").symlink_to(runtime)
        case "others may enter":
            runtime.chmod(0o711)
        case "relative":
            monkeypatch.chdir(runtime.parent)
            monkeypatch.setenv("XDG_RUNTIME_DIR", runtime.name)
        case _:
            mine = os.geteuid()
            monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    folder = Folder()
    assert folder.add(LINK).parent.parent == runtime.parent / "temporary"
    folder.remove()
