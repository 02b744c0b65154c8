"""What Ctrl-C tells of several requests, attempts and URIs."""

from __future__ import annotations

from monoskope.client.walk.task import Progress, Stage
from monoskope.errors import OutcomeUnknownError
from monoskope.exit_codes import ExitCode, exit_code
from monoskope.monoctl.output.progress import Watch
from monoskope.monoctl.output.report import InterruptedBeforeSendingError, interrupted
from monoskope.uri import SecretUri

URI, OTHER = SecretUri.parse("vault://app/db"), SecretUri.parse("local://app/db")
FIRST, SECOND = b"\x01" * 16, b"\x02" * 16


def watching(*progress: Progress) -> Watch:
    watch = Watch()
    for one in progress:
        watch.observe(one)
    return watch


def test_an_attempt_without_proof_counts_although_a_new_one_has_sent_nothing_yet() -> None:
    watch = watching(Progress(URI, FIRST, Stage.SENT), Progress(URI, SECOND, Stage.ASKING))
    error = interrupted(watch.sent(), watch.ended())
    assert exit_code(error) is ExitCode.OUTCOME_UNKNOWN
    assert FIRST.hex() in error.message
    assert FIRST.hex() in error.fix


def test_a_later_success_settles_it() -> None:
    watch = watching(Progress(URI, FIRST, Stage.SENT), Progress(URI, SECOND, Stage.ENDED, end="UPLOADED"))
    assert watch.sent() == []
    assert "ended as UPLOADED" in interrupted(watch.sent(), watch.ended()).message


def test_a_later_failure_settles_nothing() -> None:
    watch = watching(Progress(URI, FIRST, Stage.SENT), Progress(URI, SECOND, Stage.ENDED, end="FAILED: CONFLICT"))
    error = interrupted(watch.sent(), watch.ended())
    assert "may or may not be written" in error.message
    assert "ended as FAILED: CONFLICT" in error.message


def test_of_several_uris_each_has_its_own_story() -> None:
    watch = watching(Progress(URI, FIRST, Stage.ENDED, end="UPLOADED"), Progress(OTHER, SECOND, Stage.SENT))
    error = interrupted(watch.sent(), watch.ended())
    assert f"{OTHER} was sent" in error.message
    assert f"{URI} ended as UPLOADED" in error.message


def test_a_comparison_wrote_nothing() -> None:
    error = interrupted(watching(Progress(URI, FIRST, Stage.SENT, writes=False)).sent(), [])
    assert isinstance(error, OutcomeUnknownError)
    assert "nothing was written" in error.message


def test_what_a_patch_or_a_deletion_may_have_done_is_named() -> None:
    for done in ("patched", "deleted"):
        error = interrupted(watching(Progress(URI, FIRST, Stage.SENT, done=done)).sent(), [])
        assert f"may or may not be {done}" in error.message


def test_before_anything_was_sent_that_is_said() -> None:
    watch = watching(Progress(URI, FIRST, Stage.ASKING))
    assert isinstance(interrupted(watch.sent(), watch.ended()), InterruptedBeforeSendingError)
