"""What must hold whatever broke: nothing acknowledged is lost, nothing written twice, no false word to the user."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.events import read
from monoskope.m8.domain.upload import Upload, evolve
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.upload import State
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.cluster_commands import Ran, User
from monoskope.testing.openbao_admin import OpenBaoError
from monoskope.testing.parts import wait_until

T = TypeVar("T")

NOTHING_WRITTEN = {2, 3, 4, 5, 6, 7, 8, 10, 11, 130}
"""Exit codes that promise it."""


@dataclass(slots=True)
class Request:
    """One request as the log itself tells it."""

    upload: Upload = field(default_factory=Upload)
    types: list[str] = field(default_factory=list)
    receipt: Receipt | None = None


class Auditor:
    """Looks at m8's log and at OpenBao itself, and holds both against what a user was told."""

    def __init__(self, cluster: Cluster, user: User, team: str) -> None:
        self.cluster = cluster
        self.user = user
        self.team = team

    def requests(self, path: str) -> dict[str, Request]:
        """Every request for a path, by id in hex, after the whole chain was verified."""

        async def work(log: EventLog) -> dict[str, Request]:
            await log.verify()
            found: dict[str, Request] = {}
            for event in await log.read(after=0, limit=100_000):
                message = read(event)
                kind, _, name = event.stream.partition("/")
                if kind != "upload" or message is None:
                    continue
                request = found.setdefault(name, Request())
                request.upload = evolve(request.upload, message, at_ms=event.recorded_at_ms)
                request.types.append(event.type)
                if isinstance(message, events_pb2.SecretUploaded) or (
                    isinstance(message, events_pb2.SecretUploadFailed) and message.HasField("receipt")
                ):
                    request.receipt = parse_receipt(message.receipt.content)
            uri = f"vault://{self.team}/{path}"
            return {key: one for key, one in found.items() if str(one.upload.request and one.upload.request.uri) == uri}

        return self._with_log(work)

    def _with_log(self, work: Callable[[EventLog], Awaitable[T]]) -> T:
        async def opened() -> T:
            log = await SqliteLog.open(self.cluster.folder / "m8" / "log.db", clock=lambda: 0)
            try:
                return await work(log)
            finally:
                await log.close()

        return asyncio.run(opened())

    def states(self, path: str) -> set[State]:
        """In which states the requests for a path are."""
        return {one.upload.state for one in self.requests(path).values()}

    def all_end(self, path: str, *, seconds: float = 60.0) -> dict[str, Request]:
        """Wait until every request for a path has ended, and return them."""
        wait_until(lambda: self.states(path) <= {State.ENDED}, what=f"all requests for {path} end", seconds=seconds)
        return self.requests(path)

    def versions(self, path: str) -> list[int]:
        """The versions that OpenBao has of a path."""
        try:
            answer = self.cluster.bao.call("GET", f"{MOUNT}/metadata/{PREFIX}/{self.team}/{path}")
        except OpenBaoError:
            return []
        return sorted(int(number) for number in answer["data"]["versions"])

    def content(self, path: str, version: int) -> dict[str, str]:
        """What OpenBao holds of a path under a version."""
        answer = self.cluster.bao.call("GET", f"{MOUNT}/data/{PREFIX}/{self.team}/{path}?version={version}")
        found: dict[str, str] = answer["data"]["data"]
        return found

    def check(self, path: str, ran: Ran, value: bytes, *, seconds: float = 60.0) -> dict[str, Request]:
        """Hold a put's words against what happened; returns its requests, all ended."""
        requests = self.all_end(path, seconds=seconds)
        versions = self.versions(path)
        receipts = [one.receipt for one in requests.values() if one.receipt is not None]
        uploaded = [one.upstream_version for one in receipts if one.outcome == upload_pb2.OUTCOME_UPLOADED]
        unknown = [one for one in receipts if one.reason == upload_pb2.REASON_OUTCOME_UNKNOWN]
        assert len(set(uploaded)) == len(uploaded)
        assert len(uploaded) <= len(versions) <= len(uploaded) + len(unknown), (versions, uploaded)
        contents = [self.content(path, version) for version in versions]
        wanted = {"password": value.decode()}
        if ran.code == 0:
            done = requests[ran.json()["request_id"]]
            assert done.receipt is not None
            assert done.receipt.outcome in {upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_UNCHANGED}
            assert contents[-1] == wanted
        elif ran.code in NOTHING_WRITTEN:
            assert wanted not in contents, (ran.code, ran.err)
        elif ran.code == 9:
            self._can_be_asked_about(ran, requests)
        else:
            assert ran.code < 0, (ran.code, ran.err)
        return requests

    def _can_be_asked_about(self, ran: Ran, requests: dict[str, Request]) -> None:
        error = json.loads(ran.err.splitlines()[-1])["error"]
        match = re.search(r"monoctl get upload ([0-9a-f]{32})", error["fix"])
        assert match is not None, error
        assert match[1] in requests
        shown = self.user.monoctl("get", "upload", match[1], "-o", "json")
        assert shown.code == 0, shown.err
