"""Pages of docs/operate and of incidents, typed as they stand, with the stores `notes` and `files` of one m8."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.operating import ADMIN, OPERATE, ROOT, Operator, blocks

INCIDENTS = ROOT / "docs" / "security" / "incidents"
KEYS = INCIDENTS.parent / "keys.md"
FINISH = 'monoctl finish fingerprint-key-rotation "$(m8 reactor fingerprint-key id reactor)" --token-file admin.token'
PUT = "printf 's3cret' | monoctl put secret notes://team-a/db --from-file password=-"
AGREED = PUT + ' --store-identity "notes=$(m8 reactor identity reactor)"'


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    found = Operator.at(tmp_path_factory.mktemp("operator"))
    found.begin_to_work(notes="reactor", files="reactor-2")
    found.done(AGREED)
    yield found
    found.stop()


def hash_of_put(operator: Operator) -> str:
    """Put the same again, and return what m8 shows as its hash."""
    return next(word for word in operator.done(PUT).split() if word.startswith("fp1:"))


def test_the_fingerprint_key_is_rotated_as_the_page_says(operator: Operator) -> None:
    before = hash_of_put(operator)
    operator.follow(OPERATE / "rotate-fingerprint-key.md", codes={(FINISH, 1): 6})
    after = hash_of_put(operator)
    assert before.split(":")[1] != after.split(":")[1]
    assert after.split(":")[1] == operator.done("m8 reactor fingerprint-key id reactor-2").strip()
    assert (operator.folder / "reactor" / f"fingerprint.key.{before.split(':')[1]}").exists()


def test_a_reactor_with_another_key_says_so_and_so_do_its_store_and_every_put(operator: Operator) -> None:
    folder = operator.folder / "reactor-2"
    counts = (folder / "fingerprint.key").read_bytes()
    operator.stop_reactor("reactor-2")
    other = operator.done("m8 reactor fingerprint-key new reactor-2 --replace").strip()
    refused = operator.begin("m8 reactor run reactor-2")
    refused.wait_for(lambda: "m8 refuses this reactor" in refused.log.read_text())
    line = next(json.loads(line) for line in refused.log.read_text().splitlines() if "m8 refuses" in line)
    assert other in line["message"]
    assert "m8 reactor fingerprint-key import" in line["fix"]
    described = operator.done(f"monoctl describe secret-store files {ADMIN}")
    assert f"its fingerprint key {other} is not the one that counts" in described
    identity = operator.done("m8 reactor identity reactor-2").strip()
    put = PUT.replace("notes:", "files:") + f" --store-identity files={identity}"
    assert f"its fingerprint key {other} is not the one" in operator.done(put, code=7)
    (folder / "fingerprint.key").write_bytes(counts)
    operator.done("m8 reactor run reactor-2")


def test_a_reactor_with_a_lost_key_gets_a_new_one_as_the_page_says(operator: Operator) -> None:
    (operator.folder / "reactor" / "fingerprint.key").unlink()
    before = hash_of_put(operator)
    operator.stop_reactor("reactor-2")  # the other page shows how the key is carried there
    operator.follow(OPERATE / "lost-fingerprint-key.md")
    operator.done("cp -p reactor/fingerprint.key reactor-2/")
    operator.done("m8 reactor run reactor-2")
    assert before.split(":")[1] != hash_of_put(operator).split(":")[1]


def test_the_identity_is_rotated_as_the_page_says(operator: Operator) -> None:
    operator.done(PUT.replace("team-a/db", "team-b/before"))
    operator.stop_reactor("reactor")
    operator.follow(OPERATE / "rotate-identity.md")
    assert "followed by" not in operator.done(PUT)
    # The log shows that the former identity's receipt stood before the rotation.
    shown = json.loads(operator.done("monoctl get secret notes://team-b/before -o json"))
    assert shown["proven"], shown
    operator.done(f"monoctl get upload {shown['request_id']} --proof before.tlog-proof")
    assert operator.identity in operator.done("monoctl verify proof before.tlog-proof")


def test_a_lost_identity_is_replaced_as_the_page_says(operator: Operator) -> None:
    operator.stop_reactor("reactor")
    (operator.folder / "reactor" / "identity.key").unlink()
    operator.follow(OPERATE / "lost-identity.md", codes={(PUT, 1): 5, (AGREED, 1): 6})
    proven = operator.done("monoctl get secret notes://team-a/db")
    assert "UPLOADED" in proven or "fp1:" in proven


@pytest.mark.parametrize("page", ["stolen-fingerprint-key.md", "compromised-reactor.md"])
def test_a_night_goes_as_its_page_says(operator: Operator, page: str) -> None:
    operator.follow(INCIDENTS / page)


def test_a_stolen_token_is_worth_nothing_once_its_page_was_followed(operator: Operator) -> None:
    stolen = operator.done(f"monoctl get tokens --by anna -o name {ADMIN}").strip()
    operator.instead["00112233445566778899aabbccddeeff"] = stolen.removeprefix("token/")
    operator.follow(INCIDENTS / "stolen-token.md")
    operator.done("monoctl whoami --token-file anna.token", code=10)


def test_the_ceremony_for_two_people_makes_every_key_and_replaces_one(tmp_path: Path) -> None:
    two = Operator.at(tmp_path)
    two.environment["HOME"] = str(two.folder)
    two.follow(KEYS)
    keys = {str(path.relative_to(two.folder)) for path in two.folder.rglob("*.key")}
    of_m8 = {f".local/state/monoskope/m8/{name}.key" for name in ("token-signing", "log", "tls", "ca")}
    assert keys == of_m8 | {f"reactor/{name}.key" for name in ("identity", "fingerprint", "copy")}
    assert two.done("m8 token list --valid").count("user:corp:anna") == 2


def test_every_page_here_is_followed_or_has_no_commands() -> None:
    followed = {"rotate-fingerprint-key.md", "lost-fingerprint-key.md", "rotate-identity.md", "lost-identity.md"}
    ours = followed | {"largest-secret.md", "reactor-cannot-work.md"}
    assert all((OPERATE / name).exists() for name in ours)
    assert not blocks(OPERATE / "largest-secret.md")
    assert not blocks(OPERATE / "reactor-cannot-work.md")
    nights = {"README.md", "stolen-token.md", "stolen-fingerprint-key.md", "compromised-reactor.md"}
    elsewhere = {"m8-lies.md", "lost-identity.md"}  # with the tests of the log, and in docs/operate
    assert {page.name for page in INCIDENTS.iterdir()} == nights | elsewhere
    assert not blocks(INCIDENTS / "README.md") + blocks(INCIDENTS / "lost-identity.md")
