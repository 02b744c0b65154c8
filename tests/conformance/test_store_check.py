"""`m8 stores check` on a real OpenBao: what `m8 reactor policy` prints is all that it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

from monoskope.testing.engines.openbao import OpenBao
from tests.conformance.vault_harness import PREFIX, Kv1Harness, VaultHarness
from tests.support import warm

M8 = Path(sys.executable).parent / "m8"


@pytest.mark.parametrize("harness_of", [VaultHarness, pytest.param(Kv1Harness, marks=pytest.mark.soak)])
def test_a_set_up_engine_keeps_every_promise(openbao: OpenBao, tmp_path: Path, harness_of: type[VaultHarness]) -> None:
    harness = harness_of(openbao, tmp_path, readable=True)
    engine = {
        "type": harness.driver.kind,
        "address": openbao.address,
        "ca_file": str(openbao.ca_file),
        "mount": harness.mount,
        "prefix": PREFIX,
        "readable": True,
        "deletable": True,
        "binary": harness.binary,
        "auth": {"method": "token", "token_file": harness.private(openbao.token([harness.role]))},
    }
    table = {"server": "localhost:1", "ca_file": "x", "store": "vault", "prefixes": ["app"], "engine": engine}
    (tmp_path / "reactor.toml").write_text(tomli_w.dumps(table))
    harness.grant(warm.typed("m8", "reactor", "policy", tmp_path).stdout)
    command: list[str | Path] = [M8, "stores", "check", "--config", tmp_path / "reactor.toml"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken, 1 not checked." in done.stdout
