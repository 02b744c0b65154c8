"""What gets a key and what does not, and how often."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.options import Options
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.reactor.admission import NO_ROOM, Admission
from monoskope.reactor.dispatch import Dispatcher
from monoskope.reactor.grant import Granter
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.keys import OneTimeKeys
from monoskope.reactor.limits import Rates
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.report.known_receipts import KnownReceipts
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.work.handle import Handler
from monoskope.reactor.work.recover import Presence, Recovery
from monoskope.reactor.work.write import Writer
from monoskope.stores.driver import StoreRefusedError, UnsupportedError
from monoskope.uri import SecretUri
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import ask, opened
from tests.support.reactor_world import FAST, SEED, Clock, K, World, admission, refusal, settings

COMPARE = upload_pb2.PURPOSE_COMPARE
VAULT, AWS = options_pb2.VaultOptions(), options_pb2.AwsOptions()


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("memory://team-a/db", ""),
        ("memory://team-a", ""),
        ("memory://team-a/x/y/z", ""),
        ("memory://team-ab/db", "UPSTREAM_REFUSED"),
        ("memory://team", "UPSTREAM_REFUSED"),
        ("memory://team-b/team-a", "UPSTREAM_REFUSED"),
        ("memory2://team-a/db", "UPSTREAM_REFUSED"),
        ("vault://team-a/db", "UPSTREAM_REFUSED"),
    ],
)
def test_store_and_prefix_come_from_the_reactors_own_settings(uri: str, reason: str) -> None:
    assert refusal(admission(), ask(uri=SecretUri.parse(uri))) == reason


def test_an_empty_prefix_serves_every_path() -> None:
    by = admission(of=settings(Path("nowhere"), prefixes=("memory://",)))
    assert refusal(by, ask(uri=SecretUri.parse("memory://any/thing"))) == ""


@pytest.mark.parametrize(("suites", "reason"), [((1,), ""), ((9, 1), ""), ((2,), "UNSUPPORTED")])
def test_suite_1_must_be_offered(suites: tuple[int, ...], reason: str) -> None:
    assert refusal(admission(), ask(suites=suites)) == reason


@pytest.mark.parametrize(
    ("expect", "version", "reason"),
    [
        (upload_pb2.EXPECT_ANY, "", ""),
        (upload_pb2.EXPECT_OVERWRITE, "", ""),
        (upload_pb2.EXPECT_ABSENT, "", "UNSUPPORTED"),
        (upload_pb2.EXPECT_VERSION, "v1", "UNSUPPORTED"),
    ],
)
def test_no_version_is_expected_without_check_and_set(expect: upload_pb2.Expect, version: str, reason: str) -> None:
    request = ask(expect=expect, expect_version=version)
    assert refusal(admission(MemoryStore(check_and_set=False)), request) == reason
    assert refusal(admission(), request) == ""


@pytest.mark.parametrize(
    ("kind", "schema", "options", "reason"),
    [
        ("vault", "", None, ""),
        ("vault", "", VAULT, ""),
        ("vault", "", AWS, "UNSUPPORTED"),
        ("aws-secretsmanager", "", AWS, ""),
        ("aws-ssm", "", AWS, ""),
        ("aws-foo", "", AWS, "UNSUPPORTED"),
        ("kubernetes-foo", "", options_pb2.KubernetesOptions(), "UNSUPPORTED"),
        ("kubernetes", "", options_pb2.KubernetesOptions(), ""),
        ("memory", "", VAULT, "UNSUPPORTED"),
        ("vault", "", "{}", "UNSUPPORTED"),
        ("memory", "{}", '{"a":1}', ""),
        ("memory", "{}", VAULT, "UNSUPPORTED"),
    ],
)
def test_options_must_be_the_engines_own(kind: str, schema: str, options: Options | None, reason: str) -> None:
    store = MemoryStore(kind=kind, options_schema=schema)
    assert refusal(admission(store), ask(options=options)) == reason
    if not reason:
        assert store.options == [{"a": 1} if options == '{"a":1}' else options]


@pytest.mark.parametrize(
    ("error", "reason"), [(StoreRefusedError("no."), "UPSTREAM_REFUSED"), (UnsupportedError("no."), "UNSUPPORTED")]
)
def test_the_driver_may_refuse(error: Exception, reason: str) -> None:
    store = MemoryStore()
    store.failures["check"].append(error)
    assert refusal(admission(store), ask()) == reason


async def test_a_request_over_the_rate_gets_no_key(world: World) -> None:
    of = settings(Path("nowhere"), limits=ReactorLimits(uploads_per_second=1, compares_per_hour_per_uri=1))
    granter = Granter(admission(world.memory, of), world.keys, world.looks, world.log, world.audit)
    for purpose in (upload_pb2.PURPOSE_UPLOAD, COMPARE):
        assert await granter.grant(opened(ask(purpose)))
        alive = len(world.keys)
        assert not await granter.grant(opened(ask(purpose)))
        assert len(world.keys) == alive
        refused = world.log.events[-1]
        assert isinstance(refused, events_pb2.SecretUploadFailed)
        assert refused.reason == upload_pb2.REASON_RATE_LIMITED


def test_while_too_much_is_new_to_be_remembered_no_key_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is given now could become older than what is remembered of its secret."""
    monkeypatch.setattr("monoskope.reactor.report.known_receipts.BYTES", 1_000)
    clock = Clock()
    known = KnownReceipts(Identity(SEED, store="memory"), lifetime_s=60, now=clock)
    of = settings(Path("nowhere"))
    by = Admission(of, MemoryStore(), Rates(of.limits, now=clock), known=known)
    for name in ("one", "two"):
        by.admit(ask(), "alice")
        known.remember(receipt_of(SecretUri.parse(f"memory://team-a/{name}")))
    clock.time += 20
    with pytest.raises(FailedError) as refused:
        by.admit(ask(), "alice")
    assert (refused.value.reason, refused.value.retry_after_s) == (upload_pb2.REASON_RATE_LIMITED, 40)
    assert refused.value.detail == NO_ROOM
    clock.time += 40
    assert refusal(by, ask()) == ""


