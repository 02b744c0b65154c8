"""Rules on values, on real parts: what breaks one reaches OpenBao by no purpose, and users learn which rule it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monoskope.testing.cluster import Cluster, editing
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused, upstream

LONG = {"name": "long", "prefixes": ["rules/app"], "keys": ["password"], "min_length": 20}
MADE = {"name": "made", "prefixes": ["rules/machine"], "keys": ["password"], "generated": True}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose `vault` has two rules, and whose `local` may copy to it."""
    with Cluster(tmp_path_factory.mktemp("rules")) as cluster:
        cluster.start()
        cluster.allow_copy("local", "vault", source="rules", destination="rules")
        with editing(cluster.folder / "reactor-vault" / "reactor.toml") as table:
            table["rules"] = [LONG, MADE]
        for store in ("vault", "local"):
            cluster.reactors[f"reactor-{store}"].stop()
            cluster.wait_until_detached(store, 0)
            cluster.start_reactor(store)
        yield cluster


@pytest.fixture(scope="module")
def team(cluster: Cluster) -> Team:
    user = cluster.add_user("ruled", prefixes=[f"{store}://rules" for store in ("vault", "local")])
    return Team("rules", user, cluster)


def test_what_breaks_a_rule_is_not_written_whichever_way_it_comes(team: Team) -> None:
    app, machine, elsewhere = (team.uri("vault", name) for name in ("app", "machine", "elsewhere"))
    for uri, value in ((app, b"x" * 20), (team.uri("local"), b"x" * 20), (elsewhere, b"short")):
        ok(team.put(uri, value=value))
    made = ok(team.user.monoctl("generate", "secret", machine, "--kind", "password", "-o", "json")).json()

    patch = ("patch", "secret", app, "--from-file", "password=-", "-o", "json")
    short = ("generate", "secret", app, "--kind", "password", "--size", "19", "-o", "json")
    assert ": long" in refused(team.put(app, value=b"short"), 3)
    assert ": long" in refused(team.user.monoctl(*patch, input=b"short"), 3)
    assert ": long" in refused(team.user.monoctl(*short), 3)
    assert ": made" in refused(team.put(machine, value=b"x" * 20), 3)
    assert ": made" in refused(team.user.monoctl("generate", "secret", machine, "password=fixed:x", "-o", "json"), 3)
    copied = refused(team.user.monoctl("copy", "secret", team.uri("local"), machine, "-o", "json"), 3)
    assert "at the destination, a rule on values" in copied
    assert ": made" in copied

    assert upstream(team.cluster, team, "app") == {"password": "x" * 20}
    assert len(upstream(team.cluster, team, "machine")["password"]) == 24
    versions = ok(team.user.monoctl("get", "secret", machine, "--versions", "-o", "json")).json()
    assert [one["upstream_version"] for one in versions] == [made["upstream_version"]]


def test_m8_reactor_check_shows_them(team: Team) -> None:
    said = team.cluster.must("m8", "reactor", "check", "reactor-vault").out
    assert "Rule long at vault://rules/app: password: at least 20 bytes\n" in said
    assert "Rule made at vault://rules/machine: password: made at random by this reactor\n" in said
