"""One task for a store, an attempt to do it, and the ways in which both can end."""

from __future__ import annotations

import datetime as dt
import math
import os
from enum import Enum, auto
from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.results import DOUBTS, Doubt
from monoskope.errors import Error, OutcomeUnknownError, RefusedError, TimedOutError, UsageError, docs_page
from monoskope.protocol.notes import Labels
from monoskope.protocol.options import Options
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.recipes import Recipes
from monoskope.protocol.request import REQUEST_ID_BYTES, Request, make_request
from monoskope.text import counted
from monoskope.uri import SecretUri
from monoskope.value import Unshared, Value

if TYPE_CHECKING:
    from monoskope.api.gateway.v1 import queries_pb2
    from monoskope.client.seal import Sealed
    from monoskope.protocol.change import Change
    from monoskope.protocol.grant import Grant
    from monoskope.protocol.receipt import Receipt


class Stage(Enum):
    """How far a request is."""

    ASKING = auto()
    """A key was asked for; no secret has left this process."""
    SIGNING = auto()
    """The grant asks for a signed request, and it is being signed; nothing was sent yet. Not every request has it."""
    SENT = auto()
    """The sealed secret is on its way: from here on only a receipt tells."""
    ENDED = auto()
    """A receipt proves the end, and that it is certain."""


class Progress(Value, frozen=True):
    """Told to observers whenever the stage of a request changes."""

    uri: SecretUri
    request_id: bytes
    stage: Stage
    writes: bool = True
    """Whether it may write: a comparison does not."""
    done: str = "written"
    """What it does, if it writes: "written", "patched", "deleted", "generated", "undeleted" or "restored"."""
    end: str = ""
    """With `Stage.ENDED` what the receipt says: "UPLOADED", or "FAILED: CONFLICT"."""
    touch: bool = False
    """With `Stage.SIGNING` whether a person has to touch a security key."""

    @property
    def succeeded(self) -> bool:
        """Whether a receipt proves success."""
        return self.stage is Stage.ENDED and not self.end.startswith("FAILED")


class Notes(Value, frozen=True):
    """Labels and a day of expiry, which are not secret: given, cleared, or kept as they are."""

    labels: Labels = ()
    expires_on: str = ""
    keep_labels: bool = False
    keep_expires_on: bool = False


class Task(Unshared, Value, frozen=True):
    """What to do: the same for every attempt."""

    hidden = frozenset({"plaintext", "options"})

    uri: SecretUri
    purpose: upload_pb2.Purpose
    plaintext: bytes = b""
    """Encoded and padded; b"" where nothing is sealed."""
    expect: upload_pb2.Expect = upload_pb2.EXPECT_UNSPECIFIED
    expect_version: str = ""
    options: Options | None = None
    notes: Notes = Notes()
    destroy: bool = False
    remove_keys: tuple[str, ...] = ()
    recipes: Recipes = ()
    destination: SecretUri | None = None
    to_version: str = ""
    list_after: str = ""
    source_version: str = ""
    keys: tuple[str, ...] = ()
    break_glass: str = ""
    """Why it is done without the approvals that it takes; "" where nobody breaks the glass."""
    change: Change | None = None
    """The change that it executes: it says what is asked, whatever stands above."""
    approvals: tuple[bytes, ...] = ()
    """Of the change, as they came."""
    awaits: bool = False
    """Whether nothing is sealed while the grant asks for more approvals than there are: somebody waits for them."""
    request_id: bytes = b""
    """The request's id where it is given, 16 bytes: then there is one attempt. b"" for a new random one each."""
    key_within_s: float | None = None
    """Seconds from its beginning in which an attempt must have its key; else nothing is sealed or sent."""

    @property
    def doubt(self) -> Doubt:
        """What a user is told if its end is not proven."""
        return DOUBTS[self.purpose]

    @property
    def writes(self) -> bool:
        """Whether it changes what is upstream."""
        return PURPOSES[self.purpose].writes

    def is_limited(self, reason: upload_pb2.Reason) -> bool:
        """Whether `reason` is a per-second rate limit. Guesses are limited by the hour, for which no client waits."""
        return reason == upload_pb2.REASON_RATE_LIMITED and not PURPOSES[self.purpose].guesses


class Result(Value, frozen=True):
    """Success, proven."""

    hidden = frozenset({"signed", "grant"})

    receipt: Receipt
    request_id: bytes
    signed: upload_pb2.Signed
    """The receipt as it came."""
    grant: upload_pb2.Signed | None = None
    """The grant that it answers, as it came. `Walk.run` always sets it."""


class Failure(Value, frozen=True):
    """The end of one attempt without success."""

    error: Error
    again: bool = False
    """Whether a new attempt may begin: what was sent, if anything was, cannot be written any more."""
    uncertain: str = ""
    """The request id in hex if this attempt may have written."""
    lost: bool = False
    """Whether the process that made the key says that the key is gone."""
    conflict: bool = False
    """Whether a receipt about what was sent says CONFLICT."""
    limited: bool = False
    """Whether a per-second rate limit refused it, and what was sent, if anything was, cannot be written any more."""


def too_large(uri: SecretUri, size: int, limit: int) -> RefusedError:
    """Return the error for a padded plaintext of `size` bytes where `limit` is the store's largest."""
    return RefusedError(
        f"{uri}: the secret takes {size:,} bytes encoded and padded; the store accepts at most {limit:,}.",
        fix="Split it over several secrets, use a store with a larger limit, or ask whoever runs this one to raise"
        f" max_plaintext in its reactor.toml ({docs_page('operate/largest-secret.md')}).",
    )


