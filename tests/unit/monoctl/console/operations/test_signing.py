"""The console signs as commands do: the page is shown with which key, and by whom a request was signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError, UsageError
from monoskope.monoctl.commands import console
from monoskope.monoctl.output import terminal
from tests.support.ssh import keygen, shown
from tests.unit.monoctl.console.operations.knowing_m8 import VALUE, KnowingM8, at_console

URI = "vault://app/db"


def signed_m8() -> KnowingM8:
    m8 = KnowingM8()
    m8.signed = True
    return m8


async def test_a_put_from_the_page_is_signed_and_the_request_says_by_whom(tmp_path: Path) -> None:
    m8, key = signed_m8(), keygen(tmp_path / "key")
    async with at_console(tmp_path, m8, signing_key=str(key)) as page:
        [row] = (await page.ask("put", {"password": VALUE}, uris=[URI]))["results"]
        assert row["done"]["signer_key"] == shown(key)
        m8.attempts[0].check_signature()
        me = await page.ask("whoami")
        assert me["signs_with"] == {"key": shown(key), "principal": "", "touch": False, "trouble": ""}


async def test_without_a_key_the_page_says_how_to_set_one(tmp_path: Path) -> None:
    async with at_console(tmp_path, signed_m8()) as page:
        [row] = (await page.ask("put", {"password": VALUE}, uris=[URI]))["results"]
        assert (row["failed"]["code"], "signing_key" in row["failed"]["fix"]) == ("USAGE", True)
        assert (await page.ask("whoami"))["signs_with"]["key"] == ""


async def test_a_key_that_the_reactor_does_not_let_has_a_code_of_its_own(tmp_path: Path) -> None:
    m8, reason = signed_m8(), upload_pb2.REASON_NOT_AUTHORIZED
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    async with at_console(tmp_path, m8, signing_key=str(keygen(tmp_path / "key"))) as page:
        [row] = (await page.ask("put", {"password": VALUE}, uris=[URI]))["results"]
        assert (row["failed"]["code"], row["failed"]["exit_code"]) == ("NOT_AUTHORIZED", 17)


async def test_a_key_that_cannot_be_read_is_told_where_the_key_would_stand(tmp_path: Path) -> None:
    async with at_console(tmp_path, signing_key=str(tmp_path / "gone")) as page:
        assert "there is no signing key" in (await page.ask("whoami"))["signs_with"]["trouble"]


def test_the_passphrase_is_asked_for_in_the_terminal_before_the_page_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keygen(tmp_path / "key", passphrase="secret")
    monkeypatch.setattr(terminal, "interactive", lambda: True)
    monkeypatch.setattr(terminal, "passphrase", lambda _: "secret")
    signer = console._signer(str(key))
    assert signer is not None
    assert signer.is_prepared
    monkeypatch.setattr(terminal, "passphrase", lambda _: "wrong")
    with pytest.raises(RefusedError):
        console._signer(str(key))
    monkeypatch.setattr(terminal, "interactive", lambda: False)
    with pytest.raises(UsageError, match="no terminal"):
        console._signer(str(key))


def test_an_agent_that_is_not_there_yet_does_not_keep_the_page_from_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert console._signer(f"{keygen(tmp_path / 'key')}.pub") is not None
    assert "does not answer" in capsys.readouterr().err
