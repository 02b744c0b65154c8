"""What the page computes by itself, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.monoctl.console.page.in_node import evaluated

NAMES = {
    "parts/words/Time": "relative",
    "parts/words/Uri": "isBelow",
    "pictures/events/log": "merged",
    "pictures/words/outcomes": "kindOf, KIND_WORDS, endWords",
    "pictures/words/days": "utcDay",
    "pictures/events/sentences": "tell, signedBy",
    "views/upload/steps": "isUnknown, stepsOf",
    "forms/values/rules": "looksLikeEnvFile",
    "pictures/stores/health": "limitWords",
    "forms/able": "notAllowed, notReady",
    "forms/send/useSending": "summary",
}
NOW = 1_000_000_000_000


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All that the tests look at, from one process."""
    answer: dict[str, Any] = evaluated(
        tmp_path_factory.mktemp("page"),
        NAMES,
        f"""{{
          times: [0, 9e3, -9e3, 11e3, -60e3, 7200e3].map((ms) => relative({NOW} - ms, {NOW})),
          below: ["vault://app", "vault://app/db", "vault://apple", "vault2://app"].map((uri) => isBelow(uri, "vault://app")),
          inStore: [isBelow("vault://a", "vault://"), isBelow("", ""), isBelow("", "vault://")],
          merged: merged([5, 3, 1].map((position) => ({{ position }})), [4, 3, 2].map((position) => ({{ position }}))),
          edited: [KIND_WORDS[kindOf("EDITED")].meaning, endWords("EDITED")],
          ends: ["CONFLICT", "KEY_LOST", "OUTCOME_UNKNOWN"].map((reason) => [
            endWords("FAILED: " + reason), tell({{ type: "SecretUploadFailed", detail: reason }}).text,
          ]),
          unknown_ends: [
            ["UPLOAD", "FAILED", "KEY_LOST", ""],
            ["DELETE", "FAILED", "OUTCOME_UNKNOWN", ""],
            ["PATCH", "", "", "FAILED: KEY_LOST"],
            ["UPLOAD", "FAILED", "CONFLICT", ""],
            ["COMPARE", "FAILED", "KEY_LOST", ""],
            ["UPLOAD", "UPLOADED", "", "FAILED: KEY_LOST"],
          ].map(([purpose, outcome, reason, m8_says]) => (
            isUnknown({{ purpose, outcome, reason, m8_says, state: "ENDED" }}))),
          heard: [["OUTCOME_UNKNOWN"], ["CONFLICT"], ["OUTCOME_UNKNOWN", "CONFLICT"]].map((codes) => (
            summary(codes.map((code) => ({{ failed: {{ code }} }}))))),
          env: ["A=1\\n export B =2", "A=1\\nno", "\\n".repeat(1_000_000), " ".repeat(1_000_000)].map(looksLikeEnvFile),
          day: utcDay(Date.UTC(2026, 10, 26, 23, 59)),
          limits: [1023, 65_536, 1_048_575].map(limitWords),
          may: ["put", "import", "delete"].map((form) => (
            notAllowed(form, {{ role: "user", rights: ["put"], may: [], login: "" }}))),
          administrator: notAllowed("put", {{ role: "administrator", rights: [] }}),
          copied: ["pg://orders_a, keys password", "pg://orders_a by the change ab12"].map((to) => (
            tell({{ type: "SecretUploadKeyRequested", detail: "COPY of vault://orders/db.next to " + to }}).text)),
          signed: [
            "UPLOADED, version 7@x, signed by anna@example.org with SHA256:abc", "UPLOADED, version 7",
          ].map((detail) => [
            tell({{ type: "SecretUploaded", detail }}).text, signedBy({{ detail }}).signer_key,
          ]),
          without_receipt: ["UPLOADED", "FAILED: CONFLICT", ""].map((m8_says) => (
            stepsOf(
              {{ state: "ENDED", outcome: "", reason: "", purpose: "COMPARE", has_receipt: false, m8_says }}, [],
            ).at(-1).at)),
          ready: [
            [["signatures"], false, ""], [["signatures"], false, "SHA256:abc"],
            [["signatures"], true, "SHA256:abc"], [[], false, ""],
          ].map(([capabilities, signers_trouble, key]) => notReady(
            {{ engine: "ok", reactors: [{{ attached: true, capabilities, signers_trouble }}] }},
            {{ signs_with: {{ key, trouble: "" }} }},
          )),
          unknown: notAllowed("put", {{ role: "", rights: [] }}),
        }}""",
    )
    return answer


def test_a_moment_is_said_beside_now(said: dict[str, Any]) -> None:
    assert said["times"] == ["just now", "just now", "just now", "11 s ago", "in 1 min", "2 h ago"]
    assert said["day"] == "2026-11-26"


def test_what_lies_below_a_prefix_lies_there_by_whole_segments(said: dict[str, Any]) -> None:
    assert (said["below"], said["inStore"]) == ([True, True, False, False], [True, True, False])


def test_older_events_come_in_their_place_and_each_once(said: dict[str, Any]) -> None:
    assert [event["position"] for event in said["merged"]] == [5, 4, 3, 2, 1]


def test_an_end_that_a_receipt_leaves_open_is_never_told_as_a_failure(said: dict[str, Any]) -> None:
    conflict, *unknown = said["ends"]
    assert conflict == ["failed: something else was upstream", "Failed: something else was upstream"]
    for words in unknown:
        assert [word.lower().startswith("end not known: ") for word in words] == [True, True]
    assert said["heard"] == ["It may or may not have been done.", "It failed.", "0 done, 1 failed, 1 not known."]
    assert said["unknown_ends"] == [True, True, True, False, False, False]


def test_lines_are_told_from_a_value_whatever_its_size(said: dict[str, Any]) -> None:
    assert said["env"] == [True, False, False, False]


def test_an_edit_of_notes_is_no_outcome_that_the_page_does_not_know(said: dict[str, Any]) -> None:
    meaning, words = said["edited"]
    assert "edited" in meaning
    assert words == "notes edited"


def test_a_limit_is_never_said_to_be_more_than_it_is(said: dict[str, Any]) -> None:
    assert said["limits"] == ["1023 bytes", "64 KiB", "1023 KiB"]


def test_a_command_that_is_not_allowed_says_why(said: dict[str, Any]) -> None:
    put, import_, delete = said["may"]
    assert put == ""
    assert "see-hash" in import_
    assert "delete" in delete
    assert "administrator" in said["administrator"]
    assert said["unknown"] == ""


def test_a_copy_says_where_to_whatever_follows(said: dict[str, Any]) -> None:
    assert said["copied"] == ["Somebody wants to copy this secret to another place: pg://orders_a"] * 2


def test_an_event_says_by_whom_its_request_was_signed(said: dict[str, Any]) -> None:
    assert said["signed"] == [
        ["The secret is in the engine as version 7, signed by anna@example.org", "SHA256:abc"],
        ["The secret is in the engine as version 7", ""],
    ]


def test_an_end_without_a_receipt_is_no_failure_if_m8_says_that_it_was_done(said: dict[str, Any]) -> None:
    assert said["without_receipt"] == ["done", "failed", "failed"]


def test_a_form_says_what_is_missing_for_a_store_that_takes_signed_requests(said: dict[str, Any]) -> None:
    no_key, ready, trouble, unsigned = said["ready"]
    assert "no key that signs. Run monoctl config set signing_key FILE" in no_key
    assert (ready, unsigned) == ("", "")
    assert "cannot use its own list of signers" in trouble
