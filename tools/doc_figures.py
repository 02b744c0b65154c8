"""Figures in the docs that come from somewhere else, each held against where it comes from.

`TEXTS` has what a page says, word by word, with its figures in braces. `facts` says what they are: defaults of the
code, what the Makefile says of its targets, and what `make bench WRITE=docs` and `make bench-scale WRITE=docs` wrote
into their own pages. A page that says a figure of these takes a row here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from bench.world import LIMITS
from monoskope.client.log.judging import MOST_ENTRIES
from monoskope.exit_codes import ExitCode
from monoskope.m8.audit import exporters as exporter
from monoskope.m8.background import checkpoint_task, schedules, timekeeper
from monoskope.m8.limits.settings import ServerTimings
from monoskope.m8.tree.witnessed_log import MOST_EVERY_S, LogTable
from monoskope.protocol.payload import MAX_PADDED
from monoskope.protocol.tlog.checkpoint import COVERED_S
from monoskope.reactor.settings import ReactorLimits

PERFORMANCE = Path("docs/performance.md")
SCALE = Path("docs/scale.json")

TEXTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "docs/performance.md": (
            "`make bench` takes about {minutes[bench]} minutes",
            "`uploads_per_second` from {reactor.uploads_per_second} to {bench.uploads_per_second:,}",
            "It takes about {minutes[bench-console]} minutes and ends with one line of JSON",
        ),
        "docs/operate/capacity.md": (
            "| puts a second, 16 in flight, all parts on two cores | {put.a_second} |",
            "| a put from start to end | {put.ms:.0f} ms for an open client;",
            "{found[cli_put_ratio]} times as long as `bao kv put`",
            "| memory of m8 after 10,000 puts | {found[m8_rss_mib]:.0f} MiB,",
            "| memory of a reactor after 10,000 puts | {found[reactor_rss_mib]:.0f} MiB,",
            "| disk for each put of a small secret | {kb_a_secret:.1f} kB, besides",
            "| {reactor.uploads_per_second}, each subject at most half of what the others leave |",
            (
                "| {reactor.compares_per_hour_per_uri} for one secret, {reactor.compares_per_hour} for a reactor; of"
                " these {half[compares_per_hour_per_uri]} and {half[compares_per_hour]} for one user |"
            ),
            "| one-time keys that wait | {reactor.keys_alive:,} |",
        ),
        "docs/operate/deploy.md": (
            "A put takes {cpu[m8]:.2g} ms of it.",
            "{kb_a_secret:.1f} kB a secret for its five events",
            "**Reactors** take {reactor.uploads_per_second} requests a second each",
        ),
        "docs/scaling.md": (
            "| m8 | {cpu[m8]:.2g} ms of one core | [B] |",
            "| reactor | {cpu[reactor]:.2g} ms of one core | [B] |",
            "| the engine: OpenBao | {cpu[store]:.2g} ms of one core;",
            "| client | {cpu[client]:.2g} ms of one core | [B] |",
            "| disk for ever | {kb_a_secret:.1f} kB, besides",
            "One m8 process does {per_core[m8]:.0f} uploads a second on its core [A, from {cpu[m8]:.2g} ms]",
            "| reactors | by store, as today | {per_core[reactor]:.0f} a second for one core [A];",
        ),
        "docs/operate/replicas.md": (
            (
                "After a kill `timekeeper` is free within {lease[timekeeper]:.0f} seconds, `checkpoints` within"
                " {lease[checkpoints]:.0f}, the lease of a sink within {lease[audit]:.0f}, and `retention` within"
                " {lease[retention]:.0f}"
            ),
        ),
        "docs/operate/largest-secret.md": (
            "{most:,} bytes: about 785 kB of values",
            "with exit code {exit.REFUSED:d}",
            "ends with exit code {exit.USAGE:d}",
        ),
        "docs/operate/disk-and-log-growth.md": (
            "at most {log[often]:,.0f} a day (35 MB), and {log[seldom]:,.0f} (12 MB) where little happens",
        ),
        "docs/operate/witnessed-log.md": (
            (
                "every {log[every]:.0f} seconds where much happens ({log[much]} records), after"
                " {log[waits]:.0f} seconds where little does"
            ),
            "The most is {log[most]:.0f}: a record waits",
            "within [{log[covered]} seconds]",
        ),
        "docs/witnessed-log.md": ("within the last {log[covered]} seconds",),
        "docs/protocol.md": (
            "m8 signs a checkpoint over each record within {log[covered]} s",
            "it is at most {log[covered]} s before that clock",
            "and at most 2^{log[entries]}: no log can have come to more",
            (
                "The reactor allows {reactor.compares_per_hour_per_uri} guesses an hour for each URI and"
                " {reactor.compares_per_hour} an hour for each process, by default."
            ),
            "Uploads are limited to {reactor.uploads_per_second} a second.",
        ),
        "docs/security/threat-model.md": (
            (
                "{reactor.compares_per_hour_per_uri} guesses an hour for each secret and {reactor.compares_per_hour}"
                " for each process, together with the next row"
            ),
            "| {half[compares_per_hour_per_uri]} guesses an hour for each secret: half of what there is |",
        ),
        "docs/security/not-defended.md": ("can, at [{half[compares_per_hour_per_uri]} an hour]",),
        "CONTRIBUTING.md": (
            "about {megabytes[DEV]} MB the first time",
            "about {minutes[leaks]} minutes. `make leaks SEED=7",
            "marked `ha`, about {minutes[ha]} minutes",
            "on one m8, about {minutes[load]} minutes,",
            (
                "a put beside a real OpenBao in about {minutes[bench]} minutes; a million secrets on both engines in"
                " about {minutes[bench-scale]} minutes"
            ),
            "the console's page with 10,000 secrets in about {minutes[bench-console]} minutes",
        ),
        "README.md": ("`make demo` downloads about {megabytes[DEMO]} MB once",),
    }
)
"""What each page says, by its path."""

_ROW = re.compile(r"^\| `(?P<name>\w+)` \|[^|]*\| (?P<found>[\d.]+) \|", re.MULTILINE)
_CPU = re.compile(r"(?P<process>m8|reactor|client|store) (?P<ms>[\d.]+) ms")
_PUT = re.compile(r"^\| OpenBao, KV version 2 \| (?P<a_second>\d+) \| [\d,]+ \| (?P<ms>[\d.]+) ms \|", re.MULTILINE)
_MINUTES = re.compile(r"^(?P<target>[\w-]+):.*about (?P<minutes>\d+) minutes", re.MULTILINE)
_MEGABYTES = re.compile(r"^(?P<which>DEMO|DEV)_MB := (?P<megabytes>\d+)$", re.MULTILINE)


class _Named(dict[str, object]):
    """Facts that a text names as attributes."""

    __getattr__ = dict.__getitem__


def facts(root: Path) -> dict[str, object]:
    """Return all figures that the texts name."""
    page, makefile = ((root / name).read_text(encoding="utf-8") for name in (PERFORMANCE, "Makefile"))
    written, parts = _block(page, "bench"), _block(page, "parts")
    put = _PUT.search(page)
    assert put is not None
    cpu = {one["process"]: float(one["ms"]) for one in _CPU.finditer(parts)}
    scale = json.loads((root / SCALE).read_text(encoding="utf-8"))["figures"]
    limits, tick_s, every_s = ReactorLimits(), ServerTimings().tick, LogTable().checkpoint_every_s
    return {
        "found": {one["name"]: float(one["found"]) for one in _ROW.finditer(written)},
        "cpu": cpu,
        "per_core": {process: 1_000 / ms for process, ms in cpu.items()},
        "put": _Named(a_second=put["a_second"], ms=float(put["ms"])),
        "kb_a_secret": scale["bytes_per_secret_sqlite"] / 1_000,
        "reactor": limits,
        "half": {name: -(-getattr(limits, name) // 2) for name in ("compares_per_hour_per_uri", "compares_per_hour")},
        "bench": _Named(LIMITS),
        "minutes": {one["target"]: one["minutes"] for one in _MINUTES.finditer(makefile)},
        "megabytes": {one["which"]: one["megabytes"] for one in _MEGABYTES.finditer(makefile)},
        "lease": {
            "timekeeper": timekeeper.lease_s(tick_s),
            "checkpoints": checkpoint_task.LEASE_S,
            "audit": exporter.lease_s(tick_s),
            "retention": schedules.LEASE_S,
        },
        "log": {
            "covered": COVERED_S,
            "every": every_s,
            "waits": checkpoint_task.WAITS * every_s,
            "most": MOST_EVERY_S,
            "much": checkpoint_task.MUCH,
            "often": 86_400 / every_s,
            "seldom": 86_400 / every_s / checkpoint_task.WAITS,
            "entries": MOST_ENTRIES.bit_length() - 1,
        },
        "most": MAX_PADDED,
        "exit": ExitCode,
    }


def _block(page: str, name: str) -> str:
    """Return what a command wrote between its two marks."""
    return page.partition(f"<!-- {name}: ")[2].partition(f"<!-- end of {name} -->")[0]


def stale(root: Path) -> Iterator[str]:
    """Say which text is not in its page with the figures of now."""
    known: dict[str, object] = {}
    for name, texts in TEXTS.items():
        path = root / name
        if not path.exists():
            continue
        known = known or facts(root)
        page = " ".join(path.read_text(encoding="utf-8").split())
        for text in texts:
            if (said := text.format_map(known)) not in page:
                yield f"{name}: it must say {said!r}, or tools/doc_figures.py must say something else."
