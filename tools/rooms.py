"""The rooms of the house, and who imports whom: counted from the import graph, drawn from the linter's contracts.

What stands beside a room's name is the first sentence of its docstring.

python tools/rooms.py            print both
python tools/rooms.py --write    put the picture into CONTRIBUTING.md
python tools/rooms.py --check    fail if it is another there
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grimp

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- rooms -->", "<!-- /rooms -->"
PACKAGE = "monoskope"


class Floor(NamedTuple):
    """One package: its rooms are the modules and packages directly in it."""

    name: str
    rooms: frozenset[str]
    arrows: frozenset[tuple[str, str]]
    circles: int


def floors(graph: grimp.ImportGraph) -> Iterator[Floor]:
    """Yield the house and each floor of it that has rooms."""
    packages = sorted(graph.find_children(PACKAGE))
    for package in (PACKAGE, *packages):
        rooms = frozenset(graph.find_children(package))
        if not rooms or package == f"{PACKAGE}.api":
            continue
        arrows = frozenset(
            (one, other)
            for one in rooms
            for other in rooms
            if one != other and graph.direct_import_exists(importer=one, imported=other, as_packages=True)
        )
        yield Floor(package, rooms, arrows, sum(one < other and (other, one) in arrows for one, other in arrows))


class Drawn(NamedTuple):
    """One floor of the picture: its layers, top first, each the rooms that stand in it."""

    container: str
    layers: list[list[str]]


def drawn(contracts: list[dict[str, Any]]) -> Iterator[Drawn]:
    """Yield each floor that has a contract of layers."""
    for contract in contracts:
        if contract["type"] == "layers":
            layers = [re.split(r" [|:] ", layer) for layer in contract["layers"]]
            yield from (Drawn(container, layers) for container in contract["containers"])


def purpose(module: str) -> str:
    """Return what a room is for: the first sentence of its docstring."""
    path = ROOT / "src" / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    sentence = re.match(r".+?[.?!](?= |$)", " ".join(text.partition("\n\n")[0].split()))
    return sentence.group() if sentence else ""


def refused(contracts: list[dict[str, Any]], floor: Drawn, room: str) -> list[str]:
    """Return the rooms of lower layers that a contract of its own keeps `room` from."""
    above = next(i for i, layer in enumerate(floor.layers) if room in layer)
    below = {name for layer in floor.layers[above + 1 :] for name in layer}
    walls = [c for c in contracts if c["type"] == "forbidden" and f"{floor.container}.{room}" in c["source_modules"]]
    forbidden = {module for wall in walls for module in wall["forbidden_modules"]}
    return sorted(name for name in below if f"{floor.container}.{name}" in forbidden)


def picture() -> str:
    """Return the rooms, what each is for and who may import whom, as the linter's contracts have it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = []
    for floor in drawn(contracts):
        width = max(len(room) for layer in floor.layers for room in layer)
        lines = [floor.container]
        for layer in floor.layers:
            for room in layer:
                mark = "├─" if room == layer[0] else "│ "
                never = refused(contracts, floor, room)
                but = f" Never imports {', '.join(never)}." if never else ""
                lines.append(f"{mark} {room:<{width}}  {purpose(f'{floor.container}.{room}')}{but}")
        floors.append("\n".join(lines))
    return "\n\n".join(floors)


def page(text: str) -> str:
    """Return the page with today's picture in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```\n{picture()}\n```\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Print, write or check."""
    text = PAGE.read_text()
    if arguments == ["--write"]:
        PAGE.write_text(page(text))
        return 0
    if arguments == ["--check"]:
        if page(text) != text:
            print("CONTRIBUTING.md draws other rooms than the contracts and docstrings say: run `make rooms`.")
            return 1
        return 0
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    print(picture())
    print(f"\n{'floor':<24}{'rooms':>6}{'arrows':>8}{'pairs that import each other':>30}")
    for floor in floors(graph):
        print(f"{floor.name:<24}{len(floor.rooms):>6}{len(floor.arrows):>8}{floor.circles:>30}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
