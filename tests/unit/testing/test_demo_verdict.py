"""What the demo says of a search: blindness is never called an absence, and a find is never passed over."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monoskope.testing.search import FORMS, Result, Wanted

DEMO = str(Path(__file__).resolve().parents[3] / "demo")
VALUE, CONTROL = "your value", "control"
SEEN = {VALUE: dict.fromkeys(FORMS, 0), CONTROL: dict.fromkeys(FORMS, 1)}


def verdict(monkeypatch: pytest.MonkeyPatch, *results: Result) -> None:
    monkeypatch.syspath_prepend(DEMO)
    import hunt  # noqa: PLC0415 - found only while the test runs
    import narration  # noqa: PLC0415
    import story  # noqa: PLC0415

    for name in ("hunt", "narration", "story"):
        monkeypatch.delitem(sys.modules, name)
    cluster: Any = SimpleNamespace()
    demo = story.Demo(cluster, story.Value(b"a value", None), narration.Narrator())
    demo._wanted = [Wanted.of(VALUE, b"a value to find")]
    demo._judge(hunt.Hunt(list(results), []))


def test_memory_that_could_not_be_read_is_said_and_nothing_is_claimed_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unread = Result("memory of the m8 process", reason="the system does not allow it: Permission denied")
    verdict(monkeypatch, unread, Result("m8/log.db", 100, SEEN))
    out = " ".join(capsys.readouterr().out.split())
    assert "memory of the m8 process not searched: the system does not allow it" in out
    assert "Not searched: memory of the m8 process" in out
    assert "0 hits, in each of 1 places" in out


def test_a_find_ends_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {**SEEN, VALUE: {**SEEN[VALUE], "hex/upper": 1}}
    with pytest.raises(Exception, match="found 1 times"):
        verdict(monkeypatch, Result("m8/log.db", 100, found))


@pytest.mark.parametrize("form", FORMS)
def test_a_control_that_is_missed_in_one_form_ends_the_demo(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    missed = {**SEEN, CONTROL: {**SEEN[CONTROL], form: 0}}
    with pytest.raises(Exception, match=f"blind.*{form}"):
        verdict(monkeypatch, Result("m8/m8.log", 100, missed))
