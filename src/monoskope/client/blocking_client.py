"""The client of a program that does one thing at a time, such as most commands of `monoctl`."""

from __future__ import annotations

from monoskope.client.blocking import BlockingRuntime
from monoskope.client.client import Client
from monoskope.client.runtime import Runtime


class BlockingClient(Client):
    """A `Client` whose methods never suspend: `monoskope.client.blocking.run` runs them, without an event loop.

    Each call blocks its thread until its answer is there, and several secrets of one call are done one after the other.
    """

    def _waits_with(self) -> Runtime:
        return BlockingRuntime()
