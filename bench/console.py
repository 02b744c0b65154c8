"""`make bench-console`: how fast the console's page is with 10,000 secrets, in Debian's Chromium; ends with one line of JSON.

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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from bench.cpu import cpu_seconds
from bench.progress import say
from monoskope.testing.cluster.commands import Commands, User
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
    "console_answered_ms",
    "console_page_cpu_ms",
    "console_view_cpu_ms",
    "console_search_ms",
    "console_activity_first_ms",
    "console_idle_cpu_ms_per_minute",
    "console_rss_mib",
)
"""The last line's keys, in its order. Milliseconds from the beginning of the navigation, but for those of one answer."""

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


@contextlib.contextmanager
def _page(browser: Chromium, address: str) -> Iterator[Page]:
    """Open the page, and wait until all secrets have been read and its rows painted."""
    with browser.visit() as page:
        page.add_init_script(_WATCH)
        page.goto(address)
        page.wait_for_function("() => window.benched.painted !== undefined && window.benched.complete !== undefined")
        yield page


def _user(folder: Path) -> User:
    return User(many_secrets.USER, folder / many_secrets.USER, Commands(folder, OpenBao(folder)))


def cold(browser: Chromium, folder: Path) -> dict[str, list[float]]:
    """Start a console and open its page at once, while the listing is read."""
    found: dict[str, list[float]] = {"served": [], "row": [], "complete": []}
    for _ in range(_COLD):
        began = time.perf_counter()
        with Console(_user(folder)) as console:
            address = console.address()
            found["served"].append((time.perf_counter() - began) * 1_000)
            with _page(browser, address) as page:
                split = page.evaluate(_SPLIT)
        found["row"].append(split["painted"])
        found["complete"].append(split["complete"])
    return found


def warm(browser: Chromium, console: Console, times: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Open new pages of a console that has read everything; return what each took, and the CPU of one in monoctl."""
    splits: list[dict[str, Any]] = []
    with _page(browser, console.next_address()):
        pass
    before = cpu_seconds(console.pid)
    for _ in range(times):
        with _page(browser, console.next_address()) as page:
            splits.append(page.evaluate(_SPLIT) | {"cpu": _main_thread_ms(page)})
    return splits, {"console_page_cpu_ms": (cpu_seconds(console.pid) - before) * 1_000 / times}


def _main_thread_ms(page: Page) -> float:
    """Return the CPU of the page's own thread so far, from Chromium's counters."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"]) * 1_000


def used(browser: Chromium, console: Console, folder: Path) -> dict[str, float]:
    """Search, look at the activity, then leave the page alone."""
    with _page(browser, console.next_address()) as page:
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
        began = cold(browser, folder)
        with Console(_user(folder)) as console:
            say("opening pages of a console that has read everything")
            splits, cpu = warm(browser, console, times)
            say("using one page")
            found = used(browser, console, folder)
    median: Callable[[str], float] = lambda name: statistics.median(one["ends"][name] for one in splits)  # noqa: E731
    painted = [one["painted"] for one in splits]
    return (
        found
        | cpu
        | {
            "console_served_ms": statistics.median(began["served"]),
            "console_cold_first_row_ms": statistics.median(began["row"]),
            "console_cold_complete_ms": statistics.median(began["complete"]),
            "console_first_row_ms": statistics.median(painted),
            "console_first_row_least_ms": min(painted),
            "console_page_loaded_ms": median("/console.js"),
            "console_begun_ms": median("/api/begin"),
            "console_answered_ms": statistics.median(
                one["ends"].get("/api/secrets", one["ends"]["/api/begin"]) for one in splits
            ),
            "console_view_cpu_ms": statistics.median(one["cpu"] for one in splits),
        }
    )


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
        if arguments.world:
            from bench.scale import world

            world.copy(arguments.world, Path(folder) / "world")
            home = Path(folder) / "world"
        else:
            say("making the secrets")
            home = many_secrets.lay_out(Path(folder), arguments.secrets)
        print(_printed(measure(home, arguments.times)))


if __name__ == "__main__":
    main()
