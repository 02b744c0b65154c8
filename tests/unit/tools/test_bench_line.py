"""The last line of `make bench`, which programs read."""

from __future__ import annotations

import json

from bench.__main__ import FIGURES, last_line
from bench.engines import figures

COMMANDS = ("cli_put_ratio", "cli_list_ratio", "cli_help_ratio")
RATIOS = (
    *("put_latency_ratio", "update_latency_ratio"),
    *("throughput_ratio", "update_throughput_ratio"),
    "unlucky_ratio",
    *("signed_put_ratio", "signed_put_file_ratio"),
)
CPU = ("puts_per_core_of_m8", "worst_request_proto_ms", "worst_request_json_ms")
FLOORS = ("floor_put_latency_ratio", "floor_throughput_ratio")
MEMORY = ("m8_rss_mib", "m8_rss_mib_at_100", "reactor_rss_mib", "reactor_rss_mib_at_100", "keys_alive_bytes")
PAUSES = ("reactor_gc_pause_ms",)
LOG = ("log_record_bytes", "log_document_bytes", "log_appends_per_s")


def test_the_last_line_is_one_flat_object_of_numbers_with_exactly_its_keys() -> None:
    measured = {name: number / 7 for number, name in enumerate(FIGURES)} | {"something_else": 1.0}

    line = last_line(measured)
    found = json.loads(line)

    assert "\n" not in line
    assert list(found) == list(FIGURES)
    assert set(found) == {*COMMANDS, *RATIOS, *CPU, *FLOORS, *MEMORY, *PAUSES, *LOG, *figures()}
    assert all(isinstance(value, float) for value in found.values())
