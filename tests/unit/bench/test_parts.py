"""Where the benchmark finds its parts, and its last line."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import bars, floor, machine, report
from bench.__main__ import FIGURES, last_line
from bench.engines import figures
from bench.installed import _copy, _needed
from bench.parts import LOOP, part_of
from bench.profile import by_part
from bench.sampler import NATIVE_THREADS, OTHER_THREADS, Sampler

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("stack", "part"),
    [
        (["m8/log/record.py:parse", "m8/domain/aggregates.py:append_event"], "event log"),
        (["lib/python3.11/contextlib.py:__exit__", "m8/readmodels/secrets.py:project"], "read models"),
        (["python3.11/asyncio/runners.py:Runner.run", ".venv/bin/m8:<module>"], LOOP),
        (["monoskope/http/server.py:f", "m8/http/application.py:g"], "transport"),
        (["lib/python3.11/ssl.py:read", "monoskope/http/server.py:f"], LOOP),
        (["uvloop/__init__.py:run", "python3.11/asyncio/runners.py:run", "monoskope/reactor/run.py:run"], LOOP),
        (
            ["monoskope/http/pool.py:request", "stores/vault/api.py:read", "reactor/work/write.py:f"],
            "HTTP to the engine",
        ),
        ([NATIVE_THREADS], "threads of compiled code"),
        ([f"{OTHER_THREADS}:m8-log-writer"], "event log: commits, on a thread"),
    ],
)
def test_a_stack_belongs_to_the_innermost_part_that_is_known(stack: list[str], part: str) -> None:
    assert part_of(stack) == part


def test_samples_are_counted_for_the_function_that_used_the_time_and_for_its_thread() -> None:
    def busy() -> None:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass

    sampler, ran, done = Sampler(), threading.Event(), threading.Event()

    def other() -> None:
        busy()
        ran.set()
        done.wait()

    thread = threading.Thread(target=other, name="the-other-one")
    sampler.begin()
    thread.start()
    busy()
    ran.wait()
    found = sampler.end()
    done.set()
    thread.join()

    here = sum(seconds for stack, seconds in found.items() if "busy" in stack.partition(";")[0])
    assert here > 0
    assert found[f"{OTHER_THREADS}:the-other-one"] > 0
    assert sum(by_part(found, puts=1).values()) == pytest.approx(sum(found.values()) * 1_000)


def test_the_page_takes_figures_and_parts_between_its_markers_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / report.PAGE
    page.write_text((ROOT / "docs" / report.PAGE).read_text(encoding="utf-8"), encoding="utf-8")
    before = page.read_text(encoding="utf-8")
    found = dict.fromkeys(FIGURES, 0.5)

    report.write(tmp_path, found, {"m8": {"event log": 1.25, "tiny": 0.001}, "store": {"OpenBao": 3.0}})

    after = page.read_text(encoding="utf-8")
    for target in report.TARGETS:
        assert f"| `{target.figure}` | {target.meaning} | 0.5 |" in after
    assert "| at most 0.95; aim 0.8 | better than the aim |" in after
    assert "m8 1.25 ms, store 3.00 ms" in after
    assert after.count(f", {machine.interpreter()}, Linux ") == 2
    assert after.count(f"]({report.PICTURE})") == 1
    assert before.splitlines()[0] == after.splitlines()[0]
    assert before.splitlines()[-1] == after.splitlines()[-1]
    picture = ET.fromstring((tmp_path / report.PICTURE).read_text(encoding="utf-8"))
    assert "everything else" in "".join(picture.itertext())


def test_bars_are_as_long_as_their_parts() -> None:
    picture = ET.fromstring(bars.draw({"m8": {"<half>": 1.0, "whole": 2.0}}))
    half, whole = (
        float(bar.attrib["width"]) for bar in picture.iter("{http://www.w3.org/2000/svg}rect") if "x" in bar.attrib
    )
    assert half * 2 == whole


def test_it_holds_what_the_bare_package_needs_and_no_extra() -> None:
    needed = _needed("monoskope")
    assert {"click", "cryptography", "cffi", "msgspec", "protobuf"} <= needed
    assert not needed & {"pytest", "protovalidate", "setuptools"}


def test_what_is_copied_works_alone(tmp_path: Path) -> None:
    _copy("click", tmp_path)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import click; print(click.__file__)"
    done = subprocess.run(
        [sys.executable, "-B", "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == str(tmp_path / "click" / "__init__.py")
    assert not [*tmp_path.glob("*.pth"), *tmp_path.rglob("*.pyc")]


COMMANDS = ("cli_put_ratio", "cli_list_ratio", "cli_help_ratio")
RATIOS = (
    *("put_latency_ratio", "update_latency_ratio"),
    *("throughput_ratio", "update_throughput_ratio"),
    "unlucky_ratio",
    *("signed_put_ratio", "signed_put_file_ratio", "approved_put_ratio"),
    *("rotation_ratio", "due_rotations_per_s"),
)
CPU = ("puts_per_core_of_m8", "worst_request_proto_ms", "worst_request_json_ms")
FLOORS = (
    *("put_latency_over_floor", "throughput_over_floor", "cpu_over_floor"),
    *("put_latency_over_floor_now", "throughput_over_floor_now", "cpu_over_floor_now"),
)
REQUESTS = ("put_engine_requests", "update_engine_requests")
MEMORY = ("m8_rss_mib", "reactor_rss_mib", "tls_connection_kib")
PAUSES = ("reactor_pause_ms_40000",)


def test_the_last_line_is_one_flat_object_of_numbers_with_exactly_its_keys() -> None:
    measured = {name: number / 7 for number, name in enumerate(FIGURES)} | {"something_else": 1.0}

    line = last_line(measured)
    found = json.loads(line)

    assert "\n" not in line
    assert list(found) == list(FIGURES)
    assert set(found) == {*COMMANDS, *RATIOS, *CPU, *FLOORS, *REQUESTS, *MEMORY, *PAUSES, *figures()}
    assert all(isinstance(value, float) for value in found.values())


def test_without_the_frozen_floor_the_rest_is_told_and_the_table_says_what_is_left_out(tmp_path: Path) -> None:
    page = tmp_path / report.PAGE
    page.write_text((ROOT / "docs" / report.PAGE).read_text(encoding="utf-8"), encoding="utf-8")
    whole = dict.fromkeys(FIGURES, 1.0)
    frozen = {name for name in FIGURES if name.endswith(f"_{floor.OVER_FLOOR}")}

    found = json.loads(last_line({name: figure for name, figure in whole.items() if name not in frozen}))

    assert len(frozen) == 3
    assert set(found) == set(FIGURES) - frozen
    report.write(tmp_path, found, {})
    rows = [row for row in page.read_text(encoding="utf-8").splitlines() if "| left out |" in row]
    assert {row.split("`")[1] for row in rows} == frozen


def test_another_figure_that_was_not_measured_is_an_error() -> None:
    with pytest.raises(KeyError, match="put_latency_ratio"):
        last_line({name: 1.0 for name in FIGURES if name != "put_latency_ratio"})
