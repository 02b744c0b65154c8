"""The client's side of The walk: ask, verify, seal once, send, believe only a receipt (docs/protocol.md).

It is longer than other files, so that all steps of one request, and what follows each end, are read in one place.

How an attempt's end becomes an error:

- Before step 5 every end is a failure: nothing was sent. A failed check of step 3 is a `ProofError`.
- After it, a receipt that passes every check of step 7 decides. Every other end is uncertain: a receipt that proves
  nothing, FAILED with KEY_LOST or OUTCOME_UNKNOWN, an unsigned failure, an error of m8, a broken connection, no answer.
- What was sent may be delayed and written later. So after step 5 a new attempt begins only if a receipt about these
  sealed bytes excludes that: UPSTREAM_UNAVAILABLE; RATE_LIMITED; KEY_LOST from the process that made the key; or
  CONFLICT after an attempt that ended in such a KEY_LOST. Before step 5, KEY_LOST, UPSTREAM_UNAVAILABLE and
  RATE_LIMITED need no receipt. After RATE_LIMITED the client waits as it is told (`monoskope.client.walk.pace`).
- A signature is made once for an attempt, over its own grant, and sent with the same bytes each time. It lives as long
  as that grant's key, so what was said about sealed bytes above is true of it: no second signature is made while the
  first could still count. A NOT_AUTHORIZED is an end, and no reason for a new attempt.
- A write with an uncertain attempt is OUTCOME_UNKNOWN unless a later attempt succeeds, which settles it: both carry the
  same values. A COMPARE writes nothing, so only its last attempt counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message
from msgspec import structs

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.connection import Connection, LogUse
from monoskope.client.http import methods
from monoskope.client.http.methods import Method
from monoskope.client.http.retry import LEAST_LEFT_S, TimeOverError, Wait, no_key
from monoskope.client.runtime import within
from monoskope.client.seal import NOTHING_SEALED, load, seal
from monoskope.client.walk import reasons
from monoskope.client.walk.pace import Pace, RequestTime
from monoskope.client.walk.task import (
    Failure,
    KeyRefusedError,
    NotPreparedError,
    Progress,
    Result,
    Sent,
    Stage,
    Task,
    check_approvals,
    request_of,
    signed_too_late,
    too_large,
    unknown,
    unsigned,
    whole,
)
from monoskope.client.walk.trust import Trust, subject_of
from monoskope.errors import Error, TimedOutError, let_go
from monoskope.failpoints import failpoint
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import KEY_WAIT_S, Request
from monoskope.traces import spans

if TYPE_CHECKING:
    from monoskope.client.signing import Signing

R = TypeVar("R", bound=Message)

MAX_ANEW = 3
"""New attempts after the first."""


class Walk:
    """One task, walked until it ends.

    Args:
        connection: To m8.
        trust: The store's pin.
        timeout_s: Seconds for everything together.
        observe: Called with each change of stage.
        pause_s: First pause in seconds before something is sent or asked again; it doubles up to 2.
        pace: When requests to the store may begin, and how many at once; by default one of its own.
        several: Whether it is one of several: then its time begins when it has a place.
        signing: Signs requests where a grant asks for it; None if no key is set.
    """

    def __init__(
        self,
        connection: Connection,
        trust: Trust,
        *,
        timeout_s: float,
        observe: Callable[[Progress], None] | None = None,
        pause_s: float = 0.2,
        pace: Pace | None = None,
        several: bool = False,
        signing: Signing | None = None,
    ) -> None:
        self._signing = signing
        self._runtime = connection.runtime
        self._trust = trust
        self._connection = connection
        self._timeout_s = timeout_s
        self._observe = observe
        self._pace = pace or Pace(connection.runtime, pause_s=pause_s)
        self._wait = Wait(connection.patience)
        self._time = RequestTime(self._runtime, timeout_s, pause_s, pace=self._pace, several=several)

    async def run(self, task: Task) -> Result:
        """Walk `task` to its end.

        Raises:
            IdentityChangedError: a grant does not verify; nothing was sent.
            LogMismatchError: what m8 shows of its log does not fit; nothing was sealed or sent.
            TimedOutError: time was over, and nothing was sent.
            OutcomeUnknownError: it may or may not have been done; the message names the request, and until when it
                could still be done.
            RateLimitedError: the store's reactors take no more now; nothing was written.
            Error: failure, by its reason (`reasons.MEANINGS`) or by what m8 said before anything was sent.
        """
        try:
            async with self._time.admitted():
                with spans.Span("request") as span:
                    span.note("purpose", spelled(upload_pb2.Purpose, task.purpose))
                    span.note("store", task.uri.store)
                    result = await self._attempts(task)
                    span.note("outcome", spelled(upload_pb2.Outcome, result.receipt.outcome))
                    return result
        except TimeoutError:
            raise self._timed_out(task) from None

    async def _attempts(self, task: Task) -> Result:
        uncertain, lost = "", False
        anew = 0
        refusals: list[Failure] = []
        while True:
            # To give up now would leave the end unknown, so m8 is asked as long as there is time.
            try:
                end = await self._attempt(task, sent=bool(uncertain))
            except NotPreparedError:
                continue
            if isinstance(end, Result):
                return end
            if end.limited and not task.request_id and self._may_wait(end.error, len(refusals)):
                refusals.append(end)
                continue
            if refusals and isinstance(end.error, TimedOutError):
                end = refusals[-1]
            uncertain = uncertain or end.uncertain
            again = end.again or (end.conflict and lost)
            lost = lost or end.lost
            if not again or task.request_id or anew == MAX_ANEW or not await self._time.pause(anew):
                raise whole(task, end, uncertain)
            anew += 1

    def _may_wait(self, error: Error, times: int) -> bool:
        """Whether to ask anew after a limit refused a request `times` before: if there is time until then."""
        pause_s = self._pace.refused(error.retry_after_s, times)
        return pause_s is not None and pause_s < self._time.remaining_s()

    async def _attempt(self, task: Task, *, sent: bool) -> Result | Failure:
        request = request_of(task)
        try:
            await self._pace.turn(self._time.ends_at)
            self._tell(task, request, Stage.ASKING)
            self._runtime.while_waiting(load)
            with self._time.within(task.key_within_s):
                grant, shown = await self._grant(task, request, sent=sent)
            over_at = self._runtime.now() + grant.lifetime_s
            if len(task.plaintext) > grant.max_plaintext:
                raise too_large(task.uri, len(task.plaintext), grant.max_plaintext)
            failpoint("monoctl.after-grant")
            await self._connection.fits(self._time.ends_at)
            signing = self._needed(task, grant)
            sealed = seal(task.plaintext, grant) if task.plaintext else NOTHING_SEALED
            sending = Sent(task, request, grant, sealed, over_at)
            sending = sending if signing is None else await self._sign(signing, sending)
        except KeyRefusedError as refused:
            said = refused.answer
            error = reasons.error_for(
                said.reason,
                str(task.uri),
                task.purpose,
                said_by_m8=True,
                retry_after_s=said.retry_after_s,
                detail=said.detail,
            )
            # m8 ends a request after a minute. Without a detail no reactor of the store has answered.
            is_away = said.reason == upload_pb2.REASON_NO_REACTOR and not said.detail
            again = said.reason in reasons.RETRIED or (is_away and self._waits_for_key(task, self._runtime.now(), 0.0))
            failure = Failure(error, again=again, limited=task.is_limited(said.reason))
        except (TimedOutError, TimeoutError):
            failure = Failure(self._timed_out(task))
        except Error as failed:
            failure = Failure(let_go(failed))  # its traceback has this frame, and another error may take its place
        else:
            return await self._sent(sending, shown)
        mismatch = await self._connection.mismatch(self._time.ends_at)
        return failure if mismatch is None else Failure(mismatch)

    async def _sent(self, sent: Sent, shown: upload_pb2.Signed) -> Result | Failure:
        """Send what was sealed for the grant `shown`, and return what became of it."""
        task, request, over_at = sent.task, sent.request, sent.over_at
        if sent.signature and self._runtime.now() >= over_at:
            return Failure(signed_too_late(task.uri))
        # Deliver a pending Ctrl-C here, while nothing has been sent.
        await self._runtime.sleep(0)
        self._tell(task, request, Stage.SENT)
        failpoint("monoctl.before-send")
        ended = await self._send(sent)
        return structs.replace(ended, grant=shown) if isinstance(ended, Result) else ended

    def _needed(self, task: Task, grant: Grant) -> Signing | None:
        """Return what has to sign a request; None if its grant asks for no signature.

        Raises:
            UsageError: no key is set, or it is not set up as it must be.
            RefusedError: as `check_approvals`.
            NotPreparedError: a person was asked what the signer needs. Nothing was sent for this grant, and its key
                dies unused. It comes here only if m8 did not show that the store takes signed requests.
        """
        check_approvals(task, grant)
        if not grant.signature_required:
            return None
        if self._signing is None:
            raise unsigned(task.uri)
        if not self._signing.is_prepared:
            self._signing.prepare()
            raise NotPreparedError
        return self._signing

    async def _sign(self, signing: Signing, sent: Sent) -> Sent:
        """Sign what is about to be sent. Raises `Error`: nothing is sent."""
        self._tell(sent.task, sent.request, Stage.SIGNING, touch=signing.needs_touch)
        signature, signer_key = await signing.sign(sent.grant, sent.sealed.sha256)
        return structs.replace(sent, signature=signature, signer_key=signer_key)

    def _waits_for_key(self, task: Task, since: float, pause_s: float) -> bool:
        """Whether a reactor that gives no key is waited for so many seconds more."""
        return self._wait.goes_on(no_key(task.uri.store), pause_s, since=since, until=self._time.ends_at)

    async def _grant(self, task: Task, request: Request, *, sent: bool) -> tuple[Grant, upload_pb2.Signed]:
        """Ask for a key, and wait for it as for anything that is away, or until time is over if a sent one may count.

        Raises:
            KeyRefusedError: there is no key, and will be none.
            UnavailableError: no reactor gave one.
            Error: as `Connection.call`, and `ProofError` for a grant that proves nothing.
        """
        began = self._runtime.now()
        ask = commands_pb2.RequestSecretUploadKeyRequest(request=request.content, wait=True)
        answer = (await self._call(methods.REQUEST_SECRET_UPLOAD_KEY, ask, sent=sent, log=LogUse.BEGINS)).key
        failpoint("monoctl.after-request")
        query = queries_pb2.GetSecretUploadKeyRequest(request_id=request.request_id)
        polls = 0
        while True:
            if answer.state == views_pb2.UPLOAD_STATE_ENDED:
                raise KeyRefusedError(answer)
            if answer.HasField("grant"):
                self._pace.taken()
                self._wait.over()
                # A token that was renewed meanwhile names the same subject, or nothing is sealed.
                subject = subject_of(self._connection.token)
                grant = self._trust.open_grant(answer.grant, answer.rotations, request, subject)
                return grant, answer.grant
            pause_s = self._time.pause_s(polls - 1) if polls else 0.0  # m8 has waited for it before it answered
            since = max(began, self._runtime.now() - KEY_WAIT_S)
            goes_on = sent or self._waits_for_key(task, since, pause_s)
            # Looked at last: who has no time for another try is told so, not that the reactor is away.
            if not goes_on and self._time.remaining_s() > pause_s + LEAST_LEFT_S:
                raise reasons.error_for(upload_pb2.REASON_NO_REACTOR, str(task.uri), task.purpose)
            if polls:
                await self._time.pause(polls - 1)
            answer = await self._call(methods.GET_SECRET_UPLOAD_KEY, query, sent=sent, log=LogUse.BEGINS)
            polls += 1

    async def _send(self, sent: Sent) -> Result | Failure:
        try:
            return await self._ended(sent)
        except ProofError as error:
            why = f"what came as its receipt proves nothing: {error.message}"
        except TimedOutError as error:
            said = error.said if isinstance(error, TimeOverError) else ""
            why = f"no receipt came within {self._timeout_s:g} s" + (f" ({said.removesuffix('.')})" if said else "")
        except Error as error:
            why = f"after the sealed secret was sent: {error.message}"
        except Exception as error:  # noqa: BLE001  what was sent may be written, whatever defect of ours there is
            why = f"after the sealed secret was sent: a defect ({type(error).__name__})"
        return self._uncertain(sent, why)

    async def _ended(self, sent: Sent) -> Result | Failure:
        request = sent.request
        upload = await self._until_ended(sent)
        if not upload.HasField("receipt"):
            said = reasons.name(upload.reason)
            return self._uncertain(sent, f"m8 says that it ended ({said}), but shows no receipt for it")
        receipt = await self._open(upload.receipt, sent)
        if receipt.outcome != upload_pb2.OUTCOME_FAILED:
            self._tell(sent.task, request, Stage.ENDED, spelled(upload_pb2.Outcome, receipt.outcome))
            return Result(receipt, request.request_id, upload.receipt)
        failure = self._failed(sent, receipt)
        if not failure.uncertain:
            self._tell(sent.task, request, Stage.ENDED, f"FAILED: {spelled(upload_pb2.Reason, receipt.reason)}")
        return failure

    async def _until_ended(self, sent: Sent) -> views_pb2.SecretUpload:
        request, sealed = sent.request, sent.sealed
        send = commands_pb2.RequestUploadSecretRequest(
            request_id=request.request_id,
            encapsulated_key=sealed.encapsulated_key,
            ciphertext=sealed.ciphertext,
            request_signature=sent.signature,
            change=b"" if sent.task.change is None else sent.task.change.content,
            approvals=sent.task.approvals,
        )
        upload = (await self._call(methods.REQUEST_UPLOAD_SECRET, send)).upload
        failpoint("monoctl.after-send")
        polls = 0
        while upload.state != views_pb2.UPLOAD_STATE_ENDED:
            await self._time.pause(polls)
            polls += 1
            upload = (await self._ask(request, wait=True)).upload
        return upload

    async def _call(self, method: Method[R], message: Message, *, sent: bool = True, log: LogUse = LogUse.NONE) -> R:
        """Call within the time of the request.

        By default it is about what was sent: that is asked for until time is over, whatever m8's log is like.
        """
        if (remaining_s := self._time.remaining_s()) <= 0:
            raise TimeOverError("")
        with within(self._runtime, remaining_s):
            return await self._connection.call(method, message, remaining_s, sent=sent, log=log)

    async def _ask(self, request: Request, *, wait: bool) -> queries_pb2.GetSecretUploadResponse:
        query = queries_pb2.GetSecretUploadRequest(request_id=request.request_id, wait=wait)
        return await self._call(methods.GET_SECRET_UPLOAD, query)

    async def _open(self, signed: upload_pb2.Signed, sent: Sent) -> Receipt:
        if not self._trust.is_signed_by_pin(signed):
            self._trust.follow((await self._ask(sent.request, wait=False)).rotations)
        return self._trust.open_receipt(
            signed, sent.grant, sent.sealed.sha256, sent.signer_key, approvals=sent.task.approvals
        )

    def _failed(self, sent: Sent, receipt: Receipt) -> Failure:
        """A receipt says FAILED."""
        task, reason = sent.task, receipt.reason
        # A receipt from before the sealed bytes arrived does not say what becomes of them.
        about_sent = receipt.sealed_sha256 == sent.sealed.sha256
        why = reasons.MEANINGS[reason].message.removesuffix(".")
        if reason == upload_pb2.REASON_KEY_LOST:
            lost = about_sent and receipt.replica == sent.grant.replica
            why += "" if receipt.replica else reasons.NOT_WHICH
            return self._uncertain(sent, why, lost=lost, over=lost)
        if reason == upload_pb2.REASON_OUTCOME_UNKNOWN:
            # What a copy's reactor sent may still be written; only the other store's reactor knows.
            return self._uncertain(sent, why, over=task.destination is None)
        error = reasons.error_for(
            reason,
            str(task.uri) if task.destination is None else f"{task.uri} to {task.destination}",
            task.purpose,
            upstream_version=receipt.upstream_version,
            retry_after_s=receipt.retry_after_s,
            detail=receipt.detail,
            signed=reasons.signed_as(sent.request.request_id, sent.signer_key),
            approvals=sent.grant.approvals,
            sent=None if task.change is None else len(task.approvals),
        )
        error.detail, error.lifetime_s = receipt.detail, sent.grant.lifetime_s
        return Failure(
            error,
            again=about_sent and reason == upload_pb2.REASON_UPSTREAM_UNAVAILABLE,
            limited=about_sent and task.is_limited(reason),
            conflict=about_sent and reason == upload_pb2.REASON_CONFLICT,
        )

    def _uncertain(self, sent: Sent, why: str, *, lost: bool = False, over: bool = False) -> Failure:
        """It may have been done; unless it is `over`, it still may be until the key's lifetime ends.

        A key is `lost` if the process that made it says so.
        """
        request_id = sent.request.request_id.hex()
        left_s = None if over else sent.over_at - self._runtime.now()
        return Failure(unknown(sent.task, request_id, why, left_s), again=lost, uncertain=request_id, lost=lost)

    def _timed_out(self, task: Task) -> TimedOutError:
        within = self._timeout_s if task.key_within_s is None else min(task.key_within_s, self._timeout_s)
        return TimedOutError(
            f"{task.uri}: no key came within {round(within, 3):g} s; nothing was sent.",
            fix="Try again, raise the timeout, or see `monoctl describe secret-store` for its reactors.",
        )

    def _tell(self, task: Task, request: Request, stage: Stage, end: str = "", *, touch: bool = False) -> None:
        if self._observe is not None:
            self._observe(Progress(task.uri, request.request_id, stage, task.writes, task.doubt.done, end, touch))
