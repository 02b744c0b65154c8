"""The step `finish`: `m8 doctor`, and the first bundle, with which the first administrator joins as all others will.

The bundle comes from this machine's own settings and keys. It names no store yet: a store's identity comes from its
reactor, and never from m8.
"""

from __future__ import annotations

from pathlib import Path

from monoskope.checks.check import Check, Verdict
from monoskope.checks.log import LOG
from monoskope.errors import RefusedError, UsageError
from monoskope.m8 import settings
from monoskope.m8.cli.common import show_checks
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.doctor import examine
from monoskope.m8.doctor.database import PROCESSES
from monoskope.m8.doctor.folder import RESERVE
from monoskope.m8.renewal import CA_FILE, write_public
from monoskope.m8.tree.key_file import KeyFile
from monoskope.protocol.bundle import Bundle, Log, Login, certificates_in
from monoskope.protocol.identity import grouped
from monoskope.systemd import is_trial

FILE = "bundle.json"
"""In m8's folder: what the first administrator joins with."""
_ONCE_IT_RUNS = frozenset({PROCESSES, LOG, RESERVE})
"""Checks that warn until m8 runs: no process was heard, no checkpoint is signed, no reserve is made."""


def finish(setup: Setup) -> str:
    """Check the server, write the bundle, and say what comes next."""
    checks = examine(setup.folder)
    wrong = [check.name for check in checks if check.verdict is Verdict.FAIL]
    show_checks([check for check in checks if "server" not in wrong or not _comes_later(check)], "table")
    if set(wrong) - {"server"}:  # m8 need not run yet
        raise RefusedError(
            f"m8 doctor finds something wrong: {', '.join(wrong)}.",
            fix=f"Do what stands beside it, then: m8 init finish{setup.here}",
        )
    bundle = _bundle(setup)
    path = setup.folder / FILE
    if not path.exists() or path.read_bytes() != bytes(bundle):
        write_public(path, bytes(bundle))
    start = f"m8 serve{setup.here}" if is_trial(setup.folder) else "systemctl enable --now m8.service m8-backup.timer"
    lines = [
        "",
        *([f"Start m8, as root once the units are copied: {start}"] if "server" in wrong else []),
        "The first administrator copies this file to their own machine, runs there: monoctl join bundle.json",
        "and types the fingerprint that stands here:",
        "",
        f"  {grouped(bundle.fingerprint)}",
        "",
    ]
    setup.asked.say(*lines)
    return f"{path} is for the first administrator; monoctl config bundle makes the one for all others"


def _comes_later(check: Check) -> bool:
    """Whether a check says no more than that m8 does not run yet."""
    return check.name == "server" or (check.verdict is Verdict.WARN and check.name in _ONCE_IT_RUNS)


def _bundle(setup: Setup) -> Bundle:
    loaded = setup.loaded()
    if not loaded.issuers:
        raise UsageError("m8 takes nobody's logins yet.", fix=f"Run: m8 init issuer{setup.here}")
    key = KeyFile(setup.folder).load()
    if key is None:
        raise UsageError(f"{setup.folder} holds no log.key.", fix="Make it: m8 log init")
    issuer, (ed25519, ml_dsa_44) = loaded.issuers[0], key.vkeys
    return Bundle(
        servers=(str(loaded.names[0].at(loaded.listen.port)),),
        contact=setup.asked.known("contact") or f"the administrator of {loaded.names[0].host}",
        ca=_authority(loaded),
        login=Login(
            issuer=issuer.issuer,
            client_id=issuer.audience,
            scopes=setup.asked.known("login_scopes"),
            ca=_certificates(issuer.ca_file) if issuer.ca_file is not None else (),
        ),
        log=Log((str(ed25519), str(ml_dsa_44))),
        stores={},
    )


def _authority(loaded: settings.ServerSettings) -> tuple[str, ...]:
    """Return the private CA of m8's certificate, () if m8 presents one of an ACME client."""
    own = loaded.folder / settings.File().tls_certificate
    return _certificates(loaded.folder / CA_FILE) if loaded.tls_certificate == own else ()


def _certificates(path: Path) -> tuple[str, ...]:
    try:
        return certificates_in(path.read_text("ascii", "replace"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", fix="Check its name and mode.") from None
