"""What is printed after a restore, of a backup and a log of before that somebody else could have made."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.backup.aftermath import Lost, lost
from monoskope.m8.backup.form import Header
from monoskope.m8.cli.backup import made_line
from monoskope.m8.cli.backup_report import Aftermath, tell
from monoskope.m8.domain.events import write
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels.documents import project
from monoskope.testing.logs import some_time

CONTROL = "\x1b]0;owned\x07\n"


def test_no_control_of_a_backup_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    token = events_pb2.TokenIssued(id=CONTROL, subject=CONTROL, expires_at_ms=2**62)
    header = Header(1, 2**62, 1, "0" * 64, "", CONTROL, CONTROL)
    lost = Lost(events=1, revoked=[CONTROL], issued=[token], stores={CONTROL: None})
    tell(header, Aftermath([token], lost))
    printed = capsys.readouterr().out + made_line(header)
    assert "unknown" in printed
    assert "owned" in printed
    assert all(character == "\n" or character.isprintable() for character in printed)


async def test_names_that_are_free_again_are_named_and_tokens_of_logins_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
