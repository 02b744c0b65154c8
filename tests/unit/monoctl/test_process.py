"""monoctl as a process: what it loads, and what Ctrl-C leaves its user with."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from monoskope.api.gateway.v1 import log_pb2, queries_pb2, views_pb2
from monoskope.client.login.credential import KeptLogin, login_path
from monoskope.client.login.renewing import write
from monoskope.m8.http import tls
from monoskope.monoctl.main import cli
from monoskope.testing.scripted.client import token
from monoskope.testing.scripted.log import ScriptedLog
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.unit.monoctl.as_alice import environment


def start(m8: ScriptedM8, folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "monoskope.monoctl", *words],
        env=os.environ | environment(m8, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt(process: subprocess.Popen[str], when: threading.Event) -> str:
    """Interrupt the process once `when` is set; return its stderr."""
    try:
        assert when.wait(60)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def put(tmp_path: Path) -> Sequence[str]:
    """The words of a put."""
    (tmp_path / "value").write_text("correct horse battery staple")
    return ("put", "secret", "vault://app", "--from-file", f"k={tmp_path / 'value'}")


def ran(
    *words: str,
    python: Sequence[str] = ("-X", "importtime", "-m", "monoskope.monoctl"),
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which must be a good one."""
    return subprocess.run(
        [sys.executable, *python, *words],
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    """What a command imported; what comes before is the interpreter's own start."""
    began = done.stderr.index("monoskope.start")
    return {line.rpartition("|")[2].strip() for line in done.stderr[began:].splitlines() if "import time:" in line}


def test_ctrl_c_after_sending_says_how_to_ask_later(m8: ScriptedM8, tmp_path: Path, put: Sequence[str]) -> None:
    sent = threading.Event()

    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        sent.set()
        return views_pb2.SecretUpload(request_id=attempt.request.request_id, state=views_pb2.UPLOAD_STATE_WRITING)

    m8.end = end
    process = start(m8, tmp_path, *put)

    stderr = interrupt(process, sent)

    assert process.returncode == 9
    request_id = m8.attempts[0].request.request_id.hex()
    assert "may or may not be written" in stderr
    assert f"monoctl get upload {request_id}" in stderr
    assert "Traceback" not in stderr


def test_ctrl_c_before_sending_says_that_nothing_was_sent(m8: ScriptedM8, tmp_path: Path, put: Sequence[str]) -> None:
    asked = threading.Event()

    def no_key(_: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        asked.set()
        return queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_REQUESTED)

    m8.key_answer = no_key
    process = start(m8, tmp_path, *put, "-o", "json")

    stderr = interrupt(process, asked)

    assert process.returncode == 130
    assert json.loads(stderr)["error"]["code"] == "INTERRUPTED"
    assert m8.count("RequestUploadSecret") == 0


def test_a_foreign_certificate_is_told_in_our_words_alone(m8: ScriptedM8, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes(tls.make(["localhost"], now=dt.datetime.now(dt.UTC)).ca)

    process = start(m8, tmp_path, "whoami", "--ca-file", str(other))
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 5
    assert [line.partition(":")[0] for line in stderr.splitlines() if line] == ["error", "fix"]


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has after `code`."""
    return set(ran(python=("-c", f"{code}\nimport sys; print(' '.join(sys.modules))")).stdout.split())


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_put_needs_no_open_streams(m8: ScriptedM8, tmp_path: Path, put: Sequence[str], closed: str) -> None:
    done = _with_streams(m8, tmp_path, closed, *put)

    assert (done.returncode, done.stderr, len(m8.attempts)) == (0, "", 1)


def test_a_closed_stdin_holds_no_value(m8: ScriptedM8, tmp_path: Path) -> None:
    done = _with_streams(m8, tmp_path, "<&-", "put", "secret", "vault://app", "--from-file", "k=-")

    assert done.returncode == 2
    assert "stdin holds no value for 'k'" in done.stderr
    assert m8.calls == []


def _with_streams(m8: ScriptedM8, folder: Path, streams: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "monoskope.monoctl", *words],
        env=os.environ | environment(m8, folder),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_put_loads_no_more_than_it_needs() -> None:
    modules = loaded("import monoskope.monoctl.commands.put, monoskope.monoctl.main")

    assert {"click", "monoskope.client.walk.target"} <= modules
    for name in (
        "monoskope.client.walk.walk",
        "yaml",
        "tomli_w",
        "google.rpc",
        "joserfc",
        "dotenv",
        "click.shell_completion",
        "aiohttp",
        "pytest",
        "protovalidate",
    ):
        assert name not in modules
    for name in ("m8", "reactor", "stores", "testing"):
        assert f"monoskope.{name}" not in modules


def test_no_command_that_walks_loads_the_steps_before_it_waits() -> None:
    modules = loaded("import monoskope.monoctl.commands.put, monoskope.client.client")
    assert "monoskope.client.purposes" in modules
    assert not modules & {"monoskope.client.walk.walk", "monoskope.client.walk.trust"}


NOT_NEEDED = (
    "array",
    "asyncio",
    "bcrypt",
    "calendar",
    "concurrent",
    "dataclasses",
    "email",
    "fnmatch",
    "getpass",
    "gettext",
    "google.protobuf.descriptor_pb2",
    "google.protobuf.internal.python_message",
    "google.protobuf.text_format",
    "importlib.metadata",
    "inspect",
    "ipaddress",
    "logging",
    "monoskope.api.buf",
    "monoskope.client.stores",
    "monoskope.client.runtime.on_asyncio",
    "monoskope.client.walk.receipts",
    "monoskope.client.results.secrets",
    "monoskope.client.signing",
    "monoskope.protocol.sshsig",
    "msgspec.inspect",
    "msgspec.json",
    "ntpath",
    "platform",
    "random",
    "selectors",
    "shutil",
    "subprocess",
    "tempfile",
    "textwrap",
    "tomllib",
    "yaml",
)
"""What a put takes milliseconds to load and does not need."""


def test_a_put_loads_no_event_loop(m8: ScriptedM8, tmp_path: Path, put: Sequence[str]) -> None:
    done = ran(*put, env=environment(m8, tmp_path))
    assert "UPLOADED" in done.stdout
    loaded = imported(done)
    assert {"monoskope.client.runtime.blocking", "monoskope.client.seal", "httptools"} <= loaded
    assert of(loaded, NOT_NEEDED) == []


def test_a_put_with_a_login_loads_no_more_than_with_a_token(m8: ScriptedM8, tmp_path: Path, put: Sequence[str]) -> None:
    known = environment(m8, tmp_path)
    given, logged_in = (imported(ran(*put, env=environ)) for environ in (known, _logged_in(m8, known)))
    assert m8.count("ExchangeToken") == 0
    assert logged_in <= given


def _logged_in(m8: ScriptedM8, environ: dict[str, str]) -> dict[str, str]:
    """Keep a login in the place of the token file, with a token of m8 that lasts."""
    path = login_path(m8.server, environ)
    assert path is not None
    path.parent.mkdir(parents=True)
    ends_at = f"{time.time() + 900:.0f}"
    given = {"issuer": "https://login.example.org", "client_id": "monoctl", "audience": "monoctl"}
    kept = KeptLogin(server=m8.server, token=token("alice"), token_ends_at=ends_at, **given)
    write(path, kept)
    return {name: value for name, value in environ.items() if name != "MONOCTL_TOKEN_FILE"}


NOTING_WAITS = """
import sys, threading
from monoskope.client.runtime.blocking import BlockingRuntime
from monoskope.monoctl.main import main
prepares = BlockingRuntime.sent
def sent(runtime):
    if threading.current_thread() is not threading.main_thread():  # the look at m8's log
        return prepares(runtime)
    had = set(sys.modules)
    prepares(runtime)
    print("waited", *(set(sys.modules) - had), file=sys.stderr)
BlockingRuntime.sent = sent
main()
"""
"""Runs `monoctl` and writes, for each call, what was loaded while its answer was awaited."""


def test_a_put_loads_steps_and_sealing_while_it_waits(m8: ScriptedM8, tmp_path: Path, put: Sequence[str]) -> None:
    done = ran(*put, python=("-c", NOTING_WAITS), env=environment(m8, tmp_path))
    waits = [set(line.split()[1:]) for line in done.stderr.splitlines() if line.startswith("waited")]
    steps, sealing, after = waits
    assert {f"monoskope.client.{name}" for name in ("walk.walk", "walk.reasons", "seal", "walk.trust")} <= steps
    assert {"json", "monoskope.protocol.receipt"} <= steps
    assert "cryptography.hazmat.primitives.hpke" in sealing
    assert not after


def of(loaded: set[str], names: Sequence[str]) -> list[str]:
    """Return which of `names` are loaded, or something below them."""
    return [name for name in names if any(f"{one}.".startswith(f"{name}.") for one in loaded)]


class ShownAgain(ScriptedLog):
    """A log that does not grow: m8 signs nothing anew, and shows the same note."""

    def __init__(self) -> None:
        super().__init__()
        self._answer = super().answer(log_pb2.GetCheckpointRequest())

    def answer(self, request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        """Answer the same whenever it is asked."""
        del request
        return self._answer


ML_DSA = "cryptography.hazmat.primitives.asymmetric.mldsa"
NOT_FOR_A_LIST = (
    "click.shell_completion",
    "cryptography.hazmat.backends",
    "cryptography.hazmat.primitives.hpke",
    "json",
    "monoskope.api.eventsourcing",
    "monoskope.client.walk.trust",
    "monoskope.client.walk.walk",
)
"""What a list takes milliseconds to load and does not need, once it has seen the newest checkpoint."""


def test_a_list_loads_what_a_put_does_and_how_lists_look(tmp_path: Path) -> None:
    listing = ScriptedM8()
    listing.log = ShownAgain()
    listing.answers[queries_pb2.ListSecretsRequest] = queries_pb2.ListSecretsResponse(
        secrets=[views_pb2.Secret(uri="vault://app")]
    )
    with listing.serving_in_thread(tmp_path) as m8:
        environ = environment(m8, tmp_path)
        first, done = (ran("get", "secrets", env=environ) for _ in range(2))
    assert "vault://app" in done.stdout
    assert ML_DSA in imported(first)
    loaded = imported(done)
    assert "monoskope.monoctl.output.formats" in loaded
    needed = {"monoskope.client.walk.receipts", "monoskope.client.results.secrets"}
    assert of(loaded, [name for name in NOT_NEEDED if name not in needed]) == []
    assert of(loaded, [*NOT_FOR_A_LIST, ML_DSA]) == []


def test_a_command_loads_values_without_typing_extensions() -> None:
    code = "import click; from monoskope.monoctl.main import cli; cli.get_command(click.Context(cli), 'whoami')"
    modules = loaded(code)
    assert "msgspec" in modules
    assert "typing_extensions" not in modules


def test_the_help_says_of_each_command_what_the_command_says_of_itself() -> None:
    context = click.Context(cli)
    for name, summary in cli.summaries.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200) == summary
    assert set(cli.summaries) == set(cli.list_commands(context)) - set(cli.commands)


def test_several_at_once_take_the_event_loop(m8: ScriptedM8, tmp_path: Path, put: Sequence[str]) -> None:
    done = ran(*put, "vault://other", env=environment(m8, tmp_path))
    assert done.stdout.count("UPLOADED") == 2
    assert "monoskope.client.runtime.on_asyncio" in imported(done)


def test_the_first_help_needs_neither_a_connection_nor_completion() -> None:
    assert not loaded("import monoskope.monoctl.main") & {"dotenv", "monoskope.shell_completion"}


def test_the_first_help_loads_no_values_messages_or_reader_of_source_code() -> None:
    done = ran("--help")
    assert "Put secrets into stores." in done.stdout
    assert of(imported(done), ["google", "inspect", "msgspec", "ssl", "monoskope.client"]) == []
