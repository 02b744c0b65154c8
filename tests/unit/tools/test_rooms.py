"""The picture of the house says what the linter holds, and what each room is for."""

from __future__ import annotations

from tools import rooms

LAYERS = {
    "type": "layers",
    "containers": ["monoskope"],
    "layers": ["m8 | monoctl", "client | stores", "errors : value"],
}
WALL = {"type": "forbidden", "source_modules": ["monoskope.m8"], "forbidden_modules": ["monoskope.client", "stores"]}


def test_a_floor_has_the_layers_of_its_contract() -> None:
    (floor,) = rooms.drawn([WALL, LAYERS])
    assert floor == ("monoskope", [["m8", "monoctl"], ["client", "stores"], ["errors", "value"]])


def test_a_room_is_kept_from_what_a_contract_of_its_own_forbids_below_it() -> None:
    (floor,) = rooms.drawn([LAYERS])
    assert rooms.refused([LAYERS, WALL], floor, "m8") == ["client"]
    assert rooms.refused([LAYERS, WALL], floor, "monoctl") == []


def test_a_room_is_for_what_the_first_sentence_of_its_docstring_says() -> None:
    assert rooms.purpose("monoskope.m8.bootstrap") == "The only place where the parts of m8 are put together."


def test_the_picture_shows_every_room_with_its_purpose() -> None:
    lines = rooms.picture().splitlines()
    shown = [line.removeprefix("├─").removeprefix("│").split() for line in lines if line.startswith(("├─", "│"))]
    assert all(len(words) > 2 for words in shown)
    assert {"monoctl", "readmodels", "timings"} <= {words[0] for words in shown}


def test_the_page_gets_the_picture_and_keeps_the_rest() -> None:
    before = f"# Title\n\n{rooms.BEGIN}\nold\n{rooms.END}\n\nRest.\n"
    after = rooms.page(before)
    assert after.startswith(f"# Title\n\n{rooms.BEGIN}\n```\nmonoskope\n")
    assert after.endswith(f"```\n{rooms.END}\n\nRest.\n")
