"""What must hold whatever broke: nothing acknowledged is lost, nothing written twice, no false word to the user."""

from __future__ import annotations

import asyncio
import json
import re

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client
from monoskope.client.settings import load_settings
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.parts import wait_until
from tests.faults.logbook import Logbook, Request
from tests.support.engines import Engine, Version

NOTHING_WRITTEN = {2, 3, 4, 5, 6, 7, 8, 10, 11, 130}
"""Exit codes that promise it."""


class Auditor:
    """Looks at m8's log, at the engines and at what m8 answers, and holds all three against what a user was told.

    Args:
        logbook: m8's log.
        engines: The engine behind each store, by its name.
        user: Whose commands are looked at.
    """

    def __init__(self, logbook: Logbook, engines: dict[str, Engine], user: User) -> None:
        self.logbook = logbook
        self.engines = engines
        self.user = user

    def requests(self, uri: str) -> dict[str, Request]:
        """Every request for a secret, by id in hex, the oldest first."""
        return self.logbook.requests(uri)

    def wait_for(self, uri: str, kind: str, *, times: int = 1) -> None:
        """Wait until so many events of that type are recorded for a secret."""

        def recorded() -> bool:
            return sum(one.types.count(kind) for one in self.requests(uri).values()) >= times

        wait_until(recorded, what=f"{kind} of {uri} is recorded")

    def all_end(self, uri: str, *, seconds: float = 60.0) -> dict[str, Request]:
        """Wait until every request for a secret has ended, and return them."""

        def ended() -> bool:
            return all(one.ended for one in self.requests(uri).values())

        wait_until(ended, what=f"all requests for {uri} end", seconds=seconds)
        return self.requests(uri)

    def history(self, uri: str) -> list[Version]:
        """What the engine has of a secret."""
        store, _, path = uri.partition("://")
        return self.engines[store].history(path)

    def check(self, uri: str, rans: dict[str, Ran], *, seconds: float = 60.0) -> dict[str, Request]:
        """Hold what was told about a secret against what happened; returns its requests, all ended.

        Args:
            uri: The secret.
            rans: How each put ended, by the value that it put.
            seconds: How long its requests may take to end.
        """
        requests = self.all_end(uri, seconds=seconds)
        self.answers_agree(requests)
        history = self._check_versions(uri, requests)
        for value, ran in rans.items():
            if ran.code == 0:
                done = requests[ran.json()["request_id"]].receipt
                assert done is not None
                assert done.outcome in {upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_UNCHANGED}
                assert Version(done.upstream_version, {"password": value}) in history, (done, history)
            elif ran.code in NOTHING_WRITTEN:
                assert all(version.content != {"password": value} for version in history), (ran.code, ran.err)
            elif ran.code == 9:
                self.can_be_asked_about(ran, requests)
            else:
                assert ran.code < 0, (ran.code, ran.err)
        return requests

    def _check_versions(self, uri: str, requests: dict[str, Request]) -> list[Version]:
        """Nothing is lost, nothing written twice: each version belongs to one receipt or one unknown outcome."""
        history = self.history(uri)
        receipts = [one.receipt for one in requests.values() if one.receipt is not None]
        uploaded = [one.upstream_version for one in receipts if one.outcome == upload_pb2.OUTCOME_UPLOADED]
        unknown = [one for one in receipts if one.reason == upload_pb2.REASON_OUTCOME_UNKNOWN]
        assert len(set(uploaded)) == len(uploaded)
        assert set(uploaded) <= {version.text for version in history}, (uploaded, history)
        assert len(history) <= len(uploaded) + len(unknown), (uploaded, history)
        return history

    def answers_agree(self, requests: dict[str, Request]) -> None:
        """Check that the whole chain holds, and that m8 answers about each of `requests` what its log says."""
        asyncio.run(self._answers_agree(requests))

    async def _answers_agree(self, requests: dict[str, Request]) -> None:
        log = await SqliteLog.open(self.logbook.path, clock=lambda: 0)
        try:
            await log.check_chain()
        finally:
            await log.close()
        home = self.user.home
        settings = load_settings(config=self.user.token_file.parent / "config.toml", environ={"HOME": str(home)})
        async with Client(settings) as client:
            for request_id, one in requests.items():
                answer = (await client.queries.upload_answer(bytes.fromhex(request_id))).upload
                assert answer.state == views_pb2.UPLOAD_STATE_ENDED
                assert answer.reason == one.reason
                assert answer.HasField("receipt") == (one.signed is not None)
                if one.receipt is not None:
                    assert (answer.receipt, answer.outcome) == (one.signed, one.receipt.outcome)

    def can_be_asked_about(self, ran: Ran, requests: dict[str, Request]) -> None:
        """Hold the request that a message of uncertainty names against the log, as its reader is told to."""
        error = json.loads(ran.err.splitlines()[-1])["error"]
        match = re.search(r"monoctl get upload ([0-9a-f]{32})", error["fix"])
        assert match is not None, error
        named = requests[match[1]]
        shown = self.user.monoctl("get", "upload", match[1], "-o", "json")
        assert shown.code == 0, shown.err
        upload = shown.json()
        receipt = named.receipt
        assert (upload["state"], upload["has_receipt"]) == ("ENDED", receipt is not None)
        if receipt is not None:
            assert upload["outcome"] == upload_pb2.Outcome.Name(receipt.outcome).removeprefix("OUTCOME_")
        if named.reason:
            reason = upload_pb2.Reason.Name(named.reason).removeprefix("REASON_")
            assert upload["m8_says"] == f"FAILED: {reason}"
            assert upload["reason"] == (reason if receipt is not None else "")
