"""`make bench-scale`: that it runs on both engines and prints what it promises, and that what it seeds is real."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.report import PAGE
from bench.scale import __main__ as scale
from bench.scale import curves, growth, records, report, seed, world
from bench.scale.sizes import FULL, TINY
from monoskope.api.secrets.v1 import events_pb2
from monoskope.protocol.grant import open_grant
from monoskope.protocol.identity import RECEIPT, open_signed, shown
from monoskope.protocol.receipt import parse_receipt
from monoskope.protocol.request import parse_request

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter."""
    made = Path(tempfile.mkdtemp(prefix="monoskope-scale-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.mark.soak
def test_it_measures_both_engines_and_prints_every_figure(folder: Path) -> None:
    shutil.copy(ROOT / "docs" / PAGE, folder)
    command = [sys.executable, "-m", "bench.scale", "--size", "tiny", "--cache", str(folder), "--write", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert tuple(found) == scale.figures(TINY)
    # So little memory, and CPU in so short a time, may come to nothing.
    assert all(figure > 0 for name, figure in found.items() if "_kib" not in name and "_cpu_" not in name)
    assert "worse than the documented run by more than a tenth:" in ran.stderr
    assert json.loads((folder / "scale.json").read_text(encoding="utf-8"))["figures"] == found
    ET.fromstring((folder / "scale.svg").read_text(encoding="utf-8"))
    page = (folder / PAGE).read_text(encoding="utf-8")
    assert "One run with 200 secrets" in page
    assert page.count("](scale.svg)") == 1
    for target in report.TARGETS:
        assert f"| `{target.figure}` |" in page
    ET.fromstring((folder / "rest.svg").read_text(encoding="utf-8"))
    assert page.count("](rest.svg)") == 1


def test_the_full_run_has_the_figures_that_are_promised() -> None:
    promised = {
        *(f"{name}_1m_{engine}" for name in ("put_p50_ratio", "list_p50_ratio") for engine in scale.ENGINES),
        *(f"{name}_1m_{engine}" for name in ("restart_ready_s", "m8_rss_mib") for engine in scale.ENGINES),
        *(f"list_{name}_p50_ratio_1m_{engine}" for name in growth.NAMES for engine in scale.ENGINES),
        *(f"append_ratio_{writers}_{engine}" for writers in (1, 8, 64) for engine in scale.ENGINES),
        *(f"bytes_per_secret_{engine}" for engine in scale.ENGINES),
        *(f"events_replayed_per_s_{engine}" for engine in scale.ENGINES),
        *(f"subscribers_1000_p99_ms_{engine}" for engine in scale.ENGINES),
        "replicas_2_ratio",
        "replicas_3_ratio",
        "put_p50_postgres_over_sqlite",
        *(f"{who}_{number}_event_ms" for who in ("watchers", "reactors") for number in (1_000, 5_000)),
        *(f"idle_{what}_cpu_percent_{engine}" for what in ("m8", "reactor") for engine in scale.ENGINES),
        "put_cpu_ratio_24_watchers",
        "lagging_watcher_kib",
    }
    assert promised <= set(scale.figures(FULL))
    assert FULL.secrets == (1_000, 100_000, 1_000_000)


def test_what_is_seeded_passes_every_check_of_the_protocol(folder: Path) -> None:
    maker = world.find_maker(seed.base(seed.cache(folder)))
    identity = shown(maker.key.public_key().public_bytes_raw())
    of = 1_000
    kinds = {records.Secret(number, of).kind: number for number in range(of)}
    for number in (kinds[0], kinds[1], kinds[2], kinds[5]):
        secret = records.Secret(number, of)
        for stream in maker.streams(secret):
            asked = events_pb2.SecretUploadKeyRequested.FromString(stream.events[0][0].data)
            request = parse_request(asked.request)
            assert str(request.uri) == secret.uri
            assert stream.name == f"upload/{request.request_id.hex()}"
            granted = events_pb2.SecretUploadKeyProvided.FromString(stream.events[1][0].data)
            grant = open_grant(granted.grant, identity=identity, request=asked.request, subject=secret.subject)
            ended = events_pb2.SecretUploaded.FromString(stream.events[-1][0].data)
            receipt = parse_receipt(open_signed(ended.receipt, RECEIPT, identity))
            assert receipt.grant_sha256 == grant.sha256


def test_each_filter_finds_as_much_at_every_size() -> None:
    for of in (1_000, 10_000):
        secrets = [records.Secret(number, of) for number in range(of)]
        one = secrets[of // 3]
        assert sum(secret.subject == one.subject for secret in secrets) == records.FOUND
        assert sum(secret.expires_on == one.expires_on for secret in secrets) == records.FOUND
        assert sum(secret.labels[1] == one.labels[1] for secret in secrets) == records.FOUND
        assert sum(secret.kind == 1 for secret in secrets) == records.FOUND


def test_the_picture_shows_every_line_within_its_frame() -> None:
    picture = curves.draw(
        [curves.Panel("put, ms", {"sqlite": [(1_000, 14.0), (1e6, 15.2)], "postgres": [(1_000, 17.0)]})]
    )
    root = ET.fromstring(picture)
    texts = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"put, ms", "sqlite", "postgres", "1 k", "1 M"} <= texts
    _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
    for line in root.iter("{http://www.w3.org/2000/svg}polyline"):
        for point in line.attrib["points"].split():
            x, y = (float(part) for part in point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


@pytest.mark.parametrize(
    ("name", "found", "worse"),
    [
        ("put_p50_ratio_1m_sqlite", 1.2, True),
        ("put_p50_ratio_1m_sqlite", 1.09, False),
        ("put_p50_ratio_1m_sqlite", 0.5, False),
        ("append_ratio_64_postgres", 0.8, True),
        ("append_ratio_64_postgres", 0.95, False),
        ("appends_64_per_s_sqlite", 2.0, False),
        ("replicas_2_ratio", 0.8, True),
        ("events_replayed_per_s_postgres", 0.8, True),
        ("watchers_5000_event_ms", 1.2, True),
    ],
)
def test_a_figure_is_worse_if_it_lost_more_than_a_tenth_whichever_way_is_better(
    name: str, found: float, worse: bool
) -> None:
    assert report.is_worse(name, found, 1.0) is worse


def test_a_run_is_compared_with_the_documented_one(capsys: pytest.CaptureFixture[str]) -> None:
    documented = json.dumps({"figures": {"restart_ready_s_1m_sqlite": 0.5, "replicas_2_ratio": 0.9}})
    report.say_compared({"restart_ready_s_1m_sqlite": 0.7, "replicas_2_ratio": 0.9, "new": 3.0}, documented)
    said = capsys.readouterr().err
    assert "restart_ready_s_1m_sqlite: documented 0.500, found 0.700, WORSE" in said
    assert "replicas_2_ratio: documented 0.900, found 0.900\n" in said
    assert "new: documented none, found 3.000\n" in said
    assert said.rstrip().endswith("by more than a tenth: restart_ready_s_1m_sqlite")


def test_names_of_sizes() -> None:
    assert [scale.size_name(number) for number in (200, 1_000, 20_000, 1_000_000)] == ["200", "1k", "20k", "1m"]
