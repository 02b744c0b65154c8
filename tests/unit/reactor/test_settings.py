"""Settings, and drivers that other packages bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner

from monoskope.errors import Error, NotFoundError, UsageError
from monoskope.reactor import cli
from monoskope.reactor.settings import read
from monoskope.stores.age.config import AgeConfig
from monoskope.uri import SecretUri
from tests.support.programs import CLEAN, install

AGE = {"type": "age", "folder": "/x", "recipients": ["age1x"]}
IDENTITY = "SHA256:" + "A" * 43
PAIRS = [{"from": "team-a", "to": "team-a"}]
TABLE = {"server": "m8.example:7443", "ca_file": "ca.crt", "store": "local", "prefixes": ["team-a"], "engine": AGE}


def written(folder: Path, **changes: object) -> Path:
    table = {name: value for name, value in {**TABLE, **changes}.items() if value is not None}
    (folder / "reactor.toml").write_text(tomli_w.dumps(table))
    return folder


def test_a_file_becomes_typed_settings(tmp_path: Path) -> None:
    of = read(written(tmp_path, log_file="reactor.log", limits={"lifetime_s": 60}))
    assert (of.ca_file, of.log_file, of.driver.kind) == (tmp_path / "ca.crt", tmp_path / "reactor.log", "age")
    assert of.engine == AgeConfig("/x", ["age1x"])
    assert (of.limits.lifetime_s, of.limits.uploads_per_second, of.limits.keys_alive) == (60, 100, 1_000)
    assert of.allows(SecretUri.parse("local://team-a/db"))
    assert not of.allows(SecretUri.parse("local://team-ab/db"))
    assert not of.allows(SecretUri.parse("other://team-a/db"))


def test_copies_go_where_a_pair_of_paths_leads_and_nowhere_else(tmp_path: Path) -> None:
    paths = [{"from": "team-a", "to": "backup/team-a"}, {"from": "shared", "to": "shared"}]
    of = read(written(tmp_path, copy=[{"to": "vault", "identity": IDENTITY, "paths": paths}]))
    assert of.copies_to("other") is None
    rule = of.copies_to("vault")
    assert rule is not None
    for source, destination, allowed in (
        ("team-a/db", "backup/team-a/db", True),
        ("team-a/db", "backup/team-a/other/name", True),
        ("shared/x", "shared/x", True),
        ("team-a/db", "shared/db", False),
        ("shared/x", "backup/team-a/x", False),
        ("team-ab/db", "backup/team-a/db", False),
        ("team-a/db", "backup/team-ab/db", False),
    ):
        assert rule.allows(SecretUri.parse(f"local://{source}"), SecretUri.parse(f"vault://{destination}")) is allowed
    assert read(written(tmp_path)).copies == ()


def test_without_limits_the_protocols_count(tmp_path: Path) -> None:
    of = read(written(tmp_path)).limits
    assert (of.lifetime_s, of.max_plaintext, of.keys_alive) == (60, 1_048_576, 1_000)
    assert (of.uploads_per_second, of.compares_per_hour_per_uri, of.compares_per_hour) == (100, 10, 60)
    assert of.puts_per_hour == 2_000


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"server": "http://m8.example:1"}, "server"),
        ({"server": "https://m8.example:1/"}, "server"),
        ({"server": "m8.example:99999"}, "server"),
        ({"server": None}, "server"),
        ({"store": "Local"}, "store"),
        ({"prefixes": []}, "prefixes"),
        ({"prefixes": ["../x"]}, "prefixes"),
        ({"prefixes": ["team-a/"]}, "prefixes"),
        ({"prefix": ["team-a"]}, "prefix"),
        ({"engine": {}}, "type"),
        ({"engine": {"type": "age"}}, "folder"),
        ({"engine": {**AGE, "folders": 1}}, "folders"),
        ({"copy": [{"to": "vault", "identity": IDENTITY, "paths": []}]}, "paths"),
        ({"copy": [{"to": "vault", "identity": IDENTITY}]}, "paths"),
        ({"copy": [{"to": "vault", "identity": "SHA256:x", "paths": PAIRS}]}, "copy"),
        ({"copy": [{"to": "Vault", "identity": IDENTITY, "paths": PAIRS}]}, "copy"),
        ({"copy": [{"to": "vault", "identity": IDENTITY, "paths": PAIRS}] * 2}, "each store once"),
        ({"copy": [{"to": "local", "identity": IDENTITY, "paths": PAIRS}] * 2}, "each store once"),
        ({"copy": [{"to": "vault", "identity": IDENTITY, "paths": [{"from": "../x", "to": ""}]}]}, "copy"),
        ({"copy": [{"to": "vault", "identity": IDENTITY, "paths": [{"from": "", "to": "x/"}]}]}, "copy"),
        ({"copy": [{"to": "vault", "identity": IDENTITY, "paths": PAIRS, "token": "x"}]}, "token"),
        ({"timings": {"write_window": 31}}, "write_window"),
        ({"timings": {"settle": 59}}, "settle"),
        ({"timings": {"issuer_gone": 9}}, "issuer_gone"),
        ({"server": "localhost:1", "timings": {"write_window": 5, "settle": 5}}, "write_window"),
        ({"limits": {"lifetime_s": 29}}, "lifetime_s"),
        ({"limits": {"lifetime_s": 3601}}, "lifetime_s"),
        ({"limits": {"max_plaintext": 1000}}, "max_plaintext"),
        ({"limits": {"max_plaintext": 2_097_152}}, "max_plaintext"),
        ({"limits": {"keys_alive": 0}}, "keys_alive"),
        ({"limits": {"uploads_per_second": 0}}, "uploads_per_second"),
        ({"limits": {"puts_per_hour": 0}}, "puts_per_hour"),
        ({"limits": {"puts_per_hour_of": {"anna": 0}}}, "puts_per_hour_of"),
        ({"limits": {"compares_per_hour": 0}}, "compares_per_hour"),
        ({"limits": {"compares_per_hour_per_uri": 0}}, "compares_per_hour_per_uri"),
    ],
)
def test_a_complaint_names_the_field(tmp_path: Path, changes: dict[str, Any], names: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(written(tmp_path, **changes))
    assert names in str(refused.value)
    assert refused.value.fix


def test_an_unknown_engine_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="floppy"):
        read(written(tmp_path, engine={"type": "floppy"}))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"reactor\.toml"):
        read(tmp_path)


def test_a_list_of_servers_is_tried_in_its_order(tmp_path: Path) -> None:
    assert read(written(tmp_path)).servers == ("m8.example:7443",)
    of = read(written(tmp_path, server=["M8-1.example:7443", "m8-2.example:7443"]))
    assert of.servers == ("m8-1.example:7443", "m8-2.example:7443")
    for wrong in ([], ["m8:0"], ["m8:1", "m8:1"], ["m8:1", "https://m8:1"], ["m8:1", ""], "m8:1,"):
        with pytest.raises(UsageError, match=r"`server`, or one of its list: .*[^.]\.$"):
            read(written(tmp_path, server=wrong))
    assert read(written(tmp_path, server="https://m8")).servers == ("m8:7443",)


DRIVER = """
import msgspec
from monoskope.stores.driver import StoreDriver

