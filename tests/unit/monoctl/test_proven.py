"""What `monoctl` shows as proven, what as m8's word, and what it says of m8's list."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.known.seen import NAME
from monoskope.client.walk import reasons
from monoskope.monoctl.output.listed import file_name
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8
from tests.unit.monoctl.as_alice import Run, ends

URI = "vault://app/db"


class Remembering(ScriptedM8):
    """Lists what was put through it, each with its receipt."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, views_pb2.Secret] = {}
        self.deleted: dict[str, views_pb2.Secret] = {}
        self.whose = "alice"
        """Who changed each secret, as the list of its versions says."""
        self.version, self.prior, self.upstream = VERSION, "", ""
        """What the next put makes and replaces, and what verifications find; "" for what the newest receipt says."""

    def remember(self, attempt: Attempt) -> views_pb2.SecretUpload:
        """End a request, and list its secret from now on."""
        uri, receipt = str(attempt.request.uri), attempt.success()
        if attempt.request.purpose == upload_pb2.PURPOSE_VERIFY:
            view = self.secrets.get(uri) or self.deleted[uri]
            said = "" if view.deleted else view.upstream_version
            found, compared = self.upstream or said, hashlib.sha256(view.receipt.content).digest()
            outcome = upload_pb2.OUTCOME_IN_SYNC if found == said else upload_pb2.OUTCOME_DRIFTED
            receipt = attempt.receipt(outcome, upstream_version=found, verified_sha256=compared)
        if attempt.request.purpose == upload_pb2.PURPOSE_UPLOAD:
            receipt = attempt.receipt(
                upload_pb2.OUTCOME_UPLOADED,
                upstream_version=self.version,
                prior_version=self.prior,
                fingerprint=FINGERPRINT,
                values=[("password", FINGERPRINT)],
            )
            self.secrets[uri] = views_pb2.Secret(
                uri=uri,
                fingerprint=FINGERPRINT,
                values=[upload_pb2.ValueFingerprint(key="password", fingerprint=FINGERPRINT)],
                upstream_version=self.version,
                request_id=attempt.request.request_id,
                receipt=receipt,
            )
        elif attempt.request.purpose == upload_pb2.PURPOSE_DELETE:
            version = self.secrets.pop(uri).upstream_version
            receipt = attempt.receipt(upload_pb2.OUTCOME_DELETED, prior_version=version)
            self.deleted[uri] = views_pb2.Secret(uri=uri, upstream_version=version, deleted=True, receipt=receipt)
        return self.ended(attempt, receipt)

    def more(self, method: str, message: Message) -> Message:
        match message:
            case queries_pb2.GetSecretRequest():
                secret = self.secrets.get(message.uri) or self.deleted[message.uri]
                return queries_pb2.GetSecretResponse(secret=secret)
            case queries_pb2.ListSecretsRequest(state=views_pb2.SECRET_STATE_DELETED):
                return queries_pb2.ListSecretsResponse(secrets=self.deleted.values())
            case queries_pb2.ListSecretsRequest():
                return queries_pb2.ListSecretsResponse(secrets=self.secrets.values())
            case queries_pb2.ListSecretVersionsRequest():
                secret = self.secrets[message.uri]
                version = views_pb2.SecretVersion(
                    uri=secret.uri,
                    outcome=upload_pb2.OUTCOME_UPLOADED,
                    upstream_version=secret.upstream_version,
                    request_id=secret.request_id,
                    subject=self.whose,
                    purpose=upload_pb2.PURPOSE_UPLOAD,
                )
                return queries_pb2.ListSecretVersionsResponse(versions=[version])
            case _:
                return super().more(method, message)


@pytest.fixture
def scripted() -> Remembering:
    return Remembering()


@pytest.fixture
def run(run: Run) -> Run:
    return partial(run, stdin="value")


def put(run: Run, uri: str = URI) -> str:
    result = ends(run("put", "secret", uri, "--from-file", "password=-", "-o", "json"), 0)
    return str(json.loads(result.stdout)["request_id"])


def shown(run: Run, *words: str) -> dict[str, object]:
    result = ends(run(*words, "-o", "json"), 0)
    document = json.loads(result.stdout)
    found: dict[str, object] = document[0] if isinstance(document, list) else document
    return found


def test_an_end_with_its_receipt_is_shown_as_proven_with_what_that_leaves_open(run: Run) -> None:
    request_id = put(run)
    document = shown(run, "get", "upload", request_id)
    assert (document["outcome"], document["proven"], document["why_not_proven"]) == ("UPLOADED", True, "")
    result = run("get", "upload", request_id)
    assert "UPLOADED" in result.stdout
    assert result.stderr.startswith("note: the receipt proves how that request ended, not that what was sealed")


