"""The suite that every event log must pass, importable by the tests of engines that live elsewhere.

    class TestMyLog(EventLogContract):
        def new_log(self, folder: Path) -> LogOpener:
            return functools.partial(MyLog.open, folder / "log")  # picklable: other processes open it too
        def replace_record(self, folder, position, record, digest): ...  # behind the log's back
        def delete_record(self, folder, position): ...

    class TestImportsOfMyLog(Imports):  # the same hooks, and another log to import into
        def new_target(self, folder: Path, *, for_import: bool) -> LogOpener: ...

Needs the extra `testing`. The rules themselves stand in `monoskope.m8.log.event_log`.
"""

from __future__ import annotations

from monoskope.testing.log_writer import LogOpener, Task, some_time, start
from monoskope.testing.logs.appends import Appends
from monoskope.testing.logs.finding import Finding
from monoskope.testing.logs.following import Following
from monoskope.testing.logs.harness import BrokenProjectorError, LogHarness, ledger
from monoskope.testing.logs.imports import Imports
from monoskope.testing.logs.leases import Cursors, Leases
from monoskope.testing.logs.reads import Reads
from monoskope.testing.logs.tampering import Tampering
from monoskope.testing.logs.trees import Trees

__all__ = [
    "BrokenProjectorError",
    "EventLogContract",
    "Imports",
    "LogHarness",
    "LogOpener",
    "Task",
    "ledger",
    "some_time",
    "start",
]


class EventLogContract(Appends, Reads, Finding, Following, Leases, Cursors, Tampering, Trees):
    """Subclass it under a name that begins with `Test` and fill in the three hooks of `LogHarness`."""
