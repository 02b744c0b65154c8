"""What every call has: the check of its request, its note for the logs, and the sums of strangers' calls.

A note says what a call is about by fields that hold no secret, and by no other.

A stranger is a caller who has not shown who they are: by a valid token, by a reactor's login, or by a token of an
issuer that was exchanged. A line for each of their calls would fill the operating log, and push the lines of others out
of the files in which they are kept. So they are summed by address and minute.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import protovalidate
from google.protobuf.message import DecodeError, Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Error, UsageError
from monoskope.m8.domain.principal import Principal
from monoskope.m8.limits.connections import origin
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.request import parse_request


@dataclass(slots=True)
class CallNote:
    """One call. Nothing of what it carries stands here: no value, no token, no hash.

    Attributes:
        method: What was called.
        peer: Who called, as `host_port.peer_name` names it.
        client_request_id: The caller's own name for the call, "" for none.
        principal: The caller, once its token was found valid.
        about: What the call is about, by name: the URI, the request, the store, who signed the request.
        code: How it ended.
        duration_ms: How long it took.
        is_proven: Whether the caller has shown who it is: by a token, or as a reactor.
    """

    method: str
    peer: str
    client_request_id: str = ""
    principal: Principal | None = None
    about: dict[str, str] = field(default_factory=dict)
    code: str = ""
    duration_ms: int = 0
    is_proven: bool = False


TellCall: TypeAlias = Callable[[CallNote], None]
"""Takes note of a call that has ended. It is quick, and never fails."""

current_note: ContextVar[CallNote | None] = ContextVar("call_note", default=None)
"""The call that the current task answers, None outside of calls."""


def about(**named: str) -> None:
    """Note what the current task's call is about."""
    if (noted := current_note.get()) is not None:
        noted.about |= named


MINUTE_MS = 60_000

MOST_ADDRESSES = 100
"""Addresses of one minute that have a line of their own. All others share one."""

OTHERS = "others"
"""What stands in place of the address in that line."""

MOST_ENDS = 32
"""In how many different ways the calls of one address end in its line. All further ones are summed."""

TellStrangers: TypeAlias = Callable[[str, Mapping[str, int]], None]
"""Takes note of the calls of an address in a minute: how they ended, and how often. It is quick, and never fails."""


