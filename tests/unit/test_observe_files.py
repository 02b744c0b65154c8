"""The dashboard and the alert rules name metrics that exist, and each alert has its place in the runbook."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from monoskope.m8.metrics import Meters
from monoskope.reactor.report.reporter import ReactorMeters
from monoskope.testing.parts import needed
from tests.support.operations import OBSERVE

MONITOR = OBSERVE.parents[1] / "docs" / "operate" / "monitor.md"
_NAME = re.compile(r"\b((?:m8|process)_[a-z0-9_]+)\b")
_LABEL = re.compile(r"\b([a-z]+)(?:=~?|!=)")


def exported() -> dict[str, set[str]]:
    """The labels of each series that m8 or a reactor exports, by its name."""
    registries = (Meters().registry, ReactorMeters().registry)
    return {name: labels for registry in registries for name, labels in _series(registry)}


def _series(registry: CollectorRegistry) -> Iterator[tuple[str, set[str]]]:
    for collector in list(registry._collector_to_names):
        names = registry._collector_to_names[collector]
        labels = set(getattr(collector, "_labelnames", ()))
        for name in names or [family.name for family in collector.collect()]:
            yield name, labels | ({"le"} if name.endswith("_bucket") else set())


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((OBSERVE / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    panels = json.loads((OBSERVE / "dashboard.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    return shown + [rule["expr"] for rule in alerts()]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_that_is_asked_for_is_exported(expression: str) -> None:
    known = exported()
    text = re.sub(r"job=~?\"[^\"]*\"", "", expression)
    names = set(_NAME.findall(text)) - {"m8"}
    assert names or expression.startswith("up{")
    assert names <= known.keys()
    labels = {label for name in names for label in known[name]} | {"instance", "job"}
    inside = {label for braces in re.findall(r"\{([^}]*)\}", text) for label in _LABEL.findall(braces)}
    by = {label.strip() for group in re.findall(r"by \(([^)]*)\)", text) for label in group.split(",")}
    assert inside | by <= labels


def test_every_metric_of_ours_is_on_the_page_and_the_page_names_no_other() -> None:
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in exported() if name.startswith("m8_")}
    ours = {name for name in ours if not name.endswith("_created")}
    totals = {name.removesuffix("_total") for name in ours if name.endswith("_total")}
    named = set(re.findall(r"`((?:m8)_[a-z0-9_]+)(?:\{[^`]*\})?`", MONITOR.read_text()))
    assert named == ours - totals


def test_what_every_m8_shows_of_the_whole_log_is_never_added_up() -> None:
    """Three m8 of one log would show everything three times."""
    section = MONITOR.read_text().partition("### What the log says")[2].partition("###")[0]
    of_log = re.findall(r"`(m8_[a-z0-9_]+)", section)
    assert "m8_engine_health" in of_log
    added = re.compile(rf"sum(?: by \([^)]*\))? ?\((?:rate\(|increase\()?(?:{'|'.join(of_log)})\b")
    assert [expression for expression in expressions() if added.search(expression)] == []


def test_every_alert_has_a_section_of_the_runbook() -> None:
    anchors = {line[4:].strip().lower() for line in MONITOR.read_text().splitlines() if line.startswith("### ")}
    for rule in alerts():
        address = rule["annotations"]["runbook_url"]
        assert address.endswith(f"/docs/operate/monitor.md#{rule['alert'].lower()}")
        assert rule["alert"].lower() in anchors


def test_the_unit_tests_of_the_alert_rules_pass() -> None:
    promtool = needed("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "test", "rules", str(OBSERVE / "alerts-test.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tested = (OBSERVE / "alerts-test.yml").read_text()
    assert {rule["alert"] for rule in alerts() if rule["alert"] not in tested} == set()


def test_the_example_of_a_configuration_is_one(tmp_path: Path) -> None:
    promtool = needed("promtool", "prometheus")
    subprocess.run([promtool, "check", "config", str(OBSERVE / "prometheus.yml")], check=True, capture_output=True)
