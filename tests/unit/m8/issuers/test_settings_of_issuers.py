"""Each fault in `[[issuers]]` is named, with its issuer, its field, its rule and a fix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monoskope.errors import UsageError
from monoskope.host_port import HttpsUrl
from monoskope.m8 import settings
from monoskope.m8.bootstrap import known_issuers
from monoskope.m8.issuers.settings import ConditionFile, IssuerFile, RuleFile, checked
from monoskope.protocol.login import MemberKind

PAGES = Path(__file__).parents[4] / "docs"
GOOD = """
[[issuers]]
name = "corp"
issuer = "https://login.example.com/realms/main"
audience = "m8"
[[issuers.rules]]
match = { groups = { contains = "m8-users" } }
name_claim = "sub"
groups = "groups"
"""
GITHUB = """
[[issuers]]
name = "github"
preset = "github-actions"
audience = "https://m8.example.com"
[[issuers.rules]]
match = { repository_id = "1", repository_owner_id = "2", job_workflow_ref = "a/b/.github/workflows/c.yml@refs/heads/main" }
name = "deploy"
"""  # noqa: E501
CLUSTER = """
[[issuers]]
name = "prod"
preset = "kubernetes"
issuer = "https://kubernetes.default.svc.cluster.local"
audience = "m8"
[[issuers.rules]]
match = { sub = "system:serviceaccount:payments:deployer" }
name = "deployer"
"""


def load(folder: Path, text: str) -> settings.ServerSettings:
    (folder / "m8.toml").write_text(text, encoding="utf-8")
    return settings.load(folder)


def test_issuers_are_what_the_file_says(tmp_path: Path) -> None:
    corp, github, prod = load(tmp_path, GOOD + GITHUB + CLUSTER).issuers
    assert (corp.issuer, corp.is_once, corp.rules[0].kind) == (
        "https://login.example.com/realms/main",
        True,
        MemberKind.USER,
    )
    assert (github.issuer, github.is_once) == ("https://token.actions.githubusercontent.com", True)
    assert (github.rules[0].kind, prod.rules[0].kind, prod.is_once) == (MemberKind.MACHINE, MemberKind.MACHINE, False)
    assert len({issuer.digest for issuer in (corp, github, prod)}) == 3
    assert load(tmp_path, "").issuers == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "corp"', 'name = "Corp"', "[[issuers]] 1: name"),
        ('name = "corp"', 'name = "a12345678901234567"', "[[issuers]] 1: name"),
        ('name = "corp"', 'name = "local"', "[[issuers]] local: name"),
        ('"https://login.example.com/realms/main"', '"http://login.example.com"', "[[issuers]] corp: issuer"),
        ('"https://login.example.com/realms/main"', '"https://u:p@login.example.com"', "[[issuers]] corp: issuer"),
        ('"https://login.example.com/realms/main"', '"https://login.example.com/?a=b"', "[[issuers]] corp: issuer"),
        ('"https://login.example.com/realms/main"', '"https://login.example.com/#a"', "[[issuers]] corp: issuer"),
        ('"https://login.example.com/realms/main"', '""', "[[issuers]] corp: issuer"),
        ('audience = "m8"', 'audience = ""', "[[issuers]] corp: audience"),
        ('audience = "m8"', 'audience = "a b"', "[[issuers]] corp: audience"),
        ('audience = "m8"', 'audience = "m8"\nclient_ids = [""]', "[[issuers]] corp: client_ids"),
        ('audience = "m8"', 'audience = "m8"\npreset = "jenkins"', "[[issuers]] corp: preset"),
        ('audience = "m8"', 'audience = "m8"\njwks_uri = "http://a"', "[[issuers]] corp: jwks_uri"),
        (
            'audience = "m8"',
            'audience = "m8"\njwks_file = "a"\nca_file = "b"',
            "[[issuers]] corp: jwks_file and ca_file exclude",
        ),
        ('audience = "m8"', 'audience = "m8"\nsecret = "x"', "unknown field `secret`"),
        ('name_claim = "sub"', "", "rule 1: set either name or name_claim"),
        ('name_claim = "sub"', 'name_claim = "sub"\nname = "x"', "rule 1: set either name or name_claim"),
        ('name_claim = "sub"', 'name = "a b"', "rule 1: name does not fit"),
        ('name_claim = "sub"', 'name = "x"\nmutable = true', "rule 1: mutable is for name_claim"),
        ('name_claim = "sub"', 'name_claim = "email"', "rule 1: name_claim is none of"),
        ('name_claim = "sub"', 'name_claim = "preferred_username"', "rule 1: name_claim is none of"),
        ('name_claim = "sub"', 'name_claim = "sub"\nmutable = true', "rule 1: sub cannot change hands"),
        ('name_claim = "sub"', 'name_claim = "sub"\nkind = "group"', "rule 1: kind"),
        ('{ contains = "m8-users" }', "{}", "rule 1: match: groups needs contains or prefix"),
        ('{ contains = "m8-users" }', '{ contains = "a", prefix = "b/" }', "groups needs contains or prefix"),
        ('{ contains = "m8-users" }', '{ prefix = "team" }', "the prefix for groups does not end with / or :"),
        ('{ contains = "m8-users" }', '{ regex = ".*" }', "unknown field `regex`"),
        ('{ contains = "m8-users" }', '""', "match: groups is empty"),
        ('{ contains = "m8-users" }', '["m8-users"]', "issuers[0].rules[0].match"),
        ('{ contains = "m8-users" }', "1.5", "issuers[0].rules[0].match"),
        ('match = { groups = { contains = "m8-users" } }\n', "", "`match` is missing in issuers[0].rules[0]"),
    ],
)
def test_a_fault_names_the_issuer_and_the_field(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(UsageError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert says in caught.value.message
    assert str(tmp_path / "m8.toml") in caught.value.message
    assert caught.value.fix.endswith((".", "?")), "a whole sentence"


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (GITHUB, 'repository_id = "1", ', ""),
        (GITHUB, 'repository_owner_id = "2", ', ""),
        (GITHUB, 'job_workflow_ref = "', 'x = "'),
        (GITHUB, 'repository_id = "1"', "repository_id = 1"),
        (GITHUB, '"a/b/.github/workflows/c.yml@refs/heads/main"', '{ prefix = "a/b/.github/workflows/" }'),
        (CLUSTER, "sub = ", '"/kubernetes.io/namespace" = '),
        (CLUSTER, '"system:serviceaccount:payments:deployer"', '{ prefix = "system:serviceaccount:payments:" }'),
    ],
    ids=["no id", "no owner", "no workflow", "an id as number", "any branch", "a whole namespace", "a prefix"],
)
def test_a_preset_takes_no_rule_that_lets_others_in(tmp_path: Path, text: str, old: str, new: str) -> None:
    assert old in text
    with pytest.raises(UsageError, match="match must ask for an exact text of"):
        load(tmp_path, text.replace(old, new))


def test_two_issuers_are_two(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"two .* have the name 'corp'"):
        load(tmp_path, GOOD + GOOD)
    with pytest.raises(UsageError, match=r"two .* have the issuer"):
        load(tmp_path, GOOD + GOOD.replace('"corp"', '"other"'))


def test_m8_does_not_start_with_a_file_that_is_missing_but_without_an_issuer_that_is_down(tmp_path: Path) -> None:
    known_issuers(load(tmp_path, GOOD.replace("login.example.com", "127.0.0.1:1")))
    with pytest.raises(UsageError, match=r"keys\.json cannot be read"):
        known_issuers(load(tmp_path, GOOD.replace('audience = "m8"', 'audience = "m8"\njwks_file = "keys.json"')))


@pytest.mark.parametrize(
    ("text", "host", "port", "target"),
    [
        ("https://a.example", "a.example", 443, "/"),
        ("https://A.Example:8443/x/y", "a.example", 8443, "/x/y"),
        ("https://[::1]:1/x?y=z", "::1", 1, "/x?y=z"),
        ("https://127.0.0.1/", "127.0.0.1", 443, "/"),
    ],
)
def test_addresses_of_https(text: str, host: str, port: int, target: str) -> None:
    assert HttpsUrl.parse(text) == HttpsUrl(host, port, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.example",
        "http://a.example",
        "HTTPS://a.example",
        "https://",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a@b.example",
        "https://a.example/#x",
        "https://a.example/ x",
        "https://a.example/\nx",
        "https://a.example\\@b.example",
        "https://[::1",
        "https://[zz]/",
        "https://a.example/" + "x" * 255,
    ],
)
def test_what_is_no_address_of_https(text: str) -> None:
    assert HttpsUrl.parse(text) is None


def test_the_examples_of_the_page_are_taken_as_they_stand(tmp_path: Path) -> None:
    page = (PAGES / "operate/issuers.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = load(tmp_path, "".join(examples)).issuers
    assert [issuer.name for issuer in found] == ["corp", "github", "gitlab", "prod"]
    # The pages for users go with them: a token that names another audience is not sent, or refused.
    pages = {name: (PAGES / name).read_text(encoding="utf-8") for name in ("ci.md", "login.md")}
    assert f"login_client_id {found[0].audience}\n" in pages["login.md"]
    for issuer in found[1:]:
        assert pages["ci.md"].count(f"aud: {issuer.audience}\n") == 1
        assert pages["ci.md"].count(f"audience: {issuer.audience}\n") == 1
        assert f"MONOCTL_SERVER: {issuer.audience}\n" in pages["ci.md"]


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
