"""An env file of many keys: too many for one secret, or one secret for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monoskope.client.purposes import Expect
from monoskope.errors import UnauthenticatedError, UsageError
from monoskope.monoctl.input.put_each import planned
from monoskope.testing.scripted.client import was_received
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Run

KEYS = [f"KEY_{number}" for number in range(200)]


@pytest.fixture
def many(tmp_path: Path) -> str:
    """The path of an env file of 200 keys."""
    (tmp_path / "many.env").write_text("".join(f"{key}='{VALUE} {key}'\n" for key in KEYS))
    return str(tmp_path / "many.env")


def test_200_keys_are_too_many_for_one_secret_and_the_fix_names_each(m8: ScriptedM8, run: Run, many: str) -> None:
    result = run("put", "secret", "vault://app/db", "--from-env-file", many)

    assert result.exit_code == 2
    assert "a secret has 1 to 64 keys, this one 200" in result.stderr
    assert "--each" in result.stderr
    assert m8.calls == []


def test_64_keys_fit_into_one_secret(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    (tmp_path / "app.env").write_text("".join(f"{key}={VALUE}\n" for key in KEYS[:64]))

    assert run("put", "secret", "vault://app/db", "--from-env-file", str(tmp_path / "app.env")).exit_code == 0
    assert len(m8.attempts) == 1


def test_200_keys_become_200_secrets(m8: ScriptedM8, run: Run, many: str) -> None:
    result = run("put", "secret", "vault://app/", "--from-env-file", many, "--each", "-o", "json")

    assert result.exit_code == 0
    assert [one["uri"] for one in json.loads(result.stdout)] == [f"vault://app/{key}" for key in KEYS]
    assert [str(attempt.request.uri) for attempt in m8.attempts] == [f"vault://app/{key}" for key in KEYS]
    assert not was_received(m8, VALUE.encode())


def test_a_dry_run_shows_which_and_sends_nothing(m8: ScriptedM8, run: Run, many: str) -> None:
    words = ("put", "secret", "app/", "--from-env-file", many, "--each", "--dry-run")
    shown = json.loads(run(*words, "-o", "json").stdout)

    assert [one["uri"] for one in shown] == [f"vault://app/{key}" for key in KEYS]
    assert shown[7]["sizes"] == {"value": len(f"{VALUE} {KEYS[7]}")}
    assert run(*words).stdout.count("will lie in its engine") == 1
    assert m8.count("RequestSecretUploadKey") == 0


def test_keys_that_are_no_segments_are_all_named_before_anything_is_sent(
    m8: ScriptedM8, run: Run, tmp_path: Path
) -> None:
    long = "L" * 129
    (tmp_path / "app.env").write_text(f"GOOD={VALUE}\n.hidden={VALUE}\n-dash={VALUE}\n{long}={VALUE}\nlower={VALUE}\n")

    result = run("put", "secret", "vault://app/", "--from-env-file", str(tmp_path / "app.env"), "--each")

    assert result.exit_code == 2
    for key in (".hidden", "-dash", long):
        assert key in result.stderr
    assert "GOOD" not in result.stderr
    assert m8.calls == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("vault://app",), "a prefix that ends in '/'"),
        (("vault://app/", "vault://other/"), "takes one URI"),
        (("vault://app/", "--expect", "7"), "--expect VERSION exclude each other"),
        (("vault://../",), "'..'"),
    ],
)
def test_what_does_not_go_with_each_is_refused(
    m8: ScriptedM8, run: Run, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "app.env").write_text("A=1\n")
    result = run("put", "secret", *words, "--each", "--from-env-file", str(tmp_path / "app.env"))

    assert result.exit_code == 2
    assert said in result.stderr
    assert m8.calls == []


def test_a_value_that_is_too_large_stops_all(m8: ScriptedM8, run: Run) -> None:
    values = {"a": b"1", "b": bytes(800_000)}
    with pytest.raises(UsageError, match="at most 1048576"):
        planned(["app/"], values, each=True, expect=Expect.ANY)


def test_what_holds_for_all_is_met_once_and_each_secret_has_its_row(m8: ScriptedM8, run: Run, many: str) -> None:
    m8.failing["RequestSecretUploadKey"] = [UnauthenticatedError("the credential is expired.", fix="Ask.")]

    result = run("put", "secret", "vault://app/", "--from-env-file", many, "--each", "-o", "json")

    assert result.exit_code == 10
    rows = [(one["uri"], one["outcome"]) for one in json.loads(result.stdout)]
    assert rows == [(f"vault://app/{key}", "NOT_TRIED" if key != KEYS[0] else "FAILED") for key in KEYS]
    assert result.stderr.count("the credential is expired") == 1
    assert m8.count("RequestSecretUploadKey") == 1