def unsigned(uri: SecretUri) -> UsageError:
    """Return the error for a store that takes signed requests alone, where no key is set."""
    return UsageError(
        f"{uri}: the store takes this as a signed request alone, and no signing key is set; nothing was sealed.",
        fix="Set one that the store's operator has on its list: `monoctl config set signing_key ~/.ssh/id_ed25519.pub`,"
        f" or in a build job MONOCTL_SIGNING_KEY ({docs_page('signed-requests.md')}).",
    )


class ApprovalsMissingError(RefusedError):
    """A grant asks for more approvals than there are yet; nothing was sealed.

    Args:
        uri: Of the secret.
        needed: How many it asks for, of anybody at most.
    """

    def __init__(self, uri: SecretUri, needed: int) -> None:
        super().__init__(f"{uri}: the store asks for up to {counted(needed, 'approval')} here; nothing was sealed.")
        self.needed = needed


def check_approvals(task: Task, grant: Grant) -> None:
    """Check before anything is sealed that the store can hold a change, or a broken glass, to what it says.

    Raises:
        RefusedError: it takes this unsigned: then nobody is held to approvals, and no receipt could name them.
        ApprovalsMissingError: the task waits for more approvals.
    """
    if (task.change is not None or task.break_glass) and not grant.signature_required:
        raise RefusedError(
            f"{task.uri}: the store takes this without a signature, so it takes no approvals; nothing was sealed.",
            fix="Do it without a change and without breaking the glass, or ask the store's operator.",
        )
    if task.awaits and grant.approvals > len(task.approvals):
        raise ApprovalsMissingError(task.uri, grant.approvals)


def signed_too_late(uri: SecretUri) -> TimedOutError:
    """Return the error for a signature that was made when the one-time key had ended."""
    return TimedOutError(
        f"{uri}: the request was signed only when the one-time key had ended; nothing was sent.",
        fix="Try again, and touch the security key or confirm sooner.",
    )


def whole(task: Task, last: Failure, uncertain: str) -> Error:
    """Return the error of all attempts together.

    If an attempt to change something was uncertain, so is the whole. It names one request: the last one if that was
    uncertain, else the first that was.
    """
    if uncertain and not last.uncertain and task.writes:
        why = f"an attempt ended without proof, and a later one so: {last.error.message}"
        return unknown(task, uncertain, why)
    return last.error


def unknown(task: Task, request_id: str, why: str, left_s: float | None = None) -> OutcomeUnknownError:
    """Return the error for a request of which `why` says that its end is not proven.

    Args:
        task: What was to be done.
        request_id: In hex.
        why: A sentence, or the first half of one.
        left_s: Seconds for which it could still be done; None if it no longer can.
    """
    doubt = task.doubt
    message = f"{task.uri}: {why.removesuffix('.')}; {doubt.message.format(request=f'(request {request_id})')}"
    if left_s is not None and task.writes:
        message += f" {_still(task, left_s)}"
    error = OutcomeUnknownError(message, fix=doubt.fix.format(request_id=request_id))
    error.request_id = request_id
    return error


def _still(task: Task, left_s: float) -> str:
    if task.destination is not None:
        return "It could still be copied for some minutes."
    until = dt.datetime.now().astimezone() + dt.timedelta(seconds=max(0.0, math.ceil(left_s)))
    return f"It could still be {task.doubt.done} until {until.isoformat(' ', 'seconds')}."


class KeyRefusedError(Exception):
    """The request ended without a key, as m8 says."""

    def __init__(self, answer: queries_pb2.GetSecretUploadKeyResponse) -> None:
        super().__init__(str(answer.reason))
        self.answer = answer


class NotPreparedError(Exception):
    """The grant asks for a signature, and a person had to be asked for a passphrase first: ask for another key."""


class Sent(Value, frozen=True):
    """One attempt whose sealed bytes have left this process, or are about to."""

    hidden = frozenset({"sealed", "signature"})

    task: Task
    request: Request
    grant: Grant
    sealed: Sealed
    over_at: float
    """The runtime's time at which the key's lifetime is certainly over, counted from the arrival of its grant."""
    signature: bytes = b""
    """Where the grant asks for one."""
    signer_key: str = ""
    """The key that made it."""


def request_of(task: Task) -> Request:
    """Return the request of a new attempt: under a new random id, unless the task gives one."""
    from monoskope.protocol.grant import SUITE_1  # noqa: PLC0415 - while m8 is asked for the store

    request_id = task.request_id or os.urandom(REQUEST_ID_BYTES)
    if task.change is not None:
        from monoskope.protocol import change  # noqa: PLC0415 - few requests execute one

        return change.request_of(task.change, request_id=request_id, suites=(SUITE_1,))
    return make_request(
        request_id=request_id,
        purpose=task.purpose,
        uri=task.uri,
        expect=task.expect,
        expect_version=task.expect_version,
        suites=(SUITE_1,),
        options=task.options,
        labels=task.notes.labels,
        expires_on=task.notes.expires_on,
        keep_labels=task.notes.keep_labels,
        keep_expires_on=task.notes.keep_expires_on,
        destroy=task.destroy,
        remove_keys=task.remove_keys,
        recipes=task.recipes,
        destination=task.destination,
        to_version=task.to_version,
        list_after=task.list_after,
        break_glass=task.break_glass,
        source_version=task.source_version,
        keys=task.keys,
    )