def test_an_end_that_nobody_signed_is_never_shown_as_one(m8: Remembering, run: Run) -> None:
    request_id = put(run)
    claim = upload_pb2.OUTCOME_UPLOADED

    def without_receipt(attempt: Attempt) -> views_pb2.SecretUpload:
        upload = m8.ended(attempt)
        upload.outcome = claim
        return upload

    def of_another_identity(attempt: Attempt) -> views_pb2.SecretUpload:
        upload = without_receipt(attempt)
        upload.grant.CopyFrom(attempt.signed_grant())
        attempt.signer = Identity()
        upload.receipt.CopyFrom(attempt.success())
        return upload

    for lie, mark in ((without_receipt, "note: "), (of_another_identity, "warning: ")):
        m8.end = lie
        document = shown(run, "get", "upload", request_id)
        assert (document["outcome"], document["proven"], document["m8_says"]) == ("", False, "UPLOADED")
        result = run("get", "upload", request_id)
        header, row = result.stdout.splitlines()
        assert header.split()[-2:] == ["M8", "SAYS"]
        assert row.split()[-1] == "UPLOADED"
        assert row.count("UPLOADED") == 1
        assert result.stderr.startswith(f"{mark}request {request_id} is m8's word alone: ")


def test_after_an_unknown_outcome_the_request_is_asked_about_and_proven(m8: Remembering, run: Run) -> None:
    m8.end = lambda attempt: m8.ended(attempt, reason=upload_pb2.REASON_UPSTREAM_REFUSED)
    ends(run("put", "secret", URI, "--from-file", "password=-"), 9)
    request_id = m8.attempts[0].request.request_id.hex()

    m8.end = lambda attempt: granted(m8.remember(attempt), attempt)
    assert shown(run, "get", "upload", request_id)["proven"] is True


def granted(upload: views_pb2.SecretUpload, attempt: Attempt) -> views_pb2.SecretUpload:
    upload.grant.CopyFrom(attempt.signed_grant())
    return upload


@pytest.fixture(autouse=True)
def with_grants(m8: Remembering, monkeypatch: pytest.MonkeyPatch) -> None:
    m8.end = lambda attempt: granted(m8.remember(attempt), attempt)


def test_a_name_that_the_grant_contradicts_never_stands_beside_a_proven_end(m8: Remembering, run: Run) -> None:
    def another(attempt: Attempt) -> views_pb2.SecretUpload:
        upload = granted(m8.remember(attempt), attempt)
        upload.subject = "mallory"
        return upload

    request_id = put(run)
    m8.whose = "mallory"
    version = shown(run, "get", "secret", URI, "--versions")
    assert (version["proven"], version["subject"]) == (False, "mallory")
    assert "warning: " in run("get", "secret", URI, "--versions").stderr

    m8.end = another
    document = shown(run, "get", "upload", request_id)
    assert (document["proven"], document["outcome"]) == (False, "")
    assert "its grant names another person than m8 shows" in run("get", "upload", request_id).stderr


def test_lists_say_which_rows_are_proven(m8: Remembering, run: Run) -> None:
    put(run)
    put(run, "vault://app/other")
    m8.secrets["vault://app/other"].ClearField("receipt")

    result = run("get", "secrets")
    rows = [line.split() for line in result.stdout.splitlines()]
    at = rows[0].index("PROVEN")
    assert [row[at] for row in rows[1:]] == ["yes", "no"]
    assert result.stderr.startswith("note: vault://app/other is m8's word alone: m8 shows no receipt for it")
    assert [row["proven"] for row in json.loads(run("get", "secrets", "-o", "json").stdout)] == [True, False]
    assert shown(run, "get", "secret", URI)["proven"] is True
    assert shown(run, "get", "secret", URI, "--versions")["proven"] is True


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_receipt_that_proves_nothing_is_warned_about_by_name(m8: Remembering, run: Run, form: str) -> None:
    put(run)
    m8.secrets[URI].upstream_version = "8@2026-01-01T00:00:00Z"

    result = ends(run("get", "secrets", "-o", form), 0)
    assert result.stderr.startswith(f"warning: {URI} is m8's word alone: what m8 shows as its proof is none")


def test_a_receipt_of_a_request_that_failed_says_nothing_of_what_is_there(m8: Remembering, run: Run) -> None:
    put(run)
    failed = m8.attempts[0].failure(upload_pb2.REASON_CONFLICT)
    m8.secrets[URI].CopyFrom(views_pb2.Secret(uri=URI, request_id=m8.secrets[URI].request_id, receipt=failed))

    result = ends(run("get", "secrets"), 0)
    assert result.stderr.startswith(f"warning: {URI} is m8's word alone: what m8 shows as its proof is none")


def test_without_a_pin_nothing_is_checked_and_that_is_said(run: Run, tmp_path: Path) -> None:
    request_id = put(run)
    (tmp_path / "known_stores").write_text("")

    for words in (("get", "secrets"), ("get", "secret", URI), ("get", "upload", request_id)):
        document = shown(run, *words)
        assert (document["proven"], document["why_not_proven"]) == (
            False,
            "not checked: no identity of its store is pinned here",
        )
        assert "not checked" in run(*words).stderr


