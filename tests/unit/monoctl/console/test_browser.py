"""Where the console listens, and how it opens a page: on loopback, by a file that its user alone can read."""

from __future__ import annotations

import os
import stat
import tempfile
from ipaddress import ip_address
from pathlib import Path

import pytest

from monoskope.monoctl.console.browser import USUAL, Folder, hosts


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
def test_a_runtime_folder_that_others_could_reach_is_not_used(
    runtime: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
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
