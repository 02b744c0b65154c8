"""Stores that are not what a user or a reactor thinks: what is said, and the exit code, on the real parts."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator

import pytest
import tomli_w

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.cluster.identities import Identity
from tests.e2e.conftest import Team
from tests.e2e.inside import inside, put_inside
from tests.e2e.ran import ok, refused

JSON = ("-o", "json")


def create(admin: User, name: str, identity: str, *, kind: str = "age") -> Ran:
    return inside(admin, "create", "secret-store", name, "--type", kind, "--identity", identity, *JSON)


@pytest.fixture(scope="module")
def lonely(cluster: Cluster) -> dict[str, Identity]:
    """Two stores without a reactor: `lonely` is active, `asleep` is not."""
    found = {"lonely": Identity(), "asleep": Identity()}
    for name, identity in found.items():
        ok(create(cluster.administrator, name, identity.shown))
    ok(inside(cluster.administrator, "activate", "secret-store", "lonely", *JSON))
    return found


@pytest.fixture(scope="module")
def user(cluster: Cluster, lonely: dict[str, Identity]) -> User:
    """Has rights in the stores of this module, and agreed to the identities of the two without a reactor."""
    stores = ("vault", "local", "moving", *lonely)
    user = cluster.add_user("user-of-stores", prefixes=[f"{store}://app" for store in stores])
    lines = "".join(f"{cluster.server} {name} {identity.shown}\n" for name, identity in lonely.items())
    user.known_stores.write_text(user.known_stores.read_text() + lines)
    return user


def no_request(user: User) -> None:
    """Nothing of the user's is in the log: no key was asked for."""
    assert ok(inside(user, "get", "events", *JSON)).json() == []


def test_an_unknown_store_is_not_found(user: User) -> None:
    message = refused(put_inside(user, "nowhere://app/db"), 4)
    assert "nowhere" in message
    no_request(user)


def test_a_deactivated_store_is_refused(user: User) -> None:
    assert "store asleep is deactivated" in refused(put_inside(user, "asleep://app/db"), 3)
    no_request(user)


def test_a_store_without_a_reactor_is_unavailable_at_once(user: User) -> None:
    message = refused(put_inside(user, "lonely://app/db"), 7)
    assert "no reactor of the store lonely is attached; none has ever attached" in message
    no_request(user)


@pytest.mark.parametrize("name", ["vault", "lonely", "asleep"])
def test_a_second_store_of_one_name_is_refused(cluster: Cluster, user: User, name: str) -> None:
    message = refused(create(cluster.administrator, name, Identity().shown), 11)
    assert name in message


def test_a_second_store_of_one_identity_is_refused(cluster: Cluster, lonely: dict[str, Identity]) -> None:
    message = refused(create(cluster.administrator, "another", lonely["lonely"].shown), 11)
    assert "identity" in message


@pytest.mark.parametrize(
    ("name", "identity", "said"),
    [
        ("Upper", f"SHA256:{'A' * 43}", "name"),
        ("a/b", f"SHA256:{'A' * 43}", "name"),
        ("fine", "SHA256:short", "identity"),
        ("fine", "", "identity"),
    ],
)
def test_a_malformed_store_is_refused_naming_the_field(cluster: Cluster, name: str, identity: str, said: str) -> None:
    assert said in refused(create(cluster.administrator, name, identity), 2)


def test_a_secret_too_large_for_the_store_is_refused_before_a_key_is_asked_for(user: User) -> None:
    message = refused(put_inside(user, "vault://app/db", value=b"x" * 100_000), 3)
    assert "the secret takes 262,144 bytes encoded and padded; the store accepts at most 131,072" in message
    no_request(user)


def test_a_store_of_age_files_takes_what_its_page_promises(cluster: Cluster) -> None:
    """One of this test alone: the others of this module leave nothing in the log."""
    owner = cluster.add_user("owner-of-large-secrets", prefixes=["local://large"])
    assert ok(put_inside(owner, "local://large/file", value=b"x" * 700_000)).json()["outcome"] == "UPLOADED"
    described = ok(inside(owner, "describe", "secret-store", "local", *JSON)).json()
    assert described["max_plaintext"] == 1_048_576


def test_a_secret_too_large_for_any_store_is_refused_before_m8_is_asked(user: User) -> None:
    message = refused(put_inside(user, "local://app/db", value=b"x" * 800_000), 2)
    assert "at most 1048576 are possible" in message
    no_request(user)


