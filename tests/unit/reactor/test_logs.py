"""What is in the audit log and the operating log, what never is, and what is said when files run out."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import spelled
from monoskope.reactor.admission import Admission
from monoskope.reactor.grant import Granter
from monoskope.reactor.guarded_driver import GuardedDriver
from monoskope.reactor.health import NO_AUDIT, NO_DESCRIPTORS, Health, Resources
from monoskope.reactor.limits import Rates
from monoskope.reactor.memory import Garbage, forget_stray_exceptions
from monoskope.reactor.reasons import FailedError, Failure, reason_of
from monoskope.reactor.report.audit_log import AuditEntry, AuditFile, of_request
from monoskope.reactor.report.reporter import Reporter
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.work.lookup import failed
from monoskope.stores.driver import DriverError, StoreUnavailableError, UnknownOutcomeError
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import ask, opened
from tests.support.reactor_world import FAST, World, settings
from tests.support.signed_requests import Person, signers


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_stray_exceptions_are_logged_without_their_text(tmp_path: Path) -> None:
    file = tmp_path / "reactor.log"
    loop = asyncio.get_running_loop()
    with operating_log.written_to(file):
        forget_stray_exceptions(loop)
        loop.call_exception_handler({"message": "hunter2", "exception": ValueError("hunter2")})
        loop.call_exception_handler({"message": "hunter2"})
    assert "hunter2" not in file.read_text()
    assert [line["event"] for line in lines(file)] == ["stray exception"] * 2


def test_the_audit_log_is_private_lines_of_listed_fields(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    audit = AuditFile(file)
    request = ask()
    audit.write(of_request(request, 'alice "the user"\n', "GRANTED"))
    audit.close()
    [line] = lines(file)
    assert set(line) == {
        "time",
        "request_id",
        "uri",
        "subject",
        "purpose",
        "outcome",
        "reason",
        "upstream_version",
        "destination",
        "detail",
        "signer",
        "signer_key",
        "certificate",
        "signers_sha256",
        "revoked_sha256",
        "approvers_sha256",
        "rules_sha256",
        "change_sha256",
        "approvers",
        "break_glass",
    }
    assert line["request_id"] == request.request_id.hex()
    assert (line["uri"], line["purpose"], line["outcome"]) == ("memory://team-a/db", "UPLOAD", "GRANTED")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_an_audit_log_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "audit.jsonl"
    file.touch()
    file.chmod(mode)
    with pytest.raises(RefusedError, match=r"audit\.jsonl has mode") as refused:
        AuditFile(file)
    assert "chmod 600" in refused.value.fix


def test_a_line_that_a_full_disk_tears_is_refused_and_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    audit, entry = AuditFile(file), of_request(ask(), "alice", "GRANTED")
    audit.write(entry)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 10, before[1]))
    try:
        for _ in range(2):
            with pytest.raises(OSError, match=r"No space|too large"):
                audit.write(entry)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    audit.write(entry)
    audit.close()
    first, torn, last = file.read_text().splitlines()
    assert (len(torn), json.loads(first)["outcome"], json.loads(last)["outcome"]) == (10, "GRANTED", "GRANTED")


async def test_nothing_is_written_that_cannot_be_audited(world: World, tmp_path: Path) -> None:
    audit = AuditFile(tmp_path / "audit.jsonl")
    audit.close()
    world.handler._reporter = Reporter(world.identity, world.log, world.requests, world.known, audit)
    with pytest.raises(OSError, match="file descriptor"):
        await world.handler.handle(world.sealed())
    assert "write" not in world.memory.calls


@pytest.mark.parametrize(
    ("purpose", "before", "outcome", "reason"),
    [
        (upload_pb2.PURPOSE_UPLOAD, False, "UPLOADED", ""),
        (upload_pb2.PURPOSE_UPLOAD, True, "UNCHANGED", ""),
        (upload_pb2.PURPOSE_PATCH, True, "UNCHANGED", ""),
        (upload_pb2.PURPOSE_DELETE, True, "DELETED", ""),
        (upload_pb2.PURPOSE_DELETE, False, "FAILED", "NOT_FOUND"),
    ],
)
async def test_each_request_that_ends_is_one_line(
    world: World, tmp_path: Path, purpose: upload_pb2.Purpose, outcome: str, reason: str, *, before: bool
) -> None:
    if before:
        await world.walk()
    request = ask(purpose)
    with operating_log.written_to(tmp_path / "reactor.log"):
        await world.walk(request)
    [line] = lines(tmp_path / "reactor.log")
    assert isinstance(line.pop("duration_ms"), int)
    del line["timestamp"]
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": request.request_id.hex(),
        "uri": str(request.uri),
        "purpose": spelled(upload_pb2.Purpose, purpose),
        "outcome": outcome,
        "reason": reason,
        "detail": "",
    }


async def test_an_end_that_m8_does_not_take_is_one_line_that_says_so(world: World, tmp_path: Path) -> None:
    await world.walk()
    world.log.refusals.append("CONFLICT")
    with operating_log.written_to(tmp_path / "reactor.log"):
        assert not await world.handler.handle(world.sealed())
    [line] = lines(tmp_path / "reactor.log")
    assert (line["event"], line["outcome"]) == ("request ended otherwise", "UNCHANGED")


@pytest.mark.parametrize("content", [b"", b"no request"])
async def test_a_request_that_gets_no_key_is_one_line(tmp_path: Path, content: bytes) -> None:
    world, request = World(), ask(upload_pb2.PURPOSE_PATCH)
    admission = Admission(settings(tmp_path), MemoryStore(patchable=False), Rates(ReactorLimits()))
    granter = Granter(admission, world.keys, world.looks, world.log, world.audit)
    asked = opened(request)
    if content:
        asked.request = content
    with operating_log.written_to(tmp_path / "reactor.log"):
        assert not await granter.grant(asked)
    [line] = lines(tmp_path / "reactor.log")
    assert (line["event"], line["outcome"], line["reason"]) == ("request", "FAILED", "UNSUPPORTED")
    assert line["request_id"] == request.request_id.hex()
    assert (line["uri"], line["purpose"]) == (("", "") if content else (str(request.uri), "PATCH"))


def test_every_error_has_a_reason_and_shows_no_text() -> None:
    assert spelled(upload_pb2.Reason, reason_of(UnknownOutcomeError("x"))) == "OUTCOME_UNKNOWN"
    assert spelled(upload_pb2.Reason, reason_of(DriverError("x"))) == "UPSTREAM_REFUSED"
    assert FailedError(reason_of(UnknownOutcomeError("x"))).message == "the request ends with OUTCOME_UNKNOWN."
    assert isinstance(ProofError("x"), Exception)


async def test_receipts_and_parts_show_no_value(world: World) -> None:
    sealed = world.sealed()
    receipt = failed(sealed.grant, sealed.sha256, Failure(reason_of(UnknownOutcomeError("x"))), replica=world.replica)
    for part in (sealed, receipt, world.keys, world.key, world.identity, world.reporter, world.handler):
        text = repr(part)
        assert "correct horse" not in text
        assert sealed.ciphertext[:8].hex() not in text
        assert repr(sealed.ciphertext)[2:20] not in text


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
