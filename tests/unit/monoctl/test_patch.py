"""`monoctl patch secret` against a real server: what is sent, what is printed, and the exit code."""

from __future__ import annotations

import json

import pytest
from click.testing import Result

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.monoctl.output import terminal
from monoskope.testing.scripted.client import was_received
from monoskope.testing.scripted.m8 import FINGERPRINT, LAYOUT, VERSION, ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Run


def patch(run: Run, *words: str, value: str = VALUE) -> Result:
    return run("patch", "secret", *words, "--from-file", "password=-", stdin=value)


def test_a_patch_prints_what_the_receipt_proves(m8: ScriptedM8, run: Run) -> None:
    result = patch(run, "app/db", "--remove", "old", "--remove", "a", "-o", "json")

    assert result.exit_code == 0
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
    result = run("patch", "secret", "app/db", "--remove", "old")

    assert result.exit_code == 0
    assert m8.attempts[0].sealed == [b""]


def test_a_key_named_beside_a_removal_is_asked_for(m8: ScriptedM8, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "interactive", lambda: True)

    result = run("patch", "secret", "app/db", "password", "--remove", "old", stdin=f"{VALUE}\n")

    assert result.exit_code == 0
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
    result = patch(run, "app/db", *words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert m8.calls == []


def test_a_store_that_cannot_patch_is_asked_for_no_key(m8: ScriptedM8, run: Run) -> None:
    m8.stores["vault"].reactors[0].capabilities.CopyFrom(events_pb2.StoreCapabilities(max_plaintext=131_072))

    for words in ((), ("--dry-run",)):
        result = patch(run, "app/db", *words)

        assert result.exit_code == 3
        assert "cannot change some keys" in result.stderr
    assert m8.count("RequestSecretUploadKey") == 0
