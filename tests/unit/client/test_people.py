"""The names that a client remembers: m8's word, of people alone, and not without end."""

from __future__ import annotations

from collections.abc import Mapping

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.client.people import MOST, People


def answer(*names: tuple[str, str]) -> queries_pb2.ListEventsResponse:
    return queries_pb2.ListEventsResponse(
        people=[views_pb2.PersonName(member=member, name=name) for member, name in names]
    )


def test_who_listens_hears_what_is_new_and_what_is_gone() -> None:
    people, heard = People(), list[Mapping[str, str]]()
    people.told = heard.append
    for name in ("Anna", "Anna", "Ann", "Ann\x1b", "user:corp:ben"):
        people.take(answer(("user:corp:anna", name)))
    people.take(queries_pb2.GetServerResponse())
    assert heard == [
        {"user:corp:anna": '"Anna" (corp:anna)'},
        {"user:corp:anna": '"Ann" (corp:anna)'},
        {"user:corp:anna": "user:corp:anna"},
    ]


def test_nothing_but_people_has_a_name_and_a_hostile_m8_fills_no_memory() -> None:
    people = People()
    people.take(answer(("m8", "Anna"), ("reactor/vault/1", "Anna"), ("group:corp:ops", "Anna")))
    people.take(answer(*((f"user:corp:{number}", "Anna") for number in range(MOST + 1))))
    assert [people.name(one) for one in ("m8", "reactor/vault/1", "group:corp:ops")] == [""] * 3
    assert people.name("user:corp:0") == "Anna"
    assert people.name(f"user:corp:{MOST}") == ""
    people.take(answer(("user:corp:0", "Ben")))
    assert people.with_end("user:corp:0") == '"Ben" (corp:0)'
