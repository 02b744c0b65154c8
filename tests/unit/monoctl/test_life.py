"""`monoctl generate`, `import`, `verify` and `copy secret` against a real server: what is printed, and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.monoctl.commands.engines import PUBLIC as PUBLIC_TEXTS
from monoskope.testing.scripted.m8 import FINGERPRINT, PUBLIC, VERIFIED, VERSION, ScriptedM8
from tests.unit.monoctl.as_alice import Run, ends

URI = "vault://app/db"


def listed(asked: queries_pb2.ListSecretsRequest) -> queries_pb2.ListSecretsResponse:
    uris = ("vault://app/a", "vault://app/b") if asked.prefix == "vault://app" else ()
    return queries_pb2.ListSecretsResponse(secrets=[views_pb2.Secret(uri=uri) for uri in uris])


@pytest.fixture
def scripted() -> ScriptedM8:
    """It lists two secrets, and shows no receipt of either."""
    m8 = ScriptedM8()
    m8.answers[queries_pb2.ListSecretsRequest] = listed
    m8.answers[queries_pb2.GetSecretRequest] = lambda asked: queries_pb2.GetSecretResponse(
        secret=views_pb2.Secret(uri=asked.uri)
    )
    return m8


def drifted(m8: ScriptedM8, outcome: upload_pb2.Outcome) -> None:
    fields: dict[str, Any] = {"upstream_version": "8@x"} if outcome == upload_pb2.OUTCOME_DRIFTED else {}
    m8.end = lambda attempt: m8.ended(attempt, attempt.receipt(outcome, verified_sha256=VERIFIED, **fields))


def test_an_import_prints_the_hash(run: Run) -> None:
    result = ends(run("import", "secret", URI), 0)
    assert result.stdout.splitlines()[-1].split() == [URI, "IMPORTED", VERSION, FINGERPRINT]
    assert json.loads(run("import", "secret", URI, "-o", "json").stdout)["values"] == {"password": FINGERPRINT}


def test_in_sync_is_0_and_anything_else_12(run: Run, m8: ScriptedM8) -> None:
    result = ends(run("verify", "secret", URI), 0)
    assert "IN_SYNC" in result.stdout
    for outcome in (upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE):
        drifted(m8, outcome)
        result = ends(run("verify", "secret", URI, "-o", "json"), 12)
        assert json.loads(result.stdout)["outcome"] == upload_pb2.Outcome.Name(outcome).removeprefix("OUTCOME_")


@pytest.mark.parametrize("prefix", ["vault://app", "app"])
def test_all_are_those_below_the_prefixes(run: Run, m8: ScriptedM8, prefix: str) -> None:
    rows = json.loads(run("verify", "secret", "--all", prefix, "-o", "json").stdout)
    assert ([row["uri"] for row in rows], len(m8.attempts)) == (["vault://app/a", "vault://app/b"], 2)
    in_default = json.loads(run("verify", "secret", "--all", "app", "-o", "json").stdout)
    assert [row["uri"] for row in in_default] == ["vault://app/a", "vault://app/b"]
    result = run("verify", "secret", "--all")
    assert (result.exit_code, "No secrets found." in result.output) == (0, True)


def test_an_error_counts_more_than_drift(run: Run, m8: ScriptedM8) -> None:
    reason = upload_pb2.REASON_CANNOT_READ
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    assert run("verify", "secret", URI).exit_code == 3


def test_a_generation_prints_public_halves_and_writes_them(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "public.pem"
    result = ends(run("generate", "secret", URI, "--kind", "ed25519", "--out-public", str(file)), 0)
    assert f"private-key:\n{PUBLIC}" in result.stdout
    assert file.read_text() == PUBLIC
    document = json.loads(run("generate", "secret", URI, "a=rsa:2048", "b=hex", "-o", "json").stdout)
    assert (document["public_values"], list(document["values"])) == ({"a": PUBLIC}, ["a", "b"])


def test_keys_have_names_of_their_own_unless_they_are_given(run: Run, m8: ScriptedM8) -> None:
    for words, keys in (
        (("--kind", "password"), ["password"]),
        (("--kind", "hex"), ["token"]),
        (("--kind", "hex", "--size", "16", "--key", "b", "--key", "a"), ["a", "b"]),
        (("c=rsa", "--kind", "hex", "--key", "a"), ["a", "c"]),
    ):
        assert run("generate", "secret", URI, *words).exit_code == 0
        assert [recipe.key for recipe in m8.attempts[-1].request.recipes] == keys


def test_what_is_put_together_is_said_to_be_public_before_it_is_sent(run: Run, m8: ScriptedM8) -> None:
    template = "text:db://{user}:{password|url}@db"
    result = ends(run("generate", "secret", URI, "user=fixed:a=b", "password=password", f"url={template}"), 0)
    assert result.stderr.startswith(f"note: {PUBLIC_TEXTS}\n")
    texts = {recipe.key: recipe.text for recipe in m8.attempts[-1].request.recipes}
    assert texts == {"user": "a=b", "password": "", "url": template.removeprefix("text:")}
    assert PUBLIC_TEXTS not in run("generate", "secret", URI, "--kind", "password").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a=text:{a}",), "refers to itself"),
        (("a=hex", "b=text:{a}", "c=text:{b}"), "another template"),
        (("a=hex", "b=text:{hunter2}"), "can refer to: a."),
        (("a=hex", "b=text:{a|hunter2}"), "url, json"),
        (("a=text:hunter2",), "`fixed`"),
        (("a=hex", "b=text:{a}{hunter2"), "brace"),
        ((f"a=fixed:{'hunter2' * 18}hun",), "1 to 128"),
        (("a=fixed:",), "1 to 128"),
        (("--kind", "fixed"), "--kind"),
        ((), "what to make"),
        (("hunter2",), "what to make"),
        (("password=hunter2",), ""),
        (("password=hunter2:9",), ""),
        (("a=dsa",), "an unknown kind"),
        (("--kind", "hex", "--size", "4"), "size"),
        (("--key", "a"), "--kind"),
        (("--size", "32"), "--kind"),
        (("a=hex", "a=rsa"), "twice"),
        (("a=hex", "--kind", "hex", "--key", "a"), "twice"),
        (("--kind", "hex", "--expect", "absent", "--overwrite"), "exclude"),
        (("--kind", "ed25519", "--out-public", "no/such/folder.pem"), "folder"),
    ],
)
def test_what_cannot_be_made_is_said_before_anything_is_sent_and_not_repeated(
    run: Run, m8: ScriptedM8, words: tuple[str, ...], said: str
) -> None:
    result = run("generate", "secret", URI, *words)
    assert (result.exit_code, m8.attempts) == (2, [])
    assert said in result.stderr
    assert "hunter2" not in result.output


def test_a_file_that_cannot_be_written_after_all_is_said_with_the_public_half_shown(run: Run) -> None:
    result = ends(run("generate", "secret", URI, "--kind", "ed25519", "--out-public", "/dev/full"), 2)
    assert PUBLIC in result.stdout
    assert "cannot be written" in result.stderr