def receipt_of(uri: SecretUri) -> Receipt:
    return make_receipt(
        grant=World().keys.grant(ask(uri=uri), "alice").grant,
        sealed_sha256=bytes(32),
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version="v" * 256,
        prior_version="w" * 256,
    )


@pytest.mark.parametrize("part", [Rates, OneTimeKeys, Handler, Writer, Presence, Recovery, Dispatcher])
def test_spans_are_measured_by_a_clock_that_nobody_sets(part: Callable[..., object]) -> None:
    assert inspect.signature(part).parameters["now"].default is time.monotonic


def test_what_is_refused_for_another_reason_costs_no_rate() -> None:
    by = admission(of=settings(Path("nowhere"), limits=ReactorLimits(uploads_per_second=1)))
    for _ in range(5):
        assert refusal(by, ask(uri=SecretUri.parse("memory://team-b/db"))) == "UPSTREAM_REFUSED"
    assert refusal(by, ask()) == ""


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ('{"description": "' + "x" * 8_192 + '"}', "the options schema has 8,211 bytes; at most 8,192 are allowed."),
        ('{"items": {"pattern": "(a+)+b"}}', "the options schema has the keyword pattern;"),
        ('{"$ref": "#"}', "the options schema has the keyword $ref;"),
    ],
)
def test_a_reactor_whose_driver_announces_too_much_does_not_start(tmp_path: Path, schema: str, said: str) -> None:
    with contextlib.closing(AuditFile(tmp_path / "audit.jsonl")) as audit:
        driver = MemoryStore(options_schema=schema)
        identity = Identity(SEED, store="memory")
        with pytest.raises(UsageError) as caught:
            Reactor(settings(tmp_path), driver, identity, FingerprintKey(K), audit, timings=FAST)
    assert caught.value.message.startswith("m8 would not let this reactor in: ")
    assert said in caught.value.message
    assert "driver" in caught.value.fix
