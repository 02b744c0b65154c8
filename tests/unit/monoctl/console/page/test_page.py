"""The page's words, pictures, colours and the order of its files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.results.changes import CHANGE_STATES
from monoskope.client.walk import reasons
from monoskope.m8.domain.events import KINDS
from monoskope.monoctl.output.changes import SaidBy
from monoskope.protocol.outcomes import ENDS, spelled
from monoskope.protocol.purposes import PURPOSES

_ROOT = Path(__file__).parents[5]
_WORDS = (_ROOT / "console/src/parts/words/Said.tsx").read_text()
_OPTION = re.compile(r"`[a-z_]+`")

STAY = {"`copies_to`"}
"""Shown on the page under this name."""


def test_every_option_that_a_reason_names_has_words_on_the_page() -> None:
    meanings = (*reasons.MEANINGS.values(), *reasons._FOR_PURPOSE.values())
    named = {option for meaning in meanings for option in _OPTION.findall(f"{meaning.message} {meaning.fix}")}
    assert {"`overwrite`", "`expect`", "`binary`"} <= named
    assert named - STAY <= set(_OPTION.findall(_WORDS))


def test_the_words_stand_on_the_page() -> None:
    page = "".join(file.read_text() for file in (_ROOT / "console/src/forms").rglob("*.ts*"))
    titles = set(re.findall(r"“([^”]+)”", _WORDS)) - {"Stores"}
    assert titles
    assert [title for title in titles if title not in page] == []


PICTURES = Path(__file__).parents[5] / "console" / "src" / "pictures"


def keys(file: str, table: str) -> set[str]:
    """The keys of `const table … = {…}`, in a file of the page."""
    text = (PICTURES / file).read_text(encoding="utf-8")
    block = re.search(rf"^(?:export )?const {table}\b[^=]*= \{{\n(.*?)^\}};", text, re.MULTILINE | re.DOTALL)
    assert block is not None, f"{file} has no table {table}"
    return set(re.findall(r"^  (\w+):", block[1], re.MULTILINE))


def test_every_event_of_the_log_has_a_sentence() -> None:
    assert keys("events/sentences.ts", "TELLERS") == set(KINDS)


@pytest.mark.parametrize("table", ["KIND_OF", "OUTCOME_WORDS"])
def test_every_outcome_has_a_kind_and_words(table: str) -> None:
    outcomes = {spelled(upload_pb2.Outcome, outcome) for outcome in ENDS} - {"FAILED"}
    # An edit of notes is no request, but it is among what people did.
    assert outcomes | {"EDITED"} <= keys("words/outcomes.ts", table)


def test_every_reason_of_a_failure_has_words() -> None:
    reasons = {spelled(upload_pb2.Reason, reason) for reason in upload_pb2.Reason.values() if reason}
    assert reasons == keys("words/outcomes.ts", "REASON_WORDS")


def test_every_refused_login_has_words() -> None:
    refusals = {spelled(views_pb2.LoginRefusal, one) for one in views_pb2.LoginRefusal.values() if one}
    assert refusals == keys("stores/health.ts", "REFUSALS")


def test_every_purpose_has_a_sentence() -> None:
    purposes = {spelled(upload_pb2.Purpose, one) for one in upload_pb2.Purpose.values() if one}
    assert purposes == keys("events/sentences.ts", "PURPOSES")


def test_every_purpose_that_can_be_approved_and_every_state_of_a_change_has_words() -> None:
    writing = {spelled(upload_pb2.Purpose, purpose) for purpose, rules in PURPOSES.items() if rules.writes}
    assert writing == keys("../views/approvals/words.tsx", "WHAT")
    assert {state.upper() for state in CHANGE_STATES} == keys("../views/approvals/words.tsx", "STATES")
    assert {*get_args(SaidBy)} - {"change"} == keys("../views/approvals/words.tsx", "SAYS")


TOKENS = Path(__file__).resolve().parents[5] / "console" / "style" / "tokens.css"

TEXT = 4.5
CONTROL = 3.0
GROUNDS = ("ground", "ground-2", "ground-3")
PAIRS = [
    *[(text, ground, TEXT) for text in ("text", "text-2") for ground in GROUNDS],
    *[("text-3", ground, TEXT) for ground in ("ground", "ground-2")],
    *[("accent", ground, TEXT) for ground in ("ground", "ground-2", "accent-ground")],
    *[
        (text, f"{tone}-ground", TEXT)
        for tone in ("good", "warn", "bad", "accent")
        for text in (tone, "text", "text-2")
    ],
    *[(tone, "ground", TEXT) for tone in ("good", "warn", "bad")],
    *[("on-primary", ground, TEXT) for ground in ("primary", "primary-hover", "danger", "danger-hover")],
    *[("edge", ground, CONTROL) for ground in ("ground", "ground-2")],
    *[(f"chart-{name}", "ground", CONTROL) for name in ("1", "2", "3", "4", "5", "6", "bad")],
]


def _schemes() -> dict[str, dict[str, str]]:
    """The colours of both schemes: dark ones replace light ones."""
    text = TOKENS.read_text(encoding="utf-8")
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    found = [dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", part)) for part in (light, dark)]
    return {"light": found[0], "dark": {**found[0], **found[1]}}


def _luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb` (WCAG 2.2, definition of relative luminance)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_black_on_white_is_the_most() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_stands_on_each_ground_can_be_read(scheme: str) -> None:
    colours = _schemes()[scheme]
    contrasts = {(a, b): round(_contrast(colours[a], colours[b]), 2) for a, b, _ in PAIRS}
    least = {(a, b): least for a, b, least in PAIRS}
    assert {pair: found for pair, found in contrasts.items() if found < least[pair]} == {}


CONSOLE = Path(__file__).parents[5] / "console"
FLOORS = ("api", "state", "parts", "forms", "pictures", "views", "frame", "main.tsx")
"""From the ground up; console/README.md says what each is for."""

_IMPORT = re.compile(r'from "(\.[^"]+)"')
_EXPORT = re.compile(r"^export (?:async )?(?:const|function\*?|interface|type|class) (\w+)", re.MULTILINE)
_IMPORTED = re.compile(r"^(?:import|export)\b([^;]*?)\bfrom ", re.MULTILINE)
_CLASS = re.compile(r"\.([a-zA-Z][\w-]*)")

IN_TESTS = {"PATIENCE_MS", "merged", "relative"}
"""Exported for tests alone."""


def sources() -> dict[str, str]:
    folder = CONSOLE / "src"
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in folder.rglob("*.ts*")}


def floor(file: str) -> int:
    return FLOORS.index(file.split("/", maxsplit=1)[0])


def test_a_folder_imports_from_those_below_it_alone() -> None:
    root = CONSOLE / "src"
    upwards = []
    for file, text in sources().items():
        for name in _IMPORT.findall(text):
            target = ((root / file).parent / name).resolve().relative_to(root.resolve()).as_posix()
            upwards += [f"{file} imports {target}"] if floor(target) > floor(file) else []
    assert upwards == []


def test_a_file_has_one_subject_and_a_folder_a_dozen_files() -> None:
    assert [file for file, text in sources().items() if text.count("\n") > 250] == []
    for kind in ("src", "style"):
        folders = {path.parent for path in (CONSOLE / kind).rglob("*") if path.is_file()}
        assert [str(folder) for folder in folders if sum(1 for _ in folder.iterdir()) > 13] == []


def test_what_is_exported_is_imported() -> None:
    texts = sources()
    imported = {
        file: {word for names in _IMPORTED.findall(text) for word in re.findall(r"\w+", names)}
        for file, text in texts.items()
        if file != "parts/index.ts"
    }
    unused = {
        f"{file}: {name}"
        for file, text in texts.items()
        for name in _EXPORT.findall(text)
        if name not in IN_TESTS and not any(name in names for other, names in imported.items() if other != file)
    }
    assert unused == set()


def test_every_rule_of_the_style_is_for_something_on_the_page() -> None:
    page = "\n".join(sources().values()) + (CONSOLE / "src" / "index.html").read_text(encoding="utf-8")
    words = set(re.findall(r"[A-Za-z][\w-]*", page))
    begun = tuple(set(re.findall(r"([a-z][a-z-]*-)\$\{", page)))
    # Beginnings of names that the page completes, such as `badge-` for each tone.
    for file in (CONSOLE / "style").rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        named = {name for selectors in re.findall(r"([^{};]+)\{", text) for name in _CLASS.findall(selectors)}
        assert {name for name in named - words if not name.startswith(begun)} == set(), file.name


def test_the_style_sheet_has_every_file() -> None:
    style = CONSOLE / "style"
    listed = re.findall(r'@import "\./([^"]+)"', (style / "console.css").read_text(encoding="utf-8"))
    files = {file.relative_to(style).as_posix() for file in style.rglob("*.css")} - {"console.css"}
    assert sorted(listed) == sorted(files)
