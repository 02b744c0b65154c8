"""`monoctl put`, `patch` and `compare`, through the real command line, to a scripted m8 over TLS."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.client.runtime import blocking
from monoskope.errors import NotFoundError, RefusedError
from monoskope.monoctl.output import terminal
from monoskope.protocol.identity import grouped
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import token, was_received
from monoskope.testing.scripted.m8 import FINGERPRINT, LAYOUT, VERSION, Attempt, ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Run, ends


def put(run: Run, *words: str, value: str = VALUE) -> Result:
    return run("put", "secret", *words, "--from-file", "password=-", stdin=value)


def test_a_put_shows_outcome_version_and_hash(m8: ScriptedM8, run: Run) -> None:
    result = ends(put(run, "vault://app/db"), 0)
    assert result.stderr == ""
    header, row = result.stdout.splitlines()
    assert header.split() == ["URI", "OUTCOME", "VERSION", "HASH"]
    assert row.split() == ["vault://app/db", "UPLOADED", VERSION, FINGERPRINT]
    assert not was_received(m8, VALUE.encode())


@pytest.mark.parametrize(
    ("piped", "words", "what"),
    [
        ("", ("-",), "stdin"),
        ("", ("-", "--trim-newline"), "stdin"),
        ("\n", ("-", "--trim-newline"), "stdin"),
        ("", ("/dev/null",), "the file"),
    ],
)
def test_an_empty_value_is_no_value(m8: ScriptedM8, run: Run, piped: str, words: tuple[str, ...], what: str) -> None:
    """In a pipeline the variable was not set, or the program before the pipe failed."""
    source, *more = words
    result = run("put", "secret", "vault://app/db", "--from-file", f"password={source}", *more, stdin=piped)
    ends(result, 2, f"{what} holds no value for 'password'", "say --allow-empty")
    assert m8.calls == []


@pytest.mark.parametrize("source", ["/dev/null", "-"])
def test_an_empty_value_is_put_by_those_who_say_so(m8: ScriptedM8, run: Run, source: str) -> None:
    words = ("put", "secret", "vault://app/db", "--from-file", f"password={source}", "--allow-empty")
    assert run(*words, stdin="").exit_code == 0
    assert len(m8.attempts) == 1


def test_json_and_yaml_say_the_same(m8: ScriptedM8, run: Run) -> None:
    as_json = json.loads(put(run, "vault://app/db", "-o", "json").stdout)
    as_yaml = yaml.safe_load(put(run, "vault://app/db", "-o", "yaml").stdout)

    assert as_json.pop("request_id") == m8.attempts[0].request.request_id.hex()
    assert as_yaml.pop("request_id") == m8.attempts[1].request.request_id.hex()
    assert as_json == as_yaml
    assert as_json == {
        "uri": "vault://app/db",
        "outcome": "UPLOADED",
        "hash": FINGERPRINT,
        "values": {"password": FINGERPRINT},
        "upstream_version": VERSION,
    }


def test_what_nobody_proves_is_unknown_and_says_how_to_ask(m8: ScriptedM8, run: Run) -> None:
    m8.end = m8.ended

    ends(put(run, "vault://app/db"), 9, f"monoctl get upload {m8.attempts[0].request.request_id.hex()}")


def test_time_that_runs_out_before_anything_was_sent(m8: ScriptedM8, run: Run) -> None:
    m8.key_answer = lambda attempt: type(m8.honest_key(attempt))(state=views_pb2.UPLOAD_STATE_REQUESTED)

    ends(put(run, "vault://app/db", "--timeout", "0.3"), 8, "nothing was sent")


def test_a_changed_identity_is_refused_and_both_are_shown(m8: ScriptedM8, run: Run) -> None:
    other = Identity()
    m8.stores["vault"].identity = other.shown

    result = put(run, "vault://app/db", "-o", "json")

    error = json.loads(result.stderr)["error"]
    assert result.exit_code == error["exit_code"] == 5
    assert other.shown in error["message"]
    assert m8.identity.shown in error["message"]


def test_a_server_that_does_not_answer(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    m8.failing["RequestSecretUploadKey"] = [RefusedError("not yours.", fix="Ask.")]
    assert put(run, "vault://app/db").exit_code == 3

    result = put(run, "vault://app/db", *elsewhere(tmp_path), "--retry-for", "0")
    ends(result, 7, "127.0.0.1:1")
    assert "waiting" not in result.stderr


def elsewhere(folder: Path) -> tuple[str, ...]:
    """Where nobody listens."""
    return ("--server", "127.0.0.1:1", "--token-file", str(folder / "token"))


class QuickTime:
    """A clock that jumps over pauses. After `cut_s` seconds of them somebody presses Ctrl-C."""

    def __init__(self, cut_s: float) -> None:
        self.paused_s, self._cut_s = 0.0, cut_s

    def monotonic(self) -> float:
        return time.monotonic() + self.paused_s

    def sleep(self, seconds: float) -> None:
        self.paused_s += seconds
        if self.paused_s > self._cut_s:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("cut_s", "code", "says"), [(1e9, 7, "m8 does not answer"), (10.0, 130, "nothing was sent")])
@pytest.mark.usefixtures("m8")
def test_what_is_awaited_is_said_once_and_ctrl_c_ends_it(  # noqa: PLR0917 - fixtures
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_s: float, code: int, says: str
) -> None:
    monkeypatch.setattr(blocking, "time", QuickTime(cut_s))
    result = ends(put(run, "vault://app/db", *elsewhere(tmp_path)), code, says)
    assert result.stderr.count("note: waiting for m8 at 127.0.0.1:1 to come back, up to 30 s …") == 1


def test_a_dry_run_shows_sizes_and_sends_nothing(m8: ScriptedM8, run: Run) -> None:
    result = ends(put(run, "app/db", "--dry-run", "--expect", "absent", "-o", "json"), 0)
    assert json.loads(result.stdout) == {
        "uri": "vault://app/db",
        "purpose": "UPLOAD",
        "expect": "ABSENT",
        "size_class": 512,
        "sizes": {"password": len(VALUE)},
        "identity": m8.identity.shown,
        "pinned": m8.identity.shown,
        "layout": LAYOUT,
    }
    assert m8.count("RequestSecretUploadKey") == 0


def test_a_dry_run_says_how_the_secret_will_lie_in_each_engine(m8: ScriptedM8, run: Run) -> None:
    m8.stores["vault"].reactors[0].capabilities.layout = "One entry,\x1b[2J a key for a key."
    table = put(run, "vault://app/db", "--dry-run").stdout
    assert "nothing, or put through m8" in table
    assert "vault://app/db will lie in its engine like this: One entry,\\u001b[2J a key for a key." in table
    m8.stores["vault"].reactors[0].capabilities.layout = ""
    assert "like this" not in put(run, "vault://app/db", "--dry-run").stdout


@pytest.mark.parametrize(
    ("verb", "words", "kind", "version"),
    [
        ("put", [], upload_pb2.EXPECT_ANY, ""),
        ("put", ["--expect", "absent"], upload_pb2.EXPECT_ABSENT, ""),
        ("put", ["--expect", VERSION], upload_pb2.EXPECT_VERSION, VERSION),
        ("put", ["--overwrite"], upload_pb2.EXPECT_OVERWRITE, ""),
        ("patch", [], upload_pb2.EXPECT_ANY, ""),
        ("patch", ["--expect", VERSION], upload_pb2.EXPECT_VERSION, VERSION),
        ("patch", ["--overwrite"], upload_pb2.EXPECT_OVERWRITE, ""),
    ],
)
def test_what_is_expected_upstream_and_the_engines_option_are_in_the_request(  # noqa: PLR0917 - fixtures and one case
    m8: ScriptedM8, run: Run, verb: str, words: list[str], kind: upload_pb2.Expect, version: str
) -> None:
    source = ("--from-file", "password=-", "--binary", "base64")
    assert run(verb, "secret", "vault://app/db", *source, *words, stdin=VALUE).exit_code == 0
    request = m8.attempts[0].request
    assert (request.expect, request.expect_version) == (kind, version)
    assert request.options == options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64)


def test_tags_become_options_of_aws_and_labels_those_of_kubernetes(m8: ScriptedM8, run: Run) -> None:
    """In the order of their names, which the protocol demands. A store of another kind is not told of them."""
    result = put(run, "vault://app/db", "--aws-tag", "owner=a=b", "--aws-tag", "cost=")
    assert (result.exit_code, "not for a store of type 'vault'" in result.stderr) == (2, True)
    m8.stores["vault"].type = "aws-ssm"
    assert put(run, "vault://app/db", "--aws-tag", "owner=a=b", "--aws-tag", "cost=").exit_code == 0
    tags = [options_pb2.Label(name="cost"), options_pb2.Label(name="owner", value="a=b")]
    assert m8.attempts[-1].request.options == options_pb2.AwsOptions(tags=tags)
    m8.stores["vault"].type = "kubernetes"
    words = ("--kubernetes-type", "kubernetes.io/tls", "--kubernetes-label", "app=db")
    assert put(run, "vault://app/db", *words).exit_code == 0
    label = options_pb2.Label(name="app", value="db")
    wanted = options_pb2.KubernetesOptions(type="kubernetes.io/tls", labels=[label])
    assert m8.attempts[-1].request.options == wanted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--aws-tag", "owner"], "NAME=VALUE"),
        (["--aws-tag", "=x"], "NAME=VALUE"),
        (["--kubernetes-label", "a=1", "--kubernetes-label", "a=2"], "twice"),
        (["--binary", "base64", "--aws-tag", "a=b"], "for stores of one type"),
        (["--overwrite", "--expect", "absent"], "exclude each other"),
        (
            ["--expect", "two words"],
            "the expected version is not valid: 1 to 256 printable ASCII characters without spaces.",
        ),
    ],
)
def test_options_that_cannot_be_meant_are_refused(m8: ScriptedM8, run: Run, words: list[str], said: str) -> None:
    result = put(run, "vault://app/db", *words)
    assert (result.exit_code, m8.count("RequestSecretUploadKey")) == (2, 0)
    assert said in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["password=s3cretvalue"],
        ["--from-literal", "password=s3cretvalue"],
        ["--from-literal=password=s3cretvalue"],
        ["--value", "s3cretvalue"],
        ["--password=s3cretvalue"],
        ["--from-file", "s3cretvalue"],
        ["--from-file", "password=s3cretvalue"],
        ["s3cretvalue!"],
    ],
)
def test_a_value_in_argv_is_refused_and_not_repeated(m8: ScriptedM8, run: Run, words: list[str]) -> None:
    result = ends(run("put", "secret", "app/db", *words), 2)
    assert "s3cretvalue" not in result.output
    assert m8.calls == []
    if words[0] == "password=s3cretvalue":
        assert all(word in result.stderr for word in ("history", "process list", "--from-file"))


def test_a_terminal_asks_at_first_contact(
    m8: ScriptedM8, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "known_stores").unlink()
    (tmp_path / "value").write_text(VALUE)
    monkeypatch.setattr(terminal, "interactive", lambda: True)
    words = ["put", "secret", "app/db", "--from-file", f"password={tmp_path / 'value'}"]

    refused = run(*words, stdin="y\nn\n")
    agreed = run(*words, stdin="y\n")

    assert refused.exit_code == 20
    assert grouped(m8.identity.shown) in refused.stderr
    assert agreed.exit_code == 0
    assert (tmp_path / "known_stores").read_text() == (
        f"{m8.server} @default vault\n{m8.server} vault {m8.identity.shown}\n"
    )


def test_all_sources_come_together(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(b"\x00\xff")
    (tmp_path / "app.env").write_text("USER=alice\n")
    sources = ["--from-file", f"tls.key={tmp_path / 'key.pem'}", "--from-env-file", str(tmp_path / "app.env")]

    result = run(
        "put", "secret", "app/db", "--dry-run", "-o", "json", *sources, "--from-json", "-", stdin='{"token":"abc"}'
    )

    assert json.loads(result.stdout)["sizes"] == {"USER": 5, "tls.key": 2, "token": 3}


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (["--from-file", "a=-", "--from-json", "-"], "stdin is named twice"),
        (["--from-file", "a=/dev/null", "--from-file", "a=/dev/null", "--allow-empty"], "'a' is given twice"),
        (["--from-json", "-", "--allow-empty"], "--allow-empty is for --from-file"),
        (["--from-env-file", "/nowhere/app.env"], "No such file"),
        (["--from-env-file", "/"], "Is a directory"),
    ],
)
def test_sources_that_contradict_each_other_are_refused(run: Run, sources: list[str], said: str) -> None:
    ends(run("put", "secret", "app/db", *sources, stdin="{}"), 2, said)


def test_compare_says_equal_or_different(m8: ScriptedM8, run: Run) -> None:
    words = ("compare", "secret", "vault://app/db", "--from-file", "password=-")
    assert run(*words, stdin=VALUE).exit_code == 0

    def different(attempt: Attempt) -> views_pb2.SecretUpload:
        changed = [("password", upload_pb2.DIFFERENCE_KIND_CHANGED)]
        return m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_DIFFERENT, differences=changed))

    m8.end = different
    result = ends(run(*words, stdin=VALUE), 12)
    assert "password CHANGED" in result.stdout


def test_compare_that_fails_is_not_different(m8: ScriptedM8, run: Run) -> None:
    m8.failing["RequestSecretUploadKey"] = [NotFoundError("no such secret.", fix="")]

    result = ends(run("compare", "secret", "vault://app/db", "--from-file", "password=-", stdin=VALUE), 4)
    assert result.stderr == "error: m8 says: no such secret.\n"


def test_what_is_given_in_the_environment_needs_no_file(
    m8: ScriptedM8, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a job on a read-only file system without a home."""
    for name in ("CA_FILE", "TOKEN_FILE", "KNOWN_STORES"):
        monkeypatch.delenv(f"MONOCTL_{name}")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/none")
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")
    monkeypatch.setenv("MONOCTL_CA", m8.ca_file.read_text())
    monkeypatch.setenv("MONOCTL_TOKEN", token("alice"))
    monkeypatch.setenv("MONOCTL_STORE_IDENTITY", f"vault={m8.identity.shown}")

    result = ends(run("put", "secret", "vault://app/db", "--from-file", "password=-", stdin=VALUE), 0)
    assert "UPLOADED" in result.stdout
    assert result.stderr.count("for this run alone") == 1
    assert token("alice") not in result.output


