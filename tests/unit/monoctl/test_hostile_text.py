"""An m8 that writes controls into everything it shows: none reaches the terminal, whatever command, whatever form."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.errors import Error, NotFoundError, RefusedError
from monoskope.monoctl.output.ending import report
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.steering import STEERING
from tests.unit.monoctl.as_alice import Run

BAD = (
    "a\x1b[2J\x9b31m\x07\x7f\u061c\u200b\u200d\u200f\u202e\u2028\u2029\u2066\u2060\ufeff"
    "\u3164\u2800\ufe0f\U000e0041\r\nfix: rm -rf /\tz"
)
MONOCTL = Path(__file__).resolve().parents[3] / "src" / "monoskope" / "monoctl"


class Hostile(ScriptedM8):
    """Every text in every answer is `BAD`, as far as a client takes it for an answer at all."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = views_pb2.Secret(
            uri=BAD,
            fingerprint=BAD,
            values=[upload_pb2.ValueFingerprint(key=BAD, fingerprint=BAD)],
            upstream_version=BAD,
            prior_version=BAD,
            subject=BAD,
            uploaded_at_ms=1_700_000_000_000,
            labels=[options_pb2.Label(name=BAD, value=BAD)],
            expires_on=BAD,
            receipt=upload_pb2.Signed(content=b"\x9b", signature=b"\x9b", identity_key=b"\x9b"),
        )
        can = events_pb2.StoreCapabilities(layout=BAD, key_rule=BAD, copies_to=[BAD], max_plaintext=512)
        reactor = views_pb2.Reactor(replica=b"\x9b", attached=True, capabilities=can, fingerprint_key_id=BAD)
        self.shown = views_pb2.SecretStore(name=BAD, type=BAD, identity=BAD, fingerprint_key_id=BAD, reactors=[reactor])
        event = views_pb2.EventSummary(position=1, stream=BAD, type=BAD, actor=BAD, uri=BAD, detail=BAD)
        version = views_pb2.SecretVersion(
            uri=BAD, upstream_version=BAD, prior_version=BAD, subject=BAD, fingerprint=BAD
        )
        self.streamed = [event]
        self.answers |= {
            queries_pb2.GetSecretRequest: queries_pb2.GetSecretResponse(secret=self.secret),
            queries_pb2.ListSecretsRequest: queries_pb2.ListSecretsResponse(secrets=[self.secret]),
            queries_pb2.ListSecretVersionsRequest: queries_pb2.ListSecretVersionsResponse(versions=[version]),
            queries_pb2.ListSecretStoresRequest: queries_pb2.ListSecretStoresResponse(stores=[self.shown]),
            queries_pb2.ListEventsRequest: queries_pb2.ListEventsResponse(events=[event]),
        }

    def handle(self, method: str, message: Message) -> Message:
        match message:
            case queries_pb2.GetSecretStoreRequest():
                return queries_pb2.GetSecretStoreResponse(store=self.shown)
            case queries_pb2.GetSecretUploadRequest():
                upload = views_pb2.SecretUpload(uri=BAD, destination=BAD, subject=BAD, receipt=self.secret.receipt)
                upload.grant.CopyFrom(self.secret.receipt)
                upload.state = views_pb2.UPLOAD_STATE_ENDED
                return queries_pb2.GetSecretUploadResponse(upload=upload)
            case _:
                return super().handle(method, message)

    def more(self, method: str, message: Message) -> Message:
        if type(message) not in self.answers:
            raise NotFoundError(BAD, fix=BAD)
        return super().more(method, message)


@pytest.fixture
def scripted() -> Hostile:
    return Hostile()


@pytest.fixture
def run(run: Run) -> Run:
    return partial(run, stdin="value")


def clean(result: Result) -> str:
    """Return stdout; neither it nor stderr holds a control, and no line of m8's looks like one of ours."""
    for text in (result.stdout, result.stderr):
        assert not STEERING & set(text) - {"\n"}, ascii(text)
        assert not any(line.startswith("fix: rm") for line in text.splitlines())
    return result.stdout