def test_an_identity_that_contradicts_the_pin_is_refused(cluster: Cluster, user: User) -> None:
    other = Identity().shown
    message = refused(put_inside(user, "local://app/db", "--store-identity", f"local={other}"), 5)
    assert f"{cluster.identities['local']} is pinned, you gave {other}" in message
    no_request(user)


def test_a_pin_under_two_names_is_refused_naming_both(cluster: Cluster, user: User) -> None:
    pins = user.known_stores.read_text()
    user.known_stores.write_text(pins + f"{cluster.server} copied {cluster.identities['local']}\n")
    try:
        message = refused(put_inside(user, "local://app/db"), 5)
    finally:
        user.known_stores.write_text(pins)
    assert f"store 'local' of {cluster.server}" in message
    assert f"store 'copied' of {cluster.server}" in message
    no_request(user)


def test_one_identity_at_two_servers_is_refused_naming_both(
    cluster: Cluster, user: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pins = tmp_path_factory.mktemp("pins") / "known_stores"
    write_private(pins, f"m8.elsewhere.test:7443 local {cluster.identities['local']}\n".encode())
    message = refused(put_inside(user, "local://app/db", "--known-stores", str(pins)), 5)
    assert "m8.elsewhere.test:7443" in message
    assert cluster.server in message
    no_request(user)


@pytest.fixture
def moving(cluster: Cluster) -> Iterator[str]:
    """A store with a reactor of its own, whose identity moves on."""
    cluster.make_local_reactor("moving")
    cluster.join_store("moving", key_of="reactor-vault")
    yield "moving"
    cluster.reactors["reactor-moving"].stop()


def test_a_rotated_identity_is_followed_once_and_told_and_the_old_one_leads_to_it_alone(
    cluster: Cluster, user: User, moving: str
) -> None:
    old = cluster.identities[moving]
    uri = f"{moving}://app/db"
    ok(put_inside(user, uri, "--store-identity", f"{moving}={old}"))

    cluster.reactors["reactor-moving"].stop()
    new = cluster.must("m8", "reactor", "rotate-identity", "reactor-moving", "--yes").out.strip()
    cluster.identities[moving] = new
    cluster.start_reactor(moving)

    moved = ok(put_inside(user, uri, value=b"after"))
    assert f"{old} is followed by {new}, which is pinned now" in moved.err
    assert f"{cluster.server} {moving} {new}\n" in user.known_stores.read_text()
    assert "followed by" not in ok(put_inside(user, uri, value=b"later")).err
    # What was given before the rotation still fits: signed steps lead from it to the pin. Another identity does not.
    ok(put_inside(user, uri, "--store-identity", f"{moving}={old}", value=b"again"))
    other = cluster.identities["vault"]
    assert f"{new} is pinned, you gave {other}" in refused(
        put_inside(user, uri, "--store-identity", f"{moving}={other}"), 5
    )


@pytest.mark.parametrize(
    ("store", "said"),
    [("vault", "knows it under another identity than"), ("unheard-of", "it does not know the store unheard-of")],
)
def test_a_reactor_for_another_store_is_not_let_in(cluster: Cluster, patient: Team, store: str, said: str) -> None:
    """It holds the identity of `local`, and says that it serves another store."""
    home = cluster.folder / f"reactor-impostor-{store}"
    home.mkdir(mode=0o700)
    for name in ("identity.key", "fingerprint.key"):
        shutil.copy2(cluster.folder / "reactor-local" / name, home)
    table = tomllib.loads((cluster.folder / "reactor-local" / "reactor.toml").read_text())
    engine = {**table["engine"], "folder": str(home / "secrets")}
    write_private(home / "reactor.toml", tomli_w.dumps({**table, "store": store, "engine": engine}).encode())
    before = cluster.attached("vault")
    part = cluster.background("impostor", "m8", "reactor", "run", home.name, log=f"{home.name}/reactor.log")
    try:
        part.wait_for(lambda: said in part.log.read_text())
    finally:
        part.stop()
    line = next(json.loads(line) for line in part.log.read_text().splitlines() if said in line)
    assert line["fix"]
    assert cluster.attached("vault") == before
    ok(put_inside(patient.user, patient.uri("vault")))
