"""The `[timings]` tables of both settings files: the protocol's figures, and no table that lets a write come late."""

from __future__ import annotations

import msgspec
import pytest

from monoskope.errors import UsageError
from monoskope.m8.service.server_limits import ServerLimits
from monoskope.m8.settings import File
from monoskope.reactor.timings import Timings
from monoskope.settings import convert


def test_the_defaults_are_the_protocols() -> None:
    assert File().timings.limits == ServerLimits()
    assert (ServerLimits().deadlines.requested_s, ServerLimits().deadlines.granted_grace_s) == (60, 60)
    assert (Timings().write_window, Timings().issuer_gone, Timings().settle) == (30, 10, 60)
    Timings().check(testing=False)


@pytest.mark.parametrize(
    "table", [{"requested": 0}, {"tick": -1}, {"heartbeat": 10}, {"silence": 11}, {"issuer_gone": 4}, {"requestd": 1}]
)
def test_m8_refuses_a_table_that_makes_no_sense(table: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(table))):
        convert({"timings": table}, File, where="m8.toml")


@pytest.mark.parametrize("change", [{"write_window": 60.0}, {"settle": 30.0}, {"write_window": 0.0}, {"tick": -1.0}])
def test_a_reactor_refuses_a_table_with_which_a_write_could_come_late(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"timings\."):
        msgspec.structs.replace(Timings(), **change).check(testing=True)