def test_verifying_all_says_how_many_m8_lists_and_names_what_it_leaves_out(m8: Remembering, run: Run) -> None:
    put(run)
    put(run, "vault://app/other")
    first = run("verify", "secret", "--all")
    left_out = m8.secrets.pop("vault://app/other")
    second = run("verify", "secret", "--all", "-o", "json")
    m8.secrets[left_out.uri] = left_out
    third = run("verify", "secret", "--all")

    assert "note: asked about 2 secrets, all that m8 lists.\n" in first.stderr
    assert "note: asked about 1 secret, all that m8 lists.\n" in second.stderr
    assert "warning: vault://app/other: m8 listed it before, does not list it now, and proves no" in second.stderr
    assert "warning" not in first.stderr + third.stderr


def test_a_deletion_that_is_proven_is_nothing_to_warn_of(m8: Remembering, run: Run) -> None:
    put(run)
    put(run, "vault://app/other")
    run("verify", "secret", "--all")
    assert run("delete", "secret", URI, "--yes").exit_code == 0
    assert "warning" not in run("verify", "secret", "--all").stderr
    m8.deleted.clear()
    assert "warning" not in run("verify", "secret", "--all").stderr


def test_a_deletion_of_an_earlier_version_hides_nothing_even_if_it_was_never_shown(m8: Remembering, run: Run) -> None:
    m8.version = "1@2026-01-01T00:00:00Z"
    put(run)
    run("delete", "secret", URI, "--yes")
    before = m8.deleted.pop(URI)
    m8.version = "2@2026-01-02T00:00:00Z"
    put(run)
    assert "warning" not in run("verify", "secret", "--all").stderr
    del m8.secrets[URI]
    m8.deleted[URI] = before
    m8.upstream = "2@2026-01-02T00:00:00Z"

    for _ in range(2):
        shown = run("verify", "secret", "--all").stderr
        assert f"warning: {URI}: m8 listed it before, does not list it now, and the deletion that it shows is" in shown


def test_a_deletion_that_skips_a_version_counts_once_the_store_finds_nothing_there(m8: Remembering, run: Run) -> None:
    put(run)
    run("verify", "secret", "--all")
    m8.version, m8.prior = "2@2026-01-02T00:00:00Z", VERSION
    put(run)
    run("delete", "secret", URI, "--yes")
    assert "warning" not in run("verify", "secret", "--all").stderr
    m8.deleted.clear()
    assert "warning" not in run("verify", "secret", "--all").stderr


def test_a_receipt_that_does_not_follow_is_told_until_the_store_confirms_it(m8: Remembering, run: Run) -> None:
    """Else an older receipt would be remembered as the newest, and then its deletion would hide what was seen."""
    m8.version = "1@2026-01-01T00:00:00Z"
    put(run)
    never_shown = m8.secrets[URI]
    m8.version = "3@2026-01-03T00:00:00Z"
    put(run)
    run("verify", "secret", "--all")
    m8.secrets[URI], m8.upstream = never_shown, "3@2026-01-03T00:00:00Z"

    for _ in range(2):
        told = run("verify", "secret", "--all")
        assert f"warning: {URI}: m8 shows a receipt that does not follow" in told.stderr
        assert told.exit_code == 12

    m8.upstream = ""
    for _ in range(2):
        assert "warning" not in run("verify", "secret", "--all").stderr


def test_where_nothing_can_be_remembered_that_is_said_and_all_is_verified(run: Run, tmp_path: Path) -> None:
    put(run)
    (tmp_path / file_name("alice")).mkdir(mode=0o700)

    result = ends(run("verify", "secret", "--all"), 0)
    assert "IN_SYNC" in result.stdout
    assert "warning: what m8 lists was not compared with what it listed before: " in result.stderr


def test_each_subject_is_told_of_what_was_shown_to_it_alone() -> None:
    names = {file_name(subject) for subject in ("alice", "bob")}
    assert len(names) == 2
    assert file_name(None) == NAME


@pytest.mark.parametrize("reason", list(reasons.MEANINGS))
def test_a_reason_that_nobody_signed_is_told_as_m8s_word(reason: upload_pb2.Reason) -> None:
    for purpose in {upload_pb2.PURPOSE_UPLOAD, *(purpose for purpose, _ in reasons._FOR_PURPOSE)}:
        signed = reasons.error_for(reason, URI, purpose)
        unsigned = reasons.error_for(reason, URI, purpose, said_by_m8=True)
        assert (type(unsigned), unsigned.code) == (type(signed), signed.code)
        assert unsigned.message.startswith(f"{URI}: m8 says: ")
        assert unsigned.message.endswith("No store signed that; nothing was sent.")
        assert "overwrite" not in unsigned.fix.lower()


def test_all_is_verified_by_the_identity_given(m8: Remembering, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put(run)
    monkeypatch.delenv("MONOCTL_KNOWN_STORES")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/none")
    monkeypatch.setenv("MONOCTL_STORE_IDENTITY", f"vault={m8.identity.shown}")

    result = run("verify", "secret", "--all")
    shown = run("get", "secret", URI, "-o", "json")

    assert result.exit_code == 0, result.output
    assert "IN_SYNC" in result.stdout
    assert "warning: what m8 lists was not compared with what it listed before: " in result.stderr
    assert json.loads(shown.stdout)["proven"] is True
