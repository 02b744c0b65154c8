"""`monoctl get log`, `accept-log` and `forget-log`, and what a command says whose m8 shows another log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monoskope.protocol.tlog.log_key import LogKey
from monoskope.testing.scripted.log import ORIGIN, ScriptedLog, ScriptedWitness
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.unit.monoctl.as_alice import Alice, ends

NEW = "monoskope/fedcba9876543210"


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog(5)


@pytest.fixture
def scripted(log: ScriptedLog) -> ScriptedM8:
    scripted = ScriptedM8()
    scripted.log = log
    return scripted


@pytest.fixture
def alice(m8: ScriptedM8, tmp_path: Path) -> Alice:
    return Alice(m8, tmp_path)


def test_the_log_is_shown_and_its_note_can_be_given_to_somebody(alice: Alice, log: ScriptedLog) -> None:
    log.witnesses = [ScriptedWitness("witness.example/a")]
    assert alice.put().exit_code == 0
    log.grow(2)

    shown = alice("get", "log")
    document = json.loads(alice("get", "log", "-o", "json").stdout)
    note = alice("get", "log", "--note").stdout

    assert (shown.exit_code, ORIGIN in shown.stdout, "witness.example/a" in shown.stdout) == (0, True, True)
    assert (document["size"], document["quorum"], document["vkeys"]) == (7, 1, log.vkeys)
    assert note.splitlines()[:2] == [ORIGIN, "7"]
    assert note == document["note"] or note.splitlines()[2] == document["note"].splitlines()[2]


def test_a_fork_ends_the_next_put_with_18_and_both_notes_whole(alice: Alice, m8: ScriptedM8, log: ScriptedLog) -> None:
    assert "note: this is the first look at the log" in alice.put().stderr
    m8.log = fork = ScriptedLog(5, key=log.key, seed="fork")
    fork.at_s = 1_700_000_000

    put = alice.put()
    as_json = alice.put("-o", "json")

    assert (put.exit_code, put.stdout, as_json.exit_code) == (18, "", 18)
    assert "two different trees of 5 entries" in put.stderr
    assert fork.note(5).decode().splitlines()[2] in put.stderr
    error = json.loads(as_json.stderr)["error"]
    assert (error["code"], len(error["notes"]), error["notes"][1].splitlines()[:2]) == (
        "LOG_MISMATCH",
        2,
        [ORIGIN, "5"],
    )
    assert all(line in put.stderr for line in error["notes"][0].splitlines())
    assert put.stderr.count(f"— {ORIGIN} ") == 4  # two signatures each; the fork's are made anew for each command
    assert m8.count("RequestUploadSecret") == 1


def test_a_renewed_log_is_accepted_by_its_name(alice: Alice, m8: ScriptedM8) -> None:
    alice.put()
    m8.log = ScriptedLog(6, key=LogKey.make(NEW))
    assert alice.put().exit_code == 18

    asked = alice("accept-log")
    wrong = alice("accept-log", "--origin", "monoskope/0000000000000000")
    accepted = alice("accept-log", "--origin", NEW)

    assert (asked.exit_code, wrong.exit_code, accepted.exit_code) == (2, 18, 0)
    assert "Pinned is the log " + ORIGIN in accepted.stderr
    assert "m8 does not say that it was renewed" in accepted.stderr
    assert m8.log.vkeys[0] in accepted.stderr
    assert alice.put().exit_code == 0


def test_a_log_that_is_forgotten_is_pinned_anew(alice: Alice, m8: ScriptedM8) -> None:
    alice.put()
    m8.log = ScriptedLog(2)

    forgotten = ends(alice("forget-log"), 0)
    assert f"The log {ORIGIN}" in forgotten.stdout
    assert (alice.folder / "known_logs.old").exists()
    assert "first look" in alice.put().stderr
    assert alice("forget-log", "--server", "elsewhere.example.org:7443").exit_code == 4


def test_settings_pin_a_log_beforehand(alice: Alice, m8: ScriptedM8, log: ScriptedLog) -> None:
    witnesses = [ScriptedWitness("witness.example/a"), ScriptedWitness("witness.example/b")]
    log.witnesses = witnesses
    demand = {
        "MONOCTL_LOG_VKEYS": " ".join(log.vkeys),
        "MONOCTL_LOG_WITNESSES": " ".join(str(each.vkey) for each in witnesses),
        "MONOCTL_LOG_QUORUM": "2",
    }
    assert alice("get", "log", **demand).exit_code == 0
    log.witnesses = witnesses[:1]

    short = alice("get", "log", **demand)
    half = alice("get", "log", **demand | {"MONOCTL_LOG_QUORUM": ""})
    other = alice("get", "log", MONOCTL_LOG_VKEYS=" ".join(ScriptedLog(1).vkeys))

    assert (short.exit_code, half.exit_code, other.exit_code) == (18, 2, 18)
    assert "cosigned by 1 of its witnesses, not by 2" in short.stderr
    assert "given together" in half.stderr


def test_settings_of_the_log_are_checked_when_they_are_set(alice: Alice, log: ScriptedLog) -> None:
    good = alice("config", "set", "log_vkeys", " ".join(log.vkeys), "--config", str(alice.folder / "c.toml"))
    bad = alice("config", "set", "log_vkeys", log.vkeys[0], "--config", str(alice.folder / "c.toml"))
    number = alice("config", "set", "log_quorum", "two", "--config", str(alice.folder / "c.toml"))

    assert (good.exit_code, bad.exit_code, number.exit_code) == (0, 2, 2)
    assert "log_vkeys: the keys of a log must be two verifier keys" in bad.stderr
    assert log.vkeys[1] in (alice.folder / "c.toml").read_text()
