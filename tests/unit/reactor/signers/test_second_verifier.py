"""A second verifier, made from docs/signatures.md with Node's crypto alone (tests/node/signed), beside the vectors."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from monoskope.testing.parts import needed

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
    assert said["rules"] > 70