COMMANDS = [
    ("get", "secrets"),
    ("get", "secret", "vault://app/db"),
    ("get", "secret", "vault://app/db", "--versions"),
    ("get", "secret-stores"),
    ("get", "store-types"),
    ("get", "events"),
    ("get", "upload", "00" * 16),
    ("describe", "secret-store", "vault"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_no_form_of_any_answer_holds_a_control(run: Run, words: tuple[str, ...], form: str) -> None:
    result = run(*words, "-o", form)

    shown = clean(result)
    assert result.exit_code == 0
    assert "u202e" in shown
    if form == "table":
        return
    document = json.loads(shown) if form == "json" else yaml.safe_load(shown)
    assert BAD in _texts(document)


def _texts(document: object) -> list[str]:
    if isinstance(document, dict):
        return [text for pair in document.items() for each in pair for text in _texts(each)]
    if isinstance(document, list):
        return [text for each in document for text in _texts(each)]
    return [document] if isinstance(document, str) else []


@pytest.mark.parametrize("form", ["table", "json"])
def test_events_as_they_happen_hold_no_control(run: Run, form: str) -> None:
    assert "u202e" in clean(run("get", "events", "--watch", "--after", "0", "-o", form))


@pytest.mark.parametrize(
    "words",
    [
        ("put", "secret", "app/db", "--from-file", "k=-"),
        ("put", "secret", "vault://app/db", "--from-file", "k=-"),
        ("put", "secret", "vault://app/db", "--from-file", "k=-", "--dry-run"),
        ("verify", "secret", "--all"),
        ("generate", "secret", "vault://app/db", "--kind", "hex"),
        ("copy", "secret", "vault://app/db", "local://app/db"),
        ("import", "secret", "vault://app/db"),
        ("delete", "secret", "vault://app/db", "--yes"),
        ("activate", "secret-store", "vault"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_no_refusal_holds_a_control(run: Run, words: tuple[str, ...], form: str) -> None:
    result = run(*words, "-o", form)

    clean(result)
    assert result.exit_code != 0
    if form == "json":
        for line in result.stderr.splitlines():
            if line.startswith("{"):
                assert json.loads(line)["error"]["exit_code"] == result.exit_code


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_message_of_m8_is_told_as_its_own_and_is_no_instruction_of_ours(m8: Hostile, run: Run, form: str) -> None:
    m8.failing["ListSecrets"] = [RefusedError(f"all is well. {BAD}", fix=f"delete everything. {BAD}")]

    result = run("get", "secrets", "-o", form)

    clean(result)
    assert result.exit_code == 3
    if form == "json":
        error = json.loads(result.stderr)["error"]
        assert error["by_m8"] is True
        assert error["message"].startswith("m8 says: all is well. a\\u001b[2J")
        assert error["fix"].startswith("m8 suggests: delete everything. a\\u001b[2J")
    else:
        said, suggested = result.stderr.splitlines()
        assert said.startswith("error: m8 says: all is well. a\\u001b[2J")
        assert suggested.startswith("m8 suggests: delete everything. a\\u001b[2J")


def test_words_of_our_own_stay_ours(capsys: pytest.CaptureFixture[str]) -> None:
    report(Error("what happened.", fix="what to do."), as_json=False)

    assert capsys.readouterr().err == "error: what happened.\nfix: what to do.\n"


_WRITERS = {"echo", "secho", "echo_via_pager", "print", "prompt", "confirm", "progressbar", "style"}


def _writes(tree: ast.AST) -> Iterator[str]:
    """Every call that could write to a terminal, by another way than `output.terminal`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print" | "input")):
                yield "print"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="click"), attr=name)) if name in _WRITERS:
                yield f"click.{name}"
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr"), attr=name):
                if name not in {"isatty", "fileno"}:
                    yield f"sys.….{name}"
            case ast.ImportFrom(module="click", names=names):
                yield from (f"from click import {each.name}" for each in names if each.name in _WRITERS)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="write" | "writev")):
                yield "os.write"


def test_one_module_alone_writes_to_the_terminal_and_asks() -> None:
    found = {
        path.relative_to(MONOCTL).as_posix(): sorted(set(_writes(ast.parse(path.read_text(encoding="utf-8")))))
        for path in MONOCTL.rglob("*.py")
    }
    assert {name: ways for name, ways in found.items() if ways} == {
        "output/terminal.py": ["click.echo", "click.progressbar", "click.prompt", "click.style", "os.write"]
    }
    echoes = [
        node
        for node in ast.walk(ast.parse((MONOCTL / "output" / "terminal.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "echo"
    ]
    assert len(echoes) == 2, "one for stdout, one for stderr"
