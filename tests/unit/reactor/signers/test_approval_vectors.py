"""Changes and approvals in the published vectors: which are read, which count, and that OpenSSH agrees."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from monoskope.protocol.change import executes, parse_change
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import parse_request
from monoskope.protocol.sshsig import FaultError
from monoskope.protocol.sshsig.lists import parse_listed, parse_revoked
from monoskope.protocol.wire import MalformedError
from monoskope.reactor.signers.decision import Rules, verified
from monoskope.testing.parts import needed
from tests.support.signed_requests import APPROVALS, CHANGES, EXECUTIONS, Vector
from tools.signed_vectors.openssh import accepts


def name_of(vector: Vector) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", CHANGES, ids=name_of)
def test_a_change_is_read_or_the_field_of_its_one_fault_is_named(vector: Vector) -> None:
    content, expected = bytes.fromhex(vector["content"]), vector["expected"]
    if "fault" in expected:
        with pytest.raises(MalformedError) as caught:
            parse_change(content)
        assert caught.value.field == expected["field"]
        return
    found, says = parse_change(content), expected["says"]
    assert found.sha256.hex() == expected["change_sha256"]
    assert (found.change_id.hex(), found.requester, found.not_after) == (
        says["change_id"],
        says["requester"],
        says["not_after"],
    )
    assert (str(found.request.uri), found.request.expect_version) == (says["uri"], says["expect_version"])
    assert [*found.keys, found.fingerprint, found.reason] == [*says["keys"], says["fingerprint"], says["reason"]]
    shown = "SHA256:" + base64.b64encode(bytes.fromhex(says["identity"])).decode().rstrip("=")
    assert found.identity == shown


def test_there_is_a_good_change_of_each_purpose_that_writes() -> None:
    good = [parse_change(bytes.fromhex(one["content"])) for one in CHANGES if "fault" not in one["expected"]]
    assert {one.request.purpose for one in good} == {purpose for purpose, rules in PURPOSES.items() if rules.writes}


@pytest.mark.parametrize("vector", EXECUTIONS, ids=name_of)
def test_a_request_executes_the_change_that_it_names_byte_for_byte(vector: Vector) -> None:
    request, change = (bytes.fromhex(vector[name]) for name in ("request", "change"))
    assert executes(parse_request(request), parse_change(change)) == vector["expected"]["executes"]


def outcome(vector: Vector) -> dict[str, str]:
    rules = Rules(
        parse_listed(vector["allowed_approvers"], Namespace.APPROVAL),
        None if vector["revoked"] is None else parse_revoked(vector["revoked"]),
        (),
        vector["max_certificate_hours"] * 3600,
    )
    statement, signature = bytes.fromhex(vector["statement"]), base64.b64decode(vector["signature"])
    try:
        found = verified(rules, Namespace.APPROVAL, statement, signature, now=vector["now"])
    except FaultError as error:
        return {"fault": error.fault.value}
    return {"principal": found.principal, "key": found.key.fingerprint}


@pytest.mark.parametrize("vector", APPROVALS, ids=name_of)
def test_an_approval_counts_or_has_the_one_fault_that_its_vector_names(vector: Vector) -> None:
    assert vector["namespace"] == Namespace.APPROVAL.value
    assert approval_statement(bytes.fromhex(vector["change_sha256"])).hex() == vector["statement"]
    assert outcome(vector) == vector["expected"]


def test_an_approval_counts_for_its_own_change_alone() -> None:
    for vector in APPROVALS:
        if "fault" not in vector["expected"]:
            assert outcome({**vector, "statement": vector["statement"][:-2] + "00"}) == {"fault": "signature"}


def test_ssh_keygen_accepts_whatever_we_accept(tmp_path: Path) -> None:
    needed("ssh-keygen", "openssh-client")
    good = [vector for vector in APPROVALS if "fault" not in vector["expected"]]
    assert len(good) >= 10
    assert [one["name"] for one in good if not accepts(tmp_path, one, one["expected"]["principal"])] == []
