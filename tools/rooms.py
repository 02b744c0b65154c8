"""The rooms of the house, and who imports whom: counted from the import graph, drawn from the linter's contracts.

python tools/rooms.py            print both
python tools/rooms.py --write    put the picture into CONTRIBUTING.md
python tools/rooms.py --check    fail if it is another there
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


def picture() -> str:
    """Return who may import whom, as the layers among the linter's contracts have it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    lines = []
    for contract in contracts:
        if contract["type"] == "layers":
            for container in contract["containers"]:
                lines += [f"{container.removeprefix(f'{PACKAGE}.')}:"]
                lines += [f"    {layer}" for layer in contract["layers"]]
    return "\n".join(lines)


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
            print("CONTRIBUTING.md draws other rooms than the contracts: run `make rooms`.")
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
