"""Which kinds of stores there are, and what each says of how mature it is."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import Error, NotFoundError, UsageError
from monoskope.monoctl.output.views import store_types
from monoskope.reactor.link.endpoint import announced
from monoskope.stores import registry
from monoskope.stores.age.files import AgeStore
from monoskope.stores.driver import Capabilities
from monoskope.stores.vault.kv2 import VaultStore


def install(monkeypatch: pytest.MonkeyPatch, **values: list[str]) -> None:
    points = [EntryPoint(name, value, registry.GROUP) for name, each in values.items() for value in each]

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == "monoskope.stores"
        return points

    monkeypatch.setattr(registry, "entry_points", entry_points)


def test_ours_are_found_under_their_kinds() -> None:
    assert {"age", "vault"} <= set(registry.kinds())
    assert registry.find("vault") is VaultStore
    assert registry.find("age") is AgeStore
    assert {"aws-secretsmanager", "aws-ssm"} <= set(registry.kinds())


def test_the_extra_to_install_is_named_where_it_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, **{"aws-ssm": ["monoskope.stores.no_such_module:ParameterStore"]})
    with pytest.raises(registry.BrokenDriverError, match=r"monoskope\[aws\]"):
        registry.find("aws-ssm")


def test_an_unknown_kind_is_named_with_those_that_are_there() -> None:
    with pytest.raises(NotFoundError, match=r"'valt'.*age.*vault"):
        registry.find("valt")


def test_two_drivers_of_one_kind_are_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, vault=["monoskope.stores.vault.kv2:VaultStore", "other.package:Store"])
    with pytest.raises(UsageError, match=r"monoskope\.stores\.vault\.kv2:VaultStore and other\.package:Store"):
        registry.find("vault")


def test_one_driver_seen_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, vault=["monoskope.stores.vault.kv2:VaultStore"] * 2)
    assert registry.find("vault") is VaultStore


@pytest.mark.parametrize(
    "value",
    [
        "no_such_package.x:Store",
        "monoskope.stores.vault.kv2:NoSuchStore",
        "monoskope.stores.age.files:AgeStore",
        "json:loads",
    ],
)
def test_a_driver_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    install(monkeypatch, mine=[value])
    with pytest.raises(registry.BrokenDriverError, match="mine") as caught:
        registry.find("mine")
    assert value in str(caught.value)
    assert isinstance(caught.value, Error)


def test_nothing_of_a_driver_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys; from monoskope.stores import registry; registry.kinds();"
        "print([name for name in ('aiohttp', 'pyrage', 'monoskope.stores.vault.kv2') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


ROOT = Path(__file__).resolve().parents[3]
ROW = re.compile(
    r"^\| \[`(?P<kind>[a-z0-9-]+)`\]\((?P<page>[^)#]+)[^)]*\) \| [^|]+ \| (?P<maturity>[a-z]+) \|", re.MULTILINE
)
TABLE = {row["kind"]: row for row in ROW.finditer((ROOT / "README.md").read_text(encoding="utf-8"))}


def test_the_table_in_the_readme_has_every_kind_of_store_and_no_other() -> None:
    assert sorted(TABLE) == registry.kinds()


@pytest.mark.parametrize("kind", registry.kinds())
def test_the_readme_and_the_kinds_own_page_say_what_the_driver_says(kind: str) -> None:
    maturity = registry.find(kind).maturity
    assert TABLE[kind]["maturity"] == maturity
    page = (ROOT / TABLE[kind]["page"]).read_text(encoding="utf-8")
    assert ("experimental" in page.lower()) is (maturity == "experimental")


@pytest.mark.parametrize("kind", registry.kinds())
def test_get_store_types_shows_what_the_driver_says(kind: str) -> None:
    maturity = registry.find(kind).maturity
    can = Capabilities(512, check_and_set=True, write_tag=True, readable=True)
    capabilities = announced(can, experimental=maturity == "experimental")
    view = views_pb2.SecretStore(name="s", type=kind, reactors=[views_pb2.Reactor(capabilities=capabilities)])
    [shown] = store_types([view])
    assert (shown["type"], shown["maturity"]) == (kind, maturity)
