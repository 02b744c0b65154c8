"""Traces: off until they are asked for, strict about what comes from others, and without the text of any error."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.traces import export, spans
from tests.support.otlp import collecting
from tests.support.programs import CLEAN

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_BAD = [
    *("", "x", GOOD[:-1], GOOD + "-", GOOD.upper(), GOOD.replace("00-4", "01-4"), GOOD.replace("00-4", "ff-4")),
    *(f" {GOOD}", f"{GOOD}\n", f"{GOOD}\r\nX-Vault-Token: a", f"00-{'0' * 32}{GOOD[35:]}"),
    *(GOOD.replace("00f067aa0ba902b7", "0" * 16), GOOD.replace("-01", "-zz"), GOOD.replace("4", "\u0664")),
]


@pytest.fixture(autouse=True)
def exports_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no collector that is away."""
    monkeypatch.setattr(export, "PATIENCE_S", 60.0)


@pytest.mark.parametrize("text", _BAD)
def test_a_malformed_context_is_dropped(text: str) -> None:
    assert spans.valid(text) == ""
    with spans.Span("a", parent=text):
        assert (spans.current(), spans.trace_id()) == ("", "")


@given(st.text())
def test_whatever_is_taken_is_55_harmless_characters(text: str) -> None:
    assert spans.valid(text) == "" or (len(text) == 55 and text.isascii() and text.isprintable())


def test_a_context_is_passed_on_while_nothing_is_recorded() -> None:
    assert spans.valid(GOOD) == GOOD
    with spans.Span("a", parent=GOOD):
        with spans.Span("b") as inner:
            inner.note("code", "OK")
            assert (spans.current(), spans.trace_id()) == (GOOD, "4bf92f3577b34da6a3ce929d0e0e4736")
        assert spans.current() == GOOD
    assert spans.current() == ""


def test_an_attribute_that_is_not_listed_is_a_defect() -> None:
    with spans.Span("a") as span, pytest.raises(ValueError, match="uri"):
        span.note("uri", "vault://team-a/db")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_standard_variables_alone_switch_traces_on(environment: dict[str, str], wanted: bool) -> None:
    assert export.wanted(environment) == wanted


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_what_is_not_supported_is_said_and_nothing_is_recorded(environment: dict[str, str]) -> None:
    traces = export.start("test", environment)
    assert "http/protobuf" in traces.warning
    traces.stop()


def _loaded(program: str, environment: dict[str, str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", program, "version"],
        env={name: value for name, value in CLEAN.items() if not name.startswith("OTEL_")} | environment,
        capture_output=True,
        check=False,
        text=True,
    )
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}


def test_monoctl_imports_nothing_of_opentelemetry_unless_it_is_asked_to() -> None:
    """The start of `monoctl` must not become slower for those who trace nothing."""
    off = _loaded("monoskope.monoctl", {})
    assert "click" in off
    assert not off & {"opentelemetry", "requests", "prometheus_client"}
    on = _loaded("monoskope.monoctl", {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1]:1"})
    assert "opentelemetry" in on


def test_an_exception_is_exported_as_a_failure_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_SERVICE_NAME": "renamed"}.items():
            monkeypatch.setenv(name, value)
        traces = export.start("test", {"OTEL_TRACES_EXPORTER": "otlp"})
        try:
            with pytest.raises(RuntimeError), spans.Span("above", kind="server", parent=GOOD), spans.Span("below"):
                raise RuntimeError("hunter2")
            with spans.Span("alone") as span:
                span.note("code", "x" * 1_000)
        finally:
            traces.stop()
        below, above, alone = collector.spans()
        assert (above.trace, above.parent, below.parent) == (GOOD[3:35], GOOD[36:52], above.span)
        assert alone.trace != above.trace
        assert alone.attributes == {"monoskope.code": "x" * spans.MAX_ATTRIBUTE}
        assert {one.service for one in (below, above, alone)} == {"renamed"}
        assert b"hunter2" not in b"".join(collector.raw)
        assert below.events == 0
    with spans.Span("after"):
        assert spans.current() == ""


def test_a_collector_that_is_away_is_told_of_once_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter2@127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    failures: list[bool] = []
    traces = export.start("test", {"OTEL_TRACES_EXPORTER": "otlp"}, failed=lambda: failures.append(True))
    with spans.Span("a"):
        pass
    traces.stop()
    assert failures


def test_of_a_collectors_answer_little_is_read_and_nothing_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bomb of 64 MiB, nothing comes to lie in the memory of a process that has secrets in it."""
    with collecting(gzip.compress(bytes(64 * 1_048_576))) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        traces = export.start("test", {"OTEL_TRACES_EXPORTER": "otlp"})
        tracemalloc.start()
        try:
            with spans.Span("a"):
                pass
            traces.stop()
            assert len(collector.spans()) == 1
            assert tracemalloc.get_traced_memory()[1] < 16 * 1_048_576
        finally:
            tracemalloc.stop()
