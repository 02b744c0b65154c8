"""One search finds every value in every form, and says whose it is."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from monoskope.testing.search.canaries import STYLES, Canaries, Style
from tests.support.absent import need_memory

HOLDER = """
import sys
held = [bytes.fromhex(sys.stdin.readline())]
held += [held[0].decode() + "\\u2192" for _ in range(sys.argv[1] == "wide")]
print("ready", flush=True)
sys.stdin.readline()
"""


def seen_in_a_process_that_holds(value: bytes, canaries: Canaries, how: str = "") -> dict[str, set[str]]:
    need_memory()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(value.hex().encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        seen = canaries.look_into(process.pid)
        process.stdin.close()
        process.wait(30)
    assert not seen.reason
    return {name: set(forms) for name, forms in seen.found.items()}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [64, 3_000])
def test_a_value_is_found_by_name_among_others(style: Style, size: int) -> None:
    canaries = Canaries()
    values = [canaries.value(f"value {number}", size, style) for number in range(3)]
    assert all(size - 3 <= len(value) <= size for value in values)
    assert "raw" in seen_in_a_process_that_holds(b"." + values[1], canaries)["value 1"]


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_base64_is_found_at_any_alignment(shift: int) -> None:
    canaries = Canaries()
    value = base64.b64encode(b"." * shift + canaries.value("it", 64, "escaped"))
    found = seen_in_a_process_that_holds(value, canaries)
    assert {form.partition("/")[0] for form in found["it"]} >= {"base64"}


def test_a_text_with_two_bytes_a_character_is_found() -> None:
    canaries = Canaries()
    found = seen_in_a_process_that_holds(canaries.value("it", 64), canaries, "wide")
    assert "utf-16" in found["it"]


def test_every_form_that_can_be_planted_is_found() -> None:
    canaries = Canaries()
    for form in canaries.wanted.needles:
        assert form in seen_in_a_process_that_holds(canaries.planted(f"as {form}", form), canaries)[f"as {form}"]


def test_a_process_without_a_value_shows_none() -> None:
    canaries = Canaries()
    canaries.value("it", 64)
    assert seen_in_a_process_that_holds(b"nothing of the kind", canaries) == {}


def test_a_fragment_is_found() -> None:
    canaries = Canaries()
    fragment = canaries.value("it", 3_000, "wide")[1_111:1_155]
    found = seen_in_a_process_that_holds(fragment, canaries)
    assert found
    assert found.keys() <= {"it", ""}
