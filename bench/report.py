"""What a run found, for the documentation: a table of figures with their targets, and where the time goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.bars import draw
from bench.machine import described

PAGE = "performance.md"
PICTURE = "where-the-time-goes.svg"

By = Mapping[str, Mapping[str, float]]

_MARKED = "(<!-- {}: [^\n]*-->\n).*?(<!-- end of {} -->\n)"
_LEAST_MS = 0.03
"""Parts of a process that take less are shown together."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must be: at most, or at least, `bound`; and what it should be, `aim`."""

    figure: str
    meaning: str
    bound: float | None = None
    aim: float | None = None
    at_least: bool = False

    def judged(self, found: float) -> str:
        """Return whether a figure meets it."""
        if self.bound is None or self.aim is None:
            return ""
        if self.reaches(found, self.aim):
            return "better than the aim"
        return "met" if self.reaches(found, self.bound) else "**missed**"

    def reaches(self, found: float, bound: float) -> bool:
        """Return whether a figure is as good as `bound`."""
        return found >= bound if self.at_least else found <= bound

    @property
    def wanted(self) -> str:
        """The bound and the aim, for people."""
        if self.bound is None:
            return ""
        return f"at {'least' if self.at_least else 'most'} {self.bound:,g}; aim {self.aim:,g}"


TARGETS = (
    Target("cli_put_ratio", "`monoctl put secret` ÷ `bao kv put`, whole process", 0.95, 0.8),
    Target("cli_list_ratio", "`monoctl get secrets` ÷ `bao kv list`", 0.85, 0.7),
    Target("cli_help_ratio", "`monoctl --help` ÷ `bao --help`", 0.7, 0.5),
    Target("put_latency_over_floor", "warm SDK put ÷ bare put ([the floor](#the-floor)), p50, new paths", 1.6, 1.35),
    Target("put_latency_over_floor_now", "the same ÷ a bare put by today's code"),
    Target("throughput_over_floor", "puts ÷ bare puts a second, 16 in flight, new paths", 0.52, 0.65, at_least=True),
    Target("throughput_over_floor_now", "the same ÷ bare puts by today's code"),
    Target("cpu_over_floor", "CPU of m8 and reactor for a put ÷ for a bare put, 16 in flight", 2.38, 1.83),
    Target("cpu_over_floor_now", "the same ÷ a bare put by today's code"),
    Target("put_latency_ratio", "warm SDK put ÷ direct write, p50, new paths"),
    Target("update_latency_ratio", "the same onto a path that exists"),
    Target("throughput_ratio", "puts ÷ direct writes a second, 16 in flight, new paths"),
    Target("update_throughput_ratio", "the same onto paths that exist"),
    Target("puts_per_core_of_m8", "1 s ÷ m8's CPU of a put, 16 in flight"),
    Target("put_engine_requests", "requests to the engine for a put to a new path, write-only", 2, 2),
    Target("update_engine_requests", "the same for an update", 3, 3),
    Target("signed_put_ratio", "signed put through an ssh-agent ÷ unsigned put, p50", 1.12, 1.08),
    Target("signed_put_file_ratio", "the same with a private key file"),
    Target("approved_put_ratio", "executing a put whose two approvals are there ÷ a signed put, p50", 1.15, 1.08),
    Target("rotation_ratio", "one [rotation](rotation.md) ÷ one generate and two copies, p50", 1.3, 1.15),
    Target("due_rotations_per_s", "rotations a second, 200 by one `--due`, 8 at once"),
    Target("unlucky_ratio", "a quiet user's p99 with a flood ÷ without", 2, 1.06),
    Target("worst_request_proto_ms", "m8's CPU of the costliest request in protobuf, ms", 60, 30),
    Target("worst_request_json_ms", "the same in JSON", 60, 30),
    Target("m8_rss_mib", "m8's memory after 10,000 uploads, MiB", 92, 80),
    Target("reactor_rss_mib", "the reactor's memory after 10,000 uploads, MiB", 75, 65),
    Target("tls_connection_kib", "m8's memory for a TLS connection that stays open, KiB", 80, 48),
    Target("reactor_pause_ms_40000", "a reactor's collection of garbage beside 40,000 known receipts, ms", 2, 1),
)
"""The rows of the table."""


def write(folder: Path, found: Mapping[str, float], by: By) -> None:
    """Write the figures, if there are any, and where the time goes into `folder`."""
    page = folder / PAGE
    text = page.read_text(encoding="utf-8")
    if found:
        text = replaced(text, "bench", _figures(found))
    if by:
        (folder / PICTURE).write_text(draw(_few(by)), encoding="utf-8")
        text = replaced(text, "parts", _parts(by))
    page.write_text(text, encoding="utf-8")


def replaced(text: str, marker: str, content: str) -> str:
    """Return `text` with `content` between the two comments of `marker`."""
    found = re.compile(_MARKED.format(marker, marker), re.DOTALL)
    return found.sub(lambda match: match[1] + content + match[2], text)


def _figures(found: Mapping[str, float]) -> str:
    lines = ["", f"One run ({described()}).", ""]
    lines += ["| figure | | found | target | |", "|---|---|---|---|---|"]
    for target in TARGETS:
        value = found.get(target.figure)
        if value is None:
            lines.append(f"| `{target.figure}` | {target.meaning} | left out | {target.wanted} | |")
            continue
        lines.append(
            f"| `{target.figure}` | {target.meaning} | {value:.3g} | {target.wanted} | {target.judged(value)} |"
        )
    return "\n".join([*lines, "", ""])


def _few(by: By) -> By:
    """Return the parts with small ones put together."""
    few: dict[str, dict[str, float]] = {}
    for process, parts in by.items():
        few[process] = {part: ms for part, ms in parts.items() if ms >= _LEAST_MS}
        if rest := sum(ms for ms in parts.values() if ms < _LEAST_MS):
            few[process]["everything else"] = rest
    return few


def _parts(by: By) -> str:
    sums = ", ".join(f"{process} {sum(parts.values()):.2f} ms" for process, parts in by.items())
    return "\n".join(
        [
            "",
            f"CPU of one put with 16 in flight ({described()}): {sums}.",
            "",
            f"![CPU time of one put in m8, reactor, client and store, by part]({PICTURE})",
            "",
            "",
        ]
    )
