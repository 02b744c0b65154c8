"""What a run found, for the documentation: the raw figures, the picture, and the tables in performance.md."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.scale.curves import Panel, draw

Curves = Mapping[str, Mapping[int, Mapping[str, float]]]
"""By engine and by secrets: the figures at that size."""

PAGE = "performance.md"
JSON = "scale.json"
PICTURE = "scale.svg"

_MARKED = re.compile(r"(<!-- scale: [^\n]*-->\n).*?(<!-- end of scale -->\n)", re.DOTALL)

_SHOWN = {
    "put, p50, ms": "put_p50_ms",
    "list all, 50 on a page, p50, ms": "list_all_p50_ms",
    "list by subject, p50, ms": "list_subject_p50_ms",
    "list by label, p50, ms": "list_label_p50_ms",
    "list what expires, p50, ms": "list_expiring_p50_ms",
    "list what drifted, p50, ms": "list_drifted_p50_ms",
    "ready after a kill, s": "restart_ready_s",
    "memory of m8, MiB": "m8_rss_mib",
}
"""The diagrams, and the rows of the second table."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must be.

    Attributes:
        figure: Its name, without size and engine.
        bound: At most or at least so much.
        at_least: Which of the two.
    """

    figure: str
    bound: float
    at_least: bool = False

    def met(self, found: float) -> bool:
        """Whether a figure meets it."""
        return found >= self.bound if self.at_least else found <= self.bound

    def __str__(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.bound:,g}"


TARGETS = (
    Target("put_p50_ratio", 1.25),
    Target("list_p50_ratio", 1.25),
    Target("restart_ready_s", 2),
    Target("append_ratio_64", 1, at_least=True),
    Target("bytes_per_secret", 6_000),
    Target("replicas_2_ratio", 0.95, at_least=True),
    Target("replicas_3_ratio", 0.95, at_least=True),
)


def write(folder: Path, line: str, curves: Curves) -> None:
    """Write the figures and the picture into `folder`, and the tables into its page about performance."""
    found: dict[str, float] = json.loads(line)
    raw = {engine: {str(secrets): _rounded(at) for secrets, at in sizes.items()} for engine, sizes in curves.items()}
    (folder / JSON).write_text(json.dumps({"figures": found, "growth": raw}, indent=1) + "\n", encoding="utf-8")
    (folder / PICTURE).write_text(draw(_panels(curves)), encoding="utf-8")
    page = folder / PAGE
    text = page.read_text(encoding="utf-8")
    page.write_text(_MARKED.sub(lambda match: match[1] + tables(found, curves) + match[2], text), encoding="utf-8")


def _rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {name: round(figure, 3) for name, figure in found.items()}


def _panels(curves: Curves) -> list[Panel]:
    return [
        Panel(
            title, {engine: [(secrets, at[name]) for secrets, at in sizes.items()] for engine, sizes in curves.items()}
        )
        for title, name in _SHOWN.items()
    ]


def tables(found: Mapping[str, float], curves: Curves) -> str:
    """Return the section's figures as Markdown."""
    sizes = [f"{secrets:,}" for secrets in next(iter(curves.values()))]
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release().split('-')[0]}"
    return "\n".join(
        [
            "",
            f"One run with {_listed(sizes)} secrets ({machine}). Ratios compare the largest size with the smallest.",
            "",
            *_of_run(found, list(curves)),
            "",
            *_of_sizes(curves, sizes),
            "",
            f"![How a put, listings, a restart and memory grow with the number of secrets]({PICTURE})",
            "",
            f"All figures are in [{JSON}]({JSON}).",
            "",
            "",
        ]
    )


def _listed(sizes: Sequence[str]) -> str:
    return sizes[0] if len(sizes) == 1 else f"{', '.join(sizes[:-1])} and {sizes[-1]}"


def _of_run(found: Mapping[str, float], engines: Sequence[str]) -> list[str]:
    """Return the rows of the figures that have a target: one an engine, or one in all."""
    rows: dict[str, dict[str, float]] = {}
    for name, figure in found.items():
        engine = next((each for each in engines if name.endswith(f"_{each}")), "")
        plain = re.sub(r"_([0-9]+[km]?)$", "", name.removesuffix(f"_{engine}")) if engine else name
        # The number of writers is a part of the name, the number of secrets is not.
        key = name.removesuffix(f"_{engine}") if plain == "append_ratio" else plain
        rows.setdefault(key, {})[engine] = figure
    lines = [f"| figure | {' | '.join(engines)} | target | |", f"|---|{'---|' * len(engines)}---|---|"]
    for name, by in rows.items():
        target = next((each for each in TARGETS if each.figure == name), None)
        if target is None:
            continue
        cells = [f"{by[engine]:,.3g}" if engine in by else "" for engine in engines]
        if "" in by:
            cells[-1] = f"{by['']:,.3g}"
        lines.append(f"| `{name}` | {' | '.join(_plain(cell) for cell in cells)} | {target} | {_judged(target, by)} |")
    return lines


def _plain(cell: str) -> str:
    """Return a number without the exponent that `g` gives large ones."""
    return f"{float(cell.replace(',', '')):,.0f}" if "e" in cell else cell


def _judged(target: Target, by: Mapping[str, float]) -> str:
    missed = [engine for engine, figure in by.items() if not target.met(figure)]
    if not missed:
        return "met"
    return "**missed**" if len(missed) == len(by) else f"**missed** on {', '.join(missed)}"


def _of_sizes(curves: Curves, sizes: Sequence[str]) -> list[str]:
    """Return the rows of what was measured at each size."""
    heads = [f"{engine}, {size}" for engine in curves for size in sizes]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for title, name in _SHOWN.items():
        cells = [f"{at[name]:.3g}" for by in curves.values() for at in by.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines
