"""What tests and demonstrations run beside themselves: ports, processes, programs of the system, and a verdict."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monoskope.errors import UnavailableError
from monoskope.testing.cluster.commands import execute
from monoskope.testing.engines import openssh
from monoskope.testing.parts import free_port, program
from monoskope.testing.search import FORMS, Result, Wanted
from tests.support import warm
from tests.support.absent import ABSENT

MANY = 50
"""More than a test uses, and fewer than a process has."""

ASKS = f"""
import sys
from monoskope.testing.parts import free_port
print(*(free_port() for _ in range({MANY})), flush=True)
sys.stdin.readline()
"""


def test_no_port_is_given_twice_while_its_server_has_not_begun_to_listen() -> None:
    given = [free_port() for _ in range(MANY)]
    assert len(set(given)) == MANY


def test_processes_that_run_at_once_are_given_ports_of_their_own() -> None:
    command = [sys.executable, "-c", ASKS]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    given = [port for process in running for port in _line(process).split()]
    for process in running:
        process.communicate("over\n")
    given += [str(free_port()) for _ in range(MANY)]
    assert len(set(given)) == 4 * MANY


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_port_that_something_listens_on_is_not_given() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert port not in {free_port() for _ in range(2 * MANY)}


def test_the_port_after_it_is_free_too_where_that_is_asked_for() -> None:
    port = free_port(with_next=True)
    with socket.create_server(("127.0.0.1", port + 1)):
        assert port not in {free_port(with_next=True) for _ in range(2 * MANY)}


ROOT = Path(__file__).resolve().parents[3]
TESTS = """
import pytest
from monoskope.testing.parts import needed

@pytest.fixture
def program():
    return needed("no-such-program", "some-package")

def test_with_a_fixture(program): pass
def test_by_itself(): needed("no-such-program", "some-package")
def test_of_root(): pytest.skip("only root may do this")
"""


def ended(folder: Path, **environment: str) -> tuple[int, str]:
    (folder / "test_it.py").write_text(TESTS)
    words = ["-p", "tests.support.absent", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder), "-rs"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(folder / "test_it.py")],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in {"CI", ABSENT}}
        | environment
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_elsewhere_they_are_skipped_with_how_to_get_it(tmp_path: Path) -> None:
    code, said = ended(tmp_path)
    assert code == 0, said
    assert "3 skipped" in said
    assert len(re.findall(r"no-such-program is not installed.*apt-get install some-package", said)) == 2


@pytest.mark.parametrize(
    ("absent", "ends"),
    [("", "2 failed, 1 error"), ("other some-package", "1 failed, 2 skipped"), ("package", "2 failed, 1 error")],
)
def test_in_ci_they_fail_but_for_packages_that_the_system_does_not_have(tmp_path: Path, absent: str, ends: str) -> None:
    code, said = ended(tmp_path, CI="true", **{ABSENT: absent})
    assert (code, ends in said) == (1, True), said


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
        done = warm.typed("m8", "init", "folder", "--dir", "m8", environment=PATH, folder=tmp_path / name)
        assert done.returncode == 0
    assert (tmp_path / "two" / "m8" / "m8.toml").exists()


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONMALLOC", "MONOSKOPE_EXECUTED"])
def test_a_start_that_counts_is_a_new_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    started = []
    monkeypatch.setattr(warm, "execute", lambda *given: started.append(given))
    warm.run([program("monoctl"), "version"], tmp_path, PATH | {name: "1"}, b"", 60)
    assert len(started) == 1


def test_without_the_security_key_it_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssh, "_MIDDLEWARES", (tmp_path / "none", tmp_path / "nowhere"))
    with pytest.raises(UnavailableError) as refused:
        openssh.middleware()
    assert "openssh-tests" in refused.value.fix


DEMO = str(Path(__file__).resolve().parents[3] / "demo")
VALUE, CONTROL = "your value", "control"
SEEN = {VALUE: dict.fromkeys(FORMS, 0), CONTROL: dict.fromkeys(FORMS, 1)}


def verdict(monkeypatch: pytest.MonkeyPatch, *results: Result) -> None:
    monkeypatch.syspath_prepend(DEMO)
    import hunt  # noqa: PLC0415 - found only while the test runs
    import narration  # noqa: PLC0415
    import story  # noqa: PLC0415

    for name in ("hunt", "narration", "story"):
        monkeypatch.delitem(sys.modules, name)
    cluster: Any = SimpleNamespace()
    demo = story.Demo(cluster, story.Value(b"a value", None), narration.Narrator())
    demo._wanted = [Wanted.of(VALUE, b"a value to find")]
    demo._judge(hunt.Hunt(list(results), []))


def test_memory_that_could_not_be_read_is_said_and_nothing_is_claimed_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unread = Result("memory of the m8 process", reason="the system does not allow it: Permission denied")
    verdict(monkeypatch, unread, Result("m8/log.db", 100, SEEN))
    out = " ".join(capsys.readouterr().out.split())
    assert "memory of the m8 process not searched: the system does not allow it" in out
    assert "Not searched: memory of the m8 process" in out
    assert "0 hits, in each of 1 places" in out


def test_a_find_ends_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {**SEEN, VALUE: {**SEEN[VALUE], "hex/upper": 1}}
    with pytest.raises(Exception, match="found 1 times"):
        verdict(monkeypatch, Result("m8/log.db", 100, found))


@pytest.mark.parametrize("form", FORMS)
def test_a_control_that_is_missed_in_one_form_ends_the_demo(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    missed = {**SEEN, CONTROL: {**SEEN[CONTROL], form: 0}}
    with pytest.raises(Exception, match=f"blind.*{form}"):
        verdict(monkeypatch, Result("m8/m8.log", 100, missed))
