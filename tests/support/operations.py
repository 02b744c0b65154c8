"""Asking the listener of operations of a running process, and a real Prometheus that scrapes it."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from monoskope.testing.parts import Part, free_port, needed, wait_until

OBSERVE = Path(__file__).resolve().parents[2] / "deploy" / "observe"


def asked(address: str, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def address_of(folder: Path) -> str:
    return (folder / "operations-address").read_text().strip()


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


def cures() -> dict[str, str]:
    """What the runbook of a detached reactor says to do, by what that reactor's log says."""
    page = (OBSERVE.parents[1] / "docs" / "operate" / "monitor.md").read_text(encoding="utf-8")
    runbook = page.partition("### M8ReactorDetached\n")[2].partition("\n### ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", runbook, re.MULTILINE))


class Prometheus:
    """A Prometheus that runs, and evaluates our alert rules without their waiting times."""

    def __init__(self, address: str) -> None:
        self._address = address

    def firing(self) -> set[tuple[str, str]]:
        _, body = asked(self._address, "/api/v1/alerts")
        alerts: list[dict[str, Any]] = json.loads(body)["data"]["alerts"]
        found = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
        return {(labels["alertname"], labels.get("store", "")) for labels in found}

    def has_scraped(self, job: str) -> bool:
        """Whether every target of a job was scraped."""
        _, body = asked(self._address, "/api/v1/targets")
        found = [one for one in json.loads(body)["data"]["activeTargets"] if one["labels"]["job"] == job]
        return bool(found) and all(one["health"] == "up" for one in found)


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Scrape `targets`, by the name of their job, five times a second, as long as the block runs."""
    program = needed("prometheus", "prometheus")
    rules = yaml.safe_load((OBSERVE / "alerts.yml").read_text())
    for group in rules["groups"]:
        group["interval"] = "200ms"
        for rule in group["rules"]:
            rule.pop("for", None)
    settings = yaml.safe_load((OBSERVE / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
    settings["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": [target]}], "scrape_timeout": "5s", "scrape_interval": "5s"}
        | {"scrape_timeout": "200ms", "scrape_interval": "200ms"}
        for job, target in targets.items()
    ]
    folder.mkdir()
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    address = f"127.0.0.1:{free_port()}"
    words = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}")
    part = Part(
        "prometheus",
        (program, *words, f"--web.listen-address={address}"),
        log=folder / "prometheus.log",
        folder=folder,
        environment={"PATH": os.environ["PATH"]},
    )
    part.start()
    try:
        running = Prometheus(address)
        part.wait_for(lambda: _is_ready(address))
        wait_until(lambda: all(map(running.has_scraped, targets)), what="every target is scraped")
        yield running
    finally:
        part.stop()


def _is_ready(address: str) -> bool:
    try:
        return asked(address, "/-/ready")[0] == 200
    except OSError:
        return False
