"""What a run found, for the documentation: the raw figures, the picture, and the tables in performance.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.machine import described
from bench.progress import say
from bench.report import PAGE, Target, replaced
from bench.scale.curves import Panel, draw

Curves = Mapping[str, Mapping[int, Mapping[str, float]]]
"""By engine and by secrets: the figures at that size."""

JSON = "scale.json"
PICTURE, AT_REST = "scale.svg", "rest.svg"

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


TARGETS = (
    Target("put_p50_ratio", "a put, with the most secrets ÷ the fewest", 1.15, 1.05),
    Target("list_p50_ratio", "the worst listing, the same", 1.25, 1.1),
    Target("put_p50_postgres_over_sqlite", "a put with the fewest secrets, PostgreSQL ÷ SQLite", 1.4, 1.2),
    Target("restart_ready_s", "ready after a kill, with the most secrets, s", 0.7, 0.5),
    Target("append_ratio_64", "appends ÷ bare INSERTs, 64 callers", 0.7, 1, at_least=True),
    Target("bytes_per_secret", "bytes on the disk", 6_000, 5_500),
    Target("replicas_2_ratio", "CPU of a put through one m8 ÷ through two", 0.95, 1, at_least=True),
    Target("replicas_3_ratio", "the same through three", 0.95, 1, at_least=True),
    Target("idle_m8_cpu_percent", "m8 at rest, % of a core", 0.5, 0.3),
    Target("idle_reactor_cpu_percent", "a reactor at rest, % of a core"),
    Target("put_cpu_ratio_24_watchers", "m8's CPU of a put beside 24 watchers of everything ÷ without"),
    Target("lagging_watcher_kib", "m8's memory for a watcher that reads nothing, KiB"),
    Target("lagging_event_ratio", "an event's way to another watcher beside 24 of those ÷ without"),
)
"""The rows of the first table."""


def write(folder: Path, line: str, curves: Curves) -> None:
    """Write the figures and the picture into `folder`, and the tables into its page about performance."""
    found: dict[str, float] = json.loads(line)
    raw = {engine: {str(secrets): _rounded(at) for secrets, at in sizes.items()} for engine, sizes in curves.items()}
    (folder / JSON).write_text(json.dumps({"figures": found, "growth": raw}, indent=1) + "\n", encoding="utf-8")
    (folder / PICTURE).write_text(draw(_panels(curves)), encoding="utf-8")
    (folder / AT_REST).write_text(draw(_at_rest(found)), encoding="utf-8")
    page = folder / PAGE
    text = page.read_text(encoding="utf-8")
    page.write_text(replaced(text, "scale", tables(found, curves)), encoding="utf-8")


_MORE_IS_BETTER = re.compile(r"append_ratio|_per_s|replicas_\d_ratio")

_WORSE = 1.1
"""A figure that is so many times as bad as the documented one has become worse."""


def say_compared(found: Mapping[str, float], documented: str) -> None:
    """Say each figure beside that of the documented run, which is the text of scale.json, and which became worse."""
    known: dict[str, float] = json.loads(documented)["figures"]
    worse = [name for name in found if is_worse(name, found[name], known.get(name, 0.0))]
    for name, figure in found.items():
        was = f"{known[name]:,.3f}" if name in known else "none"
        say(f"  {name}: documented {was}, found {figure:,.3f}{', WORSE' if name in worse else ''}")
    say(f"worse than the documented run by more than a tenth: {', '.join(worse) or 'none'}")


def is_worse(name: str, found: float, documented: float) -> bool:
    """Return whether the figure `name` is worse by more than a tenth; of a new one, `documented` as 0, never."""
    if not found or not documented:
        return False
    return (documented / found if _MORE_IS_BETTER.search(name) else found / documented) > _WORSE


def _rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {name: round(figure, 3) for name, figure in found.items()}


def _panels(curves: Curves) -> list[Panel]:
    return [
        Panel(
            title, {engine: [(secrets, at[name]) for secrets, at in sizes.items()] for engine, sizes in curves.items()}
        )
        for title, name in _SHOWN.items()
    ]


_CROWDS = {
    "m8's memory for each, KiB": "kib",
    "m8's CPU at rest, % of a core": "cpu_percent",
    "an event until all have it, ms": "event_ms",
}
"""The diagrams of watchers and of reactors that are attached, over their number."""


def _at_rest(found: Mapping[str, float]) -> list[Panel]:
    panels = []
    for title, name in _CROWDS.items():
        points = [
            (match, figure) for key, figure in found.items() if (match := re.fullmatch(rf"(\w+)_(\d+)_{name}", key))
        ]
        whose = dict.fromkeys(match[1] for match, _ in points)
        lines = {who: [(float(match[2]), figure) for match, figure in points if match[1] == who] for who in whose}
        panels.append(Panel(title, lines))
    return panels


def tables(found: Mapping[str, float], curves: Curves) -> str:
    """Return the section's figures as Markdown."""
    sizes = [f"{secrets:,}" for secrets in next(iter(curves.values()))]
    return "\n".join(
        [
            "",
            f"One run with {_listed(sizes)} secrets ({described()}).",
            "",
            *_of_run(found, list(curves)),
            "",
            *_of_sizes(curves, sizes),
            "",
            f"![How a put, listings, a restart and memory grow with the number of secrets]({PICTURE})",
            "",
            "Idle watchers, and reactors that are attached, simulated beside one m8 without TLS:",
            "",
            f"![How memory, CPU at rest and an event's way grow with the number of those who listen]({AT_REST})",
            "",
            f"All figures are in [{JSON}]({JSON}).",
            "",
            "",
        ]
    )


def _listed(sizes: Sequence[str]) -> str:
    return sizes[0] if len(sizes) == 1 else f"{', '.join(sizes[:-1])} and {sizes[-1]}"


def _of_run(found: Mapping[str, float], engines: Sequence[str]) -> list[str]:
    """Return the rows of `TARGETS`: a figure of each engine, or one in all."""
    lines = [f"| figure | | {' | '.join(engines)} | target | |", f"|---|---|{'---|' * len(engines)}---|---|"]
    for target in TARGETS:
        # The number of secrets is no part of a row's name.
        named = re.compile(rf"{target.figure}(_[0-9]+[km]?)?(?:_({'|'.join(engines)}))?")
        by = {match[2] or engines[-1]: figure for name, figure in found.items() if (match := named.fullmatch(name))}
        cells = [_plain(f"{by[engine]:,.3g}") if engine in by else "" for engine in engines]
        row = (f"`{target.figure}`", target.meaning, *cells, target.wanted, _judged(target, by))
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _plain(cell: str) -> str:
    """Return a number without the exponent that `g` gives large ones."""
    return f"{float(cell.replace(',', '')):,.0f}" if "e" in cell else cell


def _judged(target: Target, by: Mapping[str, float]) -> str:
    judged = {engine: target.judged(figure) for engine, figure in by.items()}
    worst = max(judged.values(), key=("", "better than the aim", "met", "**missed**").index)
    on = "" if len(set(judged.values())) == 1 else f" on {', '.join(of for of in judged if judged[of] == worst)}"
    return worst + on


def _of_sizes(curves: Curves, sizes: Sequence[str]) -> list[str]:
    """Return the rows of what was measured at each size."""
    heads = [f"{engine}, {size}" for engine in curves for size in sizes]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for title, name in _SHOWN.items():
        cells = [f"{at[name]:.3g}" for by in curves.values() for at in by.values()]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines
