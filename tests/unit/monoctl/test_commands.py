"""The other commands: what they print, and how they end when something goes wrong."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TypeVar

import pytest
from click.testing import Result
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import AlreadyExistsError
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import FINGERPRINT, KEY_ID, LAYOUT, VERSION, ScriptedM8
from tests.unit.monoctl.as_alice import Run, ends

M = TypeVar("M", bound=Message)
REQUEST_ID = bytes(range(16))
FIVE_HOURS_AGO_MS = int((time.time() - 5.1 * 3_600) * 1000)
"""Read as `5h ago` for almost an hour, however slow the tests run."""


class Answering(ScriptedM8):
    """Answers queries and administrators too, a page of two at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.instead = ""
        """The identity that is shown for a new store in the place of its own."""
        self.secrets = [
            views_pb2.Secret(
                uri=f"vault://app/{number}",
                fingerprint=FINGERPRINT,
                values=[upload_pb2.ValueFingerprint(key="password", fingerprint=FINGERPRINT)],
                upstream_version=VERSION,
                subject="alice",
                uploaded_at_ms=FIVE_HOURS_AGO_MS,
                request_id=REQUEST_ID,
            )
            for number in range(5)
        ]

    def more(self, method: str, message: Message) -> Message:  # noqa: PLR0911 - one return a message
        self.asked.append(message)
        match message:
            case queries_pb2.ListSecretsRequest():
                below = [one for one in self.secrets if f"{one.uri}/".startswith(message.prefix.rstrip("/") + "/")]
                secrets, following = page(below, message.page_token)
                return queries_pb2.ListSecretsResponse(secrets=secrets, next_page_token=following)
            case queries_pb2.ListSecretStoresRequest():
                stores, following = page(list(self.stores.values()), message.page_token)
                return queries_pb2.ListSecretStoresResponse(stores=stores, next_page_token=following)
            case queries_pb2.GetSecretRequest():
                return queries_pb2.GetSecretResponse(secret=self.secrets[0])
            case commands_pb2.CreateSecretStoreRequest():
                if message.name in self.stores:
                    raise AlreadyExistsError(f"the name {message.name!r} is taken.", fix="Choose another.")
                created = views_pb2.SecretStore(name=message.name, type=message.type, identity=message.identity)
                self.stores[message.name] = created
                created.identity = self.instead or created.identity
                return commands_pb2.CreateSecretStoreResponse(store=created)
            case commands_pb2.StartFingerprintKeyRotationRequest():
                return commands_pb2.StartFingerprintKeyRotationResponse()
            case commands_pb2.FinishFingerprintKeyRotationRequest():
                return commands_pb2.FinishFingerprintKeyRotationResponse()
            case _:
                response = getattr(commands_pb2, type(message).__name__.replace("Request", "Response"))
                return response(store=self.stores[getattr(message, "name", "vault")])  # type: ignore[no-any-return]


def page(items: list[M], page_token: str) -> tuple[list[M], str]:
    start = int(page_token or 0)
    return items[start : start + 2], str(start + 2) if start + 2 < len(items) else ""


@pytest.fixture
def scripted() -> Answering:
    return Answering()


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def test_secrets_come_from_every_page(m8: Answering, run: Run) -> None:
    rows = ok(run("get", "secrets", "vault://")).splitlines()

    assert len(rows) == 6
    assert rows[1].split()[:3] == ["vault://app/0", "fp1:63e8…:abababab…abab", "7"]
    assert "5h ago" in rows[1]
    assert [message.prefix for message in m8.asked if isinstance(message, queries_pb2.ListSecretsRequest)] == [
        "vault://"
    ] * 3


def test_an_empty_list_says_so_beside_stdout(m8: Answering, run: Run) -> None:
    m8.secrets = []

    result = run("get", "secrets")

    assert ok(result) == ""
    assert result.stderr == "No secrets found.\n"
    assert json.loads(ok(run("get", "secrets", "-o", "json"))) == []


