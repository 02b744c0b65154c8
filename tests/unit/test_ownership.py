"""Whose a folder, its settings and its keys are: m8 and a reactor serve from none that another user can change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monoskope.errors import RefusedError
from monoskope.host_port import HostPort
from monoskope.m8 import bootstrap
from monoskope.m8.cli.main import program
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.issuers.discovery import Discovery
from monoskope.reactor.run import run
from tests.support import warm
from tests.support.exchanging import an_issuer
from tests.support.programs import ENVIRONMENT

Give = Callable[[Path], None]
ANOTHER = 4_242


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Let a file or a folder be another user's."""
    given: set[tuple[int, int]] = set()

    def seen(real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def stat(*words: object, **more: object) -> os.stat_result:
            found = real(*words, **more)
            fields = list(found)
            fields[4] = ANOTHER if (found.st_dev, found.st_ino) in given else found.st_uid
            return os.stat_result(fields)

        return stat

    def hand_over(path: Path) -> None:
        found = path.stat()
        given.add((found.st_dev, found.st_ino))

    for name in ("stat", "fstat", "lstat"):
        monkeypatch.setattr(os, name, seen(getattr(os, name)))
    return hand_over


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out(Plan(folder=tmp_path / "m8", listen=HostPort("127.0.0.1", 0))).folder


async def nothing(*_: object, **__: object) -> None:
    """Serve nobody."""


def serve(folder: Path) -> Exception | None:
    found = CliRunner().invoke(program, ["serve", "--dir", str(folder)], standalone_mode=False).exception
    return found if isinstance(found, Exception) else None


@pytest.mark.parametrize("name", ["", "m8.toml", "token-signing.key", "log.key", "tls.key", "ca.key"])
def test_m8_does_not_serve_from_what_another_user_owns(
    folder: Path, give: Give, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(bootstrap, "serve", nothing)
    assert serve(folder) is None
    give(folder / name)
    assert isinstance(refused := serve(folder), RefusedError)
    assert refused.message.startswith(f"{folder / name} belongs to another user")


@pytest.mark.parametrize(("name", "mode"), [("", 0o720), ("", 0o702), ("m8.toml", 0o620), ("m8.toml", 0o602)])
def test_m8_does_not_serve_from_what_others_can_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: int
) -> None:
    monkeypatch.setattr(bootstrap, "serve", nothing)
    monkeypatch.setattr("monoskope.ownership._is_private", lambda *_: False)
    (folder / name).chmod(mode)
    if name:
        folder.chmod(0o755)
    assert isinstance(refused := serve(folder), RefusedError)
    assert f"{folder / name} has mode {mode:04o}: others than its owner can write" in refused.message


def test_m8_takes_settings_that_a_container_mounts_read_only(
    folder: Path, give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "serve", nothing)
    monkeypatch.setattr("monoskope.ownership._is_read_only", lambda path: path.name == "m8.toml")
    give(folder / "m8.toml")
    assert serve(folder) is None


@pytest.mark.parametrize("field", ["jwks_file", "ca_file"])
async def test_m8_believes_no_issuer_by_a_file_that_another_user_owns(tmp_path: Path, give: Give, field: str) -> None:
    """Who writes keys of their own into it could be every member of the issuer."""
    file = tmp_path / "file"
    file.write_bytes(b"{}")
    files: dict[str, Any] = {field: file}
    found = Discovery(replace(an_issuer(), **files))
    give(file)
    with pytest.raises(RefusedError, match="belongs to another user"):
        found.check()
    with pytest.raises(RefusedError, match="belongs to another user"):
        await found.read()


def test_m8_init_makes_nothing_in_another_users_folder(tmp_path: Path, give: Give) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o777)
    before = folder.stat().st_mode
    give(folder)
    with pytest.raises(RefusedError, match="belongs to another user"):
        lay_out(Plan(folder=folder, listen=HostPort("127.0.0.1", 0)))
    assert (list(folder.iterdir()), folder.stat().st_mode) == ([], before)


@pytest.mark.parametrize("name", ["", "reactor.toml", "identity.key", "fingerprint.key"])
async def test_a_reactor_does_not_run_from_what_another_user_owns(tmp_path: Path, give: Give, name: str) -> None:
    folder = tmp_path / "reactor"
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    words = (
        "--store",
        "local",
        "--type",
        "age",
        "--server",
        "localhost:1",
        "--ca-file",
        "ca.crt",
        "--prefix",
        "team-a",
    )
    for arguments in (("init", str(folder), *words), ("fingerprint-key", "new", str(folder))):
        done = warm.typed("m8", "reactor", *arguments, environment=ENVIRONMENT, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    give(folder / name)
    with pytest.raises(RefusedError, match="belongs to another user") as caught:
        async with asyncio.timeout(60):
            await run(folder)
    assert caught.value.message.startswith(str(folder / name) if name else f"{folder} ")
