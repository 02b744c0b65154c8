"""`monoctl verify proof` for an auditor: who approved what on which version, or who broke the glass and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.monoctl.main import cli
from monoskope.protocol.approvers import counted_alone
from monoskope.protocol.identity import Namespace
from tests.support.executed import ANNA, BEN, EVA, Executed
from tests.support.proofs import KEY, STORE, logged, proof
from tests.support.signed_requests import lines_of
from tests.support.vectors import a_grant, a_request

ON_VERSION: dict[str, Any] = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": "1@x"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that knows nothing: an auditor's."""
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name, who in (("ours", (BEN, EVA)), ("theirs", (EVA,))):
        (tmp_path / name).write_text("\n".join([*lines_of(who, Namespace.APPROVAL), "# end", ""]))
    return tmp_path


def verify(folder: Path, done: Executed, *words: str) -> Result:
    """Run the command on the proof of `done`."""
    evidence = proof(done.grant, done.receipt()).evidence
    evidence.request_signature, evidence.change = done.signature, done.change.content
    evidence.approvals.extend(done.approvals)
    counted_alone(evidence)
    file = folder / "put.tlog-proof"
    file.write_bytes(bytes(logged(evidence).file))
    keys = [word for key in KEY.vkeys for word in ("--log-vkey", str(key))]
    return CliRunner().invoke(
        cli, ["verify", "proof", str(file), *keys, "--store-identity", f"vault={STORE.shown}", *words]
    )


def test_it_says_who_approved_what_on_which_version_by_whose_list(folder: Path) -> None:
    lists = [word for name in ("ours", "theirs") for word in ("--approvers", str(folder / name))]
    said = verify(folder, Executed(STORE, EVA, BEN), *lists)
    assert said.exit_code == 0, said.output
    lines = {line.partition(":")[0]: line.partition(":")[2].strip() for line in said.stdout.splitlines()}
    assert (lines["Expected"], lines["Why"]) == ("version 1@x", "quarterly")
    assert lines["Approved by 1"] == f"{BEN.name} {BEN.key}, listed in {folder / 'ours'}"
    assert lines["Approved by 2"] == f"{EVA.name} {EVA.key}, listed in {folder / 'ours'}, {folder / 'theirs'}"
    assert "is the store's word" not in said.stderr
    assert "glass" not in said.output.lower()


def test_without_a_list_it_says_whose_word_the_names_are(folder: Path) -> None:
    said = verify(folder, Executed(STORE, BEN))
    assert said.exit_code == 0
    assert "that the keys are theirs is the store's word" in " ".join(said.stderr.split())


def test_an_approver_on_no_list_ends_it_as_a_proof_that_does_not_hold(folder: Path) -> None:
    said = verify(folder, Executed(STORE, BEN), "--approvers", str(folder / "theirs"))
    assert said.exit_code == 18
    assert BEN.key in "".join(said.stderr.split())


def alone(folder: Path, *words: str, **fields: Any) -> Result:
    """Run the command on a put of anna's that nobody approved, where the store asks for an approval."""
    done = Executed(STORE)
    done.grant = a_grant(a_request(**ON_VERSION, **fields), signature_required=True, approvals=1)
    done.signature = ANNA.signs(done.grant, b"s" * 32)
    return verify(folder, done, *words)


def test_a_broken_glass_is_the_first_thing_that_is_said(folder: Path) -> None:
    said = alone(folder, break_glass="the site is down")
    assert said.exit_code == 0, said.output
    assert said.stdout.splitlines()[0].split(maxsplit=2) == ["GLASS", "BROKEN:", "the site is down"]
    told = " ".join(said.stderr.split())
    assert f"warning: the glass was broken: {ANNA.name} did this alone" in told
    document = json.loads(alone(folder, "-o", "json", break_glass="the site is down").stdout)
    assert (document["break_glass"], document["approvers"]) == ("the site is down", [])


def test_where_nobody_else_approved_it_says_so(folder: Path) -> None:
    told = " ".join(alone(folder).stderr.split())
    assert "Nobody else approved it: the store asks for up to 1 approval there, and none of this signer." in told
