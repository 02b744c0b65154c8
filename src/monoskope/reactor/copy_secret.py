"""COPY: what is upstream here is put into another store, by this reactor as a client of m8 like any other.

Where to, the own settings say: store, its identity, path pairs. m8 gives a token that can put at the destination and
nothing else, for some minutes. The value is read, sealed for the destination's reactor under the configured identity,
and erased; m8 and whoever asked for the copy see a receipt of each store and no value.

Copies have places of their own and hold no secret's lock: two stores that copy to one another never wait in a circle.
"""

from __future__ import annotations

import asyncio
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, Expect, PutResult
from monoskope.client import Settings as ClientSettings
from monoskope.errors import ConflictError, Error, OutcomeUnknownError, TimedOutError, UnavailableError
from monoskope.failpoints import failpoint
from monoskope.protocol.payload import BadPayloadError, Payload
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.protocol.request import Request
from monoskope.reactor.appends import AppendRefusedError
from monoskope.reactor.authorize import CopyTokens
from monoskope.reactor.fingerprint import Fingerprints
from monoskope.reactor.keys import OneTimeKeys
from monoskope.reactor.lookup import failed
from monoskope.reactor.offer import Offering
from monoskope.reactor.reasons import FailedError, reason_of
from monoskope.reactor.sealed import Sealed, open_nothing
from monoskope.reactor.settings import Settings
from monoskope.reactor.upstream import Upstream
from monoskope.stores.driver import NOTHING, DriverError
from monoskope.uri import SecretUri

AT_ONCE = 4
"""Copies of one process."""
TOKEN_S = 20.0
"""Seconds for m8's answer to the question for a token."""
PUT_S = 90.0
"""Seconds for the put at the destination; the token counts longer."""

_NO_CONTENT = bytes(32)
_EXPECTS = {
    upload_pb2.EXPECT_ANY: Expect.ANY,
    upload_pb2.EXPECT_ABSENT: Expect.ABSENT,
    upload_pb2.EXPECT_OVERWRITE: Expect.OVERWRITE,
}


@dataclass(frozen=True, slots=True)
class Job:
    """One put at a destination."""

    settings: Settings
    identity: str
    """The destination store's, as configured."""
    token: str = field(repr=False)
    destination: SecretUri
    expect: Expect | str


PutThere = Callable[[Job, Payload], Awaitable["PutResult | upload_pb2.Reason"]]


class Copier:
    """Walks COPY requests.

    Args:
        put: Puts at the destination; `put_there` but in tests.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        keys: OneTimeKeys,
        upstream: Upstream,
        offering: Offering,
        tokens: CopyTokens,
        put: PutThere | None = None,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._upstream = upstream
        self._offering = offering
        self._tokens = tokens
        self._put = put or put_there
        self._places = asyncio.Semaphore(AT_ONCE)

    async def handle(self, sealed: Sealed) -> bool:
        """Walk one request to its end; return whether m8 took its receipt: not if the stream ended otherwise."""
        async with self._places:
            answer = await self._answer(sealed)
        return answer is not None and await self._offering.end(sealed.grant, *answer)

    async def _answer(self, sealed: Sealed) -> tuple[Receipt, int] | None:
        """Return the receipt, and the version of the stream on which it is offered; None if STARTED was refused."""
        version = sealed.version
        try:
            open_nothing(self._keys, sealed)
            failpoint("reactor.before-started")
            version = await self._offering.start(sealed.grant, _started(sealed), version)
            failpoint("reactor.after-started")
            return await self._copied(sealed), version
        except AppendRefusedError:
            return None
        except BadPayloadError:
            reason = upload_pb2.REASON_BAD_PAYLOAD
        except FailedError as error:
            reason = error.reason
        except DriverError as error:
            reason = reason_of(error)
        return failed(sealed.grant, sealed.sha256, reason, replica=sealed.grant.replica), version

    async def _copied(self, sealed: Sealed) -> Receipt:
        version, fingerprints, there = await self._moved(sealed.grant.request)
        if isinstance(there, int):
            raise FailedError(there)
        if there.receipt is None or there.hash != fingerprints.whole:
            raise FailedError(upload_pb2.REASON_OUTCOME_UNKNOWN)
        return make_receipt(
            grant=sealed.grant,
            sealed_sha256=sealed.sha256,
            outcome=upload_pb2.OUTCOME_COPIED,
            upstream_version=version,
            fingerprint=fingerprints.whole,
            values=fingerprints.values,
            destination=there.receipt,
        )

    async def _moved(self, request: Request) -> tuple[str, Fingerprints, PutResult | upload_pb2.Reason]:
        """Return the version read here, its fingerprints, and what became of it there. The value stays in here."""
        assert request.destination is not None, "a COPY has a destination"
        rule = self._settings.copies_to(request.destination.store)
        if rule is None:
            raise FailedError(upload_pb2.REASON_UNSUPPORTED)
        driver, path = self._upstream.driver, request.uri.path
        if await driver.read_version(path) == NOTHING:
            raise FailedError(upload_pb2.REASON_CONFLICT)
        # However long m8 takes to answer, no value waits for it here.
        token = await self._tokens.ask(request.request_id, within=TOKEN_S)
        snapshot = await driver.read(path)
        if snapshot is None:
            raise FailedError(upload_pb2.REASON_CONFLICT)
        fingerprints = self._upstream.fingerprint_key.of(snapshot.payload)
        expect = _EXPECTS.get(request.expect, request.expect_version)
        job = Job(self._settings, rule.identity, token, request.destination, expect)
        return snapshot.version, fingerprints, await self._put(job, snapshot.payload)


async def put_there(job: Job, payload: Payload) -> PutResult | upload_pb2.Reason:
    """Put `payload` at the destination, pinned to the configured identity alone; return the result or the reason."""
    with tempfile.TemporaryDirectory(prefix="copy-", dir=job.settings.folder) as name:
        folder = Path(name)
        settings = ClientSettings(
            server=job.settings.server,
            ca_file=job.settings.ca_file,
            token=job.token,
            known_stores=folder / "known_stores",
            store_identities={job.destination.store: job.identity},
        )
        try:
            async with Client(settings, system_known_stores=folder / "none") as client:
                (result,) = await client.put_secrets([str(job.destination)], payload, expect=job.expect, timeout=PUT_S)
        except Error as error:
            result = error
    if isinstance(result, PutResult):
        return result
    reason = _reason(result)
    _forget(result)
    return reason


def _reason(error: Error) -> upload_pb2.Reason:
    match error:
        case OutcomeUnknownError():
            return upload_pb2.REASON_OUTCOME_UNKNOWN
        case ConflictError():
            return upload_pb2.REASON_CONFLICT
        case UnavailableError() | TimedOutError():
            return upload_pb2.REASON_UPSTREAM_UNAVAILABLE
        case _:
            return upload_pb2.REASON_UPSTREAM_REFUSED


def _forget(error: BaseException | None) -> None:
    """The frames of what failed held the value: an exception and its frames may hold one another for long."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        error = error.__context__


def _started(sealed: Sealed) -> Receipt:
    return make_receipt(
        grant=sealed.grant,
        sealed_sha256=sealed.sha256,
        outcome=upload_pb2.OUTCOME_STARTED,
        intent=_NO_CONTENT,
    )
