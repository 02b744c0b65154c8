"""Rules on values: what breaks one is not written, whichever way it comes, and a guess learns nothing from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.recipes import Recipe, check_recipes
from monoskope.protocol.request import Request
from monoskope.reactor import cli
from monoskope.reactor.settings import read
from monoskope.reactor.value_rules import ValueRule, broken_by
from monoskope.uri import SecretUri
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import ask
from tests.support.reactor_world import World

UPLOAD, PATCH, GENERATE = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH, upload_pb2.PURPOSE_GENERATE
COMPARE, ROLLBACK = upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_ROLLBACK
LONG = ValueRule("long", ["team-a"], ["password"], 12)
EVERY = ValueRule("every", [""], min_length=4)
MADE = ValueRule("made", ["team-a"], ["password", "url"], generated=True)
PINNED = ValueRule(
    "pinned",
    ["team-a"],
    recipes={
        "user": ["fixed:app", "fixed:app2"],
        "password": ["password:12"],
        "url": ["text:db://{user}:{password}@db"],
    },
)
DETAIL = "a rule on values of this store's reactor does not allow what would be written: {}."
GOOD, SHORT = {"password": b"x" * 12, "user": b"app"}, {"password": b"x" * 11, "user": b"app"}
RECIPES = check_recipes(
    [
        *(Recipe("user", "fixed", text="app"), Recipe("password", "password", 12)),
        Recipe("url", "text", text="db://{user}:{password}@db"),
    ]
)


def over(purpose: upload_pb2.Purpose, **fields: Any) -> Request:
    """A request that replaces whatever is there."""
    return ask(purpose, expect=upload_pb2.EXPECT_OVERWRITE, **fields)


def refused(receipt: Any) -> str:
    """The name of the rule that refused, "" if none did."""
    if receipt.outcome != upload_pb2.OUTCOME_FAILED:
        return ""
    assert receipt.reason == upload_pb2.REASON_UPSTREAM_REFUSED
    name = receipt.detail.rpartition(": ")[2].removesuffix(".")
    assert receipt.detail == DETAIL.format(name)
    return str(name)


@pytest.mark.parametrize(
    ("rule", "values", "broken"),
    [
        (LONG, GOOD, False),
        (LONG, SHORT, True),
        (LONG, {"user": b"x"}, False),
        (LONG, {"password": b""}, True),
        (EVERY, {"a": b"abcd", "b": b"abcd"}, False),
        (EVERY, {"a": b"abcd", "b": b"abc"}, True),
        (ValueRule("bytes", [""], min_length=4), {"a": "\u00e4\u00e4".encode()}, False),
        (MADE, {"user": b"app"}, False),
        (MADE, GOOD, True),
        (ValueRule("elsewhere", ["team-b", "team"], min_length=4_096), GOOD, False),
        (ValueRule("one-of-two", ["team-b", "team-a/db"], min_length=4_096), GOOD, True),
    ],
)
def test_a_rule_is_about_its_paths_and_its_keys(rule: ValueRule, values: Mapping[str, bytes], *, broken: bool) -> None:
    assert broken_by([rule], ask(), values) == (rule.name if broken else "")


@pytest.mark.parametrize(
    ("keys", "recipes", "broken"),
    [
        (["password", "url"], RECIPES, False),
        (["user"], RECIPES, True),
        ([], RECIPES, True),
        ([], [Recipe("a", "hex"), Recipe("b", "ed25519")], False),
        (["url"], [Recipe("user", "fixed", text="hunter2"), Recipe("url", "text", text="{user}")], True),
    ],
)
def test_only_what_nobody_can_know_counts_as_generated(keys: list[str], recipes: list[Recipe], *, broken: bool) -> None:
    """Who asks for a `fixed` knows it, and who fills a template with nothing else knows all of it."""
    request = ask(GENERATE, recipes=check_recipes(recipes))
    values = {recipe.key: b"x" for recipe in recipes}
    assert bool(broken_by([ValueRule("made", [""], keys, generated=True)], request, values)) is broken


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, False),
        ({"user": "fixed:app2"}, False),
        ({"url": ""}, False),
        ({"user": "fixed:app:x@evil.example/"}, True),
        ({"user": "text:{password}", "url": ""}, True),
        ({"password": "password:13"}, True),
        ({"password": "password"}, True),
        ({"url": "text:db://{user}:{password}@evil.example"}, True),
        ({"url": "text:db://{user}:{password|url}@db"}, True),
        ({"host": "fixed:evil.example"}, True),
        ({"more": "password:12"}, True),
    ],
)
def test_by_recipes_nothing_else_is_made_and_no_other_key(changed: dict[str, str], *, broken: bool) -> None:
    recipes = {recipe.key: recipe.written for recipe in RECIPES} | changed
    made = check_recipes([Recipe.parse(key, text) for key, text in recipes.items() if text])
    values = {recipe.key: b"x" for recipe in made}
    assert bool(broken_by([PINNED], ask(GENERATE, recipes=made), values)) is broken


def test_the_first_rule_that_is_broken_is_named() -> None:
    assert broken_by([LONG, EVERY], ask(), {"password": b"x"}) == "long"
    assert broken_by([EVERY, LONG], ask(), {"password": b"x"}) == "every"


PUTS: list[tuple[Request, Mapping[str, bytes]]] = [
    (ask(UPLOAD), SHORT),
    (over(UPLOAD), SHORT),
    (over(PATCH), {"password": b"x" * 11}),
    (over(GENERATE, recipes=(Recipe("password", "password", 11),)), {}),
    (over(ROLLBACK, to_version="v1"), {}),
]


@pytest.mark.parametrize("asked", PUTS, ids=lambda asked: upload_pb2.Purpose.Name(asked[0].purpose))
async def test_what_breaks_a_rule_is_refused_before_it_is_announced(asked: tuple[Request, Mapping[str, bytes]]) -> None:
    request, values = asked
    world = World(value_rules=[LONG])
    world.memory.put(SHORT)
    there = world.memory.put(GOOD)
    assert refused(await world.walk(request, values)) == "long"
    assert world.outcomes() == ["FAILED UPSTREAM_REFUSED"]
    assert world.memory.now() == there
    assert world.audit.entries[-1].detail == DETAIL.format("long")


async def test_what_keeps_the_rules_is_written() -> None:
    world = World(value_rules=[LONG])
    world.memory.put(GOOD)
    assert not refused(await world.walk(over(UPLOAD), GOOD | {"b": b""}))
    assert not refused(await world.walk(over(PATCH), {"user": b"x"}))
    assert not refused(await world.walk(over(ROLLBACK, to_version="v1")))
    assert not refused(await World(value_rules=[LONG, MADE, PINNED]).walk(ask(GENERATE, recipes=RECIPES)))


async def test_of_a_patch_what_it_sets_counts_and_nothing_that_is_there() -> None:
    world = World(value_rules=[LONG, MADE])
    world.memory.put(SHORT)
    for request, values in ((over(PATCH), {"user": b"x"}), (over(PATCH, remove_keys=("user",)), {})):
        assert not refused(await world.walk(request, values))
    assert refused(await world.walk(over(PATCH), {"password": b"x" * 12})) == "made"


@pytest.mark.parametrize("rule", [MADE, PINNED], ids=["made", "pinned"])
@pytest.mark.parametrize("request_", [ask(UPLOAD), over(PATCH), over(ROLLBACK, to_version="v1")])
async def test_nothing_but_generate_writes_what_must_be_generated(request_: Request, rule: ValueRule) -> None:
    world = World(value_rules=[rule])
    world.memory.put(GOOD)
    assert refused(await world.walk(request_, GOOD)) == rule.name


@pytest.mark.parametrize("there", [SHORT, GOOD])
async def test_right_and_wrong_guesses_end_alike(there: Mapping[str, bytes]) -> None:
    """If content that is there already ended as UNCHANGED, whoever may put could ask for it again and again."""
    world = World(MemoryStore(), value_rules=[LONG])
    world.memory.put(there)
    receipt = await world.walk(over(UPLOAD), SHORT)
    assert (refused(receipt), receipt.upstream_version) == ("long", "")


async def test_what_is_there_can_be_compared_and_removed_whatever_the_rules_say() -> None:
    world = World(value_rules=[LONG, MADE])
    world.memory.put(SHORT)
    assert (await world.walk(ask(COMPARE), SHORT)).outcome == upload_pb2.OUTCOME_EQUAL
    assert (await world.walk(ask(upload_pb2.PURPOSE_IMPORT), {})).outcome == upload_pb2.OUTCOME_IMPORTED
    assert (await world.walk(over(upload_pb2.PURPOSE_DELETE), {})).outcome == upload_pb2.OUTCOME_DELETED
    assert (await world.walk(over(upload_pb2.PURPOSE_UNDELETE), {})).outcome == upload_pb2.OUTCOME_UNDELETED


RULE: dict[str, Any] = {"name": "long", "prefixes": ["team-a"], "min_length": 12}


def written(folder: Path, *rules: dict[str, Any]) -> Path:
    engine = {"type": "age", "folder": "/x", "recipients": ["age1x"]}
    table = {"server": "m8.example:7443", "ca_file": "ca.crt", "store": "local", "prefixes": [""], "engine": engine}
    (folder / "reactor.toml").write_text(tomli_w.dumps(table | {"rules": list(rules)}))
    return folder


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([RULE | {"name": ""}], "rules.name"),
        ([RULE | {"name": "a" * 64}], "rules.name"),
        ([RULE | {"name": "no spaces"}], "rules.name"),
        ([RULE, RULE], "rules.name"),
        ([RULE | {"prefixes": []}], "prefixes"),
        ([RULE | {"prefixes": ["a//b"]}], "rules"),
        ([RULE | {"keys": ["../x"]}], "rules"),
        ([RULE | {"min_length": 0}], "ask for"),
        ([RULE | {"min_length": -1}], "min_length"),
        ([RULE | {"min_length": 4_097}], "min_length"),
        ([RULE | {"min_length": "12"}], "min_length"),
        ([RULE | {"not_last": 3}], "not_last"),
        ([{"name": "x", "prefixes": [""], "generated": False}], "ask for"),
        ([RULE | {"recipes": {"a": []}}], "at least one"),
        ([RULE | {"recipes": {"a": ["hex", "hax"]}}], "unknown kind"),
        ([RULE | {"recipes": {"a": ["text:{b}"]}}], "refers to"),
        ([RULE | {"recipes": {"../x": ["hex"]}}], "rules"),
        ([RULE | {"recipes": {"a": ["hex"]}, "keys": ["a"]}], "keys"),
    ],
)
def test_a_rule_that_is_none_stops_the_start(tmp_path: Path, rules: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(written(tmp_path, *rules))


def test_rules_are_read_and_shown(tmp_path: Path) -> None:
    shown = {"name": "shown", "prefixes": [""], "recipes": {"a": ["fixed:x", "fixed:y"], "b": ["hex"]}}
    made = {"name": "made", "prefixes": ["", "b"], "keys": ["a", "b"], "generated": True}
    folder = written(tmp_path, RULE, shown, made)
    first, _, second = read(folder).rules
    assert first == ValueRule("long", ["team-a"], min_length=12)
    assert not broken_by([second], ask(uri=SecretUri.parse("local://x")), {"c": b""})
    lines = CliRunner().invoke(cli._group, ["check", str(folder)]).output.splitlines()
    assert "Rule long at local://team-a: every value: at least 12 bytes" in lines
    by = "every value: made by this reactor: a by fixed:x or fixed:y; b by hex; no other key"
    assert f"Rule shown at local://: {by}" in lines
    assert "Rule made at local://, local://b: a, b: made at random by this reactor" in lines
