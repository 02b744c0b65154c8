"""Every code that a page can show: the test in which a user meets it in a browser, or why nobody can."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monoskope.errors import Code
from monoskope.monoctl.console.session import NoSessionError

HERE = Path(__file__).parent
FAILURES = HERE.parents[1] / "console" / "src" / "api" / "failures.ts"

MET = {
    "USAGE": "test_refusals.py::test_what_is_wrong_with_keys_and_values_is_told_before_anything_is_sent",
    "UNAUTHENTICATED": (
        "test_newcomer.py::test_a_right_that_is_missing_is_told_at_its_button_and_a_credential_that_was_revoked_by_m8"
    ),
    "REFUSED": "test_refusals.py::test_what_the_store_or_its_engine_cannot_take_is_told_and_nothing_is_written",
    "NOT_FOUND": "test_refusals.py::test_what_is_gone_upstream_is_not_found",
    "IDENTITY_CHANGED": "test_newcomer.py::test_first_contact_asks_for_the_identity_and_another_one_is_a_full_stop",
    "CONFLICT": "test_refusals.py::test_a_conflict_is_told_and_what_is_there_stays",
    "UNAVAILABLE": "test_lifetime.py::test_m8_goes_away_and_comes_back_and_nothing_is_lost",
    "OUTCOME_UNKNOWN": (
        "test_refusals.py::test_a_reactor_that_dies_after_it_began_to_write_leaves_an_unknown_end_and_never_a_success"
    ),
    "NOT_AUTHORIZED": (
        "test_company.py::test_what_the_stores_own_list_does_not_let_a_key_do_is_not_authorized_and_nothing_is_written"
    ),
    "RATE_LIMITED": "test_refusals.py::test_too_many_guesses_are_refused_with_a_time_to_come_back",
    "LOG_MISMATCH": (
        "test_log_stop.py::test_a_log_that_was_rewritten_is_a_full_stop_with_both_notes_and_nothing_more_is_asked"
    ),
    "CONSOLE_GONE": (
        "safety/test_links.py::test_who_takes_the_port_of_a_console_that_has_ended_reads_nothing_and_is_not_believed"
    ),
    "BROWSER": "safety/test_links.py::test_a_browser_without_webcrypto_is_told_so_in_words",
    "LINK_USED": (
        "safety/test_links.py"
        "::test_who_uses_a_stolen_link_first_loses_the_session_when_its_user_comes_and_the_terminal_tells_of_it"
    ),
    "LINK_ENDED": "safety/test_links.py::test_a_reloaded_page_says_what_to_do_and_enter_opens_a_new_one",
    "SESSION_ENDED": (
        "safety/test_links.py"
        "::test_who_uses_a_stolen_link_first_loses_the_session_when_its_user_comes_and_the_terminal_tells_of_it"
    ),
}

NOT_MET = {
    "NOT_AGREED": "the page asks about a new identity before it sends anything",
    "ALREADY_EXISTS": "names that can be taken are those of stores, which no page makes",
    "TIMED_OUT": "it takes two minutes in which a reactor holds a key and answers nothing",
    "PROTOCOL": "an m8 of the same version speaks this protocol",
    "NOT_TRIED": "the page has all secrets of a form checked before it sends any",
    "NOT_YET": "the page asks for no proof of a request",
    "INTERNAL": "no defect of this kind is known",
}


@pytest.mark.parametrize("place", sorted({*MET.values()}))
def test_it_is_met_in_a_test_that_exists(place: str) -> None:
    file, _, name = place.partition("::")
    assert f"def {name}(" in (HERE / file).read_text(encoding="utf-8")


def test_no_code_is_forgotten() -> None:
    of_the_page = set(re.findall(r'code: "([A-Z_]+)"', FAILURES.read_text(encoding="utf-8")))
    of_sessions = {kind.own_code for kind in NoSessionError.__subclasses__()}
    assert MET.keys() | NOT_MET.keys() == {code.value for code in Code} | of_sessions | of_the_page
    assert not MET.keys() & NOT_MET.keys()