class Strangers:
    """Sums the calls of one process.

    Args:
        clock: Milliseconds since 1970.
        tick_s: Between two looks whether a minute is over.
    """

    def __init__(self, clock: Callable[[], int], *, tick_s: float) -> None:
        self._clock = clock
        self._tick_s = tick_s
        self._sums: dict[str, Counter[str]] = {}
        self.tell: TellStrangers | None = None
        """Set where access lines are wanted."""

    def count(self, noted: CallNote) -> None:
        """Count a call that has ended, by the address of its peer."""
        address = origin(noted.peer)
        if address not in self._sums and len(self._sums) >= MOST_ADDRESSES:
            address = OTHERS
        ends = self._sums.setdefault(address, Counter())
        about = (noted.about.get(name, "") for name in ("store", "issuer", "reason", "for_member"))
        end = " ".join(filter(None, (noted.method, noted.code, *about)))
        ends[end if end in ends or len(ends) < MOST_ENDS else OTHERS] += 1

    async def run(self) -> None:
        """Tell of each minute when it is over, until cancelled; then of the one that has begun."""
        minute = self._clock() // MINUTE_MS
        try:
            while True:
                await asyncio.sleep(self._tick_s)
                if (now := self._clock() // MINUTE_MS) != minute:
                    minute = now
                    self.flush()
        finally:
            self.flush()

    def flush(self) -> None:
        """Tell of all calls that were not told of."""
        sums, self._sums = self._sums, {}
        for address, ends in sums.items():
            operating_log.get().info("calls of strangers", address=address, calls=ends.total(), ends=dict(ends))
            if self.tell is not None:
                self.tell(address, ends)


def defect() -> Error:
    """Return what a caller learns of a defect: that there is one."""
    return Error("m8 met a defect of its own.", fix="Look into m8's log, and report it.")


def validate(message: Message) -> None:
    """Drop fields that this version does not know and check the rest by the rules in `proto/`.

    Raises:
        UsageError: a field breaks its rule; the message names both, never the value.
    """
    message.DiscardUnknownFields()
    try:
        protovalidate.validate(message, fail_fast=True)
    except protovalidate.ValidationError as error:
        violation = error.violations[0].proto
        path = () if violation.field is None else violation.field.elements
        field = ".".join(element.field_name for element in path) or "message"
        raise UsageError(
            f"{message.DESCRIPTOR.name}: {field}: {violation.message} ({violation.rule_id}).",
            fix="Correct that field.",
        ) from None


NAMED: Mapping[str, str] = MappingProxyType(
    {
        "uri": "uri",
        "prefix": "prefix",
        "name": "name",
        "store": "store",
        "member": "for_member",
        "token_id": "for_token_id",
    }
)
"""The fields of text that are shown if a request has them, and what the line calls them: not all that is in a request.

`member` and `token_id` of a request are not those of the caller.
"""


BOUND = ("uri", "request_id", "change_id", "store", "replica", "role_binding", "issuer", "reason")
"""What the operating log says of a call that its access line says, too: the URI of a request, a reactor's store, whose
token was to be exchanged and why it was not."""


def about_log(bound: Mapping[str, object]) -> dict[str, str]:
    """Return what the operating log knows a call to be about, by the time the call ends."""
    return {name: str(bound[name]) for name in BOUND if bound.get(name)}


def about_request(request: Message) -> dict[str, str]:
    """Return what a valid request names of these: the URI, the prefix, the request, the change, the store."""
    if isinstance(request, commands_pb2.RequestSecretUploadKeyRequest):
        return _of_upload_request(request.request)
    found: dict[str, str] = {}
    for known, value in request.ListFields():
        if known.name in NAMED and isinstance(value, str):
            found[NAMED[known.name]] = value
        elif known.name in {"request_id", "change_id"} and value:
            found[known.name] = value.hex()
    return found


def about_response(response: Message) -> dict[str, str]:
    """Return what the end of a request says: its URI, purpose and outcome, and who signed it; of a new token its id."""
    match response:
        case commands_pb2.RequestUploadSecretResponse() | queries_pb2.GetSecretUploadResponse():
            return _of_upload(response.upload)
        case access_pb2.CreateTokenResponse():
            return {"for_token_id": response.token_id}
        case _:
            return {}


def _of_upload_request(content: bytes) -> dict[str, str]:
    try:
        request = parse_request(content)
    except Error:  # it is refused, and the line says so
        return {}
    found = {
        "uri": str(request.uri),
        "purpose": spelled(upload_pb2.Purpose, request.purpose),
        "request_id": request.request_id.hex(),
    }
    if request.destination:
        found["destination"] = str(request.destination)
    return found | ({"keys": " ".join(request.keys)} if request.keys else {})


def _of_upload(upload: views_pb2.SecretUpload) -> dict[str, str]:
    found = {"uri": upload.uri, "request_id": upload.request_id.hex()}
    if upload.purpose:
        found["purpose"] = spelled(upload_pb2.Purpose, upload.purpose)
    if upload.outcome:
        found["outcome"] = spelled(upload_pb2.Outcome, upload.outcome)
    if upload.HasField("receipt"):
        found |= _of_receipt(upload.receipt)
    return found


def _of_receipt(signed: upload_pb2.Signed) -> dict[str, str]:
    try:
        receipt = parse_receipt(signed.content)
    except (Error, DecodeError):
        return {}
    return signed_by(receipt)


def signed_by(receipt: Receipt) -> dict[str, str]:
    """Return who signed a request and who approved it, or why it was done without approvals, by its receipt."""
    found = {"signer": receipt.signer, "signer_key": receipt.signer_key} if receipt.signer else {}
    if receipt.change_sha256:
        found["approvers"] = " ".join(f"{principal} {key}" for principal, key in receipt.approvers)
    return found | ({"break_glass": receipt.break_glass} if receipt.break_glass else {})
