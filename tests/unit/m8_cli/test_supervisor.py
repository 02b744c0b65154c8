"""What the supervisor starts keeps running, and nothing of it outlives the supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from monoskope.errors import UnavailableError
from monoskope.m8.dev import die_with_parent, supervisor
from monoskope.m8.dev.supervisor import Child, Supervisor

# Says its process id into a pipe, then waits for ever.
SLEEPER = "import os, signal, sys; os.write(int(sys.argv[1]), b'%d\\n' % os.getpid()); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


class Pids:
    """Process ids as children say them into a named pipe."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pids"
        os.mkfifo(self.path)
        self._file = os.open(self.path, os.O_RDWR)

    def child(self, program: str, name: str = "sleeper") -> Child:
        opened = program.replace("int(sys.argv[1])", "os.open(sys.argv[1], os.O_WRONLY)")
        return Child(name, (sys.executable, "-c", opened, str(self.path)), self.path.with_name(f"{name}.log"))

    async def next(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            line += await asyncio.to_thread(os.read, self._file, 1)
        return int(line)

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Pids]:
    made = Pids(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def keeper() -> AsyncIterator[Supervisor]:
    made = Supervisor(lambda _text: None)
    yield made
    await made.stop()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_stop_ends_every_child_the_last_one_first(pids: Pids) -> None:
    said: list[str] = []
    keeper = Supervisor(said.append)
    await keeper.start(pids.child(SLEEPER, "one"))
    await keeper.start(pids.child(SLEEPER, "two"))
    running = [await pids.next(), await pids.next()]
    assert all(is_alive(pid) for pid in running)
    await keeper.stop()
    assert not any(is_alive(pid) for pid in running)
    assert said == []


async def test_a_child_that_dies_is_started_again_and_that_is_said(pids: Pids, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    said: list[str] = []
    keeper = Supervisor(said.append)
    await keeper.start(pids.child(SLEEPER))
    first = await pids.next()
    os.kill(first, signal.SIGKILL)
    second = await pids.next()
    assert second != first
    os.kill(second, signal.SIGKILL)
    third = await pids.next()
    await keeper.stop()
    assert not is_alive(third)
    assert [text.partition(". Its log")[0] for text in said] == [
        "sleeper was ended by SIGKILL; it starts again in 0.01 s",
        "sleeper was ended by SIGKILL; it starts again in 0.02 s",
    ]


async def test_a_stubborn_child_is_killed(pids: Pids, keeper: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_S", 0.05)
    await keeper.start(pids.child(STUBBORN))
    pid = await pids.next()
    await keeper.stop()
    assert not is_alive(pid)


async def test_waiting_for_something_ends_when_a_child_does(pids: Pids, keeper: Supervisor) -> None:
    await keeper.start(pids.child("import sys; sys.exit('Error: no engine.\\nFix: Buy one.')", "reactor"))
    with pytest.raises(UnavailableError, match=r"reactor ended with exit code 1: Error: no engine\. Fix: Buy one\."):
        await keeper.until(asyncio.Event().wait())


async def test_waiting_for_something_gives_its_result(pids: Pids, keeper: Supervisor) -> None:
    await keeper.start(pids.child(SLEEPER))
    assert await keeper.until(pids.next()) > 0


async def test_a_childs_output_goes_to_its_log_which_is_private(pids: Pids, keeper: Supervisor) -> None:
    child = pids.child(f"print('hello', flush=True); {SLEEPER}")
    await keeper.start(child)
    await pids.next()
    await keeper.stop()
    assert child.output_file.read_text() == "hello\n"
    assert child.output_file.stat().st_mode & 0o777 == 0o600


async def test_a_child_that_cannot_be_started_is_said(tmp_path: Path, keeper: Supervisor) -> None:
    with pytest.raises(UnavailableError, match="ghost cannot be started"):
        await keeper.start(Child("ghost", ("/nonexistent",), tmp_path / "missing" / "log"))


if sys.platform == "linux":  # elsewhere nobody tells a child that its parent is gone

    async def test_a_child_ends_when_its_parent_is_killed(pids: Pids) -> None:
        command = pids.child(SLEEPER).arguments
        program = (
            "import subprocess, sys\n"
            "from monoskope.m8.dev import die_with_parent\n"
            "subprocess.run(die_with_parent.command_line(sys.argv[1:]))\n"
        )  # fmt: skip
        parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, *command)
        child = await pids.next()
        watched = os.pidfd_open(child)
        parent.kill()
        await parent.wait()
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(watched, ended.set)
        await asyncio.wait_for(ended.wait(), 60)
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)

    def test_a_program_is_not_started_for_a_parent_that_is_gone() -> None:
        command = [*die_with_parent.command_line(["/bin/echo", "started"])]
        command[command.index(str(os.getpid()))] = "1"
        assert subprocess.run(command, capture_output=True, check=True).stdout == b""
