"""Settings by which one person would get the name of another are refused at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.errors import UsageError
from monoskope.m8.issuers.settings import ConditionFile, IssuerFile, RuleFile, checked

WORKFLOW = {"repository_id": "1", "repository_owner_id": "2", "job_workflow_ref": "a/b/.github/workflows/c.yml@main"}


def complaint(*rules: RuleFile, issuer: str = "https://login.example.com", preset: str = "") -> str:
    """Return what m8 has against these settings, "" for nothing."""
    file = IssuerFile(name="corp", issuer=issuer, audience="m8", rules=rules, preset=preset)
    try:
        checked([file], Path("m8.toml"))
    except UsageError as error:
        return error.message
    return ""


def test_ids_of_two_kinds_of_things_are_no_names_of_one_kind_of_member() -> None:
    """The project 42 and the namespace 42 of a GitLab belong to different people."""
    project, namespace = (RuleFile(match={"plan": name}, name_claim=name) for name in ("project_id", "namespace_id"))
    said = complaint(project, namespace)
    assert "rules take names of the kind user from namespace_id and from project_id: 42 of the one" in said
    assert "would be one member" in said
    assert complaint(project, RuleFile(match={"plan": "x"}, name_claim="project_id")) == ""
    assert complaint(project, RuleFile(match={"plan": "x"}, name_claim="namespace_id", kind="machine")) == ""


def test_who_may_choose_a_user_name_chooses_no_fixed_name_and_no_id_of_another() -> None:
    chosen = RuleFile(match={"plan": "a"}, name_claim="preferred_username", mutable=True)
    assert "who calls themselves so" in complaint(chosen, RuleFile(match={"plan": "b"}, name="root"))
    assert "would be one member" in complaint(chosen, RuleFile(match={"plan": "b"}, name_claim="sub"))
    assert complaint(chosen, RuleFile(match={"plan": "b"}, name="root", kind="machine")) == ""


def test_groups_come_from_one_claim() -> None:
    rules = [RuleFile(match={"plan": name}, name_claim="sub", groups=name) for name in ("groups", "roles")]
    assert "two groups of the same name" in complaint(*rules)
    assert complaint(rules[0], RuleFile(match={"plan": "x"}, name_claim="sub")) == ""


@pytest.mark.parametrize("kind", ["exact", "prefix"])
def test_an_address_that_nobody_verified_lets_nobody_in(kind: str) -> None:
    email = "boss@example.com" if kind == "exact" else ConditionFile(prefix="mailto:")
    assert "email_verified" in complaint(RuleFile(match={"email": email}, name="boss"))
    assert "email_verified" in complaint(RuleFile(match={"email": email, "email_verified": "true"}, name="boss"))
    assert "email_verified" in complaint(RuleFile(match={"email": email, "email_verified": False}, name="boss"))
    assert complaint(RuleFile(match={"email": email, "email_verified": True}, name="boss")) == ""


@pytest.mark.parametrize(
    ("issuer", "preset"),
    [
        ("https://token.actions.githubusercontent.com", "github-actions"),
        ("https://token.actions.githubusercontent.com/octo", "github-actions"),
        ("https://TOKEN.actions.githubusercontent.com:443/octo", "github-actions"),
        ("https://gitlab.com", "gitlab-ci"),
    ],
)
def test_an_issuer_whose_tokens_everybody_can_get_needs_its_preset(issuer: str, preset: str) -> None:
    rule = RuleFile(match={"sub": "repo:octo-org/octo-repo:ref:refs/heads/main"}, name="deploy")
    assert f'preset = "{preset}"' in complaint(rule, issuer=issuer)
    assert f'preset = "{preset}"' in complaint(rule, issuer=issuer, preset="kubernetes")
    if preset == "github-actions":
        assert complaint(RuleFile(match=dict(WORKFLOW), name="deploy"), issuer=issuer, preset=preset) == ""
