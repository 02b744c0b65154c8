"""What a reactor does about deliveries that the session's tests do not reach: endings, orphans, nonsense."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from monoskope import operating_log
from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.outcomes import State
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.receipt import parse_receipt
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.audit_log import AuditFile
from tests.support.reactor_requests import SECRET, ask, seal
from tests.support.reactor_world import FAST, PATIENCE_S, World
from tests.unit.reactor.bench import Bench, asked

EXPIRED = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_EXPIRED)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.audit.close()


def test_each_process_is_another_replica(tmp_path: Path) -> None:
    benches = [Bench(tmp_path) for _ in range(3)]
    replicas = {bench.reactor.replica for bench in benches}
    assert [len(replica) for replica in replicas] == [16, 16, 16]
    for bench in benches:
        bench.audit.close()


async def test_what_m8_recorded_for_us_needs_no_delivery(bench: Bench) -> None:
    request = ask()
    bench.attach()
    bench.tell(request, 1, asked(request))
    bench.reactor.appends.answered(reactor_pb2.Appended(call=(await bench.next()).call, version=2))
    await bench.settled()
    known = bench.dispatcher.requests.get(request.request_id)
    assert known is not None
    assert (known.state, known.version) == (State.GRANTED, 2)
    bench.tell(request, 3, events_pb2.SecretUploadRequested(sealed_sha256=bytes(32), size=3))
    await bench.next()
    assert len(bench.dispatcher.keys) == 0


async def test_an_answer_that_comes_after_what_follows_it_is_taken_in_all_the_same(bench: Bench) -> None:
    request = ask()
    bench.attach()
    bench.tell(request, 1, asked(request))
    append = await bench.next()
    bench.tell(request, 3, events_pb2.SecretUploadRequested(sealed_sha256=bytes(32), size=3))
    bench.reactor.appends.answered(reactor_pb2.Appended(call=append.call, version=3))
    known = bench.dispatcher.requests.get(request.request_id)
    assert known is not None
    assert (known.state, known.version, known.grant) == (State.UPLOADING, 3, append.key_provided.grant)
    assert (await bench.next()).WhichOneof("event") == "failed"


async def test_an_answer_about_a_request_that_has_ended_brings_it_not_back(bench: Bench) -> None:
    request = ask()
    bench.attach()
    bench.tell(request, 1, asked(request))
    append = await bench.next()
    bench.dispatcher.requests.ended(request.request_id)
    bench.reactor.appends.answered(reactor_pb2.Appended(call=append.call, version=2))
    await bench.settled()
    assert (list(bench.dispatcher.requests), len(bench.dispatcher.keys)) == ([], 0)


async def test_a_key_dies_with_its_request(bench: Bench) -> None:
    request = ask()
    bench.attach()
    await bench.grant(request)
    assert len(bench.dispatcher.keys) == 1
    bench.tell(request, 3, EXPIRED)
    assert len(bench.dispatcher.keys) == 0


async def test_a_key_whose_request_ended_while_we_were_away_dies_a_little_later(bench: Bench) -> None:
    ended, unfinished = ask(), ask()
    bench.attach()
    await bench.grant(ended)
    provided = await bench.grant(unfinished)
    bench.attach((unfinished, [asked(unfinished), provided]))
    bench.dispatcher.tick()
    assert len(bench.dispatcher.keys) == 2
    bench.clock.time += 2 * FAST.issuer_gone
    bench.dispatcher.tick()
    assert bench.dispatcher.keys.request_ids() == [unfinished.request_id]


async def test_a_request_that_is_told_late_after_attaching_keeps_its_key(bench: Bench) -> None:
    request = ask()
    bench.attach()
    provided = await bench.grant(request)
    bench.attach()
    bench.tell(request, 1, asked(request))
    bench.tell(request, 2, provided)
    bench.dispatcher.tick()
    bench.clock.time += 2 * FAST.issuer_gone
    bench.dispatcher.tick()
    assert bench.dispatcher.keys.request_ids() == [request.request_id]


async def test_a_request_of_another_replica_is_left_to_it_as_long_as_m8_names_it(bench: Bench, tmp_path: Path) -> None:
    (folder := tmp_path / "other").mkdir()
    other, request = Bench(folder), ask()
    other.attach()
    told = request, [asked(request), await other.grant(request)]
    bench.dispatcher.recovery.presence.now = bench.clock

    def pass_by() -> None:
        bench.dispatcher.tick()
        bench.clock.time += 2 * FAST.issuer_gone
        bench.dispatcher.tick()

    bench.attach(told, others=[other.reactor.replica])
    pass_by()
    assert (bench.sent, bench.dispatcher._tasks) == ([], {})
    bench.attach(told)
    pass_by()
    assert (await bench.next()).failed.reason == upload_pb2.REASON_KEY_LOST
    other.audit.close()


async def test_an_unfinished_request_that_has_a_grant_costs_no_key_and_no_rate(bench: Bench) -> None:
    request = ask(upload_pb2.PURPOSE_COMPARE)
    bench.attach((request, [asked(request), events_pb2.SecretUploadKeyProvided()]))
    await bench.settled()
    assert bench.dispatcher.keys.request_ids() == []
    assert bench.sent == []


async def test_a_second_delivery_begins_no_second_grant(bench: Bench) -> None:
    request = ask()
    bench.attach()
    bench.tell(request, 1, asked(request))
    bench.tell(request, 1, asked(request))
    await bench.next()
    assert bench.sent == []
    bench.tell(request, 2, EXPIRED)
    await bench.settled()
    assert bench.dispatcher.keys.request_ids() == []


async def test_events_that_do_not_parse_change_nothing(bench: Bench) -> None:
    bench.attach()
    for kind in ("ReactorAttached", "ReactorDetached", "SecretUploaded"):
        bench.dispatcher.event(event_pb2.Event(stream="reactor/memory", version=1, type=kind, data=b"\xff"), b"")
    assert list(bench.dispatcher.requests) == []


async def test_a_task_that_breaks_is_logged_by_type_and_gives_its_key_up(bench: Bench, tmp_path: Path) -> None:
    request = ask()
    bench.attach()
    await bench.grant(request)
    bench.audit.close()
    with operating_log.written_to(tmp_path / "reactor.log"):
        sent = events_pb2.SecretUploadRequested(sealed_sha256=bytes(32), size=3)
        bench.tell(request, 3, sent, sealed=b"abc")
        await bench.settled()
    bench.audit = AuditFile(tmp_path / "audit.jsonl")
    assert bench.sent == []
    assert bench.dispatcher.keys.request_ids() == []
    [line] = (tmp_path / "reactor.log").read_text().splitlines()
    assert json.loads(line)["error"] == "OSError"
    assert request.request_id.hex() in line


async def test_nothing_new_is_begun_while_stopping(bench: Bench) -> None:
    bench.attach()
    await bench.dispatcher.drain(1.0)
    bench.tell(ask(), 1, asked(ask()))
    bench.dispatcher.tick()
    assert (bench.sent, bench.dispatcher._tasks) == ([], {})


LINGERING = msgspec.structs.replace(FAST, linger=PATIENCE_S)


async def test_what_is_sealed_for_a_key_that_was_given_is_still_taken_while_stopping(tmp_path: Path) -> None:
    """Told that its key is gone, a client could not know whether its secret was written."""
    bench = Bench(tmp_path, LINGERING)
    request = ask()
    bench.attach()
    grant = parse_grant((await bench.grant(request)).grant.content)
    draining = asyncio.create_task(bench.dispatcher.drain(PATIENCE_S))
    await asyncio.sleep(0)
    sealed = seal(grant, encode(Payload(SECRET)))
    digest = hashlib.sha256(sealed).digest()
    requested = events_pb2.SecretUploadRequested(sealed_sha256=digest, size=len(sealed))
    bench.tell(request, 3, requested, sealed=sealed)
    started = await bench.next()
    bench.reactor.appends.answered(reactor_pb2.Appended(call=started.call, version=4))
    ended = await bench.next()
    assert (started.WhichOneof("event"), ended.WhichOneof("event")) == ("started", "uploaded")
    bench.reactor.appends.answered(reactor_pb2.Appended(call=ended.call, version=5))
    await draining
    bench.audit.close()


async def test_a_key_that_nothing_came_for_is_given_up_at_last(bench: Bench) -> None:
    request = ask()
    bench.attach()
    await bench.grant(request)
    draining = asyncio.create_task(bench.dispatcher.drain(PATIENCE_S))
    ended = await bench.next()
    receipt = parse_receipt(ended.failed.receipt.content)
    assert (receipt.reason, receipt.replica) == (upload_pb2.REASON_KEY_LOST, bench.reactor.replica)
    bench.reactor.appends.answered(reactor_pb2.Appended(call=ended.call, version=3))
    await draining
    assert len(bench.dispatcher.keys) == 0


async def test_what_comes_after_that_is_told_that_the_key_is_gone(bench: Bench) -> None:
    request = ask()
    bench.attach()
    await bench.grant(request)
    draining = asyncio.create_task(bench.dispatcher.drain(PATIENCE_S))
    await bench.next()
    bench.tell(request, 3, events_pb2.SecretUploadRequested(sealed_sha256=bytes(32), size=3), sealed=b"xyz")
    again = await bench.next()
    assert (again.expected_version, again.failed.reason) == (3, upload_pb2.REASON_KEY_LOST)
    bench.reactor.appends.answered(reactor_pb2.Appended(call=again.call, version=4))
    await draining
    assert bench.sent == []


def test_a_request_without_a_key_is_not_walked() -> None:
    with pytest.raises(FailedError) as raised:
        World().keys.discard(bytes(16))
    assert raised.value.reason == upload_pb2.REASON_KEY_LOST
