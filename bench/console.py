"""`make bench-console`: how fast the console's page is with 10,000 secrets; ends with one line of JSON.

A real m8 holds the secrets, a real `monoctl console` serves the page, and Chromium runs without rights and with its
sandbox on. Each page is a new one, without cache or past, as each link is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from bench.cpu import cpu_seconds
from bench.progress import say
from bench.scale import world
from tests.support import many_secrets
from tests.support.browser import Chromium, chromium
from tests.support.console import Console

FIGURES = (
    "console_served_ms",
    "console_cold_first_row_ms",
    "console_cold_complete_ms",
    "console_first_row_ms",
    "console_first_row_least_ms",
    "console_page_loaded_ms",
    "console_begun_ms",
    "console_drawn_ms",
    "console_page_cpu_ms",
    "console_script_cpu_ms",
    "console_view_cpu_ms",
    "console_search_ms",
    "console_activity_first_ms",
    "console_idle_cpu_ms_per_minute",
    "console_rss_mib",
)
"""The last line's keys, in its order: docs/performance.md says what each is."""

_COLD = 3
_IDLE_S = 20.0
_WAIT_S = 120.0

# Set before any script of the page: the moment in which the first row was painted, and in which the first was there.
_WATCH = """
const at = window.benched = {};
new MutationObserver((_, observer) => {
  if (at.row === undefined && document.querySelector("main .table tbody tr") !== null) {
    at.row = performance.now();
    requestAnimationFrame(() => setTimeout(() => { at.painted = performance.now(); }));
  }
  if (at.complete === undefined && at.row !== undefined && document.querySelector("main .progress") === null) {
    at.complete = performance.now();
    observer.disconnect();
  }
}).observe(document, { childList: true, subtree: true });
"""

_SPLIT = """() => {
  const ends = {};
  for (const entry of performance.getEntriesByType("resource")) {
    ends[new URL(entry.name).pathname] ??= entry.responseEnd;
  }
  return { ...window.benched, ends };
}"""

# From the key press until the one row that matches is there alone; then the search is taken back.
_SEARCH = """number => new Promise((done, failed) => {
  const field = document.querySelector("input[type=search]");
  const rows = () => [...document.querySelectorAll("main .table:not(.table-stale) tbody tr")];
  const words = rows()[number].querySelector("button, a").textContent;
  const typed = text => { field.value = text; field.dispatchEvent(new Event("input", { bubbles: true })); };
  const began = performance.now();
  let took;
  new MutationObserver((_, observer) => {
    const shown = rows();
    if (took === undefined && shown.length > 0 && shown.length < 5 && shown[0].textContent.includes(words)) {
      took = performance.now() - began;
      typed("");
    } else if (took !== undefined && shown.length > 5) {
      observer.disconnect();
      done(took);
    }
  }).observe(document.querySelector("main"), { childList: true, subtree: true, characterData: true, attributes: true });
  field.focus();
  typed(words);
  setTimeout(() => failed(new Error(`in vain: ${words}, ${rows().length} rows`)), 20000);
})"""

_ACTIVITY = """() => new Promise(done => {
  const began = performance.now();
  new MutationObserver((_, observer) => {
    if (!document.querySelector("main")?.textContent.includes("Who did what")) return;
    observer.disconnect();
    done(performance.now() - began);
  }).observe(document.body, { childList: true, subtree: true });
  setTimeout(() => done(1e9), 60000);
  [...document.querySelectorAll("nav .side-link")].find(one => one.textContent.trim() === "Activity").click();
})"""


@dataclass(frozen=True, slots=True)
class _User:
    home: Path


@contextlib.contextmanager
def _opened(browser: Chromium, address: str) -> Iterator[tuple[Page, dict[str, Any]]]:
    """Open a page, wait until all secrets have been read and its rows painted, and tell what that took."""
    with browser.visit() as page:
        page.add_init_script(_WATCH)
        counters = page.context.new_cdp_session(page)
        counters.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(address)
        page.wait_for_function("() => window.benched.painted !== undefined && window.benched.complete !== undefined")
        metrics = {one["name"]: one["value"] * 1_000 for one in counters.send("Performance.getMetrics")["metrics"]}
        took = page.evaluate(_SPLIT)
        yield page, took | {"script_cpu": metrics["ScriptDuration"], "view_cpu": metrics["TaskDuration"]}


