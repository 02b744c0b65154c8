"""Tokens in the shapes that issuers and platforms document (none was met here) may do what rules and bindings give."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Code
from monoskope.m8.domain.principal import RIGHT_NAMES, ExchangeRefusedError
from monoskope.m8.issuers import rules
from monoskope.m8.issuers.settings import Issuer, IssuerFile, RuleFile, checked
from monoskope.m8.issuers.verifying import Verified
from monoskope.m8.service.exchange import groups_named
from monoskope.protocol.login import Member, MemberKind
from monoskope.uri import SecretUri
from tests.support.exchanging import Exchanging, an_issuer, refused
from tests.support.issuers import CLUSTER, ISSUER, NOW_S, claims_of, github, gitlab, issuers_of, kubernetes, minted

WORKFLOW = "octo-org/octo-repo/.github/workflows/"
GITHUB = """
name = "github"
preset = "github-actions"
audience = "https://m8.example.com"
[[rules]]
match = { repository_id = "74", repository_owner_id = "65", job_workflow_ref = "@WORKFLOW@" }
name = "octo-deploy"
""".replace("@WORKFLOW@", f"{WORKFLOW}deploy.yml@refs/heads/main")
GITLAB = """
name = "gitlab"
preset = "gitlab-ci"
audience = "https://m8.example.com"
[[rules]]
match = { project_id = "20", namespace_id = "72", ref_protected = "true", ref_path = { prefix = "refs/heads/" } }
name_claim = "project_id"
"""
KUBERNETES = f"""
name = "prod"
preset = "kubernetes"
issuer = "{CLUSTER}"
audience = "m8"
[[rules]]
match = {{ "/kubernetes.io/namespace" = "payments", "/kubernetes.io/serviceaccount/name" = "deployer" }}
name = "payments.deployer"
[[rules]]
match = {{ "/kubernetes.io/serviceaccount/uid" = "0b4b4b8e-4b0e-4b53-9d5b-0b4b4b8e4b0e" }}
name_claim = "/kubernetes.io/serviceaccount/uid"
"""
PEOPLE = f"""
name = "corp"
issuer = "{ISSUER}"
audience = "m8"
[[rules]]
match = {{ groups = {{ contains = "m8-users" }}, hd = "example.com", level = 3, active = true }}
name_claim = "sub"
groups = "groups"
"""
MUTABLE = f"""
name = "corp"
issuer = "{ISSUER}"
audience = "m8"
[[rules]]
match = {{}}
name_claim = "email"
mutable = true
"""


def issuer_of(text: str) -> Issuer:
    return checked([msgspec.convert(tomllib.loads(text), IssuerFile)], Path("m8.toml"))[0]


async def verified(text: str, claims: dict[str, Any], **header: Any) -> Verified:
    return await issuers_of(issuer_of(text)).verify(minted(claims, header=header), now_s=NOW_S)


async def refusal(text: str, claims: dict[str, Any]) -> str:
    with pytest.raises(ExchangeRefusedError) as caught:
        await verified(text, claims)
    assert caught.value.code is Code.REFUSED
    return caught.value.refusal.value


async def test_a_workflow_of_github_is_the_machine_that_its_rule_names() -> None:
    found = await verified(GITHUB, github())
    assert str(found.member) == "machine:github:octo-deploy"
    assert found.subject == "repo:octo-org/octo-repo:ref:refs/heads/main"
    assert found.issuer.is_once
    assert not found.groups


async def test_a_rule_can_ask_for_pull_requests() -> None:
    asks = GITHUB.replace("{ repository_id", '{ event_name = "pull_request", repository_id')
    assert await refusal(asks, github()) == "NO_RULE"
    assert (await verified(asks, github(event_name="pull_request"))).member.name == "octo-deploy"


async def test_a_job_of_gitlab_is_the_machine_with_the_id_of_its_project() -> None:
    found = await verified(GITLAB, gitlab())
    assert (str(found.member), found.issuer.is_once) == ("machine:gitlab:20", False)


def account(namespace: str, name: str, uid: str = "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798") -> dict[str, Any]:
    return {
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
    }


async def test_a_pod_is_the_machine_that_its_rule_names() -> None:
    found = await verified(KUBERNETES, kubernetes(), typ=None)
    assert (str(found.member), found.issuer.is_once) == ("machine:prod:payments.deployer", False)
    assert found.subject == "system:serviceaccount:payments:deployer"
    uid = "0b4b4b8e-4b0e-4b53-9d5b-0b4b4b8e4b0e"
    assert (await verified(KUBERNETES, kubernetes(**account("a", "b", uid)))).member.name == uid


def person(**changes: Any) -> dict[str, Any]:
    return claims_of(**{"groups": ["m8-users", "ops"], "hd": "example.com", "level": 3, "active": True, **changes})


async def test_a_person_is_their_sub_with_the_groups_that_can_have_a_binding() -> None:
    found = await verified(PEOPLE, person(groups=["ops", "m8-users", "/team-a", "Domain Users", "ops"]))
    assert found.member.kind is MemberKind.USER
    assert [str(group) for group in found.groups] == ["group:corp:m8-users", "group:corp:ops"]
    assert [
        str(group)
        for group in groups_named(found.groups, [Member.parse("group:corp:ops"), Member.parse("group:x:m8-users")])
    ] == ["group:corp:ops"]


OTHERS: dict[str, tuple[str, Callable[..., dict[str, Any]], dict[str, dict[str, Any]]]] = {
    "github": (
        GITHUB,
        github,
        {
            "a pull request of a fork": {
                "ref": "refs/pull/7/merge",
                "sub": "repo:octo-org/octo-repo:pull_request",
                "event_name": "pull_request",
                "job_workflow_ref": f"{WORKFLOW}deploy.yml@refs/pull/7/merge",
            },
            "a pull request that runs the workflow of main": {"event_name": "pull_request_target"},
            "a run that another run began": {"event_name": "workflow_run"},
            "a workflow of another branch": {
                "ref": "refs/heads/mine",
                "job_workflow_ref": f"{WORKFLOW}deploy.yml@refs/heads/mine",
            },
            "another workflow": {"job_workflow_ref": f"{WORKFLOW}test.yml@refs/heads/main"},
            "a repository made again under the same name": {"repository_id": "75"},
            "an owner's name that was taken over": {"repository_owner_id": "66"},
            "the repository of somebody else": {"repository_id": "99", "repository": "evil/octo-repo"},
            "an id that is a number": {"repository_id": 74},
            "an id in a list": {"repository_id": ["74"]},
            "no id": {"repository_id": None},
        },
    ),
    "gitlab": (
        GITLAB,
        gitlab,
        {
            "a branch that is not protected": {"ref": "mine", "ref_protected": "false"},
            "a fork": {"project_id": "21", "namespace_id": "90"},
            "a project in other hands": {"namespace_id": "73"},
            "a merge request": {"ref_path": "refs/merge-requests/1/head"},
            "protected as true, which is no text": {"ref_protected": True},
            "a ref whose name only begins alike": {"ref_path": "refs/headsman"},
        },
    ),
    "kubernetes": (
        KUBERNETES,
        kubernetes,
        {
            "another namespace": account("payment", "deployer"),
            "another account": account("payments", "default"),
            "names that only look alike together": account("payments.deployer", ""),
            "claims that are no object": {"kubernetes.io": "payments"},
            "an account that is a list": {"kubernetes.io": {"namespace": "payments", "serviceaccount": ["deployer"]}},
            "a claim that looks like the pointer": {
                "kubernetes.io": None,
                "/kubernetes.io/namespace": "payments",
                "/kubernetes.io/serviceaccount/name": "deployer",
            },
        },
    ),
    "person": (
        PEOPLE,
        person,
        {
            "groups in a text": {"groups": "m8-users"},
            "a text that contains it": {"groups": ["not-m8-users"]},
            "an object with it": {"groups": {"m8-users": True}},
            "no groups": {"groups": None},
            "a number that is a fraction": {"level": 3.0},
            "a number as text": {"level": "3"},
            "true as a number": {"active": 1},
            "a text that only begins alike": {"hd": "example.com.evil.test"},
        },
    ),
}


@pytest.mark.parametrize(
    ("platform", "what"), [(platform, what) for platform, (_, _, changes) in OTHERS.items() for what in changes]
)
async def test_what_is_not_that_workflow_job_account_or_person_is_refused(platform: str, what: str) -> None:
    """Each claim is compared in its own type."""
    text, claims, changes = OTHERS[platform]
    assert await refusal(text, claims(**changes[what])) == "NO_RULE"


async def test_groups_that_are_no_texts_are_refused() -> None:
    everybody = PEOPLE.replace(PEOPLE[PEOPLE.index("match") : PEOPLE.index("name_claim")], "match = {}\n")
    assert await refusal(everybody, person(groups=["ops", 1])) == "GROUPS"
    assert await refusal(everybody, person(groups="ops")) == "GROUPS"
    assert (await verified(everybody, person(groups=None))).groups == ()


def test_more_groups_than_may_count_are_refused_and_none_is_left_out() -> None:
    groups = [Member(MemberKind.GROUP, "corp", f"g{number}") for number in range(40)]
    with pytest.raises(ExchangeRefusedError) as caught:
        groups_named(groups, groups[:33])
    assert caught.value.refusal.value == "TOO_MANY_GROUPS"
    assert len(groups_named(groups, groups[:32])) == 32


async def test_a_name_that_can_change_hands_needs_a_verified_address() -> None:
    found = await verified(MUTABLE, claims_of(email="anna@example.com", email_verified=True))
    assert (str(found.member), found.is_mutable) == ("user:corp:anna@example.com", True)
    for said in (None, False, "true", 1):
        claims = claims_of(email="anna@example.com", email_verified=said)
        assert await refusal(MUTABLE, claims) == "EMAIL_UNVERIFIED"
    assert await refusal(MUTABLE, claims_of(email=["anna@example.com"], email_verified=True)) == "NAME"
    assert await refusal(MUTABLE, claims_of(email_verified=True)) == "NAME"


async def test_two_rules_that_match_are_as_none() -> None:
    all_of_them = MUTABLE.replace('name_claim = "email"\nmutable = true', 'name = "all"')
    second = f'{all_of_them}[[rules]]\nmatch = {{sub = "x"}}\nname = "x"\n'
    assert (await verified(second, claims_of())).member.name == "all"
    assert await refusal(second, claims_of(sub="x")) == "SEVERAL_RULES"


def test_a_json_pointer_finds_what_rfc_6901_says() -> None:
    claims = {"a/b": {"m~n": 1}, "": {"": 2}, "plain": 3, "/plain": 4}
    assert (rules.claim(claims, "/a~1b/m~0n"), rules.claim(claims, "//")) == (1, 2)
    assert (rules.claim(claims, "/plain"), rules.claim(claims, "/~1plain")) == (3, 4)
    assert rules.claim(claims, "plain/x") is rules.MISSING
    assert rules.claim(claims, "/plain/x") is rules.MISSING


PLATFORMS: dict[str, Any] = {
    "github-actions": {
        "repository_id": "74",
        "repository_owner_id": "65",
        "job_workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
    },
    "gitlab-ci": {"project_id": "20", "namespace_id": "72", "ref_protected": "true"},
    "kubernetes": {"/kubernetes.io/namespace": "payments", "/kubernetes.io/serviceaccount/name": "deployer"},
}
SHORT = {"github-actions": "github", "gitlab-ci": "gitlab", "kubernetes": "prod"}
ALLOWED = {
    "github": {events_pb2.RIGHT_PUT},
    "gitlab": {events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH},
    "prod": {events_pb2.RIGHT_COMPARE},
}


async def test_each_job_may_do_what_the_role_binding_of_its_own_machine_gives(m8: Exchanging) -> None:
    m8.configure(
        *(
            an_issuer(
                name=SHORT[preset],
                preset=preset,
                issuer=CLUSTER if preset == "kubernetes" else "",
                audience="m8" if preset == "kubernetes" else "https://m8.example.com",
                rules=(RuleFile(match=match, name="deploy"),),
            )
            for preset, match in PLATFORMS.items()
        )
    )
    root = m8.world.administrator()
    for name, rights in ALLOWED.items():
        member = f"machine:{name}:deploy"
        await root.bind(name, member, role=events_pb2.ROLE_USER, prefix=f"vault://{name}", rights=sorted(rights))
    for name, claims in {"github": github(), "gitlab": gitlab(), "prod": kubernetes()}.items():
        answer = await m8.exchange(minted(claims))
        principal = await m8.principal(answer.access_token)
        assert answer.member == f"machine:{name}:deploy"
        assert principal.roles == {events_pb2.ROLE_USER}
        for right, below in itertools.product(RIGHT_NAMES, (*ALLOWED, f"{name}-2")):
            allowed = below == name and right in ALLOWED[name]
            assert principal.may(right, SecretUri.parse(f"vault://{below}/db")) is allowed
    # Another project of GitLab gets nothing by a claim that counts at GitHub.
    assert await refused(m8, minted(gitlab(repository_id="74", project_id="21"))) == "NO_RULE"
