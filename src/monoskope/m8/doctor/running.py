"""Whether m8 runs and is ready, and whether systemd starts it again."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from monoskope import operations
from monoskope.checks.check import Check
from monoskope.errors import UnavailableError, UsageError, docs_page
from monoskope.m8.settings import DEFAULT_OPERATIONS_LISTEN, ServerSettings

SERVER, UNIT = "server", "unit"
"""Names of checks."""

NAME = "m8.service"
"""The unit of deploy/systemd."""

_SYSTEMD = Path("/run/systemd/system")
"""Is there where systemd manages the machine (sd_booted)."""
_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState")
_SYSTEMCTL_S = 5.0


async def running_checks(loaded: ServerSettings) -> list[Check]:
    """Return whether m8 runs and is ready, and what systemd says of its unit where systemd manages the machine."""
    state = await asyncio.to_thread(unit_state)
    has_unit = state is not None and state.get("LoadState") == "loaded"
    start = "systemctl start m8" if has_unit else f"m8 serve --dir {loaded.folder}"
    return [await server_check(loaded, start), *unit_checks(state)]


async def server_check(loaded: ServerSettings, start: str) -> Check:
    """Return whether m8 runs and is ready, as its listener of operations says; `start` starts it."""
    address = _noted(loaded.folder / operations.OPERATIONS_FILE)
    if not address and _noted(loaded.address_file):
        return Check.warn(
            SERVER,
            "It runs, and has no listener of operations, so it is not known whether it is ready.",
            f'Write operations_listen = "{DEFAULT_OPERATIONS_LISTEN}" into m8.toml, and restart m8.',
        )
    if not address:
        return Check.fail(SERVER, "m8 does not run.", start)
    try:
        _, body = await operations.ask(address, "/readyz")
        wrong = unready(body)
    except UnavailableError:
        return Check.fail(SERVER, f"m8 does not answer at {address}: it hangs, or was killed.", start)
    except UsageError:
        return Check.fail(SERVER, f"What answers at {address} is not m8.", "Find out what listens there.")
    if wrong:
        fix = f"Its operating log says why; {docs_page('operate/monitor.md#alerts-and-what-to-do')}"
        return Check.fail(SERVER, f"m8 runs and is not ready: {', '.join(wrong)}.", fix)
    return Check.ok(SERVER, f"m8 runs and is ready, as {address} says.")


class Readiness(msgspec.Struct, frozen=True):
    """What `/readyz` of m8 says."""

    checks: dict[str, str]
    """The name of each check, and "ok" or what is wrong."""


def unready(body: bytes) -> list[str]:
    """Return what is wrong, from the body of `/readyz`. Raises `UsageError` for what is none of m8's."""
    try:
        checks = msgspec.json.decode(body, type=Readiness).checks
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UsageError("this is no answer of m8's.") from None
    return [f"{name} {state}" for name, state in checks.items() if state != "ok"]


def _noted(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def unit_state() -> Mapping[str, str] | None:
    """Return what systemd says of m8's unit, None where it does not manage this machine. Blocks."""
    program = shutil.which("systemctl")
    if program is None or not _SYSTEMD.is_dir():
        return None
    words = (program, "show", NAME, *(f"--property={name}" for name in _PROPERTIES))
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SYSTEMCTL_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs if name in _PROPERTIES}


def unit_checks(state: Mapping[str, str] | None) -> list[Check]:
    """Return the check of the unit from what `unit_state` returned; none where systemd does not manage the machine."""
    if state is None:
        return []
    if state.get("LoadState") != "loaded":
        said = f"systemd has no {NAME}: nothing starts m8 after the machine."
        return [Check.warn(UNIT, said, f"Lay it out: {docs_page('operate/deploy.md')}")]
    if state.get("ActiveState") == "failed":
        return [Check.fail(UNIT, f"{NAME} has failed.", "journalctl -u m8 -n 50")]
    if state.get("UnitFileState") not in {"enabled", "enabled-runtime", "static", "generated"}:
        return [Check.warn(UNIT, f"{NAME} is not enabled: nothing starts m8 after the machine.", "systemctl enable m8")]
    return [Check.ok(UNIT, f"{NAME} is enabled and {state.get('ActiveState') or 'unknown'}.")]
