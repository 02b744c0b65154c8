"""People who choose a store read the same of its maturity everywhere: README, its page, the driver, what m8 is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.monoctl.output.views import store_types
from monoskope.reactor.link.endpoint import announced
from monoskope.stores import registry
from monoskope.stores.driver import Capabilities

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
