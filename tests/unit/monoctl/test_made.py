"""`monoctl get secrets --since`: which secrets changed, by whom, and which values somebody may know."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import parse_receipt
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Run, ends


class Changed(ScriptedM8):
    """Lists what was done before, all of it a day ago unless `ages_d` says otherwise. All values have one hash."""

    def __init__(self) -> None:
        super().__init__()
        self.ages_d: dict[str, int] = {}
        self.subjects: dict[str, str] = {}
        self.behind: dict[str, str] = {}
        """A secret to the one whose request m8 shows as its own."""
        self.end = self.granted_end
        self.answers |= {
            queries_pb2.ListSecretsRequest: lambda _: queries_pb2.ListSecretsResponse(
                secrets=[self.view(attempt) for attempt in self.attempts]
            ),
            queries_pb2.ListSecretVersionsRequest: queries_pb2.ListSecretVersionsResponse(),
        }

    def granted_end(self, attempt: Attempt) -> views_pb2.SecretUpload:
        ended = self.honest_end(attempt)
        ended.grant.CopyFrom(attempt.signed_grant())
        ended.outcome = parse_receipt(ended.receipt.content).outcome
        return ended

    def view(self, attempt: Attempt) -> views_pb2.Secret:
        signed, uri = attempt.success(), str(attempt.request.uri)
        receipt = parse_receipt(signed.content)
        behind = {str(one.request.uri): one.request.request_id for one in self.attempts}
        return views_pb2.Secret(
            uri=uri,
            fingerprint=receipt.fingerprint,
            values=[upload_pb2.ValueFingerprint(key=key, fingerprint=text) for key, text in receipt.values],
            upstream_version=receipt.upstream_version,
            subject=self.subjects.get(uri, self.subject),
            uploaded_at_ms=int(time.time() - self.ages_d.get(uri, 1) * 86_400) * 1000,
            request_id=behind[self.behind.get(uri, uri)],
            receipt=signed,
        )


@pytest.fixture
def scripted() -> Changed:
    return Changed()


GENERATED, PUT = "vault://app/generated", "vault://app/put"


@pytest.fixture
def done(run: Run, m8: Changed) -> Changed:
    ends(run("generate", "secret", GENERATED, "password=password:32", "username=fixed:orders"), 0)
    ends(run("put", "secret", PUT, "--from-file", "password=-", stdin=VALUE), 0)
    return m8


def listed(run: Run, *words: str) -> dict[str, dict[str, Any]]:
    result = ends(run("get", "secrets", "--since", "90d", "-o", "json", *words), 0)
    return {row["uri"]: row for row in json.loads(result.stdout)}


@pytest.mark.usefixtures("done")
def test_what_a_person_put_is_known_even_if_it_has_the_hash_of_what_was_made_at_random(run: Run) -> None:
    rows = listed(run)
    shown = {uri: (row["made"], row["known_keys"], row["proven"], row["subject"]) for uri, row in rows.items()}
    assert shown == {
        GENERATED: ("GENERATE", ["username"], True, "alice"),
        PUT: ("UPLOAD", ["password"], True, "alice"),
    }
    header, *rows_of_table = ends(run("get", "secrets", "--since", "90d"), 0).stdout.splitlines()
    assert header.split() == ["URI", "CHANGED", "BY", "SIGNED", "BY", "MADE", "MADE", "AT", "KNOWN", "KEYS", "PROVEN"]
    assert len(rows_of_table) == 2


def test_what_changed_before_is_left_out(run: Run, done: Changed) -> None:
    done.ages_d[PUT] = 91
    assert set(listed(run)) == {GENERATED}
    ends(run("get", "secrets", "--since", "soon"), 2)


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ({"behind": {PUT: GENERATED}}, "its last request did something else"),
        ({"subjects": {PUT: "bob"}}, "its grant names another person"),
    ],
)
def test_another_request_or_person_is_no_proof(run: Run, done: Changed, lie: dict[str, Any], why: str) -> None:
    for name, said in lie.items():
        setattr(done, name, said)
    row = listed(run)[PUT]
    assert (row["made"], row["known_keys"], row["proven"]) == ("", ["password"], False)
    assert why in ends(run("get", "secrets", "--since", "90d"), 0).stderr