def _console(folder: Path) -> Console:
    return Console(_User(folder / many_secrets.USER))


def cold(browser: Chromium, folder: Path) -> dict[str, float]:
    """Start a console and open its page at once, while the listing is read."""
    served: list[float] = []
    pages: list[dict[str, Any]] = []
    for _ in range(_COLD):
        began = time.perf_counter()
        with _console(folder) as console:
            address = console.address()
            served.append((time.perf_counter() - began) * 1_000)
            with _opened(browser, address) as (_, took):
                pages.append(took)
    return {
        "console_served_ms": statistics.median(served),
        "console_cold_first_row_ms": statistics.median(one["painted"] for one in pages),
        "console_cold_complete_ms": statistics.median(one["complete"] for one in pages),
    }


def warm(browser: Chromium, console: Console, times: int) -> dict[str, float]:
    """Open new pages of a console that has read everything."""
    pages: list[dict[str, Any]] = []
    with _opened(browser, console.next_address()):
        pass
    before = cpu_seconds(console.pid)
    for _ in range(times):
        with _opened(browser, console.next_address()) as (_, took):
            pages.append(took)
    painted = [one["painted"] for one in pages]
    return {
        "console_first_row_ms": statistics.median(painted),
        "console_first_row_least_ms": min(painted),
        "console_page_loaded_ms": statistics.median(one["ends"]["/console.js"] for one in pages),
        "console_begun_ms": statistics.median(one["ends"]["/api/begin"] for one in pages),
        "console_drawn_ms": statistics.median(one["row"] for one in pages),
        "console_script_cpu_ms": statistics.median(one["script_cpu"] for one in pages),
        "console_view_cpu_ms": statistics.median(one["view_cpu"] for one in pages),
        "console_page_cpu_ms": (cpu_seconds(console.pid) - before) * 1_000 / times,
    }


def used(browser: Chromium, console: Console) -> dict[str, float]:
    """Search, look at the activity, then leave the page alone."""
    with _opened(browser, console.next_address()) as (page, _):
        searches = [page.evaluate(_SEARCH, 5 * number) for number in range(5)]
        activity = page.evaluate(_ACTIVITY)
        page.get_by_role("navigation", name="Views").get_by_role("link", name="Secrets", exact=True).click()
        page.wait_for_timeout(2_000)
        before = cpu_seconds(console.pid)
        page.wait_for_timeout(_IDLE_S * 1_000)
        idle = cpu_seconds(console.pid) - before
    return {
        "console_search_ms": statistics.median(searches),
        "console_activity_first_ms": activity,
        "console_idle_cpu_ms_per_minute": idle * 1_000 * 60 / _IDLE_S,
        "console_rss_mib": _rss_mib(console.pid),
    }


def _rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def measure(folder: Path, times: int) -> dict[str, float]:
    """Measure with the world in `folder`."""
    with many_secrets.running(folder), chromium() as browser:
        say("opening pages while the listing is read")
        found = cold(browser, folder)
        with _console(folder) as console:
            say("opening pages of a console that has read everything")
            found |= warm(browser, console, times)
            say("using one page")
            return found | used(browser, console)


def _printed(found: Mapping[str, float]) -> str:
    return json.dumps({name: float(f"{found[name]:.3g}") for name in FIGURES})


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.console")
    parser.add_argument("--secrets", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=10, help="pages of which the median is taken")
    parser.add_argument("--world", type=Path, help="one that was laid out; it is copied")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-console-") as folder:
        home = Path(folder) / "world"
        if arguments.world:
            world.copy(arguments.world, home)
        else:
            say("making the secrets")
            home = many_secrets.lay_out(home, arguments.secrets)
        print(_printed(measure(home, arguments.times)))


if __name__ == "__main__":
    main()
