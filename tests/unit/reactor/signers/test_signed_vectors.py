"""The published vectors of signed requests: a second verifier and OpenSSH decide alike."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.protocol import sshsig
from monoskope.protocol.identity import Namespace, statement
from monoskope.protocol.sshsig import Fault, FaultError
from monoskope.protocol.sshsig.keys import KINDS
from monoskope.protocol.sshsig.lists import parse_listed, parse_revoked
from monoskope.reactor.signers.decision import decide
from monoskope.testing.parts import needed
from tests.support.signed_requests import BY_NAME, GOOD, LISTS, VECTORS, Vector, blob_of, request_of, rules_of
from tools.signed_vectors.openssh import accepts

WITHOUT_VECTOR = {Fault.UNNEEDED, Fault.APPROVALS}
"""A grant that requires no signature, and too few approvals: no signature alone says so."""


def outcome(vector: Vector) -> dict[str, str]:
    """What we say of a vector."""
    try:
        signed = decide(
            rules_of(vector), request_of(vector), bytes.fromhex(vector["statement"]), blob_of(vector), now=vector["now"]
        )
    except FaultError as error:
        return {"fault": error.fault.value}
    return {"signer": signed.principal, "signer_key": signed.key.fingerprint}


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_a_signature_counts_or_has_the_one_fault_that_its_vector_names(vector: Vector) -> None:
    assert outcome(vector) == vector["expected"]


@pytest.mark.parametrize("vector", LISTS, ids=[f"{vector['list']}-{vector['name']}" for vector in LISTS])
def test_a_list_is_taken_whole_or_refused_whole(vector: Vector) -> None:
    def parse(text: str) -> object:
        if vector["list"] == "revoked":
            return parse_revoked(text)
        approves = vector["list"] == "allowed_approvers"
        return parse_listed(text, Namespace.APPROVAL if approves else Namespace.REQUEST)

    if vector["good"]:
        parse(vector["text"])
    else:
        with pytest.raises(UsageError, match=r"^line [0-9]+: "):
            parse(vector["text"])


def test_each_fault_has_a_vector() -> None:
    named = {Fault(vector["expected"]["fault"]) for vector in VECTORS if "fault" in vector["expected"]}
    assert named | WITHOUT_VECTOR == set(Fault)


def test_the_statement_of_each_vector_is_that_of_the_protocol() -> None:
    for vector in VECTORS:
        hashes = bytes.fromhex(vector["grant_sha256"]), bytes.fromhex(vector["sealed_sha256"])
        assert statement(*hashes).hex() == vector["statement"]
        assert vector["namespace"] == Namespace.REQUEST.value


def test_there_is_a_good_vector_of_each_kind_of_key_and_of_a_certificate_over_each() -> None:
    found = {
        (parsed.key.kind.name, parsed.signature.algorithm, parsed.certificate is not None)
        for parsed in (sshsig.parse(blob_of(vector), Namespace.REQUEST) for vector in GOOD)
    }
    expected = {
        (kind.name, algorithm, certified)
        for kind in KINDS.values()
        for algorithm in kind.algorithms
        for certified in (False, True)
    }
    assert found == expected


def test_a_good_signature_counts_for_its_own_statement_alone() -> None:
    for vector in GOOD:
        changed = bytes.fromhex(vector["statement"])[:-1] + b"\x00"
        assert outcome({**vector, "statement": changed.hex()}) == {"fault": "signature"}


TESTS = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """What it says of the vectors."""
    node, verifier = needed("node", "nodejs"), TESTS / "node" / "signed" / "verify.mjs"
    done = subprocess.run(
        [node, verifier, TESTS / "vectors-signed.json"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_who_has_the_page_alone_agrees_with_every_vector(said: dict[str, Any]) -> None:
    assert said["wrong"] == []


def test_whichever_rule_another_verifier_forgets_a_vector_notices(said: dict[str, Any]) -> None:
    assert said["unnoticed"] == []
    assert said["rules"] > 100


LAXITIES = {
    "an unknown critical option": "unknown-critical-option",
    "a critical option about logins": "force-command",
    "a certificate without an end": "open-validity",
    "a certificate of a year": "a-year",
    "a hardware key without touch": "ed25519-sk-without-touch",
    "an ECDSA hardware key without touch": "ecdsa-sk-without-touch",
    "two principals": "two-principals",
}


@pytest.fixture(autouse=True)
def _openssh() -> None:
    needed("ssh-keygen", "openssh-client")


def test_ssh_keygen_accepts_whatever_we_accept(tmp_path: Path) -> None:
    refused = [vector["name"] for vector in GOOD if not accepts(tmp_path, vector, vector["expected"]["signer"])]
    assert refused == []


@pytest.mark.parametrize("name", LAXITIES.values(), ids=[text.replace(" ", "-") for text in LAXITIES])
def test_what_ssh_keygen_lets_pass_is_refused_here(name: str, tmp_path: Path) -> None:
    vector = BY_NAME[name]
    assert accepts(tmp_path, vector, "anna@example.org")
    with pytest.raises(FaultError) as caught:
        decide(
            rules_of(vector), request_of(vector), bytes.fromhex(vector["statement"]), blob_of(vector), now=vector["now"]
        )
    assert caught.value.fault.value == vector["expected"]["fault"]
