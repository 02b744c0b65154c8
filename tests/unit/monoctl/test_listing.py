"""`monoctl get secrets`: what is listed, in which order, and in which forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.monoctl.output.formats import cell, short
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import FINGERPRINT, KEY_ID, VERSION, ScriptedM8
from monoskope.times import rfc3339
from tests.unit.monoctl.as_alice import Run, ends


@pytest.mark.parametrize("at_ms", [2**63 - 1, -(2**63), 253_402_300_800_000, -62_135_596_800_001])
def test_a_time_beyond_the_calendar_is_called_so(at_ms: int) -> None:
    said = rfc3339(at_ms)
    assert said == f"beyond the calendar ({at_ms} ms)"
    assert cell({"changed_at": said}, "changed_at") == said


@pytest.mark.parametrize("at_ms", [1, -1, 253_402_300_799_000])
def test_a_time_of_the_calendar_is_a_time(at_ms: int) -> None:
    assert rfc3339(at_ms).endswith("Z")
    assert cell({"changed_at": rfc3339(at_ms)}, "changed_at").endswith(("ago", "now"))


def test_labels_are_shown_as_the_flag_takes_them() -> None:
    assert cell({"labels": {"env": "prod", "owner": "team-a"}}, "labels") == "env=prod, owner=team-a"


IN_SYNC, DRIFTED, GONE = upload_pb2.OUTCOME_IN_SYNC, upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE


def a_secret(name: str, *, owner: str = "", at_ms: int = 1_000, **fields: object) -> views_pb2.Secret:
    labels = [options_pb2.Label(name="owner", value=owner)] if owner else []
    return views_pb2.Secret(
        uri=f"vault://app/{name}",
        fingerprint=FINGERPRINT,
        upstream_version=VERSION,
        uploaded_at_ms=at_ms,
        labels=labels,
        **fields,  # type: ignore[arg-type]
    )


class Listing(ScriptedM8):
    """Lists secrets; as an m8 that does not know the filter by labels."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets = [
            a_secret("a", owner="anna", at_ms=3_000, expires_on="2028-01-01", subject="cleo", verified=IN_SYNC),
            a_secret("b", owner="bob", at_ms=1_000, subject="bob", verified=DRIFTED, drifted=True),
            a_secret("c", owner="anna", at_ms=2_000, expires_on="2027-01-01", subject="anna", drifted=True),
        ]
        self.answers |= {
            queries_pb2.ListSecretsRequest: lambda _: queries_pb2.ListSecretsResponse(secrets=self.secrets),
            queries_pb2.ListEventsRequest: queries_pb2.ListEventsResponse(),
            queries_pb2.GetSecretRequest: lambda _: queries_pb2.GetSecretResponse(secret=self.secrets[0]),
        }


@pytest.fixture
def scripted() -> Listing:
    return Listing()


def names(run: Run, *words: str) -> str:
    """The last letters of the URIs that are listed."""
    result = ends(run("get", "secrets", "-o", "name", *words), 0)
    return "".join(line[-1] for line in result.stdout.splitlines())


def test_tables_have_short_hashes_and_versions_and_wide_ones_whole(run: Run) -> None:
    row = run("get", "secrets").stdout.splitlines()[1].split()
    assert row[1:3] == [f"fp1:{KEY_ID[:4]}…:abababab…abab", "7"]
    row = run("get", "secrets", "-o", "wide").stdout.splitlines()[1].split()
    assert row[1:3] == [FINGERPRINT, VERSION]
    assert run("get", "secret", "app/a", "-o", "wide").stdout.count(FINGERPRINT) == 1


def test_a_short_hash_keeps_digits_of_key_and_value() -> None:
    assert short(f"fp1:{KEY_ID}:{'12345678' + '0' * 52 + 'cdef'}") == f"fp1:{KEY_ID[:4]}…:12345678…cdef"
    assert short("") == ""
    assert short("what else m8 says") == "what else m8 says"


def test_one_column_says_in_one_word_what_is_known_of_the_engine(run: Run, m8: Listing) -> None:
    m8.secrets += [a_secret("d", verified=GONE), a_secret("e", deleted=True, drifted=True), a_secret("f")]
    header, *rows = run("get", "secrets").stdout.splitlines()
    assert "DRIFTED" not in header
    at = header.split().index("SYNC")
    assert [row.split()[at] for row in rows] == ["IN_SYNC", "DRIFTED", "OVERWROTE", "GONE", "DELETED", "-"]
    (first, second, *_) = json.loads(run("get", "secrets", "-o", "json").stdout)
    assert (first["status"], first["sync"], first["drifted"]) == ("IN_SYNC", "IN_SYNC", False)
    assert (second["status"], second["drifted"]) == ("DRIFTED", True)


def test_only_those_with_every_label_that_is_named(run: Run, m8: Listing) -> None:
    assert names(run, "--label", "owner=anna") == "ac"
    assert names(run, "-l", "owner=anna", "-l", "team=x") == ""
    (label,) = m8.asked[0].labels
    assert (label.name, label.value) == ("owner", "anna")
    for wrong in ("owner", "Owner=x"):
        assert run("get", "secrets", "--label", wrong).exit_code == 2


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("uri", "abc"),
        ("-uri", "cba"),
        ("changed", "bca"),
        ("-changed", "acb"),
        ("expires", "cab"),
        ("-expires", "acb"),
        ("by", "cba"),
        ("sync", "bac"),
    ],
)
def test_they_are_sorted_by_what_is_named_and_those_without_it_come_last(run: Run, by: str, order: str) -> None:
    assert names(run, "--sort", by) == order
    assert names(run, "--sort", by, "--limit", "2") == order[:2]


def test_a_bare_word_is_a_path_in_the_default_store(run: Run, m8: Listing, tmp_path: Path) -> None:
    for words, prefix in (
        (["app"], "vault://app"),
        (["app/"], "vault://app"),
        (["--prefix", "app/db"], "vault://app/db"),
        (["app", "--store", "local"], "local://app"),
        (["app://"], "app://"),
        ([], ""),
    ):
        assert run("get", "secrets", *words).exit_code == 0
        assert m8.asked[-1].prefix == prefix
    assert run("get", "events", "--prefix", "app").exit_code == 0
    assert m8.asked[-1].prefix == "vault://app"
    assert run("get", "secrets", "app", "--prefix", "app").exit_code == 2


def test_names_alone_are_for_programs(run: Run, m8: Listing) -> None:
    m8.add_store("local", Identity(), kind="age")
    result = run("get", "secret-stores", "-o", "name")
    assert (result.stdout, result.stderr) == ("vault\nlocal\n", "")
    assert run("get", "store-types", "-o", "name").stdout == "age\nvault\n"
    assert run("get", "secret", "vault://app/a", "-o", "name").stdout == "vault://app/a\n"
    m8.secrets = []
    assert run("get", "secrets", "-o", "name").output == ""


def test_yaml_and_json_stay(run: Run) -> None:
    assert yaml.safe_load(run("get", "secrets", "-o", "yaml").stdout) == json.loads(
        run("get", "secrets", "-o", "json").stdout
    )


def test_an_unknown_form_names_those_that_there_are(run: Run, m8: Listing) -> None:
    result = run("get", "secrets", "-o", "xml")
    assert (result.exit_code, m8.asked) == (2, [])
    assert "'table', 'wide', 'json', 'yaml', 'name'" in result.stderr
