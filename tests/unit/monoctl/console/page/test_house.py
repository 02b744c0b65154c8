"""The source of the page is a house, too: a folder imports from those below it, and nothing in it is left over."""

from __future__ import annotations

import re
from pathlib import Path

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