def patch(run: Run, *words: str, value: str = VALUE) -> Result:
    return run("patch", "secret", *words, "--from-file", "password=-", stdin=value)


def test_a_patch_prints_what_the_receipt_proves(m8: ScriptedM8, run: Run) -> None:
    result = ends(patch(run, "app/db", "--remove", "old", "--remove", "a", "-o", "json"), 0)
    assert json.loads(result.stdout) == {
        "uri": "vault://app/db",
        "outcome": "UPLOADED",
        "hash": FINGERPRINT,
        "values": {"password": FINGERPRINT},
        "upstream_version": VERSION,
        "request_id": m8.attempts[0].request.request_id.hex(),
    }
    request = m8.attempts[0].request
    assert (request.purpose, request.remove_keys) == (upload_pb2.PURPOSE_PATCH, ("a", "old"))
    assert not was_received(m8, VALUE.encode())


def test_what_is_only_removed_is_asked_for_no_value(m8: ScriptedM8, run: Run) -> None:
    ends(run("patch", "secret", "app/db", "--remove", "old"), 0)
    assert m8.attempts[0].sealed == [b""]


def test_a_key_named_beside_a_removal_is_asked_for(m8: ScriptedM8, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "interactive", lambda: True)

    ends(run("patch", "secret", "app/db", "password", "--remove", "old", stdin=f"{VALUE}\n"), 0)
    assert m8.attempts[0].sealed != [b""]