def test_a_prefix_that_names_no_whole_segment_is_told_what_begins_with_it(m8: Answering, run: Run) -> None:
    m8.secrets = [views_pb2.Secret(uri=f"vault://app/db{number}") for number in range(5)]

    result = run("get", "secrets", "vault://app/d")

    assert ok(result) == ""
    assert "There are secrets that begin with it: vault://app/db0, vault://app/db1, vault://app/db2." in result.stderr
    assert "begin with it" not in run("get", "secrets", "vault://app/x").stderr
    assert "begin with it" not in run("get", "secrets", "vault://other").stderr


def test_one_secret_in_the_default_store(m8: Answering, run: Run) -> None:
    document = json.loads(ok(run("get", "secret", "app/0", "-o", "json")))

    assert (document["hash"], document["values"]) == (FINGERPRINT, {"password": FINGERPRINT})
    assert document["changed_at"].endswith("Z")
    assert any(message == queries_pb2.GetSecretRequest(uri="vault://app/0") for message in m8.asked)
    assert "password:" in ok(run("get", "secret", "vault://app/0"))


def test_get_secret_stores_shows_type_and_state(m8: Answering, run: Run) -> None:
    m8.add_store("local", Identity(), kind="age")
    m8.stores["local"].active = False

    _, vault, local = ok(run("get", "secret-stores")).splitlines()

    assert vault.split()[:3] == ["vault", "vault", "yes"]
    assert local.split()[:3] == ["local", "age", "no"]


def test_types_with_what_their_reactors_announced(m8: Answering, run: Run) -> None:
    m8.add_store("old", Identity(), kind="vault")
    m8.add_store("cluster", Identity(), kind="kubernetes")
    m8.add_store("silent", Identity(), kind="age")
    del m8.stores["silent"].reactors[:]
    m8.stores["cluster"].reactors[0].capabilities.experimental = True

    rows = ok(run("get", "store-types")).splitlines()
    documents = json.loads(ok(run("get", "store-types", "-o", "json")))

    assert [row.split("  ")[0] for row in rows[1:]] == ["age", "kubernetes", "vault"]
    assert "experimental" in rows[2]
    assert documents[0] == {"type": "age", "maturity": "", "stores": ["silent"], "layouts": []}
    assert documents[1]["maturity"] == "experimental"
    assert documents[2] == {"type": "vault", "maturity": "stable", "stores": ["vault", "old"], "layouts": [LAYOUT]}
    assert "experimental" in ok(run("describe", "secret-store", "cluster"))


def test_a_described_store_shows_its_reactors(m8: Answering, run: Run) -> None:
    m8.stores["vault"].reactors[0].last_heard_ms = FIVE_HOURS_AGO_MS
    m8.stores["vault"].reactors[0].capabilities.deletable = True
    m8.stores["vault"].reactors[0].capabilities.copies_to.append("local")

    table = ok(run("describe", "secret-store", "vault"))
    document = json.loads(ok(run("describe", "secret-store", "-o", "json")))

    for text in (m8.identity.shown, KEY_ID, "131072", "ago", LAYOUT):
        assert text in table
    assert re.search(r"DOES +COPIES TO .*\n.* patch, destroy, undelete, rollback, list-upstream +local ", table)
    assert (document["layout"], document["maturity"]) == (LAYOUT, "stable")
    assert document["reactors"][0]["attached"] is True
    assert document["max_plaintext"] == 131_072


@pytest.mark.parametrize(
    ("signatures", "trouble", "said"),
    [(False, False, "-"), (True, False, "required"), (True, True, "required; a list cannot be used")],
    ids=["not required", "required", "trouble"],
)
def test_a_store_says_if_signing_is_due(m8: Answering, run: Run, *, signatures: bool, trouble: bool, said: str) -> None:
    m8.stores["vault"].reactors[0].capabilities.signatures = signatures
    m8.stores["vault"].reactors[0].signers_trouble = trouble
    lines = ok(run("describe", "secret-store", "vault")).splitlines()
    head = next(index for index, line in enumerate(lines) if "SIGNED REQUESTS" in line)
    begin = lines[head].index("SIGNED REQUESTS")
    end = lines[head].index("FINGERPRINT KEY")
    assert lines[head + 1][begin:end].strip() == said


def test_a_deleted_secret_says_so(m8: Answering, run: Run) -> None:
    assert "DELETED" not in ok(run("get", "secret", "vault://app/db"))
    m8.secrets[0].deleted = True

    assert "  DELETED  " in ok(run("get", "secret", "vault://app/db"))


def test_a_store_without_a_reactor_has_no_known_limit(m8: Answering, run: Run) -> None:
    m8.stores["vault"].ClearField("reactors")

    table = ok(run("describe", "secret-store", "vault"))

    assert re.search(r"^Largest secret:? +unknown while no reactor is attached$", table, re.MULTILINE)
    assert re.search(r"^Engine:? +unknown while no reactor is attached$", table, re.MULTILINE)
    assert "No reactor has ever attached." in table
    assert json.loads(ok(run("describe", "secret-store", "vault", "-o", "json")))["max_plaintext"] == 0


def test_a_word_that_is_like_no_command_gets_no_advice(run: Run) -> None:
    result = run("get", "xyzzy")
    assert (result.exit_code, "no such command 'xyzzy'.\n" in result.stderr) == (2, True)


def test_get_upload_waits_for_the_end_of_one_request(m8: Answering, run: Run) -> None:
    m8.end = lambda attempt: m8.ended(attempt, attempt.success())
    put = run("put", "secret", "app/0", "--from-file", "k=-", "-o", "json", stdin="value")
    request_id = json.loads(put.stdout)["request_id"]

    document = json.loads(ok(run("get", "upload", request_id, "--wait", "-o", "json")))

    assert document["state"] == "ENDED"
    assert document["has_receipt"] is True
    assert run("get", "upload", "zz").exit_code == 2


def test_administrators_add_and_change_stores(m8: Answering, run: Run) -> None:
    identity = Identity().shown
    created = json.loads(
        ok(run("create", "secret-store", "new", "--type", "age", "--identity", identity, "-o", "json"))
    )
    assert (created["name"], created["type"], created["active"]) == ("new", "age", False)

    for verb in ("activate", "deactivate", "set-default"):
        assert "vault" in ok(run(verb, "secret-store", "vault"))
    assert "vault" in ok(run("replace", "secret-store-identity", "vault", "--identity", identity))
    assert KEY_ID in ok(run("start", "fingerprint-key-rotation", KEY_ID))
    assert KEY_ID in ok(run("finish", "fingerprint-key-rotation", KEY_ID))

    assert [type(message).__name__ for message in m8.asked] == [
        "CreateSecretStoreRequest",
        "ActivateSecretStoreRequest",
        "DeactivateSecretStoreRequest",
        "SetDefaultSecretStoreRequest",
        "ReplaceSecretStoreIdentityRequest",
        "StartFingerprintKeyRotationRequest",
        "ListSecretStoresRequest",
        "FinishFingerprintKeyRotationRequest",
    ]


def test_one_command_adds_a_store_pins_its_identity_and_activates_it(m8: Answering, run: Run, tmp_path: Path) -> None:
    words = ("create", "secret-store", "new", "--type", "age", "--activate", "--identity")
    identity = Identity().shown
    ok(run(*words, identity))
    assert [type(one).__name__ for one in m8.asked[-2:]] == ["CreateSecretStoreRequest", "ActivateSecretStoreRequest"]
    assert f"new {identity}" in (tmp_path / "known_stores").read_text()


def test_a_store_that_m8_shows_under_another_identity_is_not_activated(m8: Answering, run: Run) -> None:
    m8.instead = Identity().shown
    words = ("create", "secret-store", "new", "--type", "age", "--activate", "--identity", Identity().shown)
    refused = run(*words)
    assert refused.exit_code == 5
    assert "the store new was added, and is not active." in refused.stderr
    assert [type(one).__name__ for one in m8.asked[-1:]] == ["CreateSecretStoreRequest"]


OLD_KEY = "0123456789abcdef"


def with_reactors(m8: Answering, *reactors: views_pb2.Reactor) -> None:
    store = m8.stores["vault"]
    store.ClearField("reactors")
    store.reactors.extend(reactors)


