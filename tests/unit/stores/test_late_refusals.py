"""When each refusal of a driver comes. One that comes after STARTED tells a right guess from a wrong one.

So whatever depends on path, options and values alone is refused before a request's content is compared with what is
there, and the rest is counted by the reactor. `refusals.txt` says of each refusal which it is; a new one is in neither
place until its author decides.
"""

from __future__ import annotations

import ast

import pytest

from tests.unit.stores.refusals import TABLE, modules, reached_before, refusals, table


def untold(trees: dict[str, ast.Module]) -> list[str]:
    """What the authors of new refusals have to decide."""
    return [
        f"{module}.{place} refuses with {sentence!r}. If path, options and values alone decide it, refuse it in `check`"
        f" or `check_payload`, too, and list it in {TABLE.name} as `before`; if not, list it where it says why not."
        for module, place, sentence in sorted(set(refusals(trees)))
        if (module, place, sentence) not in table()
    ]


def test_of_every_refusal_somebody_decided_when_it_comes() -> None:
    assert untold(modules()) == []


def test_the_table_lists_nothing_that_is_gone() -> None:
    assert sorted(set(table()) - set(refusals(modules()))) == []


def test_what_is_said_to_come_before_does_and_nothing_else() -> None:
    reached = reached_before(modules())
    said = {refusal for refusal, when in table().items() if when == "before"}
    assert said == {(module, place, sentence) for module, place, sentence in table() if (module, place) in reached}


@pytest.mark.parametrize(
    ("module", "function", "new"),
    [
        ("vault.kv2", "async def write", '        raise StoreRefusedError("too late.")\n'),
        ("vault.kv2", "async def write", "        raise malformed()\n"),
        ("password_store.config", "def content", '        raise UnsupportedError("too late.")\n'),
    ],
)
def test_a_new_refusal_turns_this_red(module: str, function: str, new: str) -> None:
    trees = modules()
    lines = ast.unparse(trees[module]).splitlines(keepends=True)
    [at] = [number for number, line in enumerate(lines) if line.strip().startswith(f"{function}(")]
    trees[module] = ast.parse("".join([*lines[: at + 1], new, *lines[at + 1 :]]))
    assert len(untold(trees)) == 1


def test_a_payload_that_is_not_judged_any_more_turns_this_red() -> None:
    trees = modules()
    for node in ast.walk(trees["vault.kv1"]):
        if isinstance(node, ast.FunctionDef) and node.name == "check_payload":
            node.body = [ast.Pass()]
    for node in ast.walk(trees["vault.kv2"]):
        if isinstance(node, ast.FunctionDef) and node.name == "check_payload":
            node.body = [ast.Pass()]
    assert ("vault.versions", "to_engine") not in reached_before(trees)
