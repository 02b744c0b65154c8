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
    shutil.copy(ROOT / "docs" / report.PAGE, folder)
    command = [sys.executable, "-m", "bench.scale", "--size", "tiny", "--cache", str(folder), "--write", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert tuple(found) == scale.figures(TINY)
    assert all(figure > 0 for figure in found.values())
    assert json.loads((folder / "scale.json").read_text(encoding="utf-8"))["figures"] == found
    ET.fromstring((folder / "scale.svg").read_text(encoding="utf-8"))
    page = (folder / report.PAGE).read_text(encoding="utf-8")
    assert "One run with 200 secrets" in page
    assert page.count("](scale.svg)") == 1
    for target in report.TARGETS:
        assert f"| `{target.figure}` |" in page


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


def test_names_of_sizes() -> None:
    assert [scale.size_name(number) for number in (200, 1_000, 20_000, 1_000_000)] == ["200", "1k", "20k", "1m"]
