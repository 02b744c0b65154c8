"""A log line that cannot be written is lost; the call that it is about is not."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest
import structlog

from monoskope.m8 import logs as m8_logs
from monoskope.reactor import logs as reactor_logs


class Full(io.StringIO):
    """A file on a disk that is full."""

    asked = 0

    def write(self, text: str) -> int:
        self.asked += 1
        raise OSError(errno.ENOSPC, "full")


def to_m8(stream: TextIO) -> None:
    m8_logs.configure(stream=stream)


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("set_up", [to_m8, reactor_logs.set_up])
def test_a_full_disk_breaks_nothing_but_the_line(set_up: Callable[[TextIO], None]) -> None:
    full = Full()
    set_up(full)
    structlog.get_logger().info("call")
    structlog.get_logger().info("another call")
    assert full.asked >= 2
