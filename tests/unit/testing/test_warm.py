"""Commands that tests run in copies of a loaded process end as those of new interpreters do."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.cluster.commands import execute
from monoskope.testing.parts import program
from tests.support import warm

PATH = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("monoctl", "version", "-o", "json"), b""),
        (("monoctl", "pt"), b""),
        (("monoctl", "put", "secret", "vault://a/b", "--from-file", "password=-"), b"x"),
        (("m8", "token", "list", "--dir", "nowhere"), b""),
        (("m8", "reactor", "identity", "nowhere"), b""),
    ],
)
def test_it_ends_as_in_a_new_interpreter(tmp_path: Path, words: tuple[str, ...], given: bytes) -> None:
    arguments = [program(words[0]), *words[1:]]
    environment = PATH | {"HOME": str(tmp_path)}
    copied = warm.run(arguments, tmp_path, environment, given, 60)
    new = execute(arguments, tmp_path, environment, given, 60)
    assert (copied.returncode, copied.stdout, copied.stderr) == (new.returncode, new.stdout, new.stderr)


def test_each_has_its_own_environment_and_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shown = warm.typed("monoctl", "config", "path", environment=PATH | {"HOME": str(tmp_path / name)})
        assert f"{tmp_path / name}/" in shown.stdout
        assert warm.typed("m8", "init", "--dir", "m8", environment=PATH, folder=tmp_path / name).returncode == 0
    assert (tmp_path / "two" / "m8" / "m8.toml").exists()


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONMALLOC", "MONOSKOPE_EXECUTED"])
def test_what_counts_at_a_start_gets_a_new_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    started = []
    monkeypatch.setattr(warm, "execute", lambda *given: started.append(given))
    warm.run([program("monoctl"), "version"], tmp_path, PATH | {name: "1"}, b"", 60)
    assert len(started) == 1
