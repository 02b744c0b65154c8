"""A reactor that would announce more than m8 takes says so when it starts, not in a loop of refused logins."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from monoskope.errors import UsageError
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from tests.support.reactor_world import FAST, SEED, K, MemoryStore, settings


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ('{"description": "' + "x" * 8_192 + '"}', "the options schema has 8,211 bytes; at most 8,192 are allowed."),
        ('{"items": {"pattern": "(a+)+b"}}', "the options schema has the keyword pattern;"),
        ('{"$ref": "#"}', "the options schema has the keyword $ref;"),
    ],
)
def test_a_reactor_whose_driver_announces_too_much_does_not_start(tmp_path: Path, schema: str, said: str) -> None:
    with contextlib.closing(AuditFile(tmp_path / "audit.jsonl")) as audit:
        driver = MemoryStore(options_schema=schema)
        identity = Identity(SEED, store="memory")
        with pytest.raises(UsageError) as caught:
            Reactor(settings(tmp_path), driver, identity, FingerprintKey(K), audit, timings=FAST)
    assert caught.value.message.startswith("m8 would not let this reactor in: ")
    assert said in caught.value.message
    assert "driver" in caught.value.fix
