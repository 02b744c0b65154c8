"""A reactor whose own machine fails it says so, and blames nobody else."""

from __future__ import annotations

import errno
import io
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monoskope import operating_log
from monoskope.reactor.guarded_driver import GuardedDriver
from monoskope.reactor.health import NO_AUDIT, NO_DESCRIPTORS, Health, Resources
from monoskope.reactor.memory import Garbage
from monoskope.reactor.report.audit_log import AuditEntry, AuditFile
from monoskope.stores.driver import StoreUnavailableError
from tests.support.reactor_world import FAST, URI, MemoryStore, World
from tests.support.signed_requests import Person, signers

ENTRY = AuditEntry("r", "memory://a", "alice", "UPLOAD", "GRANTED")


@contextmanager
def without_descriptors() -> Iterator[None]:
    """No file can be opened meanwhile."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Audit:
    """An audit log that fails as a test says."""

    error: OSError | None = None

    def failure(self) -> OSError | None:
        return self.error


def test_each_trouble_is_logged_once_with_its_error_and_what_to_do() -> None:
    stream, audit = io.StringIO(), Audit()
    operating_log.set_up(stream)
    resources = Resources(audit)
    assert resources.trouble() is None
    audit.error = OSError(errno.EDQUOT, "quota")
    for _ in range(3):
        found = resources.trouble()
        assert found is not None
        assert (found.kind, found.told) == ("audit", NO_AUDIT)
    audit.error = None
    for _ in range(2):
        assert resources.trouble() is None
    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in said] == ["reactor cannot work", "reactor can work again"]
    assert "EDQUOT" in said[0]["message"]
    assert "reactor-cannot-work.md" in said[0]["fix"]


def test_a_process_that_can_open_nothing_says_so() -> None:
    resources = Resources(Audit())
    with without_descriptors():
        found = resources.trouble()
    assert found is not None
    assert (found.kind, found.told) == ("descriptors", NO_DESCRIPTORS)
    assert "EMFILE" in found.message
    assert resources.trouble() is None


def test_an_audit_log_that_failed_is_tried_until_a_line_fits(tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl")
    assert audit.failure() is None
    kept, full = os.dup(audit._descriptor), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, audit._descriptor)
    with pytest.raises(OSError, match="No space left"):
        audit.write(ENTRY)
    failure = audit.failure()
    assert failure is not None
    assert failure.errno == errno.ENOSPC
    os.dup2(kept, audit._descriptor)
    assert [audit.failure(), audit.failure()] == [None, None]
    audit.close()
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["RESUMED"]
    for descriptor in (kept, full):
        os.close(descriptor)


async def test_an_engine_that_cannot_be_asked_is_not_said_to_be_away() -> None:
    audit = Audit()
    health = Health(MemoryStore(), FAST, resources=Resources(audit))
    audit.error = OSError(errno.ENOSPC, "full")
    assert await health._found() == health.heartbeat().engine  # not said, as before the first look
    guarded = GuardedDriver(Without(), Garbage(), within_s=FAST.write_window)
    assert await Health(guarded, FAST)._found() == health.heartbeat().engine


class Without(MemoryStore):
    """Its library finds no descriptor, and its driver says what it always says."""

    async def read_version(self, path: tuple[str, ...]) -> str:
        try:
            raise OSError(errno.EMFILE, "Too many open files")  # noqa: TRY301 - as a library does
        except OSError:
            raise StoreUnavailableError("the engine cannot be reached.") from None

    async def health(self) -> bool:
        await self.read_version(URI.path)
        return True


async def test_what_a_driver_says_without_descriptors_is_the_reactors_own() -> None:
    guarded = GuardedDriver(Without(), Garbage(), within_s=FAST.write_window)
    with pytest.raises(StoreUnavailableError) as raised:
        await guarded.read_version(URI.path)
    assert raised.value.told == NO_DESCRIPTORS


async def test_a_signer_whose_lists_cannot_be_opened_is_told_to_try_again(tmp_path: Path) -> None:
    anna = Person("anna@example.org")
    world = World(signers=signers(tmp_path, anna))
    sealed = world.sealed(sign=anna.signs)
    with without_descriptors():
        await world.handler.handle(sealed)
    assert world.outcomes() == ["FAILED KEY_LOST"]
    assert world.receipt().detail == NO_DESCRIPTORS
    await world.walk(sign=anna.signs)
    assert world.outcomes()[-1] == "UPLOADED"
