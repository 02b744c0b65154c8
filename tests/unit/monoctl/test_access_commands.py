"""Role bindings and their files, tokens and offboarding."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from monoskope.client import RoleBinding
from monoskope.errors import UsageError
from monoskope.exit_codes import ExitCode
from monoskope.m8.cli.main import run as m8
from monoskope.monoctl.input.role_binding_file import parse
from monoskope.monoctl.input.strict_yaml import MAX_FILE
from monoskope.monoctl.main import cli
from monoskope.monoctl.output.formats import yaml_text
from monoskope.monoctl.output.views import role_binding
from tests.support import warm

ROOT, ANNA, TEAM, CI = "user:corp:root", "user:corp:anna", "group:corp:team-a", "machine:local:ci"
AS = Callable[..., Result]

FILE = f"""
kind: RoleBinding
name: team-a
role: user
members: [{TEAM}]
prefix: vault://team-a
rights: [put, see-hash]
---
- kind: RoleBinding
  name: auditors
  role: auditor
  members:
    - user:corp:eve
"""


def issue(folder: Path, *words: str) -> str:
    done = warm.typed("m8", "token", "create", "--dir", folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A server with an administrator called root, and the tokens of root, anna, who is in no group, and ops."""
    folder: Path = tmp_path_factory.mktemp("served") / "m8"
    assert m8(["init", "folder", "--dir", str(folder), "--listen", "127.0.0.1:0"]) == 0
    bind = ["role-binding", "create", "roots", "--role", "administrator", "--member", ROOT, "--dir", str(folder)]
    assert m8(bind) == 0
    tokens = {who: issue(folder, "--member", who) for who in (ROOT, ANNA)}
    tokens["ops"] = issue(folder, "--role", "administrator", "--subject", "ops")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = [sys.executable, "-m", "monoskope.m8", "serve", "--dir", str(folder)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while '"address"' not in (line := process.stderr.readline()):
        assert line
    port = json.loads(line)["address"].rpartition(":")[2]
    (folder / "server").write_text(f"localhost:{port}")
    yield folder, tokens
    process.terminate()
    process.communicate(timeout=60)


@pytest.fixture
def run(served: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AS:
    folder, tokens = served
    monkeypatch.setenv("MONOCTL_SERVER", (folder / "server").read_text())
    monkeypatch.setenv("MONOCTL_CA_FILE", str(folder / "ca.crt"))
    monkeypatch.setenv("MONOCTL_KNOWN_STORES", str(tmp_path / "known_stores"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def invoke(*words: str, who: str = ROOT, stdin: str | None = None) -> Result:
        token = tmp_path / "token"
        token.write_text(tokens.get(who, who))
        token.chmod(0o600)
        monkeypatch.setenv("MONOCTL_TOKEN_FILE", str(token))
        result = CliRunner().invoke(cli, words, input=stdin)
        assert "Traceback" not in result.output
        return result

    while "the first look at the log" not in invoke("get", "role-bindings").stderr:
        pass  # m8 signs its first checkpoint at a time of its own, and any command that sees it first says so
    return invoke


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def names(run: AS) -> list[str]:
    return [one["name"] for one in document(run("get", "role-bindings", "-o", "json"))]


def test_a_file_is_shown_as_a_difference_applied_in_one_go_and_a_second_time_nothing(run: AS) -> None:
    shown = run("apply", "-f", "-", "--dry-run", stdin=FILE)
    assert shown.exit_code == 0, shown.stderr
    for line in ("role +- +user", "prefix +- +vault://team-a", "rights +- +put, see-hash", f"members +- +{TEAM}"):
        assert re.search(f"create +team-a +{line}", shown.stdout), shown.stdout
    assert "Nothing was changed" in shown.stderr
    assert names(run) == ["roots"]
    applied = document(run("apply", "-f", "-", "-o", "json", stdin=FILE))
    assert [one["name"] for one in applied["created"]] == ["auditors", "team-a"]
    again = run("apply", "-f", "-", stdin=FILE)
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "Nothing to change.\n")
    # What is listed can be applied, in YAML and in JSON.
    for form in ("yaml", "json"):
        listed = run("get", "role-bindings", "-o", form)
        back = document(run("apply", "-f", "-", "--prune", "-o", "json", stdin=listed.stdout))
        assert (back["created"], back["deleted"], back["unchanged"]) == ([], [], 3)


def test_a_file_changes_a_role_binding_field_by_field_unless_it_was_changed_since(run: AS) -> None:
    words = ("create", "role-binding", "team-c", "--role", "user", "--member", TEAM, "--member", ANNA)
    assert run(*words, "--prefix", "vault://team-c", "--right", "put", "--right", "delete").exit_code == 0
    printed = [one for one in document(run("get", "role-bindings", "-o", "json")) if one["name"] == "team-c"]
    mine = json.dumps([one | {"rights": ["put", "see-hash"], "members": [TEAM, CI]} for one in printed])
    for dry_run in (("--dry-run",), ()):
        shown = run("apply", "-f", "-", *dry_run, stdin=mine)
        assert (shown.exit_code, len(shown.stdout.splitlines())) == (0, 3), shown.output
        assert re.search(r"CHANGE +NAME +FIELD +REMOVED +ADDED", shown.stdout)
        assert re.search(r"change +team-c +rights +delete +see-hash", shown.stdout)
        assert re.search(f"change +team-c +members +{ANNA} +{CI}", shown.stdout)
    assert (run("apply", "-f", "-", stdin=mine).stderr) == "Nothing to change.\n", "what it says already is no conflict"

    theirs = json.dumps([one | {"rights": ["list"]} for one in printed])
    late = run("apply", "-f", "-", stdin=theirs)
    assert late.exit_code == ExitCode.CONFLICT
    assert f"was changed since version {printed[0]['version']}; nothing was changed." in late.stderr
    assert f"is by {ROOT}. It says team-c: user: put, see-hash below vault://team-c, for {TEAM}, {CI}." in late.stderr
    assert "Look at what is there (monoctl get role-bindings -o yaml)" in late.stderr

    unversioned = json.dumps([{name: value for name, value in json.loads(theirs)[0].items() if name != "version"}])
    changed = document(run("apply", "-f", "-", "-o", "json", stdin=unversioned))["changed"]
    assert [(one["before"]["rights"], one["after"]["rights"]) for one in changed] == [(["put", "see-hash"], ["list"])]
    own = run("apply", "-f", "-", stdin=unversioned.replace(ANNA, ROOT))
    assert own.exit_code == ExitCode.REFUSED
    assert "nobody changes one of their own" in own.stderr


def test_who_would_lose_the_role_administrator_is_told_before_and_after(run: AS) -> None:
    words = ("create", "role-binding", "interim", "--role", "administrator", "--member", ANNA)
    assert run(*words).exit_code == 0
    listed = document(run("get", "role-bindings", "-o", "json"))
    file = json.dumps([one for one in listed if one["name"] != "interim"])
    told = {dry: run("apply", "-f", "-", "--prune", *dry, who=ANNA, stdin=file) for dry in (("--dry-run",), ())}
    assert [done.exit_code for done in told.values()] == [0, 0]
    assert "would take the role administrator from you" in told["--dry-run",].stderr
    assert "took the role administrator from you" in told[()].stderr
    assert run("get", "role-bindings", who=ANNA).exit_code == ExitCode.REFUSED
    assert run(*words[:2], "interim-2", *words[3:]).exit_code == 0
    # Root stays an administrator by another role binding, and is told nothing.
    pruned = run("apply", "-f", "-", "--prune", stdin=file)
    assert (pruned.exit_code, "from you" in pruned.stderr) == (0, False)


def test_a_binding_is_created_asked_about_and_deleted(run: AS) -> None:
    words = ("--role", "user", "--member", ANNA, "--prefix", "vault://anna", "--right", "put")
    assert run("create", "role-binding", "anna", *words).exit_code == 0
    assert run("create", "role-binding", "anna", *words).exit_code == 0
    asked = run("auth", "can-i", "put", "vault://anna/db", who=ANNA)
    assert (asked.exit_code, asked.stdout, asked.stderr) == (0, "yes\n", "By the role binding anna.\n")
    assert document(run("auth", "can-i", "put", "vault://anna", "--as", ANNA, "-o", "json")) == {
        "allowed": True,
        "role_bindings": ["anna"],
    }
    no = run("auth", "can-i", "delete", "vault://anna/db", who=ANNA)
    assert (no.exit_code, no.stdout) == (ExitCode.DIFFERENT, "no\n")
    who = document(run("auth", "who-can", "put", "vault://anna/db", "-o", "json"))
    assert who == [{"member": ANNA, "role_binding": "anna", "token_id": ""}]
    assert run("auth", "can-i", "put", "vault://x", "--as", ROOT, who=ANNA).exit_code == ExitCode.REFUSED
    assert run("auth", "who-can", "put", "vault://x", who=ANNA).exit_code == ExitCode.REFUSED
    assert run("delete", "role-binding", "anna").exit_code == 0
    assert run("auth", "can-i", "put", "vault://anna/db", who=ANNA).exit_code == ExitCode.DIFFERENT


def test_whoami_says_the_member_and_each_binding_by_its_prefix(run: AS) -> None:
    for name, prefix, right in (("one", "vault://one", "put"), ("two", "vault://two", "delete")):
        words = ("--role", "user", "--member", ANNA, "--prefix", prefix, "--right", right)
        assert run("create", "role-binding", name, *words).exit_code == 0
    shown = run("whoami", who=ANNA)
    for line in (
        f"Member: +{ANNA}",
        "Roles: +user",
        "Below vault://one, by one: +put",
        "Below vault://two, by two: +del",
    ):
        assert re.search(line, shown.stdout), shown.stdout
    said = document(run("whoami", "-o", "json", who=ANNA))
    assert (said["member"], said["roles"], said["subject"]) == (ANNA, ["user"], ANNA)
    assert said["may"][0] == {"prefix": "vault://one", "rights": ["put"], "role_binding": "one"}
    plain = run("whoami", who="ops")
    assert "Subject:" in plain.stdout
    assert "Member:" not in plain.stdout


def test_a_token_from_afar_is_made_listed_and_revoked(run: AS, tmp_path: Path) -> None:
    out = tmp_path / "ci.token"
    made = run("create", "token", CI, "--ttl", "1h", "--out", str(out))
    assert made.exit_code == 0, made.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    token = out.read_text().strip()
    assert token not in made.output
    assert run("create", "token", CI, "--out", str(out)).exit_code == ExitCode.USAGE
    assert run("create", "token", CI).stdout.strip().count(".") == 2
    listed = document(run("get", "tokens", "--by", CI, "-o", "json"))
    assert [(one["member"], one["role"], one["state"]) for one in listed] == [(CI, "", "valid")] * 2
    token_id = document(run("whoami", "-o", "json", who=token))["token_id"]
    assert run("revoke", "token", token_id).exit_code == 0
    assert run("whoami", who=token).exit_code == ExitCode.UNAUTHENTICATED
    assert len(document(run("get", "tokens", "--by", CI, "-o", "json"))) == 1
    every = document(run("get", "tokens", "--by", CI, "--all", "-o", "json"))
    assert {one["state"] for one in every if one["token_id"] == token_id} == {"revoked"}
    assert run("create", "token", ROOT).exit_code == ExitCode.REFUSED
    assert run("create", "token", "anna").exit_code == ExitCode.USAGE
    assert run("get", "tokens", who=ANNA).exit_code == ExitCode.REFUSED


def test_what_an_administrator_made_outlives_them_until_they_are_offboarded(run: AS) -> None:
    leaver, helper, build = "user:corp:leaver", "user:corp:helper", "machine:local:build"
    assert run("create", "role-binding", "leavers", "--role", "administrator", "--member", leaver).exit_code == 0
    assert run("create", "token", leaver).exit_code == ExitCode.REFUSED, "members of issuers log in"
    folder = Path(os.environ["MONOCTL_CA_FILE"]).parent
    token = issue(folder, "--member", leaver)
    binding = ("--role", "user", "--prefix", "vault://b", "--right", "put")
    for name, member in (("build", build), ("helpers", helper)):
        made = run("create", "role-binding", name, *binding, "--member", member, who=token)
        assert made.exit_code == 0, made.stderr
    left = run("create", "token", build, who=token).stdout.strip()
    kept = run("create", "token", "machine:local:kept", who=token).stdout.strip()
    assert run("create", "role-binding", "both", *binding, "--member", leaver, "--member", helper).exit_code == 0

    listed = document(run("get", "tokens", "--by", build, "-o", "json"))
    assert [one["made_by"] for one in listed] == [leaver]
    makers = {one["name"]: one["made_by"] for one in document(run("get", "role-bindings", "-o", "json"))}
    assert (makers["build"], makers["leavers"]) == (leaver, ROOT)
    assert "MADE BY" in run("get", "role-bindings").stdout

    kept_id = document(run("whoami", "-o", "json", who=kept))["token_id"]
    found = document(run("offboard", leaver, "-o", "json"))
    assert {(one["kind"], one["why"], one["then"]) for one in found} == {
        ("token", "names them", "revoke"),
        ("token", "made by them", "revoke"),
        ("role-binding", "made by them", "delete"),
        ("role-binding", "names them alone", "delete"),
        ("role-binding", "names them beside others", "take them out: monoctl apply"),
    }
    shown = run("offboard", leaver)
    assert "Nothing was ended. To end 6 things of these, say --end." in shown.stderr
    assert run("auth", "can-i", "put", "vault://b", who=left).exit_code == 0, "listing ends nothing"
    assert run("offboard", leaver, "--end").exit_code == ExitCode.USAGE, "there is no terminal to ask on"
    assert run("offboard", leaver, "--keep", "none-such").exit_code == ExitCode.USAGE
    assert run("offboard", leaver, who=ANNA).exit_code == ExitCode.REFUSED

    keep = ("--keep", "helpers", "--keep", kept_id)
    ended = run("offboard", leaver, *keep, "--end", "--yes")
    assert (ended.exit_code, "4 things of user:corp:leaver ended" in ended.stderr) == (0, True), ended.stderr
    for gone in (token, left):
        assert run("whoami", who=gone).exit_code == ExitCode.UNAUTHENTICATED
    assert run("whoami", who=kept).exit_code == 0
    assert {"leavers", "build"} & set(names(run)) == set()
    assert {"helpers", "both"} <= set(names(run))
    again = document(run("offboard", leaver, "-o", "json"))
    assert {(one["name"], one["then"]) for one in again if one["kind"] == "role-binding"} == {
        ("helpers", "delete"),
        ("both", "take them out: monoctl apply"),
    }


def test_who_offboards_does_not_lose_the_role_or_the_token_by_it(run: AS) -> None:
    folder = Path(os.environ["MONOCTL_CA_FILE"]).parent
    maker, made = "user:corp:maker", "machine:local:made"
    assert run("create", "role-binding", "makers", "--role", "administrator", "--member", maker).exit_code == 0
    token = issue(folder, "--member", maker)
    words = ("--role", "administrator", "--member", made)
    assert run("create", "role-binding", "mades", *words, who=token).exit_code == 0
    theirs = run("create", "token", made, who=token).stdout.strip()
    own = run("offboard", maker, "--end", "--yes", who=theirs)
    assert (own.exit_code, "made the token that you use" in own.stderr) == (ExitCode.USAGE, True), own.stderr
    token_id = document(run("whoami", "-o", "json", who=theirs))["token_id"]
    role = run("offboard", maker, "--end", "--yes", "--keep", token_id, who=theirs)
    assert role.exit_code == ExitCode.USAGE
    assert "you are an administrator by mades alone" in role.stderr
    assert "(`keep` mades)" in role.stderr
    assert run("offboard", made, "--end", "--yes", who=theirs).exit_code == ExitCode.USAGE, (
        "nobody offboards themselves"
    )
    assert {"makers", "mades"} <= set(names(run))


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
        ONE + "made_by: user:corp:root\n",
        ONE.replace("name: team-a", 'name: "team-a"'),
    ],
    ids=["one", "document", "list", "yaml-of-get", "json-of-get", "json-object", "made-by", "quoted"],
)
def test_one_role_binding_in_every_form(text: str) -> None:
    assert parse(text.encode(), "f") == [BINDING]


def test_a_version_is_read_as_it_was_listed() -> None:
    assert parse(f"{ONE}version: 41\n".encode(), "f")[0].version == 41


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
    "members-empty": (re.sub("members: .*", "members: []", ONE), "line 4: members names nobody"),
    **{
        f"version-{text}": (f"{ONE}version: {text}\n", "line 7: version must be a whole number from 1")
        for text in ("0", "-1", "07", "4.1", "''", "9" * 19, "٤")
    },
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