class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    folder: str

class Store(StoreDriver):
    kind = "shoebox"
    Config = Config
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def said(site: Path, tmp_path: Path, **engine: object) -> str:
    """Return what is said of the settings of a reactor whose engine is a shoebox."""
    reactor = tmp_path / "reactor"
    reactor.mkdir(mode=0o700)
    table = {"server": "localhost:1", "ca_file": "ca.crt", "store": "box", "prefixes": [""], "allow_swap": True}
    (reactor / "reactor.toml").write_text(tomli_w.dumps(table | {"engine": {"type": "shoebox", **engine}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        refused = CliRunner().invoke(cli._group, ["check", str(reactor)]).exception
        sys.modules.pop("shoebox_store", None)
    assert isinstance(refused, Error), refused
    assert refused.fix
    return f"{refused.message} {refused.fix}"


def test_the_first_settings_of_a_plugin_are_the_example_that_it_brings(site: Path, tmp_path: Path) -> None:
    example = """
    example_notes = "# The folder is made at the first start.\\n"

    @classmethod
    def example(cls, folder):
        return {"folder": str(folder / "shoes")}
"""
    install(site, "shoebox_store", DRIVER + example)
    folder = tmp_path / "reactor"
    words = ["init", str(folder), "--store", "box", "--type", "shoebox", "--server", "localhost:1", "--ca-file", "ca"]
    done = subprocess.run(
        [sys.executable, "-m", "monoskope.reactor", *words],
        check=False,
        capture_output=True,
        text=True,
        env=CLEAN | {"PYTHONPATH": str(site)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    table = f'type = "shoebox"\nfolder = "{folder}/shoes"\n'
    assert f"[engine]\n# The folder is made at the first start.\n{table}" in (folder / "reactor.toml").read_text()


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("Store = 1 / 0", "it raises ZeroDivisionError"),
        ("def Store(:", "it raises SyntaxError"),
        ("", "is not in its module"),
        ("class Store: kind = 'shoebox'", "is not a store driver"),
        (DRIVER.replace('"shoebox"', '"matchbox"'), "is not a store driver of the kind 'shoebox'"),
    ],
)
def test_a_plugin_that_fails_to_import_says_why(site: Path, tmp_path: Path, module: str, why: str) -> None:
    install(site, "shoebox_store", module)
    error = said(site, tmp_path, folder="/x")
    assert "shoebox_store:Store" in error
    assert why in error


def test_two_plugins_of_one_name_are_both_named_and_neither_is_imported(site: Path, tmp_path: Path) -> None:
    for package in ("shoebox_store", "other_store"):
        install(site, package, f"open({str(tmp_path / package)!r}, 'w')")
    error = said(site, tmp_path, folder="/x")
    assert "other_store:Store and shoebox_store:Store" in error
    assert not (tmp_path / "shoebox_store").exists()
    assert not (tmp_path / "other_store").exists()


@pytest.mark.parametrize(
    ("engine", "why", "fix"),
    [
        ({"foldr": "/x", "folder": "/x"}, "unknown field `foldr`", "Did you mean 'folder'?"),
        ({"colour": "red", "folder": "/x"}, "unknown field `colour`", "Remove it"),
        ({}, "[engine]: `folder` is missing; no usual value", 'Write folder = "…"'),
        ({"folder": 7}, "$.folder", 'in quotes: folder = "…"'),
    ],
)
def test_a_field_unknown_to_a_plugin_is_named(
    site: Path, tmp_path: Path, engine: dict[str, object], why: str, fix: str
) -> None:
    install(site, "shoebox_store", DRIVER)
    error = said(site, tmp_path, **engine)
    for text in ("reactor.toml: [engine]", why, fix):
        assert text in error


def test_a_kind_that_nobody_installed_is_named_with_those_that_are(site: Path, tmp_path: Path) -> None:
    error = said(site, tmp_path)
    for text in ("'shoebox'", "age", "vault"):
        assert text in error
