"""One fault at each step of a rotation, while a program logs in with what stands at `db`: no login fails.

`make rotations` does this some hundred times, with every kind of fault.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.table import M8, MONOCTL
from tests.rotations import program
from tests.rotations.life import Life
from tests.rotations.plan import ACCOUNT, FAILPOINT, GENERATE, LOOK, PROVE, SWITCH, aimed
from tests.rotations.world import PG, VAULT, RotatingCluster
from tests.support.absent import need_tracing

FAULTS = {
    LOOK: (M8, "m8.after-append.SecretVerified=kill"),
    GENERATE: (VAULT, "reactor.after-write=kill"),
    ACCOUNT: (PG, "reactor.after-write=kill"),
    PROVE: (MONOCTL, "monoctl.before-send=stop@7"),  # the first four look, then come the new values and the account
    SWITCH: (M8, "m8.before-append.SecretCopied=kill@2"),
}

PAUSE_S = 0.4
"""Between two logins: ten a second would take more of the machine than all the rest."""


@pytest.mark.asyncio
async def test_no_login_fails_and_each_round_is_whole_whatever_breaks_at_whatever_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_tracing()
    monkeypatch.setattr(program, "PAUSE_S", PAUSE_S)
    with ThreadPoolExecutor(1) as thread:
        life = Life(RotatingCluster(tmp_path), thread)
        try:
            found = await life.begin()
            for target, point in FAULTS.values():
                found += await life.round([aimed("", FAILPOINT, target, lasts_s=0.1, detail=point)])
            found += await life.searched()
        finally:
            await life.close()
    assert found == []
    assert [step for _, step in life.faults] == list(FAULTS)
    assert life.counts["logins"] > len(FAULTS)
