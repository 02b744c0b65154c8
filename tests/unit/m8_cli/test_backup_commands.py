"""`m8 backup create|verify|restore`, as an operator types them, and what a restore tells."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.exit_codes import ExitCode
from monoskope.m8.backup import restore as stopped
from monoskope.m8.backup.form import Header
from monoskope.m8.cli.backup import made_line
from monoskope.m8.cli.backup_report import Aftermath, Lost, lost, tell
from monoskope.m8.cli.restore import _least
from monoskope.m8.domain.events import write
from monoskope.m8.log.folder import Noted
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels.documents import project
from monoskope.m8.settings import ServerSettings
from monoskope.testing.logs import some_time
from monoskope.testing.parts import program
from tests.support import disk, warm
from tests.support.programs import Ended, m8
from tests.unit.m8_cli.served import PATIENCE_S, PROGRAM, laid_out, served


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return laid_out(tmp_path / "m8")


@pytest.fixture
def recipient(tmp_path: Path) -> str:
    return m8("backup", "key", str(tmp_path / "identity"), home=tmp_path).stdout.strip()


def command(settings: ServerSettings, *arguments: str, code: int = 0) -> Ended:
    return m8(*arguments, "--dir", str(settings.folder), home=settings.folder.parent, code=code)


def token(settings: ServerSettings, subject: str) -> tuple[str, str]:
    options = ("--role", "user", "--subject", subject, "--prefix", "local://", "--right", "put")
    ended = command(settings, "token", "create", *options)
    return ended.stdout.strip(), ended.stderr.split()[1]


def create(settings: ServerSettings, recipient: str, target: str = "backup.age", *, code: int = 0) -> Ended:
    return command(settings, "backup", "create", target, "--recipient", recipient, code=code)


def verify(settings: ServerSettings, *arguments: str, source: str = "backup.age", code: int = 0) -> Ended:
    home = settings.folder.parent
    return m8("backup", "verify", source, "--identity", "identity", *arguments, home=home, code=code)


def restore(
    settings: ServerSettings, *arguments: str, identity: str = "identity", source: str = "backup.age", code: int = 0
) -> Ended:
    return command(settings, "backup", "restore", source, "--identity", identity, *arguments, code=code)


def events(settings: ServerSettings) -> str:
    return command(settings, "events", "-o", "json").stdout


def test_a_backup_of_a_running_server_is_restored_and_served(settings: ServerSettings, recipient: str) -> None:
    with served(settings) as server:
        kept, _ = token(settings, "kept")
        _, revoked = token(settings, "revoked")
        said = create(settings, recipient).stdout
        command(settings, "token", "revoke", revoked)
        late, late_id = token(settings, "late")
        assert server.get_server(late).subject == "late"
    assert said.startswith("backup.age holds 2 events and 0 sealed secrets.\n")
    assert (settings.folder.parent / "backup.age").stat().st_mode & 0o777 == 0o600
    assert "holds: 2 events" in verify(settings).stdout
    # The keys are not in it: the new folder gets them from where they are kept.
    other = laid_out(settings.folder.parent / "other")
    for name in ("token-signing.key", "tls.key", "tls.crt", "ca.crt"):
        (other.folder / name).write_bytes((settings.folder / name).read_bytes())
    told = restore(other, "--compare-with", f"sqlite:{settings.event_log}").stdout
    assert f"m8 token revoke {revoked}" in told
    assert late_id in told
    assert events(other) == command(settings, "events", "--limit", "2", "-o", "json").stdout
    with served(other) as again:
        assert again.get_server(kept).subject == "kept"
        with pytest.raises(Exception, match="log does not know it"):
            again.get_server(late)


def test_without_the_log_of_before_it_says_what_it_cannot_know(settings: ServerSettings, recipient: str) -> None:
    _, one = token(settings, "one")
    create(settings, recipient)
    other = laid_out(settings.folder.parent / "other")
    told = restore(other).stdout
    assert f"{one}  one" in told
    assert "valid again. Revoke them: m8 token revoke ID" in told
    third = laid_out(settings.folder.parent / "third")
    ended = restore(third, "--compare-with", f"sqlite:{other.folder}/no.db", code=ExitCode.USAGE)
    assert "there is no event log" in ended.stderr
    assert events(third) == "[]\n"


def test_a_log_that_is_another_one_is_not_compared_with(settings: ServerSettings, recipient: str) -> None:
    token(settings, "one")
    create(settings, recipient)
    other = laid_out(settings.folder.parent / "other")
    token(other, "foreign")
    ended = restore(laid_out(settings.folder.parent / "third"), "--compare-with", f"sqlite:{other.event_log}")
    assert "was not compared" in ended.stderr
    assert "are valid again" in ended.stdout


def test_a_folder_with_a_later_note_takes_no_older_backup_unless_told(settings: ServerSettings, recipient: str) -> None:
    token(settings, "one")
    create(settings, recipient, "old.age")
    token(settings, "two")
    create(settings, recipient)
    for path in settings.folder.glob("log.db*"):
        path.unlink()
    refused = restore(settings, source="old.age", code=ExitCode.CONFLICT)
    assert "ends at position 1, and position 2 was noted: it lacks 1 event" in refused.stderr
    assert "--accept-loss" in refused.stderr
    # There is a log now, and it is not the one that the folder serves.
    assert "log-id" in {path.name for path in settings.folder.iterdir()}
    command(settings, "events", code=ExitCode.CONFLICT)
    restore(settings, "--accept-loss", source="old.age")
    assert "one" in events(settings)
    # What is noted now is what was restored.
    assert (settings.folder / "noted-position").read_text().startswith("1:")


def test_of_two_notes_of_one_position_the_record_counts(settings: ServerSettings) -> None:
    """A position on the command line does not take away what the folder knows of the record there."""
    known = Noted(2, bytes(32))
    known.write(settings.folder)
    for at_least in (None, Noted(1), Noted(2)):
        assert _least(settings, at_least, accept_loss=False) == known
    assert _least(settings, Noted(3), accept_loss=False) == Noted(3)


def test_what_was_noted_elsewhere_is_compared(settings: ServerSettings, recipient: str) -> None:
    token(settings, "one")
    said = create(settings, recipient).stdout
    verify(settings, "--at-least", said.split(" ends at ")[1].split()[0])
    verify(settings, "--at-least", "1")
    assert "lacks 6 events" in verify(settings, "--at-least", "7", code=ExitCode.CONFLICT).stderr
    assert "is another" in verify(settings, "--at-least", f"1:{'0' * 64}", code=ExitCode.CONFLICT).stderr
    assert "POSITION:HASH" in verify(settings, "--at-least", "1:x", code=ExitCode.USAGE).stderr


def test_damaged_foreign_and_shut_backups_are_refused(settings: ServerSettings, recipient: str, tmp_path: Path) -> None:
    token(settings, "one")
    create(settings, recipient)
    whole = (tmp_path / "backup.age").read_bytes()
    other = laid_out(tmp_path / "other")
    cases = {
        "cut in its head": whole[:60],
        "another file": b"SQLite format 3\0" + bytes(200),
        "nothing": b"",
        "cut": whole[:-1],
        "changed": whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:],
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        for ended in (
            verify(settings, source=name, code=ExitCode.IDENTITY_CHANGED),
            restore(other, source=name, code=ExitCode.IDENTITY_CHANGED),
        ):
            assert ended.stderr.count("fix: ") == 1, name
            assert ended.stdout == ""
        assert not other.event_log.exists(), "m8 would serve it as a new log"
    m8("backup", "key", "stranger", home=tmp_path)
    closed = restore(other, identity="stranger", code=ExitCode.REFUSED)
    assert "not encrypted for this identity" in closed.stderr
    restore(other)


def test_a_log_in_use_is_left_alone(settings: ServerSettings, recipient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    token(settings, "one")
    create(settings, recipient)
    other = laid_out(settings.folder.parent / "other")
    with served(other), monkeypatch.context() as patient:
        patient.setattr(stopped, "_TICKS", 600)  # on a busy machine the next heartbeat may be late
        assert "an m8 serves" in restore(other, code=ExitCode.CONFLICT).stderr
        create(other, recipient, "used.age")
        refused = restore(other, "--into", "sqlite:copy.db", source="used.age", code=ExitCode.CONFLICT)
        assert "an m8 serves" in refused.stderr
    assert "events of its own" in restore(settings, code=ExitCode.CONFLICT).stderr
    # It served a log of its own, so another one does not take its place.
    assert "Restore it into a new folder" in restore(other, code=ExitCode.CONFLICT).stderr


def test_a_target_that_is_taken_or_cannot_be_written_stays_as_it_was(settings: ServerSettings, recipient: str) -> None:
    home = settings.folder.parent
    (home / "taken").write_text("mine")
    assert "exists already" in create(settings, recipient, "taken", code=ExitCode.ALREADY_EXISTS).stderr
    assert (home / "taken").read_text() == "mine"
    assert "does not exist" in create(settings, recipient, "no/such", code=ExitCode.NOT_FOUND).stderr
    assert "no recipient" in command(settings, "backup", "create", "x", code=ExitCode.USAGE).stderr
    identity = (home / "identity").read_text().strip()
    refused = create(settings, identity, "x", code=ExitCode.USAGE).stderr
    assert "is not an age1… key" in refused
    assert identity not in refused
    assert not (home / "x").exists()


def test_a_backup_goes_through_a_pipe(settings: ServerSettings, recipient: str, tmp_path: Path) -> None:
    token(settings, "one")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    options = ["create", "-", "--dir", str(settings.folder), "--recipient", recipient]
    made = warm.run([program("m8"), "backup", *options], tmp_path, environment, b"", PATIENCE_S)
    assert b"- holds 1 event and" in made.stderr
    # A program behind the pipe that ends early has a backup that is cut off.
    reads, writes = os.pipe()
    os.close(reads)
    words = [*PROGRAM, "backup", *options]
    cut = subprocess.run(words, env=environment, stdout=writes, stderr=subprocess.PIPE, check=False)
    os.close(writes)
    assert cut.returncode == ExitCode.UNAVAILABLE
    assert b"standard output was closed before the backup was whole" in cut.stderr
    assert cut.stderr.count(b"\n") == 2, "and nothing that Python says of it"
    words = [program("m8"), "backup", "verify", "-", "--identity", str(tmp_path / "identity")]
    assert b"holds: 1 event," in warm.run(words, tmp_path, environment, made.stdout, PATIENCE_S).stdout


def test_without_age_only_what_needs_it_fails_and_says_what_to_install(settings: ServerSettings) -> None:
    code = (
        "import sys\n"
        "sys.modules['pyrage'] = None\n"
        "from monoskope.m8.cli.main import run\n"
        f"run(['events', 'verify', '--dir', {str(settings.folder)!r}])\n"
        "run(['backup', '--help'])\n"
        "run(['backup', 'key', 'x'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "holds: 0 events" in done.stdout
    assert "Write an encrypted backup" in done.stdout
    assert "pip install 'monoskope[m8,backup]'" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 64 KiB."""
    with disk.mounted(tmp_path / "disk", 65_536) as folder:
        yield folder


