"""`make demo` as a newcomer runs it: what it says is true, what it keeps works, and nothing is left running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.testing.parts import wait_until
from tests.e2e.ran import UPLOADED
from tests.support import warm
from tests.support.absent import need_memory

ROOT = Path(__file__).resolve().parents[2]
VALUE = 'päß"wörd\r\n\\ on two lines, with a \t tab\n'.encode()
M8S_PLACES = {"m8/log.db", "m8/log.db-wal", "m8/log.db, cell by cell", "m8/m8.log"}
MEMORY = "memory of the m8 process"


def demo(*arguments: str, temporary: Path, as_users_do: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end, with `temporary` for its temporary files.

    Its parts and its dozens of commands are copies of a process that has loaded them: loading took most of the time.
    `as_users_do`: all of it starts as for a newcomer.
    """
    script, lent = ([], {}) if as_users_do else (["-m", "tests.support.warm.script"], warm.lent())
    return subprocess.run(
        [sys.executable, *script, str(ROOT / "demo" / "demo.py"), *arguments],
        env=os.environ | lent | {"TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def running_in(folder: Path) -> list[str]:
    """The command lines of all processes that work in `folder` or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place, command = str((process / "cwd").readlink()), (process / "cmdline").read_text()
        except OSError:
            continue
        if str(folder) in place or (str(folder) in command and int(process.name) != os.getpid()):
            found.append(command)
    return found


def rows(out: str) -> dict[str, list[str]]:
    """The search's table: place to its cells after the size."""
    lines = (re.fullmatch(r" {6}(\S.*?) {2,}[0-9.]+ [kM]B((?: +[0-9]+)+)", line) for line in out.splitlines())
    return {line[1]: line[2].split() for line in lines if line}


def audit(folder: Path) -> list[dict[str, Any]]:
    """What the reactor of the store `local` recorded."""
    return [json.loads(line) for line in (folder / "reactor-local" / "audit.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.CompletedProcess[str]]]:
    """A run with a value of one's own and kept files."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "value").write_bytes(VALUE)
    arguments = ("--value-file", str(folder / "value"), "--keep", str(folder / "kept"))
    yield folder / "kept", demo(*arguments, temporary=folder)
    assert running_in(folder) == []


def test_it_shows_what_it_claims(kept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = kept
    assert done.returncode == 0, done.stdout + done.stderr
    out = done.stdout
    hashes = re.findall(r"UPLOADED +\S+ +(fp1:[0-9a-f]{16}:[0-9a-f]{64})$", out, re.MULTILINE)
    assert len(hashes) == 5
    assert hashes[0] == hashes[1] not in hashes[2:]
    assert "OpenBao merged: the first key is as it was" in out
    assert "monoctl delete secret vault://team-a/old --yes" in out
    assert out.count("(exit code 4)") == 3
    events = re.findall(r"upload/[0-9a-f]{32} +[0-9]+ +(\w+)", out)
    assert events == UPLOADED
    assert "The log holds: " in out
    assert f"All {len(VALUE)} bytes are those that anna put." in out
    assert "processes have ended" in out
    assert "m8 dev" in out
    assert "make test" in out
    assert running_in(folder) == []


def test_m8_writes_until_the_reactor_has_a_list_of_keys(kept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = kept
    tries = re.findall(r"^ {6}(its own value|with [\w' ]+).*: +(.*)$", done.stdout, re.MULTILINE)
    assert [end for _, end in tries] == ["UPLOADED", *["FAILED NOT_AUTHORIZED"] * 3]
    lines = audit(folder)
    alone = [line for line in lines if line.get("reason") == "NOT_AUTHORIZED" and not line["change_sha256"]]
    assert len({line["request_id"] for line in alone}) == 3
    assert {line["signer"] for line in lines if line.get("signer")} == {"anna"}


def test_the_reactor_counts_bens_approval_and_none_that_m8_made(
    kept: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = kept
    lines = [line for line in audit(folder) if line.get("change_sha256")]
    [approved] = [line for line in lines if line["outcome"] == "UPLOADED"]
    assert [name.partition(" ")[0] for name in approved["approvers"]] == ["ben"]
    [refused] = [line for line in lines if line["outcome"] == "REFUSED"]
    assert refused["change_sha256"] != approved["change_sha256"]
    assert "unlisted" in refused["detail"]
    assert "DELETED" not in {line["outcome"] for line in lines}
    assert len(re.findall(r"^ {6}handed in as ben: ", done.stdout, re.MULTILINE)) == 2
    assert done.stdout.count("(exit code 17)") == 1
    assert f"says: {refused['detail'].partition(',')[0]}" in " ".join(done.stdout.split())


def test_a_rewritten_log_is_noticed_and_a_proof_is_verified_without_m8(
    kept: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = kept
    assert re.search(r"events verify --dir m8-rewritten\n +The log holds: \d+ events", done.stdout)
    assert done.stdout.count("(exit code 18)") == 1
    assert re.findall(r"note of the log, (\d) of 2:", done.stdout) == ["1", "2"]
    verified = done.stdout.partition("rev$ monoctl verify proof")[2]
    assert re.search(r"Outcome: +UPLOADED", verified)
    assert "anna's proof still holds" in verified
    assert ("Witnesses: " in verified) is (folder / "witnesses").exists()
    assert list((folder / "anna" / ".config" / "monoskope").glob("known_logs.evidence-*"))


def test_the_search_finds_the_control_in_every_encoding_and_the_value_nowhere(
    kept: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    found = rows(kept[1].stdout)
    assert found.keys() >= {
        *M8S_PLACES,
        "reactor-vault/reactor.log",
        "reactor-local/reactor.log",
        "openbao/openbao.log",
    }
    for place, cells in found.items():
        value, control = [int(cell) for cell in cells[:3]], [int(cell) for cell in cells[3:]]
        assert value == [0, 0, 0], place
        if place in {*M8S_PLACES, MEMORY}:
            assert min(control) > 0, place
    need_memory()
    assert MEMORY in found


def test_it_does_not_print_a_value_of_ones_own(kept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert "wörd" not in kept[1].stdout
    assert "w\\u00f6rd" not in kept[1].stdout


def test_a_kept_openbao_starts_again_by_the_words_of_its_readme_and_gives_the_value(
    kept: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    readme = (kept[0] / "README.txt").read_text()
    commands = [line.strip() for line in readme.split("Start the rest again")[0].splitlines() if line.startswith("  ")]
    serve = next(line for line in commands if " serve " in line)
    reading = "\n".join(line for line in commands if line.startswith("export ") or " kv get " in line)
    with subprocess.Popen(["sh", "-c", f"exec {serve}"], stdout=subprocess.PIPE, start_new_session=True) as server:
        try:
            assert server.stdout is not None
            assert b"OpenBao runs" in server.stdout.readline()
            read = subprocess.run(["sh", "-ec", reading], capture_output=True, check=True, timeout=300)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)
    assert read.stdout == VALUE


def test_kept_files_are_for_their_owner_alone(kept: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert kept[0].stat().st_mode & 0o077 == 0
    assert {path.name for path in kept[0].iterdir()} >= {"m8", "reactor-vault", "reactor-local", "openbao", "anna"}


def test_a_folder_that_holds_something_is_left_alone(
    kept: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = demo("--keep", str(kept[0]), temporary=tmp_path)
    assert done.returncode == 2
    assert "not an empty folder" in done.stderr


@pytest.mark.soak
def test_bytes_that_are_no_text_travel_too_and_no_file_is_left(tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(bytes(range(256)))
    (tmp_path / "temporary").mkdir()
    done = demo("--value-file", str(tmp_path / "value"), temporary=tmp_path / "temporary", as_users_do=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--binary base64" in done.stdout
    assert "All 256 bytes are those that anna put, once its base64 is undone." in done.stdout
    # All bytes in their order lie in the memory of any process: nothing is claimed about such a value.
    assert re.search(r"The value was not searched for: its bytes were found \d+ times before it was sent", done.stdout)
    assert "0 hits" not in done.stdout
    assert list((tmp_path / "temporary").iterdir()) == []
    assert running_in(tmp_path) == []


def test_whoever_stops_it_finds_nothing_left(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm.script", str(ROOT / "demo" / "demo.py")],
        env=os.environ | warm.lent() | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: len(running_in(tmp_path)) >= 2, what="m8 and OpenBao run")
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Everything was stopped" in complaint
    assert list(tmp_path.iterdir()) == []
    assert running_in(tmp_path) == []


@pytest.mark.parametrize("size", [0, 200_000])
def test_a_value_of_a_size_that_cannot_travel_is_refused_at_once(tmp_path: Path, size: int) -> None:
    (tmp_path / "value").write_bytes(b"x" * size)
    done = demo("--value-file", str(tmp_path / "value"), temporary=tmp_path)
    assert done.returncode == 2
    assert f"{size} bytes" in done.stderr
