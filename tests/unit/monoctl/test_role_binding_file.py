"""A file of role bindings is read strictly: what has no place there is refused, with its line."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.client import RoleBinding
from monoskope.errors import UsageError
from monoskope.monoctl.input.role_binding_file import MAX_FILE, parse
from monoskope.monoctl.output.formats import yaml_text
from monoskope.monoctl.output.views import role_binding

ONE = """kind: RoleBinding
name: team-a
role: user
members: [user:corp:anna, group:corp:team-a]
prefix: vault://team-a
rights: [put, see-hash]
"""
BINDING = RoleBinding(
    name="team-a",
    role="user",
    members=("user:corp:anna", "group:corp:team-a"),
    prefix="vault://team-a",
    rights=("put", "see-hash"),
)


@pytest.mark.parametrize(
    "text",
    [
        ONE,
        f"---\n{ONE}",
        "- " + ONE.replace("\n", "\n  ").rstrip(),
        yaml_text([role_binding(BINDING)]),
        json.dumps([role_binding(BINDING)]),
        json.dumps(role_binding(BINDING), indent=2),
        ONE.replace("name: team-a", 'name: "team-a"'),
    ],
    ids=["one", "document", "list", "yaml-of-get", "json-of-get", "json-object", "quoted"],
)
def test_one_role_binding_in_every_form(text: str) -> None:
    assert parse(text.encode(), "f") == [BINDING]


def test_several_documents_and_none() -> None:
    other = ONE.replace("name: team-a", "name: yes")
    assert [one.name for one in parse(f"{ONE}---\n{other}".encode(), "f")] == ["team-a", "yes"], "a word, no truth"
    assert parse(b"", "f") == []
    assert parse(b"[]", "f") == []


REFUSED = {
    "unknown-field": (ONE + "right: [put]\n", "line 7: a role binding has no field 'right'"),
    "twice": (ONE + "name: b\n", "line 7: name stands twice"),
    "no-kind": (ONE.replace("kind: RoleBinding\n", ""), "line 1: kind is missing"),
    "other-kind": (ONE.replace("RoleBinding", "Role"), "line 1: kind must be RoleBinding"),
    "no-members": (ONE.replace("members: [user:corp:anna, group:corp:team-a]\n", ""), "members is missing"),
    "member-twice": (ONE.replace("group:corp:team-a]", "user:corp:anna]"), "line 4: members names 'user:corp:anna'"),
    "right-twice": (ONE.replace("see-hash", "put"), "line 6: rights names 'put' twice"),
    "unknown-right": (ONE.replace("see-hash", "write"), "'write' is no right"),
    "unknown-role": (ONE.replace("role: user", "role: owner"), "'owner' is no role"),
    "bad-member": (ONE.replace("user:corp:anna", "anna"), "'anna' is not a member"),
    "bad-prefix": (ONE.replace("vault://team-a", "team-a"), "is not a URI prefix"),
    "member-no-list": (ONE.replace("[user:corp:anna, group:corp:team-a]", "user:corp:anna"), "members must be a list"),
    "name-a-list": (ONE.replace("name: team-a", "name: [a]"), "line 2: name must be a text"),
    "alias": (f"a: &x {{}}\nb: *x\n{ONE}", "an alias"),
    "merge": (ONE + "<<: {name: b}\n", "no field '<<'"),
    "scalar": ("hello", "must be a mapping"),
    "list-of-texts": ("- a\n- b\n", "line 1: a role binding must be a mapping"),
    "not-yaml": ("a: [", "not YAML"),
    "tab": ("a:\n\t- b", "not YAML"),
    "control": ("a: \x00", "not YAML"),
    "deep": ("[" * 5_000, "nested too deeply"),
    "large": (" " * (MAX_FILE + 1), "has more than"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_has_no_place_is_refused_and_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text.encode(), "bindings.yaml")
    assert said in caught.value.message
    assert caught.value.message.startswith("bindings.yaml")
    assert caught.value.fix


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="is not UTF-8"):
        parse(b"\xff\xfe\x00", "f")


@given(st.one_of(st.binary(max_size=200), st.text(alphabet="[]{}-:,&*!|>'\"\n ab%#", max_size=60).map(str.encode)))
def test_nothing_but_a_sentence_comes_of_any_bytes(content: bytes) -> None:
    with suppress(UsageError):
        parse(content, "f")
