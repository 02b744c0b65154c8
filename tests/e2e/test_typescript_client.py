"""The TypeScript client puts secrets through a real m8 into a real OpenBao, from Node and from a page in Chromium.

Each of its two runs is one process or page for all tests. What m8 answers is changed in some, as a lying m8 would.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.testing.parts import needed
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, upstream
from tests.support.browser import Chromium, Watched, chromium
from tests.support.quick_cluster import PAGE
from tests.support.typescript import CLIENT, bundle, in_node

VALUE = "correct horse \u00e4 battery"
BEFORE = {
    "another key in the grant": "SIGNATURE",
    "another key in the grant, signed by a stranger": "IDENTITY",
    "the grant of a stranger under the store's identity": "SIGNATURE",
    "a swapped identity in the grant": "IDENTITY",
}
AFTER = {
    "a receipt of another upload": "the receipt is for another grant",
    "a swapped identity in the receipt": "not by the store's identity",
    "another bit of the receipt": "a signature does not verify",
    "no receipt": "shows no receipt for it",
}

Found = dict[str, Any]


def given(team: Team, of: str) -> dict[str, str]:
    cluster = team.cluster
    return {
        "server": cluster.server,
        "token": team.user.token_file.read_text().strip(),
        "store": "vault",
        "identity": cluster.identities["vault"],
        "prefix": f"vault://{team.name}/{of}",
        "value": VALUE,
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module", params=["node", "chromium"])
def met(request: pytest.FixtureRequest, patient: Team, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder, words = tmp_path_factory.mktemp("typescript"), ("honest", "patched", "lied")
    if request.param == "node":
        ca_file = patient.cluster.folder / "m8" / "ca.crt"
        found = in_node(bundle("test/door_node.ts", folder), *words, given=given(patient, "node"), ca_file=ca_file)
    else:
        script = bundle("test/door.ts", folder, "browser")
        found = in_chromium(request.getfixturevalue("browser"), script, words, given(patient, "chromium"))
    return found | {"where": request.param}


def in_chromium(browser: Chromium, script: Path, words: tuple[str, ...], told: dict[str, str]) -> Found:
    """Run the bundle in a page of the origin that m8 lets call. Chromium asks its user about calls to this machine."""
    watched = Watched()
    agreed = ["local-network-access"]
    with browser.visit(watched=watched, ignore_https_errors=True, permissions=agreed) as page:
        page.route(f"{PAGE}/**", lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
        page.goto(f"{PAGE}/")
        page.add_script_tag(content=script.read_text(encoding="utf-8"))
        found = {word: page.evaluate(f"(given) => door.{word}(given)", told) for word in words}
    assert not watched.wrong
    assert VALUE not in "".join(watched.refused)
    return found


def test_the_secret_that_is_upstream_is_the_one_that_was_put(met: Found, patient: Team) -> None:
    honest = met["honest"]
    assert honest["shown"] == patient.cluster.identities["vault"]
    assert honest["put"]["outcome"] == "UPLOADED"
    assert honest["again"] == honest["put"] | {"outcome": "UNCHANGED"}
    assert upstream(patient.cluster, patient, f"{met['where']}/put") == {"password": VALUE, "user": "anna"}
    assert honest["kept"] == VALUE, "the caller's own bytes stay the caller's"


def test_a_patch_sets_one_value_and_removes_another(met: Found, patient: Team) -> None:
    assert {end["outcome"] for end in met["patched"].values()} == {"UPLOADED"}
    assert upstream(patient.cluster, patient, f"{met['where']}/patched") == {"password": "patched"}


def test_the_hash_is_the_one_that_our_own_command_shows(met: Found, patient: Team) -> None:
    ran = ok(patient.user.monoctl("get", "secret", patient.uri("vault", f"{met['where']}/put"), "-o", "json")).json()
    assert ran["hash"] == met["honest"]["put"]["fingerprint"]
    assert ran["labels"] == {"team": "a"}, "a put without labels keeps them"


def test_comparisons_and_expectations_end_as_the_reactor_signed(met: Found) -> None:
    honest = met["honest"]
    assert (honest["equal"]["kind"], honest["equal"]["outcome"]) == ("done", "EQUAL")
    assert (honest["different"]["kind"], honest["different"]["outcome"]) == ("done", "DIFFERENT")
    assert honest["absent"] == {"kind": "failed", "reason": "CONFLICT"}


@pytest.mark.parametrize("lie", BEFORE)
def test_a_lie_about_the_key_sends_nothing(met: Found, lie: str) -> None:
    found = met["lied"][lie]
    assert found["ended"]["thrown"] == BEFORE[lie]
    assert not found["sent"]


@pytest.mark.parametrize("lie", AFTER)
def test_a_lie_about_the_end_is_no_success_and_no_failure(met: Found, lie: str) -> None:
    found = met["lied"][lie]
    assert found["sent"]
    assert found["ended"]["kind"] == "unknown"
    assert AFTER[lie] in found["ended"]["why"]
    assert found["ended"]["until"]
    assert VALUE not in str(found)


def test_another_identity_than_the_pinned_one_gets_nothing(met: Found) -> None:
    assert met["lied"]["another identity is pinned"]["ended"]["thrown"] == "IDENTITY"


def test_the_log_of_m8_has_no_value_in_any_form(met: Found, patient: Team) -> None:
    words = [VALUE.encode(), base64.b64encode(VALUE.encode())]
    for file in (patient.cluster.folder / "m8").glob("*.log"):
        assert not any(word in file.read_bytes() for word in words), met["where"]


def test_chromium_seals_with_its_own_code_and_needs_no_package_for_it(met: Found) -> None:
    source = met["honest"]["source"]
    assert source == "native" if met["where"] == "chromium" else source in {"native", "noble"}


def test_the_example_of_its_readme_puts(patient: Team, tmp_path: Path) -> None:
    example = "examples/put.mjs"
    shown = (CLIENT / example).read_text(encoding="utf-8")
    assert f"```js\n{shown}```" in (CLIENT / "README.md").read_text(encoding="utf-8")
    told, cluster = given(patient, "example"), patient.cluster
    words = [f"https://{told['server']}", str(patient.user.token_file), told["prefix"], told["identity"], "password"]
    done = subprocess.run(
        [needed("node", "nodejs"), bundle(example, tmp_path), *words],
        env={"NODE_EXTRA_CA_CERTS": str(cluster.folder / "m8" / "ca.crt")},
        input=VALUE.encode(),
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"UPLOADED fp1:")
    assert upstream(cluster, patient, "example") == {"password": VALUE}
