"""Ask the sources of known advisories about every pinned dependency.

A source that does not answer is named, never skipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.release.built import ROOT
from tools.release.pinned import npm_locks, python_lists


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of one lock.

    Attributes:
        lock: Its path from the root.
        advisories: One line for each known advisory.
        unanswered: Why the source did not answer, "" if it did.
    """

    lock: str
    advisories: tuple[str, ...] = ()
    unanswered: str = ""


def look(root: Path = ROOT) -> list[Looked]:
    """Ask about each lock: PyPI's advisories with pip-audit, those of npm with `npm audit`."""
    return [*(_python(path, root) for path in python_lists(root)), *(_npm(path, root) for path in npm_locks(root))]


def _python(path: Path, root: Path) -> Looked:
    lock = str(path.relative_to(root))
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(path), "--disable-pip", "--require-hashes"]
    ended = subprocess.run(
        [*command, "--format", "json", "--progress-spinner", "off"], check=False, capture_output=True, text=True
    )
    return of_pip_audit(lock, ended.stdout, ended.stderr)


def of_pip_audit(lock: str, stdout: str, stderr: str) -> Looked:
    """Read what pip-audit wrote."""
    try:
        found = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError):
        return Looked(lock, unanswered=_last_line(stderr) or "pip-audit wrote nothing")
    skipped = [package for package in found if package.get("skip_reason")]
    if skipped:
        why = f"{skipped[0]['name']}: {skipped[0]['skip_reason']}"
        return Looked(lock, unanswered=f"nothing is known of {len(skipped)} of {len(found)} packages, first {why}")
    lines = [
        f"{package['name']} {package['version']}: {advisory['id']}"
        for package in found
        for advisory in package.get("vulns", ())
    ]
    return Looked(lock, tuple(lines))


def _npm(path: Path, root: Path) -> Looked:
    ended = subprocess.run(["npm", "audit", "--json"], cwd=path.parent, check=False, capture_output=True, text=True)
    return of_npm_audit(str(path.relative_to(root)), ended.stdout, ended.stderr)


def of_npm_audit(lock: str, stdout: str, stderr: str) -> Looked:
    """Read what `npm audit --json` wrote."""
    try:
        written = json.loads(stdout)
    except ValueError:
        return Looked(lock, unanswered=_last_line(stderr) or "npm audit wrote nothing")
    if "vulnerabilities" not in written:
        return Looked(
            lock, unanswered=str(written.get("message") or "npm audit says of no package whether it is known")
        )
    found = written["vulnerabilities"]
    return Looked(lock, tuple(f"{name}: {entry.get('severity', 'unknown')}" for name, entry in sorted(found.items())))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