def a_reactor(digit: str, key_id: str, *, attached: bool = True) -> views_pb2.Reactor:
    return views_pb2.Reactor(
        replica=bytes.fromhex(digit * 32), attached=attached, fingerprint_key_id=key_id, last_heard_ms=1_700_000_000_000
    )


def test_a_forced_end_of_a_key_rotation_says_what_breaks_and_needs_a_yes(m8: Answering, run: Run) -> None:
    with_reactors(m8, a_reactor("a", OLD_KEY))

    result = run("finish", "fingerprint-key-rotation", KEY_ID, "--force")
    ends(result, 2, "vault: m8 ends the sessions of aaaaaaaa", "every request to it ends UNAVAILABLE", "--yes")
    assert not any(isinstance(asked, commands_pb2.FinishFingerprintKeyRotationRequest) for asked in m8.asked)

    ok(run("finish", "fingerprint-key-rotation", KEY_ID, "--force", "--yes"))
    assert m8.asked[-1] == commands_pb2.FinishFingerprintKeyRotationRequest(key_id=KEY_ID, force=True)


def test_the_end_of_a_key_rotation_names_reactors_that_are_down_with_the_old_key(m8: Answering, run: Run) -> None:
    moved, down = a_reactor("a", KEY_ID), a_reactor("c", OLD_KEY, attached=False)
    with_reactors(m8, moved, a_reactor("b", OLD_KEY, attached=False))
    assert "warning" not in run("finish", "fingerprint-key-rotation", KEY_ID).stderr

    with_reactors(m8, moved, a_reactor("b", OLD_KEY, attached=False), down)
    result = run("finish", "fingerprint-key-rotation", KEY_ID)
    ends(result, 0, "warning: store vault", "cccccccc until 2023-11-14", "Import the new key there first.")

    earlier = a_reactor("d", KEY_ID, attached=False)  # not there, so it is the successor of none of them
    with_reactors(m8, moved, earlier, a_reactor("b", OLD_KEY, attached=False), down)
    assert f"attached with the key {KEY_ID}: 1." in run("finish", "fingerprint-key-rotation", KEY_ID).stderr


def test_a_described_store_says_which_login_m8_refused_last_and_why(m8: Answering, run: Run) -> None:
    assert "refused the login" not in ok(run("describe", "secret-store", "vault"))
    m8.stores["vault"].refused_login.CopyFrom(
        views_pb2.RefusedLogin(
            replica=b"a" * 16,
            refusal=views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY,
            refused_at_ms=1_700_000_000_000,
            fingerprint_key_id=OLD_KEY,
        )
    )
    shown = ok(run("describe", "secret-store", "vault"))
    assert "m8 says: at 2023-11-14T22:13:20" in shown
    assert f"its fingerprint key {OLD_KEY} is not the one that counts" in shown
    document = json.loads(ok(run("describe", "secret-store", "vault", "-o", "json")))
    assert document["refused_login"]["refusal"] == "FINGERPRINT_KEY"
    m8.stores["vault"].refused_login.refusal = views_pb2.LOGIN_REFUSAL_UNSPECIFIED
    shown = ok(run("describe", "secret-store", "vault"))
    assert "the reactor 61616161: for a reason that this version does not know." in shown


def test_a_name_that_is_taken_is_refused(run: Run) -> None:
    result = ends(run("create", "secret-store", "vault", "--type", "age", "--identity", Identity().shown), 11)
    assert result.stderr.splitlines() == ["error: m8 says: the name 'vault' is taken.", "m8 suggests: Choose another."]


@pytest.mark.parametrize(
    "words",
    [
        ("create", "secret-store", "Vault", "--type", "age", "--identity", "SHA256:x"),
        ("create", "secret-store", "new", "--type", "age", "--identity", "SHA256:x"),
        ("start", "fingerprint-key-rotation", "XYZ"),
        ("get", "secret"),
        ("get", "nothing"),
        ("get", "secrets", "-o", "xml"),
    ],
)
def test_a_malformed_command_line_is_told_in_two_lines(m8: Answering, run: Run, words: tuple[str, ...]) -> None:
    result = ends(run(*words), 2)
    error, fix = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert fix.startswith("fix: ")
    assert m8.asked == []
