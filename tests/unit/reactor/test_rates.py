"""How often a process serves, and that one subject's use is not the others' problem."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.request import Request
from monoskope.reactor.limits import Rates, Signer
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.settings import ReactorLimits
from monoskope.uri import SecretUri
from tests.support.reactor_world import URI, Clock, ask

COMPARE = upload_pb2.PURPOSE_COMPARE


def at(name: str) -> SecretUri:
    return SecretUri.parse(f"memory://team-a/{name}")


def taken(rates: Rates, request: Request, subject: str = "alice") -> bool:
    try:
        rates.take(request, subject)
    except FailedError as error:
        return error.reason != upload_pb2.REASON_RATE_LIMITED
    return True


def spent(rates: Rates, uri: SecretUri, subject: str) -> bool:
    """Announce a write that is not made; return whether it could have told right from wrong."""
    with rates.guess(uri, subject) as guess:
        guess.announced = True
    return guess.may_compare


def test_the_defaults_are_the_protocols() -> None:
    limits = ReactorLimits()
    assert (limits.compares_per_hour_per_uri, limits.compares_per_hour, limits.uploads_per_second) == (10, 60, 100)
    assert limits.puts_per_hour == 2_000


@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH, upload_pb2.PURPOSE_IMPORT])
def test_puts_are_limited_by_the_hour_over_all_secrets_for_each_subject(purpose: upload_pb2.Purpose) -> None:
    clock, refusals = Clock(), list[bool]()
    rates = Rates(ReactorLimits(), now=clock, refused=lambda: refusals.append(True))
    for number in range(2_000):
        clock.time += 1.0
        assert taken(rates, ask(purpose, uri=at(f"own-{number % 50}")))
    with pytest.raises(FailedError) as refused:
        rates.take(ask(purpose, uri=at("another")), "alice")
    assert (refused.value.reason, refused.value.retry_after_s) == (upload_pb2.REASON_RATE_LIMITED, 1_601)
    assert "puts_per_hour" in refused.value.detail
    assert len(refusals) == 1
    assert taken(rates, ask(purpose), "bob")
    assert taken(rates, ask(upload_pb2.PURPOSE_DELETE, expect=upload_pb2.EXPECT_ANY)), "what is no put goes on"
    clock.time += 1_600
    assert not taken(rates, ask(purpose))
    clock.time += 1
    assert taken(rates, ask(purpose))
    assert not taken(rates, ask(purpose)), "a window of an hour never holds more, wherever it begins"


def test_a_bulk_import_has_a_limit_of_its_own() -> None:
    rates = Rates(ReactorLimits(puts_per_hour=1, puts_per_hour_of={"importer": 3}), now=Clock())
    assert [taken(rates, ask(), who) for who in ("importer", "alice") for _ in range(4)] == [
        *(True, True, True, False),
        *(True, False, False, False),
    ]


def test_invented_subjects_fill_no_memory_and_push_out_no_signer() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(puts_per_hour=1, uploads_per_second=1_000), now=clock)
    rates.signed(ask(), Signer("anna"))
    for number in range(12_000):
        clock.time += 0.01
        assert taken(rates, ask(), f"nobody-{number}")
    assert len(rates._puts) == 10_000
    with pytest.raises(FailedError):
        rates.signed(ask(), Signer("anna"))


def test_uploads_are_limited_by_the_second_and_half_is_left_to_others() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(uploads_per_second=6), now=clock)
    assert [taken(rates, ask()) for _ in range(5)] == [True, True, True, False, False]
    assert [taken(rates, ask(), "bob") for _ in range(3)] == [True, True, False]
    assert taken(rates, ask(), "carol")
    assert not taken(rates, ask(), "dave")
    clock.time += 0.9
    assert not taken(rates, ask())
    clock.time += 0.2
    assert taken(rates, ask())


def test_24_parallel_puts_of_one_subject_leave_another_alone() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(), now=clock)
    refused = 0
    for _ in range(200):
        clock.time += 0.04
        for _ in range(24):
            taken(rates, ask())
        refused += not taken(rates, ask(), "bob")
    assert refused == 0


def test_58_comparisons_of_one_subject_shut_nobody_out() -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    allowed = sum(taken(rates, ask(COMPARE, uri=at(f"x{number}"))) for number in range(58))
    assert allowed == 30
    assert taken(rates, ask(COMPARE, uri=at("y")), "bob")


@pytest.mark.parametrize("subjects", [1, 2, 5, 100])
def test_in_all_no_more_guesses_than_the_limits_whoever_makes_them(subjects: int) -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    one = sum(spent(rates, URI, f"s{number % subjects}") for number in range(300))
    every = one + sum(spent(rates, at(f"x{number}"), f"s{number % subjects}") for number in range(600))
    assert one <= 10
    assert every <= 60


def test_comparisons_and_writes_that_were_not_made_share_one_limit() -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    distinguished = 0
    for number in range(40):
        distinguished += taken(rates, ask(COMPARE), f"a{number}")
        distinguished += spent(rates, URI, f"b{number}")
    assert distinguished == 10


def test_sixty_failures_of_one_subject_do_not_stop_another() -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    for number in range(60):
        spent(rates, at(f"x{number % 7}"), "alice")
    assert taken(rates, ask(), "bob")
    assert taken(rates, ask(COMPARE), "bob")
    with rates.guess(URI, "bob") as guess:
        assert guess.may_compare


def test_an_hour_later_everything_is_as_before() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(), now=clock)
    assert sum(spent(rates, URI, "alice") for _ in range(9)) == 5
    clock.time += 3_599
    assert not spent(rates, URI, "alice")
    clock.time += 1
    assert spent(rates, URI, "alice")


def test_what_is_proven_written_or_never_announced_counts_for_nothing() -> None:
    rates = Rates(ReactorLimits(), now=Clock())
    for _ in range(30):
        with rates.guess(URI, "alice") as guess:
            assert guess.may_compare
            guess.announced = guess.written = True
        with pytest.raises(RuntimeError), rates.guess(URI, "alice") as guess:
            raise RuntimeError


def test_a_defect_after_the_announcement_counts() -> None:
    rates = Rates(ReactorLimits(compares_per_hour_per_uri=2), now=Clock())
    guessing = rates.guess(URI, "alice")
    guessing.__enter__().announced = True
    assert not guessing.__exit__(RuntimeError, RuntimeError(), None)
    assert not spent(rates, URI, "alice")


def test_guesses_that_are_under_way_count_so_that_many_at_once_are_no_more() -> None:
    rates = Rates(ReactorLimits(compares_per_hour_per_uri=10), now=Clock())
    held = [rates.guess(URI, f"s{number}") for number in range(16)]
    assert sum(guess.__enter__().may_compare for guess in held) == 10


def test_the_memory_of_rates_is_bounded() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(), now=clock)
    for number in range(2_000):
        clock.time += 0.001
        taken(rates, ask(COMPARE, uri=at(str(number))), f"s{number}")
        taken(rates, ask(), f"s{number}")
        spent(rates, URI, f"s{number}")
    assert len(rates._guesses) <= 60
    assert len(rates._uploads) <= 100


def retry_after_s(rates: Rates, request: Request, subject: str = "alice") -> int:
    with pytest.raises(FailedError) as refused:
        rates.take(request, subject)
    return refused.value.retry_after_s


def test_a_refusal_says_when_there_is_room_again() -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(uploads_per_second=1, compares_per_hour_per_uri=2, compares_per_hour=3), now=clock)
    rates.take(ask(), "alice")
    clock.time += 0.25
    assert retry_after_s(rates, ask()) == 1

    compare = ask(purpose=COMPARE)
    rates.take(compare, "alice")
    clock.time += 600
    assert retry_after_s(rates, compare) == 3_000
    # Half of the three of the process: bob may have one at this secret, too; then carol waits for the first to be over.
    rates.take(compare, "bob")
    clock.time += 600
    assert retry_after_s(rates, compare, "carol") == 2_400
    clock.time += 2_400
    rates.take(compare, "carol")


@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_UPLOAD, COMPARE])
def test_whoever_comes_back_when_told_finds_room_if_nobody_else_came(purpose: upload_pb2.Purpose) -> None:
    clock = Clock()
    rates = Rates(ReactorLimits(uploads_per_second=7, compares_per_hour_per_uri=5, compares_per_hour=8), now=clock)
    for number in range(60):
        clock.time += 0.11
        subject = f"user-{number % 5}"
        request = ask(purpose=purpose)
        try:
            rates.take(request, subject)
        except FailedError as refused:
            clock.time += refused.retry_after_s
            rates.take(request, subject)
