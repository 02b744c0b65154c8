"""What a run found, for the documentation: a table of figures with their targets, and where the time goes."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.bars import draw

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
        if self._reaches(found, self.aim):
            return "better than the aim"
        return "met" if self._reaches(found, self.bound) else "**missed**"

    def _reaches(self, found: float, bound: float) -> bool:
        return found >= bound if self.at_least else found <= bound

    @property
    def wanted(self) -> str:
        """The bound and the aim, for people."""
        if self.bound is None:
            return ""
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}; aim {self.aim:g}"


TARGETS = (
    Target("cli_put_ratio", "`monoctl put secret` ÷ `bao kv put`, whole process", 0.9, 0.75),
    Target("cli_list_ratio", "`monoctl get secrets` ÷ `bao kv list`", 0.9, 0.7),
    Target("cli_help_ratio", "`monoctl --help` ÷ `bao --help`", 0.7, 0.5),
    Target("put_latency_ratio", "warm SDK put ÷ direct write, p50, new paths", 7, 5.7),
    Target("update_latency_ratio", "the same onto a path that exists"),
    Target(
        "throughput_ratio",
        "puts ÷ direct writes a second, 16 in flight, new paths",
        0.19,
        0.23,
        at_least=True,
    ),
    Target("update_throughput_ratio", "the same onto paths that exist"),
    Target("puts_per_core_of_m8", "1 s ÷ m8's CPU of a put, 16 in flight", 300, 390, at_least=True),
    Target("floor_put_latency_ratio", "`put_latency_ratio` of a bare put ([the floor](#the-floor))"),
    Target("floor_throughput_ratio", "`throughput_ratio` of a bare put"),
    Target("signed_put_ratio", "signed put through an ssh-agent ÷ unsigned put, p50", 1.15, 1.1),
    Target("signed_put_file_ratio", "the same with a private key file"),
    Target("unlucky_ratio", "a quiet user's p99 with a flood ÷ without", 2, 1.06),
    Target("worst_request_proto_ms", "m8's CPU of the costliest request in protobuf, ms", 60, 30),
    Target("worst_request_json_ms", "the same in JSON", 60, 30),
    Target("m8_rss_mib", "m8's memory after 10,000 uploads, MiB", 101, 80),
    Target("reactor_rss_mib", "the reactor's memory after 10,000 uploads, MiB", 112, 80),
    Target("reactor_gc_pause_ms", "a reactor's collection of garbage beside 40,000 known receipts, ms", 1, 0.5),
)
"""The rows of the table."""


def write(folder: Path, found: Mapping[str, float], by: By) -> None:
    """Write the figures, if there are any, and where the time goes into `folder`."""
    page = folder / PAGE
    text = page.read_text(encoding="utf-8")
    if found:
        text = _replaced(text, "bench", _figures(found))
    if by:
        (folder / PICTURE).write_text(draw(_few(by)), encoding="utf-8")
        text = _replaced(text, "parts", _parts(by))
    page.write_text(text, encoding="utf-8")


def _replaced(text: str, marker: str, content: str) -> str:
    found = re.compile(_MARKED.format(marker, marker), re.DOTALL)
    return found.sub(lambda match: match[1] + content + match[2], text)


def _machine() -> str:
    release = platform.release().split("-")[0]
    load = os.getloadavg()[2]
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {release},"
        f" load average {load:.1f} over the last 15 minutes"
    )


def _figures(found: Mapping[str, float]) -> str:
    lines = ["", f"One run ({_machine()}).", ""]
    lines += ["| figure | | found | target | |", "|---|---|---|---|---|"]
    for target in TARGETS:
        value = found[target.figure]
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
            f"CPU of one put with 16 in flight ({_machine()}): {sums}.",
            "",
            f"![CPU time of one put in m8, reactor, client and store, by part]({PICTURE})",
            "",
            "",
        ]
    )