def test_a_dry_run_shows_sizes_and_removals_and_sends_nothing(m8: ScriptedM8, run: Run) -> None:
    result = patch(run, "app/db", "--dry-run", "--expect", VERSION, "--remove", "old", "-o", "json")

    assert json.loads(result.stdout) == {
        "uri": "vault://app/db",
        "purpose": "PATCH",
        "expect": f"VERSION {VERSION}",
        "size_class": 512,
        "sizes": {"password": len(VALUE)},
        "removes": ["old"],
        "identity": m8.identity.shown,
        "pinned": m8.identity.shown,
        "layout": LAYOUT,
    }
    table = run("patch", "secret", "app/db", "--dry-run", "--remove", "old")
    assert "REMOVES" in table.stdout
    assert "no key was requested" in table.stderr
    assert m8.count("RequestSecretUploadKey") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--expect", "absent"], "something must be there"),
        (["--expect", VERSION, "--overwrite"], "exclude each other"),
        (["--remove", "password"], "set and removed"),
        (["--remove", "a/b"], "KEY 1 is not a valid key"),
        (["--remove", f"old={VALUE}"], "value on the command line"),
        ([f"password={VALUE}"], "value on the command line"),
    ],
)
def test_an_invalid_patch_is_refused_before_any_call(m8: ScriptedM8, run: Run, words: list[str], said: str) -> None:
    ends(patch(run, "app/db", *words), 2, said)
    assert m8.calls == []


def test_a_store_that_cannot_patch_is_asked_for_no_key(m8: ScriptedM8, run: Run) -> None:
    m8.stores["vault"].reactors[0].capabilities.CopyFrom(events_pb2.StoreCapabilities(max_plaintext=131_072))

    for words in ((), ("--dry-run",)):
        ends(patch(run, "app/db", *words), 3, "cannot change some keys")
    assert m8.count("RequestSecretUploadKey") == 0
