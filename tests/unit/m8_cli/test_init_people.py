"""`m8 init`: whose login makes the first administrator, and the first backup. The login is a process of its own."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import click
import pytest

from monoskope.errors import Error, RefusedError, UsageError
from monoskope.m8 import settings
from monoskope.m8.cli.access import bindings
from monoskope.m8.cli.backup import checked, opened_by
from monoskope.m8.cli.setup.answers import Answers
from monoskope.protocol.bundle import Bundle
from monoskope.protocol.identity import grouped
from tests.support import scripted_issuer
from tests.support.scripted_issuer import ScriptedIssuer
from tests.unit.m8_cli.setting_up import Somebody, StoppedError, set_up, stopped_at, written

MEMBER = "user:corp:anna"


@pytest.fixture(scope="module")
def _issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedIssuer]:
    with scripted_issuer.serving(tmp_path_factory.mktemp("issuer")) as issuer:
        yield issuer


@pytest.fixture
def issuer(_issuer: ScriptedIssuer) -> ScriptedIssuer:
    _issuer.reset()
    code = {"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": f"{_issuer.url}/device", "interval": 0.01}
    _issuer.answers["/device_authorization"] = [(200, code)]
    logs_in(_issuer)
    return _issuer


def logs_in(issuer: ScriptedIssuer, **claims: Any) -> None:
    issuer.answers["/token"] = [(200, {"id_token": issuer.id_token(nonce=None, groups=["ops"], **claims)})]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    set_up(tmp_path / "m8", Somebody(name="localhost"), "folder")
    return tmp_path / "m8"


def anna(issuer: ScriptedIssuer, **answers: str) -> Somebody:
    told: dict[str, str | list[str]] = {
        "issuer": issuer.url,
        "issuer_ca": str(issuer.ca_file),
        "client_id": "monoctl",
        "administrator": "yes",
    }
    told.update(answers)
    return Somebody(**told)


def test_the_member_of_the_login_of_this_command_is_the_administrator(folder: Path, issuer: ScriptedIssuer) -> None:
    person = anna(issuer)
    with mock.patch("monoskope.systemd._HOMES", (issuer.ca_file.parent,)):
        set_up(folder, person, "issuer", "administrator")
    assert person.asked == ["issuer", "issuer_ca", "client_id", "administrator"]
    assert settings.load(folder).issuers[0].ca_file == folder / "issuer-ca.pem", "it lay where no service looks"
    for shown in (f"  {MEMBER}\n", "subject anna", "group:corp:ops"):
        assert shown in person.shown
    [binding] = bindings(folder).values()
    assert [str(member) for member in binding.members] == [MEMBER]
    [found] = settings.load(folder).issuers
    assert (found.issuer, found.audience) == (issuer.url, "monoctl")
    logins = len(issuer.asked)
    before = written(folder)
    set_up(folder, Somebody(), "issuer", "administrator")
    assert (len(issuer.asked), written(folder)["m8.toml"]) == (logins, before["m8.toml"])
    token = issuer.answers["/token"][0][1]["id_token"]
    assert not any(token.encode() in content for content in written(folder).values())


def test_who_is_not_confirmed_is_no_administrator_and_the_next_run_logs_in_again(
    folder: Path, issuer: ScriptedIssuer
) -> None:
    logs_in(issuer, sub="mallory")
    with pytest.raises(RefusedError, match="not confirmed"):
        set_up(folder, anna(issuer, administrator="no"), "issuer", "administrator")
    with pytest.raises(click.Abort):
        set_up(folder, Somebody(), "administrator")
    named = Answers(administrator=MEMBER)
    with pytest.raises(RefusedError, match="not confirmed"):
        set_up(folder, None, "administrator", file=named)
    assert bindings(folder) == {}
    logs_in(issuer)
    set_up(folder, None, "administrator", file=named)
    assert [str(one) for one in bindings(folder)["administrators"].members] == [MEMBER]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "another"}, "audience"),
        ({"iss": "https://elsewhere.example"}, "another issuer"),
        ({"sub": "-nobody"}, "does not fit"),
        ({"exp": 2_000_000_000}, "expires more than a day from now"),
    ],
)
def test_an_issuer_whose_login_does_not_work_is_not_written_down(
    folder: Path, issuer: ScriptedIssuer, claims: dict[str, object], said: str
) -> None:
    logs_in(issuer, **claims)
    with pytest.raises(Error, match=said):
        set_up(folder, anna(issuer), "issuer")
    assert settings.load(folder).issuers == ()
    logs_in(issuer)
    again = anna(issuer)
    set_up(folder, again, "issuer")
    assert again.asked == ["issuer", "issuer_ca", "client_id"], "one of them may have been wrong"
    assert len(settings.load(folder).issuers) == 1


def test_an_address_that_is_no_issuer_is_asked_for_again(folder: Path, issuer: ScriptedIssuer, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes((folder / "ca.crt").read_bytes())
    person = anna(issuer)
    person.left["issuer"] = ["login.example.com", issuer.url]
    person.left["issuer_ca"].insert(0, str(tmp_path / "other.pem"))
    person.left["client_id"].insert(0, "two words")
    set_up(folder, person, "issuer")
    assert [person.asked.count(field) for field in ("issuer", "issuer_ca", "client_id")] == [2, 2, 2]


@pytest.mark.parametrize("field", ["issuer", "issuer_ca", "client_id", "administrator"])
def test_ctrl_c_at_a_question_makes_nobody_an_administrator(folder: Path, issuer: ScriptedIssuer, field: str) -> None:
    person = anna(issuer)
    del person.left[field]
    with pytest.raises(click.Abort):
        set_up(folder, person, "issuer", "administrator")
    assert (person.asked[-1], bindings(folder)) == (field, {})


def test_a_backup_opens_with_the_key_that_was_shown_and_that_is_kept_nowhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    person = Somebody(backup=["", "backups"])
    set_up(folder, person, "backup")
    assert f'backup = "{tmp_path}/backups"' in (folder / "init.toml").read_text()
    assert "no folder is named" in person.shown
    [identity] = re.findall(r"AGE-SECRET-KEY-1\w+", person.shown)
    assert not any(identity.encode() in content for content in written(tmp_path).values())
    (tmp_path / "key").write_text(f"{identity}\n")
    (tmp_path / "key").chmod(0o600)
    [backup] = (tmp_path / "backups").iterdir()
    assert asyncio.run(checked(str(backup), opened_by(tmp_path / "key"), None)).header is not None
    before = written(tmp_path)
    set_up(folder, Somebody(), "backup")
    assert written(tmp_path) == before


def test_no_key_of_backups_goes_into_a_log_where_nobody_reads_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="nobody is here to write the key"):
        set_up(folder, None, "backup", file=Answers(backup=str(tmp_path / "backups")))
    assert "AGE-SECRET-KEY" not in capsys.readouterr().out
    assert not (folder / "backup-recipient").exists()


def test_a_backup_that_was_stopped_anywhere_is_made_anew(folder: Path, tmp_path: Path) -> None:
    moment = 0
    while True:
        here = tmp_path / str(moment)
        shutil.copytree(folder, here / "m8")
        person = Somebody(backup=str(here / "backups"))
        try:
            with stopped_at(moment):
                set_up(here / "m8", person, "backup")
        except StoppedError:
            again = Somebody(backup=str(here / "backups"))
            set_up(here / "m8", again, "backup")
            done = moment % 2 and (here / "m8" / "backup-recipient").exists() and "AGE-SECRET" not in again.shown
            assert done or "AGE-SECRET-KEY-1" in again.shown
        else:
            break
        moment += 1
    assert moment >= 6


def test_all_steps_end_with_a_bundle_by_which_the_first_administrator_joins(
    issuer: ScriptedIssuer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, person = tmp_path / "m8", anna(issuer, name="m8.example.org", database="", certificate="")
    person.left["backup"] = [str(tmp_path / "backups")]
    set_up(folder, person)
    assert len(person.asked) == len(set(person.asked)) <= 10
    bundle = Bundle.parse((folder / "bundle.json").read_bytes())
    assert grouped(bundle.fingerprint) in person.shown
    assert (bundle.servers, bundle.login.issuer, bundle.stores) == (("m8.example.org:7443",), issuer.url, {})
    shown = capsys.readouterr().out
    assert "FAIL" not in shown
    assert "WARN" not in shown
    assert "Start m8" in person.shown
    before = {name: content for name, content in written(folder).items() if not name.startswith("log.db")}
    set_up(folder, Somebody())
    assert {name: written(folder)[name] for name in before} == before
    (folder / "tls.key").chmod(0o644)
    with pytest.raises(RefusedError, match="m8 doctor finds something wrong"):
        set_up(folder, Somebody(), "finish")
