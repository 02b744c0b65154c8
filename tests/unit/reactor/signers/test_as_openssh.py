"""OpenSSH's own verification beside ours: whatever ours accepts, it accepts; what it lets pass, ours refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.protocol.sshsig import FaultError
from monoskope.reactor.signers.decision import decide
from monoskope.testing.parts import needed
from tests.support.signed_vectors import BY_NAME, GOOD, blob_of, request_of, rules_of
from tools.signed_vectors.openssh import accepts

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
