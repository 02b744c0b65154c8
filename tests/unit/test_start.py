"""What a start loads: no event loop, no class of a message and no library before it is needed."""

from __future__ import annotations

import asyncio
import gettext
import inspect
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope import event_loop
from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.lazy import LazyModules, pattern
from monoskope.monoctl.__main__ import _ready, cleandoc

# At every fifth import after `start`, a copy of the process is interrupted, and how it ends is written down. The
# process itself goes on: it loads once for all of its copies.
HOOK = """
import os, signal, sys

class Hook:
    begun, count = False, 0
    def find_spec(self, name, path=None, target=None):
        if name == "monoskope.start":
            Hook.begun = True
        elif Hook.begun:
            Hook.count += 1
            if Hook.count % int(os.environ["EVERY"]) == 0:
                interrupt_a_copy(name)

def interrupt_a_copy(name):
    copy = os.fork()
    if copy == 0:
        Hook.begun = False
        os.kill(os.getpid(), signal.SIGINT)
        return
    _, status = os.waitpid(copy, 0)
    with open(os.environ["ENDS"], "a") as file:
        print(name, os.waitstatus_to_exitcode(status), file=file)

if "ENDS" in os.environ:
    sys.meta_path.insert(0, Hook())
"""
PROGRAMS = {
    "monoctl": ("monoskope.monoctl", "version"),
    "monoctl put": ("monoskope.monoctl", "put", "secret", "--help"),
    "m8": ("monoskope.m8", "serve", "--help"),
}
POINTS = 20
EVERY = 5


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(HOOK)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder), **variables}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_ctrl_c_while_a_program_loads_is_quiet(tmp_path: Path, program: str) -> None:
    """Before that there is the start of the interpreter, in which nothing of ours runs."""
    quiet = run(tmp_path, *PROGRAMS[program])
    assert quiet.returncode == 0
    interrupted = run(tmp_path, *PROGRAMS[program], ENDS=str(tmp_path / "ends"), EVERY=str(EVERY))
    ends = [line.split() for line in (tmp_path / "ends").read_text().splitlines()]
    assert len(ends) >= POINTS
    assert [end for end in ends if end[1] != "130"] == []
    assert (interrupted.returncode, interrupted.stdout) == (0, quiet.stdout)
    assert "Traceback" not in interrupted.stderr


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


def test_a_server_looks_for_garbage_in_little_and_seldom() -> None:
    """Not in what is there when it starts, and not amid every few requests."""
    code = """
import gc
from monoskope import start
start.spare_what_is_here()
print(gc.get_freeze_count() > 1_000, gc.get_threshold()[0])
"""
    assert printed(code).split() == ["True", "10000"]


async def _loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_a_server_runs_on_uvloop() -> None:
    assert event_loop.run(_loop()).startswith("uvloop")


def test_a_server_runs_on_asyncios_own_loop_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert event_loop.run(_loop()).startswith("asyncio")


_CODE = """
from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.message_classes import POOL
assert "Secret" not in vars(views_pb2)
inside = type(queries_pb2.ListSecretsResponse().secrets.add())
assert inside is views_pb2.Secret
print(inside.__module__, inside.__qualname__, "Secret" in vars(views_pb2), len(vars(queries_pb2)) < 50)
"""


def test_a_class_that_was_met_inside_a_message_is_the_one_of_its_module() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["monoskope.api.gateway.v1.views_pb2", "Secret", "True", "True"]


@pytest.mark.parametrize("module", [queries_pb2, views_pb2])
def test_every_message_of_a_file_can_be_asked_for(module: object) -> None:
    descriptor = module.DESCRIPTOR  # type: ignore[attr-defined]  # every generated module has one
    for name, message in descriptor.message_types_by_name.items():
        assert name in dir(module)
        assert getattr(module, name).DESCRIPTOR is message


def test_what_a_file_does_not_have_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"views_pb2' has no attribute 'Nothing'"):
        _ = views_pb2.Nothing  # type: ignore[attr-defined]  # it is not there
