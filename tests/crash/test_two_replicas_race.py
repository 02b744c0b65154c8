"""Two replicas serve one store, and several people put at the same place at once."""

from __future__ import annotations

import pytest

from tests.crash.breaking import Crash

PEOPLE = 6


@pytest.mark.parametrize("store", ["vault", "local"])
def test_of_those_who_want_to_be_first_one_is(crash: Crash, local: Crash, store: str) -> None:
    crash.reactor(folder=f"reactor-{store}-2")
    uri = crash.uri(store)
    puts = [crash.put("--expect", "absent", uri=uri, background=True) for _ in range(PEOPLE)]
    rans = crash.check_all(*puts)
    assert sorted(ran.code for ran in rans) == [0] + [6] * (PEOPLE - 1)
    assert len(crash.audit.history(uri)) == 1


@pytest.mark.parametrize("store", ["vault", "local"])
def test_each_who_overwrites_has_a_version_of_their_own_or_is_refused(crash: Crash, local: Crash, store: str) -> None:
    crash.reactor(folder=f"reactor-{store}-2")
    uri = crash.uri(store)
    puts = [crash.put("--overwrite", uri=uri, background=True) for _ in range(PEOPLE)]
    rans = crash.check_all(*puts)
    codes = [ran.code for ran in rans]
    assert set(codes) <= {0, 6}
    assert len(crash.audit.history(uri)) == codes.count(0) > 0
