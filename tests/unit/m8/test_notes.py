"""Labels and day of expiry: which a put keeps, how they are edited without one, and who learns of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.m8.domain.events import MOST, notes_stream, write
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.limits.subjects import LARGEST
from monoskope.protocol.notes import labels_of
from monoskope.protocol.recipes import Recipe
from monoskope.uri import SecretUri
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import User, refusal, refused
from tests.support.m8_walk import SIGNER, URI, Documents, Walk
from tests.support.m8_world import World, a_world, put
from tests.support.vectors import a_request

OWNER, TEAM = ("owner", "anna"), ("team", "x")
DAY = "2027-01-31"
LARGE_EDIT = 16 * (62 + 124)
"""Bytes of 16 labels, which is less than the edit that sets them."""
Notes = tuple[list[tuple[str, str]], str]
KEEP: dict[str, Any] = {"keep_labels": True, "keep_expires_on": True}


def edit(documents: Documents, *, actor: str = "bob", **fields: Any) -> None:
    labels = [options_pb2.Label(name=name, value=value) for name, value in fields.pop("set_labels", ())]
    message = events_pb2.SecretNotesUpdated(uri=URI, edit=events_pb2.NotesEdit(set_labels=labels, **fields))
    documents.now_ms += 1
    documents.record(notes_stream(SecretUri.parse(URI)), [message], actor=actor)


def notes(documents: Documents) -> Notes:
    secret = documents.head
    return list(labels_of(secret.labels)), secret.expires_on


@pytest.mark.parametrize(
    ("says", "after"),
    [
        ({}, ([], "")),
        (KEEP, ([OWNER], DAY)),
        ({"keep_labels": True}, ([OWNER], "")),
        ({"keep_expires_on": True}, ([], DAY)),
        ({"keep_labels": True, "expires_on": "2028-01-01"}, ([OWNER], "2028-01-01")),
        ({"keep_expires_on": True, "labels": (TEAM,)}, ([TEAM], DAY)),
    ],
)
@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_GENERATE])
def test_a_put_keeps_what_its_request_says_and_no_more(
    documents: Documents, says: dict[str, Any], after: Notes, purpose: upload_pb2.Purpose
) -> None:
    recipes = (Recipe("password", "password", 0),) if purpose == upload_pb2.PURPOSE_GENERATE else ()
    documents.put("2", "1", purpose=purpose, recipes=recipes, **says)
    assert (notes(documents), documents.head.upstream_version) == (after, "2")


@pytest.fixture
def documents() -> Documents:
    """With one secret, which has a label and a day."""
    found = Documents()
    found.put("1", labels=(OWNER,), expires_on=DAY)
    return found


@pytest.mark.parametrize(("says", "after"), [({}, ([], "")), (KEEP, ([OWNER], DAY))])
def test_so_does_a_put_that_finds_the_same_there(documents: Documents, says: dict[str, Any], after: Notes) -> None:
    walk = Walk(a_request(**says), signer=SIGNER)
    documents.end(walk, walk.unchanged("1"))
    assert notes(documents) == after


def test_what_is_put_after_a_deletion_begins_without_notes(documents: Documents) -> None:
    walk = Walk(a_request(purpose=upload_pb2.PURPOSE_DELETE), signer=SIGNER)
    documents.end(walk, walk.started("1"), walk.deleted("1"))
    assert notes(documents) == ([OWNER], DAY)
    documents.put("2", **KEEP)
    assert notes(documents) == ([], "")


def test_a_put_that_replaces_what_others_put_keeps_the_notes_all_the_same(documents: Documents) -> None:
    documents.put("9", "8", **KEEP)
    assert (notes(documents), documents.head.drifted) == (([OWNER], DAY), True)


def test_an_edit_changes_what_it_names_and_says_who_did_it() -> None:
    documents = Documents()
    documents.put("1", labels=(OWNER, TEAM), expires_on=DAY)
    before = documents.head
    edit(documents, set_labels=(("owner", "bob"), ("ticket", "7")), remove_labels=["team"])
    after = documents.head
    assert notes(documents) == ([("owner", "bob"), ("ticket", "7")], DAY)
    assert (after.notes_subject, after.notes_changed_at_ms) == ("bob", documents.now_ms)
    edit(documents, expires_on="2028-01-01")
    assert notes(documents)[1] == "2028-01-01"
    edit(documents, remove_expires_on=True)
    assert notes(documents)[1] == ""
    # What the receipt says, and who put it when, stays.
    for name in ("receipt", "fingerprint", "upstream_version", "subject", "uploaded_at_ms", "request_id"):
        assert getattr(documents.head, name) == getattr(before, name)


def test_an_edit_lasts_until_a_put_says_something_else() -> None:
    documents = Documents()
    documents.put("1")
    edit(documents, set_labels=(OWNER,), expires_on=DAY)
    walk = Walk(a_request(purpose=upload_pb2.PURPOSE_IMPORT), signer=SIGNER)
    documents.end(walk, walk.imported("1"))
    documents.put("2", "1", **KEEP)
    assert (notes(documents), documents.head.notes_subject) == (([OWNER], DAY), "bob")
    documents.put("3", "2", labels=(TEAM,))
    assert (notes(documents), documents.head.notes_subject) == (([TEAM], ""), "")


def test_an_edit_of_what_is_not_there_or_has_no_room_changes_nothing() -> None:
    documents = Documents()
    edit(documents, set_labels=(OWNER,))
    assert documents.secret(URI) is None
    full = tuple((f"label-{number:02}", "") for number in range(16))
    documents.put("1", labels=full)
    edit(documents, set_labels=(OWNER,))
    assert (notes(documents), documents.head.notes_subject) == ((list(full), ""), "")


async def test_an_edit_is_in_the_events_and_in_the_past_of_the_secret(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await put(anna, reactor, uri=URI, labels=(TEAM,))
    secret = await world.user("bob", "vault://app").edit_notes(URI, set_labels=(OWNER,), remove_labels=["team"])
    assert (list(labels_of(secret.labels)), secret.notes_subject) == ([OWNER], "bob")
    (event,) = [one for one in (await anna.events()).events if one.type == "SecretNotesUpdated"]
    assert (event.uri, event.actor, event.detail) == (URI, "bob", f"{URI}: labels owner=anna team-")
    newest, put_before = (await anna.versions(URI, with_edits=True)).versions
    assert (newest.subject, newest.edit.set_labels[0].name, newest.HasField("edit")) == ("bob", "owner", True)
    assert not put_before.HasField("edit")
    # An older client does not ask for edits, and would take one for a version.
    assert [one.upstream_version for one in (await anna.versions(URI)).versions] == ["1"]
    # Only who may see the secret sees the event.
    assert not (await world.user("eve", "vault://other").events()).events


async def test_an_edit_takes_the_right_to_put_and_a_secret_that_is_there(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await put(anna, reactor, uri=URI)
    for user, code in (
        (world.user("eve", "vault://other"), "NOT_FOUND"),
        (world.user("bob", "vault://app", rights=frozenset({events_pb2.RIGHT_SEE_HASH})), "REFUSED"),
        (world.administrator(), "REFUSED"),
    ):
        await refusal(code, user.edit_notes(URI, set_labels=(OWNER,)))
    await refusal("NOT_FOUND", anna.edit_notes("vault://app/none", set_labels=(OWNER,)))
    assert not (await anna.secret(URI)).labels


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"set_labels": (("Bad Name", ""),)},
        {"set_labels": (OWNER,), "remove_labels": ["owner"]},
        {"remove_labels": ["a", "a"]},
        {"expires_on": "soon"},
        {"expires_on": DAY, "remove_expires_on": True},
        {"set_labels": tuple((f"l{number}", "") for number in range(17))},
    ],
)
async def test_an_edit_that_says_nothing_or_two_things_is_refused(world: World, fields: dict[str, Any]) -> None:
    await refusal("USAGE", world.user("anna", "vault://app").edit_notes(URI, **fields))


async def test_an_edit_that_changes_nothing_is_not_recorded_and_too_many_labels_are_refused(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    await put(anna, reactor, uri=URI, labels=tuple((f"l{number:02}", "") for number in range(16)))
    before = await world.app.log.head()
    await anna.edit_notes(URI, set_labels=(("l00", ""),), remove_labels=["none"])
    await refusal("USAGE", anna.edit_notes(URI, set_labels=(OWNER,)))
    assert await world.app.log.head() == before
    await anna.edit_notes(URI, set_labels=(OWNER,), remove_labels=["l00"])


async def test_edits_fill_the_log_no_more_than_requests_may(tmp_path: Path) -> None:
    # The least that a day can have; small, so that it is used up soon.
    limits = ServerLimits(recorded_bytes_per_user_per_day=2 * LARGEST)
    async with a_world(tmp_path, limits=limits) as world:
        reactor, anna = await world.attached(), world.user("anna", "vault://app")
        await put(anna, reactor, uri=URI)
        before = await world.app.log.head()
        with refused("RATE_LIMITED") as error:
            for number in range(LARGEST // LARGE_EDIT):
                labels = tuple((f"{label:02}" + "x" * 60, f"{number:04}" + "v" * 120) for label in range(16))
                await anna.edit_notes(URI, set_labels=labels)
        assert "bytes that m8 records for a user in a day" in error.message
        recorded = sum(len(event.data) for event in await world.app.log.read(after=before, limit=1_000))
        assert LARGEST // 4 < recorded < LARGEST // 2
        counted = await world.app.documents.usage("anna", world.clock.now_ms)
        await world.app.log.rebuild()
        assert await world.app.documents.usage("anna", world.clock.now_ms) == counted
        # It is the day of this user alone.
        await world.user("bob", "vault://app").edit_notes(URI, remove_labels=["00" + "x" * 60])


async def test_reactors_learn_nothing_of_edits(reactor: FakeReactor, anna: User) -> None:
    await put(anna, reactor, uri=URI)
    await anna.edit_notes(URI, set_labels=(OWNER,))
    await anna.ask(a_request(uri=URI))
    kinds = []
    while (delivered := await reactor.delivered.get()).event.type != "SecretUploadKeyRequested":
        kinds.append(delivered.event.type)
    assert "SecretNotesUpdated" not in kinds


async def test_rebuilt_read_models_say_the_same_of_notes(world: World, reactor: FakeReactor, anna: User) -> None:
    await put(anna, reactor, uri=URI, labels=(TEAM,))
    await anna.edit_notes(URI, set_labels=(OWNER,))
    await put(anna, reactor, "2", prior="1", uri=URI, **KEEP)
    before = await anna.secret(URI), await anna.versions(URI, with_edits=True)
    assert list(labels_of(before[0].labels)) == [OWNER, TEAM]
    await world.app.log.rebuild()
    assert (await anna.secret(URI), await anna.versions(URI, with_edits=True)) == before


async def test_secrets_are_listed_by_all_the_labels_that_are_named(reactor: FakeReactor, anna: User) -> None:
    for name, labels in (("a", (OWNER,)), ("b", (OWNER, TEAM)), ("c", ()), ("d", (("owner", "bob"), TEAM))):
        await put(anna, reactor, uri=f"vault://app/{name}", labels=labels)

    async def listed(*wanted: tuple[str, str], **fields: Any) -> list[str]:
        labels = [options_pb2.Label(name=name, value=value) for name, value in wanted]
        answer = await anna.secrets(labels=labels, **fields)
        return [secret.uri[-1] for secret in answer.secrets]

    assert await listed() == ["a", "b", "c", "d"]
    assert await listed(OWNER) == ["a", "b"]
    assert await listed(TEAM, OWNER) == ["b"]
    assert await listed(("owner", "")) == []
    token = (await anna.secrets(labels=[options_pb2.Label(name="team", value="x")], page_size=1)).next_page_token
    await refusal("USAGE", listed(OWNER, page_token=token))


def test_what_an_edit_says_in_a_few_words_is_cut_where_it_is_long() -> None:
    labels = [options_pb2.Label(name=f"l{number}", value="ä" * 120) for number in range(16)]
    event = write(events_pb2.SecretNotesUpdated(uri=URI, edit=events_pb2.NotesEdit(set_labels=labels)))
    assert (event.uri, len(event.detail.encode()) <= MOST, event.detail[-1]) == (URI, True, "…")
