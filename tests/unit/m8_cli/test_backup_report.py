"""What is printed after a restore, of a backup and a log of before that somebody else could have made."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.backup.aftermath import Lost
from monoskope.m8.backup.form import Header
from monoskope.m8.cli.backup_report import Aftermath, tell
from monoskope.m8.cli.backup_restore import _made

CONTROL = "\x1b]0;owned\x07\n"


def test_no_control_of_a_backup_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    token = events_pb2.TokenIssued(id=CONTROL, subject=CONTROL, expires_at_ms=2**62)
    header = Header(1, 2**62, 1, "0" * 64, "", CONTROL, CONTROL)
    lost = Lost(events=1, revoked=[CONTROL], issued=[token], stores={CONTROL: None})
    tell(header, Aftermath([token], lost))
    printed = capsys.readouterr().out + _made(header)
    assert "unknown" in printed
    assert "owned" in printed
    assert all(character == "\n" or character.isprintable() for character in printed)
