"""Generating, kind by kind and branch by branch, on an engine in memory."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import re
import threading
import urllib.parse
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import write_tag
from monoskope.protocol.recipes import Recipe, check_recipes, template_of
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import digest_of
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.work.new_values import ALPHABET, MAX_WAITING, TOO_LARGE, Generator, filled, public_halves
from monoskope.stores.driver import StoreConflictError, UnknownOutcomeError
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import EMPTY, ask, uncollected
from tests.support.reactor_world import PATIENCE_S, World

GENERATE = upload_pb2.PURPOSE_GENERATE
PAIR = (Recipe("key", "ed25519"), Recipe("password", "password"))


def asked(*recipes: Recipe, **fields: object) -> Request:
    return ask(GENERATE, recipes=recipes or PAIR, **fields)  # type: ignore[arg-type]


def content(world: World) -> Mapping[str, bytes]:
    return world.memory.content[URI.path][-1][1]


@pytest.mark.parametrize(
    ("kind", "size", "form"),
    [
        ("password", 0, rf"[{ALPHABET}]{{24}}"),
        ("password", 40, rf"[{ALPHABET}]{{40}}"),
        ("hex", 0, r"[0-9a-f]{64}"),
        ("hex", 16, r"[0-9a-f]{32}"),
        ("base64", 0, r"[A-Za-z0-9+/]{43}="),
        ("base64", 24, r"[A-Za-z0-9+/]{32}"),
    ],
)
async def test_text_has_the_form_that_was_asked_for_and_is_new_each_time(kind: str, size: int, form: str) -> None:
    made = [(await Generator().generate((Recipe("a", kind, size),), "alice"))["a"].decode() for _ in range(20)]
    assert all(re.fullmatch(form, value) for value in made)
    assert len(set(made)) == 20
    if kind == "base64":
        assert len(base64.b64decode(made[0])) == (size or 32)


async def made(*recipes: Recipe, most: int = 1_048_576) -> Payload:
    return await Generator().generate(check_recipes(recipes), "alice", most)


async def test_a_template_joins_what_is_made_beside_it() -> None:
    payload = await made(
        Recipe("username", "fixed", text="orders b"),
        Recipe("password", "base64"),
        Recipe("key", "ed25519"),
        Recipe("url", "text", text="postgresql://{username|url}:{password|url}@db.internal/orders?{{{username}}}"),
        Recipe("config", "text", text='{{"key":"{key|json}",\n"of":"{username}"}}'),
    )
    password = payload["password"].decode()
    assert payload["username"] == b"orders b"
    shown = f"postgresql://orders%20b:{urllib.parse.quote(password, safe='')}@db.internal/orders?{{orders b}}"
    assert payload["url"].decode() == shown
    assert json.loads(payload["config"]) == {"key": payload["key"].decode(), "of": "orders b"}


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"], include_characters="\n "), min_size=1, max_size=99))
def test_filters_keep_the_value(text: str) -> None:
    templates = {
        name: template_of(Recipe("b", "text", text=f"{{a|{name}}}" if name else "{a}")) for name in ("", "url", "json")
    }
    found = filled(templates, {"a": text.encode()}, 1_048_576)
    assert found[""] == text.encode()
    assert urllib.parse.unquote(found["url"].decode("ascii"), errors="strict") == text
    assert re.fullmatch(rb"([A-Za-z0-9._~-]|%[0-9A-F]{2})+", found["url"])
    assert json.loads(f'"{found["json"].decode("ascii")}"') == text


async def test_templates_make_no_more_than_the_grant_allows() -> None:
    text = Recipe("a", "fixed", text="ab"), Recipe("b", "text", text="{a}-{a|url}"), Recipe("c", "text", text="{a}")
    assert (await made(*text, most=7))["b"] == b"ab-ab"
    with pytest.raises(FailedError) as caught:
        await made(*text, most=6)
    assert (caught.value.reason, caught.value.detail) == (upload_pb2.REASON_UNSUPPORTED, TOO_LARGE)
    # Each of 908 references is to more than 3 KB.
    large = [Recipe(f"t{number}", "text", text="{key|url}" * 227) for number in range(4)]
    world = World()
    receipt = await world.walk(asked(Recipe("key", "rsa", 4_096), *large))
    assert (receipt.reason, receipt.detail) == (upload_pb2.REASON_UNSUPPORTED, TOO_LARGE)
    assert world.outcomes() == ["FAILED UNSUPPORTED"]


@pytest.mark.parametrize(("kind", "size"), [("rsa", 2_048), ("rsa", 0), ("ed25519", 0)])
async def test_a_key_pair_is_one(kind: str, size: int) -> None:
    recipes = (Recipe("a", kind, size), Recipe("b", "hex"))
    payload = await Generator().generate(recipes, "alice")
    private = load_pem_private_key(payload["a"], None)
    assert b"BEGIN PRIVATE KEY" in payload["a"]
    ((key, shown),) = public_halves(recipes, payload)
    assert key == "a"
    assert b"PRIVATE" not in shown.encode()
    public = load_pem_public_key(shown.encode())
    assert isinstance(private, RSAPrivateKey | Ed25519PrivateKey)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert public.public_bytes(*form) == private.public_key().public_bytes(*form)
    if isinstance(private, RSAPrivateKey):
        assert private.key_size == (size or 3_072)


async def test_what_is_generated_is_announced_written_and_receipted_with_its_public_halves(world: World) -> None:
    sealed = world.sealed(asked())
    assert await world.handler.handle(sealed)
    assert world.outcomes() == ["STARTED", "UPLOADED"]
    started, uploaded = world.receipt(0), world.receipt(1)
    made = world.key.fingerprints(content(world))
    assert (uploaded.fingerprint, uploaded.values) == (made.whole, made.values)
    assert uploaded.public_values == public_halves(PAIR, Payload(content(world)))
    assert ([key for key, _ in uploaded.public_values], uploaded.sealed_sha256) == (["key"], EMPTY)
    assert started.intent == world.key.intent(write_tag(sealed.grant.sha256, EMPTY), digest_of(made.whole))
    assert isinstance(world.log.events[-1], events_pb2.SecretUploaded)
    assert len(world.keys) == 0


async def test_a_repeated_generation_is_never_unchanged(world: World) -> None:
    first, second = await world.walk(asked()), await world.walk(asked())
    assert (first.outcome, second.outcome) == (upload_pb2.OUTCOME_UPLOADED,) * 2
    assert second.prior_version == first.upstream_version
    assert second.fingerprint != first.fingerprint
    assert second.public_values != first.public_values


async def test_after_a_conflict_the_same_values_are_tried_again(world: World) -> None:
    world.memory.failures["write"].append(StoreConflictError("x"))
    receipt = await world.walk(asked())
    assert world.memory.calls.count("write") == 2
    assert receipt.fingerprint == world.key.fingerprints(content(world)).whole


@pytest.mark.parametrize("store", [MemoryStore(), MemoryStore(write_tag=False), MemoryStore(readable=False)])
async def test_a_write_whose_answer_was_lost_is_looked_up_and_has_its_public_halves(store: MemoryStore) -> None:
    world = World(store)
    world.memory.failures["written"].append(UnknownOutcomeError("x"))
    receipt = await world.walk(asked())
    assert receipt.outcome == upload_pb2.OUTCOME_UPLOADED
    assert receipt.public_values == public_halves(PAIR, Payload(content(world)))


@pytest.mark.parametrize(("readable", "keys"), [(True, ["key"]), (False, [])])
async def test_an_heir_shows_the_public_halves_of_what_it_can_read(*, readable: bool, keys: list[str]) -> None:
    world = World(MemoryStore(readable=readable))
    sealed, payload = world.sealed(asked()), await Generator().generate(PAIR, "alice")
    tag = write_tag(sealed.grant.sha256, EMPTY)
    world.memory.put(payload, tag=tag.hex())
    receipt = await world.taken_over(sealed.grant, intent=world.key.intent(tag, world.key.whole(payload)))
    assert (receipt.outcome, [key for key, _ in receipt.public_values]) == (upload_pb2.OUTCOME_UPLOADED, keys)


async def test_what_the_engine_could_not_take_is_refused_before_it_is_announced() -> None:
    world = World(MemoryStore(key_rule=re.compile("[a-z]+")))
    assert (await world.walk(asked(Recipe("A", "hex")))).reason == upload_pb2.REASON_UNSUPPORTED
    large = tuple(Recipe(f"k{number:02}", "hex", 1_024) for number in range(64))
    world = World()
    assert (await world.walk(asked(*large))).reason == upload_pb2.REASON_UNSUPPORTED
    assert world.outcomes() == ["FAILED UNSUPPORTED"]


async def test_only_so_many_rsa_keys_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def make(exponent: int, bits: int) -> RSAPrivateKey:
        assert go_on.wait(PATIENCE_S)
        return generate_private_key(exponent, bits)

    # However slow this is, none of the keys is there before it is told so.
    monkeypatch.setattr("monoskope.reactor.work.new_values.generate_private_key", make)
    generator, four = Generator(), tuple(Recipe(f"k{number}", "rsa", 2_048) for number in range(4))
    waiting = [asyncio.create_task(generator.generate(four, "alice")) for _ in range(MAX_WAITING // 8)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(FailedError) as caught:
            await generator.generate(four[:1], "alice")
        assert caught.value.reason == upload_pb2.REASON_RATE_LIMITED
        assert len(await generator.generate(PAIR, "alice")) == 2
        assert not any(task.done() for task in waiting)
        # Whoever waits for as many as may be is not the others' problem.
        waiting.append(asyncio.create_task(generator.generate(four, "bob")))
    finally:
        go_on.set()
    await asyncio.gather(*waiting)
    assert await generator.generate(four[:1], "alice")
    assert not generator._waiting


def alive() -> int:
    """How many secrets that have our keys are in memory, garbage that only the collector would find included."""
    payloads = [found for found in gc.get_objects() if isinstance(found, Payload)]
    return sum(set(payload) == {"key", "rsa"} for payload in payloads)


@pytest.mark.parametrize("refused", [False, True])
async def test_no_value_is_left_at_the_receipt(world: World, monkeypatch: pytest.MonkeyPatch, *, refused: bool) -> None:
    seen: dict[str, int] = {}
    monkeypatch.setattr(world.memory, "put", lambda *_: "v1")
    sealed = world.sealed(asked(Recipe("key", "ed25519"), Recipe("rsa", "rsa", 2_048)))
    world.memory.failures["write"].append(lambda: seen.update(writing=alive()))
    world.log.before.extend([lambda: None, lambda: seen.update(receipt=alive())])
    if refused:
        world.log.refusals.append("CONFLICT")
    with uncollected():
        assert await world.handler.handle(sealed) is not refused
        assert alive() == 0
    assert seen == ({} if refused else {"writing": 1, "receipt": 0})


async def test_the_audit_log_has_no_value_no_recipe_and_no_public_half(world: World) -> None:
    await world.walk(asked())
    text = repr(world.audit.entries)
    assert [entry.outcome for entry in world.audit.entries] == ["STARTED", "UPLOADED"]
    assert "fp1:" not in text
    assert "PUBLIC" not in text
