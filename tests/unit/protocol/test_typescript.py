"""The TypeScript client's own tests, in one process of Node: every vector, and how a put ends when things break."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from monoskope.testing.parts import needed
from tests.support.typescript import bundle

TESTS = Path(__file__).resolve().parents[2]


def test_the_typescript_client_agrees_with_every_vector_and_claims_nothing_unproven(tmp_path: Path) -> None:
    node, script = needed("node", "nodejs"), bundle("test/all.test.ts", tmp_path)
    done = subprocess.run(
        [node, "--no-warnings", "--test-reporter=tap", script],
        env={"VECTORS": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    counted = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert counted is not None
    assert int(counted[1]) > 40
