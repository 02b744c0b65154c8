"""Units as systemd reads them, and what a service does not see of what is named at its set-up."""

from __future__ import annotations

import shlex
from pathlib import Path
from unittest import mock

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monoskope import systemd
from monoskope.errors import UsageError
from monoskope.m8 import settings
from tests.unit.m8_cli.setting_up import Somebody, set_up, written
from tests.unit.reactor.commands import init, typed

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=12)


def line(text: str, key: str) -> list[str]:
    """The words of a line, as systemd.syntax(7) has quotes and systemd.unit(5) `%`."""
    [found] = [line.removeprefix(f"{key}=") for line in text.splitlines() if line.startswith(f"{key}=")]
    assert "%" not in found.replace("%%", ""), "a specifier stands for something else"
    return shlex.split(found.replace("%%", "%"))


def arguments(text: str) -> list[str]:
    """The command of a unit as it is started: `$$` is a `$`, but in the program's own path."""
    program, *rest = line(text, "ExecStart")
    assert all("$" not in word.replace("$$", "") for word in rest), "a variable stands for something else"
    return [program, *(word.replace("$$", "$") for word in rest)]


@given(name=NAMES)
@example(name='a b%i"$HOME\\')
@example(name="it's; -")
@example(name="two\nlines")
def test_a_path_stands_in_a_unit_as_it_is_or_is_refused_with_the_rule(name: str) -> None:
    folder = Path("/srv") / name
    command: list[str | Path] = ["/bin/sh", "-c", 'exec "$0" "$1"', folder]
    if not name.isprintable():
        with pytest.raises(UsageError, match="a character that does not show"):
            systemd.service("x", ["/bin/true"], writable=[folder], own="")
        return
    text = systemd.service("x", [folder, *command], writable=[folder, f"-{folder}"], own="")
    assert arguments(text) == [str(folder), *map(str, command)]
    assert line(text, "ReadWritePaths") == [str(folder), f"-{folder}"]


def test_a_backup_into_a_folder_with_a_space_and_a_sign_is_started_right(tmp_path: Path) -> None:
    folder, backups = tmp_path / "m 8", tmp_path / "50 % off"
    person = Somebody(name="m8.example.org", backup=["a\nb", str(backups)])
    set_up(folder, person, "folder", "database", "backup", "units", database="")
    assert "a character that does not show" in person.shown
    text = (folder / "units" / "m8-backup.service").read_text(encoding="utf-8")
    assert arguments(text)[-3:] == [str(systemd.program("m8")), str(backups), str(folder)]
    assert line(text, "ReadWritePaths") == [str(folder), str(backups)]
    assert f"cp '{folder}/units'/* /etc/systemd/system/" in person.shown


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody's home: no service sees it."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def without_homes(*homes: Path) -> mock._patch[tuple[Path, ...]]:
    return mock.patch("monoskope.systemd._HOMES", homes)


def test_what_a_service_does_not_see_is_copied_or_refused_at_its_question(tmp_path: Path, home: Path) -> None:
    folder, ca = tmp_path / "m8", home / "ca.pem"
    ca.write_text("a certificate")
    for name in ("fullchain.pem", "privkey.pem"):
        (home / name).touch()
    (tmp_path / "linked.pem").symlink_to(home / "fullchain.pem")
    person = Somebody(
        name="m8.example.org",
        certificate=[str(home / "fullchain.pem"), str(tmp_path / "linked.pem"), ""],
        backup=[str(home / "backups")],
    )
    with without_homes(home):
        set_up(folder, person, "folder", "tls")
        assert person.shown.count("a copy made now would not be renewed") == 2
        with pytest.raises(click.Abort):  # nobody answers again
            set_up(folder, person, "backup")
        assert "such as /srv/m8-backups" in person.shown
        setup_said: list[str] = []
        copy = systemd.copied(ca, folder, "database-ca.pem", setup_said.append)
        assert systemd.copied(tmp_path / "ca.pem", folder, "x.pem", setup_said.append) == tmp_path / "ca.pem"
    assert copy.read_text() == "a certificate"
    assert setup_said == [f"{ca} is copied to {folder}/database-ca.pem: a service sees neither homes nor /tmp."]
    assert settings.load(folder).tls_certificate == folder / "tls.crt"
    assert "x.pem" not in written(folder)


def test_a_reactor_gets_a_unit_but_for_one_in_a_home(tmp_path: Path, home: Path) -> None:
    reactor, trial = tmp_path / "reactor", home / "reactor"
    (home / "ca.crt").write_text("a certificate")
    words = ("--store", "local", "--server", "m8:1", "--type", "age")
    with without_homes(home, tmp_path / "other"):
        tried = typed("init", trial, *words, "--ca-file", tmp_path / "other" / "ca.crt")
        assert f"m8 reactor run {trial}\n" in tried.stderr
        assert not (trial / "units").exists()
        assert not (trial / "m8-ca.pem").exists()
        made = typed("init", reactor, *words, "--ca-file", home / "ca.crt", "--set", f"folder={tmp_path}/secrets")
    assert f"    cp {reactor}/units/* /etc/systemd/system/\n" in made.stderr
    assert "    systemctl enable --now monoskope-reactor@local.service\n" in made.stderr
    assert f"is copied to {reactor}/m8-ca.pem" in made.stderr
    assert f'ca_file = "{reactor}/m8-ca.pem"' in (reactor / "reactor.toml").read_text()
    assert (reactor / "m8-ca.pem").read_text() == "a certificate"
    text = (reactor / "units" / "monoskope-reactor@local.service").read_text(encoding="utf-8")
    assert arguments(text)[1:] == ["reactor", "run", str(reactor)]
    assert line(text, "ReadWritePaths") == [str(reactor), f"-{tmp_path}/secrets"]


def test_a_reactor_s_unit_lets_it_bind_its_port_of_operations_alone(tmp_path: Path) -> None:
    folder = tmp_path / "reactor"
    init(tmp_path / "trial", "--allow-swap")
    assert not (tmp_path / "trial" / "units").exists(), "it is only to try things out"
    init(folder)
    unit = folder / "units" / "monoskope-reactor@local.service"
    assert "SocketBindDeny=any\n" in unit.read_text()
    assert "SocketBindAllow" not in unit.read_text()
    file = folder / "reactor.toml"
    file.write_text(f'operations_listen = "127.0.0.1:7445"\n{file.read_text()}')
    done = typed("unit", folder)
    assert f"cp {folder}/units/* /etc/systemd/system/" in done.stdout
    assert "SocketBindDeny=any\n" in unit.read_text()
    assert "SocketBindAllow=tcp:7445\n" in unit.read_text()


def test_a_program_or_a_python_in_a_home_is_told_of() -> None:
    for prefix, base, said in (
        ("/opt/pipx/venvs/monoskope", "/usr", ""),
        ("/home/anna/.local/pipx/venvs/monoskope", "/usr", "lies in /home/anna/.local/pipx/venvs/monoskope: "),
        ("/opt/pipx/venvs/monoskope", "/root/python", "lies in /root/python: "),
    ):
        with mock.patch.multiple("monoskope.systemd.sys", prefix=prefix, base_prefix=base):
            assert said in systemd.misplaced()
            assert bool(said) is ("PIPX_HOME=/opt/pipx" in systemd.misplaced())