def test_a_full_target_holds_nothing(
    settings: ServerSettings, recipient: str, small_disk: Path, tmp_path: Path
) -> None:
    for number in range(3):
        token(settings, f"u{number}")
    (small_disk / "junk").write_bytes(bytes(65_536))
    ended = create(settings, recipient, str(small_disk / "backup.age"), code=ExitCode.UNAVAILABLE)
    assert "no space left" in ended.stderr
    assert [path.name for path in small_disk.iterdir()] == ["junk"]
    # Nothing is noted, because there is no such backup.
    assert not (settings.folder / "noted-position").exists()


CONTROL = "\x1b]0;owned\x07\n"


def test_no_control_of_a_backup_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    token = events_pb2.TokenIssued(id=CONTROL, subject=CONTROL, expires_at_ms=2**62)
    header = Header(1, 2**62, 1, "0" * 64, "", CONTROL, CONTROL)
    tell(header, Aftermath([token], Lost(events=1, revoked=[CONTROL], issued=[token], stores={CONTROL: None})))
    printed = capsys.readouterr().out + made_line(header)
    assert "unknown" in printed
    assert "owned" in printed
    assert all(character == "\n" or character.isprintable() for character in printed)


async def test_free_names_are_named_and_logins_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = await SqliteLog.open(tmp_path / "log.db", clock=some_time, projector=project)
    anna = "user:corp:anna@example.org"
    events: list[Message] = [
        events_pb2.IssuerRegistered(name="corp", issuer="https://login.example.org"),
        events_pb2.MemberRegistered(member=anna, issuer_subject="1"),
        *(events_pb2.TokenIssued(id=f"{number}", subject=anna, member=anna, issuer="https://a") for number in range(3)),
        events_pb2.TokenIssued(id="made", subject="ci", role=events_pb2.ROLE_USER),
    ]
    for number, event in enumerate(events):
        await old.append(f"stream/{number}", 0, [write(event)], actor="m8")
    header = Header(1, 0, 0, "0" * 64, "", "", "")
    tell(header, Aftermath([], await lost(old, header)))
    await old.close()

    printed = capsys.readouterr().out
    assert f"The name of {anna} was bound to its first `sub` after the backup, and is bound to nobody now." in printed
    assert "Issuer corp was used for the first time after the backup" in printed
    assert "Exchanged after the backup, and refused: 3 tokens. Their holders get others." in printed
    assert printed.count("make another one") == 1
