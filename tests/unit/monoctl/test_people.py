"""Names beside ids: in tables with the id's end, where something is decided behind the id, and never in its place."""

from __future__ import annotations

import json

import pytest
import yaml
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.monoctl.output.people import NAMES
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.unit.monoctl.as_alice import Run, ends

ANNA = "user:corp:0f0d5c0e-7f2a-4c11-8a57-1b2c3d4e5f60"
OTHER = "user:corp:0f0d5c0e-7f2a-4c11-8a57-1b2ce3f0b1c2"
NAME = "Anna Meyer"


def people(*names: tuple[str, str]) -> list[views_pb2.PersonName]:
    return [views_pb2.PersonName(member=member, name=name) for member, name in names]


class Company(ScriptedM8):
    """Two people have the name of a third, whose name steers terminals."""

    def __init__(self) -> None:
        super().__init__()
        self.people = people((ANNA, NAME), (OTHER, NAME), ("user:corp:ben", "Ben\x1b[2J\u202e"))
        events = [
            views_pb2.EventSummary(position=at, stream="s", type="T", actor=actor)
            for at, actor in enumerate((ANNA, OTHER, "user:corp:ben", "m8"), 1)
        ]
        binding = access_pb2.RoleBinding(
            name="team", role=events_pb2.ROLE_AUDITOR, members=[ANNA, "group:corp:ops"], made_by=OTHER
        )
        token = access_pb2.Token(token_id="0" * 32, subject=ANNA, member=ANNA, expires_at_ms=2**42, made_by="m8")
        self.forgotten: list[str] = []
        self.answers |= {
            queries_pb2.ListEventsRequest: queries_pb2.ListEventsResponse(events=events, people=self.people),
            access_pb2.ListRoleBindingsRequest: access_pb2.ListRoleBindingsResponse(
                role_bindings=[binding], people=self.people
            ),
            access_pb2.ListTokensRequest: access_pb2.ListTokensResponse(tokens=[token], people=self.people),
            access_pb2.WhoCanRequest: access_pb2.WhoCanResponse(
                members=[access_pb2.AllowedMember(member=ANNA, role_binding="team")], people=self.people
            ),
        }

    def more(self, method: str, message: Message) -> Message:
        if isinstance(message, access_pb2.ForgetPersonRequest):
            self.forgotten.append(message.member)
            return access_pb2.ForgetPersonResponse()
        return super().more(method, message)


@pytest.fixture
def scripted() -> Company:
    return Company()


def test_two_people_with_one_name_are_told_apart_and_a_name_that_steers_is_not_shown(run: Run) -> None:
    shown = ends(run("get", "events", "--all"), 0, NAMES)
    assert f'"{NAME}" (corp:…3d4e5f60)' in shown.stdout
    assert f'"{NAME}" (corp:…e3f0b1c2)' in shown.stdout
    assert " user:corp:ben" in shown.stdout
    assert "Ben" not in shown.stdout


def test_json_keeps_the_id_and_has_the_name_in_a_field_of_its_own(run: Run) -> None:
    documents = json.loads(ends(run("get", "events", "--all", "-o", "json"), 0).stdout)
    assert [(one["actor"], one.get("actor_name")) for one in documents] == [
        (ANNA, NAME),
        (OTHER, NAME),
        ("user:corp:ben", None),
        ("m8", None),
    ]


@pytest.mark.parametrize(
    "words", [("get", "tokens"), ("get", "role-bindings"), ("auth", "who-can", "put", "vault://app")]
)
def test_where_something_is_decided_the_whole_id_stands_first(run: Run, words: tuple[str, ...]) -> None:
    assert f'{ANNA} "{NAME}"' in ends(run(*words), 0, NAMES).stdout


def test_role_bindings_as_a_file_have_no_names(run: Run) -> None:
    """`monoctl apply` would refuse them."""
    [document] = yaml.safe_load(ends(run("get", "role-bindings", "-o", "yaml"), 0).stdout)
    assert NAME not in str(document)
    assert document["members"] == [ANNA, "group:corp:ops"]


def test_no_command_takes_a_name_for_an_id(run: Run) -> None:
    assert "No tokens." in ends(run("get", "tokens", "--by", NAME), 0).stderr
    assert "is not a member" in ends(run("auth", "can-i", "put", "vault://app", "--as", NAME), 2).stderr


def test_who_is_offboarded_is_forgotten_also_if_nothing_else_ends(run: Run, m8: Company) -> None:
    m8.answers |= {
        access_pb2.WhoAmIRequest: access_pb2.WhoAmIResponse(subject="root"),
        access_pb2.RevokeTokenRequest: access_pb2.RevokeTokenResponse(),
    }
    assert f'{ANNA} "{NAME}"' in ends(run("offboard", ANNA), 0).stdout
    assert m8.forgotten == []
    ends(run("offboard", ANNA, "--end", "--yes"), 0, "keeps no name and no address")
    ends(run("offboard", "user:corp:ben", "--end", "--yes"), 0)
    ends(run("offboard", "plain", "--end", "--yes"), 0)
    assert m8.forgotten == [ANNA, "user:corp:ben"]
