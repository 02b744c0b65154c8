"""What is loaded at its first use answers as if it had been loaded at once."""

from __future__ import annotations

import gettext
import inspect
import platform
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.lazy import LazyModules, pattern
from monoskope.monoctl.__main__ import _ready, cleandoc


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_a_late_module_is_loaded_when_something_of_it_is_asked_for() -> None:
    code = """
import sys
from monoskope.lazy import LazyModules
with LazyModules("colorsys", "sched", ready={"colorsys": {"ONE_THIRD": "ready"}}):
    import colorsys, sched
    from colorsys import ONE_THIRD
assert not {"colorsys", "sched"} & set(sys.modules)
assert colorsys.ONE_THIRD == "ready" and "colorsys" not in sys.modules
assert colorsys.rgb_to_hls(0, 0, 0) == (0, 0, 0) and "colorsys" in sys.modules
import colorsys as itself
assert itself is not colorsys and itself.rgb_to_hls is colorsys.rgb_to_hls and itself.ONE_THIRD != "ready"
print("sched" in sys.modules, hasattr(sched, "nothing"), "sched" in sys.modules)
"""
    assert printed(code).split() == ["False", "False", "True"]


def test_a_module_that_is_loaded_stays_as_it_is() -> None:
    with LazyModules("re"):
        import re as again  # noqa: PLC0415
    assert again is re


def test_a_pattern_answers_as_a_compiled_one() -> None:
    text = r"(?P<name>[a-z])="
    ours, theirs = pattern(text, re.ASCII | re.IGNORECASE), re.compile(text, re.ASCII | re.IGNORECASE)
    for word in ("A=", "a", "x=b=", "ä="):
        for method in ("fullmatch", "match", "search"):
            assert str(getattr(ours, method)(word)) == str(getattr(theirs, method)(word))
    assert (ours.sub("-", "a=b="), ours.pattern, ours.flags) == ("--", theirs.pattern, theirs.flags)
    with pytest.raises(AttributeError):
        _ = ours.__wrapped__  # type: ignore[attr-defined]


@given(st.text("ab \n\t") | st.text(st.characters(codec="ascii", exclude_categories=["Cc"], include_characters="\n\t")))
def test_help_is_tidied_as_python_does_it(text: str) -> None:
    assert cleandoc(text) == inspect.cleandoc(text)


def test_what_is_ready_answers_as_the_modules_do_without_a_translation() -> None:
    ready: dict[str, dict[str, Any]] = _ready()
    assert ready["platform"]["system"]() == platform.system()
    assert ready["gettext"]["gettext"]("Usage:") == gettext.gettext("Usage:")
    for count in (0, 1, 2):
        assert ready["gettext"]["ngettext"]("value", "values", count) == gettext.ngettext("value", "values", count)
