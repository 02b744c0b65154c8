"""Places where a test can have a process break: named, listed here, and without effect unless armed at the start.

`MONOSKOPE_FAILPOINTS="reactor.before-write=kill,m8.before-commit=error@2"` arms them when a program starts; `@n` means
the nth time that the place is reached, the first without it. Each breaks once. The library reads no environment: only
the programs arm (docs/breakage.md, docs/adr/0011-failpoints.md). Nothing here sees or shows data.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from monoskope.errors import UsageError
from monoskope.lazy import pattern

VARIABLE = "MONOSKOPE_FAILPOINTS"

_UPLOAD_EVENTS = (
    "SecretUploadKeyRequested",
    "SecretUploadKeyProvided",
    "SecretUploadRequested",
    "SecretUploadStarted",
    "SecretUploaded",
    "SecretCompared",
    "SecretDeleted",
    "SecretVerified",
    "SecretDriftDetected",
    "SecretImported",
    "SecretCopied",
    "SecretUndeleted",
    "SecretRolledBack",
    "SecretsListed",
    "SecretUploadFailed",
)
_EVENTS = (*_UPLOAD_EVENTS, "SecretChangeProposed", "SecretChangeApproved")
_COMMANDS = (
    "RequestSecretUploadKey",
    "GetSecretUploadKey",
    "RequestUploadSecret",
    "GetSecretUpload",
    "ProposeSecretChange",
    "ApproveSecretChange",
)
_PHASES = ("clearing", "building", "exchanging", "dropping")

CLOCK = "m8.clock"
WAIT = "rotation.wait"
_SHIFTED = frozenset({CLOCK, WAIT})

NAMES = MappingProxyType(
    {
        "monoctl.after-request": "m8 has answered that it recorded the request for a key",
        "monoctl.after-grant": "the grant was checked and nothing is sealed yet",
        "monoctl.before-send": "the secret is sealed and about to be sent",
        "monoctl.after-send": "the first answer to the sealed secret has come",
        "monoctl.before-print": "the end is known and about to be printed",
        **{f"m8.before-append.{kind}": f"{kind} was decided on and is not recorded" for kind in _EVENTS},
        **{f"m8.after-append.{kind}": f"{kind} is durable and not yet answered" for kind in _EVENTS},
        "m8.before-commit": "a transaction of the log is complete and not committed",
        **{f"m8.before-answer.{name}": f"{name} is done and not answered" for name in _COMMANDS},
        "m8.before-appended": "a reactor's event is dealt with and the reactor not told",
        **{
            f"m8.rebuild.{phase}": f"read models are being rebuilt: the next piece of {phase} is due"
            for phase in _PHASES
        },
        "m8.checkpoint.before-claim": "a checkpoint may be signed and is not claimed",
        "m8.checkpoint.after-claim": "its size and root are claimed in the log and nothing is signed",
        "m8.checkpoint.after-sign": "both keys have signed and the note is written nowhere",
        "m8.checkpoint.after-file": "the note is in log.checkpoint and not in the log",
        "m8.checkpoint.after-note": "the note is in the log and no witness was asked",
        "m8.timekeeper": "the timekeeper is about to look",
        "m8.audit.after-delivery": "a sink has taken audit lines and the cursor is not moved",
        "m8.notices.after-delivery": "a recipient has taken a notice and it is not noted",
        WAIT: "a rotation waits for a write whose end is not known; shift-SECONDS alone: so much less",
        CLOCK: "m8 reads the time of day; shift±SECONDS alone: from then on it reads so much more or less",
        "reactor.before-grant": "a key was made and the grant is not appended",
        "reactor.after-grant": "m8 has the grant",
        "reactor.before-open": "a sealed secret has arrived and is not opened",
        "reactor.after-open": "it was opened; its key is gone",
        "reactor.before-started": "STARTED is about to be appended",
        "reactor.after-started": "m8 has STARTED; the engine was told nothing",
        "reactor.before-write": "the engine is about to be told to write, and the write window not looked at yet",
        "reactor.after-write": "the engine has answered the write",
        "reactor.before-receipt": "the end is known and its receipt is not appended",
        "reactor.receipt-offered": "the receipt was handed to the connection",
        "reactor.after-receipt": "m8 has the receipt",
        "reactor.before-recovery": "an abandoned request is about to be ended",
    }
)
"""Every failpoint, and where it is."""

ACTIONS = MappingProxyType(
    {
        "kill": "the process kills itself (SIGKILL)",
        "stop": "the process stops itself (SIGSTOP) until it is continued",
        "interrupt": "the process gets SIGINT, as from Ctrl-C",
        "exit": "the process ends at once with exit code 70",
        "error": "the place raises an `OSError`",
    }
)
"""What can happen at one. `m8.clock` and `rotation.wait` know `shift+SECONDS` and `shift-SECONDS` alone."""

EXIT_CODE = 70

_ENTRY = pattern(r"(?P<name>[^=@,]*)=(?P<action>[a-z]*)(?P<by>[+-][0-9]{1,9})?(@(?P<nth>[1-9][0-9]{0,8}))?", re.ASCII)


class FailpointError(OSError):
    """Raised at a failpoint that was armed with `error`."""


class _Armed:
    def __init__(self, action: str, nth: int, shift_ms: int) -> None:
        self.action = action
        self.nth = nth
        self.shift_ms = shift_ms
        self.reached = 0


_armed: dict[str, _Armed] = {}


def arm(environment: Mapping[str, str]) -> str:
    """Arm what the environment names; return the sentence to log as a warning, "" if it names nothing.

    Raises:
        UsageError: an entry has an unknown name or action, or another form; names it.
    """
    _armed.clear()
    text = environment.get(VARIABLE, "")
    if not text:
        return ""
    _armed.update(_parsed(entry) for entry in text.split(","))
    return f"FAILPOINTS ARE ARMED, this process will break on purpose: {', '.join(sorted(_armed))}"


def failpoint(name: str, detail: str = "") -> None:
    """Break here if `name` (with `detail`: `name.detail`) is armed and it is the time; else nothing.

    Raises:
        FailpointError: it was armed with `error`.
    """
    if _armed:
        _reach(f"{name}.{detail}" if detail else name)


def failpoints(name: str, details: Iterable[str]) -> None:
    """Reach `name.detail` for each of `details`. Raises as `failpoint`."""
    if _armed:
        for detail in details:
            _reach(f"{name}.{detail}")


def shift_ms(name: str) -> int:
    """Return by how many milliseconds the clock `name` is to be wrong now, 0 unless that is armed."""
    armed = _armed.get(name) if _armed else None
    if armed is None:
        return 0
    armed.reached += 1
    return armed.shift_ms if armed.reached >= armed.nth else 0


def _reach(name: str) -> None:
    armed = _armed.get(name)
    if armed is None:
        return
    armed.reached += 1
    if armed.reached != armed.nth:
        return
    match armed.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        case "exit":
            os._exit(EXIT_CODE)
        case _:
            raise FailpointError(f"failpoint {name}")


def _parsed(entry: str) -> tuple[str, _Armed]:
    match = _ENTRY.fullmatch(entry.strip())
    if match is None:
        raise UsageError(
            f"{VARIABLE}: {entry.strip()!r} is not name=action or name=action@n.", fix="Unset it, unless you test."
        )
    name, action, by = match["name"], match["action"], match["by"]
    if name not in NAMES:
        raise UsageError(f"{VARIABLE}: there is no failpoint {name!r}.", fix=_fix(name, NAMES))
    if (action == "shift") != (name in _SHIFTED) or (by is None) != (action != "shift"):
        raise UsageError(f"{VARIABLE}: {name} knows no action {action + (by or '')!r}.", fix=_fix(action, ACTIONS))
    if action != "shift" and action not in ACTIONS:
        raise UsageError(f"{VARIABLE}: there is no action {action!r}.", fix=_fix(action, ACTIONS))
    return name, _Armed(action, int(match["nth"] or 1), int(by or 0) * 1000)


def _fix(given: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415 - hardly ever needed

    close = difflib.get_close_matches(given, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else "Unset it, unless you test."
